//! One file per task: observation, success, randomization, scripted expert; written against
//! [`crate::sim::Sim`].

mod assembly;
mod box_close;
mod door;
mod expert;
mod hammer;
mod lift;
mod pick_place;
mod tabletop;

pub use expert::ExpertStyle;
pub use tabletop::{STRIDE, View, hand_path};

use crate::error::{excerpt, nearest};
use crate::rng::Rng;
use crate::sim::Sim;
use crate::{Error, Result};

/// A task, as data.
#[derive(Clone, Copy)]
pub struct Info {
    /// `suite/name`.
    pub id: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// The goal, in one sentence.
    pub about: &'static str,
    /// The scene, as MJCF text: the same for every engine.
    pub scene: &'static str,
    /// Length of an observation.
    pub obs: usize,
    /// Length of an action; every component lies in [-1, 1].
    pub act: usize,
    /// Control steps per episode.
    pub horizon: usize,
    /// Physics steps per control step.
    pub substeps: usize,
    /// Share of random starts that the scripted expert solves on Rapier, without noise (200
    /// starts).
    pub expert_success: f64,
    /// Binds the task to a simulation that holds its scene.
    pub build: fn(&dyn Sim) -> Result<Box<dyn Task>>,
}

/// The rules of one task over one simulation. The simulation is passed in, so that a task never
/// owns an engine.
pub trait Task: Send {
    /// Arranges a random start in a simulation that was just reset.
    fn start(&mut self, sim: &mut dyn Sim, rng: &mut Rng);
    /// Turns one action (finite, within [-1, 1]) into targets that hold for one control step.
    fn act(&mut self, sim: &mut dyn Sim, action: &[f32]);
    /// The observation. Call it once after [`Task::start`] and once per control step: an
    /// observation carries the one before.
    fn observe(&mut self, sim: &dyn Sim) -> Vec<f32>;
    /// Whether the success rule holds now.
    fn success(&self, sim: &dyn Sim) -> bool;
    /// The scripted expert's action now: a function of what is observed and of its style, without
    /// noise.
    fn expert(&self, sim: &dyn Sim, style: &ExpertStyle) -> Vec<f32>;
    /// The task's state besides the physics.
    fn save(&self) -> Vec<u8>;
    /// Restores what [`Task::save`] wrote.
    ///
    /// # Errors
    /// When the bytes are damaged.
    fn restore(&mut self, state: &[u8]) -> Result<()>;
}

/// Every task of the `lab` suite.
pub fn all() -> &'static [Info] {
    &[
        lift::INFO,
        pick_place::INFO,
        box_close::INFO,
        assembly::INFO,
        door::INFO,
        hammer::INFO,
    ]
}

/// The task called `id`.
///
/// # Errors
/// When there is none; the message suggests the nearest name.
pub fn by_id(id: &str) -> Result<&'static Info> {
    let unknown = || {
        Error::input(format!(
            "there is no task `{}`; did you mean `{}`?",
            excerpt(id),
            nearest(id, all().iter().map(|t| t.id)).unwrap_or_default()
        ))
    };
    all().iter().find(|task| task.id == id).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistyped task is answered with the name that was meant.
    #[test]
    fn an_unknown_task_is_answered_with_the_nearest_name() {
        let sentence = by_id("lab/pickplace")
            .map(|t| t.id)
            .unwrap_err()
            .to_string();
        assert!(sentence.contains("`lab/pick-place`"), "{sentence}");
    }
}
