//! What a home and its worker say to each other: messages, one after the other over TCP.
//!
//! Both greet, and prove that they know the token without saying it. From then on every message
//! carries a code that only they can make, which also counts the messages; what is said is not
//! encrypted.

use super::secret::{Secret, Tag, agree, hmac, nonce};
use protege_core::error::excerpt;
use serde::{Deserialize, Serialize};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The version of what is said. It counts up with every change.
pub const PROTOCOL: u16 = 1;
/// The version of the program: what is computed may differ between versions.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// With this a greeting begins.
const MAGIC: &str = "protege";
/// How long a greeting may take.
pub const GREETING: Duration = Duration::from_secs(10);
/// The longest time without a look at the wish to stop.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a message may take to be taken.
const SENDING: Duration = Duration::from_secs(60);
/// Bytes of the longest greeting.
const LONGEST_GREETING: usize = 1024;
/// Bytes of the longest message: a policy, or an episode with its pictures.
const LONGEST: usize = 1 << 30;
/// Bytes of the longest message without either.
const LONGEST_WORDS: usize = 1 << 16;
/// Bytes that are taken at a time: memory grows as they arrive.
const PIECE: usize = 1 << 16;

/// Who greets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Whose run it is.
    Home,
    /// Who plays for it.
    Worker,
}

/// The first words of either side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    magic: String,
    protocol: u16,
    /// The program's version.
    pub version: String,
    nonce: [u8; 32],
}

/// How a worker answers a greeting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Answer {
    Welcome(Tag, Machine),
    Refused(String),
}

/// What a worker says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Processor and instructions.
    pub cpu: String,
    /// See [`protege_core::play::fingerprint`].
    pub fingerprint: String,
    /// Shares that it plays at a time.
    pub lanes: u32,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// To a worker: play the episodes of these seeds, as the job of this SHA-256 says.
    Play(Tag, Vec<u64>),
    /// To a worker: a job that it lacked.
    Job(Vec<u8>),
    /// To home: the job is not known.
    Lacking,
    /// To home: it takes its time.
    Working,
    /// To home: an episode.
    Episode(Vec<u8>),
    /// To home: all were played.
    Done,
    /// To home: it cannot be done, and why.
    Unable(String),
}

impl Message {
    /// Its number, and what follows.
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Play(job, seeds) => {
                let seeds = seeds.iter().flat_map(|seed| seed.to_le_bytes());
                (1, job.iter().copied().chain(seeds).collect())
            }
            Self::Job(bytes) => (2, bytes.clone()),
            Self::Lacking => (3, Vec::new()),
            Self::Working => (4, Vec::new()),
            Self::Episode(bytes) => (5, bytes.clone()),
            Self::Done => (6, Vec::new()),
            Self::Unable(why) => (7, why.as_bytes().to_vec()),
        }
    }

    /// Bytes that may follow this number; none where there is no such message.
    fn longest(kind: u8) -> Option<usize> {
        match kind {
            1 | 7 => Some(LONGEST_WORDS),
            2 | 5 => Some(LONGEST),
            3 | 4 | 6 => Some(0),
            _ => None,
        }
    }

    /// Reads what [`Message::encode`] wrote; none where it is no message.
    fn decode(kind: u8, body: Vec<u8>) -> Option<Self> {
        Some(match kind {
            1 => {
                let (job, seeds) = body.split_first_chunk::<32>()?;
                let (seeds, []) = seeds.as_chunks::<8>() else {
                    return None;
                };
                let seeds = seeds.iter().map(|seed| u64::from_le_bytes(*seed));
                Self::Play(*job, seeds.collect())
            }
            2 => Self::Job(body),
            3 if body.is_empty() => Self::Lacking,
            4 if body.is_empty() => Self::Working,
            5 => Self::Episode(body),
            6 if body.is_empty() => Self::Done,
            7 => Self::Unable(String::from_utf8(body).ok()?),
            _ => return None,
        })
    }
}

/// How long something is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience<'a> {
    time: Duration,
    until: Instant,
    stop: &'a AtomicBool,
}

impl<'a> Patience<'a> {
    /// From now on for `time`, unless `stop` is set.
    pub fn of(time: Duration, stop: &'a AtomicBool) -> Self {
        Self {
            time,
            until: Instant::now() + time,
            stop,
        }
    }

    /// As patient as before, after a piece of something long.
    fn renew(&mut self) {
        self.until = Instant::now() + self.time;
    }

