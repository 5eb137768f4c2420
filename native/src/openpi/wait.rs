//! Waiting that has an end: after a time, or as soon as somebody wishes to stop.

use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The longest time without a look at the wish to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// How long something is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Wait {
    /// None: for ever.
    until: Option<Instant>,
    stop: &'static AtomicBool,
}

impl Wait {
    /// From now on for `patience`, unless `stop` is set.
    pub fn new(patience: Duration, stop: &'static AtomicBool) -> Self {
        Self {
            until: Instant::now().checked_add(patience),
            stop,
        }
    }

    /// The time that is left.
    ///
    /// # Errors
    /// `TimedOut` when there is none, `Interrupted` when somebody wishes to stop.
    pub fn left(&self) -> Result<Duration> {
        if self.stop.load(Ordering::SeqCst) {
            return Err(ErrorKind::Interrupted.into());
        }
        let Some(until) = self.until else {
            return Ok(Duration::MAX);
        };
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        Ok(left)
    }

    /// How long to wait before looking again.
    ///
    /// # Errors
    /// As [`Wait::left`].
    pub fn glance(&self) -> Result<Duration> {
        Ok(self.left()?.min(GLANCE))
    }

    /// Waits to the end.
    ///
    /// # Errors
    /// `Interrupted` when somebody wishes to stop.
    pub fn sleep(&self) -> Result<()> {
        loop {
            match self.glance() {
                Ok(pause) => std::thread::sleep(pause),
                Err(error) if error.kind() == ErrorKind::TimedOut => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a system's call only came back to be made again: it waited for as long as it was told
/// to, or a signal came.
pub fn is_pause(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
