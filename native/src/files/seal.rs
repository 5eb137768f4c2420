//! JSON files that hold their own checksum, as their last entry: whatever was changed since they
//! were written is noticed.

use protege_core::data::sha256;

/// What comes before the checksum, and after it.
const BEFORE: &str = ",\n  \"checksum\": \"";
const AFTER: &str = "\"\n}";
/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// Whether a file is as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    /// It is.
    Whole,
    /// It is not.
    Broken,
    /// It does not say: an earlier version wrote it, or somebody else.
    Missing,
}

/// An indented JSON object, which is not empty, with the checksum of its text.
pub fn sealed(json: &str) -> String {
    let open = json.strip_suffix("\n}").unwrap_or(json);
    let sum = sha256(closed(open).as_bytes());
    format!("{open}{BEFORE}{sum}{AFTER}")
}

/// The text as it was before it was sealed, and whether it is still that text.
pub fn unsealed(bytes: &[u8]) -> (Seal, Vec<u8>) {
    let missing = (Seal::Missing, bytes.to_vec());
    let text = bytes.trim_ascii_end();
    let Some(text) = text.strip_suffix(AFTER.as_bytes()) else {
        return missing;
    };
    let Some((text, digits)) = text.split_last_chunk::<DIGITS>() else {
        return missing;
    };
    let Some(open) = text.strip_suffix(BEFORE.as_bytes()) else {
        return missing;
    };
    let body = [open, b"\n}"].concat();
    let whole = sha256(&body).as_bytes() == digits;
    (if whole { Seal::Whole } else { Seal::Broken }, body)
}

fn closed(open: &str) -> String {
    format!("{open}\n}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"rows\": {\n    \"a\": 1\n  }\n}";

    /// What is sealed is JSON, and comes back as it was.
    #[test]
    fn a_sealed_text_comes_back() {
        let sealed = sealed(TEXT);
        let value: serde_json::Value = serde_json::from_str(&sealed).unwrap();
        assert_eq!(value["rows"]["a"], 1);
        let expected = (Seal::Whole, TEXT.as_bytes().to_vec());
        assert_eq!(unsealed(sealed.as_bytes()), expected);
        assert_eq!(unsealed(TEXT.as_bytes()).0, Seal::Missing);
        assert_eq!(unsealed(b"").0, Seal::Missing);
    }

    /// Whichever bit of a sealed text is changed, it is not taken for whole.
    #[test]
    fn every_changed_bit_is_noticed() {
        let sealed = sealed(TEXT).into_bytes();
        for place in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[place / 8] ^= 1 << (place % 8);
            assert_ne!(unsealed(&changed).0, Seal::Whole, "bit {place}");
        }
    }
}
