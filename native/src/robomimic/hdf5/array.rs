//! Arrays of a file: what they claim, checked, and their content, piece by piece.

use super::Shared;
use hdf5_pure::{DType, Dataset, Layout, VlenStringReadOptions};
use protege_core::error::excerpt;
use protege_core::{Error, Result};
use std::ops::Range;
use std::sync::Arc;

/// Bytes of an array that are read at a time, unless one of its rows or blocks is larger.
const WINDOW: u64 = 1 << 20;
/// Bytes of one row, or of one stored block, at most.
const LARGEST: u64 = 256 << 20;
/// How much smaller than its content a packed array can be: deflate's best is 1032 to 1.
const PACKED: u64 = 1040;
/// Bytes of a list of names at most.
const NAMES: u64 = 16 << 20;

/// What an array is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Bytes: pictures.
    Bytes,
    /// Other numbers.
    Numbers,
    /// Texts.
    Texts,
    /// Something else.
    Other,
}

impl Kind {
    fn of(dtype: &DType) -> Self {
        match dtype {
            DType::U8 => Self::Bytes,
            DType::F32
            | DType::F64
            | DType::I8
            | DType::I16
            | DType::I32
            | DType::I64
            | DType::U16
            | DType::U32
            | DType::U64 => Self::Numbers,
            DType::String | DType::VariableLengthString => Self::Texts,
            _ => Self::Other,
        }
    }
}

/// What an array says of its size.
struct Claims {
    shape: Vec<u64>,
    /// Bytes of an element.
    element: u64,
    /// Lengths of a stored block.
    chunk: Option<Vec<u64>>,
}

impl Claims {
    /// The rows that are read at a time; a clause about what cannot be true in a file of `size`
    /// bytes.
    fn check(&self, size: u64) -> std::result::Result<u64, String> {
        let bytes = |lengths: &[u64]| {
            let mut lengths = lengths.iter();
            lengths.try_fold(self.element, |product, &length| product.checked_mul(length))
        };
        // A length of 0 must not hide the others.
        let positive: Vec<u64> = self.shape.iter().map(|&length| length.max(1)).collect();
        let most = size.saturating_mul(PACKED).min(isize::MAX as u64);
        let Some(all) = bytes(&positive).filter(|&all| all <= most) else {
            return Err(format!(
                "claims the shape {:?}, more than a file of {size} bytes can hold",
                self.shape
            ));
        };
        let rows = positive.first().copied().unwrap_or(1);
        let row = all / rows;
        let block = match &self.chunk {
            Some(chunk) => bytes(chunk).unwrap_or(u64::MAX),
            None => 0,
        };
        let most = most.min(LARGEST);
        if row.max(block) > most {
            return Err(format!(
                "has rows of {row} bytes in blocks of {block}, where {most} is the most"
            ));
        }
        let block_rows = self.chunk.as_ref().and_then(|chunk| chunk.first().copied());
        // Whole blocks, so that none is unpacked twice.
        let block_rows = block_rows.unwrap_or(1).max(1);
        let wanted = WINDOW / row.max(1);
        Ok(wanted
            .div_ceil(block_rows)
            .max(1)
            .saturating_mul(block_rows))
    }
}

/// An array in a file.
pub struct Array {
    dataset: Dataset,
    /// Lengths, the slowest first.
    pub shape: Vec<usize>,
    kind: Kind,
    /// What its elements are, in the crate's words.
    pub elements: String,
    element: u64,
    rows_at_once: u64,
    path: String,
    shared: Arc<Shared>,
}

impl Array {
    /// Looks at an array, of which nothing is read yet.
    ///
    /// # Errors
    /// On damage, and when its claims cannot be true.
    pub(super) fn of(dataset: Dataset, path: String, shared: &Arc<Shared>) -> Result<Self> {
        let known = shared.ask(&path, || {
            Ok((
                Claims {
                    shape: dataset.shape()?,
                    element: dataset.element_size()?,
                    chunk: dataset.chunk_shape()?,
                },
                dataset.dtype()?,
                dataset.layout()? == Layout::Virtual,
            ))
        })?;
        let unfit = |fault: &str| shared.unfit(&path, fault);
        let (claims, dtype, is_virtual) = known.ok_or_else(|| unfit("is not there"))?;
        if is_virtual {
            return Err(unfit("is kept in other files (a virtual data set)"));
        }
        let rows_at_once = claims.check(shared.size).map_err(|fault| unfit(&fault))?;
        // Checked: their product is below the largest number of this machine.
        let shape = claims.shape.iter().map(|&length| length as usize).collect();
        Ok(Self {
            dataset,
            shape,
            kind: Kind::of(&dtype),
            elements: excerpt(&match &dtype {
                DType::Other(other) => other.to_string(),
                named => named.to_string(),
            }),
            element: claims.element,
            rows_at_once,
            path,
            shared: Arc::clone(shared),
        })
    }

    /// An error about it: `fault` ends the sentence that names the file and the place.
    pub fn fault(&self, fault: impl AsRef<str>) -> Error {
        self.shared.unfit(&self.path, fault.as_ref())
    }

