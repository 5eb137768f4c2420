//! What is said: MessagePack, with arrays as `openpi_client.msgpack_numpy` writes those of numpy.

use protege_core::{Error, Result};
use rmpv::Value as Packed;

/// The deepest nesting that is read.
const DEEPEST: usize = 32;

/// A part of an observation.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Numbers of 32 bits in an array of this shape, the last index running fastest.
    Floats(Vec<usize>, Vec<f32>),
    /// Bytes, such as an image of rows, columns and colors.
    Bytes(Vec<usize>, Vec<u8>),
    /// Words, such as `prompt`.
    Text(String),
    /// Parts by name.
    Map(Vec<(String, Value)>),
}

/// A chunk of actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Actions {
    /// How many.
    pub count: usize,
    /// Numbers of each.
    pub act: usize,
    /// One after the other: count x act.
    pub values: Vec<f32>,
}

/// The bytes of an observation.
///
/// # Errors
/// When an array does not have as many numbers as its shape says.
pub fn pack(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &packed(value)?)
        .map_err(|e| Error::failed(format!("an observation cannot be packed: {e}")))?;
    Ok(bytes)
}

fn packed(value: &Value) -> Result<Packed> {
    Ok(match value {
        Value::Floats(shape, values) => array(
            "<f4",
            shape,
            values.len(),
            values.iter().flat_map(|v| v.to_le_bytes()).collect(),
        )?,
        Value::Bytes(shape, values) => array("|u1", shape, values.len(), values.clone())?,
        Value::Text(text) => Packed::from(text.as_str()),
        Value::Map(parts) => Packed::Map(
            parts
                .iter()
                .map(|(name, part)| Ok((Packed::from(name.as_str()), packed(part)?)))
                .collect::<Result<_>>()?,
        ),
    })
}

/// An array; the names of its parts are bytes, not words.
fn array(dtype: &str, shape: &[usize], count: usize, data: Vec<u8>) -> Result<Packed> {
    if shape.iter().product::<usize>() != count {
        return Err(Error::input(format!(
            "an array of shape {shape:?} was given {count} numbers"
        )));
    }
    let name = |name: &str| Packed::Binary(name.into());
    let shape = shape.iter().map(|&side| Packed::from(side)).collect();
    Ok(Packed::Map(vec![
        (name("__ndarray__"), true.into()),
        (name("data"), Packed::Binary(data)),
        (name("dtype"), dtype.into()),
        (name("shape"), Packed::Array(shape)),
    ]))
}

/// Reads a message.
///
/// # Errors
/// Why it is none, in words.
pub fn unpack(mut bytes: &[u8]) -> std::result::Result<Packed, String> {
    let value = rmpv::decode::read_value_with_max_depth(&mut bytes, DEEPEST)
        .map_err(|e| format!("it is no MessagePack ({e})"))?;
    if bytes.is_empty() {
        Ok(value)
    } else {
        Err(format!("{} bytes follow its end", bytes.len()))
    }
}

/// The part of a map; its name may be words or bytes.
fn part<'a>(map: &'a Packed, name: &str) -> Option<&'a Packed> {
    let named =
        |key: &Packed| key.as_str() == Some(name) || key.as_slice() == Some(name.as_bytes());
    map.as_map()?
        .iter()
        .find(|(key, _)| named(key))
        .map(|(_, value)| value)
}

/// The actions of a reply.
///
/// # Errors
/// What is wrong with it, in words.
pub fn actions(reply: &Packed) -> std::result::Result<Actions, String> {
    let array = part(reply, "actions").ok_or("it has no `actions`")?;
    let get = |name: &str| {
        part(array, name)
            .ok_or_else(|| format!("its `actions` are no array: they have no `{name}`"))
    };
    get("__ndarray__")?;
    let shape = get("shape")?
        .as_array()
        .ok_or("the shape of its `actions` is no list")?;
    let shape: Vec<usize> = shape
        .iter()
        .filter_map(|side| usize::try_from(side.as_u64()?).ok())
        .collect();
    let [count, act] = shape[..] else {
        return Err(format!(
            "its `actions` have the shape {shape:?}, not that of a list of actions"
        ));
    };
    let data = get("data")?
        .as_slice()
        .ok_or("the data of its `actions` are no bytes")?;
    let dtype = get("dtype")?
        .as_str()
        .ok_or("the type of its `actions` is no text")?;
    let values: Vec<f32> = match dtype {
        "<f4" => data
            .as_chunks()
            .0
            .iter()
            .map(|&chunk| f32::from_le_bytes(chunk))
            .collect(),
        "<f8" => data
            .as_chunks()
            .0
            .iter()
            .map(|&chunk| f64::from_le_bytes(chunk) as f32)
            .collect(),
        other => {
            return Err(format!(
                "its `actions` are of type `{other}`, which is neither `<f4` nor `<f8`"
            ));
        }
    };
    let width = if dtype == "<f4" { 4 } else { 8 };
    let expected = count
        .checked_mul(act)
        .filter(|&expected| expected > 0)
        .and_then(|expected| expected.checked_mul(width));
    if expected != Some(data.len()) {
        return Err(format!(
            "its `actions` have {} bytes, which is not what the shape {shape:?} and the type \
             `{dtype}` make",
            data.len()
        ));
    }
    if let Some(at) = values.iter().position(|v| !v.is_finite()) {
        return Err(format!("number {at} of its `actions` is {}", values[at]));
    }
    Ok(Actions { count, act, values })
}
