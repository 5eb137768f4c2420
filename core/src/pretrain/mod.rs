//! Pretraining: from demonstrations to a policy. One file or folder, one row in [`METHODS`], one
//! page of docs each.
//!
//! A method at work is a [`Pretrainer`]: it makes one gradient step at a time, and can be saved
//! between any two.

mod averaging;
pub mod bc;
pub mod post_bc;
pub mod sigma_bc;
pub mod target_noise;
pub mod value_dice;

pub use bc::{BcConfig, Cloning, Unit};
pub use post_bc::{Covariance, Ensemble, PostBcConfig, Posterior};
pub use sigma_bc::SigmaBcConfig;
pub use target_noise::TargetNoise;
pub use value_dice::{ValueDice, ValueDiceConfig};

use crate::Result;
use crate::data::{Archive, Dataset, Pairs, Scales};
use crate::memory::{Need, Sizes};
use crate::method::{self, LocalFuture, MethodInfo};
use crate::obs::ObsSpec;
use crate::policy::{Policy, PolicyConfig, PolicyKind};
use crate::rng::Rng;
use crate::settings::{Choice, Settings};
use burn::tensor::{Device, Tensor};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Every method, in the order of lists. To add one is to add its file or folder, and its row here.
pub const METHODS: [&Method; 4] = [
    &bc::METHOD,
    &sigma_bc::METHOD,
    &post_bc::METHOD,
    &value_dice::METHOD,
];

/// The description of every method, made at compile time: a program that only reads it does not
/// carry the methods' code along.
pub const INFOS: [&MethodInfo; METHODS.len()] = infos();

/// A row of [`METHODS`]: a method's description and its constructors.
pub struct Method {
    /// Name, sentences, kinds of policy.
    pub info: &'static MethodInfo,
    /// The method before its first step.
    pub new: fn(&Context) -> Result<Box<dyn Pretrainer>>,
    /// Restores what [`Pretrainer::save`] wrote with the same settings and demonstrations.
    pub load: fn(&Context, &Archive) -> Result<Box<dyn Pretrainer>>,
}

impl Method {
    /// Its name.
    pub const fn id(&self) -> PretrainMethod {
        PretrainMethod(self.info.id)
    }
}

/// What a method takes of memory: the parts of each of its phases.
type Memory = fn(&PretrainConfig, &Sizes) -> Vec<Vec<Need>>;

/// What every method takes of memory. It is apart from the rows, so that a program which does not
/// ask does not carry it along.
const MEMORY: [(&Method, Memory); METHODS.len()] = [
    (&bc::METHOD, |config, sizes| {
        vec![bc::memory(&config.bc, sizes)]
    }),
    (&sigma_bc::METHOD, |config, sizes| {
        vec![bc::memory(&config.bc, sizes)]
    }),
    (&post_bc::METHOD, |config, sizes| {
        vec![
            post_bc::memory(&config.post_bc, sizes),
            bc::memory(&config.bc, sizes),
        ]
    }),
    (&value_dice::METHOD, |config, sizes| {
        vec![value_dice::memory(&config.value_dice, sizes)]
    }),
];

impl PretrainConfig {
    /// What the configured method takes of memory: the parts of each of its phases.
    pub(crate) fn memory(&self, sizes: &Sizes) -> Vec<Vec<Need>> {
        let own = MEMORY.iter().find(|(method, _)| method.id() == self.method);
        own.map_or_else(Vec::new, |(_, memory)| memory(self, sizes))
    }
}

const fn infos() -> [&'static MethodInfo; METHODS.len()] {
    let mut infos = [METHODS[0].info; METHODS.len()];
    let mut i = 1;
    while i < METHODS.len() {
        infos[i] = METHODS[i].info;
        i += 1;
    }
    infos
}

/// Name of a pretraining method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PretrainMethod(&'static str);

impl PretrainMethod {
    /// The names of all, and what they are.
    pub(crate) const CHOICES: &'static [Choice] = &method::choices(&INFOS);

