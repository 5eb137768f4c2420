//! What tells the tasks apart: starts, observations, success (robosuite 1.5.2:
//! environments/manipulation/*.py).

mod can;
mod door;
mod lift;
mod square;
mod stack;
mod tool_hang;

use super::experts::{self, Expert};
use super::observe::{OBJECT, ROBOT};
use super::transforms::{Pose, minus, norm, scalar_last};
use crate::mujoco::Plant;
use protege_core::env::Spec;
use protege_core::obs::ObsSpec;
use protege_core::rng::Rng;
use protege_core::{Error, Result};

/// What tells a task apart for the rest of the program.
pub struct Info {
    /// `robosuite/name`.
    pub id: &'static str,
    /// One sentence that says what is to be done.
    pub about: &'static str,
    /// Length of what is observed of objects.
    objects: usize,
    /// Control steps after which an episode ends.
    horizon: usize,
    pub expert: Expert,
    /// Share of 200 random starts (`tool-hang`: of 60) that the expert solves without noise.
    pub expert_success: f64,
    find: fn(&Plant) -> Result<Box<dyn Task>>,
}

impl Info {
    /// Name and sizes.
    pub fn spec(&self) -> Spec {
        Spec {
            id: self.id.into(),
            obs: ObsSpec::of_state(ROBOT + self.objects),
            act: super::arm::ACTION,
            horizon: self.horizon,
        }
    }

    /// The task in its scene.
    ///
    /// # Errors
    /// When the scene lacks something of it.
    pub fn task(&self, plant: &Plant) -> Result<Box<dyn Task>> {
        (self.find)(plant)
    }
}

/// Horizons are those of robomimic's published experiments; it has none for `stack`, which has the
/// same as the other tasks of its kind, and none for `door`, which has that of robosuite's own
/// benchmark (ARISE-Initiative/robosuite-benchmark).
pub const TASKS: [Info; 6] = [
    Info {
        id: "robosuite/lift",
        about: "Lift the cube from the table.",
        objects: 10,
        horizon: 400,
        expert: experts::lift,
        expert_success: 1.0,
        find: |plant| Ok(Box::new(lift::Lift::find(plant)?)),
    },
    Info {
        id: "robosuite/can",
        about: "Put the can into its compartment of the other bin.",
        objects: OBJECT,
        horizon: 400,
        expert: experts::can,
        expert_success: 1.0,
        find: |plant| Ok(Box::new(can::Can::find(plant)?)),
    },
    Info {
        id: "robosuite/square",
        about: "Put the square nut over the square peg.",
        objects: OBJECT,
        horizon: 400,
        expert: experts::square,
        expert_success: 1.0,
        find: |plant| Ok(Box::new(square::Square::find(plant)?)),
    },
    Info {
        id: "robosuite/stack",
        about: "Put the red cube onto the green one.",
        objects: 23,
        horizon: 400,
        expert: experts::stack,
        expert_success: 1.0,
        find: |plant| Ok(Box::new(stack::Stack::find(plant)?)),
    },
    Info {
        id: "robosuite/tool-hang",
        about: "Put the hook into its stand and hang the wrench on it.",
        objects: 3 * OBJECT + 2,
        horizon: 700,
        expert: experts::tool_hang,
        expert_success: 1.0,
        find: |plant| Ok(Box::new(tool_hang::ToolHang::find(plant)?)),
    },
    Info {
        id: "robosuite/door",
        about: "Turn the handle and open the door.",
        objects: 14,
        horizon: 500,
        expert: experts::door,
        expert_success: 1.0,
        find: |plant| Ok(Box::new(door::Door::find(plant)?)),
    },
];

/// The task called `id`.
///
/// # Errors
/// When there is no such task.
pub fn by_id(id: &str) -> Result<&'static Info> {
    let found = TASKS.iter().find(|task| task.id == id);
    found.ok_or_else(|| {
        Error::input(format!(
            "there is no task `{id}` in the suite robosuite; see `protege tasks`"
        ))
    })
}

/// What one task adds to the arm.
pub trait Task: Send {
    /// Puts what no joint moves where every start has it.
    fn arrange(&self, _plant: &mut Plant) {}
    /// Draws the half edges of the boxes that differ from episode to episode, m.
    fn sizes(&self, _rng: &mut Rng) -> Vec<f64> {
        Vec::new()
    }
    /// The body that no joint moves and each start puts in another place, where there is one.
    fn fixture(&self) -> Option<usize> {
        None
    }
    /// Draws where the objects are.
    fn place(&self, plant: &mut Plant, rng: &mut Rng);
    /// Appends what is observed of the objects. `before` is what this kept at the observation
    /// before, nothing in the first of an episode.
    fn observe(&self, plant: &Plant, hand: &Pose, before: &mut Vec<Pose>, to: &mut Vec<f64>);
    /// Upstream's sparse reward, which is above 0 while the success rule holds.
    fn reward(&self, plant: &Plant, hand: &Pose) -> f64;
    /// Where things are at this moment, by name.
    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)>;
}

/// The pose of a body.
fn body_pose(plant: &Plant, body: usize) -> Pose {
    Pose {
        position: plant.data.xpos()[body],
        rotation: scalar_last(plant.data.xquat()[body]),
    }
}

/// Whether the hand is away from a place: upstream's reaching reward there is below 0.6.
fn is_away(hand: &Pose, place: [f64; 3]) -> bool {
    1.0 - (10.0 * norm(minus(hand.position, place))).tanh() < 0.6
}

/// Whether a geom of the one kind touches one of the other.
fn touch(plant: &Plant, one: impl Fn(usize) -> bool, other: impl Fn(usize) -> bool) -> bool {
    plant.data.contact().iter().any(|contact| {
        let [a, b] = contact.geom.map(|geom| geom as usize);
        one(a) && other(b) || one(b) && other(a)
    })
}
