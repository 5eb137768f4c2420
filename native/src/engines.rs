//! Environments on every engine that this program has.

use crate::downloads::Download;
#[cfg(feature = "mujoco")]
use crate::downloads::MUJOCO;
#[cfg(feature = "mujoco")]
pub use crate::mujoco::suites::CATALOG;
use crate::recordings::Recordings;
use crate::rerun::Scenery;
use crate::video::{Draw, RenderOptions};
use protege_core::Result;
use protege_core::env::Env;
use protege_core::run::{Inputs, Services};

/// The suites of core: others need MuJoCo.
#[cfg(not(feature = "mujoco"))]
pub const CATALOG: protege_core::env::Catalog = protege_core::env::Catalog {
    elsewhere: " (this program was built without MuJoCo, which other suites need: build it with \
                `--features mujoco`)",
    ..protege_core::env::catalogue::CORE
};

/// The environment `id` on an engine.
///
/// # Errors
/// When there is no such task, the engine cannot play it, or MuJoCo or the task's scenes are
/// missing.
pub fn make(id: &str, engine: &str) -> Result<Box<dyn Env>> {
    Ok(seeing(CATALOG.make(id, engine)?))
}

#[cfg(feature = "mujoco")]
fn seeing(env: Box<dyn Env>) -> Box<dyn Env> {
    Box::new(crate::mujoco::RenderedEnv::new(env))
}

#[cfg(not(feature = "mujoco"))]
fn seeing(env: Box<dyn Env>) -> Box<dyn Env> {
    env
}

/// What is fetched from the Python package index: MuJoCo's library, unless another is used, and
/// the scenes of others.
#[cfg(feature = "mujoco")]
pub fn packages() -> Vec<&'static Download> {
    let suites = crate::mujoco::suites::ALL.iter();
    let library = crate::mujoco::is_library_cached().then_some(&MUJOCO);
    let scenes = suites.filter_map(|suite| suite.package());
    library.into_iter().chain(scenes).collect()
}

/// Nothing is fetched: all of it would be for MuJoCo.
#[cfg(not(feature = "mujoco"))]
pub fn packages() -> Vec<&'static Download> {
    Vec::new()
}

/// Loads MuJoCo's library, which everything that uses MuJoCo does first.
///
/// # Errors
/// When it is missing or not as it should be.
#[cfg(feature = "mujoco")]
pub fn load_mujoco() -> Result<()> {
    crate::mujoco::load_library()
}

/// Loads nothing.
///
/// # Errors
/// Always.
#[cfg(not(feature = "mujoco"))]
pub fn load_mujoco() -> Result<()> {
    Err(protege_core::Error::input(
        "this program was built without MuJoCo: build it with `--features mujoco`",
    ))
}

/// The tasks whose speed is measured against upstream's own code, with the camera that pictures are
/// taken from.
pub fn benchmarks() -> Vec<(&'static str, &'static str)> {
    #[cfg(feature = "mujoco")]
    let found = crate::mujoco::suites::ALL.map(|suite| suite.benchmarks());
    #[cfg(not(feature = "mujoco"))]
    let found: [&[_]; 0] = [];
    found.concat()
}

/// Whether the scene of a task has meshes, which cost time to draw with shadows.
#[cfg(feature = "mujoco")]
pub fn has_meshes(id: &str) -> bool {
    crate::mujoco::suites::of(id).is_ok_and(|suite| suite.has_meshes())
}

/// Nothing is drawn without MuJoCo.
#[cfg(not(feature = "mujoco"))]
pub fn has_meshes(_: &str) -> bool {
    false
}

/// What the suite of the task `id` says of recordings that its upstream has made, if it does.
#[cfg(feature = "mujoco")]
pub fn recordings(id: &str) -> Option<Recordings> {
    crate::mujoco::suites::of(id).ok()?.recordings()
}

/// There are none without MuJoCo.
#[cfg(not(feature = "mujoco"))]
pub fn recordings(_: &str) -> Option<Recordings> {
    None
}

/// Draws the scene of the task `id`, whichever engine moves it.
///
/// # Errors
/// When there is nothing to see in the task, no such camera, or no EGL on this machine.
#[cfg(feature = "mujoco")]
pub fn renderer(id: &str, render_options: &RenderOptions) -> Result<Box<dyn Draw>> {
    Ok(Box::new(crate::mujoco::Renderer::new(id, render_options)?))
}

/// Draws nothing: MuJoCo would.
///
/// # Errors
/// Always.
#[cfg(not(feature = "mujoco"))]
pub fn renderer(id: &str, _: &RenderOptions) -> Result<Box<dyn Draw>> {
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

/// What this program can do for a run: its suites, environments on all engines, and policies that
/// openpi serves.
pub fn services() -> Services {
    Services {
        catalog: CATALOG,
        make,
        connect: crate::openpi::connect,
        fits: crate::memory::fits,
        elsewhere: None,
    }
}

/// What a run is given when nothing is given.
pub fn inputs() -> Inputs {
    Inputs {
        services: services(),
        ..Inputs::default()
    }
}
