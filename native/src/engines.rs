//! Environments on every engine that this program has.

use crate::film::{Draw, Look};
use crate::rerun::Scenery;
use protege_core::Result;
use protege_core::env::{self, Env, catalogue};
use protege_core::run::{Inputs, Means};

/// The environment `id` on an engine: [`env::make_on`], and MuJoCo.
///
/// # Errors
/// When there is no such task, the engine cannot play it, or MuJoCo or the task's scenes are
/// missing.
pub fn make(id: &str, engine: &str) -> Result<Box<dyn Env>> {
    catalogue::checked_engine(id, engine)?;
    Ok(seeing(match engine {
        catalogue::MUJOCO => on_mujoco(id)?,
        _ => env::make_on(id, engine)?,
    }))
}

#[cfg(feature = "mujoco")]
fn seeing(env: Box<dyn Env>) -> Box<dyn Env> {
    Box::new(crate::mujoco::Eyes::new(env))
}

#[cfg(not(feature = "mujoco"))]
fn seeing(env: Box<dyn Env>) -> Box<dyn Env> {
    env
}

#[cfg(feature = "mujoco")]
fn on_mujoco(id: &str) -> Result<Box<dyn Env>> {
    crate::mujoco::make(id)
}

#[cfg(not(feature = "mujoco"))]
fn on_mujoco(id: &str) -> Result<Box<dyn Env>> {
    Err(protege_core::Error::input(format!(
        "{id} on MuJoCo: this program was built without it; build it with `--features mujoco`"
    )))
}

/// Draws the scene of the task `id`, whichever engine moves it.
///
/// # Errors
/// When there is nothing to see in the task, no such camera, or no EGL on this machine.
#[cfg(feature = "mujoco")]
pub fn renderer(id: &str, look: &Look) -> Result<Box<dyn Draw>> {
    Ok(Box::new(crate::mujoco::Renderer::new(id, look)?))
}

/// Draws nothing: MuJoCo would.
///
/// # Errors
/// Always.
#[cfg(not(feature = "mujoco"))]
pub fn renderer(id: &str, _: &Look) -> Result<Box<dyn Draw>> {
    Err(protege_core::Error::input(format!(
        "pictures of {id} need MuJoCo: build this program with `--features mujoco`"
    )))
}

/// The scene of the task `id` in solids, for recordings.
///
/// # Errors
/// When there is nothing to see in the task.
#[cfg(feature = "mujoco")]
pub fn scenery(id: &str) -> Result<Box<dyn Scenery>> {
    Ok(Box::new(crate::mujoco::Solids::of(id)?))
}

/// Shows nothing: MuJoCo would.
///
/// # Errors
/// Always.
#[cfg(not(feature = "mujoco"))]
pub fn scenery(id: &str) -> Result<Box<dyn Scenery>> {
    Err(protege_core::Error::input(format!(
        "recordings of {id} need MuJoCo: build this program with `--features mujoco`"
    )))
}

/// What this program can do for a run: environments on all engines, and policies that openpi
/// serves.
pub fn means() -> Means {
    Means {
        make,
        connect: crate::openpi::connect,
    }
}

/// What a run is given when nothing is given.
pub fn inputs() -> Inputs {
    Inputs {
        means: means(),
        ..Inputs::default()
    }
}
