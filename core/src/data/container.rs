//! The container of datasets and archives: one safetensors file with a JSON header of ours in its
//! metadata.

use super::Frames;
use crate::{Error, Result};
use safetensors::tensor::{
    Dtype, Metadata, SafeTensorError, SafeTensors, TensorInfo, TensorView, View,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

/// The key of our header in the metadata of the file.
const KEY: &str = "protege";
/// Bytes of a header that readers of safetensors take.
const LONGEST_HEADER: usize = 100_000_000;
/// First bytes of files of other kinds.
const FOREIGN: [(&[u8], &str); 5] = [
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (`protege demos --from` imports those of robomimic)",
    ),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PAR1", "a Parquet file"),
    (b"\x89PNG", "an image"),
];

/// One kind of file of ours.
pub(super) struct Kind {
    /// Its name, in the file and in sentences.
    pub name: &'static str,
    /// The format version that this code writes, and the newest that it reads.
    pub version: u32,
    /// How to get a good file in place of a bad one.
    pub remedy: &'static str,
}

impl Kind {
    /// An error about a file of this kind: `what` ends the sentence that "The dataset" begins.
    pub fn error(&self, what: impl AsRef<str>) -> Error {
        Error::input(format!(
            "The {} {}; {}.",
            self.name,
            what.as_ref(),
            self.remedy
        ))
    }
}

/// The part of the header that every kind of file has.
#[derive(Serialize, Deserialize)]
struct Mark<'a> {
    #[serde(borrow)]
    format: Cow<'a, str>,
    version: u32,
}

/// The header as written: the mark, then the fields of the kind.
#[derive(Serialize)]
struct Marked<'a, H> {
    #[serde(flatten)]
    mark: Mark<'a>,
    #[serde(flatten)]
    header: &'a H,
}

/// One tensor on its way into a file.
pub(super) enum Tensor<'a> {
    /// Numbers, row-major.
    F32(Cow<'a, [usize]>, &'a [f32]),
    /// Bytes.
    U8(Cow<'a, [usize]>, Cow<'a, [u8]>),
    /// The frames of a camera, unpacked when they are written.
    Frames(Vec<usize>, &'a Frames),
}

impl<'a> Tensor<'a> {
    /// Bytes, as a tensor of one dimension.
    pub(crate) fn bytes(bytes: &'a [u8]) -> Self {
        Self::U8(Cow::Owned(vec![bytes.len()]), Cow::Borrowed(bytes))
    }
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::F32(..) => Dtype::F32,
            Self::U8(..) | Self::Frames(..) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::F32(shape, _) => shape,
            Self::U8(shape, _) => shape,
            Self::Frames(shape, _) => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::F32(_, data) => Cow::Owned(to_le_bytes(data)),
            Self::U8(_, data) => Cow::Borrowed(data),
            Self::Frames(_, frames) => Cow::Owned(frames.values()),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::F32(_, data) => data.len() * 4,
            Self::U8(_, data) => data.len(),
            Self::Frames(_, frames) => frames.len() * frames.size(),
        }
    }
}

/// The file with these tensors and this header. The same input gives the same bytes.
///
/// # Errors
/// When a shape and its data disagree.
pub(super) fn write<H: Serialize>(
    kind: &Kind,
    header: &H,
    mut tensors: Vec<(String, Tensor)>,
) -> Result<Vec<u8>> {
    let failed = |e| Error::failed(format!("The {} could not be written: {e}.", kind.name));
    let mut bytes = head(kind, header, &mut tensors).map_err(failed)?;
    // A vector that grows as it needs takes twice as much.
    bytes.reserve_exact(tensors.iter().map(|(_, tensor)| tensor.data_len()).sum());
    for (_, tensor) in &tensors {
        bytes.extend_from_slice(&tensor.data());
    }
    Ok(bytes)
}

/// Writes the file with these tensors and this header, one tensor after the other: as
/// `safetensors::serialize` does, which holds all of it.
///
/// # Errors
/// Those of `out`, or when a shape and its data disagree.
pub(super) fn write_to<H: Serialize>(
    kind: &Kind,
    header: &H,
    mut tensors: Vec<(String, Tensor)>,
    out: &mut dyn Write,
) -> io::Result<()> {
    out.write_all(&head(kind, header, &mut tensors)?)?;
    for (_, tensor) in &tensors {
        out.write_all(&tensor.data())?;
    }
    Ok(())
}

