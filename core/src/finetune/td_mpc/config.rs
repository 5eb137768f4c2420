//! Settings of TD-MPC, and what each of its two backbones fixes.

use crate::error::within;
use crate::run::config::Preset;
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which world model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Backbone {
    /// TD-MPC as MoDem has it: regression by squared errors, a slow encoder as the target of
    /// consistency, prioritised replay.
    TdMpc,
    /// TD-MPC2: simplicial latents, regression by classification, five critics, a maximum-entropy
    /// prior.
    TdMpc2,
}

/// Where the batches come from: the arms that the paper compares, and MoDem's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Arm {
    /// Half of every batch are demonstrations (the paper's method).
    Balanced,
    /// The share of demonstrations falls from a half to a quarter (MoDem).
    Scheduled,
    /// Demonstrations only for cloning; every batch is practice (the paper's baseline "BC +
    /// TD-MPC").
    Vanilla,
    /// Cloning only, no practice (the paper's baseline "BC").
    BcOnly,
}

/// Whose actions are proposed to the planner, beside its own samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proposals {
    /// Those of the world model's own policy, rolled out in latent space.
    Prior,
    /// Chunks of the pretrained policy, whatever its kind: the coverage of pretraining inside the
    /// planner.
    Pretrained,
    /// Half of each.
    Both,
}

/// Who acts before there is a world model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The world model's own policy, cloned from the demonstrations (the paper).
    Prior,
    /// The pretrained policy, whatever its kind; of every chunk the first action.
    Pretrained,
}

/// Settings of TD-MPC. A decision is one action, held for `env.action_repeat` control steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TdMpcConfig {
    /// Which world model: td-mpc2 (the default) or td-mpc. Preset values of the other settings
    /// depend on it.
    pub backbone: Backbone,
    /// Which share of every batch are demonstrations: balanced (the default, a half), scheduled,
    /// vanilla or bc-only.
    pub arm: Arm,
    /// Environments that practice in lockstep. Default 8 (paper preset: 1).
    pub envs: usize,
    /// Decisions of practice, of all environments together, seeding included. Paper preset:
    /// 100,000.
    pub decisions: usize,
    /// Gradient steps that clone encoder and policy from the demonstrations. Paper preset: 1,000
    /// (MoDem: twice the demonstrated decisions).
    pub clone_updates: usize,
    /// Decisions before the first update, made by a cloned policy. Paper preset: 5,000 (MoDem).
    pub seed_decisions: usize,
    /// Who makes them: pretrained (the default) or prior (paper preset).
    pub seed_by: Actor,
    /// Updates on them before planning begins. Paper preset: 5,000 (MoDem).
    pub seed_updates: usize,
    /// Decisions over which acting is handed over from that policy to the planner: the share of its
    /// decisions falls from 1 to 0 (MoDem on TD-MPC2). Default 0: the planner acts at once.
    pub handover: usize,
    /// Updates per decision afterwards. Default 1 (tiny preset: 0.5).
    pub updates_per_decision: f64,
    /// Decisions between two points of the learning curve.
    pub eval_every: usize,
    /// Decisions that the replay holds at most. Default 200,000.
    pub capacity: usize,
    /// Whether actions are planned, or the policy prior acts alone. Default true.
    pub plan: bool,
    /// Weight of cloning in the prior's loss, on the part of a batch that shows success: where the
    /// critics know nothing, it does what the demonstrations did (Fujimoto and Gu 2021; the
    /// references have 0, and so has the paper preset). Default 1.
    pub prior_cloning: f64,
    /// Whether practice episodes that succeed join the demonstrations, which then show more than
    /// five ways (Oh et al. 2018; the references' demonstrations stay as they are, and so do the
    /// paper preset's). Default true.
    pub self_imitation: bool,
    /// Stretches per update. Default 128 (paper preset: 256).
    pub batch: usize,
    /// Adam's learning rate; the encoder's is 0.3 of it with td-mpc2. Default 1e-3 (paper preset:
    /// 3e-4).
    pub lr: f64,
    /// Added to the reward of every decision. Default 0: what is not known is worth nothing,
    /// success 1. -1 makes it -1 until success and 0 for ever after (MoDem, paper preset): what is
    /// not known is then as good as success, until it was tried.
    pub reward_offset: f64,
    /// Rate at which the targets follow, per update (td-mpc: every second). Default 0.05 (paper
    /// preset: 0.01).
    pub tau: f64,
    /// Discount per decision. Default 0.95 (TD-MPC2 for 100 decisions; paper preset of td-mpc:
    /// 0.99).
    pub gamma: f64,
    /// Decisions that a stretch has, and that the planner looks ahead. Default 3 (td-mpc: 5).
    pub horizon: usize,
    /// Decisions over which the planner's look ahead grows from 1 to the horizon. Default 0: it has
    /// all of it at once (paper preset of td-mpc: 25,000).
    pub horizon_growth: usize,
    /// Numbers of a latent state; a multiple of 8 with td-mpc2. Paper preset: 512 (td-mpc: 50).
    pub latent: usize,
    /// Units per hidden layer of all networks but the encoder. Paper preset: 512.
    pub hidden: usize,
    /// Units of the encoder's hidden layer. Paper preset: 256.
    pub encoder_hidden: usize,
    /// Critics. Default 5 (td-mpc: 2).
    pub critics: usize,
    /// Share of the critics' first hidden units that are left out while they learn and teach the
    /// prior. Default 0 (paper preset: 0.01 with td-mpc2).
    #[serde(default)]
    pub dropout: f64,
    /// Action sequences that the planner compares, those of policies included. Paper preset: 512
    /// (td-mpc: 537).
    pub samples: usize,
    /// How many of them policies propose. Paper preset: 24 (td-mpc: 25).
    pub policy_samples: usize,
    /// Whose proposals: both (the default), pretrained or prior (paper preset).
    pub proposals: Proposals,
    /// Where the planner's first samples are: false: around the previous plan, within max_std (the
    /// references); true: around the proposals, so that only what is near them is considered.
    /// Default true (paper preset: false).
    pub around_proposals: bool,
    /// The best, of which the next samples are drawn. Paper preset: 64.
    pub elites: usize,
    /// Rounds of sampling per decision. Default 4 (paper preset: 6; td-mpc on Meta-World: 4).
    pub iterations: usize,
    /// Least standard deviation of the planner's samples, of the range [-1, 1]. Default 0.05.
    pub min_std: f64,
    /// Decisions over which the least standard deviation falls to that from 0.1. Default 0: it is
    /// there at once (paper preset of td-mpc: 12,500).
    pub std_decay: usize,
    /// The largest, that of the first round: 2 samples everything, a small one only what is near
    /// the previous plan and the proposals. Paper preset: 2.
    pub max_std: f64,
}

