//! Environments: reset, step, spec; wrappers, a pool, and rollouts of many episodes.

mod camera_env;
pub mod catalogue;
mod episode;
mod lab;
mod labelled;
mod pool;
mod probe;
mod rollouts;
mod suite;
mod wrappers;

pub use camera_env::CameraEnv;
pub use catalogue::Catalog;
pub use episode::{EpisodeEnv, StepOutcome, World};
pub use lab::{Lab, LabEnv, LabWorld};
pub use labelled::wrap;
pub(crate) use pool::EnvPool;
pub use probe::{PROBE_DISCOUNT, Probe, Probes};
pub use rollouts::{Decision, FinishedEpisode, RolloutSpec, Rollouts};
pub(crate) use rollouts::{Moment, Past};
pub use suite::{Entry, RewardAfterSuccess, Suite};
pub use wrappers::Wrapper;
pub(crate) use wrappers::{ActionRepeat, ChunkEnv};

use crate::error::excerpt;
use crate::obs::{ObsSpec, Observation};
use crate::sim::Sim;
use crate::tasks::ExpertStyle;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Name and sizes of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// `suite/name`.
    pub id: String,
    /// What observations are made of.
    pub obs: ObsSpec,
    /// Length of an action; every component lies in [-1, 1] (values outside are clipped).
    pub act: usize,
    /// Control steps per episode, after which it is truncated.
    pub horizon: usize,
}

/// Result of a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The observation after the step.
    pub obs: Observation,
    /// The reward of the step (for a chunk: the sum over what was executed).
    pub reward: f32,
    /// Whether the task's success rule held at any control step of it.
    pub success: bool,
    /// Whether it holds after the last control step. The two differ only in an episode that goes on
    /// after a success.
    pub success_at_end: bool,
    /// The episode has ended for good: no reward follows.
    pub terminated: bool,
    /// The time limit cut the episode off: the state still has a value.
    pub truncated: bool,
    /// Control steps that passed: 1, unless a wrapper repeats or chunks actions.
    pub steps: usize,
}

impl Step {
    /// Whether the episode is over, for either reason.
    pub fn done(&self) -> bool {
        self.terminated || self.truncated
    }
}

/// The state from which a picture of an environment is drawn.
pub enum Subject<'a> {
    /// A simulation, on any engine, with the bodies and joints of the task's scene by name.
    Sim(&'a dyn Sim),
    /// The state of an upstream scene on MuJoCo, as its plant's numbers.
    Numbers(Vec<f64>),
}

/// One environment.
pub trait Env: Send {
    /// Sizes and name.
    fn spec(&self) -> &Spec;
    /// Starts the episode that `seed` picks, and observes it. The same seed gives the same start,
    /// bit for bit.
    fn reset(&mut self, seed: u64) -> Observation;
    /// Plays one action for one control step.
    ///
    /// # Errors
    /// When the action has the wrong length or is not finite, or when the simulator's state stops
    /// being finite.
    fn step(&mut self, action: &[f32]) -> Result<Step>;
    /// Sets the style of [`Env::expert`]. An expert of a single style takes only its noise.
    ///
    /// # Errors
    /// When a value of the style is out of its range.
    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        style.checked().map(drop)
    }
    /// Whether the first success ends an episode from now on, as it does at first. Otherwise the
    /// episode goes on to the horizon, as upstream suites play; where success earns a reward, every
    /// step on which the success rule holds may then earn one.
    fn set_terminate_on_success(&mut self, terminate: bool);
    /// Controls the robot otherwise than usual, from the next [`Env::reset`] on, in the words of
    /// the task's suite ([`Suite::controller`]); empty: as usual.
    ///
    /// # Errors
    /// When the suite has no such controller.
    fn set_controller(&mut self, controller: &str) -> Result<()> {
        usual_controller(&self.spec().id, controller).map(drop)
    }
    /// Judges success by another rule than its own, from now on: one that the task's suite knows
    /// ([`Suite::success_rule`]); empty: its own.
    ///
    /// # Errors
    /// When the suite has no such rule.
    fn set_success_rule(&mut self, rule: &str) -> Result<()> {
        own_success_rule(&self.spec().id, rule)
    }
    /// Cuts episodes off after so many control steps from now on, at least one; at first that is
    /// the task's own horizon. [`Env::spec`] says it, too.
    fn set_horizon(&mut self, steps: usize);
    /// The scripted expert's action now; none where the task has no expert.
    fn expert(&mut self) -> Option<Vec<f32>>;
    /// The state from which a picture of this moment is drawn; none where there is nothing to draw.
    fn subject(&self) -> Option<Subject<'_>> {
        None
    }
    /// What a camera ([`DEFAULT_CAMERA`](crate::obs::DEFAULT_CAMERA), or one of the scene) sees at
    /// this moment, `size` pixels along each side: the rows of red, of green, of blue, 0 to 255.
    ///
    /// # Errors
    /// Where nothing can be drawn, or there is no such camera: core has no renderer; a program that
    /// has one wraps its environments.
    fn picture(&mut self, _camera: &str, size: usize) -> Result<Vec<u8>> {
        let id = &self.spec().id;
        Err(Error::input(format!(
            "{id} cannot be drawn at {size} pixels here: set env.image_size to 0, or use the \
             native program with MuJoCo"
        )))
    }
    /// Everything needed to go on bit for bit.
    fn save(&self) -> Vec<u8>;
    /// Restores what [`Env::save`] wrote for the same environment.
    ///
    /// # Errors
    /// When the bytes are damaged or foreign.
    fn restore(&mut self, state: &[u8]) -> Result<()>;
}