    fn check(&self) -> Result<()> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(ErrorKind::Interrupted.into());
        }
        if Instant::now() >= self.until {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(())
    }
}

/// A connection whose sides have greeted.
#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    sending: Channel,
    receiving: Channel,
}

/// One direction of a link.
#[derive(Debug)]
struct Channel {
    key: Tag,
    /// Messages so far.
    count: u64,
}

impl Channel {
    /// The code of the next message.
    fn tag(&mut self, kind: u8, body: &[u8]) -> Tag {
        let count = self.count.to_le_bytes();
        self.count += 1;
        hmac(&self.key, &[&count, &[kind], body])
    }
}

impl Link {
    /// Greets over a connection as home, which is told what the worker is.
    ///
    /// # Errors
    /// When nobody greets in time, or not as a worker of this version that knows the token;
    /// `PermissionDenied` and `InvalidData` will not pass by themselves.
    pub fn home(
        mut stream: TcpStream,
        secret: &Secret,
        stop: &AtomicBool,
    ) -> Result<(Self, Machine)> {
        let patience = Patience::of(GREETING, stop);
        prepare(&stream)?;
        let theirs = receive_hello(&mut stream, patience)?;
        let ours = hello(&mut stream)?;
        theirs.check()?;
        let keys = Keys::of(secret, &ours, &theirs)?;
        send_plain(&mut stream, &keys.proof(Side::Home))?;
        let answer: Answer = decoded(&receive_plain(&mut stream, patience)?)?;
        let (proof, machine) = match answer {
            Answer::Welcome(proof, machine) => (proof, machine),
            Answer::Refused(why) => return Err(denied(why)),
        };
        let expected = hmac(&keys.proof(Side::Worker), &[&encoded(&machine)?]);
        if !agree(&proof, &expected) {
            return Err(denied(
                "it does not know the token: give it the same one".to_owned(),
            ));
        }
        Ok((keys.link(stream, Side::Home), machine))
    }

    /// Greets over a connection as a worker.
    ///
    /// # Errors
    /// When nobody greets in time, or not as a home of this version that knows the token.
    pub fn worker(
        mut stream: TcpStream,
        secret: &Secret,
        machine: &Machine,
        stop: &AtomicBool,
    ) -> Result<Self> {
        let patience = Patience::of(GREETING, stop);
        prepare(&stream)?;
        let ours = hello(&mut stream)?;
        let theirs = receive_hello(&mut stream, patience)?;
        let refuse = |stream: &mut TcpStream, error: Error| -> Result<Self> {
            let answer = Answer::Refused(error.to_string());
            send_plain(stream, &encoded(&answer)?).ok();
            Err(error)
        };
        if let Err(error) = theirs.check() {
            return refuse(&mut stream, error);
        }
        let keys = Keys::of(secret, &theirs, &ours)?;
        let proof = receive_plain(&mut stream, patience)?;
        let expected = keys.proof(Side::Home);
        let known = <&Tag>::try_from(&proof[..]).is_ok_and(|proof| agree(proof, &expected));
        if !known {
            let why = "it has another token: give both the same one";
            return refuse(&mut stream, denied(why.to_owned()));
        }
        let proof = hmac(&keys.proof(Side::Worker), &[&encoded(machine)?]);
        let answer = Answer::Welcome(proof, machine.clone());
        send_plain(&mut stream, &encoded(&answer)?)?;
        Ok(keys.link(stream, Side::Worker))
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the connection is lost, or the message is longer than one may be.
    pub fn send(&mut self, message: &Message) -> Result<()> {
        let (kind, body) = message.encode();
        if Message::longest(kind).is_none_or(|longest| body.len() > longest) {
            return Err(invalid("a message is longer than a message may be"));
        }
        let tag = self.sending.tag(kind, &body);
        let length = body.len() as u32;
        self.stream
            .write_all(&[&length.to_le_bytes()[..], &[kind]].concat())?;
        self.stream.write_all(&body)?;
        self.stream.write_all(&tag)
    }

    /// Waits for a message.
    ///
    /// # Errors
    /// When none comes in time, the connection is lost, or what comes is no message of the other
    /// side.
    pub fn receive(&mut self, patience: Patience<'_>) -> Result<Message> {
        let head = take(&mut self.stream, 5, patience)?;
        let (length, kind) = (&head[..4], head[4]);
        let length = number(length);
        if Message::longest(kind).is_none_or(|longest| length > longest) {
            return Err(invalid("what it says is no message"));
        }
        let body = take(&mut self.stream, length, patience)?;
        let tag = take(&mut self.stream, 32, patience)?;
        let expected = self.receiving.tag(kind, &body);
        let genuine = <&Tag>::try_from(&tag[..]).is_ok_and(|tag| agree(tag, &expected));
        genuine
            .then(|| Message::decode(kind, body))
            .flatten()
            .ok_or_else(|| invalid("a message was changed on its way, or is none"))
    }
}

/// What both sides know once they have greeted.
struct Keys<'a> {
    secret: &'a Secret,
    greetings: Vec<u8>,
}

