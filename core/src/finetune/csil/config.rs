//! Settings of CSIL.

use crate::Result;
use crate::error::within;
use crate::finetune::actor_critic::{ActorConfig, Encoder, PracticeConfig};
use crate::memory::{Need, Sizes};
use crate::nn::Atoms;
use crate::rl::{CriticConfig, CriticKind, Schedule};
use crate::settings::{Choices, Settings};
use serde::{Deserialize, Serialize};

/// What the learned reward is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum RewardMode {
    /// Less its upper bound: never above 0, so that an episode that ends in success is the best
    /// there is.
    Negative,
    /// As it is, for tasks that success does not end.
    Positive,
}

/// Settings of CSIL. A decision is one action, held for `env.action_repeat` control steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct CsilConfig {
    /// The actor beside the pretrained policy.
    #[setting(group)]
    pub actor: ActorConfig,
    /// Environments that practice in lockstep.
    #[setting(range = 1..=10_000, value = 8, paper = 1, source = "CSIL")]
    pub envs: usize,
    /// Decisions of practice, of all environments together.
    #[setting(
        range = 1..=1_000_000_000, paper = 250_000, cpu = 12_000, tiny = 4000,
        source = "CSIL"
    )]
    pub total_steps: usize,
    /// Gradient steps of the critic on the demonstrations alone, before practice (SARSA).
    /// A critic that is still on its way when practice begins undoes the good start.
    #[setting(range = 0..=100_000_000, paper = 5000, cpu = 2000, tiny = 1500, source = "CSIL")]
    pub critic_updates: usize,
    /// Decisions before the first update of practice.
    #[setting(range = 1..=1_000_000_000, paper = 5000, cpu = 1000, tiny = 400, source = "XQC")]
    pub learning_starts: usize,
    /// Updates per decision afterwards.
    #[setting(range = 0.0..=100.0, value = 1.0, tiny = 0.5, source = "CSIL")]
    pub utd_ratio: f64,
    /// Updates of the critic for each of the actor.
    #[setting(range = 1..=1000, value = 1, source = "CSIL")]
    pub actor_every: usize,
    /// Decisions between two points of the learning curve.
    #[setting(range = 1..=1_000_000_000, paper = 10_000, cpu = 2000, tiny = 1000)]
    pub eval_every: usize,
    /// Decisions that the replay of practice holds at most.
    #[setting(range = 1..=1_000_000_000, value = 200_000, paper = 250_000, source = "CSIL")]
    pub capacity: usize,
    /// Decisions per update, demonstrated ones included.
    #[setting(
        range = 4..=1 << 20, paper = 512, cpu = 128, tiny = 64,
        source = "CSIL: 256 of each"
    )]
    pub batch: usize,
    /// Adam's learning rate of actor and critic.
    #[setting(
        range = 0.0..=1.0, paper = 3e-4, cpu = 1e-3, tiny = 2e-3,
        source = "CSIL, XQC"
    )]
    pub lr: f64,
    /// Discount per decision.
    #[setting(range = 0.0..=0.9999, value = 0.95, paper = 0.99, source = "CSIL")]
    pub gamma: f64,
    /// Polyak rate of the target critics, per update.
    #[setting(range = 0.0..=1.0, value = 0.05, paper = 0.005, source = "CSIL, XQC")]
    pub target_rate: f64,
    /// Learned reward per dimension of the action and unit of log-likelihood ratio, alpha times the
    /// dimensions.
    #[setting(range = 1e-6..=1e3, value = 1.0, source = "CSIL")]
    pub reward_scale: f64,
    /// What the learned reward is counted from.
    #[setting(value = RewardMode::Negative)]
    pub reward_mode: RewardMode,
    /// Earned for success on top of what is learned; 0 leaves success to end the
    /// episode. Above 0, the clone is no longer optimal from the start, but finetuning knows what
    /// counts.
    #[setting(range = 0.0..=1e3, value = 0.0, source = "CSIL knows of none")]
    pub success_reward: f64,
    /// Least learned reward, before it is counted from its bound.
    #[setting(
        range = -1e3..=0.0, value = -2.0, paper = -5.0,
        source = "where CSIL's refinement cuts off"
    )]
    pub least_reward: f64,
    /// Learning rate of the reward's refinement in practice, plain gradient descent; 0: the reward
    /// stays as cloned.
    #[setting(range = 0.0..=1.0, value = 1e-3, source = "CSIL")]
    pub reward_lr: f64,
    /// Weight of the KL divergence from the clone in the actor's loss and in the values.
    #[setting(range = 0.0..=1e3, value = 0.1, paper = 0.01, source = "CSIL")]
    pub kl_weight: f64,
    /// Weight of the size of the critic's gradient in the action, at demonstrations, while the
    /// critic is pretrained.
    #[setting(range = 0.0..=1e3, value = 1.0, source = "CSIL")]
    pub gradient_penalty: f64,
    /// The same in practice. Where the gradient at the demonstrations is gone, a critic whose
    /// inputs are normalized by the batch ignores actions everywhere, and nothing is learned.
    #[setting(range = 0.0..=1e3, value = 0.0, paper = 1.0, source = "CSIL")]
    pub practice_penalty: f64,
    /// Critics.
    #[setting(range = 1..=100, value = 2, source = "CSIL, XQC")]
    pub critics: usize,
    /// Units per hidden layer of the critics.
    #[setting(range = 1..=8192, paper = 512, cpu = 128, tiny = 64, source = "XQC")]
    pub hidden: usize,
    /// Hidden layers of the critics.
    #[setting(range = 1..=16, value = 2, paper = 4, source = "XQC")]
    pub layers: usize,
    /// Atoms of a value's distribution.
    #[setting(range = 2..=1001, paper = 101, cpu = 51, tiny = 31, source = "XQC")]
    pub atoms: usize,
}

