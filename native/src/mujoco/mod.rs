//! MuJoCo: an engine for our own scenes, and the suites that are at home on it.

pub mod adroit;
mod metaworld;
mod nan_state;
mod plant;
mod render;
mod shared;
mod sim;
pub mod trace;

pub use metaworld::MetaWorld;
pub use plant::Plant;
pub use render::{Eyes, Renderer, Solids, Stage};
pub use sim::MujocoSim;

use mujoco_rs::prelude::{MjLogMessage, MjtLogLevel};
use protege_core::env::{Env, LabEnv};
use protege_core::{Error, Result, tasks};

/// Keeps MuJoCo from writing to the terminal and into a file in the working directory, which is
/// what it does otherwise. What its warnings are about (a state that is not finite) is seen in the
/// observations.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: every use of MuJoCo here begins with this function, which lets one thread through and
    // the others wait.
    #[allow(unsafe_code)]
    ONCE.call_once(|| unsafe { mujoco_rs::prelude::set_log_handler(tell_errors) });
}

/// MuJoCo ends the program after an error of its own; the reason should be read.
fn tell_errors(message: &MjLogMessage) {
    if message.level() == MjtLogLevel::mjLOG_ERROR {
        eprintln!(
            "error: MuJoCo cannot go on: {}",
            message.body().unwrap_or("no reason given")
        );
    }
}

#[cfg(test)]
pub use adroit::broken as broken_adroit;
#[cfg(test)]
pub use metaworld::broken as broken_metaworld;

/// The environment `id`, played by MuJoCo. Its first success ends an episode.
///
/// # Errors
/// When there is no such task, or its scene cannot be had or loaded.
pub fn make(id: &str) -> Result<Box<dyn Env>> {
    match id.split_once('/') {
        Some(("lab", _)) => {
            let info = tasks::by_id(id)?;
            Ok(Box::new(LabEnv::with_sim(
                info,
                Box::new(MujocoSim::new(info.scene)?),
            )?))
        }
        Some(("adroit", _)) => Ok(Box::new(adroit::Adroit::new(id)?)),
        Some(("metaworld", _)) => Ok(Box::new(MetaWorld::new(id)?)),
        _ => Err(Error::input(format!(
            "there is no task `{id}` on MuJoCo; see `protege tasks`"
        ))),
    }
}
