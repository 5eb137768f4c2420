//! A client for served policies: the protocol of openpi's policy server
//! (Physical-Intelligence/openpi, `openpi_client`).
//!
//! Over a WebSocket the server first says what it is (a map); then each observation (a map) is
//! answered by a map with `actions`, an array of count x act. Everything is MessagePack; text
//! instead of bytes is the server's error message, after which it closes the connection.

mod address;
mod base;
mod limits;
mod values;
mod wait;
mod websocket;

pub use address::api_key;
pub use base::connect;
pub use values::{Actions, Value};

use protege_core::{Error, Result};
use std::fmt::Write;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use wait::Wait;
use websocket::{Message, WebSocket};

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// Characters of a server's words that are shown.
const SHOWN: usize = 300;
/// Bytes of the longest greeting that is taken.
const LONGEST_GREETING: usize = 1 << 20;
/// Characters of a greeting that are kept.
const GREETING: usize = 2000;

/// Whom nobody asks to stop.
static NEVER: AtomicBool = AtomicBool::new(false);

/// How patient a client is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// For a connection, the handshake and the greeting. Default: 10 s.
    pub connect: Duration,
    /// For an answer; the first one may include compiling the policy. Default: 120 s.
    pub answer: Duration,
    /// For a server that is away, from when it is missed until it greets. Default: 2 s.
    pub absence: Duration,
    /// Before another try; each further pause is twice as long, up to 10 s. Default: 1 s.
    pub pause: Duration,
    /// How often an observation is sent whose connection is lost each time. Default: 3.
    pub tries: u32,
    /// Bytes of the longest message that is taken; of a greeting, 1 MiB. Default: 64 MiB.
    pub longest: usize,
    /// Sent as `Authorization: Api-Key ...`. Default: none.
    pub api_key: Option<String>,
    /// Once it is set, whatever is waited for is given up. Default: never.
    pub stop: &'static AtomicBool,
    /// Is told that a server is waited for, and that it is back. Default: nobody.
    pub tell: fn(&str),
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(120),
            absence: Duration::from_secs(2),
            pause: Duration::from_secs(1),
            tries: 3,
            longest: 64 << 20,
            api_key: None,
            stop: &NEVER,
            tell: |_| {},
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
    greeting: String,
}

/// Why something came to nothing.
struct Failure {
    error: std::io::Error,
    /// Whether another try may help.
    passes: bool,
    /// Whether the server had greeted.
    greeted: bool,
}

/// A server that is missed.
struct Absence {
    since: Instant,
    /// Before the next try.
    pause: Duration,
    /// Tries that came to nothing.
    failures: u32,
    /// Those of them after the server had greeted.
    losses: u32,
}

impl Client {
    /// Connects to `openpi://host:port`; without a port, 8000.
    ///
    /// # Errors
    /// When the address or the key is none, nobody answers there, or whoever does is no policy
    /// server.
    pub fn connect(address: &str, settings: Settings) -> Result<Self> {
        if let Some(key) = &settings.api_key {
            address::check_key(key)?;
        }
        let mut client = Self {
            host: address::host(address)?,
            settings,
            socket: None,
            greeting: String::new(),
        };
        client.insist(|_| Ok(()))?;
        Ok(client)
    }

    /// What the server said of itself, as text of a reasonable length.
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// The actions for an observation. A lost connection is made again, and the observation is sent
    /// again.
    ///
    /// # Errors
    /// When there is no answer in time, the connection stays lost, somebody wishes to stop, the
    /// server reports an error, or the answer is malformed.
    pub fn act(&mut self, observation: &Value) -> Result<Actions> {
        let request = values::pack(observation)?;
        let patience = self.settings.answer;
        let stop = self.settings.stop;
        let reply = self.insist(|socket| {
            let wait = Wait::new(patience, stop);
            socket.send(&request, wait)?;
            socket.receive(wait)
        })?;
        let actions = match reply {
            Message::Binary(bytes) => {
                let reply = values::unpack(&bytes);
                drop(bytes);
                reply.and_then(|reply| values::actions(&reply))
            }
            Message::Text(trouble) => Err(reported(&trouble)),
        };
        actions.map_err(|why| {
            self.socket = None;
            self.trouble("cannot be used", &why)
        })
    }

    /// Does something over a connection; where it is lost, over a new one, as soon as there is one.
    fn insist<T>(
        &mut self,
        mut work: impl FnMut(&mut WebSocket) -> std::io::Result<T>,
    ) -> Result<T> {
        let mut absence = Absence {
            since: Instant::now(),
            pause: self.settings.pause,
            failures: 0,
            losses: 0,
        };
        loop {
            match self.once(&mut work) {
                Ok(result) => {
                    if absence.failures > 1 {
                        self.tell("answers again");
                    }
                    return Ok(result);
                }
                Err(failure) => self.pass(&mut absence, &failure)?,
            }
        }
    }

    /// Tries once. A connection that is not put back is not used again.
    fn once<T>(
        &mut self,
        work: &mut impl FnMut(&mut WebSocket) -> std::io::Result<T>,
    ) -> std::result::Result<T, Failure> {
        let mut socket = match self.socket.take() {
            Some(socket) => socket,
            None => self.greeted()?,
        };
        let result = work(&mut socket).map_err(|error| Failure {
            passes: is_lost(&error),
            error,
            greeted: true,
        })?;
        self.socket = Some(socket);
        Ok(result)
    }

