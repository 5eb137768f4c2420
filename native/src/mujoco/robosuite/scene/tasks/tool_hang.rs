//! A stand, a frame that goes into it, and a tool that is hung on the frame
//! (`environments/manipulation/tool_hang.py`).

use super::super::arena::{Moved, Table, table};
use super::super::composition::Composition;
use super::super::{object, robot};
use super::{AT_TABLE, Recipe};
use protege_core::Result;

pub const RECIPE: Recipe = Recipe {
    id: "robosuite/tool-hang",
    compose,
    variable: &[],
    view: AT_TABLE,
};

/// Both cameras look the same way.
const QUAT: [f64; 4] = [
    0.39713290333747864,
    0.27807527780532837,
    0.5016612410545349,
    0.7164464592933655,
];
const CAMERAS: [Moved; 2] = [
    Moved {
        name: "agentview",
        pos: [0.4837275266036987, 0.2505579098815722, 1.2639379055124524],
        quat: QUAT,
    },
    Moved {
        name: "sideview",
        pos: [0.4837275266036987, 0.2505579098815722, 1.2139379055124524],
        quat: QUAT,
    },
];

fn compose(scene: &mut Composition, _cube: Option<[f64; 3]>) -> Result<()> {
    let watched = Table {
        cameras: &CAMERAS,
        ..Table::usual(0.8)
    };
    table(scene, &watched)?;
    robot::add(scene, robot::AT_TABLE)?;
    object::stand(scene)?;
    object::frame(scene)?;
    object::wrench(scene)
}