impl TdMpcConfig {
    /// The settings of a preset for a backbone.
    pub fn preset(preset: Preset, backbone: Backbone) -> Self {
        let base = match preset {
            Preset::Paper => Self::paper(),
            Preset::Cpu => Self::cpu(),
            Preset::Tiny => Self::tiny(),
        };
        match (backbone, preset) {
            (Backbone::TdMpc2, _) => base,
            (Backbone::TdMpc, Preset::Paper) => Self {
                latent: 50,
                samples: 537,
                policy_samples: 25,
                iterations: 4,
                horizon_growth: 25_000,
                std_decay: 12_500,
                ..base.with_td_mpc()
            },
            // With 0.99, values of so few decisions grew beyond what can be earned: lab/lift went
            // from 97 to 0%.
            (Backbone::TdMpc, _) => Self {
                latent: 50,
                gamma: base.gamma,
                ..base.with_td_mpc()
            },
        }
    }

    fn with_td_mpc(self) -> Self {
        Self {
            backbone: Backbone::TdMpc,
            gamma: 0.99,
            horizon: 5,
            critics: 2,
            dropout: 0.0,
            ..self
        }
    }

    fn paper() -> Self {
        Self {
            backbone: Backbone::TdMpc2,
            arm: Arm::Balanced,
            envs: 1,
            decisions: 100_000,
            clone_updates: 1000,
            seed_decisions: 5000,
            seed_by: Actor::Prior,
            seed_updates: 5000,
            handover: 0,
            updates_per_decision: 1.0,
            eval_every: 5000,
            capacity: 200_000,
            plan: true,
            prior_cloning: 0.0,
            self_imitation: false,
            batch: 256,
            lr: 3e-4,
            reward_offset: -1.0,
            tau: 0.01,
            gamma: 0.95,
            horizon: 3,
            horizon_growth: 0,
            latent: 512,
            hidden: 512,
            encoder_hidden: 256,
            critics: 5,
            dropout: 0.01,
            samples: 512,
            policy_samples: 24,
            proposals: Proposals::Prior,
            around_proposals: false,
            elites: 64,
            iterations: 6,
            min_std: 0.05,
            std_decay: 0,
            max_std: 2.0,
        }
    }