    /// Waits before another try.
    ///
    /// # Errors
    /// When another try will not help, or there were enough.
    fn pass(&self, absence: &mut Absence, failure: &Failure) -> Result<()> {
        // Until it was lost, it was there.
        if absence.failures == 0 && failure.greeted {
            absence.since = Instant::now();
        }
        absence.failures += 1;
        absence.losses += u32::from(failure.greeted);
        let why = said(&failure.error);
        let patience = self.settings.absence;
        let rest = patience.saturating_sub(absence.since.elapsed());
        let hopeless = !failure.passes || absence.losses >= self.settings.tries.max(1);
        if hopeless || rest.is_zero() {
            return Err(self.trouble("fails", &why));
        }
        if absence.failures == 2 {
            let most = rest.as_secs();
            self.tell(&format!(
                "is away ({why}): it is waited for, {most} s at most"
            ));
        }
        let pause = Wait::new(absence.pause.min(rest), self.settings.stop);
        absence.pause = LONGEST_PAUSE.min(absence.pause.saturating_mul(2));
        let stopped = |error| self.trouble("fails", &said(&error));
        pause.sleep().map_err(stopped)
    }

    fn tell(&self, what: &str) {
        let host = &self.host;
        (self.settings.tell)(&format!("the policy served at openpi://{host} {what}"));
    }

    /// A new connection, whose server has said what it is.
    fn greeted(&mut self) -> std::result::Result<WebSocket, Failure> {
        let patience = self.settings.connect;
        let wait = Wait::new(patience, self.settings.stop);
        let failed = |error: std::io::Error, passes: bool| Failure {
            passes: passes && error.kind() != ErrorKind::Interrupted,
            error,
            greeted: false,
        };
        // While a machine starts, its name may be unknown, too.
        let stream = websocket::dial(&self.host, patience, wait);
        let stream = stream.map_err(|error| failed(error, true))?;
        let connected = self.welcome(stream, wait);
        connected.map_err(|error| {
            let late = error.kind() == ErrorKind::TimedOut;
            let passes = late || is_lost(&error);
            failed(error, passes)
        })
    }

    /// The handshake and the greeting.
    fn welcome(&mut self, stream: TcpStream, wait: Wait) -> std::io::Result<WebSocket> {
        let Settings {
            longest, api_key, ..
        } = &self.settings;
        let key = api_key.as_deref();
        let first = LONGEST_GREETING.min(*longest);
        let mut socket = WebSocket::over(stream, &self.host, key, first, wait)?;
        let greeting = socket.receive(wait)?;
        socket.longest = *longest;
        let greeting = match greeting {
            Message::Binary(bytes) => values::unpack(&bytes)
                .map_err(|why| format!("its greeting cannot be read: {why}"))
                .and_then(|greeting| described(&greeting)),
            Message::Text(trouble) => Err(reported(&trouble)),
        };
        let invalid = |why| std::io::Error::new(ErrorKind::InvalidData, why);
        self.greeting = greeting.map_err(invalid)?;
        Ok(socket)
    }

    fn trouble(&self, what: &str, why: &str) -> Error {
        Error::Unserved(format!(
            "the policy served at openpi://{} {what}: {why}",
            self.host
        ))
    }
}

/// A greeting as text.
fn described(greeting: &rmpv::Value) -> std::result::Result<String, String> {
    if greeting.is_map() {
        Ok(bounded(greeting, GREETING))
    } else {
        Err("its greeting is no map".to_owned())
    }
}

/// Whether a new connection may help: the old one is gone, or there is nobody yet.
fn is_lost(error: &std::io::Error) -> bool {
    use ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, NotConnected, UnexpectedEof,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | UnexpectedEof
    )
}

/// An error in words that help.
fn said(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => {
            "it does not answer in time; wait until its policy is loaded, then try again".to_owned()
        }
        ErrorKind::Interrupted => "nobody waits for it any longer".to_owned(),
        ErrorKind::ConnectionRefused => {
            "nobody listens there; start the server, or check host and port".to_owned()
        }
        ErrorKind::UnexpectedEof | ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => {
            format!("the connection was lost ({error})")
        }
        _ => error.to_string(),
    }
}

/// An error that the server reports: the last line of its traceback says what went wrong.
fn reported(text: &str) -> String {
    let mut lines = text.lines().map(str::trim);
    let last = lines.rfind(|line| !line.is_empty());
    format!(
        "it reports an error: {}",
        shown(last.unwrap_or("no message"))
    )
}

/// What others wrote, fit for a terminal: a reasonable length, and nothing that it would obey.
fn shown(text: impl std::fmt::Display) -> String {
    bounded(text, SHOWN)
}

/// The first characters of something, those that are not for reading as `\u{..}`.
fn bounded(thing: impl std::fmt::Display, most: usize) -> String {
    let mut start = Start {
        text: String::new(),
        left: most,
    };
    match write!(start, "{thing}") {
        Ok(()) => start.text,
        Err(_) => format!("{} ...", start.text),
    }
}

/// Takes so many characters, and then no more.
struct Start {
    text: String,
    left: usize,
}

impl std::fmt::Write for Start {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for letter in text.chars() {
            self.left = self.left.checked_sub(1).ok_or(std::fmt::Error)?;
            match letter {
                '\'' | '"' | '\\' => self.text.push(letter),
                _ => self.text.extend(letter.escape_debug()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
