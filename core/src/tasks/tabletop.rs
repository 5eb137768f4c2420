//! The common part of the table-top tasks: a gantry hand with two fingers, the observation and the
//! action of Meta-World's Sawyer tasks.
//!
//! Observation, 39 numbers: the current frame (18), the previous frame (18), the goal (3). A frame
//! is the hand's position (3, m), the gripper's opening (1; 0 closed, 1 open), the object's
//! position (3, m) and quaternion (4, w first, w >= 0), and the same of a second object (7), or
//! zeros where there is none.
//!
//! Action, 4 numbers in [-1, 1]: three move the hand's target by at most 1 cm per control step; the
//! last opens (-1) or closes (1) the gripper, with a force that grows with it.

use super::{ExpertStyle, Task};
use crate::rng::Rng;
use crate::sim::{Id, Pose, Sim, Vec3};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Length of an observation.
pub(super) const OBS: usize = 2 * FRAME + 3;
/// Length of an action.
pub(super) const ACT: usize = 4;
/// Physics steps per control step: 4 x 3.125 ms, Meta-World's 80 Hz.
pub(super) const SUBSTEPS: usize = 4;

const FRAME: usize = 18;
/// Start of the hand (m): the zero of its three slides.
const HOME: Vec3 = [0.0, 0.6, 0.2];
/// The hand's target stays within these corners (m).
const LOW: Vec3 = [-0.3, 0.4, 0.015];
const HIGH: Vec3 = [0.3, 0.95, 0.35];
/// Meters that the hand's target moves per control step at full action.
pub const STRIDE: f64 = 0.01;
/// Meters that a finger travels from open to closed.
const FINGER_TRAVEL: f64 = 0.045;
/// A finger's furthest target (m): beyond closed, so that it presses.
const FINGER_PRESS: f64 = 0.06;

/// The joints of a task's own that its rules can name, at most.
const JOINTS: usize = 2;

/// A random start.
pub(super) struct Start {
    /// Pose of the object; none for one that hangs on joints, which comes with the target.
    pub(crate) object: Option<Pose>,
    /// The goal, with which the observation ends (m).
    pub(crate) goal: Vec3,
    /// Position of the scene's `target` body: a fixture of the task, or the goal's marker.
    pub(crate) target: Vec3,
}

/// The state that the success rule and the expert read: no more than an observation has.
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// Between the finger pads (m).
    pub hand: Vec3,
    /// 0 closed, 1 open.
    pub opening: f64,
    /// The object's grip point and orientation.
    pub object: Pose,
    /// The second object, where there is one.
    pub second: Option<Pose>,
    /// The task's own joints (m or rad), in the order in which its rules name them; zeros beyond.
    /// They follow from the objects' poses.
    pub joints: [f64; JOINTS],
    /// The point of the object that has to reach the goal (m).
    pub key: Vec3,
    /// Meters.
    pub goal: Vec3,
}

/// The part in which table-top tasks differ.
pub(super) struct Rules {
    /// The body that is observed as the second object.
    pub(crate) second: Option<&'static str>,
    /// Joints that the success rule and the expert look at, two at most.
    pub(crate) joints: &'static [&'static str],
    pub(crate) start: fn(&mut Rng) -> Start,
    pub(crate) success: fn(&View) -> bool,
    pub(crate) expert: fn(&View, &ExpertStyle) -> [f64; ACT],
}

/// The scene's names, looked up.
struct Ids {
    rails: [Id; 3],
    fingers: [Id; 2],
    finger_joints: [Id; 2],
    grip: Id,
    object: Id,
    second: Option<Id>,
    joints: Vec<Id>,
    key: Id,
    target: Id,
}

/// State of a task between steps.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Memory {
    /// The hand's target (m).
    hand: Vec3,
    goal: Vec3,
    /// The latest frame.
    frame: Vec<f32>,
}

/// One table-top task.
pub(super) struct Tabletop {
    rules: &'static Rules,
    ids: Ids,
    memory: Memory,
}

impl Tabletop {
    pub(crate) fn build(rules: &'static Rules, sim: &dyn Sim) -> Result<Box<dyn Task>> {
        let ids = Ids {
            rails: [sim.actuator("x")?, sim.actuator("y")?, sim.actuator("z")?],
            fingers: [sim.actuator("left")?, sim.actuator("right")?],
            finger_joints: [sim.joint("left")?, sim.joint("right")?],
            grip: sim.site("grip")?,
            object: sim.body("object")?,
            second: rules.second.map(|name| sim.body(name)).transpose()?,
            joints: rules
                .joints
                .iter()
                .map(|name| sim.joint(name))
                .collect::<Result<_>>()?,
            key: sim.site("key")?,
            target: sim.body("target")?,
        };
        Ok(Box::new(Self {
            rules,
            ids,
            memory: Memory::default(),
        }))
    }