    /// Rows; 1 where it is a single value.
    pub fn rows(&self) -> usize {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Elements of a row.
    pub fn width(&self) -> usize {
        self.shape.iter().skip(1).product()
    }

    /// Whether it holds bytes, as pictures do.
    pub fn is_bytes(&self) -> bool {
        self.kind == Kind::Bytes
    }

    /// Whether it holds numbers, bytes included.
    pub fn is_numbers(&self) -> bool {
        matches!(self.kind, Kind::Bytes | Kind::Numbers)
    }

    /// Checks that it holds numbers, bytes included.
    ///
    /// # Errors
    /// When it does not.
    pub fn check_numbers(&self) -> Result<()> {
        if self.is_numbers() {
            return Ok(());
        }
        Err(self.fault(format!(
            "holds elements of the type {}, no numbers that are read: whole ones, or \
             floating-point ones of 32 or 64 bits",
            self.elements
        )))
    }

    /// Gives the numbers of these rows to `take`, one row after the other, with its place.
    ///
    /// # Errors
    /// When they are no finite numbers, cannot be read or are not there, and those of `take`.
    pub fn numbers(
        &self,
        rows: Range<usize>,
        mut take: impl FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        self.check_numbers()?;
        let width = self.width();
        for window in self.windows(&rows) {
            let (first, count) = (window.start as u64, window.len() as u64);
            let read = self
                .shared
                .ask(&self.path, || self.dataset.read_f64_rows(first, count))?;
            let read = self.whole(read, window.len() * width)?;
            // Datasets have 32 bits for a number.
            let too_large = |number: &f64| !(*number as f32).is_finite();
            if let Some(at) = read.iter().position(too_large) {
                let row = window.start + at / width.max(1);
                return Err(self.fault(format!("holds {} in row {row}", read[at])));
            }
            for (row, numbers) in window.zip(read.chunks_exact(width.max(1))) {
                take(row, numbers)?;
            }
        }
        Ok(())
    }

    /// Gives the bytes of these rows to `take`, one row after the other.
    ///
    /// # Errors
    /// When they are no bytes, cannot be read or are not there.
    pub fn bytes(&self, rows: Range<usize>, mut take: impl FnMut(&[u8])) -> Result<()> {
        if !self.is_bytes() {
            return Err(self.fault("holds no bytes"));
        }
        let width = self.width();
        for window in self.windows(&rows) {
            let (first, count) = (window.start as u64, window.len() as u64);
            let read = self
                .shared
                .ask(&self.path, || self.dataset.read_u8_rows(first, count))?;
            let read = self.whole(read, window.len() * width)?;
            read.chunks_exact(width.max(1)).for_each(&mut take);
        }
        Ok(())
    }

    /// All its texts.
    ///
    /// # Errors
    /// When it holds none, too many, or they cannot be read.
    pub fn texts(&self) -> Result<Vec<String>> {
        if self.kind != Kind::Texts {
            return Err(self.fault("holds no texts"));
        }
        let count = self.shape.iter().product::<usize>() as u64;
        if count.saturating_mul(self.element) > NAMES {
            return Err(self.fault(format!(
                "holds {count} texts, more than a list of names has"
            )));
        }
        let options = VlenStringReadOptions::new().with_max_payload_bytes(NAMES as usize);
        let texts = self.shared.ask(&self.path, || {
            if self.dataset.dtype()? == DType::VariableLengthString {
                self.dataset.read_vlen_strings(options)
            } else {
                self.dataset.read_string()
            }
        })?;
        self.whole(texts, count as usize)
    }

    /// Rows in pieces that fit into memory.
    fn windows(&self, rows: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<> {
        let end = rows.end;
        let step = usize::try_from(self.rows_at_once).unwrap_or(usize::MAX);
        let mut start = rows.start;
        std::iter::from_fn(move || {
            let window = start..start.saturating_add(step - start % step).min(end);
            start = window.end;
            (!window.is_empty()).then_some(window)
        })
    }

    /// What was read, if it is as much as was asked for.
    fn whole<T>(&self, read: Option<Vec<T>>, wanted: usize) -> Result<Vec<T>> {
        let read = read.unwrap_or_default();
        if read.len() == wanted {
            return Ok(read);
        }
        let found = read.len();
        Err(self.fault(format!(
            "is damaged: {found} values are there, where {wanted} should be"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that a file cannot have are refused, however they multiply; those that it can have are
    /// read in pieces of whole blocks.
    #[test]
    fn claims_are_checked_against_the_size_of_the_file() {
        let check = |shape: &[u64], element, chunk: Option<&[u64]>, size| {
            let claims = Claims {
                shape: shape.to_vec(),
                element,
                chunk: chunk.map(<[u64]>::to_vec),
            };
            claims.check(size)
        };
        assert_eq!(check(&[100, 7], 8, None, 5_600), Ok(WINDOW / 56));
        assert_eq!(check(&[100, 7], 8, Some(&[30, 7]), 5_600), Ok(18_750));
        assert!(check(&[1 << 40, 7], 8, Some(&[30, 7]), 5_600).is_err());
        assert!(check(&[u64::MAX, u64::MAX], 8, None, 5_600).is_err());
        assert!(check(&[0, 1 << 40], 8, None, 5_600).is_err());
        let huge = check(&[10, 7], 8, Some(&[1 << 30, 7]), 1 << 40);
        assert!(huge.unwrap_err().contains("blocks"));
        assert_eq!(check(&[], 8, None, 5_600), Ok(WINDOW / 8));
    }
}
