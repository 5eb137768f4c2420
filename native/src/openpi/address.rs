//! Where a policy is served, and the key to it, as somebody wrote them.

use super::shown;
use protege_core::{Error, Result};
use std::net::SocketAddr;

/// The port that openpi serves on unless told otherwise.
const PORT: u16 = 8000;
/// Characters of the longest name of a host.
const LONGEST_NAME: usize = 253;
/// The environment variable that holds the key for a server that asks for one.
const API_KEY: &str = "OPENPI_API_KEY";
/// Characters of the longest key.
const LONGEST_KEY: usize = 4096;

/// The key in `OPENPI_API_KEY`; none where it is not set, or empty.
///
/// # Errors
/// When it cannot be sent.
pub fn api_key() -> Result<Option<String>> {
    let Some(key) = std::env::var_os(API_KEY).filter(|key| !key.is_empty()) else {
        return Ok(None);
    };
    let key = key.to_string_lossy().into_owned();
    check_key(&key)?;
    Ok(Some(key))
}

/// Refuses what would end the line of a key, or is none. The key itself is not shown.
///
/// # Errors
/// Names the first character that cannot be sent.
pub fn check_key(key: &str) -> Result<()> {
    let wrong = key.chars().position(|letter| !letter.is_ascii_graphic());
    let why = match wrong {
        Some(place) => format!(
            "has a character at place {} that is none of these",
            place + 1
        ),
        None if key.is_empty() => "is empty".to_owned(),
        None if key.len() > LONGEST_KEY => format!("has {} characters", key.len()),
        None => return Ok(()),
    };
    Err(Error::input(format!(
        "a key for a policy server has up to {LONGEST_KEY} letters, digits and signs of ASCII, no \
         spaces, no ends of lines, but {API_KEY} {why}: set it again"
    )))
}

/// `host:port` of an address.
///
/// # Errors
/// When it is none.
pub fn host(address: &str) -> Result<String> {
    let unclear = || {
        let shown = shown(address);
        let hint = if address.starts_with("wss:") || address.starts_with("https:") {
            "; there is no TLS here, so a server elsewhere belongs behind a tunnel"
        } else {
            ""
        };
        Error::input(format!(
            "`{shown}` is no address of a served policy: write it as openpi://host:port{hint}"
        ))
    };
    let rest = address.strip_prefix("openpi://").ok_or_else(unclear)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    with_port(rest).ok_or_else(unclear)
}

fn with_port(host: &str) -> Option<String> {
    // The colons of an IPv6 address stand in brackets.
    if host.starts_with('[') {
        let bare = format!("{host}:{PORT}");
        let whole = host.parse().or_else(|_| bare.parse());
        let address = whole.ok().filter(|address: &SocketAddr| address.port() > 0);
        return address.map(|address| address.to_string());
    }
    let parts = host.split_once(':');
    let name = parts.map_or(host, |parts| parts.0);
    let port = match parts {
        Some(parts) => port(parts.1)?,
        None => PORT,
    };
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    let valid = !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(letter);
    valid.then(|| format!("{name}:{port}"))
}

fn port(digits: &str) -> Option<u16> {
    let valid = digits.chars().all(|digit| digit.is_ascii_digit());
    let port = digits.parse().ok().filter(|&port| port > 0);
    port.filter(|_| valid)
}
