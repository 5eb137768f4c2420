//! Reading HDF5: the one folder that knows the crate `hdf5-pure`.
//!
//! Nothing that a file says of itself is believed. What an array claims to hold is compared with
//! what a file of this size can hold, before memory is taken; what is read in one go is counted,
//! so that no damage leads in circles; and a panic of the crate is answered as damage is.

mod array;
mod end;

pub use array::Array;

use hdf5_pure::{AttrValue, FormatError, Group, ReadSeekSource, Source};
use protege_core::error::excerpt;
use protege_core::{Error, Result};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that count as one piece.
const PIECE: u64 = 1 << 20;
/// Pieces of a file that one question may read at most, beside one for each 64 bytes of it.
const PIECES: u64 = 1 << 16;

/// A file that is being read. Sentences about it begin with what it is called.
pub struct Hdf5 {
    root: Group,
    shared: Arc<Shared>,
}

/// What all parts of a file know of it.
struct Shared {
    /// What the file is called.
    what: String,
    /// Its length, bytes.
    size: u64,
    /// Pieces that may still be read before the answer.
    left: Arc<AtomicU64>,
}

/// The bytes of a file. Every piece that is read is counted.
struct Counted {
    bytes: ReadSeekSource<File>,
    left: Arc<AtomicU64>,
}

impl Source for Counted {
    fn len(&self) -> u64 {
        self.bytes.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::result::Result<(), FormatError> {
        let left = self.left.load(Relaxed);
        let rest = left.checked_sub(1 + buffer.len() as u64 / PIECE);
        let rest = rest.ok_or_else(|| FormatError::Source("it leads in circles".into()))?;
        self.left.store(rest, Relaxed);
        self.bytes.read_at(offset, buffer)
    }
}

/// The panic hook belongs to the process: whoever changes it for a moment is alone.
static HOOK: Mutex<()> = Mutex::new(());

/// The answer, or none when it is a panic, of which nothing is printed.
fn without_panic<T>(answer: impl FnOnce() -> T) -> Option<T> {
    let alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let answered = catch_unwind(AssertUnwindSafe(answer));
    set_hook(hook);
    drop(alone);
    answered.ok()
}

/// Bytes of the stack on which files are read: types of HDF5 can be nested 8000 deep, each of a
/// few hundred bytes, and the crate follows them by recursion.
const STACK: usize = 64 << 20;

/// Does something on a stack that no file exhausts.
///
/// # Errors
/// Those of `work`, or when the system has no thread for it.
pub fn with_deep_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work);
        let thread = thread
            .map_err(|e| Error::failed(format!("the system gives no thread to read with ({e})")))?;
        thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

impl Shared {
    /// An error about the file: `fault` ends the sentence.
    fn fault(&self, fault: impl AsRef<str>) -> Error {
        Error::input(format!("{} {}", self.what, fault.as_ref()))
    }

    /// An error about a part of it.
    fn unfit(&self, place: &str, fault: &str) -> Error {
        self.fault(format!("cannot be used: `{}` {fault}", excerpt(place)))
    }

    /// What the crate answers about `place`; none where there is no such thing.
    fn ask<T>(
        &self,
        place: &str,
        question: impl FnOnce() -> std::result::Result<T, hdf5_pure::Error>,
    ) -> Result<Option<T>> {
        self.left.store(PIECES + self.size / 64, Relaxed);
        let place = excerpt(place);
        match without_panic(question) {
            Some(Ok(answer)) => Ok(Some(answer)),
            Some(Err(hdf5_pure::Error::Format(FormatError::PathNotFound(_)))) => Ok(None),
            Some(Err(hdf5_pure::Error::NotADataset(_))) => {
                Err(self.fault(format!("has a `{place}` that is no array")))
            }
            Some(Err(hdf5_pure::Error::NotAGroup(_))) => {
                Err(self.fault(format!("has a `{place}` that is no group")))
            }
            Some(Err(error)) => {
                Err(self.fault(format!("cannot be read: `{place}`: {}", reason(&error))))
            }
            None => Err(self.fault(format!("is damaged: `{place}` makes no sense"))),
        }
    }
}

/// The crate's words for what is wrong, as a part of a sentence.
fn reason(error: &hdf5_pure::Error) -> String {
    let text = error.to_string();
    excerpt(text.strip_prefix("HDF5 format error: ").unwrap_or(&text))
}

impl Hdf5 {
    /// Opens a file; `what` names it in sentences. Its content stays on the disk.
    ///
    /// # Errors
    /// When it is missing, no plain file, no HDF5 file, or damaged where it begins.
    pub fn open(path: &Path, what: &str) -> Result<Self> {
        let file = crate::files::open(path)?;
        let unreadable = |e: &dyn std::fmt::Display| {
            Error::input(format!("{what} cannot be read ({e}); check the path"))
        };
        let size = file.metadata().map_err(|e| unreadable(&e))?.len();
        let mut file = file;
        let end = end::said(&mut file).map_err(|e| unreadable(&e))?;
        if let Some(end) = end.filter(|end| *end > size) {
            return Err(Error::input(format!(
                "{what} is cut short: it has {size} bytes, but says that it ends after {end}; \
                 fetch or copy it again"
            )));
        }
        let bytes = ReadSeekSource::new(file).map_err(|e| unreadable(&e))?;
        let left = Arc::new(AtomicU64::new(PIECES));
        let shared = Shared {
            what: what.to_owned(),
            size,
            left: Arc::clone(&left),
        };
        let source = Counted { bytes, left };
        let opened = without_panic(|| hdf5_pure::File::from_source(source));
        let file = match opened {
            Some(Ok(file)) => file,
            Some(Err(hdf5_pure::Error::Format(FormatError::SignatureNotFound))) => {
                return Err(shared.fault("is not an HDF5 file"));
            }
            Some(Err(error)) => {
                let why = reason(&error);
                return Err(shared.fault(format!("cannot be read as HDF5 ({why})")));
            }
            None => return Err(shared.fault("is a damaged HDF5 file: its head makes no sense")),
        };
        Ok(Self {
            root: file.root(),
            shared: Arc::new(shared),
        })
    }

