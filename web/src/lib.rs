//! protege-web: what the page and its workers say to each other, and what a worker does: everything
//! but the browser itself.
//!
//! A request goes from the page to a worker, an event comes back. Both are plain data, and a
//! [`Worker`] turns one into the other, so that all of it can be tested without a browser.

pub mod choice;
pub mod preview;
pub mod previewed_run;
pub mod protocol;
#[cfg(target_arch = "wasm32")]
pub mod serve;
pub mod speed;
pub mod study;
pub mod teaching;
pub mod worker;

pub use choice::Choice;
pub use worker::Worker;
