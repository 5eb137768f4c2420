//! What is said: MessagePack, with arrays as `openpi_client.msgpack_numpy` writes those of numpy.

use super::{limits, shown};
use protege_core::{Error, Result};
use rmpv::Value as Packed;

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
    let product = shape
        .iter()
        .try_fold(1, |all: usize, &side| all.checked_mul(side));
    if product != Some(count) {
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
/// Why it is none, or asks for too much, in words.
pub fn unpack(mut bytes: &[u8]) -> std::result::Result<Packed, String> {
    limits::check(bytes)?;
    // What is copied out of the message has its length at once, and does not grow to it.
    let value = rmpv::decode::read_value_ref(&mut bytes);
    let value = value.map_err(|e| format!("it is no MessagePack ({e})"))?;
    Ok(value.to_owned())
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
    let shape = Shape::read(get("shape")?)?;
    let dtype = get("dtype")?;
    let width = match dtype.as_str() {
        Some("<f4") => 4,
        Some("<f8") => 8,
        name => {
            let name = name.map_or_else(|| shown(dtype), shown);
            return Err(format!(
                "its `actions` are of type `{name}`, which is neither `<f4` nor `<f8`"
            ));
        }
    };
    let data = get("data")?
        .as_slice()
        .ok_or("the data of its `actions` are no bytes")?;
    let expected = shape.numbers().and_then(|count| count.checked_mul(width));
    if expected != Some(data.len()) {
        let Shape { count, act } = shape;
        let expected = expected.map_or("more than can be counted".to_owned(), |n| n.to_string());
        return Err(format!(
            "its `actions` have {} bytes, but {count} actions of {act} numbers of {width} bytes \
             have {expected}",
            data.len(),
        ));
    }
    let values = if width == 4 {
        numbers(data, |bytes| f32::from_le_bytes(bytes).into())?
    } else {
        numbers(data, f64::from_le_bytes)?
    };
    Ok(Actions {
        count: shape.count,
        act: shape.act,
        values,
    })
}

/// The shape of actions.
#[derive(Debug, Clone, Copy)]
struct Shape {
    count: usize,
    act: usize,
}

impl Shape {
    fn read(shape: &Packed) -> std::result::Result<Self, String> {
        let sides = shape.as_array().map_or(&[][..], Vec::as_slice);
        let side = |side: &Packed| usize::try_from(side.as_u64()?).ok().filter(|&n| n > 0);
        let sides: Option<Vec<usize>> = sides.iter().map(side).collect();
        match sides.as_deref() {
            Some(&[count, act]) => Ok(Self { count, act }),
            _ => Err(format!(
                "its `actions` have the shape {}, but two numbers above 0 are wanted: how many \
                 actions, and the numbers of each",
                shown(shape)
            )),
        }
    }

    fn numbers(self) -> Option<usize> {
        self.count.checked_mul(self.act)
    }
}

/// Numbers of `N` bytes each, all of them finite.
fn numbers<const N: usize>(
    data: &[u8],
    read: fn([u8; N]) -> f64,
) -> std::result::Result<Vec<f32>, String> {
    let chunks = data.as_chunks().0;
    let mut values = Vec::with_capacity(chunks.len());
    for &bytes in chunks {
        let wide = read(bytes);
        let value = wide as f32;
        if !value.is_finite() {
            let at = values.len();
            return Err(format!(
                "number {at} of its `actions` is {wide:?}, which is no number to act on"
            ));
        }
        values.push(value);
    }
    Ok(values)
}
