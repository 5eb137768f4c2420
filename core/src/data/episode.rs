//! One episode: observations, actions and rewards from a start to an end.

use super::History;
use crate::obs::Observation;
use serde::{Deserialize, Serialize};

/// One recorded episode of T control steps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Episode {
    /// The seed with which the environment was reset.
    pub seed: u64,
    /// T+1 observations: the one before every step and the one after the last.
    pub obs: History,
    /// (T+1) x act: what a base policy would do at every observation, where a method acts beside
    /// one; else empty.
    pub base_actions: Vec<f32>,
    /// T x act, row-major, each component in [-1, 1].
    pub actions: Vec<f32>,
    /// T rewards.
    pub rewards: Vec<f32>,
    /// Whether the task's success rule held at some step.
    pub success: bool,
    /// Whether the episode ended for good, rather than by the time limit.
    pub terminated: bool,
}

impl Episode {
    /// An episode of no steps yet, that began with this observation.
    pub fn start(seed: u64, first: &Observation) -> Self {
        Self {
            seed,
            obs: History::start(first),
            ..Self::default()
        }
    }

    /// Adds one step: action, reward and next observation.
    pub fn push(&mut self, action: &[f32], reward: f32, next: &Observation) {
        self.actions.extend_from_slice(action);
        self.rewards.push(reward);
        self.obs.push(next);
    }

    /// Steps, T.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether no step was taken yet.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// The action of step `t`, 0 <= t < T.
    pub fn action_at(&self, t: usize, act_dim: usize) -> &[f32] {
        &self.actions[t * act_dim..(t + 1) * act_dim]
    }

    /// The undiscounted sum of the rewards.
    pub(crate) fn total_reward(&self) -> f64 {
        self.rewards.iter().map(|&r| f64::from(r)).sum()
    }
}