    fn view(&self, sim: &dyn Sim) -> View {
        // The mean of both fingers, as a share of their way.
        let closed = self
            .ids
            .finger_joints
            .iter()
            .map(|&j| sim.joint_position(j))
            .sum::<f64>()
            / (2.0 * FINGER_TRAVEL);
        let mut joints = [0.0; JOINTS];
        for (position, &joint) in joints.iter_mut().zip(&self.ids.joints) {
            *position = sim.joint_position(joint);
        }
        View {
            hand: sim.site_position(self.ids.grip),
            opening: (1.0 - closed).clamp(0.0, 1.0),
            object: sim.pose(self.ids.object),
            second: self.ids.second.map(|body| sim.pose(body)),
            joints,
            key: sim.site_position(self.ids.key),
            goal: self.memory.goal,
        }
    }
}

impl Task for Tabletop {
    fn start(&mut self, sim: &mut dyn Sim, rng: &mut Rng) {
        let start = (self.rules.start)(rng);
        if let Some(pose) = start.object {
            sim.set_pose(self.ids.object, pose);
        }
        sim.set_pose(self.ids.target, upright(start.target));
        self.memory = Memory {
            hand: HOME,
            goal: start.goal,
            frame: Vec::new(),
        };
    }

    fn act(&mut self, sim: &mut dyn Sim, action: &[f32]) {
        for (axis, &rail) in self.ids.rails.iter().enumerate() {
            let moved = self.memory.hand[axis] + f64::from(action[axis]) * STRIDE;
            self.memory.hand[axis] = moved.clamp(LOW[axis], HIGH[axis]);
            sim.set_target(rail, self.memory.hand[axis] - HOME[axis]);
        }
        // Open below -0.5, pressed above 0.5, linear between: noise on a full command changes
        // little.
        let finger = FINGER_PRESS * (0.5 + f64::from(action[3])).clamp(0.0, 1.0);
        self.ids
            .fingers
            .iter()
            .for_each(|&id| sim.set_target(id, finger));
    }

    fn observe(&mut self, sim: &dyn Sim) -> Vec<f32> {
        let now = frame(&self.view(sim));
        // The first frame of an episode counts as its own predecessor.
        let before = if self.memory.frame.is_empty() {
            &now
        } else {
            &self.memory.frame
        };
        let goal = self.memory.goal.map(|v| v as f32);
        let observation = [&now[..], &before[..], &goal[..]].concat();
        self.memory.frame = now;
        observation
    }

    fn success(&self, sim: &dyn Sim) -> bool {
        (self.rules.success)(&self.view(sim))
    }

    fn expert(&self, sim: &dyn Sim, style: &ExpertStyle) -> Vec<f32> {
        (self.rules.expert)(&self.view(sim), style)
            .iter()
            .map(|&a| a as f32)
            .collect()
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_allocvec(&self.memory).expect("plain numbers can be serialised into memory")
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let damaged = || Error::input("the saved task state is damaged; use another checkpoint");
        let memory: Memory = postcard::from_bytes(state).map_err(|_| damaged())?;
        if !memory.frame.is_empty() && memory.frame.len() != FRAME {
            return Err(damaged());
        }
        self.memory = memory;
        Ok(())
    }
}

/// Path of a hand from `from` under a chunk of actions (rows of four numbers): that point, and one
/// more per action (m). Contacts on the way are not considered.
pub fn hand_path(from: Vec3, chunk: &[f32]) -> Vec<Vec3> {
    let mut path = vec![from];
    let mut hand = from;
    for action in chunk.chunks_exact(ACT) {
        for axis in 0..3 {
            hand[axis] = (hand[axis] + f64::from(action[axis].clamp(-1.0, 1.0)) * STRIDE)
                .clamp(LOW[axis], HIGH[axis]);
        }
        path.push(hand);
    }
    path
}

/// 18 numbers; see the head of this file.
fn frame(view: &View) -> Vec<f32> {
    let mut frame = view.hand.to_vec();
    frame.push(view.opening);
    frame.extend(shown(view.object));
    frame.extend(view.second.map_or([0.0; 7], shown));
    frame.iter().map(|&v| v as f32).collect()
}

/// A pose as observed: position and quaternion. A quaternion and its negative are one rotation; the
/// one with w >= 0 stands for both.
fn shown(Pose { position, rotation }: Pose) -> [f64; 7] {
    let [x, y, z] = position;
    let sign = if rotation[0] < 0.0 { -1.0 } else { 1.0 };
    let [qw, qx, qy, qz] = rotation.map(|v| sign * v);
    [x, y, z, qw, qx, qy, qz]
}

/// Standing straight at `position`.
pub(super) fn upright(position: Vec3) -> Pose {
    Pose {
        position,
        rotation: [1.0, 0.0, 0.0, 0.0],
    }
}

/// Standing at `position`, turned by `yaw` (rad) about the vertical.
pub(super) fn turned(position: Vec3, yaw: f64) -> Pose {
    Pose {
        position,
        rotation: [libm::cos(yaw / 2.0), 0.0, 0.0, libm::sin(yaw / 2.0)],
    }
}

/// Distance in the horizontal plane (m).
pub(super) fn distance_xy(a: Vec3, b: Vec3) -> f64 {
    libm::hypot(a[0] - b[0], a[1] - b[1])
}

/// Distance (m).
pub(super) fn distance(a: Vec3, b: Vec3) -> f64 {
    libm::hypot(distance_xy(a, b), a[2] - b[2])
}
