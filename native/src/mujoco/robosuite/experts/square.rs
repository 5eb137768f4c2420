//! Square: the nut is laid around the square peg.

use super::geometry::{
    Rotation, axis_angle, column, cross, distance_xy, matrix, norm, of_columns, plus, point,
    product, transposed,
};
use super::motion::{Grasp, downward, easiest, fetch, lead, over, release};
use super::{Action, Moment};
use protege_core::sim::Vec3;
use protege_core::tasks::ExpertStyle;

/// Where the nut is held by its handle, in its own frame, m: 7 mm further out than `handle_site` of
/// square-nut.xml, so that the fingers pass its frame.
const HANDLE: Vec3 = [0.061, 0.0, 0.0];
/// The handle is 3.2 cm wide.
const HELD: [f64; 2] = [0.026, 0.036];
/// The top of the peg, m (`peg1` of pegs_arena.xml).
const PEG: Vec3 = [0.23, 0.1, 0.95];
/// The nut cannot touch the peg from further away than this, m.
const CLEAR: f64 = 0.12;

/// The expert of `robosuite/square`.
pub fn square(now: &Moment<'_>, style: &ExpertStyle) -> Action {
    let nut = now.bodies[0];
    let turn = matrix(nut.rotation);
    let aside = distance_xy(nut.position, PEG);
    if aside < 0.02 && nut.position[2] < PEG[2] - 0.03 {
        return release(now, 0.05, style);
    }
    let grasp = Grasp {
        at: plus(point(&nut, HANDLE), [0.0, 0.0, style.grasp]),
        turn: downward(easiest(&[column(&turn, 1)], 0.0)),
        held: HELD,
        open: 0.055,
    };
    fetch(now, &grasp, style).unwrap_or_else(|| {
        let by = product(&aligned(&turn), &transposed(&turn));
        // Onto the peg only once the hole fits.
        let fits = norm(axis_angle(&by)) < 0.1 && aside < 0.006;
        let low = [PEG[0], PEG[1], if fits { PEG[2] - 0.05 } else { PEG[2] + 0.03 }];
        let to = over(nut.position, low, 0.04 + style.lift, 0.03, CLEAR, style);
        lead(now, nut.position, to, &by, style)
    })
}

/// The nearest rotation in which the hole fits the peg: upright, and its sides along the world's.
/// The handle does not point away from the robot: there the arm would be too short.
fn aligned(turn: &Rotation) -> Rotation {
    let x = column(turn, 0);
    let level = if x[0] < -x[1].abs() {
        [-1.0, 0.0, 0.0]
    } else {
        [0.0, 1f64.copysign(x[1]), 0.0]
    };
    let up = [0.0, 0.0, 1f64.copysign(turn[2][2])];
    of_columns(level, cross(up, level), up)
}
