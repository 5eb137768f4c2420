//! Where workers listen.

use protege_core::error::excerpt;
use protege_core::{Error, Result};
use std::net::{SocketAddr, ToSocketAddrs};

/// The address to listen at that somebody wrote.
///
/// # Errors
/// When it is none.
pub fn local(text: &str) -> Result<SocketAddr> {
    text.parse().map_err(|_| {
        Error::input(format!(
            "`{}` is no address to listen at: write it as 127.0.0.1:7411",
            excerpt(text)
        ))
    })
}

/// Checks that somebody wrote `host:port`.
///
/// # Errors
/// When it is something else.
pub fn check(text: &str) -> Result<()> {
    let parts = text.rsplit_once(':');
    let sound = parts.is_some_and(|(host, port)| {
        let port: Option<u16> = port.parse().ok().filter(|&port| port > 0);
        !host.is_empty() && host.chars().all(|letter| letter.is_ascii_graphic()) && port.is_some()
    });
    if sound {
        return Ok(());
    }
    Err(Error::input(format!(
        "`{}` is no address of a worker: write --workers host:port,host:port",
        excerpt(text)
    )))
}

/// What the system makes of `host:port`.
///
/// # Errors
/// When the host is not known.
pub fn resolve(text: &str) -> std::io::Result<Vec<SocketAddr>> {
    Ok(text.to_socket_addrs()?.collect())
}
