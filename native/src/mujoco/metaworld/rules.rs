//! What tells the tasks apart.

use super::reward::distance;
use super::sawyer::Sawyer;
use protege_core::Result;
use protege_core::rng::Rng;
use serde::{Deserialize, Serialize};

/// A task, as data. Lengths are in metres.
pub struct Task {
    /// `metaworld/name`.
    pub id: &'static str,
    /// The file of its scene.
    pub scene: &'static str,
    /// Where the hand starts.
    pub hand: [f64; 3],
    /// The least random vector: the object's place, then the goal's.
    pub low: [f64; 6],
    /// The greatest random vector.
    pub high: [f64; 6],
    /// Object and goal start at least so far from each other in the plane.
    pub apart: f64,
    /// Whether the hand comes to its place in the same way before every episode, bit for bit, since it touches nothing that
    /// [`Rules::arrange`] moves, and nothing that it touches does.
    pub settles_alike: bool,
    /// Binds the rules to a scene.
    pub bind: fn(&Sawyer) -> Result<Box<dyn Rules>>,
}

impl Task {
    /// Draws a random vector as upstream does: uniformly, until object and goal are far enough from each other.
    pub fn draw(&self, rng: &mut Rng) -> [f64; 6] {
        loop {
            let drawn = std::array::from_fn(|i| rng.range(self.low[i], self.high[i]));
            let start = Start::new(drawn);
            if planar(start.object, start.goal) >= self.apart {
                return drawn;
            }
        }
    }
}

/// How an episode began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Where the object was to be, in metres.
    pub object: [f64; 3],
    /// Where it belongs.
    pub goal: [f64; 3],
    /// Where the point between the fingertips was.
    pub fingers: [f64; 3],
}

impl Start {
    /// From a random vector.
    pub fn new([x, y, z, gx, gy, gz]: [f64; 6]) -> Self {
        Self { object: [x, y, z], goal: [gx, gy, gz], fingers: [0.0; 3] }
    }
}

/// What the first numbers of an observation mean, and its last.
pub struct Seen {
    /// Where the hand is, in metres.
    pub hand: [f64; 3],
    /// How far the gripper is open, 0 to 1.
    pub open: f64,
    /// Where the object is.
    pub object: [f64; 3],
    /// How it is turned.
    pub rotation: [f64; 4],
    /// Where it belongs.
    pub goal: [f64; 3],
}

impl Seen {
    /// 1 when lid or ring lie as they should, falling to 0 over an error of `reach` of the quaternion.
    pub fn upright(&self, reach: f64) -> f64 {
        (1.0 - distance(self.rotation, [0.707, 0.0, 0.0, 0.707]) / reach).max(0.0)
    }
}

/// The rules of one task. The arm is passed in.
pub trait Rules: Send {
    /// Moves what no joint moves, before the hand is brought to its place. Upstream does so between its two resets.
    fn arrange(&self, arm: &mut Sawyer, start: &Start);
    /// Puts the object to its place, after the hand was brought to its own.
    fn put(&self, arm: &mut Sawyer, start: &Start) {
        arm.put_object(start.object);
    }
    /// Where the object is and how it is turned, as it is observed.
    fn object(&self, arm: &Sawyer) -> ([f64; 3], [f64; 4]);
    /// Whether the success rule holds now.
    fn success(&self, arm: &Sawyer, start: &Start) -> bool;
    /// Upstream's dense reward (`v2`), in [0, 10], where `grip` is the fourth number of the action that led here.
    fn dense_reward(&self, arm: &Sawyer, start: &Start, seen: &Seen, grip: f64) -> f64;
    /// What upstream's scripted policy does; not clipped.
    fn expert(&self, seen: &Seen) -> [f64; 4];
}

/// The distance of two points as seen from above.
pub fn planar([ax, ay, _]: [f64; 3], [bx, by, _]: [f64; 3]) -> f64 {
    distance([ax, ay], [bx, by])
}

/// The distance of two points, where z counts threefold.
pub fn weighted([ax, ay, az]: [f64; 3], [bx, by, bz]: [f64; 3]) -> f64 {
    distance([ax, ay, 3.0 * az], [bx, by, 3.0 * bz])
}

/// A point `by` above another.
pub fn raised([x, y, z]: [f64; 3], by: f64) -> [f64; 3] {
    [x, y, z + by]
}

/// The action that moves the hand in proportion to the way to go.
pub fn towards(hand: [f64; 3], target: [f64; 3], gain: f64, grip: f64) -> [f64; 4] {
    let [x, y, z] = std::array::from_fn(|i| gain * (target[i] - hand[i]));
    [x, y, z, grip]
}
