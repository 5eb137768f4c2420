//! Settings of TD-MPC, and what each of its two backbones fixes.

use super::planner::memory_of_ranks;
use crate::error::within;
use crate::memory::{NORMED, NUMBER, Need, NetworkSize, Sizes};
use crate::nn::TwoHot;
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which world model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum DemoSchedule {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum SeedPolicy {
    /// The world model's own policy, cloned from the demonstrations (the paper).
    Prior,
    /// The pretrained policy, whatever its kind; of every chunk the first action.
    Pretrained,
}

/// Settings of TD-MPC. A decision is one action, held for `env.action_repeat` control steps. Values
/// are those of the backbone `td-mpc2`; what differs with `td-mpc` is a rule of `run/published.rs`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct TdMpcConfig {
    /// Which world model.
    #[setting(base, value = Backbone::TdMpc2)]
    pub backbone: Backbone,
    /// Which share of every batch are demonstrations.
    #[setting(value = DemoSchedule::Balanced, source = "the paper")]
    pub arm: DemoSchedule,
    /// Environments that practice in lockstep.
    #[setting(
        range = 1..=10_000, value = 8, paper = 1, source = "MoDem, TD-MPC2",
        needs = "arm != bc-only"
    )]
    pub envs: usize,
    /// Decisions of practice, of all environments together, seeding included.
    #[setting(
        range = 1..=1_000_000_000, paper = 100_000, cpu = 30_000, tiny = 6000,
        source = "the paper, MoDem",
        needs = "arm != bc-only"
    )]
    pub total_steps: usize,
    /// Gradient steps that clone encoder and policy from the demonstrations.
    #[setting(
        range = 0..=100_000_000, value = 1000, tiny = 500,
        source = "MoDem: twice the demonstrated decisions"
    )]
    pub clone_updates: usize,
    /// Decisions before the first update (seeding), made by a cloned policy.
    #[setting(
        range = 1..=1_000_000_000, paper = 5000, cpu = 2000, tiny = 800, source = "MoDem",
        needs = "arm != bc-only"
    )]
    pub learning_starts: usize,
    /// Who makes them.
    #[setting(
        value = SeedPolicy::Pretrained, paper = SeedPolicy::Prior, source = "MoDem",
        needs = "arm != bc-only"
    )]
    pub seed_by: SeedPolicy,
    /// Updates on them before planning begins.
    #[setting(
        range = 0..=100_000_000, paper = 5000, cpu = 2000, tiny = 600, source = "MoDem",
        needs = "arm != bc-only"
    )]
    pub seed_updates: usize,
    /// Decisions over which acting is handed over from that policy to the planner: the share of its
    /// decisions falls from 1 to 0; 0: the planner acts at once.
    #[setting(
        range = 0..=1_000_000_000, value = 0, source = "MoDem on TD-MPC2: 20,000",
        needs = "arm != bc-only"
    )]
    pub seed_policy_decay: usize,
    /// Updates per decision afterwards.
    #[setting(
        range = 0.0..=100.0, value = 1.0, tiny = 0.5, source = "MoDem, TD-MPC2",
        needs = "arm != bc-only"
    )]
    pub utd_ratio: f64,
    /// Decisions between two points of the learning curve.
    #[setting(
        range = 1..=1_000_000_000, paper = 5000, cpu = 3000, tiny = 1000,
        needs = "arm != bc-only"
    )]
    pub eval_every: usize,
    /// Decisions that the replay holds at most.
    #[setting(
        range = 1..=1_000_000_000, value = 200_000,
        needs = "arm != bc-only"
    )]
    pub capacity: usize,
    /// Whether actions are planned, or the policy prior acts alone.
    #[setting(value = true, source = "TD-MPC2, MoDem", needs = "arm != bc-only")]
    pub plan: bool,
    /// Weight of cloning in the prior's loss, on the part of a batch that shows success: where the
    /// critics know nothing, it does what the demonstrations did (Fujimoto and Gu 2021).
    #[setting(
        range = 0.0..=1e3, value = 1.0, paper = 0.0, source = "TD-MPC2, MoDem",
        needs = "arm != bc-only"
    )]
    pub prior_cloning: f64,
    /// Whether practice episodes that succeed join the demonstrations, which then show more than
    /// five ways (Oh et al. 2018).
    #[setting(
        value = true,
        paper = false,
        source = "MoDem",
        needs = "arm != bc-only"
    )]
    pub self_imitation: bool,
    /// Sequences per update.
    #[setting(range = 2..=1 << 20, paper = 256, cpu = 128, tiny = 64, source = "TD-MPC2, MoDem")]
    pub batch: usize,
    /// Adam's learning rate; the encoder's is 0.3 of it with `td-mpc2`.
    #[setting(range = 0.0..=1.0, value = 1e-3, paper = 3e-4, source = "TD-MPC2, MoDem")]
    pub lr: f64,
    /// Added to the reward of every decision. With 0, what is not known is worth nothing, and
    /// success 1; -1 makes it -1 until success and 0 for ever after: what is not known is then as
    /// good as success, until it was tried.
    #[setting(
        range = -1e3..=1e3, value = 0.0, paper = -1.0, source = "MoDem",
        needs = "arm != bc-only"
    )]
    pub reward_offset: f64,
    /// Factor of that sum. The planner weighs sequences by exp(value / 2) and td-mpc2 has bins for
    /// values of tens: where all that can be earned is 1, the best of the elites weighs at most
    /// 1.65 times as much as the worst, and values share four bins.
    #[setting(
        range = 1e-3..=1e3, value = 1.0, source = "TD-MPC2: rewards of up to 10 a decision",
        needs = "arm != bc-only"
    )]
    pub reward_scale: f64,
    /// Rate at which the targets follow, per update (`td-mpc`: every second).
    #[setting(
        range = 0.0..=1.0, value = 0.05, paper = 0.01, source = "TD-MPC2, MoDem",
        needs = "arm != bc-only"
    )]
    pub target_rate: f64,
    /// Discount per decision.
    #[setting(
        range = 0.0..=1.0, value = 0.95,
        source = "TD-MPC2: by an episode's decisions, 0.95 for 100; MoDem: 0.99",
        needs = "arm != bc-only"
    )]
    pub gamma: f64,
    /// Decisions that a sequence has, and that the planner looks ahead.
    #[setting(range = 1..=100, value = 3, source = "TD-MPC2; MoDem: 5")]
    pub horizon: usize,
    /// Decisions over which the planner's look ahead grows from 1 to the horizon; 0: it has all of
    /// it at once.
    #[setting(range = 0..=1_000_000_000, value = 0, source = "TD-MPC2; MoDem: 25,000")]
    pub horizon_growth: usize,
    /// Numbers of a latent state; a multiple of 8 with `td-mpc2`.
    #[setting(
        range = 1..=8192, paper = 512, cpu = 64, tiny = 32,
        source = "TD-MPC2; MoDem: 50"
    )]
    pub latent: usize,
    /// Units per hidden layer of all networks but the encoder.
    #[setting(range = 1..=8192, paper = 512, cpu = 128, tiny = 64, source = "TD-MPC2, MoDem")]
    pub hidden: usize,
    /// Units of the encoder's hidden layer.
    #[setting(range = 1..=8192, paper = 256, cpu = 128, tiny = 64, source = "TD-MPC2, MoDem")]
    pub encoder_hidden: usize,
    /// Critics.
    #[setting(range = 2..=100, value = 5, source = "TD-MPC2; MoDem: 2")]
    pub critics: usize,
    /// Share of the critics' first hidden units that are left out while they learn and teach the
    /// prior.
    #[setting(
        range = 0.0..=0.9, value = 0.0, paper = 0.01, source = "TD-MPC2; MoDem: 0",
        needs = "arm != bc-only"
    )]
    pub dropout: f64,
    /// Action sequences that the planner compares, those of policies included.
    #[setting(
        range = 2..=100_000, paper = 512, cpu = 128, tiny = 64,
        source = "TD-MPC2; MoDem: 537",
        needs = "plan = true and arm != bc-only"
    )]
    pub samples: usize,
    /// How many of them policies propose.
    #[setting(
        range = 0..=99_999, paper = 24, cpu = 32, tiny = 16,
        source = "TD-MPC2; MoDem: 25",
        needs = "plan = true and arm != bc-only"
    )]
    pub policy_samples: usize,
    /// Whose proposals.
    #[setting(
        value = Proposals::Both, paper = Proposals::Prior, source = "MoDem, TD-MPC2",
        needs = "plan = true and arm != bc-only"
    )]
    pub proposals: Proposals,
    /// Where the planner's first samples are: false: around the previous plan, within `max_std`;
    /// true: around the proposals, so that only what is near them is considered.
    #[setting(
        value = true,
        paper = false,
        source = "MoDem, TD-MPC2",
        needs = "plan = true and arm != bc-only"
    )]
    pub around_proposals: bool,
    /// The best, of which the next samples are drawn.
    #[setting(
        range = 1..=100_000, paper = 64, cpu = 16, tiny = 8, source = "TD-MPC2, MoDem",
        needs = "plan = true and arm != bc-only"
    )]
    pub elites: usize,
    /// How many standard deviations of all critics are taken off their mean at the end of a
    /// sequence; 0: the mean of two that are drawn, and the lesser of both with td-mpc.
    #[setting(
        range = 0.0..=100.0, value = 0.0, source = "TD-MPC2; MoDem-V2: 10 of six critics",
        needs = "plan = true and arm != bc-only"
    )]
    pub pessimism: f64,
    /// Whether in evaluations, as in practice, an elite is drawn by its weight; else the best one
    /// acts.
    #[setting(
        value = true,
        source = "TD-MPC2, MoDem",
        needs = "plan = true and arm != bc-only"
    )]
    pub stochastic_eval: bool,
    /// Rounds of sampling per decision.
    #[setting(
        range = 1..=100, paper = 6, cpu = 4, tiny = 3,
        source = "TD-MPC2; MoDem on Meta-World: 4",
        needs = "plan = true and arm != bc-only"
    )]
    pub iterations: usize,
    /// Least standard deviation of the planner's samples, of the range [-1, 1].
    #[setting(range = 0.0..=10.0, value = 0.05, source = "TD-MPC2")]
    pub min_std: f64,
    /// Decisions over which the least standard deviation falls to that from 0.1; 0: it is there at
    /// once.
    #[setting(range = 0..=1_000_000_000, value = 0, source = "TD-MPC2; MoDem: 12,500")]
    pub std_decay: usize,
    /// The largest, that of the first round: 2 samples everything, a small one only what is near
    /// the previous plan and the proposals.
    #[setting(
        range = 0.0..=10.0, value = 0.2, paper = 2.0, source = "TD-MPC2",
        needs = "plan = true and arm != bc-only"
    )]
    pub max_std: f64,
}

