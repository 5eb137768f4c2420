//! The configuration: plain data that alone reproduces a run.
//!
//! A preset gives every field a value; a TOML file and `key=value` settings change some; what
//! results is stored with the run. How they come together is [`resolve`](super::resolve)'s.

use super::published;
use crate::env::View;
use crate::error::within;
use crate::finetune::td_mpc::{Actor, Proposals, SMALLEST_IMAGE};
pub use crate::finetune::{FinetuneConfig, FinetuneMethod};
use crate::nn::Keypoints;
use crate::policy::{PolicyConfig, PolicyKind};
use crate::pretrain::{BcConfig, PostBcConfig, SigmaBcConfig, ValueDiceConfig};
use crate::settings::{self, Choices, Preset, Settings};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Everything a run needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[setting(root)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The task, `suite/name`.
    #[setting(base, value = "lab/pick-place")]
    pub task: String,
    /// The physics engine, `rapier` or `mujoco`: the first that `protege tasks` shows for the task.
    #[setting(value = "rapier")]
    pub engine: String,
    /// The preset that the other settings start from.
    #[setting(base, value = preset)]
    pub preset: Preset,
    /// Seed of every random stream of the run: the same seed gives the same numbers.
    #[setting(value = 0, label = "Seed")]
    pub seed: u64,
    /// Where demonstrations come from when no file is given: the task's scripted expert.
    #[setting(group)]
    pub demos: DemosConfig,
    /// How the environment is played.
    #[setting(group)]
    pub env: EnvConfig,
    /// The policy network.
    #[setting(group)]
    pub policy: PolicyConfig,
    /// Pretraining.
    #[setting(group)]
    pub pretrain: PretrainConfig,
    /// Finetuning.
    #[setting(group)]
    pub finetune: FinetuneConfig,
    /// Evaluation.
    #[setting(group)]
    pub eval: EvalConfig,
}

/// Where demonstrations come from when no file is given: the task's scripted expert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct DemosConfig {
    /// Successful episodes that are learned from, of each task.
    #[setting(
        range = 1..=100_000, value = 10,
        label = "Demonstrations", usual = 1..=30,
        source = "PostBC: 5 to 300 by task and finetuning"
    )]
    pub count: usize,
    /// Standard deviation of Gaussian noise on the expert's actions.
    #[setting(range = 0.0..=10.0, value = 0.1)]
    pub noise: f64,
    /// Whether each episode draws its own style (speed, height, side of approach) or all share one.
    #[setting(value = true)]
    pub varied: bool,
}

/// How the environment is played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct EnvConfig {
    /// Control steps for which each action is held; at most the task's horizon.
    #[setting(range = 1..=1_000_000, value = 1)]
    pub action_repeat: usize,
    /// Pixels along each side of the camera's pictures, which take the place of what a state says
    /// of objects; 84 and 224 are the papers'; 0: states, no pictures. They need the native program
    /// with MuJoCo.
    #[setting(base, range = 0..=512, value = 0)]
    pub image_size: usize,
    /// How many of the newest frames an observation holds.
    #[setting(range = 1..=16, value = 2, source = "MoDem")]
    pub image_stack: usize,
    /// Environments played in lockstep during rollouts and evaluation.
    #[setting(range = 1..=10_000, value = 50, tiny = 20)]
    pub parallel: usize,
}

impl EnvConfig {
    /// How pictures are seen.
    pub fn view(&self) -> View {
        View {
            size: self.image_size,
            stack: self.image_stack,
        }
    }
}

/// Which pretraining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum PretrainMethod {
    /// Behavioral cloning.
    Bc,
    /// Behavioral cloning with the same noise on every action.
    SigmaBc,
    /// Posterior behavioral cloning.
    PostBc,
    /// ValueDICE: matches the distribution of states and actions, from the demonstrations alone.
    ValueDice,
}

impl PretrainMethod {
    /// The one kind of policy that the method trains; none: it trains every kind.
    pub fn policy_kind(self) -> Option<PolicyKind> {
        match self {
            Self::Bc | Self::SigmaBc | Self::PostBc => None,
            Self::ValueDice => Some(PolicyKind::Squashed),
        }
    }
}