    /// The method called `id`.
    ///
    /// # Errors
    /// Names the nearest.
    pub fn by_id(id: &str) -> Result<Self> {
        method::by_id("pretraining", &INFOS, id).map(|info| Self(info.id))
    }

    /// Its name, as files write it.
    pub const fn id(self) -> &'static str {
        self.0
    }

    /// Its description.
    pub fn info(self) -> &'static MethodInfo {
        let own = INFOS.iter().find(|info| info.id == self.0);
        own.copied().unwrap_or(INFOS[0])
    }

    /// Its row.
    pub(crate) fn row(self) -> &'static Method {
        let own = METHODS.into_iter().find(|row| row.info.id == self.0);
        own.unwrap_or(METHODS[0])
    }

    /// The one kind of policy that the method trains; none: it trains several.
    pub fn policy_kind(self) -> Option<PolicyKind> {
        match self.info().policies {
            [only] => Some(*only),
            _ => None,
        }
    }
}

impl Serialize for PretrainMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for PretrainMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        Self::by_id(&id).map_err(D::Error::custom)
    }
}

/// Pretraining: the method and each method's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// The method.
    #[setting(base, value = post_bc::METHOD.id())]
    pub method: PretrainMethod,
    /// Tasks that one policy learns together, the played one among them, from `demos.count`
    /// demonstrations of each; they have equal observations and actions. None: the played task
    /// alone.
    #[setting(value = Vec::new())]
    pub tasks: Vec<String>,
    /// The cloning loop, in which all but `value-dice` end.
    #[setting(group, needs = "method != value-dice")]
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

/// The inputs of every method.
pub struct Context<'a> {
    /// The settings of all methods.
    pub config: &'a PretrainConfig,
    /// The policy's settings.
    pub policy: &'a PolicyConfig,
    /// The fields of an observation that the policy reads.
    pub reads: ObsSpec,
    /// The demonstrations.
    pub demos: &'a Dataset,
    /// The same as normalized training pairs.
    pub pairs: &'a Pairs,
    /// What they are normalized by.
    pub(crate) scales: &'a Scales,
    /// The run's seed.
    pub seed: u64,
    /// The device that trains, with autodiff.
    pub device: &'a Device,
}

impl Context<'_> {
    /// A policy with fresh weights, scaled to the demonstrations.
    ///
    /// # Errors
    /// When the demonstrations are too short.
    pub(crate) fn fresh_policy(&self) -> Result<Policy> {
        let mut weights = Rng::new(self.seed, "policy-weights", 0);
        Ok(Policy::new(
            self.policy,
            &self.reads,
            self.demos.meta.act,
            self.scales.clone(),
            &mut weights,
            self.device,
        ))
    }
}

/// Phase of a method at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PretrainPhase {
    /// Clones a policy, of which the image encoder is kept, frozen, for the ensemble.
    Encoder,
    /// Fits an ensemble, whose disagreement shows where the demonstrations leave doubt.
    Ensemble,
    /// Trains the policy.
    Policy,
}

/// Metrics by name, still on the device.
pub type Losses = Vec<(&'static str, Tensor<1>)>;

/// A method at work. Its phases follow each other; most have one.
pub trait Pretrainer: Send {
    /// The present phase.
    fn phase(&self) -> PretrainPhase {
        PretrainPhase::Policy
    }

    /// Gradient steps done in the present phase, and to do in it.
    fn progress(&self) -> (usize, usize);

    /// One gradient step.
    fn step(&mut self, data: &Pairs) -> Losses;

    /// Begins the phase after a completed one and gives the metrics of that, if there are any; none
    /// where it was the last.
    ///
    /// # Errors
    /// When the device fails.
    fn begin_next<'a>(
        &'a mut self,
        _cx: &'a Context<'a>,
    ) -> LocalFuture<'a, Option<Vec<(&'static str, f64)>>> {
        Box::pin(async { Ok(None) })
    }

    /// The policy as it is now, without gradients; none in phases before it is trained.
    fn policy(&self) -> Option<Policy>;

    /// Writes the whole state into the archive.
    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()>;
}
