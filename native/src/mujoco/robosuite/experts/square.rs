//! Square: the nut is laid around the square peg.

use super::geometry::{UP, axis_angle, column, distance_xy, of_columns, point, scaled};
use super::motion::{Grasp, bend, downward, easiest, fetch, funnel, lead, release, turn_between};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{Matrix, cross, norm, plus, quat_to_mat};
use protege_core::tasks::ExpertStyle;

/// Where the nut is held by its handle, in its own frame, m: 7 mm further out than `handle_site` of
/// square-nut.xml, so that the fingers pass its frame.
const HANDLE: [f64; 3] = [0.061, 0.0, 0.0];
/// The handle is 3.2 cm wide.
const HELD: [f64; 2] = [0.026, 0.036];
/// From the peg's middle to its top, m (`peg1` of pegs_arena.xml).
const TOP: f64 = 0.1;
/// How far ahead the nut is led down the peg, m.
const SINK: f64 = 0.02;
/// From further away than this the nut cannot touch the peg, m.
const CLEAR: f64 = 0.12;

/// The expert of `robosuite/square`.
pub fn square(now: &Moment, style: &ExpertStyle) -> Option<Action> {
    let nut = now.thing("nut")?;
    let peg = plus(now.thing("peg")?.position, [0.0, 0.0, TOP]);
    let place = nut.position;
    let aside = distance_xy(place, peg);
    if aside < 0.02 && place[2] < peg[2] - 0.03 {
        return Some(release(now, 0.05, scaled(UP, 0.1), style));
    }
    let turn = quat_to_mat(nut.rotation);
    let grasp = Grasp {
        at: plus(point(&nut, HANDLE), [0.0, 0.0, style.grasp]),
        turn: downward(easiest(&[column(&turn, 1)], 0.0)),
        held: HELD,
        open: 0.055,
    };
    Some(fetch(now, &grasp, style).unwrap_or_else(|| {
        let by = turn_between(&turn, &aligned(&turn));
        // Onto the peg only once the hole fits, and slowly: a fast hand tilts.
        let fits = norm(axis_angle(&by)) < 0.1 && aside < 0.006;
        let is_around = aside < 0.012 && place[2] < peg[2];
        let low = if fits || is_around {
            [peg[0], peg[1], place[2] - SINK]
        } else {
            plus(peg, [0.0, 0.0, 0.03])
        };
        let height = 0.04 + style.lift;
        let next = if aside < CLEAR {
            funnel(place, low, height, 0.03, style)
        } else {
            // It rises on its way.
            plus(bend(place, low, style.side), [0.0, 0.0, height])
        };
        lead(now, place, next, &by, style)
    }))
}

/// The nearest rotation in which the hole fits the peg: upright, and its sides along the world's.
/// The handle does not point away from the robot: there the arm would be too short.
fn aligned(turn: &Matrix) -> Matrix {
    let x = column(turn, 0);
    let level = if x[0] < -x[1].abs() {
        [-1.0, 0.0, 0.0]
    } else {
        [0.0, 1f64.copysign(x[1]), 0.0]
    };
    let up = [0.0, 0.0, 1f64.copysign(turn[2][2])];
    of_columns(level, cross(up, level), up)
}
