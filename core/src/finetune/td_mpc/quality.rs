//! The world model's predictions along a recorded episode, against what happened.

use super::agent::{Agent, observations};
use super::model::acting;
use crate::Result;
use crate::data::Episode;
use crate::finetune::Quality;
use crate::nn;
use crate::obs::ObsSpec;
use crate::policy::Policy;
use burn::tensor::{Device, Tensor};

impl Agent {
    /// Compares along an episode of raw observations, up to `ahead` decisions ahead.
    pub(super) async fn compare(
        &self,
        policy: &Policy,
        episode: &Episode,
        ahead: usize,
        device: &Device,
    ) -> Result<Quality> {
        let inner_device = device.clone().without_autodiff();
        let act = policy.sizes.act;
        let steps = episode.len();
        let spec = ObsSpec {
            cameras: self.world.cameras.clone(),
            ..policy.reads
        };
        let obs = episode.obs.batch(&spec, 0..=steps);
        let going_on = vec![0.0; steps + 1];
        let states = self
            .world
            .encode(observations(&obs, &going_on, &spec.cameras, &inner_device));
        let actions = nn::matrix(episode.actions.clone(), act, &inner_device);
        let both = acting(states.clone().narrow(0, 0, steps), actions.clone());
        let rewards = nn::read(self.world.rewards(both.clone())).await?;
        let values = self
            .world
            .numbers(self.world.critics.forward_shared(both))
            .mean_dim(0)
            .squeeze_dim::<1>(0);
        let real: Vec<f32> = episode
            .rewards
            .iter()
            .map(|r| r + self.config.reward_offset as f32)
            .collect();
        let mut sums: Vec<f32> = real.clone();
        // Discounted returns, by backward recursion.
        for t in (0..steps.saturating_sub(1)).rev() {
            sums[t] += self.config.gamma as f32 * sums[t + 1];
        }
        Ok(Quality {
            rewards: [rewards, real],
            values: [nn::read(values).await?, sums],
            consistency: self
                .consistency(&states, &actions, ahead.min(steps))
                .await?,
        })
    }

    /// Mean squared errors of the latent state predicted 1 to `ahead` decisions ahead.
    async fn consistency(
        &self,
        states: &Tensor<2>,
        actions: &Tensor<2>,
        ahead: usize,
    ) -> Result<Vec<f32>> {
        let steps = actions.dims()[0];
        let mut z = states.clone();
        let mut errors = Vec::new();
        for k in 0..ahead {
            // All starts at once: row t is what was predicted at t, k + 1 decisions ahead.
            let rows = steps - k;
            z = self.world.next(acting(
                z.narrow(0, 0, rows),
                actions.clone().narrow(0, k, rows),
            ));
            let error = (z.clone() - states.clone().narrow(0, k + 1, rows))
                .square()
                .mean();
            errors.push(nn::scalar(error).await?);
        }
        Ok(errors)
    }
}
