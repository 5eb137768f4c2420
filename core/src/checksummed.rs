//! Bytes that know whose they are and whether they are whole.
//!
//! Checksummed bytes are: a digest of the owner's name, a digest of the body, the body. Both are
//! checked before anything is decoded, so damaged bytes are refused without being interpreted.

use crate::{Error, Result};
use sha2::{Digest, Sha256};

/// Length of a digest.
pub(crate) const DIGEST: usize = 32;

/// SHA-256.
pub fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    Sha256::digest(bytes).into()
}

/// Packs `body` for the owner with this digest.
pub fn pack(owner: &[u8; DIGEST], body: &[u8]) -> Vec<u8> {
    [owner.as_slice(), &digest(body), body].concat()
}

/// The body of what [`pack`] wrote for the same owner; `what` names it in the error.
pub fn unpack<'a>(owner: &[u8; DIGEST], packed: &'a [u8], what: &str) -> Result<&'a [u8]> {
    let damaged = || damaged(what);
    let (found, rest) = packed.split_first_chunk::<DIGEST>().ok_or_else(damaged)?;
    let (sum, body) = rest.split_first_chunk::<DIGEST>().ok_or_else(damaged)?;
    if *sum != digest(body) {
        return Err(damaged());
    }
    if found != owner {
        return Err(Error::input(format!(
            "the saved state of {what} belongs to something else; use a checkpoint of this task \
             and version"
        )));
    }
    Ok(body)
}

/// The error of bytes that cannot be read.
pub fn damaged(what: &str) -> Error {
    Error::input(format!(
        "the saved state of {what} is damaged; use another checkpoint"
    ))
}
