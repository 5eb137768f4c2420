//! The decisions of an iteration, and the samples made of them.

use super::{DppoConfig, RewardScaler, gae};
use crate::policy::Sizes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One decision: observation, chain, reward.
pub(crate) struct Transition<'a> {
    /// Normalized observation.
    pub(crate) obs: &'a [f32],
    /// The K' + 1 latents of its chain.
    pub(crate) latents: &'a [f32],
    /// Log-probabilities of its K' steps.
    pub(crate) log_probs: &'a [f32],
    /// V at the observation.
    pub(crate) value: f32,
    /// Sum of the chunk's rewards.
    pub(crate) reward: f32,
    /// Value of the state afterwards: V where the time limit cut the episode off, 0 where it
    /// terminated or goes on.
    pub(crate) last_value: f32,
}

/// The decisions of one episode, row after row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Trajectory {
    obs: Vec<f32>,
    latents: Vec<f32>,
    log_probs: Vec<f32>,
    values: Vec<f32>,
    rewards: Vec<f32>,
    last_value: f32,
}

/// The episodes of an iteration, by their seeds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buffer(BTreeMap<u64, Trajectory>);

impl Buffer {
    /// Adds the next decision of the episode of this seed.
    pub(crate) fn push(&mut self, episode: u64, transition: &Transition) {
        let trajectory = self.0.entry(episode).or_default();
        trajectory.obs.extend(transition.obs);
        trajectory.latents.extend(transition.latents);
        trajectory.log_probs.extend(transition.log_probs);
        trajectory.values.push(transition.value);
        trajectory.rewards.push(transition.reward);
        trajectory.last_value = transition.last_value;
    }

    /// Decisions of all episodes.
    pub(super) fn decisions(&self) -> usize {
        let trajectories = self.0.values();
        trajectories.map(|trajectory| trajectory.values.len()).sum()
    }

    /// The latents of all decisions, in the order of samples.
    pub(super) fn latents(&self) -> Vec<f32> {
        let trajectories = self.0.values();
        trajectories
            .flat_map(|trajectory| &trajectory.latents)
            .copied()
            .collect()
    }

    /// Replaces values, and log-probabilities, of all decisions, in the order of samples.
    pub(super) fn replace(&mut self, values: &[f32], log_probs: &[f32]) {
        let mut values = values.iter().copied();
        let mut log_probs = log_probs.iter().copied();
        for trajectory in self.0.values_mut() {
            trajectory
                .values
                .iter_mut()
                .zip(&mut values)
                .for_each(|(own, new)| *own = new);
            trajectory
                .log_probs
                .iter_mut()
                .zip(&mut log_probs)
                .for_each(|(own, new)| *own = new);
        }
    }

    /// Samples of whole episodes, with rewards scaled by `scaler`, which sees them first.
    pub(crate) fn into_samples(self, config: &DppoConfig, scaler: &mut RewardScaler) -> Samples {
        // An iteration's returns count for its own scale (`RunningRewardScaler.__call__`).
        scaler.observe(
            self.0
                .values()
                .map(|trajectory| trajectory.rewards.as_slice()),
        );
        let mut samples = Samples::default();
        for trajectory in self.0.into_values() {
            let rewards: Vec<f32> = trajectory
                .rewards
                .iter()
                .map(|&r| scaler.scale(r))
                .collect();
            // Episode by episode: advantages do not leak across a time limit, as they do in the
            // reference.
            let advantages = gae::advantages(
                &rewards,
                &trajectory.values,
                trajectory.last_value,
                config.gamma,
                config.gae_lambda,
            );
            // The critic learns the lambda-return, A + V.
            samples.returns.extend(
                advantages
                    .iter()
                    .zip(&trajectory.values)
                    .map(|(a, v)| a + v),
            );
            samples.advantages.extend(advantages);
            samples.values.extend(trajectory.values);
            samples.obs.extend(trajectory.obs);
            samples.latents.extend(trajectory.latents);
            samples.log_probs.extend(trajectory.log_probs);
        }
        samples
    }
}

/// All decisions of an iteration, row after row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// Normalized observations.
    pub obs: Vec<f32>,
    /// K' + 1 latents a row.
    pub latents: Vec<f32>,
    /// K' log-probabilities a row, under the policy that practiced.
    pub(crate) log_probs: Vec<f32>,
    /// Advantages, not normalized.
    pub(crate) advantages: Vec<f32>,
    /// Advantage plus value: the critic's targets.
    pub(crate) returns: Vec<f32>,
    /// The critic's values.
    pub values: Vec<f32>,
}

