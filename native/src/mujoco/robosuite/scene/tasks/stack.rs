//! Two cubes on a table (`environments/manipulation/stack.py`).

use super::super::arena::{Table, table};
use super::super::composition::{Composition, Material};
use super::super::object::{Block, block};
use super::super::robot;
use super::{AT_TABLE, Recipe};
use protege_core::Result;

pub const RECIPE: Recipe = Recipe {
    id: "robosuite/stack",
    compose,
    variable: &[],
    view: AT_TABLE,
};

const RED: Block = Block {
    name: "cubeA",
    half: [0.02; 3],
    wood: Material {
        name: "redwood",
        picture: "red-wood.png",
        repeat: 1.0,
    },
};
const GREEN: Block = Block {
    name: "cubeB",
    half: [0.025; 3],
    wood: Material {
        name: "greenwood",
        picture: "green-wood.png",
        repeat: 1.0,
    },
};

fn compose(scene: &mut Composition, _cube: Option<[f64; 3]>) -> Result<()> {
    table(scene, &Table::usual(0.8))?;
    robot::add(scene, robot::AT_TABLE)?;
    block(scene, &RED)?;
    block(scene, &GREEN)
}