impl TdMpcConfig {
    /// Settings that bound each other.
    ///
    /// # Errors
    /// Names the one that is out of bounds.
    pub fn check(&self) -> Result<()> {
        within(
            "finetune.td_mpc.learning_starts",
            self.learning_starts,
            1,
            self.total_steps,
        )?;
        within(
            "finetune.td_mpc.policy_samples",
            self.policy_samples,
            0,
            self.samples - 1,
        )?;
        within("finetune.td_mpc.elites", self.elites, 1, self.samples)?;
        within("finetune.td_mpc.min_std", self.min_std, 0.0, self.max_std)?;
        if self.backbone == Backbone::TdMpc2 && !self.latent.is_multiple_of(SIMNORM) {
            return Err(Error::input(format!(
                "finetune.td_mpc.latent is {}, but the latent states of td-mpc2 are groups of \
                 {SIMNORM} numbers: set it to a multiple of that",
                self.latent
            )));
        }
        Ok(())
    }

    /// What it takes of memory.
    pub(crate) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let acting = self.latent + sizes.act;
        let two = |members: usize, inputs: usize, outputs: usize| {
            NetworkSize::stack(members, (inputs, outputs), (self.hidden, 2))
        };
        let bins = match self.backbone {
            Backbone::TdMpc => 1,
            Backbone::TdMpc2 => TwoHot::TD_MPC2.bins,
        };
        let numbers = sizes.obs.numbers() + 1;
        let encoder = [numbers, self.encoder_hidden, self.latent];
        let cameras = sizes.obs.cameras.iter();
        let encoder = cameras
            .map(|camera| NetworkSize::convolutions(camera, 0.0))
            .fold(NetworkSize::perceptrons(1, &encoder), NetworkSize::and);
        let critics = two(self.critics, acting, bins);
        let prior = two(1, self.latent, 2 * sizes.act);
        let dynamics = two(1, acting, self.latent).and(two(1, acting, bins));
        let world = dynamics.and(critics).and(encoder);
        let weights = world.learned() + world.following() + prior.learned();
        let rows = (self.batch * self.horizon) as f64;
        let all = world.and(prior);
        let step = all.learning(rows + self.batch as f64) * NORMED + memory_of_ranks(1, self.batch);
        // In evaluations, too, all environments plan at once, each with two critics of its own.
        let most_envs = sizes.parallel.max(self.envs);
        let envs = most_envs as f64;
        let sequences = envs * self.samples as f64;
        let pairs = 3.0 * envs * critics.weights / self.critics as f64 * NUMBER;
        let one = two(2, acting, bins);
        let noise = self.iterations as f64 * ((self.horizon + 1) * sizes.act) as f64;
        let kept = (noise + 3.0 * acting as f64) * sequences * NUMBER;
        let compared = memory_of_ranks(most_envs, self.samples);
        let plan = one.and(dynamics).acting(sequences) * NORMED + kept + pairs + compared;
        let held = self.capacity.min(self.total_steps) as f64;
        let group = "finetune.td_mpc";
        let own = |name: &str| format!("{group}.{name}");
        vec![
            Need::of(
                group,
                "the world model's weights",
                &["critics", "hidden", "latent", "encoder_hidden"],
                weights,
            ),
            Need::of(
                group,
                "a step of learning",
                &["batch", "horizon", "critics", "hidden"],
                step,
            )
            .also(sizes.sight()),
            Need::new(
                "the planner",
                &[
                    "env.parallel",
                    &own("samples"),
                    &own("hidden"),
                    &own("iterations"),
                ],
                if self.plan { plan } else { 0.0 },
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
                &["capacity", "total_steps"],
                sizes.episodes(held),
            ),
        ]
    }

    /// The planner's settings after `decisions` decisions (MoDem's schedules of horizon and std).
    #[must_use]
    pub fn after(&self, decisions: usize) -> Self {
        let share = |of: usize| {
            if of == 0 {
                1.0
            } else {
                (decisions as f64 / of as f64).min(1.0)
            }
        };
        // Both are linear (MoDem, `cfgs/config.yaml`: `horizon_schedule`, `std_schedule`).
        let horizon = 1 + (share(self.horizon_growth) * (self.horizon - 1) as f64) as usize;
        let min_std =
            self.min_std + (1.0 - share(self.std_decay)) * (FIRST_MIN_STD - self.min_std).max(0.0);
        Self {
            horizon,
            min_std: min_std.min(self.max_std),
            ..self.clone()
        }
    }

    /// Share of demonstrations in a batch after `updates` updates.
    pub(crate) fn demo_fraction(&self, updates: usize) -> f64 {
        match self.arm {
            DemoSchedule::Balanced => 0.5,
            DemoSchedule::Scheduled => 0.5 - 0.25 * (updates as f64 / DEMO_DECAY).min(1.0),
            DemoSchedule::Vanilla | DemoSchedule::BcOnly => 0.0,
        }
    }
}

