//! Taking a folder for a new run. Of several processes that want the same one at the same time, one
//! gets it, and the others leave nothing in it.

use super::shell;
use crate::files::lease::{End, Lease, Taken};
use crate::files::place::{Identity, identity, is_at};
use crate::files::{create_new_folder, refused};
use protege_core::{Error, Result};
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The file that keeps other processes out.
const LOCK: &str = "lock";
/// The folder that does where the file system has no locks.
const LEASE: &str = "lease";
/// What a run whose beginning was cut short may have left behind: everything else comes after the
/// plan.
const BEGINNING: [&str; 6] = [
    LOCK,
    LEASE,
    "config.toml",
    "inputs",
    ".config.toml.partial",
    ".plan.json.partial",
];
/// The file with which a folder holds a run.
pub const PLAN: &str = "plan.json";

/// A folder that this process alone works in, for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    folder: PathBuf,
    /// What the folder is known by, wherever it is moved to.
    identity: Identity,
    file: File,
    /// What keeps others out where the file system has no locks.
    lease: Option<Lease>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            // Not given back, it is over once its process is gone.
            let _ = lease.end(End::Stopped);
        }
    }
}

impl Lock {
    /// Keeps other processes out of a folder.
    ///
    /// # Errors
    /// When another process works in it.
    pub fn take(folder: &Path) -> Result<Self> {
        Self::take_by(folder, File::try_lock)
    }

    /// The same, with what the system does to lock a file.
    fn take_by(
        folder: &Path,
        lock: impl Fn(&File) -> std::result::Result<(), TryLockError>,
    ) -> Result<Self> {
        let path = folder.join(LOCK);
        let busy = || {
            Error::input(format!(
                "another protege is at work in {}; wait for it, or stop it",
                folder.display()
            ))
        };
        loop {
            let file = crate::files::create(&path)?;
            let lease = match lock(&file) {
                Ok(()) => None,
                Err(TryLockError::WouldBlock) => return Err(busy()),
                Err(TryLockError::Error(_)) => match Lease::take(&folder.join(LEASE), || {})? {
                    Taken::Lease(lease) => Some(lease),
                    Taken::Held(_) => return Err(busy()),
                },
            };
            // Whoever had it before may have removed it.
            if is_at(&file, &path) {
                return Ok(Self {
                    folder: folder.to_owned(),
                    identity: identity(folder).map_err(|e| refused(folder, &e))?,
                    file,
                    lease,
                });
            }
        }
    }

    /// Whether the folder is still where it was.
    ///
    /// # Errors
    /// When it was moved or removed, or another one is in its place.
    pub fn check(&self) -> Result<()> {
        if self.lease.as_ref().is_some_and(Lease::is_lost) {
            return Err(Error::failed(format!(
                "another protege took over the run in {}, since this one gave no sign of life for \
                 long",
                self.folder.display()
            )));
        }
        let there = identity(&self.folder).is_ok_and(|there| there == self.identity);
        let path = self.folder.join(LOCK);
        if there && (is_at(&self.file, &path) || !path.exists()) {
            return Ok(());
        }
        Err(Error::failed(format!(
            "{} was moved or removed while this run was at work in it; where it was moved to, go \
             on with `protege run --resume`",
            self.folder.display()
        )))
    }
}

