//! The scripted demonstrator: stages inferred from positions, proportional control within a stage,
//! as in Meta-World's policies.

use super::tabletop::{ACT, View, distance_xy};
use crate::rng::Rng;
use crate::sim::Vec3;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The style of a demonstrator. Two styles solve a task along different paths, so that
/// demonstrations of several are multimodal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExpertStyle {
    /// Largest hand action, 0.05 to 1; 1 is 0.8 m/s. Default 1.
    pub speed: f64,
    /// Standard deviation of the Gaussian noise added to every action, 0 to 2. Default 0.
    pub noise: f64,
    /// Meters above the object from which it is approached, 0.02 to 0.2. Default 0.06.
    pub height: f64,
    /// Meters by which the object is carried higher than it needs, 0 to 0.2. Default 0.
    pub lift: f64,
    /// Sideways bend of the horizontal paths: meters aside per meter to go; positive bends to the
    /// left; -1 to 1. Default 0.
    pub side: f64,
    /// Meters above the object's grip point where it is held, -0.01 to 0.02. Default 0.
    pub grasp: f64,
}

impl Default for ExpertStyle {
    fn default() -> Self {
        Self {
            speed: 1.0,
            noise: 0.0,
            height: 0.06,
            lift: 0.0,
            side: 0.0,
            grasp: 0.0,
        }
    }
}

impl ExpertStyle {
    /// The style, if every value is in its range.
    ///
    /// # Errors
    /// When one is not.
    pub fn checked(self) -> Result<Self> {
        let ranges = [
            ("speed", self.speed, 0.05, 1.0),
            ("noise", self.noise, 0.0, 2.0),
            ("height", self.height, 0.02, 0.2),
            ("lift", self.lift, 0.0, 0.2),
            ("side", self.side, -1.0, 1.0),
            ("grasp", self.grasp, -0.01, 0.02),
        ];
        let wrong = ranges
            .into_iter()
            .find(|&(_, value, low, high)| !(low..=high).contains(&value));
        wrong.map_or(Ok(self), |(name, value, low, high)| {
            Err(Error::input(format!(
                "the expert's `{name}` is {value}; it must lie between {low} and {high}"
            )))
        })
    }

    /// A random demonstrator, without noise.
    pub fn sample(rng: &mut Rng) -> Self {
        Self {
            speed: rng.range(0.5, 1.0),
            noise: 0.0,
            height: rng.range(0.05, 0.1),
            lift: rng.range(0.0, 0.06),
            side: rng.range(-0.6, 0.6),
            grasp: rng.range(-0.003, 0.006),
        }
    }
}

/// Action per meter of distance, as in Meta-World's policies.
const GAIN: f64 = 10.0;
/// The gripper's action when it should be open, and closed.
const OPEN: f64 = -1.0;
const CLOSED: f64 = 1.0;

/// The action that fetches an object which is not in the hand yet; `None` once it is.
///
/// `gripped` is the opening below which the fingers can only be on the object.
pub(super) fn fetch(view: &View, style: &ExpertStyle, gripped: f64) -> Option<[f64; ACT]> {
    let [x, y, z] = view.object.position;
    let grip = [x, y, z + style.grasp];
    let within = distance_xy(view.hand, grip) < 0.015 && view.hand[2] - grip[2] < 0.012;
    if within && view.opening <= gripped {
        return None;
    }
    // At the object the hand stays and closes; else it comes down, open.
    let to = if within {
        grip
    } else {
        funnel(view.hand, grip, style.height, 0.03, style)
    };
    Some(steer(view, to, if within { CLOSED } else { OPEN }, style))
}

/// Moves the object in the hand so that its key point goes to `to`.
pub(super) fn carry(view: &View, to: Vec3, style: &ExpertStyle) -> [f64; ACT] {
    // The extra height fades out over the last 10 cm.
    let arc = style.lift * (distance_xy(view.key, to) / 0.1).min(1.0);
    let [x, y, z] = bend(view.key, to, style.side);
    lead(view, [x, y, z + arc], style)
}

/// Moves the object in the hand so that its key point comes down onto `to` from `height` above it;
/// `width` is how far from the axis (m) it starts to sink.
pub(super) fn put_down(
    view: &View,
    to: Vec3,
    height: f64,
    width: f64,
    style: &ExpertStyle,
) -> [f64; ACT] {
    lead(
        view,
        funnel(view.key, to, height + style.lift, width, style),
        style,
    )
}

/// The next waypoint on the way down to `to`: within a funnel that is `height` high and `width`
/// wide. A hand below it rises first, so that nothing is swept aside.
fn funnel(from: Vec3, to: Vec3, height: f64, width: f64, style: &ExpertStyle) -> Vec3 {
    // Within a quarter of the width the funnel's floor is `to` itself.
    let inner = 0.25 * width;
    let share = ((distance_xy(from, to) - inner) / (width - inner)).clamp(0.0, 1.0);
    let z = to[2] + share * height;
    // With slack: on the funnel itself the hand does not stop to rise.
    if from[2] < to[2] + 0.85 * share * height {
        return [from[0], from[1], z];
    }
    let [x, y, _] = bend(from, to, style.side);
    [x, y, z]
}

/// Moves the hand by the key point's distance to `to`, gripping.
pub(super) fn lead(view: &View, to: Vec3, style: &ExpertStyle) -> [f64; ACT] {
    let hand = [0, 1, 2].map(|i| view.hand[i] + to[i] - view.key[i]);
    steer(view, hand, CLOSED, style)
}

/// Proportional control towards `to`.
fn steer(view: &View, to: Vec3, gripper: f64, style: &ExpertStyle) -> [f64; ACT] {
    let [dx, dy, dz] =
        [0, 1, 2].map(|i| (GAIN * (to[i] - view.hand[i])).clamp(-style.speed, style.speed));
    [dx, dy, dz, gripper]
}

/// Shifts the aim to the side by `side` meters per meter still to go.
fn bend(from: Vec3, to: Vec3, side: f64) -> Vec3 {
    // At a right angle to the way, in proportion to its length: the path still ends at `to`.
    let dx = to[0] - from[0];
    let dy = to[1] - from[1];
    [to[0] - side * dy, to[1] + side * dx, to[2]]
}