impl Samples {
    /// Number of decisions.
    pub(crate) fn len(&self) -> usize {
        self.returns.len()
    }

    /// Whether there are samples, and every row has the length that a policy of these sizes with
    /// `steps` finetuned steps needs.
    pub fn fit(&self, sizes: Sizes, steps: usize) -> bool {
        let rows = self.len();
        let widths = [sizes.obs, (steps + 1) * sizes.chunk_len(), steps, 1, 1];
        let parts = [
            &self.obs,
            &self.latents,
            &self.log_probs,
            &self.advantages,
            &self.values,
        ];
        rows > 0
            && parts
                .iter()
                .zip(widths)
                .all(|(part, width)| part.len() == rows * width)
    }

    /// 1 - Var(returns - values) / Var(returns): 1 for a perfect critic, 0 for one that predicts
    /// the mean; 0 where all returns agree.
    pub(crate) fn explained_variance(&self) -> f64 {
        let total = variance(self.returns.iter().map(|&r| f64::from(r)));
        let rest = variance(
            self.returns
                .iter()
                .zip(&self.values)
                .map(|(&r, &v)| f64::from(r) - f64::from(v)),
        );
        if total > 0.0 { 1.0 - rest / total } else { 0.0 }
    }
}

/// The rows of `values`, `width` numbers each.
pub(crate) fn gather(values: &[f32], width: usize, rows: &[usize]) -> Vec<f32> {
    rows.iter()
        .flat_map(|&row| &values[row * width..(row + 1) * width])
        .copied()
        .collect()
}

fn variance(values: impl ExactSizeIterator<Item = f64> + Clone) -> f64 {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    values.map(|v| (v - mean) * (v - mean)).sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    fn transition(value: f32, reward: f32, last_value: f32) -> Transition<'static> {
        Transition {
            obs: &[0.5],
            latents: &[1.0, 2.0],
            log_probs: &[-1.0],
            value,
            reward,
            last_value,
        }
    }

    /// Decisions of episodes that ran side by side become the samples of each episode in its own
    /// order, with the advantages of its own scaled rewards, bootstrapped where it was cut off
    /// only; and returns are advantages plus values.
    #[test]
    fn episodes_side_by_side_are_told_apart() {
        let config = DppoConfig {
            gamma: 0.9,
            gae_lambda: 0.8,
            ..DppoConfig::preset(Preset::Tiny)
        };
        let mut buffer = Buffer::default();
        for (episode, transition) in [
            (7, transition(0.5, 0.0, 0.0)),
            (3, transition(0.1, 0.0, 0.0)),
            (7, transition(0.4, 0.0, 0.0)),
            (3, transition(0.2, 0.0, 0.3)),
            (7, transition(0.2, 2.0, 0.0)),
        ] {
            buffer.push(episode, &transition);
        }
        let mut scaler = RewardScaler::default();
        let samples = buffer.into_samples(&config, &mut scaler);
        let reward = scaler.scale(2.0);
        let mut expected = gae::advantages(&[0.0, 0.0], &[0.1, 0.2], 0.3, 0.9, 0.8);
        expected.extend(gae::advantages(
            &[0.0, 0.0, reward],
            &[0.5, 0.4, 0.2],
            0.0,
            0.9,
            0.8,
        ));
        assert_eq!(samples.values, [0.1, 0.2, 0.5, 0.4, 0.2]);
        assert_eq!(samples.advantages, expected);
        assert_eq!(
            samples.returns,
            expected
                .iter()
                .zip(&samples.values)
                .map(|(a, v)| a + v)
                .collect::<Vec<_>>()
        );
        assert_eq!(
            (
                samples.len(),
                samples.obs.len(),
                samples.latents.len(),
                samples.log_probs.len()
            ),
            (5, 5, 10, 5)
        );
        assert!(
            (2.0 / f64::from(reward) - 0.8_f64.sqrt()).abs() < 1e-3,
            "the spread of 0, 0, 0, 0 and 2"
        );
    }

    /// A critic that knows explains everything, one that says the mean nothing.
    #[test]
    fn explained_variance_is_that_of_the_critic() {
        let samples = |values: [f32; 3]| Samples {
            returns: vec![1.0, 2.0, 3.0],
            values: values.to_vec(),
            ..Samples::default()
        };
        assert_eq!(
            [[1.0, 2.0, 3.0], [2.0; 3]].map(|values| samples(values).explained_variance()),
            [1.0, 0.0]
        );
        assert_eq!(
            Samples {
                returns: vec![1.0; 2],
                values: vec![0.0; 2],
                ..Samples::default()
            }
            .explained_variance(),
            0.0
        );
    }
}
