//! protege-web: what the page and its workers say to each other, and what a worker does: everything
//! but the browser itself.
//!
//! An order goes from the page to a worker, a report comes back. Both are plain data, and a
//! [`Bench`] turns one into the other, so that all of it can be tested without a browser.

pub mod bench;
pub mod choice;
pub mod exhibit;
pub mod lane;
pub mod protocol;
#[cfg(target_arch = "wasm32")]
pub mod serve;
pub mod speed;
pub mod study;
pub mod teaching;

pub use bench::Bench;
pub use choice::Choice;
