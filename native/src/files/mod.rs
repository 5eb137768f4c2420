//! Files that are complete or not there: atomic writes, checkpoints, and lines of JSON that a
//! resumed run continues.

use protege_core::{Error, Result};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

pub mod arrays;
pub mod checkpoints;
pub mod jsonl;
pub mod metrics;

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
    // One name for each file: what a killed write leaves behind, the next one replaces.
    let temporary = sibling(path, ".", ".partial");
    let written = write_synced(&temporary, bytes)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_folder(parent(path)));
    written.map_err(|e| {
        // What could not be written is only in the way; the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
        refused(path, &e)
    })
}

/// A file that is written piece by piece, and has its name once it is complete; until then, what it
/// is to replace stays.
pub struct PartialFile {
    path: PathBuf,
    temporary: PathBuf,
    /// None once it is complete.
    file: Option<BufWriter<File>>,
}

impl PartialFile {
    /// Begins an empty one.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn begin(path: &Path) -> Result<Self> {
        let temporary = partial(path);
        let file = File::create(&temporary).map_err(|e| refused(path, &e))?;
        Ok(Self {
            path: path.into(),
            temporary,
            file: Some(BufWriter::new(file)),
        })
    }

    /// Gives it its name, when the disk has all of it.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn finish(mut self) -> Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let done = file
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error);
        let done = done.and_then(|file| file.sync_all());
        done.map_err(|e| refused(&self.path, &e))
            .and_then(|()| put_in_place(&self.temporary, &self.path))
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.as_mut().map_or(Ok(0), |file| file.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        // What has its name is no longer there, and the rest is only in the way.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Where something is written before it is complete.
pub fn partial(path: &Path) -> PathBuf {
    sibling(path, ".", ".partial")
}

/// Gives what was written beside `path` its name.
///
/// # Errors
/// When the disk refuses.
pub fn put_in_place(temporary: &Path, path: &Path) -> Result<()> {
    fs::rename(temporary, path)
        .and_then(|()| sync_folder(parent(path)))
        .map_err(|e| refused(path, &e))
}

/// The first of `name.end`, `name-2.end`, ... that does not exist yet: for names that nobody chose.
pub fn unused(name: &str, end: &str) -> PathBuf {
    let first = PathBuf::from(format!("{name}.{end}"));
    let others = (2..).map(|n| PathBuf::from(format!("{name}-{n}.{end}")));
    let mut all = std::iter::once(first.clone()).chain(others);
    // A link to nothing is something, too.
    all.find(|path| path.symlink_metadata().is_err())
        .unwrap_or(first)
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
fn refused(path: &Path, error: &std::io::Error) -> Error {
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