    /// An error about the file: `fault` ends the sentence.
    pub fn fault(&self, fault: impl AsRef<str>) -> Error {
        self.shared.fault(fault)
    }

    /// The group at the top.
    pub fn root(&self) -> Node {
        Node {
            group: self.root.clone(),
            path: String::new(),
            shared: Arc::clone(&self.shared),
        }
    }
}

/// A group of a file.
pub struct Node {
    group: Group,
    /// Where it is: `data/demo_0`.
    path: String,
    shared: Arc<Shared>,
}

impl Node {
    /// Where something in it is.
    fn place(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        }
    }

    /// An error about something in it: `fault` ends the sentence that names the file and the place.
    pub fn fault(&self, name: &str, fault: impl AsRef<str>) -> Error {
        self.shared.unfit(&self.place(name), fault.as_ref())
    }

    /// The group of this name in it; none where there is none.
    ///
    /// # Errors
    /// When there is something else, or damage.
    pub fn group(&self, name: &str) -> Result<Option<Self>> {
        let path = self.place(name);
        let found = self.shared.ask(&path, || self.group.group(name))?;
        Ok(found.map(|group| Self {
            group,
            path,
            shared: Arc::clone(&self.shared),
        }))
    }

    /// The names of the groups in it, sorted.
    ///
    /// # Errors
    /// On damage.
    pub fn groups(&self) -> Result<Vec<String>> {
        let names = self.shared.ask(&self.path, || self.group.groups())?;
        Ok(sorted(names.unwrap_or_default()))
    }

    /// The names of the arrays in it, sorted.
    ///
    /// # Errors
    /// On damage.
    pub fn arrays(&self) -> Result<Vec<String>> {
        let names = self.shared.ask(&self.path, || self.group.datasets())?;
        Ok(sorted(names.unwrap_or_default()))
    }

    /// Its attributes.
    ///
    /// # Errors
    /// On damage.
    pub fn attributes(&self) -> Result<Attributes> {
        let found = self.shared.ask(&self.path, || {
            Ok((self.group.attrs()?, self.group.attr_datatypes()?))
        })?;
        let (values, types) = found.unwrap_or_default();
        Ok(Attributes {
            values,
            names: types.into_keys().collect(),
            path: self.path.clone(),
            shared: Arc::clone(&self.shared),
        })
    }

    /// The array of this name in it; none where there is none. Nothing is read of it yet.
    ///
    /// # Errors
    /// When there is something else, damage, or an array whose claims cannot be true.
    pub fn array(&self, name: &str) -> Result<Option<Array>> {
        let path = self.place(name);
        let Some(dataset) = self.shared.ask(&path, || self.group.dataset(name))? else {
            return Ok(None);
        };
        Array::of(dataset, path, &self.shared).map(Some)
    }
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

/// The attributes of a group.
pub struct Attributes {
    values: HashMap<String, AttrValue>,
    /// Of all, also of those whose value cannot be read.
    names: HashSet<String>,
    path: String,
    shared: Arc<Shared>,
}

impl Attributes {
    fn fault(&self, name: &str, fault: &str) -> Error {
        self.shared.unfit(&format!("{}/@{name}", self.path), fault)
    }

    /// The value of this name; none where there is none.
    ///
    /// # Errors
    /// When it is there, but cannot be read.
    fn value(&self, name: &str) -> Result<Option<&AttrValue>> {
        let value = self.values.get(name);
        if value.is_none() && self.names.contains(name) {
            let fault = "is there, but cannot be read: it is damaged, or of an unknown type";
            return Err(self.fault(name, fault));
        }
        Ok(value)
    }

    /// The text of this name; none where there is none.
    ///
    /// # Errors
    /// When it is no text.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let text = value.as_str();
        text.map(Some)
            .ok_or_else(|| self.fault(name, "is not a text"))
    }

    /// The whole number of this name, 0 or more; none where there is none.
    ///
    /// # Errors
    /// When it is no such number.
    pub fn count(&self, name: &str) -> Result<Option<u64>> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let signed = value.as_i64().and_then(|n| u64::try_from(n).ok());
        let count = signed.or_else(|| value.as_u64());
        count
            .map(Some)
            .ok_or_else(|| self.fault(name, "is not a whole number of 0 or more"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A panic is an answer like others, and the next one is told again.
    #[test]
    fn a_panic_is_no_answer() {
        assert_eq!(without_panic(|| 3), Some(3));
        let empty: [u8; 0] = [];
        let at = std::hint::black_box(1);
        assert!(without_panic(|| empty[at]).is_none());
        assert_eq!(without_panic(|| 4), Some(4));
    }
}
