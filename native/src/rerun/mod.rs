//! Recordings for Rerun's viewer: the scene in motion, what the camera sees, and what was decided.
//!
//! The file is written by a program of its own, `protege-rerun` (the folder `rerun/`), which is
//! told what there is to see over a pipe. Rerun's library brings 250 crates and would have burn
//! built a second time.

pub mod event;
mod program;
mod recorder;

pub use program::{Program, find};
pub use recorder::{Recorder, ScenePose, Scenery};