/// Updates over which MoDem's share of demonstrations falls (Meta-World).
const DEMO_DECAY: f64 = 50_000.0;
/// Least standard deviation at the start (MoDem).
const FIRST_MIN_STD: f64 = 0.1;
/// Size of a group of a simplicial latent state.
pub(crate) const SIMNORM: usize = 8;
/// rho: a decision's weight in the loss, relative to the decision before (both backbones).
pub(crate) const RHO: f64 = 0.5;
/// Factor of the values in the elites' softmax (both backbones).
pub(crate) const TEMPERATURE: f64 = 0.5;

/// Constants of a backbone: MoDem's `cfgs/config.yaml`, TD-MPC2's `config.yaml`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coefficients {
    /// Weight of the consistency loss.
    pub(crate) consistency: f64,
    /// Weight of the reward loss.
    pub(crate) reward: f64,
    /// Weight of the value loss, of all critics together.
    pub(crate) value: f64,
    /// Largest norm of the gradients.
    pub(crate) clip: f64,
    /// Updates between two steps of the targets.
    pub(crate) target_every: usize,
    /// Learning rate of the encoder, relative to the others'.
    pub(crate) encoder_rate: f64,
    /// Adam's epsilon for the policy prior.
    pub(crate) prior_epsilon: f64,
    /// Share of the planner's mean that is kept from round to round.
    pub(crate) momentum: f64,
}

impl Backbone {
    /// The reference's values.
    pub(crate) fn coefficients(self) -> Coefficients {
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
    use crate::env::catalogue::CORE;
    use crate::run::{Config, Preset};

    /// MoDem's planner looks one decision ahead at first and five after 25,000, and its spread
    /// falls from 0.1 to 0.05 in half that time; where there is no schedule, everything is there at
    /// once.
    #[test]
    fn modems_schedules_are_followed() {
        let paper = Config::preset(Preset::Paper);
        let paper = paper
            .set("finetune.td_mpc.backbone", "td-mpc", &CORE)
            .unwrap();
        let modem = paper.finetune.td_mpc;
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
            let config = TdMpcConfig::preset(preset);
            assert_eq!(config.after(0), config);
        }
    }
}
