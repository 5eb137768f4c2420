//! The client's side of a WebSocket (RFC 6455), as far as a policy server needs it: one request,
//! one reply, no extensions, no TLS. A crate for it would turn on features of crates beneath burn,
//! which would be built twice.

use super::shown;
use super::wait::{Wait, is_pause};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What a server proves its understanding with (RFC 6455, 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of the longest answer to the handshake.
const LONGEST_ANSWER: usize = 16 * 1024;
/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

const CONTINUED: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What came.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// Bytes.
    Binary(Vec<u8>),
    /// Words.
    Text(String),
}

/// A connection after its handshake.
pub struct WebSocket {
    stream: TcpStream,
    /// Bytes of the longest message that is taken.
    pub longest: usize,
}

/// Connects to `host:port`. Systems look up names and connect without an eye on anything else, so a
/// thread does; one that is not waited for any longer ends by itself.
///
/// # Errors
/// When there is nobody, or it takes too long.
pub fn dial(host: &str, patience: Duration, wait: Wait) -> Result<TcpStream> {
    let results = channel();
    let sender = results.0;
    let host = host.to_owned();
    let connect = move || sender.send(connect(&host, patience)).ok();
    std::thread::Builder::new().spawn(connect)?;
    loop {
        match results.1.recv_timeout(wait.glance()?) {
            Ok(connected) => return connected,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Error::other("nothing became of connecting to it"));
            }
        }
    }
}

