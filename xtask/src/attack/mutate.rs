//! Damage, and content that is meant to do harm.

use super::chance::Chance;
use super::container::{Container, Tensor};
use serde_json::{Value, json};

/// Words that a value of a text file is replaced by.
const WORDS: [&str; 30] = [
    "0",
    "-1",
    "1e999",
    "-1e999",
    "1e18",
    "18446744073709551616",
    "9007199254740993",
    "0.5",
    "nan",
    "inf",
    "null",
    "true",
    "\"\"",
    "\"x\"",
    "[]",
    "{}",
    "[[[[[[[[]]]]]]]]",
    "[1, 2]",
    "\"\\u001b[31mred\"",
    "\"a\\nb\"",
    "\"../../escape\"",
    "\"/etc/passwd\"",
    "1979-05-27",
    "\"lab/pick-place\"",
    "\"lab/lift\\u202e\"",
    "\"\\u0000\"",
    "{\"a\": 1}",
    "\"none\"",
    "2.5e-310",
    "-0.0",
];

/// Damage to any file. `other` is the content of a file of another kind.
pub fn damage(bytes: &[u8], other: &[u8], chance: &mut Chance) -> (Vec<u8>, &'static str) {
    let mut new = bytes.to_vec();
    let at = chance.below(bytes.len());
    let end = (at + 1 + chance.below(64)).min(bytes.len());
    let name = match chance.below(16) {
        0..=3 if !new.is_empty() => {
            new[at] ^= 1 << chance.below(8);
            "one bit flipped"
        }
        4 => {
            for _ in 0..1 + chance.below(30) {
                let at = chance.below(new.len());
                if let Some(byte) = new.get_mut(at) {
                    *byte = chance.number() as u8;
                }
            }
            "bytes at random"
        }
        5 | 6 => {
            new.truncate(at);
            "cut short"
        }
        7 => {
            new.extend_from_slice(&bytes[..end]);
            "bytes added"
        }
        8 => {
            new.drain(at..end);
            "bytes removed"
        }
        9 => {
            let byte = *chance.pick(&[0, 0xff, b'9', b'{']);
            new[at..end].fill(byte);
            "bytes overwritten"
        }
        10 => {
            let from = chance.below(other.len());
            new.truncate(at);
            new.extend_from_slice(&other[from..]);
            "spliced with another file"
        }
        11 => {
            new = other.to_vec();
            "another file"
        }
        12 => {
            let length = *chance.pick(&[0, 1, 7, 1 << 20, 1 << 40, u64::MAX, u64::MAX - 8]);
            let head = length.to_le_bytes();
            let covered = head.len().min(new.len());
            new[..covered].copy_from_slice(&head[..covered]);
            "another length of the header"
        }
        13 => {
            new.clear();
            "empty"
        }
        14 => {
            new.fill(0);
            "zeros"
        }
        _ => {
            new.splice(at..at, bytes[at..end].iter().copied());
            "bytes repeated"
        }
    };
    (new, name)
}

/// A text file of values, one of which is another.
pub fn another_word(bytes: &[u8], chance: &mut Chance) -> (Vec<u8>, &'static str) {
    let mut new = bytes.to_vec();
    let places = values_of(bytes);
    if places.is_empty() {
        return (new, "nothing to change");
    }
    let (begin, end) = *chance.pick(&places);
    match chance.below(10) {
        0 => {
            new.drain(begin..end);
            (new, "a value removed")
        }
        1 => {
            let long = format!("\"{}\"", "x".repeat(200_000));
            new.splice(begin..end, long.into_bytes());
            (new, "a very long value")
        }
        2 => {
            let deep = "[".repeat(100_000);
            new.splice(begin..end, deep.into_bytes());
            (new, "lists in lists without end")
        }
        3 => {
            let line_end = bytes[end..].iter().position(|&byte| byte == b'\n');
            let line_begin = bytes[..begin].iter().rposition(|&byte| byte == b'\n');
            let begin = line_begin.map_or(0, |at| at + 1);
            let end = line_end.map_or(bytes.len(), |at| end + at + 1);
            let line = new[begin..end].to_vec();
            if chance.once_in(2) {
                new.drain(begin..end);
                return (new, "a line removed");
            }
            new.splice(begin..begin, line);
            (new, "a line twice")
        }
        _ => {
            let word = chance.pick(&WORDS);
            new.splice(begin..end, word.bytes());
            (new, "another value")
        }
    }
}

