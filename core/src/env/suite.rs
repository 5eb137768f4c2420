//! Suites: tasks that share a robot, its control and the way in which success is counted.

use super::{Env, Spec, own_success_rule, usual_controller};
use crate::Result;
use std::ops::Range;

/// The physics engine that compiles everywhere.
pub const RAPIER: &str = "rapier";
/// The physics engine of the native program.
pub const MUJOCO: &str = "mujoco";

/// The interface of a family of tasks. A program lists its suites in one [`super::Catalog`];
/// nothing else knows one of them by name.
pub trait Suite: Sync {
    /// Prefix of its tasks' ids, before the `/`.
    fn name(&self) -> &'static str;
    /// Its tasks, in the order in which they are listed.
    fn tasks(&self) -> Vec<Entry>;
    /// Whether its tasks are offered to users. Those of probes, which test learners, are not.
    fn is_listed(&self) -> bool {
        true
    }
    /// Control steps per second.
    fn control_hz(&self) -> f64;
    /// Control steps for which methods that decide step by step hold an action, unless
    /// `env.action_repeat` says otherwise. 2 is MoDem's and TD-MPC's.
    fn action_repeat(&self) -> usize {
        2
    }
    /// Whether its published episodes go on to the horizon after a success.
    fn continues_after_success(&self) -> bool {
        false
    }
    /// Reward of a step in an episode that goes on after a success.
    fn reward(&self) -> RewardAfterSuccess {
        RewardAfterSuccess::SuccessPays
    }
    /// How a robot is controlled, where a suite has more than one way: checks the words in which
    /// `env.controller` says so, and gives the shortest ones for the same; empty: as usual.
    ///
    /// # Errors
    /// Names the words, and what there is.
    fn controller(&self, words: &str) -> Result<String> {
        usual_controller(&format!("the suite {}", self.name()), words)
    }
    /// Checks the name of a rule by which `env.success_rule` judges success, where a suite knows
    /// more than its tasks' own; empty: those.
    ///
    /// # Errors
    /// Names the rule, and what there is.
    fn success_rule(&self, rule: &str) -> Result<()> {
        own_success_rule(&format!("the suite {}", self.name()), rule)
    }
    /// Bytes that a thread takes to draw a scene of the suite from one camera, in software.
    fn drawing_memory(&self) -> f64 {
        80e6
    }
    /// Makes the task `id`, which is one of [`Suite::tasks`], on one of its engines.
    ///
    /// # Errors
    /// When this program lacks the engine, or the scene cannot be had.
    fn make(&self, id: &str, engine: &str) -> Result<Box<dyn Env>>;
}

/// A task, as data.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name and sizes.
    pub spec: Spec,
    /// Engines that can play it, the usual one first.
    pub engines: &'static [&'static str],
    /// The goal, in one sentence.
    pub about: &'static str,
    /// Share of random starts that the scripted expert solves without noise; none where the task
    /// has no such expert.
    pub expert_success: Option<f64>,
    /// Proprioception: the numbers of a state that are kept beside a camera's image, as ranges.
    /// None for a task that cannot be drawn.
    pub proprioception: Option<&'static [Range<usize>]>,
}

/// Reward of a step in an episode that goes on after a success. (In an episode that success ends,
/// every suite pays 1 on the step that succeeds, and 0 on every other.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardAfterSuccess {
    /// 1 while the success rule holds, else 0: `lab`, `adroit`.
    SuccessPays,
    /// 0 while the success rule holds, else -1: `metaworld`.
    FailureCosts,
}

impl RewardAfterSuccess {
    /// The reward of a step.
    pub fn of(self, success: bool) -> f32 {
        match self {
            Self::SuccessPays => f32::from(success),
            Self::FailureCosts => f32::from(success) - 1.0,
        }
    }
}
