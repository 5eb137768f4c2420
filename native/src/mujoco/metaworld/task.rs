//! What tells the tasks apart, as data: a table entry for each, whose rules are plain functions.

use super::reward::distance;
use super::sawyer::{LEAD_LOW, Part, Sawyer};
use protege_core::env::Spec;
use protege_core::obs::ObsSpec;
use protege_core::rng::Rng;
use serde::{Deserialize, Serialize};

/// Control steps after which an episode ends (`max_path_length`).
const HORIZON: usize = 500;

/// Where something is and how it is turned.
pub type Pose = ([f64; 3], [f64; 4]);

/// A task. Lengths are in meters.
pub struct Task {
    /// `metaworld/name`.
    pub id: &'static str,
    /// One sentence that says what is to be done.
    pub about: &'static str,
    /// Share of 50 random starts that upstream's scripted policy solves here, without noise.
    pub expert_success: f64,
    /// The file of its scene in `metaworld/assets/sawyer_xyz`.
    pub scene: &'static str,
    /// What the rules speak of, by number.
    pub parts: &'static [Part],
    /// Where the hand starts.
    pub hand: [f64; 3],
    /// How far the hand can be led to the left, to the front and down.
    pub lead_low: [f64; 3],
    /// The least random vector: three numbers, or the object's place and then the goal's.
    pub low: &'static [f64],
    /// The greatest random vector.
    pub high: &'static [f64],
    /// Object and goal start at least so far from each other in the plane.
    pub apart: f64,
    /// Whether the hand comes to its place in the same way before every episode, bit for bit, since
    /// it touches nothing that [`Task::arrange`] moves, and nothing that it touches does.
    pub settles_alike: bool,
    /// Moves what no joint moves, before the hand is brought to its place, and says where the goal
    /// is. Upstream does so between its two resets.
    pub arrange: fn(&mut Sawyer, &mut Start),
    /// Puts the object to its place, after the hand was brought to its own, and measures what the
    /// reward will be measured by.
    pub put: fn(&mut Sawyer, &mut Start),
    /// The object as it is observed.
    pub object: fn(&Sawyer) -> Pose,
    /// The second object as it is observed, where there is one.
    pub other: fn(&Sawyer) -> Pose,
    /// Whether the success rule holds.
    pub success: fn(&Now) -> bool,
    /// Upstream's dense reward (`v2`), in [0, 10].
    pub reward: fn(&Now) -> f64,
    /// What upstream's scripted policy does; not clipped.
    pub expert: fn(&Seen) -> [f64; 4],
}

impl Task {
    /// What tasks have unless they say otherwise: a free object, put where the random vector says.
    pub const USUAL: Self = Self {
        id: "",
        about: "",
        expert_success: 0.0,
        scene: "",
        parts: &[],
        hand: [0.0, 0.6, 0.2],
        lead_low: LEAD_LOW,
        low: &[],
        high: &[],
        apart: 0.0,
        settles_alike: false,
        arrange: |_, _| {},
        put: |arm, start| arm.put_object(start.object),
        object: |arm| (arm.at(0), arm.quaternion(0)),
        other: |_| ([0.0; 3], [0.0; 4]),
        success: |_| false,
        reward: |_| 0.0,
        expert: |_| [0.0; 4],
    };

    /// Name and sizes.
    pub fn spec(&self) -> Spec {
        Spec {
            id: self.id.into(),
            obs: ObsSpec::of_state(39),
            act: 4,
            horizon: HORIZON,
        }
    }

    /// Draws a random vector as upstream does: uniformly, until object and goal are far enough from
    /// each other.
    pub fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        loop {
            let drawn: Vec<f64> = self
                .low
                .iter()
                .zip(self.high)
                .map(|(&low, &high)| rng.range(low, high))
                .collect();
            let start = Start::new(&drawn);
            if planar(start.object, start.goal) >= self.apart {
                return drawn;
            }
        }
    }
}