/// Where values are in JSON and TOML: what follows a colon or an equals sign.
fn values_of(bytes: &[u8]) -> Vec<(usize, usize)> {
    let signs = bytes.iter().enumerate();
    let signs = signs.filter(|(_, byte)| matches!(byte, b':' | b'='));
    let value = |(at, _): (usize, &u8)| {
        let rest = &bytes[at + 1..];
        let begin = at + 1 + rest.iter().position(|byte| *byte != b' ')?;
        let ends = |byte: &u8| matches!(byte, b',' | b'\n' | b'}' | b']');
        let length = bytes[begin..]
            .iter()
            .position(ends)
            .unwrap_or(bytes.len() - begin);
        (length > 0).then_some((begin, begin + length))
    };
    signs.filter_map(value).collect()
}

/// A number of a TOML file that is one more: a setting that really differs. None when there is
/// none.
pub fn one_more(bytes: &[u8], chance: &mut Chance) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    let is_count = |range: &(usize, usize)| {
        let word = &text[range.0..range.1];
        !word.is_empty() && word.len() < 9 && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    let places: Vec<_> = values_of(text.as_bytes())
        .into_iter()
        .filter(is_count)
        .collect();
    if places.is_empty() {
        return None;
    }
    let (begin, end) = *chance.pick(&places);
    let number: u64 = text[begin..end].parse().ok()?;
    let mut new = bytes.to_vec();
    new.splice(begin..end, (number + 1).to_string().into_bytes());
    Some(new)
}

/// A file of the program's with hostile content and checksums that are right; none when it is no
/// such file.
pub fn hostile(bytes: &[u8], chance: &mut Chance) -> Option<(Vec<u8>, &'static str)> {
    let mut container = Container::read(bytes)?;
    let name = match chance.below(10) {
        0..=3 => change_header(&mut container, chance),
        4 => forget_tensor(&mut container, chance),
        5 => exchange_tensors(&mut container, chance),
        6 => reshape_tensor(&mut container, chance),
        7 => add_tensor(&mut container, chance),
        _ => change_tensor(&mut container, chance),
    };
    container.seal();
    Some((container.to_bytes(), name))
}

fn some_name(container: &Container, chance: &mut Chance) -> String {
    let names: Vec<&String> = container.tensors.keys().collect();
    match names.is_empty() {
        true => String::new(),
        false => (*chance.pick(&names)).clone(),
    }
}

fn change_header(container: &mut Container, chance: &mut Chance) -> &'static str {
    let mut header = Value::Object(container.header.clone());
    let mut places = Vec::new();
    list_places(&header, String::new(), &mut places);
    let place = chance.pick(&places).clone();
    let word = odd_value(chance);
    if let Some(value) = header.pointer_mut(&place) {
        *value = word;
    }
    if let Value::Object(header) = header {
        container.header = header;
    }
    "another value in the header, sealed"
}