/// Tries all addresses of a host; each has its share of the time.
fn connect(host: &str, patience: Duration) -> Result<TcpStream> {
    let begun = Instant::now();
    let addresses: Vec<_> = host.to_socket_addrs()?.collect();
    let mut last = Error::new(ErrorKind::NotFound, "the host has no address");
    for (i, address) in addresses.iter().enumerate() {
        let left = patience.saturating_sub(begun.elapsed());
        let share = left / (addresses.len() - i).min(1000) as u32;
        if share.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl WebSocket {
    /// Shakes hands over a connection to `host`.
    ///
    /// # Errors
    /// When it takes too long, or whoever is there does not speak WebSocket.
    pub fn over(
        stream: TcpStream,
        host: &str,
        api_key: Option<&str>,
        longest: usize,
        wait: Wait,
    ) -> Result<Self> {
        stream.set_nodelay(true)?;
        let mut socket = Self { stream, longest };
        socket.shake_hands(host, api_key, wait)?;
        Ok(socket)
    }

    fn shake_hands(&mut self, host: &str, api_key: Option<&str>, wait: Wait) -> Result<()> {
        let key = base64(&[random(), random()].map(u64::to_le_bytes).concat());
        let authorization = api_key.map_or(String::new(), |key| {
            format!("Authorization: Api-Key {key}\r\n")
        });
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{authorization}\r\n"
        );
        self.write(request.as_bytes(), wait)?;
        let answer = self.answer(wait)?;
        let mut lines = answer.lines();
        let status = lines.next().unwrap_or_default();
        let code = status.split_whitespace().nth(1).unwrap_or_default();
        if code != "101" {
            return Err(no_beginning(status, code, api_key.is_some()));
        }
        let mut headers = lines.filter_map(|line| line.split_once(':'));
        let accepted = headers
            .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"))
            .map(|(_, value)| value.trim());
        if accepted == Some(&accept(&key)) {
            Ok(())
        } else {
            Err(invalid("its handshake is wrong".into()))
        }
    }

    /// The head of the answer. It is read byte by byte: what follows it is a message already.
    fn answer(&mut self, wait: Wait) -> Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_ANSWER {
                return Err(invalid("it answers without end".into()));
            }
            self.read(&mut head, 1, wait)?;
        }
        String::from_utf8(head).map_err(|_| invalid("it does not answer in words".into()))
    }

    /// Sends bytes as one message.
    ///
    /// # Errors
    /// When the connection is lost, or the other side does not take them in time.
    pub fn send(&mut self, bytes: &[u8], wait: Wait) -> Result<()> {
        self.write(&frame(BINARY, bytes), wait)
    }

    /// The next message. What comes between is answered or passed over.
    ///
    /// # Errors
    /// When the connection is lost or closed, nothing comes in time, it is too long, or it breaks
    /// the protocol.
    pub fn receive(&mut self, wait: Wait) -> Result<Message> {
        let mut whole = Vec::new();
        let mut kind = None;
        loop {
            let Head {
                last,
                opcode,
                length,
            } = self.head(whole.len(), wait)?;
            if opcode >= CLOSE {
                self.control(opcode, length, wait)?;
                continue;
            }
            match (opcode, kind) {
                (TEXT | BINARY, None) => kind = Some(opcode),
                (CONTINUED, Some(_)) => {}
                _ => {
                    return Err(invalid(format!(
                        "a frame of kind {opcode} came out of turn"
                    )));
                }
            }
            self.read(&mut whole, length, wait)?;
            match kind {
                Some(TEXT) if last => {
                    return String::from_utf8(whole)
                        .map(Message::Text)
                        .map_err(|_| invalid("its text is no UTF-8".into()));
                }
                Some(_) if last => return Ok(Message::Binary(whole)),
                _ => {}
            }
        }
    }

    /// A frame between those of a message.
    fn control(&mut self, opcode: u8, length: usize, wait: Wait) -> Result<()> {
        let mut bytes = Vec::new();
        self.read(&mut bytes, length, wait)?;
        match opcode {
            PING => self.write(&frame(PONG, &bytes), wait),
            PONG => Ok(()),
            CLOSE => Err(closed(&bytes)),
            _ => Err(invalid(format!(
                "a frame of kind {opcode} came, which means nothing"
            ))),
        }
    }

    /// What a frame says of itself, which follows `before` bytes of its message.
    fn head(&mut self, before: usize, wait: Wait) -> Result<Head> {
        let start = self.number(2, wait)?;
        let last = start & 0x8000 != 0;
        let opcode = (start >> 8) as u8 & 0x0f;
        if start & 0x7080 != 0 {
            return Err(invalid("a frame came as servers may not send it".into()));
        }
        let length = match start & 0x7f {
            126 => self.number(2, wait)?,
            127 => self.number(8, wait)?,
            short => short,
        };
        if opcode >= CLOSE && (length > 125 || !last) {
            return Err(invalid("a control frame is too long or cut".into()));
        }
        let fits = usize::try_from(length).ok();
        let fits = fits.filter(|&length| length <= self.longest.saturating_sub(before));
        let length = fits.ok_or_else(|| {
            invalid(format!(
                "a message of more than {} bytes came",
                self.longest
            ))
        })?;
        Ok(Head {
            last,
            opcode,
            length,
        })
    }

    fn number(&mut self, width: usize, wait: Wait) -> Result<u64> {
        let mut digits = Vec::new();
        self.read(&mut digits, width, wait)?;
        let appended = |sum: u64, &digit: &u8| sum << 8 | u64::from(digit);
        Ok(digits.iter().fold(0, appended))
    }

    /// Reads `length` bytes more. Room is made for what has come, not for what was announced.
    fn read(&mut self, bytes: &mut Vec<u8>, length: usize, wait: Wait) -> Result<()> {
        let end = bytes.len() + length;
        while bytes.len() < end {
            self.stream.set_read_timeout(Some(wait.glance()?))?;
            let before = bytes.len();
            bytes.resize(end.min(before + PIECE), 0);
            let came = self.stream.read(&mut bytes[before..]);
            bytes.truncate(before + *came.as_ref().unwrap_or(&0));
            match came {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self, mut bytes: &[u8], wait: Wait) -> Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(wait.glance()?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Drop for WebSocket {
    /// Says goodbye, so that the server does not take it for an accident. Where it cannot be said
    /// at once, nothing is lost.
    fn drop(&mut self) {
        let goodbye = frame(CLOSE, &1000_u16.to_be_bytes());
        let soon = Some(Duration::from_millis(200));
        if self.stream.set_write_timeout(soon).is_ok() {
            self.stream.write_all(&goodbye).ok();
        }
    }
}

/// What a frame says of itself.
struct Head {
    /// Whether it is its message's last.
    last: bool,
    opcode: u8,
    length: usize,
}

/// A frame as clients send it.
fn frame(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mask = (random() as u32).to_le_bytes();
    let mut frame = vec![0x80 | kind];
    match bytes.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        middle @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    let masked = bytes.iter().zip(mask.iter().cycle());
    frame.extend(masked.map(|(byte, mask)| byte ^ mask));
    frame
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// What is said of an answer that does not begin a WebSocket.
fn no_beginning(status: &str, code: &str, has_key: bool) -> Error {
    let kind = match code {
        // Who stands before a server that is not there yet says this.
        "502" | "503" | "504" => ErrorKind::ConnectionAborted,
        _ => ErrorKind::InvalidData,
    };
    let remedy = match code {
        "401" | "403" if has_key => ": it refuses the key in OPENPI_API_KEY",
        "401" | "403" => ": it asks for a key, which is taken from OPENPI_API_KEY",
        _ => "",
    };
    let status = shown(status);
    let why = format!("it answers `{status}`, which is not how a WebSocket begins{remedy}");
    Error::new(kind, why)
}

fn closed(bytes: &[u8]) -> Error {
    let code = bytes
        .first_chunk()
        .map_or(1005, |&code| u16::from_be_bytes(code));
    let reason = String::from_utf8_lossy(bytes.get(2..).unwrap_or_default());
    let why = format!("it closed the connection (code {code}) {}", shown(&reason));
    Error::new(ErrorKind::ConnectionAborted, why.trim_end())
}

/// A number that nobody can guess: each new hasher of the standard library has keys of its own.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// What a server must answer to a key.
pub fn accept(key: &str) -> String {
    base64(
        &sha1_smol::Sha1::from(format!("{key}{MAGIC}"))
            .digest()
            .bytes(),
    )
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| {
        let bits = three
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        let letter = move |i: usize| char::from(LETTERS[(bits >> (18 - 6 * i)) as usize & 63]);
        let filled = three.len();
        (0..4).map(move |i| if i <= filled { letter(i) } else { '=' })
    };
    bytes.chunks(3).flat_map(four).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The handshake is the standard's own example (RFC 6455, 1.3).
    #[test]
    fn the_handshake_is_the_standards() {
        assert_eq!(base64(b"the sample nonce"), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(
            accept("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
        assert_ne!(random(), random());
    }
}
