//! The settings of DPPO.

use crate::Result;
use crate::error::within;
use crate::run::config::Preset;
use serde::{Deserialize, Serialize};

/// Settings of DPPO. "DPPO" as a source is its public code for robomimic's Can from state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DppoConfig {
    /// Iterations, each of which practices and then updates. Paper preset 270 (DPPO: 300, of which
    /// every tenth only evaluates).
    pub iterations: usize,
    /// Iterations between two points of the learning curve. Paper preset 9 (DPPO: every tenth only
    /// evaluates).
    pub eval_every: usize,
    /// Whole episodes that an iteration practices. Default 200 (DPPO: 50 environments, 4 episodes
    /// each).
    pub episodes: usize,
    /// K', the last denoising steps, which are finetuned; the pretrained network makes those
    /// before. A policy that takes fewer steps is finetuned in all of them. Default 5 (paper
    /// preset: 10, DPPO's of 20).
    pub finetuned_steps: usize,
    /// Passes over an iteration's decisions. Default 10 (DPPO).
    pub epochs: usize,
    /// Decisions per gradient step; each counts once for every finetuned denoising step. Default
    /// 500 (paper preset: 7500, DPPO).
    pub batch: usize,
    /// Adam's learning rate for the policy. Default 4e-4 (paper preset: 1e-5, DPPO's code; its
    /// paper's table says 1e-4).
    pub actor_lr: f64,
    /// Adam's learning rate for the critic. Default 1e-3 (DPPO).
    pub critic_lr: f64,
    /// First iterations, which update the critic only. Default 1 (DPPO: 2, of which the first only
    /// evaluates).
    pub critic_warmup: usize,
    /// Discount per decision. Default 0.99 (paper preset: 0.999, DPPO).
    pub gamma: f64,
    /// Lambda of generalized advantage estimation, over decisions. Default 0.95 (DPPO).
    pub gae_lambda: f64,
    /// Whether an episode that the time limit cut off goes on for the critic (its last value is
    /// bootstrapped, DPPO) or is a failure. Default true in the paper preset, else false: success
    /// counts within the horizon only, and values anchored at failures are learned in far fewer
    /// updates.
    pub bootstrap_truncated: bool,
    /// Discount per denoising step: k steps before the action, an advantage counts
    /// gamma_denoising^k. Default 0.99 (DPPO).
    pub gamma_denoising: f64,
    /// How far the ratio of probabilities may move at the last denoising step before its gradient
    /// is cut. Default 0.1 (paper preset: 0.01, DPPO).
    pub clip: f64,
    /// The same at the first finetuned step; exponentially interpolated between. Default 0.02
    /// (paper preset: 0.001, DPPO).
    pub clip_base: f64,
    /// Least standard deviation of a denoising step during practice, in scaled actions:
    /// exploration. Default 0.2 (paper preset: 0.1, DPPO).
    pub min_sampling_std: f64,
    /// Least standard deviation of a denoising step in log-probabilities. Default 0.2 (paper
    /// preset: 0.1, DPPO).
    pub min_logprob_std: f64,
    /// Weight of the critic's loss, half the mean squared error. Default 0.5 (DPPO).
    pub vf_coef: f64,
    /// KL divergence from the policy that practiced at which an iteration's updates stop. Default 1
    /// (DPPO).
    pub target_kl: f64,
    /// Units per layer of the critic. Default 128 (paper preset: 256, DPPO).
    pub hidden: usize,
}

impl DppoConfig {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        let base = Self {
            iterations: 270,
            eval_every: 9,
            episodes: 200,
            finetuned_steps: 10,
            epochs: 10,
            batch: 7500,
            actor_lr: 1e-5,
            critic_lr: 1e-3,
            critic_warmup: 1,
            gamma: 0.999,
            gae_lambda: 0.95,
            bootstrap_truncated: true,
            gamma_denoising: 0.99,
            clip: 0.01,
            clip_base: 0.001,
            min_sampling_std: 0.1,
            min_logprob_std: 0.1,
            vf_coef: 0.5,
            target_kl: 1.0,
            hidden: 256,
        };
        let small = Self {
            iterations: 30,
            eval_every: 10,
            finetuned_steps: 5,
            batch: 500,
            actor_lr: 4e-4,
            gamma: 0.99,
            bootstrap_truncated: false,
            clip: 0.1,
            clip_base: 0.02,
            min_sampling_std: 0.2,
            min_logprob_std: 0.2,
            hidden: 128,
            ..base.clone()
        };
        match preset {
            Preset::Paper => base,
            Preset::Cpu => small,
            Preset::Tiny => Self {
                iterations: 16,
                eval_every: 8,
                episodes: 100,
                ..small
            },
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("finetune.dppo.iterations", self.iterations, 1, 1_000_000)?;
        within("finetune.dppo.eval_every", self.eval_every, 1, 1_000_000)?;
        within("finetune.dppo.episodes", self.episodes, 1, 1_000_000)?;
        within(
            "finetune.dppo.finetuned_steps",
            self.finetuned_steps,
            1,
            1000,
        )?;
        within("finetune.dppo.epochs", self.epochs, 1, 1000)?;
        within("finetune.dppo.batch", self.batch, 2, 1 << 20)?;
        within("finetune.dppo.actor_lr", self.actor_lr, 0.0, 1.0)?;
        within("finetune.dppo.critic_lr", self.critic_lr, 0.0, 1.0)?;
        within(
            "finetune.dppo.critic_warmup",
            self.critic_warmup,
            0,
            self.iterations,
        )?;
        within("finetune.dppo.gamma", self.gamma, 0.0, 1.0)?;
        within("finetune.dppo.gae_lambda", self.gae_lambda, 0.0, 1.0)?;
        within(
            "finetune.dppo.gamma_denoising",
            self.gamma_denoising,
            0.0,
            1.0,
        )?;
        within("finetune.dppo.clip", self.clip, 0.0, 1.0)?;
        within("finetune.dppo.clip_base", self.clip_base, 0.0, self.clip)?;
        within(
            "finetune.dppo.min_sampling_std",
            self.min_sampling_std,
            0.0,
            10.0,
        )?;
        within(
            "finetune.dppo.min_logprob_std",
            self.min_logprob_std,
            1e-3,
            10.0,
        )?;
        within("finetune.dppo.vf_coef", self.vf_coef, 0.0, 100.0)?;
        within("finetune.dppo.target_kl", self.target_kl, 0.0, 1e6)?;
        within("finetune.dppo.hidden", self.hidden, 1, 8192)
    }
}
