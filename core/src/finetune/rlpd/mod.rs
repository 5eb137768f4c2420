//! RLPD beside a frozen policy: soft actor-critic on the task's sparse reward, with many critics
//! under layer normalization, two of which count in a target (Ball et al. 2023, "Efficient Online
//! Reinforcement Learning with Offline Data"). Half of every batch is demonstrations.

use super::Method;
use super::actor_critic::{self, ActorConfig, Encoder, PracticeConfig, SoftActorCriticConfig};
use crate::Result;
use crate::error::within;
use crate::memory::{Need, Sizes};
use crate::method::{DemoUse, Insight, MethodInfo, Paper};
use crate::nn::Keypoints;
use crate::policy::PolicyKind;
use crate::rl::{CriticConfig, CriticKind, Schedule};
use crate::settings::Settings;
use serde::{Deserialize, Serialize};

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "rlpd",
        label: "RLPD",
        sentence: "A small policy acts beside the frozen one, and learns from success alone, with \
                   ten critics and with demonstrations in every batch.",
        about: "RLPD: a small policy beside the pretrained one learns from the task's reward, with \
                many critics and demonstrations in every batch.",
        paper: Some(Paper {
            citation: "Ball et al. 2023",
            link: "https://arxiv.org/abs/2302.02948",
        }),
        color: None,
        policies: PolicyKind::ALL,
        because: "",
        smallest_image: Some(Keypoints::SMALLEST),
        per_step: true,
        // The actor is cloned from them.
        demos: DemoUse::Required,
        insights: &[Insight::Improvement],
        on_page: false,
    },
    check: |_, _, _| Ok(()),
    new: |config, cx| actor_critic::new_trainer(config.rlpd.learner(), cx),
    load: |config, cx, archive| actor_critic::load_trainer(config.rlpd.learner(), cx, archive),
    load_policy: |config, policy, prefix, archive, device| {
        actor_critic::load_policy(&config.rlpd.learner(), policy, prefix, archive, device)
    },
    practice: None,
};

/// Critics that count in a target (RLPD).
const TARGET_CRITICS: usize = 2;

/// Settings of RLPD. A decision is one action, held for `env.action_repeat` control steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct RlpdConfig {
    /// The actor beside the pretrained policy.
    #[setting(group)]
    pub actor: ActorConfig,
    /// Environments that practice in lockstep.
    #[setting(range = 1..=10_000, value = 8, paper = 1, source = "RLPD")]
    pub envs: usize,
    /// Decisions of practice, of all environments together.
    #[setting(
        range = 1..=1_000_000_000, paper = 250_000, cpu = 12_000, tiny = 4000,
        source = "as csil"
    )]
    pub total_steps: usize,
    /// Decisions before the first update of practice.
    #[setting(range = 1..=1_000_000_000, paper = 5000, cpu = 1000, tiny = 400, source = "as csil")]
    pub learning_starts: usize,
    /// Updates per decision afterwards.
    #[setting(range = 0.0..=100.0, paper = 20.0, cpu = 1.0, tiny = 0.5, source = "RLPD")]
    pub utd_ratio: f64,
    /// Updates of the critics for each of the actor.
    #[setting(
        range = 1..=1000, value = 1, paper = 20,
        source = "RLPD: one for all updates of a decision"
    )]
    pub actor_every: usize,
    /// Decisions between two points of the learning curve.
    #[setting(range = 1..=1_000_000_000, paper = 10_000, cpu = 2000, tiny = 1000)]
    pub eval_every: usize,
    /// Decisions that the replay of practice holds at most.
    #[setting(range = 1..=1_000_000_000, value = 200_000, paper = 250_000, source = "as csil")]
    pub capacity: usize,
    /// Decisions per update, demonstrated ones included.
    #[setting(range = 4..=1 << 20, paper = 256, cpu = 128, tiny = 64, source = "RLPD")]
    pub batch: usize,
    /// Adam's learning rate of actor, critics and temperature.
    #[setting(range = 0.0..=1.0, paper = 3e-4, cpu = 1e-3, tiny = 2e-3, source = "RLPD")]
    pub lr: f64,
    /// Discount per decision.
    #[setting(range = 0.0..=0.9999, value = 0.95, paper = 0.99, source = "RLPD")]
    pub gamma: f64,
    /// Polyak rate of the target critics, per update.
    #[setting(range = 0.0..=1.0, value = 0.05, paper = 0.005, source = "RLPD")]
    pub target_rate: f64,
    /// The temperature at the start, alpha.
    #[setting(range = 1e-6..=1e3, value = 0.01, paper = 1.0, source = "RLPD")]
    pub temperature: f64,
    /// Critics. Two, drawn anew for each update, count in a target.
    #[setting(range = 1..=100, value = 10, source = "RLPD")]
    pub critics: usize,
    /// Units per hidden layer of the critics.
    #[setting(range = 1..=8192, paper = 256, cpu = 128, tiny = 64, source = "RLPD")]
    pub hidden: usize,
    /// Hidden layers of the critics.
    #[setting(range = 1..=16, value = 2, paper = 3, source = "RLPD")]
    pub layers: usize,
}

impl RlpdConfig {
    /// What single ranges do not say.
    ///
    /// # Errors
    /// Names the setting that does not fit.
    pub fn check(&self) -> Result<()> {
        within(
            "finetune.rlpd.learning_starts",
            self.learning_starts,
            1,
            self.total_steps,
        )?;
        self.actor.check("finetune.rlpd.actor")
    }

    /// What it takes of memory.
    pub(super) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let SoftActorCriticConfig {
            practice, critics, ..
        } = self.learner();
        practice.memory(&critics, 1.0, "finetune.rlpd", sizes, Encoder::Learns)
    }

    fn learner(&self) -> SoftActorCriticConfig {
        SoftActorCriticConfig {
            method: METHOD.id(),
            practice: PracticeConfig {
                actor: self.actor.clone(),
                envs: self.envs,
                schedule: Schedule {
                    total_steps: self.total_steps,
                    learning_starts: self.learning_starts,
                    utd_ratio: self.utd_ratio,
                    eval_every: self.eval_every,
                },
                capacity: self.capacity,
                batch: self.batch,
                demo_fraction: 0.5,
            },
            critics: CriticConfig {
                kind: CriticKind::Scalar { layer_norm: true },
                critics: self.critics,
                target_critics: TARGET_CRITICS.min(self.critics),
                hidden: self.hidden,
                layers: self.layers,
                lr: self.lr,
                target_rate: self.target_rate,
            },
            lr: self.lr,
            gamma: self.gamma,
            temperature: self.temperature,
            actor_every: self.actor_every,
        }
    }
}
