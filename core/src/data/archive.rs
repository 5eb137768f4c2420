//! Policies and checkpoints: a named bag of tensors, values and blobs, as one safetensors file.
//!
//! Tensors are F32, blobs are U8; the metadata's key `protege` holds `{format: "archive", version,
//! code_version, sha256, values}`. Values are meant for other programs, as JSON: the configuration,
//! sizes, names. Nothing is rounded: what is read is what was written, bit for bit.
//!
//! | version | since | what changed |
//! |---|---|---|
//! | 1 | 0.1 | tensors and blobs; the configuration and a policy's scales are blobs |
//! | 2 | 0.2 | values; scales are tensors |
//! | 3 | 0.3 | a policy says what it reads of observations; replays hold them field by field |

use super::container::{self, Kind, Tensor};
use super::{CODE_VERSION, hex};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;

const KIND: Kind = Kind {
    name: "archive",
    version: 3,
    remedy: "use an undamaged checkpoint, or train again",
};

/// A named bag of tensors, values and blobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Archive {
    /// Format version of the file that it was read from; this program's for a new one.
    version: u32,
    /// Version of the program that wrote it.
    code_version: String,
    entries: BTreeMap<String, Entry>,
}

/// An entry of the bag.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    /// Numbers: shape and row-major data.
    Numbers(Vec<usize>, Vec<f32>),
    /// A value for other programs, as JSON.
    Value(Value),
    /// Bytes: this program's own state.
    Blob(Vec<u8>),
}

