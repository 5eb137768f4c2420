//! The configuration: plain data that alone reproduces a run.
//!
//! A preset gives every field a value; a TOML file and `key=value` settings change some; what
//! results is stored with the run. How they come together is [`resolve`](super::resolve)'s.

use crate::env::{Catalog, Entry};
use crate::error::within;
pub use crate::finetune::{FinetuneConfig, FinetuneMethod};
use crate::method::{MethodInfo, or_list};
use crate::obs::{DEFAULT_CAMERA, ImageSpec, ObsSpec, TaskLabel};
use crate::policy::{PolicyConfig, PolicyKind};
pub use crate::pretrain::{PretrainConfig, PretrainMethod};
use crate::settings::{Choices, Preset, Settings};
use crate::{Error, Result};
use crate::{finetune, pretrain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;

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
    /// Seed of every random stream of the run: the same seed gives the same numbers. It has as many
    /// bits as a number in JSON keeps with everybody who reads it.
    #[setting(range = 0..=9_007_199_254_740_991, value = 0, label = "Seed")]
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
    #[setting(
        range = 1..=1_000_000, value = 1,
        source = "robomimic: 20 actions a second, so 4 where control runs at 80 Hz"
    )]
    pub action_repeat: usize,
    /// Control steps after which an episode of practice or of an evaluation is cut off; 0: as many
    /// as the task has by itself, which recorded demonstrations have in any case.
    #[setting(
        range = 0..=1_000_000, value = 0,
        source = "DSRL's and DPPO's code: 300 for Lift and Can, 400 for Square"
    )]
    pub horizon: usize,
    /// Whether episodes of practice go on after a success, to the horizon: then the reward lasts
    /// as long as the success does. If not, the first success ends them. `eval.to_horizon` is the
    /// same for evaluations.
    #[setting(value = false, source = "DSRL's and DPPO's code: true")]
    pub to_horizon: bool,
    /// How the robot is controlled, where the suite has more than one way: of `robosuite`, words
    /// such as `version=1.4 kp=100`. Empty: as the demonstrations from a file were recorded, else
    /// as usual.
    #[setting(value = "")]
    pub controller: String,
    /// How success is judged, where the suite knows more than the task's own rule: of `adroit`,
    /// `modem`, by which a door is open from 1.0 rad on and a nail home within 20 mm. Empty: the
    /// task's own.
    #[setting(value = "")]
    pub success_rule: String,
    /// Pixels along each side of the camera's pictures, which take the place of what a state says
    /// of objects; 84 and 224 are the papers'; 0: states, no pictures. They need the native program
    /// with MuJoCo.
    #[setting(base, range = 0..=512, value = 0)]
    pub image_size: usize,
    /// How many of the newest frames an observation holds.
    #[setting(range = 1..=16, value = 2, source = "MoDem", needs = "image_size > 0")]
    pub image_stack: usize,
    /// The cameras: `default` is the one that the task's suite has for learning, other names are
    /// cameras of its scene (`protege play --camera`).
    #[setting(value = vec![DEFAULT_CAMERA.to_owned()], needs = "image_size > 0")]
    pub cameras: Vec<String>,
    /// Environments played in lockstep during rollouts and evaluation.
    #[setting(range = 1..=10_000, value = 50, tiny = 20)]
    pub parallel: usize,
}

impl EnvConfig {
    /// How the cameras are seen; none where states are observed.
    pub fn images(&self) -> Vec<ImageSpec> {
        let names = self.cameras.iter().filter(|_| self.image_size > 0);
        names
            .map(|name| ImageSpec {
                name: name.clone(),
                size: self.image_size,
                stack: self.image_stack,
            })
            .collect()
    }
}

/// Evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Episodes before and after finetuning.
    #[setting(range = 1..=1_000_000, value = 200, tiny = 60, source = "PostBC")]
    pub episodes: usize,
    /// Episodes at each point of the learning curve between.
    #[setting(range = 1..=1_000_000, value = 100, paper = 200, tiny = 40, source = "PostBC")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// As learning left it.
    Last,
    /// Of the points of the learning curve, the pretrained policy included, the one with the most
    /// successes; of equals the latest. Points between the first and the result are then played
    /// from starts of their own, so that the result's figure is not chosen by luck.
    Best,
}

impl Config {
    /// The tasks that are learned.
    pub fn tasks(&self) -> Vec<String> {
        if self.pretrain.tasks.is_empty() {
            vec![self.task.clone()]
        } else {
            self.pretrain.tasks.clone()
        }
    }

