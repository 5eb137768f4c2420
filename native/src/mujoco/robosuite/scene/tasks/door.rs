//! A door with a latch on a small table (`environments/manipulation/door.py`). Each reset puts it
//! in its place; here it stands where its file says.

use super::super::arena::{Moved, Table, table};
use super::super::composition::Composition;
use super::super::{object, robot};
use super::{AT_TABLE, Recipe};
use crate::mujoco::suite::View;
use protege_core::Result;

pub const RECIPE: Recipe = Recipe {
    id: "robosuite/door",
    compose,
    variable: &[],
    view: View {
        point: [-0.2, -0.25, 1.05],
        // From the side on which it opens.
        azimuth: 215.0,
        ..AT_TABLE
    },
};

/// The table is 0.3 m deep, and to the right of the robot.
const TABLE: Table = Table {
    half: [0.8 / 2.0, 0.3 / 2.0, 0.05 / 2.0],
    top: [-0.2, -0.35, 0.8],
    cameras: &[CAMERA],
};
const CAMERA: Moved = Moved {
    name: "agentview",
    pos: [
        0.5986131746834771,
        -4.392035683362857e-9,
        1.5903500240372423,
    ],
    quat: [
        0.6380177736282349,
        0.3048497438430786,
        0.30484986305236816,
        0.6380177736282349,
    ],
};

fn compose(scene: &mut Composition, _cube: Option<[f64; 3]>) -> Result<()> {
    table(scene, &TABLE)?;
    robot::add(scene, robot::AT_TABLE)?;
    object::door(scene)
}
