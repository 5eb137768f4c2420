//! DPPO, Diffusion Policy Policy Optimization (Ren et al. 2024): PPO on the denoising steps of a
//! policy.
//!
//! A policy that makes its actions step by step from noise is a policy in a second, inner Markov
//! decision process, whose decisions are the denoising steps: each is a Gaussian whose density is
//! known, which that of the action is not. PPO finetunes a copy of the network in the last steps of
//! the chain; the pretrained network goes on making the first.

mod buffer;
pub mod chain;
mod config;
pub mod gae;
mod learner;
pub mod ppo;
mod practice;
mod reward;

pub use buffer::Samples;
pub use config::DppoConfig;
pub use learner::{Figures, Learner};
pub use practice::Practice;
pub use reward::RewardScaler;

use crate::data::Archive;
use crate::nn::{self, params};
use crate::policy::{Policy, PolicyConfig, PolicyKind};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};

/// Says in one sentence when a policy cannot be finetuned by DPPO.
///
/// # Errors
/// When it is a Gaussian, which has no denoising steps.
pub fn check_policy(policy: &PolicyConfig) -> Result<()> {
    if matches!(policy.kind, PolicyKind::Gaussian | PolicyKind::Squashed) {
        return Err(Error::input(
            "finetune.method is dppo, which finetunes denoising steps, but policy.kind gaussian or \
             squashed has none: use flow or diffusion",
        ));
    }
    Ok(())
}

/// The deployed result: the pretrained network makes the first denoising steps, the finetuned one
/// the last.
#[derive(Debug, Clone)]
pub struct Finetuned {
    policy: Policy,
    steps: usize,
}

impl Finetuned {
    /// Normalized observations and noise to normalized chunks, as [`Policy::sample`], without the
    /// noise of practice.
    pub fn sample(&self, pretrained: &Policy, obs: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let length = self.policy.chain_len();
        let (first, start) = (
            length - self.steps,
            noise.clone().narrow(1, 0, self.policy.sizes.chunk_len()),
        );
        let x = pretrained
            .net
            .sample_steps(0..first, obs.clone(), start, &noise);
        self.policy
            .net
            .sample_steps(first..length, obs, x, &noise)
            .clamp(-1.0, 1.0)
    }

    /// Raw observation rows and noise rows to raw action rows, as [`Policy::act`].
    pub async fn act(
        &self,
        pretrained: &Policy,
        obs: &[f32],
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        let plain = device.clone().without_autodiff();
        let obs = nn::matrix(
            pretrained.obs_scale.apply(obs),
            pretrained.sizes.obs,
            &plain,
        );
        let noise = nn::matrix(noise, pretrained.noise_len(), &plain);
        pretrained
            .actions(self.sample(pretrained, obs, noise))
            .await
    }

    /// Writes it into the archive.
    pub async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        archive.put(format!("{prefix}/steps"), &self.steps)?;
        params::save(&self.policy.net, &format!("{prefix}/net"), archive).await
    }

    /// Restores what [`Finetuned::save`] wrote of a copy of `pretrained`.
    pub fn load(pretrained: &Policy, prefix: &str, archive: &Archive) -> Result<Self> {
        let steps = archive.get(&format!("{prefix}/steps"))?;
        if steps > pretrained.chain_len() {
            let sentence = format!(
                "the checkpoint finetuned {steps} steps of a chain of {}: use an undamaged one",
                pretrained.chain_len()
            );
            return Err(Error::input(sentence));
        }
        let net = params::load(pretrained.net.clone(), &format!("{prefix}/net"), archive)?;
        Ok(Self {
            policy: Policy {
                net,
                ..pretrained.clone()
            },
            steps,
        })
    }
}
