//! DSRL, diffusion steering by reinforcement learning (Wagenmaker et al. 2025): the policy stays
//! frozen, and an actor chooses the noise from which its deterministic sampler makes the actions.
//!
//! What the actor can reach is what the policy makes of some noise, which is why the coverage of
//! pretraining matters.

mod learner;
mod noise_policy;
mod trainer;

use super::Method;
use crate::error::within;
use crate::method::{MethodInfo, Paper};
use crate::policy::{PolicyConfig, PolicyKind, Sampler};
use crate::run::config::Preset;
use crate::{Error, Result};
pub use learner::{Losses, SoftActorCritic};
pub use noise_policy::{Actor, NoisePolicy};
use serde::{Deserialize, Serialize};
pub use trainer::DsrlTrainer;

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "dsrl",
        label: "DSRL",
        sentence: "Learns which noise to feed the frozen policy, so that what comes out succeeds.",
        about: "Diffusion steering: SAC chooses the noise from which the policy makes its actions.",
        paper: Some(Paper {
            citation: "Wagenmaker et al. 2025",
            link: "https://arxiv.org/abs/2506.15799",
        }),
        color: None,
        policies: &[
            PolicyKind::Flow,
            PolicyKind::FlowTransformer,
            PolicyKind::Diffusion,
        ],
        because: "steers the noise of a generative policy",
        smallest_image: None,
        per_step: false,
        needs_demos: false,
        insights: &[],
        on_page: true,
    },
    check: |_, policy, _| check_sampler(policy),
    new: |config, cx| {
        let trainer = DsrlTrainer::new(config.dsrl.clone(), cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let trainer = DsrlTrainer::load(config.dsrl.clone(), cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |config, policy, prefix, archive, device| {
        let loaded = NoisePolicy::load(&config.dsrl, policy, prefix, archive, device)?;
        Ok(Box::new(loaded))
    },
};

/// What the critic that teaches the actor is learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// DSRL-NA: a critic of actions learns from practice, and a critic of noise is distilled from
    /// it through the sampler.
    NoiseAliased,
    /// DSRL-SAC: noise is the action, and SAC does the rest.
    Sac,
}

/// Settings of DSRL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DsrlConfig {
    /// Noise-aliased (the default: learns from fewer decisions) or plain SAC on noise (cheaper).
    pub variant: Variant,
    /// Environments that practice in lockstep. Default 40, as their steps are cheap here (paper
    /// preset: 4, DSRL).
    pub envs: usize,
    /// Decisions of each environment, warm-up included.
    pub steps: usize,
    /// Decisions of each environment with the policy's own noise, before learning begins.
    pub warmup: usize,
    /// Decisions of each environment between two points of the learning curve.
    pub eval_every: usize,
    /// Updates of critic, temperature and actor after each decision of the environments (DSRL: 20).
    pub updates: usize,
    /// Updates of the noise critic after each decision of the environments (noise-aliased only;
    /// DSRL: 10).
    pub noise_updates: usize,
    /// Decisions per update. Default 128 (paper preset: 256, DSRL).
    pub batch: usize,
    /// Adam's learning rate, everywhere. Default 5e-4 (paper preset: 3e-4, DSRL).
    pub lr: f64,
    /// Discount per decision. Default 0.97 (paper preset: 0.99, DSRL).
    pub gamma: f64,
    /// Polyak rate of the target critics. Default 0.01 (paper preset: 0.005, DSRL).
    pub tau: f64,
    /// Largest noise that the actor can choose, in standard deviations. Default 1.5 (DSRL's and
    /// PostBC's lists).
    pub magnitude: f64,
    /// The temperature at the start, alpha. Default 0.01: with the 1 of the reference, thirty
    /// dimensions of noise earn so much entropy that an actor learns to stay away from success,
    /// which here ends the episode (paper preset: 1).
    pub temperature: f64,
    /// Whether the entropy of later choices counts as reward for the critic (soft values). Default
    /// false, for the same reason (paper preset: true).
    pub backup_entropy: bool,
    /// Entropy that the temperature holds the actor to, of its choice scaled to [-1, 1]. Default 0
    /// (DSRL).
    pub target_entropy: f64,
    /// Added to the reward of every decision. Default 0: success, which ends an episode, earns 1.
    /// With -1 it is -1 until success and 0 then (paper preset: DSRL, where success ends nothing);
    /// here an actor can then learn to run into the time limit.
    pub reward_offset: f64,
    /// Whether an episode that the time limit cut off goes on for the critic. Default false (DSRL).
    pub bootstrap_truncated: bool,
    /// Whether the actor draws in evaluations, or plays its mean. Default true (DSRL).
    pub stochastic_eval: bool,
    /// Critics of each kind; the least counts. Default 3 (paper preset: 2, DSRL).
    pub critics: usize,
    /// Units per hidden layer of actor and critics (paper preset: 2048).
    pub hidden: usize,
    /// Hidden layers, each with layer normalization and tanh. Default 3.
    pub layers: usize,
}

