//! Files that are complete or not there: atomic writes, checkpoints, and lines of JSON that a
//! resumed run continues.

use protege_core::{Error, Result};
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

pub mod arrays;
pub mod checkpoints;
pub mod jsonl;
pub mod metrics;
pub mod place;
pub mod seal;

/// Reads a whole file that the user named.
///
/// # Errors
/// The user's, when it is missing, not a plain file or not readable.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let open = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        Ok::<_, std::io::Error>((file, metadata))
    };
    let (file, metadata) = open().map_err(|e| {
        Error::input(format!(
            "{} cannot be read ({e}); check the path.",
            path.display()
        ))
    })?;
    if !metadata.is_file() {
        return Err(Error::input(format!(
            "{} is not a plain file; name one.",
            path.display()
        )));
    }
    let mut bytes = Vec::new();
    // A file that grows meanwhile is read up to where it ended.
    let done = bytes
        .try_reserve_exact(metadata.len() as usize)
        .map_err(std::io::Error::other);
    let done = done.and_then(|()| file.take(metadata.len()).read_to_end(&mut bytes));
    done.map_err(|e| Error::failed(format!("{} cannot be read: {e}.", path.display())))?;
    Ok(bytes)
}

/// Writes a file so that it holds either what it held before or all of `bytes`, whatever happens
/// meanwhile.
///
/// # Errors
/// When the disk is full or refuses; the file is then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    // One name for each file: what a killed write leaves behind, the next one replaces. Two that
    // write at the same time take turns.
    let temporary = sibling(path, ".", ".partial");
    let replace = |mut file: File| {
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&temporary, path))
            .and_then(|()| sync_folder(parent(path)));
        written.inspect_err(|_| {
            // What could not be written is only in the way; the first error is the one to tell.
            let _ = fs::remove_file(&temporary);
        })
    };
    let written = place::alone(&temporary).and_then(replace);
    written.map_err(|e| refused(path, &e))
}

/// Writes a file and waits until the disk has it.
fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Waits until the disk has the names in a folder. (Windows keeps them by itself, and cannot open
/// folders.)
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Creates a folder, with those above it.
///
/// # Errors
/// When the disk refuses.
pub fn create_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)
        .and_then(|()| sync_folder(parent(folder)))
        .map_err(|e| refused(folder, &e))
}

/// Creates a folder in one that is there already, so that one that was moved or removed meanwhile
/// is not made anew.
///
/// # Errors
/// When the folder above is gone, or the disk refuses.
pub fn create_subfolder(folder: &Path) -> Result<()> {
    match create_new_folder(folder) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        created => created.map_err(|e| refused(folder, &e)),
    }
}

/// Creates a folder that is not there yet, in one that is.
pub(crate) fn create_new_folder(folder: &Path) -> std::io::Result<()> {
    fs::create_dir(folder)?;
    sync_folder(parent(folder))
}

/// The folder that a path is in.
fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// The path beside `path` whose name is its name between two pieces of text.
fn sibling(path: &Path, before: &str, after: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{before}{name}{after}"))
}

/// Why something could not be written, in a sentence.
pub(crate) fn refused(path: &Path, error: &std::io::Error) -> Error {
    let path = path.display();
    Error::failed(match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            format!(
                "There is no room for {path} ({error}); make room and go on: what was saved before \
                 is intact."
            )
        }
        _ => format!("{path} cannot be written ({error}); check the folder and its permissions."),
    })
}