/// The places of all values, groups included.
fn list_places(value: &Value, at: String, places: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (name, part) in map {
                let name = name.replace('~', "~0").replace('/', "~1");
                list_places(part, format!("{at}/{name}"), places);
            }
        }
        Value::Array(list) => {
            for (index, part) in list.iter().enumerate().take(20) {
                list_places(part, format!("{at}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(at);
}

fn odd_value(chance: &mut Chance) -> Value {
    let odd = [
        json!(0),
        json!(1),
        json!(-1),
        json!(3),
        json!(u64::MAX),
        json!(1e308),
        json!(0.5),
        json!(-0.0),
        json!(1_u64 << 40),
        json!(100_000),
        json!(null),
        json!(true),
        json!(""),
        json!("x".repeat(100_000)),
        json!("\u{1b}[31mred\nand more"),
        json!([]),
        json!({}),
        json!([1, 2, 3]),
        json!("lab/pick-place"),
        json!("../../escape"),
        json!("\u{202e}"),
        json!(f64::MIN_POSITIVE),
        json!("dsrl"),
        json!(vec![0; 10_000]),
    ];
    chance.pick(&odd).clone()
}

fn forget_tensor(container: &mut Container, chance: &mut Chance) -> &'static str {
    let name = some_name(container, chance);
    container.tensors.remove(&name);
    "a tensor forgotten, sealed"
}

fn exchange_tensors(container: &mut Container, chance: &mut Chance) -> &'static str {
    let first = some_name(container, chance);
    let second = some_name(container, chance);
    let of_first = container.tensors.remove(&first);
    let of_second = container.tensors.remove(&second);
    let pairs = [(second, of_first), (first, of_second)];
    for (name, tensor) in pairs {
        container
            .tensors
            .extend(tensor.map(|tensor| (name, tensor)));
    }
    "two tensors exchanged, sealed"
}

fn reshape_tensor(container: &mut Container, chance: &mut Chance) -> &'static str {
    let name = some_name(container, chance);
    if let Some(tensor) = container.tensors.get_mut(&name) {
        let count: u64 = tensor.shape.iter().product();
        match chance.below(4) {
            0 => tensor.shape.reverse(),
            1 => tensor.shape = vec![count],
            2 => tensor.shape = vec![1, count, 1],
            _ => tensor.shape.push(1),
        }
    }
    "another shape, sealed"
}

fn add_tensor(container: &mut Container, chance: &mut Chance) -> &'static str {
    let near = some_name(container, chance);
    let name = if chance.once_in(2) {
        format!("{near}/more")
    } else {
        "policy/\u{1b}[31mred".to_owned()
    };
    let count = 4 * *chance.pick(&[0, 1, 1000]);
    let tensor = Tensor {
        dtype: "F32".to_owned(),
        shape: vec![count / 4],
        bytes: vec![0; count as usize],
    };
    container.tensors.insert(name, tensor);
    "a tensor added, sealed"
}

fn change_tensor(container: &mut Container, chance: &mut Chance) -> &'static str {
    let name = some_name(container, chance);
    let Some(tensor) = container.tensors.get_mut(&name) else {
        return "nothing to change";
    };
    if tensor.dtype == "U8" {
        return change_blob(tensor, chance);
    }
    let numbers = [
        0.0,
        -0.0,
        1e38,
        -1e38,
        f32::NAN,
        f32::INFINITY,
        f32::MIN_POSITIVE,
        -1.0,
        1e-40,
    ];
    let number = chance.pick(&numbers).to_le_bytes();
    let all = chance.once_in(3);
    let chosen = chance.below(tensor.bytes.len() / 4);
    for (index, place) in tensor.bytes.chunks_exact_mut(4).enumerate() {
        if all || index == chosen {
            place.copy_from_slice(&number);
        }
    }
    "other numbers, sealed"
}

/// A part of the program's own state: counters, lengths, states of random streams.
fn change_blob(tensor: &mut Tensor, chance: &mut Chance) -> &'static str {
    let at = chance.below(tensor.bytes.len());
    match chance.below(6) {
        0 => tensor.bytes.truncate(at),
        1 => tensor.bytes.push(0),
        2 => {
            // The longest length that postcard can say.
            let long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
            let end = (at + 1).min(tensor.bytes.len());
            tensor.bytes.splice(at..end, long);
        }
        _ => {
            if let Some(byte) = tensor.bytes.get_mut(at) {
                *byte = chance.number() as u8;
            }
        }
    }
    tensor.shape = vec![tensor.bytes.len() as u64];
    "another state, sealed"
}