    /// The task that is played, with the horizon that its episodes have.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn played(&self, catalog: &Catalog) -> Result<Entry> {
        let mut task = catalog.entry(&self.task)?;
        if self.env.horizon > 0 {
            task.spec.horizon = self.env.horizon;
        }
        Ok(task)
    }

    /// Demonstrations of all of them.
    pub(crate) fn demonstrations(&self) -> usize {
        self.demos.count * self.tasks().len()
    }

    /// What says that it is the `i`-th of several tasks; none where there is one.
    pub(crate) fn label_of(&self, i: usize) -> Option<TaskLabel> {
        let of = self.pretrain.tasks.len();
        (of > 0).then_some(TaskLabel { index: i, of })
    }

    /// What says that it is the played one.
    pub fn label(&self) -> Option<TaskLabel> {
        let mut tasks = self.pretrain.tasks.iter();
        self.label_of(tasks.position(|task| *task == self.task).unwrap_or(0))
    }

    /// What the environments' observations are made of. Beside pictures, a state is the
    /// proprioception.
    pub(crate) fn observations(&self, task: &Entry) -> ObsSpec {
        let cameras = self.env.images();
        let proprio = task.proprioception.filter(|_| !cameras.is_empty());
        let all = task.spec.obs.state;
        let state = proprio.map_or(all, |places| places.iter().map(Range::len).sum());
        ObsSpec {
            state,
            tasks: self.label().map_or(0, |label| label.of),
            cameras,
        }
    }

    /// What the policy sees, where it is one that does.
    pub(crate) fn policy_images(&self) -> Vec<ImageSpec> {
        let images = self.env.images();
        let seen = images.into_iter().filter(|_| self.policy.sees());
        seen.collect()
    }

    /// Says in one sentence what is wrong, if anything is: sizes, ranges, tasks that are not in the
    /// catalog, and combinations that cannot work.
    pub fn check(&self, catalog: &Catalog) -> Result<()> {
        catalog.checked_engine(&self.task, &self.engine)?;
        catalog.controller(&self.task, &self.env.controller)?;
        catalog.success_rule(&self.task, &self.env.success_rule)?;
        let spec = self.played(catalog)?.spec;
        self.check_ranges("")?;
        within("env.action_repeat", self.env.action_repeat, 1, spec.horizon)?;
        self.policy.check()?;
        self.pretrain.bc.check()?;
        self.pretrain.post_bc.check()?;
        self.check_served()?;
        self.check_policy_kind()?;
        self.check_tasks(catalog)?;
        self.check_sight()?;
        self.finetune.check(&self.policy, &self.env.images())
    }

    /// Tasks that are learned together have one observation, one action and one engine.
    fn check_tasks(&self, catalog: &Catalog) -> Result<()> {
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
        let own = catalog.entry(&self.task)?.spec;
        for task in &self.pretrain.tasks {
            catalog.checked_engine(task, &self.engine)?;
            let spec = catalog.entry(task)?.spec;
            if (&spec.obs, spec.act) != (&own.obs, own.act) {
                return Err(Error::input(format!(
                    "{task} has {} observed numbers and {} actions, {} has {} and {}: take one of \
                     them out of pretrain.tasks",
                    spec.obs.state, spec.act, own.id, own.obs.state, own.act
                )));
            }
        }
        Ok(())
    }

    /// Methods that see no pictures are not given any, and the others none that are too small.
    fn check_sight(&self) -> Result<()> {
        let size = self.env.image_size;
        if size == 0 {
            return Ok(());
        }
        if cfg!(target_arch = "wasm32") {
            return Err(Error::input(
                "nothing in a browser learns from pictures: set env.image_size to 0",
            ));
        }
        let cameras = &self.env.cameras;
        let twice = |i: usize| cameras[..i].contains(&cameras[i]);
        if cameras.is_empty() || (0..cameras.len()).any(twice) {
            return Err(Error::input(format!(
                "env.cameras is {cameras:?}: name one or more, each once, or set env.image_size \
                 to 0"
            )));
        }
        let method = self.finetune.method.info();
        let Some(least) = method.smallest_image else {
            let seeing = finetune::METHODS.map(|row| row.info);
            let seeing = seeing.iter().filter(|info| info.smallest_image.is_some());
            return Err(Error::input(format!(
                "finetune.method {} sees no pictures: set it to {}, or env.image_size to 0",
                method.id,
                or_list(seeing.map(|info| info.id))
            )));
        };
        let least = least.max(self.policy.smallest_image());
        if size < least {
            return Err(Error::input(format!(
                "env.image_size is {size}: set it to {least} or more, or to 0 for states"
            )));
        }
        let pretraining = self.pretrain.method.info();
        let learns = self.policy.kind != PolicyKind::Served;
        if learns && self.policy.sees() && pretraining.smallest_image.is_none() {
            let seeing = pretrain::INFOS
                .iter()
                .filter(|info| info.smallest_image.is_some());
            return Err(Error::input(format!(
                "pretrain.method {} sees no pictures, which the policy does: set it to {}, or \
                 env.image_size to 0",
                pretraining.id,
                or_list(seeing.map(|info| info.id))
            )));
        }
        Ok(())
    }

    /// Whatever another program serves has an address, and a method that only asks it for chunks.
    fn check_served(&self) -> Result<()> {
        if self.policy.kind != PolicyKind::Served {
            return Ok(());
        }
        if self.policy.served.address.is_empty() {
            return Err(Error::input(
                "policy.kind served has no address: set policy.served.address, or use `--base \
                 openpi://host:port`",
            ));
        }
        // The page has no way to one.
        #[cfg(not(target_arch = "wasm32"))]
        self.policy.served.check(self.env.images().len())?;
        let method = self.finetune.method.info();
        if !method.accepts(PolicyKind::Served) {
            let able = finetune::METHODS.map(|row| row.info);
            let able = able.iter().filter(|info| info.accepts(PolicyKind::Served));
            return Err(Error::input(format!(
                "finetune.method {} cannot improve a served policy: set it to {}",
                method.id,
                or_list(able.map(|info| info.id))
            )));
        }
        Ok(())
    }

    /// Pretraining can train the kind of policy.
    fn check_policy_kind(&self) -> Result<()> {
        let kind = self.policy.kind;
        let pretraining = self.pretrain.method.info();
        if !pretraining.accepts(kind) {
            let MethodInfo { id, because, .. } = pretraining;
            return Err(Error::input(format!(
                "pretrain.method {id} cannot train policy.kind {}: it {because}; set policy.kind \
                 to {} first, as `--pretrain {id}` does",
                kind.name(),
                or_list(pretraining.policies.iter().map(|kind| kind.name()))
            )));
        }
        Ok(())
    }

    /// The configuration as JSON.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self)
            .expect("a configuration is plain data, which JSON can always hold")
    }
}
