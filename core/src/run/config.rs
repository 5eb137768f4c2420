//! The configuration: plain data that alone reproduces a run.
//!
//! A preset gives every field a value; a TOML file and `key=value` settings change some; what
//! results is stored with the run.

use super::paper;
use crate::env::View;
use crate::error::within;
use crate::finetune::csil::{self, CsilConfig};
use crate::finetune::td_mpc::{self, Actor, Proposals, TdMpcConfig};
use crate::finetune::{self, best_of_n};
pub use crate::finetune::{FinetuneConfig, FinetuneMethod};
use crate::method::{MethodInfo, one_of};
use crate::nn::Activation;
use crate::policy::{PolicyConfig, PolicyKind, Sampler, ServedConfig};
pub use crate::pretrain::PretrainMethod;
use crate::pretrain::{self, BcConfig, PostBcConfig, SigmaBcConfig, ValueDiceConfig, post_bc};
use crate::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sizes for three occasions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The published sizes.
    Paper,
    /// Learns on two cores in minutes.
    Cpu,
    /// Learns in a browser tab, and in the tests, in under two minutes.
    Tiny,
}

/// Everything a run needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The task, `suite/name`. Default `lab/pick-place`.
    pub task: String,
    /// The physics engine, `rapier` or `mujoco`. Default: the first of the task's (`protege
    /// tasks`).
    pub engine: String,
    /// The preset that the other fields started from.
    pub preset: Preset,
    /// Seed of every random stream of the run. Default 0.
    pub seed: u64,
    /// Demonstrations.
    pub demos: DemosConfig,
    /// How the environment is played.
    pub env: EnvConfig,
    /// The policy network.
    pub policy: PolicyConfig,
    /// Pretraining.
    pub pretrain: PretrainConfig,
    /// Finetuning.
    pub finetune: FinetuneConfig,
    /// Evaluation.
    pub eval: EvalConfig,
}

/// Where demonstrations come from when no file is given: the task's scripted expert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DemosConfig {
    /// Successful episodes to collect. Default 10.
    pub count: usize,
    /// Standard deviation of Gaussian noise on the expert's actions. Default 0.1.
    pub noise: f64,
    /// Whether each episode draws its own style (speed, height, side of approach) or all share one.
    /// Default true.
    pub varied: bool,
}

/// How the environment is played.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvConfig {
    /// Control steps for which each action is held. Default 1.
    pub action_repeat: usize,
    /// Pixels along each side of the camera's pictures, which take the place of what a state says
    /// of objects; 84 and 224 are the papers'. Default 0: states, no pictures. Only td-mpc and csil
    /// see; pictures need the native program with MuJoCo.
    #[serde(default)]
    pub image_size: usize,
    /// How many of the newest frames an observation holds. Default 2 (MoDem).
    #[serde(default = "two")]
    pub image_stack: usize,
    /// Environments played in lockstep during rollouts and evaluation. Default 50.
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

fn two() -> usize {
    2
}

/// Pretraining: the method and each method's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// The method. Default `post-bc`.
    pub method: PretrainMethod,
    /// Tasks that one policy learns together, the played one among them, from `demos.count`
    /// demonstrations of each; they have equal observations and actions. Default none: the played
    /// task alone.
    #[serde(default)]
    pub tasks: Vec<String>,
    /// The cloning loop, in which all but `value-dice` end.
    pub bc: BcConfig,
    /// Behavioral cloning with the same noise on every action.
    pub sigma_bc: SigmaBcConfig,
    /// Posterior behavioral cloning.
    pub post_bc: PostBcConfig,
    /// ValueDICE.
    pub value_dice: ValueDiceConfig,
}

/// Evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvalConfig {
    /// Episodes before and after finetuning. Default 200 (PostBC's figure).
    pub episodes: usize,
    /// Episodes at each point of the learning curve between. Default 100.
    pub curve_episodes: usize,
    /// Whether episodes are played on after a success, to the horizon, to count also how many end
    /// in success (`success_at_end`, as ManiSkill calls it). Default false: the first success ends
    /// an episode.
    #[serde(default)]
    pub to_horizon: bool,
    /// Which agent is finetuning's result: `last` (default), or `best` (td-mpc's presets cpu and
    /// tiny).
    #[serde(default)]
    pub keep: Keep,
}

/// Which agent is the result of finetuning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
        Self::for_job(
            preset,
            "lab/pick-place",
            post_bc::METHOD.id(),
            best_of_n::METHOD.id(),
        )
    }

    /// The settings of a preset for a task and methods. The paper's differ by all of them; what a
    /// method needs of the policy holds in every preset.
    pub fn for_job(
        preset: Preset,
        task: &str,
        pretrain: PretrainMethod,
        finetune: FinetuneMethod,
    ) -> Self {
        let mut config = Self::sizes(preset);
        config.task = task.to_owned();
        config.engine = crate::env::catalogue::usual_engine(task).to_owned();
        (config.pretrain.method, config.finetune.method) = (pretrain, finetune);
        if preset == Preset::Paper {
            paper::apply(&mut config);
        }
        decide_one_by_one(&mut config);
        if finetune == td_mpc::METHOD.id() && preset != Preset::Paper {
            config.eval.keep = Keep::Best;
        }
        config.policy.kind = pretrain.policy_kind().unwrap_or(config.policy.kind);
        config
    }

    fn sizes(preset: Preset) -> Self {
        Self {
            task: "lab/pick-place".into(),
            engine: "rapier".into(),
            preset,
            seed: 0,
            demos: DemosConfig {
                count: 10,
                noise: 0.1,
                varied: true,
            },
            env: EnvConfig {
                action_repeat: 1,
                image_size: 0,
                image_stack: 2,
                parallel: if preset == Preset::Tiny { 20 } else { 50 },
            },
            policy: policy(preset),
            pretrain: PretrainConfig {
                method: post_bc::METHOD.id(),
                tasks: Vec::new(),
                bc: BcConfig::preset(preset),
                sigma_bc: SigmaBcConfig::preset(preset),
                post_bc: PostBcConfig::preset(preset),
                value_dice: ValueDiceConfig::preset(preset),
            },
            finetune: FinetuneConfig::preset(preset),
            eval: match preset {
                Preset::Tiny => EvalConfig {
                    episodes: 60,
                    curve_episodes: 40,
                    to_horizon: false,
                    keep: Keep::Last,
                },
                _ => EvalConfig {
                    episodes: 200,
                    curve_episodes: 100,
                    to_horizon: false,
                    keep: Keep::Last,
                },
            },
        }
    }

    /// Reads a resolved or partial configuration: `overlay` (from TOML or JSON) over the preset
    /// that it names, else over `fallback`, for the task and the methods that it names.
    ///
    /// # Errors
    /// Names an unknown key and the nearest known one, or the key whose value does not fit.
    pub fn from_overlay(overlay: &Value, fallback: Preset) -> Result<Self> {
        let preset = match overlay.get("preset") {
            Some(name) => read_as("preset", name)?,
            None => fallback,
        };
        let task = overlay
            .get("task")
            .and_then(Value::as_str)
            .unwrap_or("lab/pick-place");
        let pretrain = named(overlay, "pretrain")?.unwrap_or(post_bc::METHOD.id());
        let finetune = named(overlay, "finetune")?.unwrap_or(best_of_n::METHOD.id());
        let mut base = Self::for_job(preset, task, pretrain, finetune);
        if let Some(name) = overlay.pointer("/finetune/td_mpc/backbone") {
            base.finetune.td_mpc =
                TdMpcConfig::preset(preset, read_as("finetune.td_mpc.backbone", name)?);
            decide_one_by_one(&mut base);
        }
        if let Some(name) = overlay.pointer("/finetune/csil/variant") {
            base.finetune.csil =
                CsilConfig::preset(preset, read_as("finetune.csil.variant", name)?);
        }
        if overlay
            .pointer("/env/image_size")
            .and_then(Value::as_u64)
            .is_some_and(|size| size > 0)
        {
            see(&mut base);
        }
        if overlay.pointer("/policy/kind").and_then(Value::as_str) == Some("flow-transformer") {
            (base.policy.hidden, base.policy.layers, base.policy.time_dim) = transformer(preset);
        }
        let mut config = leaves(overlay, "")
            .into_iter()
            .try_fold(base, |config, (key, value)| config.with(&key, value))?;
        config.follow();
        config.check()?;
        Ok(config)
    }

    /// Changes the one setting at `key` (`finetune.best_of_n.samples`). `text` is JSON (numbers,
    /// true, false) or else a bare string.
    ///
    /// # Errors
    /// Names an unknown key and the nearest known one, or the key whose value does not fit.
    pub fn set(&self, key: &str, text: &str) -> Result<Self> {
        self.set_all(&[(key.to_owned(), text.to_owned())])
    }

    /// Changes several settings, one after the other; what results is checked at the end, so that
    /// settings which bound each other may come in any order.
    pub fn set_all(&self, settings: &[(String, String)]) -> Result<Self> {
        let mut config = self.clone();
        for (key, text) in settings {
            if key == "preset" {
                return Err(Error::input(
                    "preset is where the other settings start from: choose it first, then change \
                     settings one by one",
                ));
            }
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
            config = config.with(key, value)?;
        }
        config.follow();
        config.check()?;
        Ok(config)
    }

    /// Settings of the policy that others decide.
    fn follow(&mut self) {
        self.policy.labels = self.pretrain.tasks.len();
        let sees = self.policy.kind == PolicyKind::FlowTransformer && self.env.image_size > 0;
        self.policy.view = if sees {
            self.env.view()
        } else {
            View::default()
        };
    }

    /// Changes the one setting at `key`, whatever the others are.
    fn with(&self, key: &str, value: Value) -> Result<Self> {
        let wrap = |inner: Value, part: &str| {
            Value::Object([(part.to_owned(), inner)].into_iter().collect())
        };
        let mut config = to_value(self);
        merge(&mut config, &key.rsplit('.').fold(value.clone(), wrap), "")?;
        serde_json::from_value(config)
            .map_err(|e| Error::input(format!("{key} = {value} does not fit: {e}")))
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
        within("demos.count", self.demos.count, 1, 100_000)?;
        within("demos.noise", self.demos.noise, 0.0, 10.0)?;
        within("env.action_repeat", self.env.action_repeat, 1, spec.horizon)?;
        within("env.image_size", self.env.image_size, 0, 512)?;
        within("env.image_stack", self.env.image_stack, 1, 16)?;
        within("env.parallel", self.env.parallel, 1, 10_000)?;
        within("eval.episodes", self.eval.episodes, 1, 1_000_000)?;
        within(
            "eval.curve_episodes",
            self.eval.curve_episodes,
            1,
            1_000_000,
        )?;
        self.policy.check()?;
        self.pretrain.bc.check()?;
        self.pretrain.sigma_bc.check()?;
        self.pretrain.post_bc.check()?;
        self.pretrain.value_dice.check()?;
        self.check_policy_kind()?;
        self.check_tasks()?;
        self.check_sight()?;
        self.finetune.check(&self.policy, self.env.view())
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

    /// Methods that see no pictures are not given any, and the others none that are too small.
    fn check_sight(&self) -> Result<()> {
        let size = self.env.image_size;
        if size == 0 {
            return Ok(());
        }
        let method = self.finetune.method.info();
        let Some(least) = method.smallest_image else {
            let seeing = finetune::METHODS.map(|row| row.info);
            let seeing = seeing.iter().filter(|info| info.smallest_image.is_some());
            return Err(Error::input(format!(
                "finetune.method {} sees no pictures: set it to {}, or env.image_size to 0",
                method.id,
                one_of(seeing.map(|info| info.id))
            )));
        };
        if size < least {
            return Err(Error::input(format!(
                "env.image_size is {size}: set it to {least} or more, or to 0 for states"
            )));
        }
        let pretraining = self.pretrain.method.info();
        if self.policy.view.is_some() && pretraining.smallest_image.is_none() {
            let seeing = pretrain::INFOS
                .iter()
                .filter(|info| info.smallest_image.is_some());
            return Err(Error::input(format!(
                "pretrain.method {} sees no pictures, which the policy does: set it to {}, or \
                 env.image_size to 0",
                pretraining.id,
                one_of(seeing.map(|info| info.id))
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
        let method = self.finetune.method.info();
        if !method.accepts(PolicyKind::Served) {
            let able = finetune::METHODS.map(|row| row.info);
            let able = able.iter().filter(|info| info.accepts(PolicyKind::Served));
            return Err(Error::input(format!(
                "finetune.method {} cannot improve a served policy: set it to {}",
                method.id,
                one_of(able.map(|info| info.id))
            )));
        }
        Ok(())
    }

    /// Pretraining can train the kind of policy.
    fn check_policy_kind(&self) -> Result<()> {
        self.check_served()?;
        let kind = self.policy.kind;
        let pretraining = self.pretrain.method.info();
        if !pretraining.accepts(kind) {
            let MethodInfo { id, because, .. } = pretraining;
            return Err(Error::input(format!(
                "pretrain.method {id} cannot train policy.kind {}: it {because}; set policy.kind \
                 to {} first, as `--pretrain {id}` does",
                kind.id(),
                one_of(pretraining.policies.iter().map(|kind| kind.id()))
            )));
        }
        Ok(())
    }

    /// The JSON schema of the configuration, descriptions included: what forms and tables are made
    /// from.
    pub fn schema() -> Value {
        schemars::schema_for!(Config).to_value()
    }
}

/// Methods that decide action by action hold each for longer (20 decisions a second in the lab).
///
/// TD-MPC: five demonstrations are recorded, as in MoDem and the paper that follows it. The policy
/// clones single actions there; else chunks that reach as far as the planner looks, so that it can
/// propose them. CSIL: the policy's chunk is 10 actions in the paper.
fn decide_one_by_one(config: &mut Config) {
    let method = config.finetune.method;
    if !method.info().per_step {
        return;
    }
    config.env.action_repeat = if config.task.starts_with("lab/") {
        4
    } else {
        2
    };
    let published = config.preset == Preset::Paper;
    if method == csil::METHOD.id() {
        config.policy.chunk = if published { 10 } else { 4 };
    }
    if method == td_mpc::METHOD.id() {
        config.demos.count = 5;
        if published {
            (config.policy.kind, config.policy.chunk) = (PolicyKind::Gaussian, 1);
        } else {
            config.policy.chunk = 4.max(config.finetune.td_mpc.horizon);
        }
    }
}

/// Where pictures are seen, the world model's own prior seeds and proposes: the pretrained policy,
/// which sees none, has no part in it, so it is a small one.
fn see(config: &mut Config) {
    (
        config.finetune.td_mpc.seed_by,
        config.finetune.td_mpc.proposals,
    ) = (Actor::Prior, Proposals::Prior);
    if config.finetune.method != td_mpc::METHOD.id() {
        return;
    }
    (config.policy.kind, config.policy.chunk) = (PolicyKind::Gaussian, 1);
}

/// Width, blocks and time embedding of a transformer: 113, 1.2 and 0.3 million parameters.
fn transformer(preset: Preset) -> (usize, usize, usize) {
    match preset {
        Preset::Paper => (1024, 9, 64),
        Preset::Cpu => (160, 4, 32),
        Preset::Tiny => (96, 3, 16),
    }
}

fn policy(preset: Preset) -> PolicyConfig {
    let small = PolicyConfig {
        kind: PolicyKind::Flow,
        chunk: 8,
        hidden: 256,
        layers: 3,
        labels: 0,
        view: View::default(),
        served: ServedConfig::default(),
        activation: Activation::Relu,
        residual: false,
        time_dim: 16,
        denoising_steps: 20,
        sampler: Sampler::Ddim,
        inference_steps: 8,
    };
    match preset {
        Preset::Paper => PolicyConfig {
            kind: PolicyKind::Diffusion,
            chunk: 4,
            hidden: 512,
            activation: Activation::Mish,
            residual: true,
            denoising_steps: 100,
            ..small
        },
        Preset::Cpu => small,
        Preset::Tiny => PolicyConfig {
            hidden: 128,
            ..small
        },
    }
}

fn to_value(config: &Config) -> Value {
    serde_json::to_value(config).expect("a configuration is plain data, which JSON can always hold")
}

/// The method of a stage that an overlay names.
fn named<T: serde::de::DeserializeOwned>(overlay: &Value, stage: &str) -> Result<Option<T>> {
    let method = overlay
        .get(stage)
        .and_then(|settings| settings.get("method"));
    method
        .map(|name| read_as(&format!("{stage}.method"), name))
        .transpose()
}

fn read_as<T: serde::de::DeserializeOwned>(key: &str, value: &Value) -> Result<T> {
    serde_json::from_value(value.clone())
        .map_err(|e| Error::input(format!("{key} = {value} does not fit: {e}")))
}

/// The settings of an overlay, one by one.
fn leaves(overlay: &Value, path: &str) -> Vec<(String, Value)> {
    match overlay {
        Value::Object(group) => group
            .iter()
            .flat_map(|(name, value)| leaves(value, &join(path, name)))
            .collect(),
        leaf => vec![(path.to_owned(), leaf.clone())],
    }
}

/// Replaces the leaves of `base` that `overlay` names.
fn merge(base: &mut Value, overlay: &Value, path: &str) -> Result<()> {
    let (Value::Object(base), Value::Object(overlay)) = (base, overlay) else {
        return Err(Error::input(format!(
            "{path} is a group of settings: name one of them, as in {path}.<name>"
        )));
    };
    for (name, value) in overlay {
        let here = join(path, name);
        let Some(slot) = base.get_mut(name) else {
            return Err(unknown_key(&here, base.keys().map(|key| join(path, key))));
        };
        match slot {
            Value::Object(_) => merge(slot, value, &here)?,
            leaf => replace(leaf, value, &here)?,
        }
    }
    Ok(())
}

fn replace(leaf: &mut Value, value: &Value, key: &str) -> Result<()> {
    let same_kind = std::mem::discriminant(leaf) == std::mem::discriminant(value);
    // 2e3 is a whole number, too, as far as a float counts exactly.
    let whole = |v: &Value| {
        v.is_u64()
            || v.as_f64()
                .is_some_and(|f| f.fract() == 0.0 && (0.0..=9e15).contains(&f))
    };
    if !same_kind || (leaf.is_u64() && !whole(value)) {
        let kind = if leaf.is_u64() {
            "a whole number"
        } else {
            kind_name(leaf)
        };
        return Err(Error::input(format!(
            "{key} = {value} does not fit: it must be {kind}, such as {leaf}"
        )));
    }
    *leaf = if leaf.is_u64() {
        Value::from(
            value
                .as_u64()
                .unwrap_or_else(|| value.as_f64().unwrap_or(0.0) as u64),
        )
    } else {
        value.clone()
    };
    Ok(())
}

fn kind_name(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        _ => "a name",
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

fn unknown_key(key: &str, known: impl Iterator<Item = String>) -> Error {
    match crate::error::nearest(key, known) {
        Some(near) => Error::input(format!("there is no setting {key}: did you mean {near}?")),
        None => Error::input(format!("there is no setting {key}")),
    }
}
