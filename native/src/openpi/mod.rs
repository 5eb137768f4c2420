//! A client for served policies: the protocol of openpi's policy server
//! (Physical-Intelligence/openpi, `openpi_client`).
//!
//! Over a WebSocket the server first says what it is (a map); then each observation (a map) is
//! answered by a map with `actions`, an array of count x act. Everything is MessagePack; text
//! instead of bytes is the server's error message, after which it closes the connection.

mod base;
mod values;
mod websocket;

pub use base::connect;
pub use values::{Actions, Value};

use protege_core::{Error, Result};
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use websocket::{Message, WebSocket};

/// The port that openpi serves on unless told otherwise.
const PORT: u16 = 8000;

/// How patient a client is.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// For a connection, the handshake and the greeting. Default: 10 s.
    pub connect: Duration,
    /// For an answer; the first one may include compiling the policy. Default: 120 s.
    pub answer: Duration,
    /// Connections that are tried for one request. Default: 3.
    pub tries: u32,
    /// Before another try. Default: 1 s.
    pub pause: Duration,
    /// Bytes of the longest message that is taken. Default: 64 MiB.
    pub longest: usize,
    /// Sent as `Authorization: Api-Key ...`. Default: none.
    pub api_key: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            tries: 3,
            pause: Duration::from_secs(1),
            longest: 64 << 20,
            api_key: None,
        }
    }
}

/// A policy that somebody serves.
pub struct Client {
    /// `host:port`.
    host: String,
    settings: Settings,
    /// None after a failure: what came late would be taken for the next answer.
    socket: Option<WebSocket>,
    greeting: rmpv::Value,
}

impl Client {
    /// Connects to `openpi://host:port`; without a port, 8000.
    ///
    /// # Errors
    /// When the address is none, nobody answers there, or whoever does is no policy server.
    pub fn connect(address: &str, settings: Settings) -> Result<Self> {
        let mut client = Self {
            host: host(address)?,
            settings,
            socket: None,
            greeting: rmpv::Value::Nil,
        };
        client.insist(|_| Ok(()))?;
        Ok(client)
    }

    /// What the server said of itself, as text.
    pub fn greeting(&self) -> String {
        self.greeting.to_string()
    }

    /// The actions for an observation. A lost connection is made again, and the observation is sent
    /// again.
    ///
    /// # Errors
    /// When there is no answer in time, the connection stays lost, the server reports an error, or
    /// the answer is malformed.
    pub fn act(&mut self, observation: &Value) -> Result<Actions> {
        let request = values::pack(observation)?;
        let patience = self.settings.answer;
        let reply = self.insist(|socket| {
            let until = Instant::now() + patience;
            socket.send(&request, until)?;
            socket.receive(until)
        })?;
        let actions = match reply {
            Message::Binary(bytes) => {
                values::unpack(&bytes).and_then(|reply| values::actions(&reply))
            }
            Message::Text(trouble) => Err(format!("it reports an error: {}", gist(&trouble))),
        };
        actions.map_err(|why| {
            self.socket = None;
            self.trouble("cannot be used", &why)
        })
    }

    /// Does something over a connection; where it is lost, over a new one.
    fn insist<T>(
        &mut self,
        mut work: impl FnMut(&mut WebSocket) -> std::io::Result<T>,
    ) -> Result<T> {
        for again in (0..self.settings.tries.max(1)).rev() {
            // A connection that is not put back is not used again.
            let done = match self.socket.take() {
                Some(socket) => Ok(socket),
                None => self.greeted(),
            };
            let done = done.and_then(|mut socket| work(&mut socket).map(|result| (socket, result)));
            match done {
                Ok((socket, result)) => {
                    self.socket = Some(socket);
                    return Ok(result);
                }
                Err(error) if again == 0 || !is_lost(&error) => {
                    return Err(self.trouble("fails", &said(&error)));
                }
                Err(_) => std::thread::sleep(self.settings.pause),
            }
        }
        Err(self.trouble("fails", "no connection was tried"))
    }

    /// A new connection, whose server has said what it is.
    fn greeted(&mut self) -> std::io::Result<WebSocket> {
        let Settings {
            connect,
            longest,
            api_key,
            ..
        } = &self.settings;
        let until = Instant::now() + *connect;
        let mut socket = WebSocket::connect(&self.host, api_key.as_deref(), *longest, until)?;
        let invalid = |why: String| std::io::Error::new(ErrorKind::InvalidData, why);
        self.greeting = match socket.receive(until)? {
            Message::Binary(bytes) => values::unpack(&bytes)
                .map_err(|why| invalid(format!("its greeting cannot be read: {why}")))?,
            Message::Text(trouble) => {
                return Err(invalid(format!("it reports an error: {}", gist(&trouble))));
            }
        };
        if self.greeting.is_map() {
            Ok(socket)
        } else {
            Err(invalid("its greeting is no map".into()))
        }
    }

    fn trouble(&self, what: &str, why: &str) -> Error {
        Error::failed(format!(
            "the policy served at openpi://{} {what}: {why}",
            self.host
        ))
    }
}

/// `host:port` of an address.
fn host(address: &str) -> Result<String> {
    let unclear = || {
        Error::input(format!(
            "`{address}` is no address of a served policy: write it as openpi://host:port"
        ))
    };
    let host = address
        .strip_prefix("openpi://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty())
        .ok_or_else(unclear)?;
    if host.contains(['/', '@', ' ', '\r', '\n']) {
        return Err(unclear());
    }
    // The colons of an IPv6 address stand in brackets.
    match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => {
            let valid = !name.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
            if valid {
                Ok(host.to_owned())
            } else {
                Err(unclear())
            }
        }
        _ => Ok(format!("{host}:{PORT}")),
    }
}

/// Whether a new connection may help: the old one is gone, or there is nobody yet.
fn is_lost(error: &std::io::Error) -> bool {
    use ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe | ConnectionAborted | ConnectionRefused | ConnectionReset | UnexpectedEof
    )
}

/// An error in words that help.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => {
            "it does not answer in time; wait until its policy is loaded, or allow more time"
                .to_owned()
        }
        ErrorKind::ConnectionRefused => {
            "nobody listens there; start the server, or check host and port".to_owned()
        }
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            format!("the connection was lost ({error})")
        }
        _ => error.to_string(),
    }
}

/// The last line of a traceback, which says what went wrong.
fn gist(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("no message")
        .chars()
        .take(300)
        .collect()
}

#[cfg(test)]
mod tests;
