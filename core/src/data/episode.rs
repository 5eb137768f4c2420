//! One episode: observations, actions and rewards from a start to an end.

use super::Frames;
use crate::env::View;

/// One recorded episode of T control steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Episode {
    /// The seed with which the environment was reset.
    pub seed: u64,
    /// (T+1) x obs, row-major: the observation before every step and the one after the last.
    pub obs: Vec<f32>,
    /// T+1 frames, where there is a camera.
    pub frames: Frames,
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
    pub fn start(seed: u64, first_obs: &[f32]) -> Self {
        Self {
            seed,
            obs: first_obs.to_vec(),
            ..Self::default()
        }
    }

    /// As [`Episode::start`] for an observation that may end in the frames of `view`; of those, the
    /// newest is kept.
    pub fn start_seen(seed: u64, first_row: &[f32], view: View) -> Self {
        let mut episode = Self::start(seed, view.split(first_row).0);
        episode.see(first_row, view);
        episode
    }

    /// Adds one step whose next observation may end in the frames of `view`.
    pub fn push_seen(&mut self, action: &[f32], reward: f32, next_row: &[f32], view: View) {
        self.push(action, reward, view.split(next_row).0);
        self.see(next_row, view);
    }

    /// Keeps the newest frame of an observation, where there is one: the older ones are stored
    /// already.
    fn see(&mut self, row: &[f32], view: View) {
        if let Some(frame) = view.newest(row) {
            self.frames.push(&frame);
        }
    }

    /// Adds one step: action, reward and next observation.
    pub fn push(&mut self, action: &[f32], reward: f32, next_obs: &[f32]) {
        self.actions.extend_from_slice(action);
        self.rewards.push(reward);
        self.obs.extend_from_slice(next_obs);
    }

    /// Steps, T.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether no step was taken yet.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    /// The observation before step `t`, 0 <= t <= T.
    pub fn obs_at(&self, t: usize, obs_dim: usize) -> &[f32] {
        &self.obs[t * obs_dim..(t + 1) * obs_dim]
    }

    /// The stacked frames of `view` before step `t`, values 0 to 255; empty without a view.
    ///
    /// # Panics
    /// When there is a view, and the episode has no frames.
    pub fn seen_at(&self, t: usize, view: View) -> Vec<f32> {
        let mut pixels = Vec::new();
        if view.is_some() {
            self.frames.stack(t, view.stack, &mut pixels);
        }
        pixels.into_iter().map(f32::from).collect()
    }

    /// The action of step `t`, 0 <= t < T.
    pub fn action_at(&self, t: usize, act_dim: usize) -> &[f32] {
        &self.actions[t * act_dim..(t + 1) * act_dim]
    }

    /// The undiscounted sum of the rewards.
    pub fn total_reward(&self) -> f64 {
        self.rewards.iter().map(|&r| f64::from(r)).sum()
    }
}