/// Pretraining: the method and each method's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// The method.
    #[setting(base, value = PretrainMethod::PostBc)]
    pub method: PretrainMethod,
    /// Tasks that one policy learns together, the played one among them, from `demos.count`
    /// demonstrations of each; they have equal observations and actions. None: the played task
    /// alone.
    #[setting(value = Vec::new())]
    pub tasks: Vec<String>,
    /// The cloning loop, in which all but `value-dice` end.
    #[setting(group)]
    pub bc: BcConfig,
    /// Behavioral cloning with the same noise on every action.
    #[setting(group)]
    pub sigma_bc: SigmaBcConfig,
    /// Posterior behavioral cloning.
    #[setting(group)]
    pub post_bc: PostBcConfig,
    /// ValueDICE.
    #[setting(group)]
    pub value_dice: ValueDiceConfig,
}

/// Evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Episodes before and after finetuning.
    #[setting(range = 1..=1_000_000, value = 200, tiny = 60, source = "PostBC")]
    pub episodes: usize,
    /// Episodes at each point of the learning curve between.
    #[setting(range = 1..=1_000_000, value = 100, tiny = 40)]
    pub curve_episodes: usize,
    /// Whether episodes are played on after a success, to the horizon, to count also how many end
    /// in success (`success_at_end`, as ManiSkill calls it). If not, the first success ends an
    /// episode.
    #[setting(value = false)]
    pub to_horizon: bool,
    /// Which agent is finetuning's result.
    #[setting(value = Keep::Last, source = "the papers report the end of the curve")]
    pub keep: Keep,
}

/// Which agent is the result of finetuning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// As learning left it.
    #[default]
    Last,
    /// Of the points of the learning curve, the pretrained policy included, the one with the most
    /// successes; of equals the latest. Points between the first and the result are then played
    /// from starts of their own, so that the result's figure is not chosen by luck.
    Best,
}

impl Config {
    /// The settings of a preset, on `lab/pick-place`, by PostBC and best-of-N.
    pub fn preset(preset: Preset) -> Self {
        published::ruled(Self::bare(preset))
    }

    /// The tasks that are learned.
    pub fn tasks(&self) -> Vec<String> {
        if self.pretrain.tasks.is_empty() {
            vec![self.task.clone()]
        } else {
            self.pretrain.tasks.clone()
        }
    }

    /// Demonstrations of all of them.
    pub fn demonstrations(&self) -> usize {
        self.demos.count * self.tasks().len()
    }

    /// The numbers that say that it is the `i`-th of several tasks; none where there is one.
    pub fn label_of(&self, i: usize) -> Vec<f32> {
        (0..self.pretrain.tasks.len())
            .map(|other| f32::from(u8::from(other == i)))
            .collect()
    }

    /// The numbers that say that it is the played one.
    pub fn label(&self) -> Vec<f32> {
        self.label_of(
            self.pretrain
                .tasks
                .iter()
                .position(|task| *task == self.task)
                .unwrap_or(0),
        )
    }

    /// Says in one sentence what is wrong, if anything is: sizes, ranges, and combinations that
    /// cannot work.
    pub fn check(&self) -> Result<()> {
        crate::env::catalogue::checked_engine(&self.task, &self.engine)?;
        let spec = crate::env::spec(&self.task)?;
        self.check_ranges("")?;
        within("env.action_repeat", self.env.action_repeat, 1, spec.horizon)?;
        self.policy.check()?;
        self.pretrain.bc.check()?;
        self.check_policy_kind()?;
        self.check_tasks()?;
        self.check_sight()?;
        self.finetune.check(&self.policy)
    }

