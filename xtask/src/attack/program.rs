//! The program under attack: started with limits, signals and broken streams, and watched.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(4);
/// Seconds after which a program hangs, if nothing else is said.
const PATIENCE: f64 = 40.0;
/// Address space that a call may have, in bytes, if nothing else is said: what asks for more is
/// told so by the system, and must answer in a sentence.
const SPACE: u64 = 8 << 30;
/// Megabytes that a call may really use, if nothing else is said.
const MEMORY: u64 = 2000;

/// Where a stream leads.
#[derive(Clone, Copy, PartialEq)]
pub enum Stream {
    /// Into a file, to be looked at.
    Read,
    /// Nowhere: it is not open.
    Closed,
    /// To a device that is full.
    Full,
    /// To somebody who went away.
    Gone,
}

/// One call of the program, not started yet.
pub struct Call {
    command: Command,
    words: Vec<OsString>,
    folder: PathBuf,
    streams: [Stream; 2],
    patience: f64,
    memory: u64,
    signals: Vec<(f64, i32)>,
}

/// A call that runs.
pub struct Running {
    call: Call,
    started: Instant,
    pid: i32,
    kept: PathBuf,
}

/// How a call ended.
pub struct Outcome {
    /// What to type to repeat it.
    pub line: String,
    /// Its first argument.
    pub command: String,
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    /// None when nobody could read it.
    pub stderr: Option<String>,
    pub seconds: f64,
    /// The most memory it used, in megabytes, and what it was allowed.
    pub memory: [u64; 2],
    pub hung: bool,
    /// The signals that were sent.
    pub sent: Vec<i32>,
}

impl Call {
    /// A call in a folder, on one core.
    pub fn new(program: &Path, folder: &Path) -> Self {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        command.env("RAYON_NUM_THREADS", "1").process_group(0);
        let call = Self {
            command,
            words: vec![program.into()],
            folder: folder.to_owned(),
            streams: [Stream::Read; 2],
            patience: PATIENCE,
            memory: MEMORY,
            signals: Vec::new(),
        };
        call.limit(libc::RLIMIT_CORE, 0)
            .limit(libc::RLIMIT_AS, SPACE)
    }

    /// With these arguments.
    pub fn args<T: AsRef<OsStr>>(mut self, args: &[T]) -> Self {
        for arg in args {
            self.command.arg(arg);
            self.words.push(arg.as_ref().to_owned());
        }
        self
    }

    /// With a limit of the system's (`ulimit`).
    pub fn limit(mut self, resource: libc::__rlimit_resource_t, most: u64) -> Self {
        let set = move || set_limit(resource, most);
        #[expect(unsafe_code, reason = "limits hold for the child alone")]
        // SAFETY: between fork and exec only `setrlimit` is called, which is safe there.
        unsafe {
            self.command.pre_exec(set);
        }
        self
    }

    /// With a stream (1: stdout, 2: stderr) that leads elsewhere.
    pub fn stream(mut self, number: usize, stream: Stream) -> Self {
        self.streams[number - 1] = stream;
        self
    }

    /// Without stdin.
    pub fn without_stdin(mut self) -> Self {
        close_at_start(&mut self.command, 0);
        self
    }

    /// With a signal that it is to ignore, as `nohup` starts programs.
    pub fn ignoring(mut self, signal: i32) -> Self {
        let ignore = move || {
            #[expect(unsafe_code, reason = "the standard library has no signals")]
            // SAFETY: to ignore a signal, no code of ours runs.
            unsafe {
                libc::signal(signal, libc::SIG_IGN);
            }
            Ok(())
        };
        #[expect(unsafe_code, reason = "only the child is to ignore it")]
        // SAFETY: between fork and exec only `signal` is called, which is safe there.
        unsafe {
            self.command.pre_exec(ignore);
        }
        self
    }

    /// With a variable of the environment, or without it.
    pub fn variable(mut self, name: &str, value: Option<&OsStr>) -> Self {
        match value {
            Some(value) => self.command.env(name, value),
            None => self.command.env_remove(name),
        };
        self
    }

    /// With a signal after some seconds.
    pub fn signal(mut self, after: f64, signal: i32) -> Self {
        self.signals.push((after, signal));
        self
    }

    /// With Ctrl-C after some seconds, since a call may be a run of hours.
    pub fn stopped_after(self, seconds: f64) -> Self {
        self.signal(seconds, libc::SIGINT)
    }

    /// With another time after which it hangs.
    pub fn patience(mut self, seconds: f64) -> Self {
        self.patience = seconds;
        self
    }

    /// With other megabytes that it may use.
    pub fn memory(mut self, megabytes: u64) -> Self {
        self.memory = megabytes;
        self
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(mut self) -> Result<Running, String> {
        let kept = self.folder.with_extension("streams");
        let failed = |e: std::io::Error| format!("a call could not be started: {e}");
        fs::create_dir_all(&kept).map_err(failed)?;
        for number in [1, 2] {
            self.lead(number, &kept).map_err(failed)?;
        }
        let child = self.command.spawn().map_err(failed)?;
        let pid = child.id() as i32;
        // Sorted, so that the next one to send is the last.
        self.signals.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(Running {
            call: self,
            started: Instant::now(),
            pid,
            kept,
        })
    }

    /// Leads a stream where it is to go.
    fn lead(&mut self, number: usize, kept: &Path) -> std::io::Result<()> {
        let to = match self.streams[number - 1] {
            Stream::Read => Stdio::from(File::create(kept.join(number.to_string()))?),
            Stream::Full => Stdio::from(File::options().write(true).open("/dev/full")?),
            Stream::Gone => Stdio::from(pipe_without_reader()?),
            Stream::Closed => {
                close_at_start(&mut self.command, number as i32);
                return Ok(());
            }
        };
        if number == 1 {
            self.command.stdout(to);
        } else {
            self.command.stderr(to);
        }
        Ok(())
    }

    /// Starts it and waits.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(self) -> Result<Outcome, String> {
        self.start().map(Running::wait)
    }
}