impl DsrlConfig {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        let base = Self {
            variant: Variant::NoiseAliased,
            envs: 4,
            steps: 50_000,
            warmup: 1501,
            eval_every: 3000,
            updates: 20,
            noise_updates: 10,
            batch: 256,
            lr: 3e-4,
            gamma: 0.99,
            tau: 0.005,
            magnitude: 1.5,
            temperature: 1.0,
            backup_entropy: true,
            target_entropy: 0.0,
            reward_offset: -1.0,
            bootstrap_truncated: false,
            stochastic_eval: true,
            critics: 2,
            hidden: 2048,
            layers: 3,
        };
        let small = Self {
            envs: 40,
            steps: 500,
            warmup: 50,
            eval_every: 100,
            updates: 20,
            noise_updates: 20,
            batch: 128,
            lr: 5e-4,
            gamma: 0.97,
            tau: 0.01,
            temperature: 0.01,
            backup_entropy: false,
            reward_offset: 0.0,
            critics: 3,
            hidden: 128,
            ..base.clone()
        };
        match preset {
            Preset::Paper => base,
            Preset::Cpu => small,
            Preset::Tiny => Self {
                steps: 400,
                eval_every: 50,
                updates: 10,
                noise_updates: 10,
                hidden: 64,
                layers: 2,
                ..small
            },
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("finetune.dsrl.envs", self.envs, 1, 10_000)?;
        within("finetune.dsrl.steps", self.steps, 1, 1_000_000_000)?;
        within("finetune.dsrl.warmup", self.warmup, 1, self.steps)?;
        within(
            "finetune.dsrl.eval_every",
            self.eval_every,
            1,
            1_000_000_000,
        )?;
        within("finetune.dsrl.updates", self.updates, 1, 1_000_000)?;
        within(
            "finetune.dsrl.noise_updates",
            self.noise_updates,
            1,
            1_000_000,
        )?;
        within("finetune.dsrl.batch", self.batch, 1, 1 << 20)?;
        within("finetune.dsrl.lr", self.lr, 0.0, 1.0)?;
        within("finetune.dsrl.gamma", self.gamma, 0.0, 1.0)?;
        within("finetune.dsrl.tau", self.tau, 0.0, 1.0)?;
        within("finetune.dsrl.magnitude", self.magnitude, 0.01, 10.0)?;
        within("finetune.dsrl.temperature", self.temperature, 1e-6, 1e3)?;
        within(
            "finetune.dsrl.target_entropy",
            self.target_entropy,
            -1e4,
            1e4,
        )?;
        within("finetune.dsrl.reward_offset", self.reward_offset, -1e3, 1e3)?;
        within("finetune.dsrl.critics", self.critics, 1, 1000)?;
        within("finetune.dsrl.hidden", self.hidden, 1, 8192)?;
        within("finetune.dsrl.layers", self.layers, 1, 16)
    }
}

/// Only a deterministic sampler makes the same actions of the same noise.
fn check_sampler(policy: &PolicyConfig) -> Result<()> {
    match (policy.kind, policy.sampler) {
        (PolicyKind::Diffusion, Sampler::Ddpm) => Err(Error::input(
            "finetune.method dsrl steers a deterministic sampler, but policy.sampler is ddpm, \
             which draws noise at every step: set it to ddim",
        )),
        _ => Ok(()),
    }
}
