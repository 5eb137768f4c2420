//! Two nuts and two pegs on a table (`environments/manipulation/nut_assembly.py`); the task needs
//! the square ones.

use super::super::arena::{Table, pegs};
use super::super::composition::Composition;
use super::super::{object, robot};
use super::{AT_TABLE, Recipe};
use protege_core::Result;

pub const RECIPE: Recipe = Recipe {
    id: "robosuite/square",
    compose,
    variable: &[],
    view: AT_TABLE,
};

fn compose(scene: &mut Composition, _cube: Option<[f64; 3]>) -> Result<()> {
    pegs(scene, &Table::usual(0.82))?;
    robot::add(scene, robot::AT_TABLE)?;
    object::solid(scene, "objects/square-nut.xml", "SquareNut")?;
    object::solid(scene, "objects/round-nut.xml", "RoundNut")
}
