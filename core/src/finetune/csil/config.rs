//! Settings of CSIL and of the methods that it is compared with.

use crate::error::within;
use crate::run::config::Preset;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which reinforcement learning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// Coherent soft imitation learning: the reward is learned from the demonstrations, and the
    /// learner is held to the clone.
    Csil,
    /// XQC with demonstrations: the same critic on the task's sparse reward, and entropy instead of
    /// the clone.
    Xqc,
    /// RLPD: the sparse reward, many critics with layer normalization, two of which judge a target.
    Rlpd,
    /// Soft actor-critic from the clone: the sparse reward, two plain critics, no demonstrations in
    /// the batches.
    Sac,
}

/// How the small policy's action and the pretrained policy's become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compose {
    /// Their mean.
    Ensemble,
    /// The pretrained policy's action, and `residual_scale` times the small policy's.
    Residual,
    /// The small policy acts alone: CSIL as such.
    Alone,
}

/// What the learned reward is counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RewardMode {
    /// Less its upper bound: never above 0, so that an episode that ends in success is the best
    /// there is.
    Negative,
    /// As it is, for tasks that success does not end.
    Positive,
}

/// Settings of CSIL. A decision is one action, held for `env.action_repeat` control steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CsilConfig {
    /// Which reinforcement learning: csil (the default), or what it is compared with: xqc, rlpd,
    /// sac. Preset values of some other settings depend on it.
    pub variant: Variant,
    /// How the two policies' actions become one: ensemble (the default), residual or alone.
    pub compose: Compose,
    /// Of a residual action, in the range of actions: how far it reaches. Default 0.2 (residual
    /// policies: 0.1 to 0.2).
    pub residual_scale: f64,
    /// Environments that practice in lockstep. Default 8 (paper preset: 1).
    pub envs: usize,
    /// Decisions of practice, of all environments together. Paper preset: 250,000 (CSIL).
    pub decisions: usize,
    /// Gradient steps that clone the small policy from the demonstrations. Paper preset: 25,000
    /// (CSIL).
    pub clone_updates: usize,
    /// Adam's learning rate while cloning. Default 1e-3 (CSIL).
    pub clone_lr: f64,
    /// Gradient steps of the critic on the demonstrations alone, before practice (SARSA; csil
    /// only). A critic that is still on its way when practice begins undoes the good start. Paper
    /// preset: 5,000 (CSIL).
    pub critic_updates: usize,
    /// Decisions before the first update of practice. Paper preset: 5,000 (XQC).
    pub seed_decisions: usize,
    /// Updates per decision afterwards. Default 1 (paper preset: 1, CSIL; xqc: 2; rlpd: 20).
    pub updates_per_decision: f64,
    /// Updates of the critic for each of the actor. Default 1 (paper preset of xqc: 3).
    pub actor_every: usize,
    /// Decisions between two points of the learning curve.
    pub eval_every: usize,
    /// Decisions that the replay of practice holds at most. Default 200,000.
    pub capacity: usize,
    /// Decisions per update, demonstrated ones included. Paper preset: 512 (CSIL: 256 of each).
    pub batch: usize,
    /// Adam's learning rate of actor and critic. Default 1e-3 (tiny preset: 2e-3; paper preset:
    /// 3e-4, CSIL, XQC, RLPD).
    pub lr: f64,
    /// Discount per decision. Default 0.95 (paper preset: 0.99, CSIL).
    pub gamma: f64,
    /// Polyak rate of the target critics. Default 0.05 (paper preset: 0.005, CSIL, XQC, RLPD).
    pub tau: f64,
    /// Learned reward per dimension of the action and unit of log-likelihood ratio, alpha times the
    /// dimensions. Default 1 (CSIL).
    pub reward_scale: f64,
    /// What the learned reward is counted from: negative (the default) or positive.
    pub reward_mode: RewardMode,
    /// Earned for success on top of what is learned (csil only): 0, the default, leaves success to
    /// end the episode. Above 0, the clone is no longer optimal from the start, but finetuning
    /// knows what counts.
    pub success_reward: f64,
    /// Least learned reward, before it is counted from its bound. Paper preset: -5 (where CSIL's
    /// refinement cuts off).
    pub least_reward: f64,
    /// Learning rate of the reward's refinement in practice, plain gradient descent; 0: the reward
    /// stays as cloned. Paper preset: 1e-3 (CSIL).
    pub reward_lr: f64,
    /// Weight of the KL divergence from the clone in the actor's loss and in the values (csil
    /// only). Default 0.1 (paper preset: 0.01, CSIL).
    pub kl_weight: f64,
    /// Weight of the size of the critic's gradient in the action, at demonstrations, while the
    /// critic is pretrained (csil only). Default 1 (CSIL).
    pub gradient_penalty: f64,
    /// The same in practice. Default 0: where the gradient at the demonstrations is gone, a critic
    /// whose inputs are normalized by the batch ignores actions everywhere, and nothing is learned
    /// (paper preset: 1, CSIL).
    pub practice_penalty: f64,
    /// The temperature at the start, of the methods that keep an entropy. Default 0.01 (paper
    /// preset: 0.01, XQC; rlpd: 1).
    pub temperature: f64,
    /// Critics. Default 2 (rlpd: 10).
    pub critics: usize,
    /// Units per hidden layer of the critics. Paper preset: 512 (XQC; rlpd, sac: 256).
    pub hidden: usize,
    /// Hidden layers of the critics. Paper preset: 4 (XQC; rlpd: 3, sac: 2).
    pub layers: usize,
    /// Atoms of a value's distribution (csil and xqc). Default 101 (XQC).
    pub atoms: usize,
    /// Units of both hidden layers of the small policy. Paper preset: 256 (CSIL).
    pub policy_hidden: usize,
    /// Numbers that the small policy narrows an input to. Default 12 (CSIL).
    pub bottleneck: usize,
    /// Random features of the small policy, an even number. Paper preset: 256 (CSIL).
    pub features: usize,
    /// Logarithm of the scales of the features at the start. Paper preset: -5 (CSIL).
    pub log_scale: f64,
    /// Least variance of the small policy, before its tanh: how sure a clone of few demonstrations
    /// can become. It bounds the learned reward. Paper preset: 1e-5 (CSIL).
    pub variance_floor: f64,
}