/// How an episode began. Lengths are in meters.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Start {
    /// Where the object was to be.
    pub object: [f64; 3],
    /// Where it belongs.
    pub goal: [f64; 3],
    /// Where the point between the fingertips was.
    pub fingers: [f64; 3],
    /// Where another part was that the reward is measured by: a handle, a button, the peg's head,
    /// the stick.
    pub handle: [f64; 3],
    /// Where the object was after the first step.
    pub first: [f64; 3],
}

impl Start {
    /// From a random vector: its first three numbers, and its last three.
    pub fn new(vector: &[f64]) -> Self {
        let [object, goal] = [vector.first_chunk(), vector.last_chunk()]
            .map(|place| place.copied().unwrap_or_default());
        Self {
            object,
            goal,
            ..Self::default()
        }
    }
}

/// What the first numbers of an observation mean, and its last.
pub struct Seen {
    /// Where the hand is, in meters.
    pub hand: [f64; 3],
    /// How far the gripper is open, 0 to 1.
    pub open: f64,
    /// Where the object is.
    pub object: [f64; 3],
    /// How it is turned.
    pub rotation: [f64; 4],
    /// Where the second object is.
    pub other: [f64; 3],
    /// Where the object belongs.
    pub goal: [f64; 3],
}

impl Seen {
    /// 1 when the object lies turned as it should, falling to 0 over an error of `reach` of the
    /// quaternion.
    pub fn upright(&self, ideal: [f64; 4], reach: f64) -> f64 {
        (1.0 - distance(self.rotation, ideal) / reach).max(0.0)
    }
}

/// A moment that is judged.
pub struct Now<'a> {
    /// The task.
    pub task: &'a Task,
    /// The scene.
    pub arm: &'a Sawyer,
    /// How the episode began.
    pub start: &'a Start,
    /// What is observed.
    pub seen: &'a Seen,
    /// The fourth number of the action that led here.
    pub grip: f64,
}

impl Now<'_> {
    /// How far the object is from where it belongs.
    pub fn to_goal(&self) -> f64 {
        distance(self.seen.object, self.start.goal)
    }

    /// How far the point between the fingertips is from the object.
    pub fn to_object(&self) -> f64 {
        distance(self.seen.object, self.arm.between_fingers())
    }

    /// Whether the object is `near` the fingers, which are not quite shut, and more than 1 cm above
    /// where it started.
    pub fn holds(&self, near: f64) -> bool {
        self.to_object() < near
            && self.seen.open > 0.0
            && self.seen.object[2] - 0.01 > self.start.object[2]
    }
}

/// A place that upstream keeps in 32 bits.
pub const fn narrow([x, y, z]: [f64; 3]) -> [f64; 3] {
    [x as f32 as f64, y as f32 as f64, z as f32 as f64]
}

/// The distance of two points as seen from above.
pub fn planar([ax, ay, _]: [f64; 3], [bx, by, _]: [f64; 3]) -> f64 {
    distance([ax, ay], [bx, by])
}

/// The distance of two points, where the axes count by `scale`.
pub fn scaled(a: [f64; 3], b: [f64; 3], scale: [f64; 3]) -> f64 {
    let weigh = |p: [f64; 3]| -> [f64; 3] { std::array::from_fn(|i| p[i] * scale[i]) };
    distance(weigh(a), weigh(b))
}

/// The sum of two vectors.
pub fn plus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    std::array::from_fn(|i| a[i] + b[i])
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

/// Whether the hand is over a point, no farther from it than `beside` in the plane, and how far
/// above or below it is at most.
pub fn is_at(hand: [f64; 3], point: [f64; 3], beside: f64, above: f64) -> bool {
    planar(hand, point) <= beside && (hand[2] - point[2]).abs() <= above
}

/// Where the hand goes: to the point `lift` above another until it is over it, then down, and once
/// there, on to `then`.
pub fn descend(
    hand: [f64; 3],
    point: [f64; 3],
    (beside, above): (f64, f64),
    lift: f64,
    then: [f64; 3],
) -> [f64; 3] {
    if planar(hand, point) > beside {
        raised(point, lift)
    } else if (hand[2] - point[2]).abs() > above {
        point
    } else {
        then
    }
}