impl CsilConfig {
    /// What single ranges do not say.
    ///
    /// # Errors
    /// Names the setting that does not fit.
    pub fn check(&self) -> Result<()> {
        within(
            "finetune.csil.learning_starts",
            self.learning_starts,
            1,
            self.total_steps,
        )?;
        self.actor.check("finetune.csil.actor")
    }

    /// What it takes of memory: beside the actor are the clone and the learned reward.
    pub(crate) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let practice = self.practice();
        practice.memory(
            &self.critics(),
            3.0,
            "finetune.csil",
            sizes,
            Encoder::Frozen,
        )
    }

    /// How it practices: half of a batch is demonstrations.
    pub(super) fn practice(&self) -> PracticeConfig {
        PracticeConfig {
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
        }
    }

    /// XQC's critics, over all values that there can be.
    pub(super) fn critics(&self) -> CriticConfig {
        let (low, high) = self.value_range();
        CriticConfig {
            kind: CriticKind::Categorical(Atoms {
                low,
                high,
                count: self.atoms,
            }),
            critics: self.critics,
            target_critics: self.critics,
            hidden: self.hidden,
            layers: self.layers,
            lr: self.lr,
            target_rate: self.target_rate,
        }
    }

    /// Least and greatest reward, as the critics see it, without what success earns on top.
    ///
    /// The greatest learned one is the log-likelihood ratio of a density of 1 / std and the uniform
    /// prior's 1/2, per dimension, at the least standard deviation (CSIL: -ln(1e-5) / 2 + ln 2 =
    /// 6.45).
    pub(crate) fn reward_range(&self) -> (f64, f64) {
        let low = self.least_reward;
        let high = self.reward_scale * self.highest_ratio();
        match self.reward_mode {
            RewardMode::Negative => (low - high, 0.0),
            RewardMode::Positive => (low, high),
        }
    }

    fn highest_ratio(&self) -> f64 {
        std::f64::consts::LN_2 - 0.5 * libm::log(self.actor.variance_floor)
    }

    /// Least and greatest value: those of the least and greatest reward for ever, and what success
    /// can earn.
    pub(crate) fn value_range(&self) -> (f64, f64) {
        let (low, high) = self.reward_range();
        (
            low / (1.0 - self.gamma),
            high / (1.0 - self.gamma) + self.success_reward,
        )
    }
}