/// Makes the environment called `id` on an engine. Core's own is [`make_on`]; a program that has
/// more engines brings another.
pub type Maker = fn(id: &str, engine: &str) -> Result<Box<dyn Env>>;

/// The environment called `id` on Rapier: `lab/*`, or `probe/1` to `probe/5`.
///
/// # Errors
/// When there is none; the message suggests the nearest name.
pub fn make(id: &str) -> Result<Box<dyn Env>> {
    make_on(id, catalogue::RAPIER)
}

/// The environment called `id`, where suite and `engine` are ones that core has.
///
/// # Errors
/// When there is no such task, when the engine cannot play it, or when it is not Rapier.
pub fn make_on(id: &str, engine: &str) -> Result<Box<dyn Env>> {
    catalogue::CORE.make(id, engine)
}

/// Checks an action's length and values, and clips it to [-1, 1].
///
/// # Errors
/// When its length is not the task's, or a number is not finite.
pub fn checked_action(spec: &Spec, action: &[f32]) -> Result<Vec<f32>> {
    if action.len() != spec.act {
        return Err(Error::input(format!(
            "{} takes actions of {} numbers, not {}; check the policy's task",
            spec.id,
            spec.act,
            action.len()
        )));
    }
    if let Some(at) = action.iter().position(|a| !a.is_finite()) {
        let value = action[at];
        return Err(Error::failed(format!(
            "number {at} of an action for {} is {value}; the policy has diverged, lower its \
             learning rate",
            spec.id
        )));
    }
    Ok(action.iter().map(|a| a.clamp(-1.0, 1.0)).collect())
}

/// Refuses every controller but the usual one, which has no words.
pub(crate) fn usual_controller(of: &str, controller: &str) -> Result<String> {
    if controller.is_empty() {
        return Ok(String::new());
    }
    Err(Error::input(format!(
        "env.controller is `{}`, but {of} has one controller only: leave env.controller empty",
        excerpt(controller)
    )))
}

/// Refuses every rule of success but a task's own, which has no name.
pub(crate) fn own_success_rule(of: &str, rule: &str) -> Result<()> {
    if rule.is_empty() {
        return Ok(());
    }
    Err(Error::input(format!(
        "env.success_rule is `{}`, but {of} has no rule of success but its own: leave \
         env.success_rule empty",
        excerpt(rule)
    )))
}

/// The error of restoring an environment from bytes that are not its own.
pub(crate) fn foreign_state(id: &str) -> Error {
    Error::input(format!(
        "the saved state is damaged or not of {id}; use a checkpoint of this task and version"
    ))
}

/// The error of playing on after the end.
pub(crate) fn episode_over(id: &str) -> Error {
    Error::failed(format!(
        "the episode of {id} is over; reset it before the next step"
    ))
}
