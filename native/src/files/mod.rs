//! Files that are complete or not there: atomic writes, checkpoints, and lines of JSON that a
//! resumed run continues.

use protege_core::{Error, Result};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

pub mod arrays;
pub mod checkpoints;
pub mod jsonl;
pub mod lease;
pub mod metrics;
pub mod place;
pub mod seal;

/// Links to links that are followed at most.
const LINKS: usize = 40;
/// Partial files of one name that may be in the way.
const PARTIAL: usize = 100;
/// Bytes of a name that the name of its partial file begins with.
const NAME: usize = 200;

/// Opens a file that the user named, to read it.
///
/// # Errors
/// The user's, when it is missing, not a plain file or not readable.
pub fn open(path: &Path) -> Result<File> {
    let unreadable = |e: std::io::Error| unreadable(path, &e);
    // Opening a device can do something, and waits on a pipe: it is looked at first.
    plain(path, &fs::metadata(path).map_err(unreadable)?)?;
    let file = options().read(true).open(path).map_err(unreadable)?;
    plain(path, &file.metadata().map_err(unreadable)?)?;
    Ok(file)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::input(format!(
        "{} cannot be read ({error}); check the path.",
        path.display()
    ))
}

/// Reads a whole file that the user named.
///
/// # Errors
/// The user's, when it is missing, not a plain file or not readable.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    let mut file = open(path)?;
    let metadata = file.metadata().map_err(|e| unreadable(path, &e))?;
    let length = metadata.len();
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length as usize).map_err(|_| {
        Error::input(format!(
            "{} has {length} bytes, more than there is memory for; name another file.",
            path.display()
        ))
    })?;
    if length == 0 {
        // Files of the system, as in /proc, have no length, and may have no end.
        return match file.read(&mut [0]) {
            Ok(0) => Ok(bytes),
            _ => Err(Error::input(format!(
                "{} is a file of the system, not a plain one; name a copy of it.",
                path.display()
            ))),
        };
    }
    // A file that grows meanwhile is read up to where it ended.
    let done = file.take(length).read_to_end(&mut bytes);
    done.map_err(|e| Error::failed(format!("{} cannot be read: {e}.", path.display())))?;
    Ok(bytes)
}

/// Refuses what is no plain file.
fn plain(path: &Path, metadata: &Metadata) -> Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    Err(Error::input(format!(
        "{} is not a plain file ({}); name one.",
        path.display(),
        kind(metadata)
    )))
}

/// What something is that is no plain file.
fn kind(metadata: &Metadata) -> &'static str {
    if metadata.is_file() {
        return "a file";
    }
    if metadata.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        let kind = metadata.file_type();
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    "a device"
}

/// How files are opened: what has become a pipe meanwhile is not waited for.
fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options
}

/// Checks, before the work that fills it, that a file can be written: that it is a plain one or not
/// there yet, and that its folder takes it.
///
/// # Errors
/// The user's, when it is something else, or its folder is missing or refuses.
pub fn check_writable(path: &Path) -> Result<()> {
    let begun = PartialFile::begin(path).map(drop);
    begun.map_err(|error| Error::input(error.to_string()))
}

/// Writes a file so that it holds either what it held before or all of `bytes`, whatever happens
/// meanwhile. A link stays, and what it leads to is written.
///
/// # Errors
/// When the disk is full or refuses, or the path leads to something that is no plain file; all is
/// then as it was.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = PartialFile::begin(path)?;
    partial.write_all(bytes).map_err(|e| refused(path, &e))?;
    partial.finish()
}

