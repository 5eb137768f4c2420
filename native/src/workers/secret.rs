//! What a worker and its home know, and nobody else.

use crate::files;
use protege_core::{Error, Result};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The environment variable that holds the token.
const VARIABLE: &str = "PROTEGE_TOKEN";
/// Characters of the shortest token, so that nobody finds it by trying.
const SHORTEST: usize = 16;
/// Bytes of the longest.
const LONGEST: usize = 4096;
/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// A code that only who has the key can make.
pub type Tag = [u8; 32];

/// The token; empty where there is none.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

// It is shown nowhere.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The token in a file, or else in `PROTEGE_TOKEN`; none where neither has one.
    ///
    /// # Errors
    /// When the file cannot be read, or the token is too short or too long.
    pub fn find(file: Option<&Path>) -> Result<Self> {
        let (token, place) = match file {
            Some(path) => (files::read(path)?, path.display().to_string()),
            None => match std::env::var_os(VARIABLE).filter(|token| !token.is_empty()) {
                Some(token) => (token.into_encoded_bytes(), VARIABLE.to_owned()),
                None => return Ok(Self::default()),
            },
        };
        Self::of(token.trim_ascii(), &place)
    }

    fn of(token: &[u8], place: &str) -> Result<Self> {
        if (SHORTEST..=LONGEST).contains(&token.len()) {
            return Ok(Self(token.to_vec()));
        }
        Err(Error::input(format!(
            "a token for workers has {SHORTEST} to {LONGEST} characters, but that of {place} has \
             {}: make one with `openssl rand -hex 32`",
            token.len()
        )))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The code of some parts, one after the other. Each is told from the next by its length.
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        hmac(&self.0, parts)
    }
}

/// Whether two codes agree, in a time that does not tell where they differ.
pub fn agree(a: &Tag, b: &Tag) -> bool {
    let differing = a.iter().zip(b).fold(0, |bits, (a, b)| bits | (a ^ b));
    std::hint::black_box(differing) == 0
}

/// HMAC-SHA256 (RFC 2104) of parts, each after its length.
pub fn hmac(key: &[u8], parts: &[&[u8]]) -> Tag {
    let with_lengths = parts.iter().map(|part| (part.len() as u64).to_le_bytes());
    let lengths: Vec<[u8; 8]> = with_lengths.collect();
    let all = lengths.iter().zip(parts);
    plain_hmac(key, all.flat_map(|(length, part)| [&length[..], part]))
}

fn plain_hmac<'a>(key: &[u8], parts: impl Iterator<Item = &'a [u8]>) -> Tag {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| Sha256::new().chain_update(block.map(|byte| byte ^ pad));
    let inner = parts.fold(padded(0x36), Digest::chain_update).finalize();
    padded(0x5c).chain_update(inner).finalize().into()
}

/// Bytes that nobody can foretell.
///
/// # Errors
/// When the system has none.
pub fn nonce() -> std::io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(tag: Tag) -> String {
        tag.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Codes are those of RFC 4231: test cases 2, and 6 with its long key.
    #[test]
    fn codes_are_those_of_the_standard() {
        let one = |key: &[u8], text: &[u8]| hex(plain_hmac(key, std::iter::once(text)));
        assert_eq!(
            one(b"Jefe", b"what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            one(
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First"
            ),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }

    /// Parts that are cut elsewhere, other keys and other bits give other codes.
    #[test]
    fn codes_tell_keys_and_parts_apart() {
        let tag = hmac(b"key", &[b"ab", b"c"]);
        assert!(agree(&tag, &hmac(b"key", &[b"ab", b"c"])));
        for other in [
            hmac(b"key", &[b"a", b"bc"]),
            hmac(b"kez", &[b"ab", b"c"]),
            hmac(b"key", &[b"ab", b"c", b""]),
        ] {
            assert!(!agree(&tag, &other));
        }
    }

    /// A token that could be guessed is refused, and what is shown of it is its length.
    #[test]
    fn short_tokens_are_refused() {
        let why = Secret::of(b"too-short", "somewhere")
            .unwrap_err()
            .to_string();
        assert!(
            why.contains("somewhere has 9") && !why.contains("too-short"),
            "{why}"
        );
        assert!(Secret::of(&[b'x'; 16], "somewhere").is_ok());
        assert_eq!(format!("{:?}", Secret(b"secret".to_vec())), "Secret");
    }
}