impl<'a> Keys<'a> {
    fn of(secret: &'a Secret, home: &Hello, worker: &Hello) -> Result<Self> {
        let greetings = encoded(&(home, worker))?;
        Ok(Self { secret, greetings })
    }

    fn tag(&self, purpose: &str) -> Tag {
        self.secret.tag(&[purpose.as_bytes(), &self.greetings])
    }

    fn proof(&self, side: Side) -> Tag {
        self.tag(match side {
            Side::Home => "home knows",
            Side::Worker => "worker knows",
        })
    }

    fn link(&self, stream: TcpStream, side: Side) -> Link {
        let channel = |purpose| Channel {
            key: self.tag(purpose),
            count: 0,
        };
        let (home, worker) = (channel("home says"), channel("worker says"));
        let (sending, receiving) = match side {
            Side::Home => (home, worker),
            Side::Worker => (worker, home),
        };
        Link {
            stream,
            sending,
            receiving,
        }
    }
}

impl Hello {
    fn check(&self) -> Result<()> {
        if self.magic != MAGIC {
            return Err(invalid("who answers there is no worker of protege"));
        }
        let own = (PROTOCOL, VERSION);
        if (self.protocol, &self.version[..]) != own {
            let version = excerpt(&self.version);
            return Err(denied(format!(
                "one side is protege {version} and the other {VERSION} (protocols {} and \
                 {PROTOCOL}): use the same version",
                self.protocol
            )));
        }
        Ok(())
    }
}

fn prepare(stream: &TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(GLANCE))?;
    stream.set_write_timeout(Some(SENDING))
}

fn hello(stream: &mut TcpStream) -> Result<Hello> {
    let hello = Hello {
        magic: MAGIC.to_owned(),
        protocol: PROTOCOL,
        version: VERSION.to_owned(),
        nonce: nonce()?,
    };
    send_plain(stream, &encoded(&hello)?)?;
    Ok(hello)
}

fn receive_hello(stream: &mut TcpStream, patience: Patience<'_>) -> Result<Hello> {
    decoded(&receive_plain(stream, patience)?)
}

fn send_plain(stream: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    let length = bytes.len() as u32;
    stream.write_all(&[&length.to_le_bytes()[..], bytes].concat())
}

fn receive_plain(stream: &mut TcpStream, patience: Patience<'_>) -> Result<Vec<u8>> {
    let length = take(stream, 4, patience)?;
    let length = number(&length);
    if length > LONGEST_GREETING {
        return Err(invalid("who answers there is no worker of protege"));
    }
    take(stream, length, patience)
}

/// Four bytes as a number.
fn number(bytes: &[u8]) -> usize {
    let digit = |sum: usize, &digit: &u8| sum << 8 | usize::from(digit);
    bytes.iter().rev().fold(0, digit)
}

/// Takes so many bytes. Memory is asked for as they come, not as they are announced.
fn take(stream: &mut impl Read, length: usize, mut patience: Patience<'_>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut piece = vec![0; PIECE.min(length)];
    while bytes.len() < length {
        let wanted = PIECE.min(length - bytes.len());
        let before = bytes.len() / PIECE;
        match stream.read(&mut piece[..wanted]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
        if bytes.len() / PIECE > before {
            patience.renew();
        }
        patience.check()?;
    }
    Ok(bytes)
}

fn is_pause(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn encoded(value: &impl Serialize) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|error| invalid(&error.to_string()))
}

fn decoded<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        _ => Err(invalid("who answers there is no worker of protege")),
    }
}

/// What will not pass: somebody else is there.
fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}

/// What will not pass: they do not go together.
fn denied(why: String) -> Error {
    Error::new(ErrorKind::PermissionDenied, why)
}

#[cfg(test)]
mod tests;