impl CsilConfig {
    /// The settings of a preset for a variant.
    pub fn preset(preset: Preset, variant: Variant) -> Self {
        let base = Self {
            variant,
            ..Self::sizes(preset)
        };
        match (variant, preset) {
            (Variant::Csil, _) => base,
            (Variant::Xqc, Preset::Paper) => Self {
                updates_per_decision: 2.0,
                actor_every: 3,
                batch: 256,
                ..base
            },
            (Variant::Rlpd, Preset::Paper) => Self {
                updates_per_decision: 20.0,
                critics: 10,
                hidden: 256,
                layers: 3,
                temperature: 1.0,
                batch: 256,
                ..base
            },
            (Variant::Sac, Preset::Paper) => Self {
                hidden: 256,
                layers: 2,
                temperature: 1.0,
                batch: 256,
                ..base
            },
            (Variant::Rlpd, _) => Self {
                critics: 10,
                ..base
            },
            (Variant::Xqc | Variant::Sac, _) => base,
        }
    }

    fn sizes(preset: Preset) -> Self {
        match preset {
            Preset::Paper => Self::paper(),
            Preset::Cpu => Self::cpu(),
            Preset::Tiny => Self::tiny(),
        }
    }

    fn paper() -> Self {
        Self {
            variant: Variant::Csil,
            compose: Compose::Ensemble,
            residual_scale: 0.2,
            envs: 1,
            decisions: 250_000,
            clone_updates: 25_000,
            clone_lr: 1e-3,
            critic_updates: 5000,
            seed_decisions: 5000,
            updates_per_decision: 1.0,
            actor_every: 1,
            eval_every: 10_000,
            capacity: 250_000,
            batch: 512,
            lr: 3e-4,
            gamma: 0.99,
            tau: 0.005,
            reward_scale: 1.0,
            reward_mode: RewardMode::Negative,
            success_reward: 0.0,
            least_reward: -5.0,
            reward_lr: 1e-3,
            kl_weight: 0.01,
            gradient_penalty: 1.0,
            practice_penalty: 1.0,
            temperature: 0.01,
            critics: 2,
            hidden: 512,
            layers: 4,
            atoms: 101,
            policy_hidden: 256,
            bottleneck: 12,
            features: 256,
            log_scale: -5.0,
            variance_floor: 1e-5,
        }
    }

    fn cpu() -> Self {
        Self {
            envs: 8,
            decisions: 12_000,
            clone_updates: 2000,
            critic_updates: 2000,
            seed_decisions: 1000,
            eval_every: 2000,
            capacity: 200_000,
            batch: 128,
            gamma: 0.95,
            lr: 1e-3,
            tau: 0.05,
            practice_penalty: 0.0,
            kl_weight: 0.1,
            least_reward: -2.0,
            hidden: 128,
            layers: 2,
            atoms: 51,
            policy_hidden: 128,
            features: 64,
            log_scale: -1.0,
            variance_floor: 1e-2,
            ..Self::paper()
        }
    }