impl Running {
    /// Sends a signal.
    pub fn send(&self, signal: i32) {
        kill(self.pid, signal);
    }

    /// Sends the signals when it is time, and waits for the end.
    pub fn wait(mut self) -> Outcome {
        let mut sent = Vec::new();
        let mut hung = false;
        let (status, memory) = loop {
            let seconds = self.started.elapsed().as_secs_f64();
            if let Some(&(after, signal)) = self.call.signals.last()
                && seconds >= after
            {
                self.send(signal);
                sent.push(signal);
                self.call.signals.pop();
            }
            if seconds > self.call.patience && !hung {
                hung = true;
                self.send(libc::SIGKILL);
            }
            match reap(self.pid) {
                Some(ended) => break ended,
                None => std::thread::sleep(LOOK),
            }
        };
        // Whoever it started ends with it.
        kill(-self.pid, libc::SIGKILL);
        let text = |number: usize| read_lossy(&self.kept.join(number.to_string()));
        let is_read = self.call.streams[1] == Stream::Read;
        Outcome {
            line: line(&self.call),
            command: first_argument(&self.call.words),
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
            stdout: text(1),
            stderr: is_read.then(|| text(2)),
            seconds: self.started.elapsed().as_secs_f64(),
            memory: [memory, self.call.memory],
            hung,
            sent,
        }
    }
}

fn first_argument(words: &[OsString]) -> String {
    let first = words.get(1).map(|word| word.to_string_lossy());
    first.unwrap_or_default().into_owned()
}

fn read_lossy(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What to type to repeat a call.
fn line(call: &Call) -> String {
    let words: Vec<String> = call.words.iter().map(|word| quoted(word)).collect();
    let mut line = format!(
        "cd {} && {}",
        quoted(call.folder.as_os_str()),
        words.join(" ")
    );
    let names = [">&- ", "> /dev/full", "> >(exit)"];
    for (stream, number) in call.streams.iter().zip(["", "2"]) {
        let name = match stream {
            Stream::Read => continue,
            Stream::Closed => names[0],
            Stream::Full => names[1],
            Stream::Gone => names[2],
        };
        line += &format!(" {number}{name}");
    }
    line
}

/// A word as bash reads it.
pub fn quoted(word: &OsStr) -> String {
    let bytes = word.as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=./:,+".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let (shown, more) = match bytes.len() {
        ..=300 => (bytes, String::new()),
        length => (&bytes[..40], format!("({length} bytes in all)")),
    };
    let as_read = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        0x20..0x7f => char::from(*byte).to_string(),
        _ => format!("\\x{byte:02x}"),
    };
    let escaped: String = shown.iter().map(as_read).collect();
    let sign = if escaped.contains('\\') { "$" } else { "" };
    format!("{sign}'{escaped}'{more}")
}

fn set_limit(resource: libc::__rlimit_resource_t, most: u64) -> std::io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    #[expect(unsafe_code, reason = "the standard library has no limits")]
    // SAFETY: the limit lives until the call returns.
    let set = unsafe { libc::setrlimit(resource, &raw const limit) };
    if set == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

fn close_at_start(command: &mut Command, number: i32) {
    let close = move || {
        #[expect(unsafe_code, reason = "the standard library always opens all three")]
        // SAFETY: nothing in the child owns the stream: the program is about to begin.
        unsafe {
            libc::close(number);
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "only the child is to lack the stream")]
    // SAFETY: between fork and exec only `close` is called, which is safe there.
    unsafe {
        command.pre_exec(close);
    }
}

fn pipe_without_reader() -> std::io::Result<OwnedFd> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    Ok(writer.into())
}

fn kill(pid: i32, signal: i32) {
    #[expect(unsafe_code, reason = "the standard library only knows SIGKILL")]
    // SAFETY: the process is a child that nobody has waited for, so that the number is its own.
    unsafe {
        libc::kill(pid, signal);
    }
}

/// The status of a child that ended, and the megabytes that it used at most.
fn reap(pid: i32) -> Option<(i32, u64)> {
    let mut status = 0;
    #[expect(unsafe_code, reason = "the standard library does not tell the memory")]
    // SAFETY: all zeros are a valid `rusage`, and both places live until the call returns.
    let (ended, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let ended = libc::wait4(pid, &raw mut status, libc::WNOHANG, &raw mut usage);
        (ended, usage)
    };
    (ended == pid).then_some((status, usage.ru_maxrss as u64 / 1000))
}

/// Makes a FIFO.
pub fn make_fifo(path: &Path) -> std::io::Result<()> {
    let name = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    #[expect(unsafe_code, reason = "the standard library makes none")]
    // SAFETY: the name ends with a zero and lives until the call returns.
    let made = unsafe { libc::mkfifo(name.as_ptr(), 0o600) };
    if made == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}
