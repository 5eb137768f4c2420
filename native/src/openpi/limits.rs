//! How much a message may ask for: a few bytes of MessagePack can stand for values that fill a
//! machine's memory. A message is gone through once, without making anything of it, before it is
//! read.

/// Values of a message: a reply has some twenty.
pub const MOST_VALUES: usize = 100_000;
/// Lists and maps within each other.
pub const DEEPEST: usize = 16;

/// Checks that `bytes` are one value, whole, of no more parts than are allowed.
///
/// # Errors
/// Why not, in words.
pub fn check(bytes: &[u8]) -> Result<(), String> {
    let mut rest = bytes;
    let mut values = 0;
    // For each list that is open, the values that are still to come.
    let mut open: Vec<u64> = vec![1];
    while let Some(missing) = open.last_mut() {
        if *missing == 0 {
            open.pop();
            continue;
        }
        *missing -= 1;
        values += 1;
        if values > MOST_VALUES {
            return Err(format!("it has more than {MOST_VALUES} values"));
        }
        let Part { bytes, values } = part(&mut rest).ok_or("it is no MessagePack")?;
        let length = usize::try_from(bytes).unwrap_or(usize::MAX);
        // Each value has a byte at least.
        if length > rest.len() || values > rest.len() as u64 {
            return Err("it is no whole MessagePack: its end is missing".to_owned());
        }
        rest = &rest[length..];
        if values > 0 {
            open.push(values);
        }
        if open.len() > DEEPEST + 1 {
            return Err(format!("it is nested deeper than {DEEPEST} levels"));
        }
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(format!("{} bytes follow its end", rest.len()))
    }
}

/// What follows a marker.
struct Part {
    /// Bytes that are taken as they are.
    bytes: u64,
    /// Values within this one.
    values: u64,
}

/// Reads a marker and the length after it. None where there is none, or it stands for nothing.
fn part(rest: &mut &[u8]) -> Option<Part> {
    let marker = number(rest, 1)?;
    let bytes = match marker {
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => 0,
        0x80..=0x8f => return Some(list(2 * (marker & 0x0f))),
        0x90..=0x9f => return Some(list(marker & 0x0f)),
        0xdc => return Some(list(number(rest, 2)?)),
        0xdd => return Some(list(number(rest, 4)?)),
        0xde => return Some(list(2 * number(rest, 2)?)),
        0xdf => return Some(list(2 * number(rest, 4)?)),
        0xa0..=0xbf => marker & 0x1f,
        0xc4 | 0xd9 => number(rest, 1)?,
        0xc5 | 0xda => number(rest, 2)?,
        0xc6 | 0xdb => number(rest, 4)?,
        // Types of others have a byte of their own before their bytes.
        0xc7 => number(rest, 1)? + 1,
        0xc8 => number(rest, 2)? + 1,
        0xc9 => number(rest, 4)? + 1,
        0xd4..=0xd8 => (1 << (marker - 0xd4)) + 1,
        0xcc | 0xd0 => 1,
        0xcd | 0xd1 => 2,
        0xca | 0xce | 0xd2 => 4,
        0xcb | 0xcf | 0xd3 => 8,
        _ => return None,
    };
    Some(Part { bytes, values: 0 })
}

fn list(values: u64) -> Part {
    Part { bytes: 0, values }
}

/// Takes a number of `width` bytes.
fn number(rest: &mut &[u8], width: usize) -> Option<u64> {
    let digits = rest.split_off(..width)?;
    let appended = |sum: u64, &digit: &u8| sum << 8 | u64::from(digit);
    Some(digits.iter().fold(0, appended))
}
