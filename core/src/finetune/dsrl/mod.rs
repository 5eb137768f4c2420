//! DSRL, diffusion steering by reinforcement learning (Wagenmaker et al. 2025): the policy stays
//! frozen, and an actor chooses the noise from which its deterministic sampler makes the actions.
//!
//! What the actor can reach is what the policy makes of some noise, which is why the coverage of
//! pretraining matters.

mod learner;
mod noise_policy;
mod trainer;

use super::{Method, check_encoder};
use crate::error::within;
use crate::memory::{NORMED, Need, NetworkSize, Sizes};
use crate::method::{DemoUse, MethodInfo, Paper};
use crate::nn::SMALLEST_IMAGE;
use crate::policy::{self, PolicyConfig, PolicyKind, Sampler};
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
pub use learner::{Losses, SoftActorCritic};
pub use noise_policy::NoisePolicy;
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
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        demos: DemoUse::Unused,
        insights: &[],
        on_page: true,
    },
    check: |_, policy, cameras| {
        check_sampler(policy)?;
        check_encoder(METHOD.id(), policy, cameras)
    },
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
    practice: None,
};

/// What the critic that teaches the actor is learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// DSRL-NA: a critic of actions learns from practice, and a critic of noise is distilled from
    /// it through the sampler. It learns from fewer decisions.
    NoiseAliased,
    /// DSRL-SAC: noise is the action, and SAC does the rest. It is cheaper.
    Sac,
}

/// What the reward offset is added to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum OffsetPer {
    /// The reward of every decision.
    Decision,
    /// The reward of every control step: a decision of four control steps gets four offsets.
    Step,
}

/// Settings of DSRL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct DsrlConfig {
    /// What the critic that teaches the actor is learned from.
    #[setting(value = Variant::NoiseAliased, source = "DSRL's Lift, Can, Square")]
    pub variant: Variant,
    /// Environments that practice in lockstep; their steps are cheap here.
    #[setting(range = 1..=10_000, value = 40, paper = 4, source = "DSRL")]
    pub envs: usize,
    /// Decisions of practice, of all environments together, those before learning included.
    #[setting(range = 1..=1_000_000_000, paper = 200_000, cpu = 20_000, tiny = 16_000)]
    pub total_steps: usize,
    /// Decisions with the policy's own noise, before learning begins.
    #[setting(
        range = 1..=1_000_000_000, value = 2000, paper = 6004,
        source = "DSRL's code, PostBC table 2: 1501 of each environment"
    )]
    pub learning_starts: usize,
    /// Decisions between two points of the learning curve.
    #[setting(
        range = 1..=1_000_000_000, paper = 12_000, cpu = 4000, tiny = 2000,
        source = "DSRL's code: 3000 of each environment"
    )]
    pub eval_every: usize,
    /// Updates of critic, temperature and actor per decision.
    #[setting(
        range = 0.0..=1000.0, paper = 5.0, cpu = 0.5, tiny = 0.25,
        source = "PostBC table 2: 20 for a decision of each of 4 environments"
    )]
    pub utd_ratio: f64,
    /// Updates of the noise critic per decision; `sac` has none.
    #[setting(
        range = 0.0..=1000.0, paper = 2.5, cpu = 0.5, tiny = 0.25,
        source = "PostBC table 2: 10 for a decision of each of 4 environments",
        needs = "variant = noise-aliased"
    )]
    pub noise_utd_ratio: f64,
    /// Decisions per update.
    #[setting(range = 1..=1 << 20, value = 128, paper = 256, source = "DSRL")]
    pub batch: usize,
    /// Adam's learning rate, everywhere.
    #[setting(range = 0.0..=1.0, value = 5e-4, paper = 3e-4, source = "DSRL")]
    pub lr: f64,
    /// Discount per decision.
    #[setting(range = 0.0..=1.0, value = 0.97, paper = 0.99, source = "PostBC table 2")]
    pub gamma: f64,
    /// Polyak rate of the target critics, per update.
    #[setting(range = 0.0..=1.0, value = 0.01, paper = 0.005, source = "DSRL")]
    pub target_rate: f64,
    /// Largest noise that the actor can choose, in standard deviations.
    #[setting(range = 0.01..=10.0, value = 1.5, source = "PostBC table 2")]
    pub magnitude: f64,
    /// The temperature at the start, alpha. With the 1 of the reference, thirty dimensions of noise
    /// earn so much entropy that an actor learns to stay away from success where success ends the
    /// episode (`env.to_horizon`).
    #[setting(range = 1e-6..=1e3, value = 0.01, paper = 1.0, source = "DSRL's code")]
    pub temperature: f64,
    /// Whether the entropy of later choices counts as reward for the critic (soft values); see
    /// `temperature`.
    #[setting(value = false, paper = true, source = "DSRL's code")]
    pub backup_entropy: bool,
    /// Entropy per number of noise that the temperature holds the actor to, of its choice scaled
    /// to [-1, 1], where a uniform choice has ln 2 = 0.69. The critic of noise learns from standard
    /// normal noise, which a narrow actor can leave, the sooner the more numbers noise has.
    #[setting(range = -100.0..=0.69, value = 0.0, source = "DSRL")]
    pub target_entropy: f64,
    /// Added to rewards. With 0, success is worth 1 or, with `env.to_horizon`, 1 for as long as it
    /// lasts. With -1, everything before success costs 1, and nothing is earned then: for practice
    /// to the horizon, as where success ends episodes an actor can learn to run into the time
    /// limit instead.
    #[setting(range = -1e3..=1e3, value = 0.0, paper = -1.0, source = "DSRL")]
    pub reward_offset: f64,
    /// What `reward_offset` is added to.
    #[setting(
        value = OffsetPer::Decision, source = "DSRL's code: step",
        needs = "reward_offset != 0"
    )]
    pub offset_per: OffsetPer,
    /// Whether an episode that the time limit cut off goes on for the critic.
    #[setting(value = false, source = "DSRL's code")]
    pub bootstrap_truncated: bool,
    /// Whether the actor draws in evaluations, or plays its mean.
    #[setting(value = true, source = "DSRL's code")]
    pub stochastic_eval: bool,
    /// Critics of each kind; the least counts.
    #[setting(range = 1..=1000, value = 3, paper = 2, source = "DSRL")]
    pub critics: usize,
    /// Units per hidden layer of actor and critics.
    #[setting(range = 1..=8192, paper = 2048, cpu = 128, tiny = 64, source = "DSRL")]
    pub hidden: usize,
    /// Hidden layers, each with layer normalization and tanh.
    #[setting(range = 1..=16, value = 3, tiny = 2, source = "DSRL")]
    pub layers: usize,
}

