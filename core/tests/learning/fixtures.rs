//! Files of golden numbers: safetensors in the folder `PROTEGE_FIXTURES`, else in
//! `core/tests/fixtures`.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use std::path::PathBuf;

/// One file.
pub struct Fixture {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Fixture {
    /// Panics with a sentence when the folder or the file is not there.
    pub fn open(name: &str) -> Self {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures");
        let folder =
            std::env::var_os("PROTEGE_FIXTURES").map_or_else(|| committed.into(), PathBuf::from);
        assert!(
            folder.is_dir(),
            "{} is no folder: set PROTEGE_FIXTURES to the one with the golden numbers, or unset it",
            folder.display()
        );
        let path = folder.join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| {
            panic!("the golden numbers {} cannot be read: {e}", path.display())
        });
        Self { path, bytes }
    }

    fn tensors(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.bytes)
            .unwrap_or_else(|e| panic!("{} is no safetensors file: {e}", self.path.display()))
    }

    fn tensor<T>(&self, name: &str, read: impl Fn(&TensorView) -> Option<T>) -> T {
        let tensors = self.tensors();
        let tensor = tensors
            .tensor(name)
            .unwrap_or_else(|_| panic!("{} has no tensor {name}", self.path.display()));
        read(&tensor).unwrap_or_else(|| {
            panic!(
                "{name} in {} has the type {:?}, which is not expected",
                self.path.display(),
                tensor.dtype()
            )
        })
    }

    /// The names of all tensors that begin with `prefix`.
    pub fn names(&self, prefix: &str) -> Vec<String> {
        self.tensors()
            .names()
            .into_iter()
            .filter(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .collect()
    }

    /// Shape of a tensor.
    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.tensor(name, |tensor| Some(tensor.shape().to_vec()))
    }

    /// Numbers of a tensor of floats, row-major.
    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.tensor(name, |tensor| match tensor.dtype() {
            Dtype::F32 => Some(chunks(tensor.data()).map(f32::from_le_bytes).collect()),
            Dtype::F64 => Some(
                chunks(tensor.data())
                    .map(|bytes| f64::from_le_bytes(bytes) as f32)
                    .collect(),
            ),
            _ => None,
        })
    }

    /// Numbers of a tensor of counts, row-major.
    pub fn counts(&self, name: &str) -> Vec<usize> {
        self.tensor(name, |tensor| match tensor.dtype() {
            Dtype::I32 => Some(
                chunks(tensor.data())
                    .map(|bytes| i32::from_le_bytes(bytes) as usize)
                    .collect(),
            ),
            Dtype::I64 => Some(
                chunks(tensor.data())
                    .map(|bytes| i64::from_le_bytes(bytes) as usize)
                    .collect(),
            ),
            _ => None,
        })
    }
}

fn chunks<const N: usize>(data: &[u8]) -> impl Iterator<Item = [u8; N]> {
    data.as_chunks::<N>().0.iter().copied()
}