    /// Tasks that are learned together have one observation, one action and one engine.
    fn check_tasks(&self) -> Result<()> {
        if self.pretrain.tasks.is_empty() {
            return Ok(());
        }
        if !self.pretrain.tasks.contains(&self.task) {
            let all = self.pretrain.tasks.join(", ");
            return Err(Error::input(format!(
                "{} is not among pretrain.tasks ({all}): add it, or set task to one of them",
                self.task
            )));
        }
        if self.policy.kind != PolicyKind::FlowTransformer {
            return Err(Error::input(
                "pretrain.tasks needs policy.kind flow-transformer: set it",
            ));
        }
        let own = crate::env::spec(&self.task)?;
        for task in &self.pretrain.tasks {
            crate::env::catalogue::checked_engine(task, &self.engine)?;
            let spec = crate::env::spec(task)?;
            if (spec.obs, spec.act) != (own.obs, own.act) {
                return Err(Error::input(format!(
                    "{task} has {} observed numbers and {} actions, {} has {} and {}: take one of \
                     them out of pretrain.tasks",
                    spec.obs, spec.act, own.id, own.obs, own.act
                )));
            }
        }
        Ok(())
    }

    /// Only a world model sees, and it can see from a certain size on.
    fn check_sight(&self) -> Result<()> {
        let (size, td_mpc) = (self.env.image_size, &self.finetune.td_mpc);
        if size == 0 {
            return Ok(());
        }
        let method = self.finetune.method;
        let least = if method == FinetuneMethod::Csil {
            Keypoints::SMALLEST
        } else {
            SMALLEST_IMAGE
        };
        if size < least {
            return Err(Error::input(format!(
                "env.image_size is {size}: set it to {least} or more, or to 0 for states"
            )));
        }
        if !matches!(
            method,
            FinetuneMethod::TdMpc | FinetuneMethod::Csil | FinetuneMethod::None
        ) {
            let method = method.name();
            return Err(Error::input(format!(
                "finetune.method {method} sees no pictures: set it to td-mpc or csil, or \
                 env.image_size to 0"
            )));
        }
        let judged_by_states = matches!(
            self.pretrain.method,
            PretrainMethod::PostBc | PretrainMethod::ValueDice
        );
        if self.policy.view.is_some() && judged_by_states {
            let method = self.pretrain.method.name();
            return Err(Error::input(format!(
                "pretrain.method {method} sees no pictures, which the policy does: set it to bc or \
                 sigma-bc, or env.image_size to 0"
            )));
        }
        if method != FinetuneMethod::Csil
            && (td_mpc.proposals, td_mpc.seed_by) != (Proposals::Prior, Actor::Prior)
        {
            return Err(Error::input(
                "the pretrained policy sees no pictures: set finetune.td_mpc.proposals and \
                 finetune.td_mpc.seed_by to prior, or env.image_size to 0",
            ));
        }
        Ok(())
    }

    /// Whatever another program serves is only asked for chunks.
    fn check_served(&self) -> Result<()> {
        let (kind, method) = (self.policy.kind, self.finetune.method);
        if kind != PolicyKind::Served {
            return Ok(());
        }
        if self.policy.served.address.is_empty() {
            return Err(Error::input(
                "policy.kind served has no address: set policy.served.address, or use `--base \
                 openpi://host:port`",
            ));
        }
        if !matches!(method, FinetuneMethod::Csil | FinetuneMethod::None) {
            let method = method.name();
            return Err(Error::input(format!(
                "finetune.method {method} cannot improve a served policy: set it to csil"
            )));
        }
        Ok(())
    }

    fn check_policy_kind(&self) -> Result<()> {
        self.check_served()?;
        let (method, kind) = (self.pretrain.method, self.policy.kind);
        match method.policy_kind() {
            Some(wanted) if wanted != kind => {
                let [method, kind, wanted] = [method.name(), kind.name(), wanted.name()];
                Err(Error::input(format!(
                    "pretrain.method {method} cannot train policy.kind {kind}: set policy.kind to \
                     {wanted} first, as `--pretrain {method}` does"
                )))
            }
            _ => Ok(()),
        }
    }

    /// The JSON schema of the configuration: meanings, ranges, names, and values in every preset.
    pub fn schema() -> Value {
        let presets: Vec<(&'static str, Value)> = Preset::ALL
            .iter()
            .map(|preset| (preset.name(), Self::preset(*preset).to_value()))
            .collect();
        settings::schema(Self::FIELDS, &presets)
    }

    /// The configuration as JSON.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self)
            .expect("a configuration is plain data, which JSON can always hold")
    }
}
