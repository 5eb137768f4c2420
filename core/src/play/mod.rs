//! Episodes of who does not learn meanwhile: played here, or partly elsewhere, with the same bits.
//!
//! An episode follows from who decides in it and from its seed alone, so it can be played anywhere;
//! and here many are played in lockstep. What a decision is worth to the last bit may depend on how
//! many are made together ([`Rows`]), so that whoever plays elsewhere makes as many at a time as
//! give the same. `Episodes` then takes them down in the order in which they would have been
//! played here.

#![cfg_attr(
    target_arch = "wasm32",
    allow(dead_code, reason = "nobody helps a browser's tab")
)]

mod actor;
mod elsewhere;
mod episodes;
mod fingerprint;
mod observed;
mod played;
mod player;
mod rows;

pub use actor::{Actor, Decided};
pub(crate) use elsewhere::Job;
pub use elsewhere::{Describe, Elsewhere, Help, Shares};
pub(crate) use episodes::{Episodes, Turn};
pub use fingerprint::fingerprint;
pub use played::{Played, Shape};
pub(crate) use player::Player;
pub use rows::{Rows, rows_alike};