/// What was made for a run that has not begun yet. Dropped, it removes that again, and nothing
/// else.
#[derive(Debug, Default)]
struct Made(Vec<PathBuf>);

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // What cannot be removed, such as a folder that others use by now, stays.
            if path.is_dir() {
                let _ = fs::remove_dir(path);
            } else {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// A folder that a new run may begin in. Dropped, it is as it was before.
#[derive(Debug)]
pub struct Claim {
    folder: PathBuf,
    // Dropped first: what is removed is removed by whoever holds the lock.
    made: Made,
    lock: Lock,
}

impl Claim {
    /// Takes the folder at `path`, which must be new or empty.
    ///
    /// # Errors
    /// When it holds anything, another process has taken it, or the disk refuses.
    pub fn of(path: &Path) -> Result<Self> {
        let mut made = Made::default();
        make_parents(path, &mut made)?;
        match create_new_folder(path) {
            Ok(()) => made.0.push(path.to_owned()),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => refuse_used(path)?,
            Err(e) => return Err(refused(path, &e)),
        }
        Self::locked(path, made)
    }

    /// Takes the first of the folders that is new.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn first_new(paths: impl Iterator<Item = PathBuf>) -> Result<Self> {
        for path in paths {
            let mut made = Made::default();
            make_parents(&path, &mut made)?;
            match create_new_folder(&path) {
                Ok(()) => made.0.push(path.clone()),
                Err(e) if e.kind() == ErrorKind::AlreadyExists => continue,
                Err(e) => return Err(refused(&path, &e)),
            }
            // Another process may have been told to use just this one.
            match Self::locked(&path, made) {
                Err(Error::Input(_)) => {}
                claimed => return claimed,
            }
        }
        Err(Error::failed(
            "there is no new folder: choose one with --out",
        ))
    }

    fn locked(path: &Path, mut made: Made) -> Result<Self> {
        let lock = Lock::take(path)?;
        // What happened before the lock was taken.
        refuse_used(path)?;
        made.0.push(path.join(LOCK));
        for name in BEGINNING {
            if ![LOCK, LEASE].contains(&name) {
                remove(&path.join(name))?;
            }
        }
        Ok(Self {
            folder: path.to_owned(),
            made,
            lock,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes a folder in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn create_folder(&mut self, path: &Path) -> Result<()> {
        create_new_folder(path).map_err(|e| refused(path, &e))?;
        self.made.0.push(path.to_owned());
        Ok(())
    }

    /// Writes a file in it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.made.0.push(path.to_owned());
        crate::files::write_atomic(path, bytes)
    }

    /// The run has begun: what was made stays.
    pub fn keep(mut self) -> Lock {
        self.made.0.clear();
        self.lock
    }
}

/// Creates the folders above a path that are missing.
fn make_parents(path: &Path, made: &mut Made) -> Result<()> {
    let missing = |above: &&Path| !above.as_os_str().is_empty() && !above.exists();
    let missing: Vec<&Path> = path.ancestors().skip(1).take_while(missing).collect();
    for above in missing.into_iter().rev() {
        match create_new_folder(above) {
            Ok(()) => made.0.push(above.to_owned()),
            // Another process was faster.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(refused(above, &e)),
        }
    }
    Ok(())
}

/// Refuses a folder that holds anything but what a beginning that was cut short left.
fn refuse_used(folder: &Path) -> Result<()> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(Error::input(format!(
            "{shown} is no folder; choose another --out"
        )));
    }
    let unreadable = |e: std::io::Error| {
        Error::input(format!(
            "{shown} cannot be listed ({e}); choose another --out"
        ))
    };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let names: Vec<String> = entries
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<std::io::Result<_>>()
        .map_err(unreadable)?;
    if names.iter().any(|name| name == PLAN) {
        return Err(Error::input(format!(
            "{shown} already holds a run; choose another --out, or go on with --resume {}",
            shell::path(folder)
        )));
    }
    let begun = names.iter().any(|name| name == LOCK);
    let other = |name: &&String| !begun || !BEGINNING.contains(&name.as_str());
    match names.iter().find(other) {
        Some(name) => Err(Error::input(format!(
            "{shown} holds {name}, but no run; choose another --out, or empty the folder"
        ))),
        None => Ok(()),
    }
}

/// Removes what a beginning that was cut short left.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(refused(path, &e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file system without locks keeps other processes out, too.
    #[test]
    fn a_folder_is_for_one_process_without_locks() {
        let place = tempfile::tempdir().unwrap();
        let unsupported = |_: &File| {
            let error = std::io::Error::from(ErrorKind::Unsupported);
            Err(TryLockError::Error(error))
        };
        let lock = Lock::take_by(place.path(), unsupported).unwrap();
        lock.check().unwrap();
        let sentence = Lock::take_by(place.path(), unsupported).unwrap_err();
        assert!(sentence.to_string().contains("is at work"), "{sentence}");
        drop(lock);
        Lock::take_by(place.path(), unsupported).unwrap();
    }
}
