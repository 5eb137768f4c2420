//! Best of N: the pretrained policy proposes, a critic chooses.
//!
//! The frozen policy is rolled out, an IQL critic is fitted to its own rollouts, and at every
//! decision the best of N proposals by the critic is played (PostBC, appendix D.3; IDQL). The
//! policy's weights never change: what finetuning can reach is what the policy proposes, which is
//! why the coverage of pretraining matters.

pub mod iql;
mod trainer;

use super::{FinetuneMethod, FinetunedPolicy, Memory, Method};
use crate::data::Archive;
use crate::error::within;
use crate::method::{LocalFuture, MethodInfo, Paper};
use crate::nn;
use crate::policy::{Policy, PolicyKind};
use crate::run::config::Preset;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
pub use iql::{Critic, Iql};
use serde::{Deserialize, Serialize};
pub use trainer::BestOfNTrainer;

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "best-of-n",
        label: "best-of-N",
        sentence: "Learns to judge: of several proposals of the frozen policy the best is played.",
        about: "Best of N samples by an IQL critic.",
        paper: Some(Paper {
            citation: "Hansen-Estruch et al. 2023 (IDQL)",
            link: "https://arxiv.org/abs/2304.10573",
        }),
        color: None,
        policies: &[
            PolicyKind::Gaussian,
            PolicyKind::Flow,
            PolicyKind::FlowTransformer,
            PolicyKind::Diffusion,
            PolicyKind::Squashed,
        ],
        because: "draws many proposals for every decision",
        smallest_image: None,
        per_step: false,
        needs_demos: false,
        insights: &[],
        on_page: true,
    },
    check: |_, _, _| Ok(()),
    new: |config, cx| {
        let trainer = BestOfNTrainer::new(config.best_of_n.clone(), cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let trainer = BestOfNTrainer::load(config.best_of_n.clone(), cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |config, policy, prefix, archive, device| {
        let loaded = BestOfNPolicy::load(&config.best_of_n, policy, prefix, archive, device)?;
        Ok(Box::new(loaded))
    },
};

/// Settings of best-of-N.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BestOfNConfig {
    /// Episodes of the frozen policy that the critic learns from. Default 1000 in the paper preset
    /// (PostBC: 1000 or 2000).
    pub rollouts: usize,
    /// Points of the learning curve: the rollouts are collected in this many equal parts, the
    /// critic is fitted anew to all episodes so far, and the result is evaluated.
    pub rounds: usize,
    /// Critic updates per round. PostBC: 2,000,000.
    pub steps: usize,
    /// Decisions per update. Default 256.
    pub batch: usize,
    /// Adam's learning rate. Default 1e-3 (paper preset: 3e-4).
    pub lr: f64,
    /// Discount per decision. Default 0.99 (PostBC: 0.999 per single action).
    pub gamma: f64,
    /// Expectile of the value loss; 0.5 is the mean. Default 0.7 (PostBC: 0.5 to 0.9 by task).
    pub expectile: f64,
    /// Whether an episode that the time limit cut off goes on for the critic (its last value is
    /// bootstrapped) or is a failure. Default false: success counts within the horizon only, and
    /// values anchored at failures are learned in far fewer updates.
    pub bootstrap_truncated: bool,
    /// Polyak rate of the target critics. Default 0.02, as updates are few (paper preset: 0.005).
    pub tau: f64,
    /// Critics; a pair of observation and chunk is worth what the most pessimistic of them says.
    /// Default 4 (paper preset and IQL: 2).
    pub critics: usize,
    /// N, proposals per decision. Default 16 (paper preset: 32, PostBC's Libero runs).
    pub samples: usize,
    /// Units per hidden layer of the critics. Default 128 (paper preset: 256).
    pub hidden: usize,
    /// Hidden layers of the critics. Default 2.
    pub layers: usize,
}

impl BestOfNConfig {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        let base = Self {
            rollouts: 1000,
            rounds: 4,
            steps: 500_000,
            batch: 256,
            lr: 3e-4,
            gamma: 0.99,
            expectile: 0.7,
            bootstrap_truncated: false,
            tau: 0.005,
            critics: 2,
            samples: 32,
            hidden: 256,
            layers: 2,
        };
        let small = Self {
            rollouts: 900,
            rounds: 3,
            steps: 3000,
            lr: 1e-3,
            tau: 0.02,
            critics: 4,
            samples: 16,
            hidden: 128,
            ..base.clone()
        };
        match preset {
            Preset::Paper => base,
            Preset::Cpu => small,
            Preset::Tiny => Self { rounds: 1, ..small },
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("finetune.best_of_n.rollouts", self.rollouts, 1, 10_000_000)?;
        within("finetune.best_of_n.rounds", self.rounds, 1, self.rollouts)?;
        within("finetune.best_of_n.steps", self.steps, 1, 1_000_000_000)?;
        within("finetune.best_of_n.batch", self.batch, 1, 1 << 20)?;
        within("finetune.best_of_n.lr", self.lr, 0.0, 1.0)?;
        within("finetune.best_of_n.gamma", self.gamma, 0.0, 1.0)?;
        within("finetune.best_of_n.expectile", self.expectile, 0.0, 1.0)?;
        within("finetune.best_of_n.tau", self.tau, 0.0, 1.0)?;
        within("finetune.best_of_n.samples", self.samples, 1, 100_000)?;
        within("finetune.best_of_n.critics", self.critics, 1, 1000)?;
        within("finetune.best_of_n.hidden", self.hidden, 1, 8192)?;
        within("finetune.best_of_n.layers", self.layers, 1, 16)
    }
}

/// The deployed result: a frozen policy and the critic that chooses among its proposals.
#[derive(Clone)]
pub struct BestOfNPolicy {
    /// Scores (observation, chunk) pairs, both normalized.
    pub critic: Critic,
    /// N, proposals per decision.
    pub samples: usize,
}

impl BestOfNPolicy {
    /// For every raw observation row: N proposals from `noise` (`[rows * N, noise]`), the best of
    /// which is played.
    async fn choose(
        &self,
        policy: &Policy,
        obs: &[f32],
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        let plain = device.clone().without_autodiff();
        let (sizes, n) = (policy.sizes, self.samples);
        let rows = obs.len() / sizes.obs;
        let obs = nn::matrix(policy.obs_scale.apply(obs), sizes.obs, &plain);
        let repeated: Tensor<2> = obs
            .unsqueeze_dim::<3>(1)
            .expand([rows, n, sizes.obs])
            .reshape([rows * n, sizes.obs]);
        let chunks = policy.sample(
            repeated.clone(),
            nn::matrix(noise, policy.noise_len(), &plain),
        );
        let scores = nn::read(self.critic.score(repeated, chunks.clone())).await?;
        let chunks = policy.act_scale.invert(&nn::read(chunks).await?);
        let width = sizes.chunk_len();
        let best = (0..rows).flat_map(|row| {
            let winner = row * n + argmax(&scores[row * n..(row + 1) * n]);
            chunks[winner * width..(winner + 1) * width]
                .iter()
                .map(|a| a.clamp(-1.0, 1.0))
        });
        Ok(best.collect())
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub fn load(
        config: &BestOfNConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let samples = archive.get(&format!("{prefix}/samples"))?;
        if samples != config.samples {
            return Err(Error::input(format!(
                "the checkpoint's critic chooses among {samples} proposals, its configuration says \
                 {}",
                config.samples
            )));
        }
        let critic = Critic::load(
            config,
            policy.sizes.obs,
            policy.sizes.chunk_len(),
            &format!("{prefix}/critic"),
            archive,
            device,
        )?;
        Ok(Self { critic, samples })
    }
}

impl FinetunedPolicy for BestOfNPolicy {
    fn method(&self) -> FinetuneMethod {
        METHOD.id()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    fn noise_len(&self, policy: &Policy) -> usize {
        self.samples * policy.noise_len()
    }

    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a [f32],
        _: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>> {
        Box::pin(self.choose(policy, obs, noise, device))
    }

    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            archive.put(format!("{prefix}/samples"), &self.samples)?;
            self.critic.save(&format!("{prefix}/critic"), archive).await
        })
    }
}

fn argmax(values: &[f32]) -> usize {
    (1..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}
