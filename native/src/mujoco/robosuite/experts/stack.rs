//! Stack: the smaller cube is laid onto the larger one.

use super::geometry::{distance_xy, dot, matrix, minus, plus, unit};
use super::motion::{
    CLOSED, Grasp, LEAN, downward, easiest, fetch, funnel, level_axes, release, steer,
};
use super::{Action, Moment};
use protege_core::tasks::ExpertStyle;

/// The smaller cube is 4 cm wide.
const HELD: [f64; 2] = [0.034, 0.045];
/// Between the cubes' middles when one lies on the other, m.
const STEP: f64 = 0.045;

/// The expert of `robosuite/stack`.
pub fn stack(now: &Moment<'_>, style: &ExpertStyle) -> Action {
    let [cube, below] = [now.bodies[0], now.bodies[1]];
    let place = plus(below.position, [0.0, 0.0, STEP]);
    let aside = distance_xy(cube.position, place);
    let above = cube.position[2] - place[2];
    if aside < 0.012 && above.abs() < 0.006 {
        return release(now, 0.06, style);
    }
    // The fingers go down where the other cube is not.
    let axes = level_axes(&matrix(cube.rotation));
    let towards = unit(minus(below.position, cube.position));
    let near = distance_xy(below.position, cube.position) < 0.1;
    let free = axes.into_iter().filter(|axis| !near || dot(*axis, towards).abs() < 0.8);
    let axis = easiest(&free.collect::<Vec<_>>(), LEAN * style.side);
    let grasp = Grasp {
        at: plus(cube.position, [0.0, 0.0, style.grasp.max(0.0)]),
        turn: downward(axis),
        held: HELD,
        open: 0.06,
    };
    fetch(now, &grasp, style).unwrap_or_else(|| {
        let to = plus(place, [0.0, 0.0, 0.002]);
        let next = funnel(cube.position, to, 0.05 + style.lift, 0.04, style);
        let hand = plus(now.hand, minus(next, cube.position));
        steer(now, hand, &grasp.turn, CLOSED, style)
    })
}
