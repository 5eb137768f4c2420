//! MuJoCo: an engine for our own scenes, and the suites that are at home on it.

mod adroit;
mod lab;
mod library;
mod metaworld;
mod nan_state;
mod plant;
mod render;
mod replay;
pub mod robosuite;
mod shared;
mod sim;
mod sizes;
pub(crate) mod suite;
pub mod suites;
pub mod trace;

pub use library::{is_cached as is_library_cached, load as load_library};
pub use plant::Plant;
pub use render::{RenderedEnv, Renderer, Solids, Stage};
pub use sim::MujocoSim;

use crate::terminal::last_words;
use mujoco_rs::prelude::{MjLogMessage, MjtLogLevel};

/// Keeps MuJoCo from writing to the terminal and into a file in the working directory, which is
/// what it does otherwise. What its warnings are about (a state that is not finite) is seen in the
/// observations.
fn quiet() {
    // SAFETY: the library has just been loaded, and whoever would use it waits for that.
    #[allow(unsafe_code, reason = "the handler is the whole process's")]
    unsafe {
        mujoco_rs::prelude::set_log_handler(tell_errors);
    }
}

/// MuJoCo ends the program after an error of its own; the reason should be read.
fn tell_errors(message: &MjLogMessage) {
    if message.level() == MjtLogLevel::mjLOG_ERROR {
        let why = message.body().unwrap_or("no reason given");
        last_words(&format!("error: MuJoCo cannot go on: {why}"));
    }
}

#[cfg(test)]
pub use adroit::broken as broken_adroit;
#[cfg(test)]
pub use metaworld::broken as broken_metaworld;
