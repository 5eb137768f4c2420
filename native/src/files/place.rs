//! Whether what is open is still where it was: files are replaced, and folders moved and removed,
//! while programs work with them.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// What a file or a folder is known by, whatever it is called; none where the system does not say.
pub type Identity = Option<(u64, u64)>;

/// What the file or folder at a path is known by.
///
/// # Errors
/// When there is none.
pub fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| known_by(&metadata))
}

/// Whether an open file is the one at this path.
pub fn is_at(file: &File, path: &Path) -> bool {
    let Ok(metadata) = file.metadata() else {
        return false;
    };
    identity(path).is_ok_and(|there| there == known_by(&metadata))
}

#[cfg(unix)]
fn known_by(metadata: &Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn known_by(_: &Metadata) -> Identity {
    None
}

/// The file at a path, empty and for this process alone until it is closed: who wants it at the
/// same time waits. It is made where there is none.
///
/// # Errors
/// When the disk refuses.
pub fn alone(path: &Path) -> io::Result<File> {
    loop {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false);
        let file = file.open(path)?;
        // A file system without locks is no reason not to write.
        let _ = file.lock();
        // Whoever had it before may have renamed it.
        if is_at(&file, path) {
            file.set_len(0)?;
            return Ok(file);
        }
    }
}

/// A folder for this process alone until what is given back is dropped: who wants it at the same
/// time waits. None where the system cannot do that.
pub fn folder_alone(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}
