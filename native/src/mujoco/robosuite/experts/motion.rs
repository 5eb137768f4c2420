//! What the experts share: fetching, carrying and laying down.

use super::geometry::{
    Rotation, about, axis_angle, column, cross, distance_xy, dot, minus, norm, of_columns, plus, product,
    scaled, transposed, turned, unit,
};
use super::{Action, Moment};
use protege_core::sim::Vec3;
use protege_core::tasks::ExpertStyle;

/// Action per meter of distance. 20 sets the controller's goal onto the target; with more it leads,
/// which makes up for its lag.
const GAIN: f64 = 20.0;
/// Action per radian to turn; 2 sets the controller's goal onto the target.
const TURN_GAIN: f64 = 2.0;
/// Radians by which a style's unit of `side` turns the hand that fetches.
pub const LEAN: f64 = 0.8;
/// Radians by which a hand at full speed turns ahead, at most: `TURN_GAIN` does not cut it.
const LEAD: f64 = 0.5;
/// The gripper's action when it should be open, and closed.
pub const OPEN: f64 = -1.0;
pub const CLOSED: f64 = 1.0;

/// How something is taken.
pub struct Grasp {
    /// Where the hand goes, m.
    pub at: Vec3,
    /// Where its fingers point: the rotation of the hand.
    pub turn: Rotation,
    /// The opening (m) with the object in the hand, at least and at most.
    pub held: [f64; 2],
    /// The opening (m) with which the hand comes down, at least.
    pub open: f64,
}

/// The hand, pointing down, with its fingers moving along the horizontal part of `axis`.
pub fn downward(axis: Vec3) -> Rotation {
    let x = unit([axis[0], axis[1], 0.0]);
    let z = [0.0, 0.0, -1.0];
    of_columns(x, cross(z, x), z)
}

/// Of some axes, and their opposites, the one nearest to the way in which the hand's fingers move
/// at the start, turned by `lean` (rad).
pub fn easiest(axes: &[Vec3], lean: f64) -> Vec3 {
    let (sine, cosine) = lean.sin_cos();
    let preferred = [-sine, cosine, 0.0];
    let signed = axes
        .iter()
        .map(|&axis| if dot(axis, preferred) < 0.0 { scaled(axis, -1.0) } else { axis });
    let best = signed.max_by(|a, b| dot(*a, preferred).total_cmp(&dot(*b, preferred)));
    best.unwrap_or(preferred)
}

/// The action that takes an object; `None` once it is in the hand.
pub fn fetch(now: &Moment<'_>, grasp: &Grasp, style: &ExpertStyle) -> Option<Action> {
    let away = minus(now.hand, grasp.at);
    let aside = away[0].hypot(away[1]);
    let crooked = norm(axis_angle(&product(&grasp.turn, &transposed(&now.turn))));
    let [least, most] = grasp.held;
    let holds = (least..=most).contains(&now.opening);
    if holds && aside < 0.02 && away[2].abs() < 0.02 {
        return None;
    }
    let closing = now.opening < grasp.open;
    let slack = if closing { 2.0 } else { 1.0 };
    let there = aside < 0.008 * slack && away[2].abs() < 0.008 * slack && crooked < 0.1 * slack;
    if there && now.opening >= least {
        return Some(steer(now, grasp.at, &grasp.turn, CLOSED, style));
    }
    // The funnel's floor is the object only for a hand that is open and turned.
    let ready = !closing && crooked < 0.15;
    let height = style.height;
    let to = if ready || aside > 0.03 {
        funnel(now.hand, grasp.at, height, 0.03, style)
    } else {
        [grasp.at[0], grasp.at[1], now.hand[2].max(grasp.at[2] + 0.6 * height)]
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

/// The same, but what is further than `clear` (m) from the axis rises on its way.
pub fn over(
    from: Vec3,
    to: Vec3,
    height: f64,
    width: f64,
    clear: f64,
    style: &ExpertStyle,
) -> Vec3 {
    if distance_xy(from, to) < clear {
        return funnel(from, to, height, width, style);
    }
    let [x, y, _] = bend(from, to, style.side);
    [x, y, to[2] + height]
}

/// Moves the hand so that the body in it, whose key point is at `key`, brings that point to `to`
/// and turns by `by`.
pub fn lead(now: &Moment<'_>, key: Vec3, to: Vec3, by: &Rotation, style: &ExpertStyle) -> Action {
    // The hand goes around the key point, no further at a time than it turns.
    let whole = axis_angle(by);
    let part = LEAD * style.speed / norm(whole).max(LEAD * style.speed);
    let by = about(scaled(whole, part));
    let arm = turned(&by, minus(now.hand, key));
    let turn = product(&by, &now.turn);
    steer(now, plus(to, arm), &turn, CLOSED, style)
}

/// Lets go where the hand is, and rises once the fingers are apart by `open` (m).
pub fn release(now: &Moment<'_>, open: f64, style: &ExpertStyle) -> Action {
    let rise = if now.opening < open { 0.0 } else { 0.1 };
    steer(now, plus(now.hand, [0.0, 0.0, rise]), &now.turn, OPEN, style)
}

/// Proportional control towards a place and a rotation of the hand.
pub fn steer(
    now: &Moment<'_>,
    to: Vec3,
    turn: &Rotation,
    gripper: f64,
    style: &ExpertStyle,
) -> Action {
    let [x, y, z] = limited(scaled(minus(to, now.hand), GAIN), style.speed);
    let by = axis_angle(&product(turn, &transposed(&now.turn)));
    let [roll, pitch, yaw] = limited(scaled(by, TURN_GAIN), style.speed);
    [x, y, z, roll, pitch, yaw, gripper]
}

/// A vector none of whose numbers is beyond `most`, in the same direction.
fn limited(a: Vec3, most: f64) -> Vec3 {
    let largest = a.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    if largest <= most {
        return a;
    }
    scaled(a, most / largest)
}

/// Shifts the aim to the side by `side` meters per meter still to go.
fn bend(from: Vec3, to: Vec3, side: f64) -> Vec3 {
    // At a right angle to the way, in proportion to its length: the path still ends at `to`.
    let dx = to[0] - from[0];
    let dy = to[1] - from[1];
    [to[0] - side * dy, to[1] + side * dx, to[2]]
}

/// The two level axes of a body that stands on one of its faces: those of its three that lie
/// flattest.
pub fn level_axes(turn: &Rotation) -> [Vec3; 2] {
    let mut axes = [0, 1, 2].map(|i| column(turn, i));
    axes.sort_by(|a, b| a[2].abs().total_cmp(&b[2].abs()));
    [axes[0], axes[1]]
}