impl DsrlConfig {
    /// What is added to the reward of a decision of so many control steps.
    pub(super) fn offset(&self, steps: usize) -> f32 {
        let times = match self.offset_per {
            OffsetPer::Decision => 1,
            OffsetPer::Step => steps,
        };
        self.reward_offset as f32 * times as f32
    }

    /// Learning starts before the end.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self) -> Result<()> {
        within(
            "finetune.dsrl.learning_starts",
            self.learning_starts,
            1,
            self.total_steps,
        )
    }
}

impl DsrlConfig {
    /// What it takes of memory.
    pub(super) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let obs = policy::memory::features(sizes);
        let chunk = sizes.policy.chunk * sizes.act;
        let shape = (self.hidden, self.layers);
        let actor = NetworkSize::stack(1, (obs, 2 * chunk), shape);
        let critics = NetworkSize::stack(self.critics, (obs + chunk, 1), shape);
        let kinds = match self.variant {
            Variant::NoiseAliased => 2.0,
            Variant::Sac => 1.0,
        };
        // The target network; and a step makes new critics beside those that it began with.
        let following = 2.0 * critics.following();
        let weights = actor.learned() + kinds * critics.learned() + following;
        let rows = self.batch as f64;
        let step = critics.and(actor).learning(rows) * NORMED;
        let sampled = policy::memory::deciding(sizes).acting(rows);
        let group = "finetune.dsrl";
        vec![
            Need::of(
                group,
                "the weights of actor and critics",
                &["critics", "hidden", "layers"],
                weights,
            ),
            Need::of(
                group,
                "a step of learning",
                &["batch", "critics", "hidden", "layers"],
                step + sampled,
            ),
            Need::of(
                group,
                "its environments",
                &["envs"],
                sizes.environments(self.envs),
            ),
            Need::of(
                group,
                "the replay",
                &["total_steps"],
                sizes.replay(self.total_steps as f64, obs, sizes.chunk_len()),
            ),
        ]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    /// A chunk of four control steps gets one offset or four, one that the end cut short fewer.
    #[test]
    fn the_offset_counts_once_or_for_every_control_step() {
        let with = |offset_per| DsrlConfig {
            reward_offset: -1.0,
            offset_per,
            ..DsrlConfig::preset(Preset::Tiny)
        };
        let offsets = |config: &DsrlConfig| [4, 3, 1].map(|steps| config.offset(steps));
        assert_eq!(offsets(&with(OffsetPer::Step)), [-4.0, -3.0, -1.0]);
        assert_eq!(offsets(&with(OffsetPer::Decision)), [-1.0; 3]);
    }
}
