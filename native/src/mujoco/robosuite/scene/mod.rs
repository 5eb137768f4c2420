//! robosuite's scenes, composed by MuJoCo's own editor of models as upstream composes them by
//! editing XML (`robosuite/models/tasks/task.py`): an arena, the robot with its mount and its
//! gripper, then the objects, each from its file in the package or from numbers.
//!
//! A composed model is upstream's in every array and every name (`tests.rs` holds it to that).

mod arena;
mod composition;
mod object;
mod part;
mod robot;
mod tasks;

use super::package::PACKAGE;
use crate::mujoco::suite::{Scene, View};
use composition::Composition;
use mujoco_rs::prelude::MjModel;
use protege_core::{Error, Result};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How much of a scene is composed. Bodies, joints, actuators, sensors, sites and cameras are the
/// same in both, in the same order, and so is what happens; geoms have other numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Detail {
    /// What collides: fast to make, and small.
    Physics,
    /// Everything there is to see, too; what collides, and marks, are not drawn.
    Pictures,
}

/// Geoms that have one size in common: a body's solid, and what is seen of it.
pub type SameSize = &'static [&'static str];

/// The scene of the task `id`, composed once per process and detail, then shared. What varies from
/// episode to episode has a size in the middle of its range.
///
/// # Errors
/// When there is no such task, or the package is not there or is damaged.
pub fn model(id: &str, detail: Detail) -> Result<Arc<MjModel>> {
    type Models = Mutex<HashMap<(&'static str, Detail), Arc<MjModel>>>;
    static MODELS: OnceLock<Models> = OnceLock::new();
    let recipe = tasks::by_id(id)?;
    let models = MODELS.get_or_init(Mutex::default).lock();
    let mut models = models.unwrap_or_else(PoisonError::into_inner);
    if let Some(model) = models.get(&(recipe.id, detail)) {
        return Ok(model.clone());
    }
    let model = Arc::new(compose(id, detail, None)?);
    models.insert((recipe.id, detail), model.clone());
    Ok(model)
}

/// The scene of the task `id` for one alone, with the half edges (m) of the cube that varies from
/// episode to episode, where the task has one.
///
/// # Errors
/// As [`model`].
pub fn compose(id: &str, detail: Detail, cube: Option<[f64; 3]>) -> Result<MjModel> {
    let recipe = tasks::by_id(id)?;
    let folder = PACKAGE.fetched().map_err(Error::input)?;
    super::super::load_library()?;
    let mut composition = Composition::new(&folder.join(ASSETS))?;
    (recipe.compose)(&mut composition, cube)?;
    composition.compile(detail)
}

/// Geoms whose sizes each episode draws, grouped by what has one size; some are in pictures only.
pub fn variable_geoms(id: &str) -> &'static [SameSize] {
    tasks::by_id(id).map_or(&[], |recipe| recipe.variable)
}

/// The scene of the task `id` as it is drawn.
///
/// # Errors
/// As [`model`].
pub fn drawn(id: &str) -> Result<Scene> {
    let model = model(id, Detail::Pictures)?;
    Ok(Scene::Model(model, variable_geoms(id)))
}

/// Where people look at the scene of the task `id` from.
pub fn view(id: &str) -> View {
    tasks::by_id(id).map_or(tasks::AT_TABLE, |recipe| recipe.view)
}

/// Where the package has its scenes' parts.
const ASSETS: &str = "robosuite/models/assets";

/// Why a part of the package is of no use.
fn damaged(file: &Path, why: impl std::fmt::Display) -> Error {
    // MuJoCo's words may be several lines.
    let why = why.to_string();
    let why: Vec<&str> = why.split_whitespace().collect();
    Error::failed(format!(
        "MuJoCo cannot use {}: {}; `protege doctor --fix` replaces damaged files",
        file.display(),
        why.join(" ")
    ))
}

#[cfg(test)]
mod tests;
