//! Plain arrays that others have written: safetensors files without a header of ours.

use protege_core::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};

/// The arrays of a file. Sentences about it begin with what it is called.
pub struct Arrays<'a> {
    tensors: SafeTensors<'a>,
    what: String,
}

/// One array: its shape, and its numbers row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Lengths, the slowest first.
    pub shape: Vec<usize>,
    /// All numbers, finite.
    pub numbers: Vec<f64>,
}

impl Array {
    /// Numbers per row, where the first length counts rows.
    pub fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// The rows.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.numbers.chunks_exact(self.width().max(1))
    }
}

impl<'a> Arrays<'a> {
    /// Looks into a file's bytes.
    ///
    /// # Errors
    /// When they are no safetensors file, or not all of one.
    pub fn open(bytes: &'a [u8], what: impl Into<String>) -> Result<Self> {
        let what = what.into();
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| {
            let fault = match e {
                SafeTensorError::MetadataIncompleteBuffer => {
                    "is cut short, or has bytes added at its end".to_owned()
                }
                e => format!("is not a safetensors file ({e})"),
            };
            Error::input(format!("{what} {fault}"))
        })?;
        Ok(Self { tensors, what })
    }

    /// An error about the file: `fault` ends the sentence.
    pub fn fault(&self, fault: impl AsRef<str>) -> Error {
        Error::input(format!("{} {}", self.what, fault.as_ref()))
    }

    /// The names of all arrays.
    pub fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }

    /// Whether there is an array of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The array of this name.
    ///
    /// # Errors
    /// When there is none, or it does not hold finite floating-point numbers.
    pub fn get(&self, name: &str) -> Result<Array> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_| self.fault(format!("has no array `{name}`")))?;
        let numbers = numbers(&view).ok_or_else(|| {
            self.fault(format!(
                "has `{name}` of type {} rather than F32 or F64",
                view.dtype()
            ))
        })?;
        let array = Array {
            shape: view.shape().to_vec(),
            numbers,
        };
        match array.numbers.iter().position(|v| !v.is_finite()) {
            Some(at) => {
                let value = array.numbers[at];
                let row = at / array.width().max(1);
                Err(self.fault(format!(
                    "holds {value} in row {row} of `{name}`, where only finite numbers are of use"
                )))
            }
            None => Ok(array),
        }
    }
}

fn numbers(view: &TensorView) -> Option<Vec<f64>> {
    match view.dtype() {
        Dtype::F32 => Some(
            view.data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from(f32::from_le_bytes(bytes)))
                .collect(),
        ),
        Dtype::F64 => Some(
            view.data()
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| f64::from_le_bytes(bytes))
                .collect(),
        ),
        _ => None,
    }
}

/// A file with these arrays: names, shapes, numbers.
#[cfg(test)]
pub fn written(parts: &[(String, Vec<usize>, Vec<f32>)]) -> Vec<u8> {
    let bytes: Vec<Vec<u8>> = parts
        .iter()
        .map(|(_, _, data)| data.iter().flat_map(|v| v.to_le_bytes()).collect())
        .collect();
    let views = parts.iter().zip(&bytes).map(|((name, shape, _), data)| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), data).unwrap(),
        )
    });
    safetensors::serialize(views, None).unwrap()
}
