//! The settings of DPPO.

use super::chain::Spread;
use super::seen::frames_of_a_decision;
use crate::Result;
use crate::error::within;
use crate::memory::{NUMBER, Need, NetworkSize, SAVED, Sizes};
use crate::policy;
use crate::settings::Settings;
use serde::{Deserialize, Serialize};

/// Settings of DPPO. "DPPO" as a source is its public code for robomimic's Can from state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct DppoConfig {
    /// Iterations, each of which practices and then updates.
    #[setting(
        range = 1..=1_000_000, paper = 270, cpu = 30, tiny = 16,
        source = "DPPO: 300, of which every tenth only evaluates"
    )]
    pub iterations: usize,
    /// Iterations between two points of the learning curve.
    #[setting(
        range = 1..=1_000_000, paper = 9, cpu = 10, tiny = 8,
        source = "DPPO: every tenth only evaluates"
    )]
    pub eval_every: usize,
    /// Whole episodes that an iteration practices.
    #[setting(
        range = 1..=1_000_000, value = 200, tiny = 100,
        source = "DPPO: 50 environments, 4 episodes each"
    )]
    pub episodes: usize,
    /// The last denoising steps, K', which are finetuned; the pretrained network makes those
    /// before. A policy that takes fewer steps is finetuned in all of them.
    #[setting(range = 1..=1000, value = 5, paper = 10, source = "DPPO: 10 of 20")]
    pub finetuned_steps: usize,
    /// Passes over an iteration's decisions.
    #[setting(range = 1..=1000, value = 10, source = "DPPO")]
    pub epochs: usize,
    /// Decisions per gradient step; each counts once for every finetuned denoising step.
    #[setting(range = 2..=1 << 20, value = 500, paper = 7500, source = "DPPO")]
    pub batch: usize,
    /// Adam's learning rate for the policy.
    #[setting(
        range = 0.0..=1.0, value = 4e-4, paper = 1e-5,
        source = "DPPO's code; its paper's table says 1e-4"
    )]
    pub actor_lr: f64,
    /// Adam's learning rate for the critic.
    #[setting(range = 0.0..=1.0, value = 1e-3, source = "DPPO")]
    pub critic_lr: f64,
    /// First iterations, which update the critic only.
    #[setting(
        range = 0..=1_000_000, value = 1,
        source = "DPPO: 2, of which the first only evaluates"
    )]
    pub critic_warmup: usize,
    /// Discount per decision.
    #[setting(range = 0.0..=1.0, value = 0.99, paper = 0.999, source = "DPPO")]
    pub gamma: f64,
    /// Lambda of generalized advantage estimation, over decisions.
    #[setting(range = 0.0..=1.0, value = 0.95, source = "DPPO")]
    pub gae_lambda: f64,
    /// Whether an episode that the time limit cut off goes on for the critic (its last value is
    /// bootstrapped) or is a failure. Where it is a failure, success counts within the horizon
    /// only, and values anchored at failures are learned in far fewer updates.
    #[setting(value = false, paper = true, source = "DPPO")]
    pub bootstrap_truncated: bool,
    /// Discount per denoising step: k steps before the action, an advantage counts
    /// gamma_denoising^k.
    #[setting(range = 0.0..=1.0, value = 0.99, source = "DPPO, from state")]
    pub gamma_denoising: f64,
    /// How far the ratio of probabilities may move at the last denoising step before its gradient
    /// is cut.
    #[setting(range = 0.0..=1.0, value = 0.1, paper = 0.01, source = "DPPO")]
    pub clip: f64,
    /// The same at the first finetuned step; exponentially interpolated between.
    #[setting(range = 0.0..=1.0, value = 0.02, paper = 0.001, source = "DPPO")]
    pub clip_base: f64,
    /// Least standard deviation of a denoising step during practice, in scaled actions:
    /// exploration.
    #[setting(range = 0.0..=10.0, value = 0.2, paper = 0.1, source = "DPPO")]
    pub min_sampling_std: f64,
    /// Least standard deviation of a denoising step in log-probabilities.
    #[setting(range = 1e-3..=10.0, value = 0.2, paper = 0.1, source = "DPPO")]
    pub min_logprob_std: f64,
    /// Weight of the critic's loss, half the mean squared error.
    #[setting(range = 0.0..=100.0, value = 0.5, source = "DPPO")]
    pub vf_coef: f64,
    /// KL divergence from the policy that practiced at which an iteration's updates stop.
    #[setting(range = 0.0..=1e6, value = 1.0, source = "DPPO")]
    pub target_kl: f64,
    /// Units per layer of the critic.
    #[setting(range = 1..=8192, value = 128, paper = 256, source = "DPPO")]
    pub hidden: usize,
}

impl DppoConfig {
    /// What it takes of memory.
    pub(crate) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let obs = policy::memory::features(sizes);
        let deciding = policy::memory::deciding(sizes);
        let encoders = || policy::memory::image_encoders(sizes);
        let critic = NetworkSize::stack(1, (obs, 1), (self.hidden, 3)).and(encoders());
        let chain = policy::memory::chain_len(sizes.policy);
        let steps = self.finetuned_steps.min(chain) as f64;
        let rows = self.batch as f64;
        let actor_step = deciding.learning(rows * steps) + encoders().learning(rows);
        let step = actor_step + critic.learning(rows);
        let actor = deciding.and(encoders());
        let chunk = sizes.chunk_len();
        let of_a_decision = (steps + 1.0) * (chunk + 1.0) + sizes.reads.numbers() as f64 + 3.0;
        let decisions = self.episodes as f64 * sizes.decisions();
        let seen = match sizes.reads.cameras.is_empty() {
            true => 0.0,
            false => {
                let frames = frames_of_a_decision(&sizes.reads, sizes.policy.chunk) as f64;
                sizes.episodes_of(&sizes.reads, decisions * frames)
            }
        };
        let group = "finetune.dppo";
        let own = |name: &str| format!("{group}.{name}");
        let [hidden, layers] = policy::memory::KEYS;
        vec![
            Need::new(
                "the actor's weights",
                &policy::memory::KEYS,
                actor.learned(),
            ),
            Need::of(group, "the critic's weights", &["hidden"], critic.learned()),
            Need::new(
                "a step of learning",
                &[&own("batch"), &own("finetuned_steps"), hidden, layers],
                step,
            ),
            Need::of(
                group,
                "the decisions of an iteration",
                &["episodes", "finetuned_steps"],
                decisions * of_a_decision * NUMBER * SAVED + seen,
            ),
        ]
    }

    /// The floors of a denoising step's standard deviation.
    pub(super) fn spread(&self) -> Spread {
        Spread {
            sampling: self.min_sampling_std as f32,
            logprob: self.min_logprob_std as f32,
        }
    }

    /// Settings that bound each other.
    ///
    /// # Errors
    /// Names the one that is out of bounds.
    pub fn check(&self) -> Result<()> {
        within(
            "finetune.dppo.critic_warmup",
            self.critic_warmup,
            0,
            self.iterations,
        )?;
        within("finetune.dppo.clip_base", self.clip_base, 0.0, self.clip)
    }
}
