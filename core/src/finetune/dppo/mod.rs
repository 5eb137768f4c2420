//! DPPO, Diffusion Policy Policy Optimization (Ren et al. 2024): PPO on the denoising steps of a
//! policy.
//!
//! A policy that makes its actions step by step from noise is a policy in a second, inner Markov
//! decision process whose decisions are the denoising steps. Each of these is a Gaussian with a
//! known density, which the action's is not. PPO finetunes a copy of the network in the last steps
//! of the chain; the first remain the pretrained network's.

mod actor;
mod buffer;
pub mod chain;
mod config;
mod critic;
pub(crate) mod gae;
mod learner;
pub(crate) mod ppo;
mod reward;
mod seen;
mod trainer;

use actor::Chains;
pub use buffer::Samples;
pub use config::DppoConfig;
pub use learner::{Figures, Learner};
pub(crate) use reward::RewardScaler;
pub use trainer::DppoTrainer;

use super::{FinetuneMethod, FinetunedPolicy, Memory, Method, check_encoder};
use crate::data::Archive;
use crate::method::{DemoUse, LocalFuture, MethodInfo, Paper};
use crate::nn::{self, Observations, SMALLEST_IMAGE, params};
use crate::obs::ObsBatch;
use crate::policy::{Policy, PolicyKind};
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "dppo",
        label: "DPPO",
        sentence: "Changes the policy's own last denoising steps by policy gradients.",
        about: "Diffusion policy policy optimization: PPO on the denoising steps.",
        paper: Some(Paper {
            citation: "Ren et al. 2024",
            link: "https://arxiv.org/abs/2409.00588",
        }),
        color: None,
        policies: &[
            PolicyKind::Flow,
            PolicyKind::FlowTransformer,
            PolicyKind::Diffusion,
        ],
        because: "finetunes denoising steps",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        demos: DemoUse::Unused,
        insights: &[],
        on_page: true,
    },
    check: |_, policy, cameras| check_encoder(METHOD.id(), policy, cameras),
    new: |config, cx| {
        let trainer = DppoTrainer::new(config.dppo.clone(), cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let trainer = DppoTrainer::load(config.dppo.clone(), cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |_, policy, prefix, archive, _| {
        let loaded = DppoPolicy::load(policy, prefix, archive)?;
        Ok(Box::new(loaded))
    },
    practice: Some(|config, policy, archive, device| {
        let chains = Chains::load(&config.dppo, policy, archive, device)?;
        Ok(Box::new(chains))
    }),
};

/// The deployed result: the pretrained network makes the first denoising steps, the finetuned one
/// the last.
#[derive(Debug, Clone)]
pub struct DppoPolicy {
    policy: Policy,
    steps: usize,
}

impl DppoPolicy {
    /// Normalized observations and noise to normalized chunks, as [`Policy::sample`], without the
    /// noise of practice.
    pub fn sample(
        &self,
        pretrained: &Policy,
        obs: impl Into<Observations>,
        noise: Tensor<2>,
    ) -> Tensor<2> {
        let obs = obs.into();
        let length = self.policy.chain_len();
        let first = length - self.steps;
        let start = noise.clone().narrow(1, 0, self.policy.sizes.chunk_len());
        // Evaluation: the sampler's own noise, without the floor of practice.
        let features = pretrained.net.features(obs.clone());
        let x = pretrained
            .net
            .sample_steps(0..first, features, start, &noise);
        let features = self.policy.net.features(obs);
        self.policy
            .net
            .sample_steps(first..length, features, x, &noise)
            .clamp(-1.0, 1.0)
    }

    /// Raw observations and noise rows to raw action rows, as [`Policy::act`].
    async fn decide(
        &self,
        pretrained: &Policy,
        obs: &ObsBatch,
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        let inner_device = device.clone().without_autodiff();
        let obs = pretrained.observe(obs, &inner_device);
        let noise = nn::matrix(noise, pretrained.noise_len(), &inner_device);
        pretrained
            .actions(self.sample(pretrained, obs, noise))
            .await
    }

    /// Restores what [`FinetunedPolicy::save`] wrote of a copy of `pretrained`.
    pub(crate) fn load(pretrained: &Policy, prefix: &str, archive: &Archive) -> Result<Self> {
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

impl FinetunedPolicy for DppoPolicy {
    fn method(&self) -> FinetuneMethod {
        METHOD.id()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        _: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>> {
        Box::pin(self.decide(policy, obs, noise, device))
    }

    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            archive.put(format!("{prefix}/steps"), &self.steps)?;
            params::save(&self.policy.net, &format!("{prefix}/net"), archive).await
        })
    }
}