    fn tiny() -> Self {
        Self {
            decisions: 4000,
            clone_updates: 800,
            critic_updates: 1500,
            seed_decisions: 400,
            updates_per_decision: 0.5,
            eval_every: 1000,
            batch: 64,
            lr: 2e-3,
            hidden: 64,
            atoms: 31,
            policy_hidden: 64,
            features: 32,
            ..Self::cpu()
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within(
            "finetune.csil.residual_scale",
            self.residual_scale,
            1e-3,
            2.0,
        )?;
        within("finetune.csil.envs", self.envs, 1, 10_000)?;
        within("finetune.csil.decisions", self.decisions, 1, 1_000_000_000)?;
        within(
            "finetune.csil.clone_updates",
            self.clone_updates,
            1,
            100_000_000,
        )?;
        within("finetune.csil.clone_lr", self.clone_lr, 0.0, 1.0)?;
        within(
            "finetune.csil.critic_updates",
            self.critic_updates,
            0,
            100_000_000,
        )?;
        within(
            "finetune.csil.seed_decisions",
            self.seed_decisions,
            1,
            self.decisions,
        )?;
        within(
            "finetune.csil.updates_per_decision",
            self.updates_per_decision,
            0.0,
            100.0,
        )?;
        within("finetune.csil.actor_every", self.actor_every, 1, 1000)?;
        within(
            "finetune.csil.eval_every",
            self.eval_every,
            1,
            1_000_000_000,
        )?;
        within("finetune.csil.capacity", self.capacity, 1, 1_000_000_000)?;
        within("finetune.csil.batch", self.batch, 4, 1 << 20)?;
        within("finetune.csil.lr", self.lr, 0.0, 1.0)?;
        within("finetune.csil.gamma", self.gamma, 0.0, 0.9999)?;
        within("finetune.csil.tau", self.tau, 0.0, 1.0)?;
        within("finetune.csil.reward_scale", self.reward_scale, 1e-6, 1e3)?;
        within(
            "finetune.csil.success_reward",
            self.success_reward,
            0.0,
            1e3,
        )?;
        within("finetune.csil.least_reward", self.least_reward, -1e3, 0.0)?;
        within("finetune.csil.reward_lr", self.reward_lr, 0.0, 1.0)?;
        within("finetune.csil.kl_weight", self.kl_weight, 0.0, 1e3)?;
        within(
            "finetune.csil.gradient_penalty",
            self.gradient_penalty,
            0.0,
            1e3,
        )?;
        within(
            "finetune.csil.practice_penalty",
            self.practice_penalty,
            0.0,
            1e3,
        )?;
        within("finetune.csil.temperature", self.temperature, 1e-6, 1e3)?;
        within("finetune.csil.critics", self.critics, 1, 100)?;
        within("finetune.csil.hidden", self.hidden, 1, 8192)?;
        within("finetune.csil.layers", self.layers, 1, 16)?;
        within("finetune.csil.atoms", self.atoms, 2, 1001)?;
        within("finetune.csil.policy_hidden", self.policy_hidden, 1, 8192)?;
        within("finetune.csil.bottleneck", self.bottleneck, 1, 1024)?;
        within("finetune.csil.features", self.features, 2, 2048)?;
        within("finetune.csil.log_scale", self.log_scale, -10.0, 10.0)?;
        within(
            "finetune.csil.variance_floor",
            self.variance_floor,
            1e-8,
            1.0,
        )?;
        if !self.features.is_multiple_of(2) {
            return Err(Error::input(format!(
                "finetune.csil.features is {}, but half of the features are one wave and half \
                 another: set it to an even number",
                self.features
            )));
        }
        Ok(())
    }

    /// Whether the small policy sees the pretrained policy's action of this step: what it adds to
    /// that depends on it. For the ensemble its likelihood is about the demonstrator's action,
    /// whatever the other one proposes. The critics always see it.
    pub fn sees_base(&self) -> bool {
        self.compose == Compose::Residual
    }

    /// The share of a batch that demonstrations are.
    pub fn demo_fraction(&self) -> f64 {
        if self.variant == Variant::Sac {
            0.0
        } else {
            0.5
        }
    }

    /// Whether the reward is learned, and the learner held to the clone.
    pub fn learns_reward(&self) -> bool {
        self.variant == Variant::Csil
    }

    /// Whether the critics are categorical, with batch normalization.
    pub fn is_categorical(&self) -> bool {
        matches!(self.variant, Variant::Csil | Variant::Xqc)
    }

    /// How many critics, drawn anew, judge a target: the least of them counts. Where it is not all,
    /// their mean teaches the actor.
    pub fn judges(&self) -> usize {
        self.critics.min(2)
    }

    /// Gradient steps of the critic before practice.
    pub fn pretraining(&self) -> usize {
        if self.learns_reward() {
            self.critic_updates
        } else {
            0
        }
    }

    /// Least and greatest reward, as the critics see it, without what success earns on top.
    ///
    /// The greatest learned one is the log-likelihood ratio of a density of 1 / std and the uniform
    /// prior's 1/2, per dimension, at the least standard deviation (CSIL: -ln(1e-5) / 2 + ln 2 =
    /// 6.45).
    pub fn reward_range(&self) -> (f64, f64) {
        if !self.learns_reward() {
            return (0.0, 1.0);
        }
        let (low, high) = (self.least_reward, self.reward_scale * self.highest_ratio());
        match self.reward_mode {
            RewardMode::Negative => (low - high, 0.0),
            RewardMode::Positive => (low, high),
        }
    }

    fn highest_ratio(&self) -> f64 {
        std::f64::consts::LN_2 - 0.5 * libm::log(self.variance_floor)
    }

    /// Least and greatest value: those of the least and greatest reward for ever, and what success
    /// can earn.
    pub fn value_range(&self) -> (f64, f64) {
        let (low, high) = self.reward_range();
        if !self.learns_reward() {
            return (low, high);
        }
        (
            low / (1.0 - self.gamma),
            high / (1.0 - self.gamma) + self.success_reward,
        )
    }
}
