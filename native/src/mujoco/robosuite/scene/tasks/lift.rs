//! A cube on a table (`environments/manipulation/lift.py`).

use super::super::arena::{Table, table};
use super::super::composition::{Composition, Material};
use super::super::object::{Block, block};
use super::super::robot;
use super::{AT_TABLE, Recipe};
use protege_core::Result;

/// Each half edge of the cube is drawn from 2.0 to 2.2 cm.
const HALF: [f64; 3] = [0.021; 3];

pub const RECIPE: Recipe = Recipe {
    id: "robosuite/lift",
    compose,
    variable: &[&["cube_g0", "cube_g0_vis"]],
    view: AT_TABLE,
};

fn compose(scene: &mut Composition, cube: Option<[f64; 3]>) -> Result<()> {
    table(scene, &Table::usual(0.8))?;
    robot::add(scene, robot::AT_TABLE)?;
    let cube = Block {
        name: "cube",
        half: cube.unwrap_or(HALF),
        wood: Material {
            name: "redwood",
            picture: "red-wood.png",
            repeat: 1.0,
        },
    };
    block(scene, &cube)
}
