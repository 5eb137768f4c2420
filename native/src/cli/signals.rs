//! Signals: which of them ask a run to stop, and that a signal which was ignored at the start stays
//! ignored, as with `nohup` and for jobs in the background.

use protege_core::{Error, Result};

/// Lets the system refuse a write that is beyond the limit on the size of files, rather than end
/// the program: a sentence says then what happened.
#[cfg(unix)]
pub fn refuse_large_files() {
    // SAFETY: a signal that is ignored runs no code.
    #[allow(unsafe_code, reason = "the standard library knows no signals")]
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Lets the system refuse a write that is beyond the limit on the size of files.
#[cfg(not(unix))]
pub fn refuse_large_files() {}

/// Who asks to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Ctrl-C: SIGINT.
    Keyboard,
    /// `kill` or a batch system: SIGTERM.
    Scheduler,
    /// A terminal that is closed, or a limit on the processor's time.
    System,
}

/// Calls `react`, in a thread of its own, for every signal that asks to stop.
///
/// # Errors
/// When the system does not let us listen.
#[cfg(unix)]
pub fn listen(react: impl FnMut(Sender) + Send + 'static) -> Result<()> {
    unix::listen(react).map_err(|e| Error::failed(format!("signals cannot be caught: {e}")))
}

/// There are no signals to listen to.
///
/// # Errors
/// Never.
#[cfg(not(unix))]
pub fn listen(_: impl FnMut(Sender) + Send + 'static) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
mod unix {
    use super::Sender;
    use std::io::{Error, Read, Result, pipe};
    use std::os::fd::IntoRawFd;
    use std::sync::atomic::{AtomicI32, Ordering};

    /// What is listened to.
    const SIGNALS: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGXCPU];

    /// Where the handler writes the number of a signal.
    static TOLD: AtomicI32 = AtomicI32::new(-1);

    pub fn listen(mut react: impl FnMut(Sender) + Send + 'static) -> Result<()> {
        let (mut reader, writer) = pipe()?;
        TOLD.store(writer.into_raw_fd(), Ordering::SeqCst);
        let wait = move || {
            let mut signal = [0];
            while reader.read_exact(&mut signal).is_ok() {
                react(match i32::from(signal[0]) {
                    libc::SIGINT => Sender::Keyboard,
                    libc::SIGTERM => Sender::Scheduler,
                    _ => Sender::System,
                });
            }
        };
        std::thread::Builder::new().spawn(wait)?;
        SIGNALS.into_iter().try_for_each(handle)
    }

    /// Handles a signal, unless it was ignored when the program was started.
    #[allow(unsafe_code, reason = "the standard library knows no signals")]
    fn handle(signal: i32) -> Result<()> {
        // SAFETY: all zeros are an action; the calls are given one each, and the handler does only
        // what a handler may.
        let set = unsafe {
            let mut before: libc::sigaction = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &raw mut before);
            if before.sa_sigaction == libc::SIG_IGN {
                return Ok(());
            }
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = told as extern "C" fn(i32) as libc::sighandler_t;
            action.sa_flags = libc::SA_RESTART;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(signal, &raw const action, std::ptr::null_mut())
        };
        if set == 0 {
            Ok(())
        } else {
            Err(Error::last_os_error())
        }
    }

    /// Hands the number of a signal on to the thread that waits.
    extern "C" fn told(signal: i32) {
        let number = [signal as u8];
        // SAFETY: writing is among the few things that a handler may do, and the byte is there.
        #[allow(unsafe_code, reason = "a handler may not use the standard library")]
        unsafe {
            libc::write(TOLD.load(Ordering::SeqCst), number.as_ptr().cast(), 1);
        }
    }
}