    fn cpu() -> Self {
        Self {
            envs: 8,
            decisions: 30_000,
            seed_decisions: 2000,
            seed_by: Actor::Pretrained,
            seed_updates: 2000,
            eval_every: 3000,
            reward_offset: 0.0,
            proposals: Proposals::Both,
            batch: 128,
            lr: 1e-3,
            tau: 0.05,
            prior_cloning: 1.0,
            self_imitation: true,
            around_proposals: true,
            max_std: 0.2,
            latent: 64,
            hidden: 128,
            encoder_hidden: 128,
            dropout: 0.0,
            samples: 128,
            policy_samples: 32,
            elites: 16,
            iterations: 4,
            ..Self::paper()
        }
    }

    fn tiny() -> Self {
        Self {
            decisions: 6000,
            clone_updates: 500,
            seed_decisions: 800,
            seed_updates: 600,
            updates_per_decision: 0.5,
            eval_every: 1000,
            batch: 64,
            latent: 32,
            hidden: 64,
            encoder_hidden: 64,
            samples: 64,
            policy_samples: 16,
            elites: 8,
            iterations: 3,
            ..Self::cpu()
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("finetune.td_mpc.envs", self.envs, 1, 10_000)?;
        within(
            "finetune.td_mpc.decisions",
            self.decisions,
            1,
            1_000_000_000,
        )?;
        within(
            "finetune.td_mpc.clone_updates",
            self.clone_updates,
            0,
            100_000_000,
        )?;
        within(
            "finetune.td_mpc.seed_decisions",
            self.seed_decisions,
            1,
            self.decisions,
        )?;
        within(
            "finetune.td_mpc.seed_updates",
            self.seed_updates,
            0,
            100_000_000,
        )?;
        within("finetune.td_mpc.handover", self.handover, 0, 1_000_000_000)?;
        within(
            "finetune.td_mpc.updates_per_decision",
            self.updates_per_decision,
            0.0,
            100.0,
        )?;
        within(
            "finetune.td_mpc.eval_every",
            self.eval_every,
            1,
            1_000_000_000,
        )?;
        within("finetune.td_mpc.capacity", self.capacity, 1, 1_000_000_000)?;
        within(
            "finetune.td_mpc.prior_cloning",
            self.prior_cloning,
            0.0,
            1e3,
        )?;
        within("finetune.td_mpc.batch", self.batch, 2, 1 << 20)?;
        within("finetune.td_mpc.lr", self.lr, 0.0, 1.0)?;
        within(
            "finetune.td_mpc.reward_offset",
            self.reward_offset,
            -1e3,
            1e3,
        )?;
        within("finetune.td_mpc.tau", self.tau, 0.0, 1.0)?;
        within("finetune.td_mpc.gamma", self.gamma, 0.0, 1.0)?;
        within("finetune.td_mpc.horizon", self.horizon, 1, 100)?;
        within(
            "finetune.td_mpc.horizon_growth",
            self.horizon_growth,
            0,
            1_000_000_000,
        )?;
        within(
            "finetune.td_mpc.std_decay",
            self.std_decay,
            0,
            1_000_000_000,
        )?;
        within("finetune.td_mpc.latent", self.latent, 1, 8192)?;
        within("finetune.td_mpc.hidden", self.hidden, 1, 8192)?;
        within(
            "finetune.td_mpc.encoder_hidden",
            self.encoder_hidden,
            1,
            8192,
        )?;
        within("finetune.td_mpc.critics", self.critics, 2, 100)?;
        within("finetune.td_mpc.dropout", self.dropout, 0.0, 0.9)?;
        within("finetune.td_mpc.samples", self.samples, 2, 100_000)?;
        within(
            "finetune.td_mpc.policy_samples",
            self.policy_samples,
            0,
            self.samples - 1,
        )?;
        within("finetune.td_mpc.elites", self.elites, 1, self.samples)?;
        within("finetune.td_mpc.iterations", self.iterations, 1, 100)?;
        within("finetune.td_mpc.min_std", self.min_std, 0.0, self.max_std)?;
        within("finetune.td_mpc.max_std", self.max_std, 0.0, 10.0)?;
        if self.backbone == Backbone::TdMpc2 && !self.latent.is_multiple_of(SIMNORM) {
            return Err(Error::input(format!(
                "finetune.td_mpc.latent is {}, but the latent states of td-mpc2 are groups of \
                 {SIMNORM} numbers: set it to a multiple of that",
                self.latent
            )));
        }
        Ok(())
    }

    /// The settings with which is planned after so many decisions (MoDem's two schedules).
    #[must_use]
    pub fn after(&self, decisions: usize) -> Self {
        let share = |of: usize| {
            if of == 0 {
                1.0
            } else {
                (decisions as f64 / of as f64).min(1.0)
            }
        };
        let horizon = 1 + (share(self.horizon_growth) * (self.horizon - 1) as f64) as usize;
        let min_std =
            self.min_std + (1.0 - share(self.std_decay)) * (FIRST_MIN_STD - self.min_std).max(0.0);
        Self {
            horizon,
            min_std: min_std.min(self.max_std),
            ..self.clone()
        }
    }

    /// The share of a batch that demonstrations are after so many updates.
    pub fn demo_fraction(&self, updates: usize) -> f64 {
        match self.arm {
            Arm::Balanced => 0.5,
            Arm::Scheduled => 0.5 - 0.25 * (updates as f64 / DEMO_DECAY).min(1.0),
            Arm::Vanilla | Arm::BcOnly => 0.0,
        }
    }
}

/// Updates over which MoDem's share of demonstrations falls (Meta-World).
const DEMO_DECAY: f64 = 50_000.0;
/// MoDem's least standard deviation at first.
const FIRST_MIN_STD: f64 = 0.1;
/// Numbers of a group of a simplicial latent state.
pub const SIMNORM: usize = 8;
/// Of a later decision's errors, per decision further ahead (both backbones).
pub const RHO: f64 = 0.5;
/// Of scores among the elites (both backbones).
pub const TEMPERATURE: f64 = 0.5;

/// What a backbone fixes: MoDem's `cfgs/config.yaml`, TD-MPC2's `config.yaml`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coefficients {
    /// Weights of the parts of the loss.
    pub consistency: f64,
    /// See `consistency`.
    pub reward: f64,
    /// See `consistency`; of all critics together.
    pub value: f64,
    /// Largest norm of the gradients.
    pub clip: f64,
    /// Updates between two steps of the targets.
    pub target_every: usize,
    /// Rate of the encoder, of the others'.
    pub encoder_rate: f64,
    /// Adam's epsilon for the policy prior.
    pub prior_epsilon: f64,
    /// Share of the planner's mean that stays from round to round.
    pub momentum: f64,
}

