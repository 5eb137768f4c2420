//! JSON files that hold their own checksum as their last entry, sealed again after a change.

use super::container::sha256;
use serde_json::Value;

/// What comes before the checksum; `native/src/files/seal.rs` writes the same.
const BEFORE: &str = ",\n  \"checksum\": \"";

/// A changed file with the checksum that is right for it; none where it never had one.
pub fn again(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (open, _) = text.rsplit_once(BEFORE)?;
    Some(sealed(open))
}

/// A value as a file that is sealed when the one before it was.
pub fn as_before(before: &[u8], mut value: Value) -> Vec<u8> {
    let was_sealed = String::from_utf8_lossy(before).contains(BEFORE);
    if let Value::Object(map) = &mut value {
        map.remove("checksum");
    }
    let text = format!("{value:#}");
    match text.strip_suffix("\n}") {
        Some(open) if was_sealed => sealed(open),
        _ => text.into_bytes(),
    }
}

fn sealed(open: &str) -> Vec<u8> {
    let sum = sha256(format!("{open}\n}}").as_bytes());
    format!("{open}{BEFORE}{sum}\"\n}}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is sealed again has the checksum of its text alone.
    #[test]
    fn a_seal_is_that_of_the_text() {
        let value = serde_json::json!({"a": 1, "checksum": "old"});
        let plain = as_before(b"{}", value.clone());
        assert_eq!(plain, b"{\n  \"a\": 1\n}");
        let before = format!("{{\n  \"a\": 0{BEFORE}old\"\n}}");
        let new = as_before(before.as_bytes(), value);
        let text = String::from_utf8(new.clone()).unwrap();
        assert!(text.contains(&sha256(&plain)), "{text}");
        assert_eq!(again(&new), Some(new));
        assert_eq!(again(&plain), None);
    }
}
