//! protege: the command line, and what its commands share.

// What is told goes through `terminal`: the standard macros panic where nobody listens.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]
// Shader types of the optional GPU backends nest deeply.
#![recursion_limit = "256"]

pub mod cli;
pub mod dashboard;
pub mod downloads;
pub mod engines;
pub mod episode;
pub mod expert;
pub mod files;
mod intact;
mod interrupt;
pub mod memory;
#[cfg(feature = "mujoco")]
pub mod mujoco;
pub mod openpi;
pub mod recordings;
pub mod report;
pub mod rerun;
pub mod robomimic;
pub mod tensorboard;
pub mod terminal;
pub mod video;
pub mod workers;
