//! How well the fingers enclose an object: the part that most dense rewards share; after
//! `_gripper_caging_reward` of `metaworld/sawyer_xyz_env.py`, and after what some tasks have in its
//! place.

use super::reward::{distance, distance_along, hamacher, near, tolerance};
use super::task::Now;

/// What the reward for enclosing an object is made of besides the product of enclosing and
/// pressing.
pub enum Density {
    /// Nothing.
    Low,
    /// Enclosing alone, too.
    High,
    /// Being as near as this, in meters, too.
    Medium(f64),
}

/// The sizes by which enclosing an object is measured, in meters.
pub struct Cage {
    /// Half the object's width.
    pub radius: f64,
    /// How far a pad may be beside the object.
    pub pad: f64,
    /// How far the fingers may be off in x and z.
    pub xz: f64,
    /// The fourth number of an action that counts as pressing fully.
    pub effort: f64,
    /// What else counts.
    pub density: Density,
}

impl Cage {
    /// A cage with full effort and high density.
    pub const fn new(radius: f64, pad: f64, xz: f64) -> Self {
        Self {
            radius,
            pad,
            xz,
            effort: 1.0,
            density: Density::High,
        }
    }
}

/// How well the fingers enclose `object` and press it.
pub fn caging(now: &Now, object: [f64; 3], cage: &Cage) -> f64 {
    caging_from(now, object, now.start.object, cage)
}

/// The same for an object that began the episode at `first`.
pub fn caging_from(now: &Now, object: [f64; 3], first: [f64; 3], cage: &Cage) -> f64 {
    let beside = |pad: f64| {
        tolerance(
            (pad - object[1]).abs(),
            (cage.radius, cage.pad),
            ((pad - first[1]).abs() - cage.pad).abs(),
        )
    };
    let [left, right] = now.arm.pads().map(beside);
    let caging = hamacher(hamacher(left, right), in_xz(now, object, first, cage.xz));
    let pressing = now.grip.clamp(0.0, cage.effort) / cage.effort;
    let both = hamacher(caging, if caging > 0.97 { pressing } else { 0.0 });
    match cage.density {
        Density::Low => both,
        Density::High => (both + caging) / 2.0,
        Density::Medium(reach) => {
            let margin = (distance(first, now.start.fingers) - reach).abs();
            (both + near(distance(object, now.arm.between_fingers()), reach, margin)) / 2.0
        }
    }
}

/// How near the fingers are to the object in x and z.
fn in_xz(now: &Now, object: [f64; 3], first: [f64; 3], within: f64) -> f64 {
    let margin = distance_along(1, first, now.start.fingers) - within;
    near(
        distance_along(1, now.arm.between_fingers(), object),
        within,
        margin,
    )
}

/// The distance of a pad from an object, in meters, up to which it encloses it.
const BESIDE: f64 = 0.05;

/// How well both pads are beside the object, no farther than `most`. What upstream keeps as the
/// pads' first places moves along with the pads (the arrays are views of the simulation), so the
/// margins are taken from where they are now.
fn between_pads(now: &Now, object: [f64; 3], radius: f64, most: f64) -> f64 {
    let [left, right] = now.arm.pads();
    let beside = |pad: f64, gap: f64| {
        tolerance(
            gap,
            (radius, most),
            ((object[1] - pad).abs() - BESIDE).abs(),
        )
    };
    hamacher(
        beside(left, left - object[1]),
        beside(right, object[1] - right),
    )
}

/// How well the fingers enclose the object, as pick-place has it.
pub fn enclosing(now: &Now, object: [f64; 3], radius: f64, xz: f64) -> f64 {
    hamacher(
        between_pads(now, object, radius, BESIDE),
        in_xz(now, object, now.start.object, xz),
    )
}

/// How well the fingers enclose the object and pinch it to `spare` meters, whatever the action was.
pub fn pinching(now: &Now, radius: f64, spare: f64, xz: f64) -> f64 {
    let object = now.seen.object;
    let caging = enclosing(now, object, radius, xz);
    let pinched = if caging > 0.95 {
        between_pads(now, object, radius, radius + spare)
    } else {
        0.0
    };
    (caging + pinched) / 2.0
}
