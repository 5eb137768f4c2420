//! Door: the lever is taken from the front, turned up, and pulled until the door is open. Down it
//! cannot be turned far enough: there the hand's last joint ends.

use super::geometry::{Vec3, about, axis_angle, column, of_columns, point, scaled};
use super::motion::{CLOSED, OPEN, bend, lead, steer, turn_between};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{
    Matrix, Pose, cross, dot, minus, norm, plus, product, quat_to_mat, transposed, turned,
};
use protege_core::tasks::ExpertStyle;

/// Where the lever is held, in the latch's frame, m (models/assets/objects/door_lock.xml): near its
/// end, which is at 0.15.
const GRIP: Vec3 = [0.11, -0.1, 0.0];
/// The hinge in the door's frame, m.
const HINGE: Vec3 = [0.255, 0.0, 0.0];
/// The lever is 4 cm high.
const HELD: [f64; 2] = [0.03, 0.05];
/// With less between the fingers (m) the hand does not go around the lever.
const WIDE: f64 = 0.065;
/// From this angle on the latch lets the door go, and from this one on it cannot fall shut, rad.
const FREE: f64 = 1.25;
const AJAR: f64 = 0.04;
/// It is turned no further than this, rad: it ends at 1.57.
const TURNED: f64 = 1.45;
/// How far ahead the lever is turned, and the door, rad.
const TURN: f64 = 0.4;
const PULL: f64 = 0.15;
/// Before the lever the hand turns where it has this much room, m.
const ROOM: f64 = 0.1;
/// Beside the lever by less than the first (m) it comes near, and near it is by the second.
const ASIDE: [f64; 2] = [0.025, 0.012];

/// What there is of the door.
struct Door {
    /// How the door is turned: its y points through it, away from the hand.
    turn: Matrix,
    latch: Pose,
    hinge: Vec3,
    /// rad; the lever's is 0 when it is let go, and less when it is turned up.
    angle: f64,
    lever: f64,
}

impl Door {
    fn find(now: &Moment) -> Option<Self> {
        let door = now.thing("door")?;
        let latch = now.thing("latch")?;
        let frame = quat_to_mat(now.thing("frame")?.rotation);
        let turn = quat_to_mat(door.rotation);
        let between = |from: &Matrix, to: &Matrix| axis_angle(&product(&transposed(from), to));
        Some(Self {
            angle: between(&frame, &turn)[2],
            lever: between(&turn, &quat_to_mat(latch.rotation))[1],
            hinge: point(&door, HINGE),
            turn,
            latch,
        })
    }
}

/// The expert of `robosuite/door`.
pub fn door(now: &Moment, style: &ExpertStyle) -> Option<Action> {
    let door = Door::find(now)?;
    let latch = quat_to_mat(door.latch.rotation);
    let [along, out, across] = GRIP;
    let grip = point(&door.latch, [along - style.grasp, out, across]);
    let inward = column(&door.turn, 1);
    // The fingers move across the lever.
    let y = column(&latch, 2);
    let turn = of_columns(cross(y, inward), y, inward);
    if let Some(action) = take(now, grip, &turn, style) {
        return Some(action);
    }
    // A style that carries higher than needed turns further, too.
    let free = (FREE + 3.0 * style.lift).min(TURNED);
    if door.angle < AJAR && door.lever > -free {
        let by = about(scaled(column(&latch, 1), -TURN));
        let axis = door.latch.position;
        let to = plus(axis, turned(&by, minus(grip, axis)));
        return Some(onward(now, grip, to, &product(&by, &turn), style));
    }
    let by = about(scaled(column(&door.turn, 2), PULL));
    let to = plus(door.hinge, turned(&by, minus(grip, door.hinge)));
    Some(onward(now, grip, to, &product(&by, &turn), style))
}

/// Moves what is held from `grip` to `to`, and turns the hand as `turn` says.
fn onward(now: &Moment, grip: Vec3, to: Vec3, turn: &Matrix, style: &ExpertStyle) -> Action {
    lead(now, grip, to, &turn_between(&now.turn(), turn), style)
}

/// The action that takes the lever at `grip`, with the hand turned so; none once it is in the hand.
fn take(now: &Moment, grip: Vec3, turn: &Matrix, style: &ExpertStyle) -> Option<Action> {
    let inward = column(turn, 2);
    let off = minus(now.at(), grip);
    let depth = dot(off, inward);
    let aside = norm(minus(off, scaled(inward, depth)));
    let crooked = norm(axis_angle(&turn_between(&now.turn(), turn)));
    let opening = now.opening();
    let [least, most] = HELD;
    if (least..=most).contains(&opening) && aside < 0.03 && depth.abs() < 0.03 && crooked < 0.5 {
        return None;
    }
    let [beside, near] = ASIDE;
    // Fingers that have begun to close go on.
    let slack = if opening >= WIDE { 1.0 } else { 1.5 };
    let is_there = aside < near * slack && depth.abs() < near * slack && crooked < 0.2 * slack;
    if is_there && opening >= least {
        return Some(steer(now, grip, turn, CLOSED, style));
    }
    let is_ready = opening >= WIDE && crooked < 0.2;
    if is_ready && aside < beside {
        return Some(steer(now, grip, turn, OPEN, style));
    }
    let room = if crooked > 0.5 { ROOM } else { style.height };
    let to = plus(grip, scaled(inward, -room));
    // From within the reach of the lever straight back first.
    let is_in = depth > -0.6 * room && aside > near;
    let to = if is_in && depth < ROOM {
        plus(now.at(), scaled(inward, -room - depth))
    } else {
        bend(now.at(), to, style.side)
    };
    Some(steer(now, to, turn, OPEN, style))
}
