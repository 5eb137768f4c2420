//! Lift: the cube is raised.

use super::motion::{CLOSED, Grasp, LEAN, downward, easiest, fetch, level_axes, steer};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{plus, quat_to_mat};
use protege_core::tasks::ExpertStyle;

/// The cube is 4 to 4.4 cm wide.
const HELD: [f64; 2] = [0.036, 0.047];

/// The expert of `robosuite/lift`.
pub fn lift(now: &Moment, style: &ExpertStyle) -> Option<Action> {
    let cube = now.thing("cube")?;
    let axes = level_axes(&quat_to_mat(cube.rotation));
    let grasp = Grasp {
        at: plus(cube.position, [0.0, 0.0, style.grasp]),
        turn: downward(easiest(&axes, LEAN * style.side)),
        held: HELD,
        open: 0.06,
    };
    Some(fetch(now, &grasp, style).unwrap_or_else(|| {
        let up = plus(now.at(), [0.0, 0.0, 0.1]);
        steer(now, up, &grasp.turn, CLOSED, style)
    }))
}