/// All that comes before the tensors, which are put into their order.
fn head<H: Serialize>(
    kind: &Kind,
    header: &H,
    tensors: &mut [(String, Tensor)],
) -> io::Result<Vec<u8>> {
    let mark = Mark {
        format: Cow::Borrowed(kind.name),
        version: kind.version,
    };
    let text = serde_json::to_string(&Marked { mark, header })?;
    // Larger elements first: all lie at multiples of their size.
    tensors.sort_by(|(a, left), (b, right)| right.dtype().cmp(&left.dtype()).then(a.cmp(b)));
    let mut end = 0;
    let infos = tensors.iter().map(|(name, tensor)| {
        let start = end;
        end += tensor.data_len();
        let info = TensorInfo {
            dtype: tensor.dtype(),
            shape: tensor.shape().to_vec(),
            data_offsets: (start, end),
        };
        (name.clone(), info)
    });
    let infos = infos.collect();
    let metadata = Metadata::new(Some(HashMap::from([(KEY.to_string(), text)])), infos);
    let metadata = metadata.map_err(io::Error::other)?;
    let mut head = serde_json::to_vec(&metadata)?;
    head.resize(head.len().next_multiple_of(8), b' ');
    if head.len() > LONGEST_HEADER {
        return Err(io::Error::other("there are too many parts for one file"));
    }
    head.splice(0..0, (head.len() as u64).to_le_bytes());
    Ok(head)
}

/// The format version, the header and the tensors of a file. Nothing is copied; a length is
/// believed only when the bytes are there.
///
/// # Errors
/// When the file is foreign, cut short, of another kind or of a newer version.
pub(super) fn read<'a, H: DeserializeOwned>(
    kind: &Kind,
    bytes: &'a [u8],
) -> Result<(u32, H, SafeTensors<'a>)> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| kind.error(diagnosis(bytes, &e)))?;
    let (_, metadata) =
        SafeTensors::read_metadata(bytes).map_err(|e| kind.error(diagnosis(bytes, &e)))?;
    let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
    let text = text.ok_or_else(|| kind.error("is a safetensors file of another program"))?;
    // Kind and version first: a newer header may have other fields.
    let mark: Mark = serde_json::from_str(text).map_err(|_| kind.error("has a damaged header"))?;
    if mark.format != kind.name {
        return Err(kind.error(format!(
            "is a protege file of another kind ({:?})",
            mark.format
        )));
    }
    if mark.version > kind.version {
        let what = format!(
            "has format version {}, and this program reads up to {}: update protege",
            mark.version, kind.version
        );
        return Err(kind.error(what));
    }
    let header = serde_json::from_str(text)
        .map_err(|e| kind.error(format!("has a damaged header ({e})")))?;
    Ok((mark.version, header, tensors))
}

/// Why bytes are not a whole safetensors file, in words.
fn diagnosis(bytes: &[u8], error: &SafeTensorError) -> String {
    if bytes.is_empty() {
        return "is empty".into();
    }
    if let Some((_, what)) = FOREIGN.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return format!("is {what}");
    }
    // A safetensors file is 8 bytes of length, then JSON.
    let looks_like_ours = bytes.len() < 9 || bytes[8] == b'{';
    match error {
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength
            if looks_like_ours =>
        {
            "is cut short inside its header".into()
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            "is cut short, or has bytes added at its end".into()
        }
        _ if looks_like_ours => format!("has a damaged header ({error})"),
        _ => "is not a file of this program".into(),
    }
}

/// The numbers of a tensor.
///
/// # Errors
/// A clause about the tensor, when it is of another type or holds a number that is not finite.
pub(super) fn numbers(view: &TensorView) -> std::result::Result<Vec<f32>, String> {
    if view.dtype() != Dtype::F32 {
        return Err(format!("is of type {} rather than F32", view.dtype()));
    }
    let numbers: Vec<f32> = view
        .data()
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(i) => Err(format!("holds {} at position {i}", numbers[i])),
        None => Ok(numbers),
    }
}

/// Numbers as the file holds them.
pub(super) fn to_le_bytes(numbers: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; numbers.len() * 4];
    for (out, x) in bytes.chunks_exact_mut(4).zip(numbers) {
        out.copy_from_slice(&x.to_le_bytes());
    }
    bytes
}
