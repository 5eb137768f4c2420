//! The wish to stop, for whoever waits for something that may never come: a server's answer.

use std::sync::atomic::{AtomicBool, Ordering};

/// Set once somebody wishes to stop; a program is not asked to go on again.
static WISH: AtomicBool = AtomicBool::new(false);

/// Wishes to stop.
pub fn request() {
    WISH.store(true, Ordering::SeqCst);
}

/// The wish, to be looked at now and then.
pub fn wish() -> &'static AtomicBool {
    &WISH
}