/// The same for what is written piece by piece.
///
/// # Errors
/// Those of [`write_atomic`].
pub fn write_pieces(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<()> {
    let mut partial = PartialFile::begin(path)?;
    write(&mut partial.file).map_err(|e| refused(path, &e))?;
    partial.finish()
}

/// A file that is being written, beside its place. Unless it is finished it is removed, and what it
/// is to replace stays.
pub struct PartialFile {
    /// What was asked for.
    path: PathBuf,
    /// Where that leads.
    target: PathBuf,
    /// Where it is written.
    temporary: PathBuf,
    /// Locked for as long as it is written, so that two programs do not write into one file.
    file: BufWriter<File>,
    finished: bool,
}

impl PartialFile {
    /// Begins to write a file.
    ///
    /// # Errors
    /// When the path leads to something that is no plain file, or the disk refuses.
    pub fn begin(path: &Path) -> Result<Self> {
        let target = destination(path)?;
        if !parent(&target).is_dir() {
            return Err(Error::failed(format!(
                "{} cannot be written: there is no folder {}; make it, or choose another.",
                path.display(),
                parent(&target).display()
            )));
        }
        let (temporary, file) = empty_beside(&target).map_err(|e| refused(path, &e))?;
        let partial = Self {
            path: path.to_owned(),
            target,
            temporary,
            file: BufWriter::new(file),
            finished: false,
        };
        // Whoever may not read the file before may not read it afterwards either.
        if let Ok(before) = fs::metadata(&partial.target) {
            let kept = partial.file.get_ref().set_permissions(before.permissions());
            kept.map_err(|e| refused(path, &e))?;
        }
        Ok(partial)
    }

    /// Where it is written, for another program to write to.
    pub fn temporary(&self) -> &Path {
        &self.temporary
    }

    /// Puts it into its place, once the disk has it.
    ///
    /// # Errors
    /// When the disk is full or refuses.
    pub fn finish(mut self) -> Result<()> {
        let flushed = self.file.flush();
        let synced = flushed.and_then(|()| self.file.get_ref().sync_all());
        let done = synced
            .and_then(|()| fs::rename(&self.temporary, &self.target))
            .and_then(|()| {
                self.finished = true;
                sync_folder(parent(&self.target))
            });
        done.map_err(|e| refused(&self.path, &e))
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if !self.finished {
            // It is only in the way; there is an error to tell already.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Where a path leads that is to be written: links are followed.
///
/// # Errors
/// The user's, when it leads to something that is no plain file.
pub fn destination(path: &Path) -> Result<PathBuf> {
    let unfit = |what: &str| {
        Error::input(format!(
            "{} cannot be written: it {what}; name a plain file, or a new one.",
            path.display()
        ))
    };
    let text = path.as_os_str().as_encoded_bytes();
    if text.is_empty() || text.ends_with(b"/") {
        return Err(unfit("is no name of a file"));
    }
    if let Ok(metadata) = fs::metadata(path)
        && !metadata.is_file()
    {
        return Err(unfit(&format!("is {}", kind(&metadata))));
    }
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        let metadata = match fs::symlink_metadata(&target) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == ErrorKind::NotFound && target.file_name().is_some() => {
                return Ok(target);
            }
            Err(e) => return Err(unfit(&format!("leads nowhere ({e})"))),
        };
        if metadata.is_file() && metadata.permissions().readonly() {
            return Err(unfit("is write-protected"));
        }
        if metadata.is_file() {
            return Ok(target);
        }
        // What /proc shows as links leads to files that are open already.
        if !metadata.is_symlink() || target.starts_with("/proc") {
            return Err(unfit("is no plain file"));
        }
        let link = fs::read_link(&target).map_err(|e| refused(path, &e))?;
        target = parent(&target).join(link);
    }
    Err(unfit("is a link that leads to itself"))
}

/// An empty file beside `target`, and where it is. What a killed write left behind is used again.
fn empty_beside(target: &Path) -> std::io::Result<(PathBuf, File)> {
    let mut create = options();
    create.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut create,
        libc::O_NONBLOCK | libc::O_NOFOLLOW,
    );
    for number in 0..PARTIAL {
        let path = temporary(target, number);
        let opened = create.open(&path);
        let in_the_way = fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file());
        if in_the_way {
            continue;
        }
        let file = opened?;
        let is_free = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        // Whoever had it may have put it into its place meanwhile.
        if is_free && place::is_at(&file, &path) {
            file.set_len(0)?;
            return Ok((path, file));
        }
    }
    Err(std::io::Error::other("too many programs write it"))
}

/// The name of a file while it is written.
fn temporary(target: &Path, number: usize) -> PathBuf {
    let name = target.file_name().unwrap_or_default().as_encoded_bytes();
    let name = String::from_utf8_lossy(&name[..name.len().min(NAME)]);
    let number = if number == 0 {
        String::new()
    } else {
        format!(".{number}")
    };
    target.with_file_name(format!(".{name}{number}.partial"))
}

/// A file that begins empty and grows while it is written; a plain one.
///
/// # Errors
/// When the path leads to something else, or the disk refuses.
pub fn create(path: &Path) -> Result<File> {
    let target = destination(path)?;
    let opened = options()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&target);
    opened.map_err(|e| refused(path, &e))
}

/// Where a folder is written before it is complete.
pub fn partial(path: &Path) -> PathBuf {
    temporary(path, 0)
}

/// Gives what was written beside `path` its name. What `path` leads to must be a plain file, or
/// nothing.
///
/// # Errors
/// When it is something else, or the disk refuses.
pub fn put_in_place(temporary: &Path, path: &Path) -> Result<()> {
    let target = if temporary.is_dir() {
        path.to_owned()
    } else {
        destination(path)?
    };
    fs::rename(temporary, &target)
        .and_then(|()| sync_folder(parent(&target)))
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
/// The user's, when there is something else in its place; else when the disk refuses.
pub fn create_folder(folder: &Path) -> Result<()> {
    check_folder(folder)?;
    fs::create_dir_all(folder)
        .and_then(|()| sync_folder(parent(folder)))
        .map_err(|e| refused(folder, &e))
}

/// Checks, before the work that fills it, that a folder is one or can be made.
///
/// # Errors
/// The user's, when there is something else in its place.
pub fn check_folder(folder: &Path) -> Result<()> {
    let existing = folder.ancestors().find_map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((path, metadata))
    });
    match existing {
        Some((path, metadata)) if !metadata.is_dir() => Err(Error::input(format!(
            "{} cannot be a folder: {} is {}; choose another.",
            folder.display(),
            path.display(),
            kind(&metadata)
        ))),
        _ => Ok(()),
    }
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
