//! Whether what is open is still where it was: files are replaced, and folders moved and removed,
//! while programs work with them.

use std::fs::{self, File, Metadata};
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

/// A folder for this process alone until what is given back is dropped: who wants it at the same
/// time waits. None where the system cannot do that.
pub fn folder_alone(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.lock().ok()?;
    Some(folder)
}
