//! What a terminal is told: notes and progress on stderr, answers on stdout.
//!
//! Nobody needs to listen: a stderr that is closed, full or not read neither ends a run nor keeps
//! it waiting. What comes from outside (arguments, names in files, texts of servers) reaches the
//! terminal only through here, where it can neither move the cursor nor fill the screen.

use protege_core::error::{excerpt, is_hidden, nearest_few};
use std::io::{ErrorKind, Result, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// Characters of the longest sentence.
const LONGEST: usize = 2000;
/// How many of them are its end, which mostly says what to do.
const END: usize = 500;
/// Characters of the longest piece without a space that is shown whole: room for a path.
const LONGEST_WORD: usize = 300;
/// Bytes that a pipe takes at once, if it takes any.
const PIECE: usize = 4096;
/// How long the last sentence of a program waits for a reader.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a command may be silent at its beginning.
const SILENCE: Duration = Duration::from_millis(1500);

/// Whether anything was told yet.
static TOLD: AtomicBool = AtomicBool::new(false);

/// Tells one line on stderr, if anybody listens.
pub fn note(text: &str) {
    tell(text, Duration::ZERO);
}

/// Tells the sentence with which the program ends. Whoever reads slowly is waited for, not long.
pub fn last_words(text: &str) {
    tell(text, PATIENCE);
}

/// Remembers that something is shown, by whatever else writes on the terminal.
pub fn shown() {
    TOLD.store(true, Ordering::Relaxed);
}

fn tell(text: &str, patience: Duration) {
    shown();
    let line = sentence(text) + "\n";
    let mut stderr = std::io::stderr().lock();
    for piece in line.as_bytes().chunks(PIECE) {
        // What cannot be told is not worth the run.
        if !is_ready(patience) || stderr.write_all(piece).is_err() {
            return;
        }
    }
}

/// Whether stderr takes a piece without waiting, or within some time.
#[cfg(unix)]
fn is_ready(patience: Duration) -> bool {
    let mut stderr = libc::pollfd {
        fd: libc::STDERR_FILENO,
        events: libc::POLLOUT,
        revents: 0,
    };
    let ms = i32::try_from(patience.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: there is one descriptor, as the call says, and it outlives the call.
    #[allow(unsafe_code, reason = "the standard library cannot ask")]
    let ready = unsafe { libc::poll(&raw mut stderr, 1, ms) };
    ready > 0
}

/// Whether stderr takes a piece without waiting, or within some time.
#[cfg(not(unix))]
fn is_ready(_: Duration) -> bool {
    true
}

/// Writes an answer to stdout, line by line as it is. A reader that went away (`protege tasks |
/// head`) is no error.
///
/// # Errors
/// When stdout cannot be written to.
pub fn answer(text: &str) -> Result<()> {
    let safe = escaped(text, &['\n', '\t']);
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(safe.as_bytes());
    unless_gone(written.and_then(|()| stdout.flush()))
}

/// The same result, where a reader that went away is no error.
///
/// # Errors
/// Any other.
pub fn unless_gone(written: Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Tells what a command does, if it has told nothing after a second. Dropped, it is silent.
pub struct SignOfLife(#[allow(dead_code, reason = "the thread waits for its end")] Sender<()>);

impl SignOfLife {
    /// Begins to wait.
    pub fn of(doing: &'static str) -> Self {
        let (sender, receiver) = channel::<()>();
        let wait = move || {
            let ended =
                receiver.recv_timeout(SILENCE) != Err(std::sync::mpsc::RecvTimeoutError::Timeout);
            if !ended && !TOLD.load(Ordering::Relaxed) {
                note(&format!("{doing} ..."));
            }
        };
        // A system without a thread to spare has a silent program.
        let _ = std::thread::Builder::new().spawn(wait);
        Self(sender)
    }
}

/// A path as a part of a sentence or of an answer: on one line.
pub fn path(path: &Path) -> String {
    escaped(&path.to_string_lossy(), &[])
}

/// A text as one sentence: on one line, and not too long. Lists of allowed names, which libraries
/// write in full, are cut to the nearest.
pub fn sentence(text: &str) -> String {
    let words: Vec<String> = with_few_names(text.trim_end())
        .split(' ')
        .map(word)
        .collect();
    let line = escaped(&words.join(" "), &[]);
    let length = line.chars().count();
    if length <= LONGEST {
        return line;
    }
    let begin: String = line.chars().take(LONGEST - END).collect();
    let end: String = line.chars().skip(length - END).collect();
    format!("{begin} [... cut ...] {end}")
}

/// What is no path but too long is cut.
fn word(text: &str) -> String {
    if text.chars().nth(LONGEST_WORD).is_some() {
        excerpt(text)
    } else {
        text.to_owned()
    }
}

/// A text whose hidden characters can be seen, but for some.
fn escaped(text: &str, kept: &[char]) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) && !kept.contains(&c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

/// "unknown field `x`, expected one of `a`, `b`, ..." with the names that are nearest to `x`.
fn with_few_names(text: &str) -> String {
    let Some((before, list)) = text.split_once("expected one of `") else {
        return text.to_owned();
    };
    let mut names: Vec<&str> = list.split("`, `").collect();
    let Some((last, after)) = names.pop().and_then(|last| last.split_once('`')) else {
        return text.to_owned();
    };
    names.push(last);
    let wanted = before.rsplit('`').nth(1).unwrap_or_default();
    format!("{before}expected {}{after}", nearest_few(wanted, &names))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever a text holds, a sentence made of it is one short line without control characters,
    /// and its end is kept.
    #[test]
    fn a_sentence_is_one_short_line() {
        let long = "x".repeat(100_000);
        let many = "word ".repeat(50_000);
        for text in ["a\nb\r\x1b[31m\u{9b}2J\u{202e}c\0", &long, &many, ""] {
            let line = sentence(&format!("there is no task `{text}`: see the list"));
            assert!(
                line.chars().count() <= LONGEST + 20,
                "{} characters",
                line.chars().count()
            );
            assert!(!line.chars().any(is_hidden), "{line:?}");
            assert!(
                line.ends_with("`: see the list") || line.contains("more characters"),
                "{line}"
            );
        }
        assert_eq!(sentence("a tab\tand a line\n"), "a tab\\tand a line");
    }

    /// A list of allowed names is cut to three; what stands around it stays.
    #[test]
    fn a_list_of_names_is_cut_to_the_nearest() {
        let names = "`task`, `seed`, `engine`, `send`, `preset`";
        let text = format!("unknown field `sed`, expected one of {names} at line 3");
        assert_eq!(
            sentence(&text),
            "unknown field `sed`, expected `seed`, `send` or `task` at line 3"
        );
    }
}
