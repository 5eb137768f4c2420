//! What the experts share: fetching, carrying and laying down.

use super::geometry::{Vec3, about, axis_angle, column, distance_xy, of_columns, scaled, unit};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{
    Matrix, cross, dot, minus, norm, plus, product, transposed, turned,
};
use protege_core::tasks::ExpertStyle;

/// Action per meter of distance: it sets the controller's goal onto the target.
const GAIN: f64 = 20.0;
/// Action per radian to turn, likewise.
const TURN_GAIN: f64 = 2.0;
/// Radians by which a hand at full speed turns ahead, at most: `TURN_GAIN` does not cut it.
const LEAD: f64 = 0.5;
/// Meters by which it moves ahead while it turns about a point, at most: `GAIN` does not cut it.
const REACH: f64 = 0.04;
/// Radians by which a style's unit of `side` turns the hand that fetches.
pub const LEAN: f64 = 0.8;
/// The gripper's action when it should be open, and closed.
pub const OPEN: f64 = -1.0;
pub const CLOSED: f64 = 1.0;

/// How something is taken.
pub struct Grasp {
    /// Where the hand goes, m.
    pub at: Vec3,
    /// How it is turned there.
    pub turn: Matrix,
    /// The opening (m) with the object in the hand, at least and at most.
    pub held: [f64; 2],
    /// The opening (m) with which the hand comes down, at least.
    pub open: f64,
}

/// The hand, pointing down, with its fingers moving along the horizontal part of `axis`.
pub fn downward(axis: Vec3) -> Matrix {
    let y = unit([axis[0], axis[1], 0.0]);
    let z = [0.0, 0.0, -1.0];
    of_columns(cross(y, z), y, z)
}

/// Of some axes, and their opposites, the one nearest to y of the hand at the start, turned by
/// `lean` (rad).
pub fn easiest(axes: &[Vec3], lean: f64) -> Vec3 {
    let (sine, cosine) = lean.sin_cos();
    let preferred = [sine, -cosine, 0.0];
    let signed = axes.iter().map(|&axis| {
        let sign = 1f64.copysign(dot(axis, preferred));
        scaled(axis, sign)
    });
    let best = signed.max_by(|a, b| dot(*a, preferred).total_cmp(&dot(*b, preferred)));
    best.unwrap_or(preferred)
}

/// The two level axes of a body that stands on one of its faces: those of its three that lie
/// flattest.
pub fn level_axes(turn: &Matrix) -> [Vec3; 2] {
    let mut axes = [0, 1, 2].map(|i| column(turn, i));
    axes.sort_by(|a, b| a[2].abs().total_cmp(&b[2].abs()));
    [axes[0], axes[1]]
}

/// The rotation that turns `from` into `to`.
pub fn turn_between(from: &Matrix, to: &Matrix) -> Matrix {
    product(to, &transposed(from))
}

/// The action that takes an object; `None` once it is in the hand.
pub fn fetch(now: &Moment, grasp: &Grasp, style: &ExpertStyle) -> Option<Action> {
    let [x, y, z] = minus(now.at(), grasp.at);
    let aside = x.hypot(y);
    let crooked = norm(axis_angle(&turn_between(&now.turn(), &grasp.turn)));
    let opening = now.opening();
    let [least, most] = grasp.held;
    if (least..=most).contains(&opening) && aside < 0.02 && z.abs() < 0.02 {
        return None;
    }
    // Fingers that have begun to close go on.
    let is_open = opening >= grasp.open;
    let slack = if is_open { 1.0 } else { 2.0 };
    let is_there = aside < 0.008 * slack && z.abs() < 0.008 * slack && crooked < 0.1 * slack;
    if is_there && opening >= least {
        return Some(steer(now, grasp.at, &grasp.turn, CLOSED, style));
    }
    // Only a hand that is open and turned comes down all the way.
    let is_ready = is_open && crooked < 0.15;
    let to = if is_ready || aside > 0.03 {
        funnel(now.at(), grasp.at, style.height, 0.03, style)
    } else {
        let above = grasp.at[2] + 0.6 * style.height;
        [grasp.at[0], grasp.at[1], now.at()[2].max(above)]
    };
    Some(steer(now, to, &grasp.turn, OPEN, style))
}

/// The next waypoint on the way down to `to`: within a funnel that is `height` high and `width`
/// wide. What is below it rises first, so that nothing is swept aside.
pub fn funnel(from: Vec3, to: Vec3, height: f64, width: f64, style: &ExpertStyle) -> Vec3 {
    // Within a quarter of the width the funnel's floor is `to` itself.
    let inner = 0.25 * width;
    let share = ((distance_xy(from, to) - inner) / (width - inner)).clamp(0.0, 1.0);
    let z = to[2] + share * height;
    // With slack: on the funnel itself the hand does not stop to rise.
    if from[2] < to[2] + 0.8 * share * height {
        return [from[0], from[1], z];
    }
    let [x, y, _] = bend(from, to, style.side);
    [x, y, z]
}

/// Shifts the aim to the side by `side` meters per meter still to go.
pub fn bend(from: Vec3, to: Vec3, side: f64) -> Vec3 {
    // At a right angle to the way, in proportion to its length: the path still ends at `to`.
    let dx = to[0] - from[0];
    let dy = to[1] - from[1];
    [to[0] - side * dy, to[1] + side * dx, to[2]]
}

/// Moves the hand so that the key point of the body in it goes from `key` to `to`, and the body
/// turns by `by`.
pub fn lead(now: &Moment, key: Vec3, to: Vec3, by: &Matrix, style: &ExpertStyle) -> Action {
    // The hand goes around the key point, no further at a time than it turns and moves.
    let arm = minus(now.at(), key);
    let most = style.speed * LEAD.min(REACH / norm(arm).max(1e-3));
    let whole = axis_angle(by);
    let by = about(scaled(whole, most / norm(whole).max(most)));
    let turn = product(&by, &now.turn());
    steer(now, plus(to, turned(&by, arm)), &turn, CLOSED, style)
}

/// Lets go where the hand is, and draws it back along `way` (m) once the fingers are apart by
/// `open` (m).
pub fn release(now: &Moment, open: f64, way: Vec3, style: &ExpertStyle) -> Action {
    let to = if now.opening() < open {
        now.at()
    } else {
        plus(now.at(), way)
    };
    steer(now, to, &now.turn(), OPEN, style)
}

/// Proportional control towards a place and a rotation of the hand.
pub fn steer(now: &Moment, to: Vec3, turn: &Matrix, gripper: f64, style: &ExpertStyle) -> Action {
    let way = scaled(minus(to, now.at()), GAIN);
    let by = scaled(axis_angle(&turn_between(&now.turn(), turn)), TURN_GAIN);
    let [x, y, z] = limited(way, style.speed);
    let [roll, pitch, yaw] = limited(by, style.speed);
    [x, y, z, roll, pitch, yaw, gripper]
}

/// A vector none of whose numbers is beyond `most`, in the same direction.
fn limited(a: Vec3, most: f64) -> Vec3 {
    let largest = a.iter().fold(most, |m, v| m.max(v.abs()));
    scaled(a, most / largest)
}
