//! What is in the scene of each task.

mod can;
mod door;
mod lift;
mod square;
mod stack;
mod tool_hang;

use super::SameSize;
use super::composition::Composition;
use crate::mujoco::suite::View;
use protege_core::{Error, Result};

/// How a task's scene is made.
pub struct Recipe {
    /// The task.
    pub id: &'static str,
    /// Fills the scene, with the half edges (m) of the cube that varies, where there is one; none:
    /// in the middle of their range.
    pub compose: fn(&mut Composition, cube: Option<[f64; 3]>) -> Result<()>,
    /// Geoms whose sizes an episode draws.
    pub variable: &'static [SameSize],
    /// Where people look at it from.
    pub view: View,
}

const RECIPES: [Recipe; 6] = [
    lift::RECIPE,
    can::RECIPE,
    square::RECIPE,
    stack::RECIPE,
    tool_hang::RECIPE,
    door::RECIPE,
];

/// A view of what happens on a table.
pub const AT_TABLE: View = View {
    point: [-0.2, 0.0, 1.0],
    distance: 1.6,
    azimuth: 145.0,
    elevation: -20.0,
};

/// The recipe of the task `id`.
pub fn by_id(id: &str) -> Result<&'static Recipe> {
    let found = RECIPES.iter().find(|recipe| recipe.id == id);
    found.ok_or_else(|| Error::failed(format!("robosuite has no scene for {id}")))
}