impl Backbone {
    /// The numbers of the reference.
    pub fn coefficients(self) -> Coefficients {
        let td_mpc2 = Coefficients {
            consistency: 20.0,
            reward: 0.1,
            value: 0.1,
            clip: 20.0,
            target_every: 1,
            encoder_rate: 0.3,
            prior_epsilon: 1e-5,
            momentum: 0.0,
        };
        match self {
            Self::TdMpc2 => td_mpc2,
            Self::TdMpc => Coefficients {
                consistency: 2.0,
                reward: 0.5,
                clip: 10.0,
                target_every: 2,
                encoder_rate: 1.0,
                prior_epsilon: 1e-8,
                momentum: 0.1,
                ..td_mpc2
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MoDem's planner looks one decision ahead at first and five after 25,000, and its spread
    /// falls from 0.1 to 0.05 in half that time; where there is no schedule, everything is there at
    /// once.
    #[test]
    fn modems_schedules_are_followed() {
        let modem = TdMpcConfig::preset(Preset::Paper, Backbone::TdMpc);
        let at = |decisions| {
            (
                modem.after(decisions).horizon,
                (1000.0 * modem.after(decisions).min_std).round(),
            )
        };
        assert_eq!(
            [0, 6_250, 12_500, 25_000, 90_000].map(at),
            [(1, 100.0), (2, 75.0), (3, 50.0), (5, 50.0), (5, 50.0)]
        );
        for preset in [Preset::Paper, Preset::Cpu] {
            let config = TdMpcConfig::preset(preset, Backbone::TdMpc2);
            assert_eq!(config.after(0), config);
        }
    }
}
