//! Stack: the red cube is laid onto the green one.

use super::geometry::{UP, Vec3, distance_xy, scaled, unit};
use super::motion::{
    CLOSED, Grasp, LEAN, downward, easiest, fetch, funnel, level_axes, release, steer,
};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{dot, minus, plus, quat_to_mat};
use protege_core::tasks::ExpertStyle;

/// The red cube is 4 cm wide.
const HELD: [f64; 2] = [0.034, 0.045];
/// Between the cubes' middles when one lies on the other, m.
const STEP: f64 = 0.045;
/// How near to its place the cube may be let go, m: aside and above.
const NEAR: [f64; 2] = [0.012, 0.006];
/// Cubes that are further apart leave room for the fingers, m.
const APART: f64 = 0.1;

/// The expert of `robosuite/stack`.
pub fn stack(now: &Moment, style: &ExpertStyle) -> Option<Action> {
    let red = now.thing("red")?;
    let green = now.thing("green")?.position;
    let cube = red.position;
    let place = plus(green, [0.0, 0.0, STEP]);
    let above = cube[2] - place[2];
    if distance_xy(cube, place) < NEAR[0] && above.abs() < NEAR[1] {
        return Some(release(now, 0.06, scaled(UP, 0.1), style));
    }
    // The fingers go down where the other cube is not.
    let way = minus(green, cube);
    let is_free =
        |axis: &Vec3| distance_xy(green, cube) > APART || dot(*axis, unit(way)).abs() < 0.8;
    let axes = level_axes(&quat_to_mat(red.rotation)).into_iter();
    let free: Vec<Vec3> = axes.filter(is_free).collect();
    let grasp = Grasp {
        at: plus(cube, [0.0, 0.0, style.grasp.max(0.0)]),
        turn: downward(easiest(&free, LEAN * style.side)),
        held: HELD,
        open: 0.06,
    };
    Some(fetch(now, &grasp, style).unwrap_or_else(|| {
        let over = plus(place, [0.0, 0.0, 0.002]);
        let next = funnel(cube, over, 0.05 + style.lift, 0.04, style);
        let hand = plus(now.at(), minus(next, cube));
        steer(now, hand, &grasp.turn, CLOSED, style)
    }))
}
