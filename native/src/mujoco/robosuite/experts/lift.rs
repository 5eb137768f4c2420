//! Lift: the cube is raised.

use super::geometry::{matrix, plus};
use super::motion::{CLOSED, Grasp, LEAN, downward, easiest, fetch, level_axes, steer};
use super::{Action, Moment};
use protege_core::tasks::ExpertStyle;

/// The cube is 4 to 4.4 cm wide.
const HELD: [f64; 2] = [0.036, 0.047];

/// The expert of `robosuite/lift`.
pub fn lift(now: &Moment<'_>, style: &ExpertStyle) -> Action {
    let cube = now.bodies[0];
    let axis = easiest(&level_axes(&matrix(cube.rotation)), LEAN * style.side);
    let grasp = Grasp {
        at: plus(cube.position, [0.0, 0.0, style.grasp]),
        turn: downward(axis),
        held: HELD,
        open: 0.06,
    };
    fetch(now, &grasp, style).unwrap_or_else(|| {
        let up = plus(now.hand, [0.0, 0.0, 0.1]);
        steer(now, up, &grasp.turn, CLOSED, style)
    })
}
