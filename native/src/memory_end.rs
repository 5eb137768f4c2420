//! The end of memory. What settings take is checked before a run begins; where the system refuses
//! memory all the same, the program ends as with any other error: with a sentence, exit code 1 and,
//! with `--json`, `{"error": ...}`.
//!
//! Rust answers a refusal by `abort`, whose signal is caught. Not promised: what happens when the
//! system grants memory that it does not have, and later kills a process of its choice (Linux's
//! "OOM killer"); no program learns of that.
#![allow(
    unsafe_code,
    reason = "allocators and the handlers of signals are unsafe by their nature"
)]

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Whether memory was refused.
static REFUSED: AtomicBool = AtomicBool::new(false);
/// Whether results are printed as JSON.
static JSON: AtomicBool = AtomicBool::new(false);

const SENTENCE: &str = "the system has no more memory for this: lower the settings that make \
                        networks, batches or replays so large, or run fewer seeds at a time; what \
                        was saved before is intact";

/// The allocator, and a note of what it refused.
pub struct Watched;

// SAFETY: every call is handed on as it came.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        noted(unsafe { MiMalloc.alloc(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        noted(unsafe { MiMalloc.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        noted(unsafe { MiMalloc.realloc(pointer, layout, size) })
    }
}

fn noted(pointer: *mut u8) -> *mut u8 {
    if pointer.is_null() {
        REFUSED.store(true, SeqCst);
    }
    pointer
}

/// From now on, the end of memory is told.
pub fn tell() {
    JSON.store(
        std::env::args_os().any(|argument| argument == "--json"),
        SeqCst,
    );
    #[cfg(unix)]
    // SAFETY: the handler does only what a handler may: it writes and exits.
    unsafe {
        libc::signal(libc::SIGABRT, on_abort as *const () as libc::sighandler_t);
    }
}

#[cfg(unix)]
extern "C" fn on_abort(signal: libc::c_int) {
    if !REFUSED.load(SeqCst) {
        // Something else: it ends as it would have.
        // SAFETY: both may be called in a handler.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        return;
    }
    if JSON.load(SeqCst) {
        write(1, "{\"error\":\"");
        write(1, SENTENCE);
        write(1, "\"}\n");
    }
    write(2, "error: ");
    write(2, SENTENCE);
    write(2, "\n");
    // SAFETY: `_exit` may be called in a handler.
    unsafe { libc::_exit(1) }
}

#[cfg(unix)]
fn write(to: libc::c_int, text: &str) {
    // SAFETY: the pointer and the length are those of a string.
    unsafe {
        libc::write(to, text.as_ptr().cast(), text.len());
    }
}
