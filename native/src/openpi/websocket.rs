//! The client's side of a WebSocket (RFC 6455), as far as a policy server needs it: one request,
//! one reply, no extensions, no TLS. A crate for it would turn on features of crates beneath burn,
//! which would be built twice.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// What a server proves its understanding with (RFC 6455, 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes of the longest answer to the handshake.
const LONGEST_ANSWER: usize = 16 * 1024;

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
    longest: usize,
}

impl WebSocket {
    /// Connects to `host:port` and shakes hands, all before `until`.
    ///
    /// # Errors
    /// When there is nobody, it takes too long, or whoever is there does not speak WebSocket.
    pub fn connect(
        host: &str,
        api_key: Option<&str>,
        longest: usize,
        until: Instant,
    ) -> Result<Self> {
        let mut last = Error::new(ErrorKind::NotFound, "the host has no address");
        for address in host.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, left(until)?) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let mut socket = Self { stream, longest };
                    socket.shake_hands(host, api_key, until)?;
                    return Ok(socket);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn shake_hands(&mut self, host: &str, api_key: Option<&str>, until: Instant) -> Result<()> {
        let key = base64(&[random(), random()].map(u64::to_le_bytes).concat());
        let authorization = api_key.map_or(String::new(), |key| {
            format!("Authorization: Api-Key {key}\r\n")
        });
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{authorization}\r\n"
        );
        self.write(request.as_bytes(), until)?;
        let answer = self.answer(until)?;
        let mut lines = answer.lines();
        let status = lines.next().unwrap_or_default();
        if status.split_whitespace().nth(1) != Some("101") {
            return Err(invalid(format!(
                "it answers `{status}`, which is not how a WebSocket begins"
            )));
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
    fn answer(&mut self, until: Instant) -> Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= LONGEST_ANSWER {
                return Err(invalid("it answers without end".into()));
            }
            head.extend(self.read(1, until)?);
        }
        String::from_utf8(head).map_err(|_| invalid("it does not answer in words".into()))
    }

    /// Sends bytes as one message.
    ///
    /// # Errors
    /// When the connection is lost, or the other side does not take them before `until`.
    pub fn send(&mut self, bytes: &[u8], until: Instant) -> Result<()> {
        self.frame(BINARY, bytes, until)
    }

    fn frame(&mut self, kind: u8, bytes: &[u8], until: Instant) -> Result<()> {
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
        frame.extend(
            bytes
                .iter()
                .zip(mask.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.write(&frame, until)
    }

    /// The next message. What comes between is answered or passed over.
    ///
    /// # Errors
    /// When the connection is lost or closed, nothing comes before `until`, it is too long, or it
    /// breaks the protocol.
    pub fn receive(&mut self, until: Instant) -> Result<Message> {
        let mut whole = Vec::new();
        let mut kind = None;
        loop {
            let (last, opcode, bytes) = self.next_frame(whole.len(), until)?;
            match (opcode, kind) {
                (PING, _) => {
                    self.frame(PONG, &bytes, until)?;
                    continue;
                }
                (PONG, _) => continue,
                (CLOSE, _) => return Err(closed(&bytes)),
                (TEXT | BINARY, None) => kind = Some(opcode),
                (CONTINUED, Some(_)) => {}
                _ => {
                    return Err(invalid(format!(
                        "a frame of kind {opcode} came out of turn"
                    )));
                }
            }
            whole.extend(bytes);
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

    /// One frame: whether it is its message's last, its kind, its bytes.
    fn next_frame(&mut self, before: usize, until: Instant) -> Result<(bool, u8, Vec<u8>)> {
        let head = self.read(2, until)?;
        let last = head[0] & 0x80 != 0;
        let opcode = head[0] & 0x0f;
        if head[0] & 0x70 != 0 || head[1] & 0x80 != 0 {
            return Err(invalid("a frame came as servers may not send it".into()));
        }
        let length = match head[1] {
            126 => self
                .read(2, until)?
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
            127 => self
                .read(8, until)?
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u64::from(byte)),
            short => u64::from(short),
        };
        if opcode >= CLOSE && (length > 125 || !last) {
            return Err(invalid("a control frame is too long or cut".into()));
        }
        let fits = usize::try_from(length)
            .ok()
            .filter(|&length| length <= self.longest.saturating_sub(before));
        let length = fits.ok_or_else(|| {
            invalid(format!(
                "a message of more than {} bytes came",
                self.longest
            ))
        })?;
        Ok((last, opcode, self.read(length, until)?))
    }

    fn read(&mut self, length: usize, until: Instant) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut piece = [0; 64 * 1024];
        while bytes.len() < length {
            self.stream.set_read_timeout(Some(left(until)?))?;
            let room = piece.len().min(length - bytes.len());
            match self.stream.read(&mut piece[..room]) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes.extend_from_slice(&piece[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(late(error)),
            }
        }
        Ok(bytes)
    }

    fn write(&mut self, mut bytes: &[u8], until: Instant) -> Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(late(error)),
            }
        }
        Ok(())
    }
}

impl Drop for WebSocket {
    /// Says goodbye, so that the server does not take it for an accident. Where it cannot be said,
    /// nothing is lost.
    fn drop(&mut self) {
        self.frame(
            CLOSE,
            &1000_u16.to_be_bytes(),
            Instant::now() + Duration::from_secs(1),
        )
        .ok();
    }
}

/// The time that is left.
fn left(until: Instant) -> Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        Err(ErrorKind::TimedOut.into())
    } else {
        Ok(left)
    }
}

/// Systems differ in what they call a time-out.
fn late(error: Error) -> Error {
    if error.kind() == ErrorKind::WouldBlock {
        ErrorKind::TimedOut.into()
    } else {
        error
    }
}

fn invalid(why: String) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

fn closed(bytes: &[u8]) -> Error {
    let code = bytes
        .first_chunk()
        .map_or(1005, |&code| u16::from_be_bytes(code));
    let reason = String::from_utf8_lossy(bytes.get(2..).unwrap_or_default());
    Error::new(
        ErrorKind::ConnectionAborted,
        format!("it closed the connection (code {code}) {reason}")
            .trim_end()
            .to_owned(),
    )
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
