//! protege-core: everything that is neither an operating system nor a browser.
//!
//! Robot policies pretrained from a few demonstrations so that reinforcement learning can finish
//! the job. The crate compiles for native targets and for `wasm32-unknown-unknown`; it has no file
//! system, no clock and no global state.
//!
//! Arrows point one way: [`run`] -> [`finetune`], [`pretrain`] -> [`policy`], [`data`] -> [`nn`],
//! [`run`], [`finetune`] -> [`play`] -> [`env`](mod@env) -> [`tasks`] -> [`sim`]; [`obs`] is below
//! all that observe.
//! Nothing below knows what stands above. [`theory`] stands beside them.

// Shader types of the optional GPU backends nest deeply.
#![recursion_limit = "256"]

pub mod checksummed;
pub mod data;
pub mod env;
pub mod error;
pub mod finetune;
pub mod memory;
pub mod method;
pub mod nn;
pub mod obs;
pub mod play;
pub mod policy;
pub mod pretrain;
mod rl;
pub mod rng;
pub mod run;
pub mod settings;
pub mod sim;
pub mod tasks;
pub mod theory;
mod threads;

pub use error::{Error, Result};
