//! The program's safetensors files, taken apart and put together again with checksums that are
//! right: hostile content that a checksum does not give away.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The key of the program's header in the metadata.
const KEY: &str = "protege";

/// One tensor.
#[derive(Clone)]
pub struct Tensor {
    pub dtype: String,
    pub shape: Vec<u64>,
    pub bytes: Vec<u8>,
}

/// A file of the program's.
#[derive(Clone)]
pub struct Container {
    pub header: Map<String, Value>,
    pub tensors: BTreeMap<String, Tensor>,
}

impl Container {
    /// A file's parts; none when it is no file of the program's.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let length = u64::from_le_bytes(*bytes.first_chunk()?);
        let data_begins = usize::try_from(length).ok()?.checked_add(8)?;
        let index: Map<String, Value> = serde_json::from_slice(bytes.get(8..data_begins)?).ok()?;
        let data = &bytes[data_begins..];
        let text = index.get("__metadata__")?.get(KEY)?.as_str()?;
        let header = serde_json::from_str(text).ok()?;
        let entries = index.iter().filter(|(name, _)| *name != "__metadata__");
        let tensors = entries
            .map(|(name, entry)| Some((name.clone(), tensor(entry, data)?)))
            .collect::<Option<_>>()?;
        Some(Self { header, tensors })
    }

    /// The parts as a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut index = Map::new();
        let text = Value::Object(self.header.clone()).to_string();
        index.insert("__metadata__".to_owned(), json!({ KEY: text }));
        let mut data = Vec::new();
        for (name, tensor) in self.in_order() {
            let begin = data.len();
            data.extend(&tensor.bytes);
            let place = json!({
                "dtype": tensor.dtype,
                "shape": tensor.shape,
                "data_offsets": [begin, data.len()],
            });
            index.insert(name.clone(), place);
        }
        let mut text = Value::Object(index).to_string().into_bytes();
        text.resize(text.len().next_multiple_of(8), b' ');
        let length = (text.len() as u64).to_le_bytes();
        [&length[..], &text, &data].concat()
    }

    /// The tensors as they lie in a file: the widest numbers first, so that all are aligned.
    fn in_order(&self) -> Vec<(&String, &Tensor)> {
        let mut list: Vec<_> = self.tensors.iter().collect();
        list.sort_by_key(|(_, tensor)| tensor.dtype == "U8");
        list
    }

    /// Makes the checksums right.
    pub fn seal(&mut self) {
        if self.header.get("format") == Some(&json!("archive")) {
            let sum = self.archive_checksum();
            self.header.insert("sha256".to_owned(), json!(sum));
        } else {
            self.seal_episodes();
        }
    }

    /// `core/src/data/archive.rs` computes the same.
    fn archive_checksum(&self) -> String {
        let mut parts: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
        for (name, tensor) in &self.tensors {
            let head = if tensor.dtype == "U8" {
                format!(" blob {} ", tensor.bytes.len())
            } else {
                format!(" numbers {:?} ", tensor.shape)
            };
            parts.insert(name, [head.as_bytes(), &tensor.bytes].concat());
        }
        let values = self.header.get("values").and_then(Value::as_object);
        for (name, value) in values.into_iter().flatten() {
            parts.insert(name, format!(" value {value} ").into_bytes());
        }
        let mut hash = Sha256::new();
        for (name, part) in parts {
            hash.update(name);
            hash.update(part);
        }
        hex(hash)
    }

    /// `core/src/data/dataset.rs` computes the same.
    fn seal_episodes(&mut self) {
        let Some(Value::Array(episodes)) = self.header.get_mut("episodes") else {
            return;
        };
        for (index, episode) in episodes.iter_mut().enumerate() {
            let truth = |name: &str| u8::from(episode[name] == json!(true));
            let mut hash = Sha256::new();
            hash.update(episode["seed"].as_u64().unwrap_or(0).to_le_bytes());
            hash.update([truth("success"), truth("terminated")]);
            if let Some(task) = episode["task"].as_u64() {
                hash.update(task.to_le_bytes());
            }
            for part in ["state", "actions", "rewards"] {
                let tensor = self.tensors.get(&format!("episode_{index:03}/{part}"));
                hash.update(tensor.map_or(&[][..], |tensor| &tensor.bytes));
            }
            let images = format!("episode_{index:03}/images/");
            let pictures = self.tensors.iter();
            for (_, tensor) in pictures.filter(|(name, _)| name.starts_with(&images)) {
                hash.update(&tensor.bytes);
            }
            if let Some(entry) = episode.as_object_mut() {
                entry.insert("sha256".to_owned(), json!(hex(hash)));
            }
        }
    }
}

fn tensor(entry: &Value, data: &[u8]) -> Option<Tensor> {
    let place = entry.get("data_offsets")?.as_array()?;
    let begin = usize::try_from(place.first()?.as_u64()?).ok()?;
    let end = usize::try_from(place.get(1)?.as_u64()?).ok()?;
    let shape = entry.get("shape")?.as_array()?;
    Some(Tensor {
        dtype: entry.get("dtype")?.as_str()?.to_owned(),
        shape: shape.iter().map(Value::as_u64).collect::<Option<_>>()?,
        bytes: data.get(begin..end)?.to_vec(),
    })
}

/// SHA-256 of bytes, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new_with_prefix(bytes))
}

fn hex(hash: Sha256) -> String {
    let bytes = hash.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Container;
    use crate::shell;

    /// A policy and demonstrations that are taken apart, sealed and put together have the
    /// checksums that they had: what an attack seals is refused for its content alone.
    #[test]
    fn what_is_sealed_has_the_programs_own_checksums() {
        let folder = shell::root().join("core/tests/fixtures");
        let mut sealed = 0;
        for version in ["version-1", "version-2", "version-3"] {
            let Ok(entries) = std::fs::read_dir(folder.join(version)) else {
                continue;
            };
            for path in entries.map(|entry| entry.unwrap().path()) {
                let Some(read) = Container::read(&std::fs::read(&path).unwrap()) else {
                    continue;
                };
                if read.header["version"] == 1 {
                    continue;
                }
                let mut again = read.clone();
                again.seal();
                assert_eq!(again.header, read.header, "{}", path.display());
                let back = Container::read(&again.to_bytes()).unwrap();
                assert_eq!(back.header, read.header, "{}", path.display());
                sealed += 1;
            }
        }
        assert!(sealed >= 2, "{sealed} files");
    }
}