/// The header that an archive adds to the mark.
#[derive(Serialize, Deserialize)]
struct Header {
    code_version: String,
    sha256: String,
    /// Since version 2.
    #[serde(default)]
    values: BTreeMap<String, Value>,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            version: KIND.version,
            code_version: CODE_VERSION.into(),
            entries: BTreeMap::new(),
        }
    }
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// The format version of the file that it was read from.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// The version of the program that wrote it.
    pub(crate) fn code_version(&self) -> &str {
        &self.code_version
    }

    /// Puts a tensor: `data` is row-major and has as many numbers as `shape` says. Only finite
    /// numbers can be saved: put figures that may be infinite in with [`Archive::put`].
    pub fn put_f32(&mut self, name: impl Into<String>, shape: &[usize], data: Vec<f32>) {
        self.entries
            .insert(name.into(), Entry::Numbers(shape.to_vec(), data));
    }

    /// Whether there is a tensor, a blob or a value of that name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The shape and the numbers of a tensor.
    ///
    /// # Errors
    /// When there is no tensor of that name.
    pub fn get_f32(&self, name: &str) -> Result<(&[usize], &[f32])> {
        match self.entries.get(name) {
            Some(Entry::Numbers(shape, data)) => Ok((shape, data)),
            _ => Err(missing("tensor", name)),
        }
    }

    /// Takes a tensor out, without copying it.
    ///
    /// # Errors
    /// When there is no tensor of that name.
    pub fn take_f32(&mut self, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
        match self.entries.remove(name) {
            Some(Entry::Numbers(shape, data)) => Ok((shape, data)),
            _ => Err(missing("tensor", name)),
        }
    }

    /// Puts bytes.
    pub fn put_blob(&mut self, name: impl Into<String>, bytes: Vec<u8>) {
        self.entries.insert(name.into(), Entry::Blob(bytes));
    }

    /// The bytes of that name.
    ///
    /// # Errors
    /// When there are none.
    pub fn blob(&self, name: &str) -> Result<&[u8]> {
        match self.entries.get(name) {
            Some(Entry::Blob(bytes)) => Ok(bytes),
            _ => Err(missing("blob", name)),
        }
    }

    /// Puts a value for other programs; in the file it is JSON.
    ///
    /// # Errors
    /// When the value cannot be written.
    pub fn put_value<T: Serialize>(&mut self, name: impl Into<String>, value: &T) -> Result<()> {
        let name = name.into();
        let value = serde_json::to_value(value).map_err(|e| unwritable(&name, &e))?;
        self.entries.insert(name, Entry::Value(value));
        Ok(())
    }

    /// The configuration, as JSON, that the file was written with. In version 1 it is a blob.
    ///
    /// # Errors
    /// When there is none, or it is no JSON.
    pub fn config(&self) -> Result<Value> {
        if self.version > 1 {
            return self.value("config");
        }
        let text: String = self.get("config")?;
        serde_json::from_str(&text).map_err(|error| {
            Error::input(format!(
                "the saved configuration is no JSON ({error}): use an undamaged file"
            ))
        })
    }

    /// The value that [`Archive::put_value`] put.
    ///
    /// # Errors
    /// When there is none, or it is of another type.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let Some(Entry::Value(value)) = self.entries.get(name) else {
            return Err(missing("value", name));
        };
        T::deserialize(value).map_err(|_| unexpected(name))
    }

    /// Puts a part of a learner's or an environment's state, written by postcard: exact, and for
    /// this program alone.
    ///
    /// # Errors
    /// When the value cannot be written.
    pub fn put<T: Serialize>(&mut self, name: impl Into<String>, value: &T) -> Result<()> {
        let name = name.into();
        let bytes = postcard::to_allocvec(value).map_err(|e| unwritable(&name, &e))?;
        self.put_blob(name, bytes);
        Ok(())
    }

    /// The state that [`Archive::put`] put.
    ///
    /// # Errors
    /// When there is none, or it is of another type.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        match postcard::take_from_bytes(self.blob(name)?) {
            Ok((value, [])) => Ok(value),
            _ => Err(unexpected(name)),
        }
    }

    /// The names of all entries, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The archive as a file. The same archive gives the same bytes.
    ///
    /// # Errors
    /// When a tensor holds a number that is not finite (training diverged: better no new checkpoint
    /// than one that cannot be loaded), or fewer or more numbers than its shape says.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        for (name, entry) in &self.entries {
            // First of all: a diverged run must not replace a good file.
            check(name, entry)?;
        }
        let mut values = BTreeMap::new();
        let mut tensors = Vec::new();
        for (name, entry) in &self.entries {
            match entry {
                Entry::Numbers(shape, data) => {
                    let tensor = Tensor::F32(Cow::Borrowed(shape), data);
                    tensors.push((name.clone(), tensor));
                }
                Entry::Blob(bytes) => tensors.push((name.clone(), Tensor::bytes(bytes))),
                Entry::Value(value) => {
                    values.insert(name.clone(), value.clone());
                }
            }
        }
        let header = Header {
            code_version: CODE_VERSION.into(),
            sha256: self.checksum(),
            values,
        };
        container::write(&KIND, &header, tensors)
    }

    /// Reads what [`Archive::to_bytes`] wrote, and checks all of it.
    ///
    /// # Errors
    /// When the file is foreign, cut short or damaged, or a tensor holds a number that is not
    /// finite; the sentence names the tensor.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (version, header, tensors): (_, Header, _) = container::read(&KIND, bytes)?;
        let mut entries = BTreeMap::new();
        for (name, view) in tensors.iter() {
            entries.insert(name.to_string(), read_entry(name, &view)?);
        }
        let values = header.values.into_iter();
        entries.extend(values.map(|(name, value)| (name, Entry::Value(value))));
        let archive = Self {
            version,
            code_version: header.code_version,
            entries,
        };
        if archive.checksum() != header.sha256 {
            return Err(KIND.error("is damaged: its content does not match its checksum"));
        }
        Ok(archive)
    }

    /// SHA-256 of names, sizes and content.
    fn checksum(&self) -> String {
        // Names, kinds and sizes are hashed, too, so that content cannot move from entry to entry.
        let mut hash = Sha256::new();
        for (name, entry) in &self.entries {
            hash.update(name);
            match entry {
                Entry::Numbers(shape, data) => {
                    hash.update(format!(" numbers {shape:?} "));
                    hash.update(container::to_le_bytes(data));
                }
                Entry::Value(value) => hash.update(format!(" value {value} ")),
                Entry::Blob(bytes) => {
                    hash.update(format!(" blob {} ", bytes.len()));
                    hash.update(bytes);
                }
            }
        }
        hex(hash)
    }
}

fn unwritable(name: &str, error: &dyn std::fmt::Display) -> Error {
    Error::failed(format!(
        "{name:?} could not be put into the archive: {error}."
    ))
}

fn unexpected(name: &str) -> Error {
    KIND.error(format!("holds something else than expected under {name:?}"))
}

fn missing(what: &str, name: &str) -> Error {
    KIND.error(format!(
        "has no {what} {name:?}: it belongs to another method, or to another version of this \
         program"
    ))
}

fn check(name: &str, entry: &Entry) -> Result<()> {
    let Entry::Numbers(shape, data) = entry else {
        return Ok(());
    };
    if shape.iter().product::<usize>() != data.len() {
        return Err(Error::failed(format!(
            "The tensor {name:?} has {} numbers, which do not fit its shape {shape:?}.",
            data.len()
        )));
    }
    match data.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(Error::failed(format!(
            "The tensor {name:?} holds {x}: training diverged; go on from the last checkpoint with \
             a lower learning rate."
        ))),
        None => Ok(()),
    }
}

fn read_entry(name: &str, view: &TensorView) -> Result<Entry> {
    if view.dtype() == Dtype::U8 {
        return Ok(Entry::Blob(view.data().to_vec()));
    }
    let numbers = container::numbers(view)
        .map_err(|what| KIND.error(format!("is damaged: the tensor {name:?} {what}")))?;
    Ok(Entry::Numbers(view.shape().to_vec(), numbers))
}
