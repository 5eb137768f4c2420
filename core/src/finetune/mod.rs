//! Finetuning: reinforcement learning that finishes what pretraining began. One folder, one row in
//! [`METHODS`], one page of docs each.
//!
//! A method at work is a [`Trainer`], a state machine as the run is: it does a little at a time,
//! says when its result so far should be evaluated, and can be saved between any two steps. What it
//! makes of the policy is a [`FinetunedPolicy`], which acts in the policy's place.

pub mod actor_critic;
pub mod best_of_n;
pub mod csil;
pub mod dppo;
pub mod dsrl;
mod frozen;
mod quality;
pub mod rlpd;
pub mod sac;
pub mod td_mpc;
pub mod xqc;

use crate::data::{Archive, Dataset, Episode, Replay};
use crate::env::{Decision, FinishedEpisode, RolloutSpec};
use crate::memory::{Need, Sizes};
use crate::method::{self, DemoUse, LocalFuture, MethodInfo};
use crate::nn::{self, SMALLEST_IMAGE};
use crate::obs::{ImageSpec, ObsBatch, ObsSpec, Observation};
use crate::play::{Actor, Help};
use crate::policy::{Policy, PolicyConfig, PolicyKind};
pub(crate) use crate::rl::RECORD_EVERY;
use crate::rl::{OnlineLoop, Schedule};
use crate::settings::{Choice, Settings};
use crate::{Error, Result};
use best_of_n::BestOfNConfig;
use burn::tensor::{Device, Tensor};
use csil::CsilConfig;
use dppo::DppoConfig;
use dsrl::DsrlConfig;
pub use quality::Quality;
use rlpd::RlpdConfig;
use sac::SacConfig;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use td_mpc::TdMpcConfig;
use xqc::XqcConfig;

/// Gradient steps that a method makes at most per step of its own.
pub(crate) const UPDATES: usize = 10;

/// Every method, in the order of lists. To add one is to add its folder and its row here.
pub const METHODS: [&Method; 8] = [
    &best_of_n::METHOD,
    &dsrl::METHOD,
    &dppo::METHOD,
    &td_mpc::METHOD,
    &csil::METHOD,
    &xqc::METHOD,
    &rlpd::METHOD,
    &sac::METHOD,
];

/// What there is to say of every method, and of "none". It is made when the program is compiled, so
/// that who reads it does not carry the methods' code along.
pub const INFOS: [&MethodInfo; METHODS.len() + 1] = infos();

/// A row of [`METHODS`]: what there is to say of a method, and how it is made.
pub struct Method {
    /// Name, sentences, what it can work with.
    pub info: &'static MethodInfo,
    /// Says in one sentence why its settings do not go with a policy, or with what these cameras
    /// see, if they do not. What [`MethodInfo`] says of policies and pictures is checked before.
    pub check: fn(&FinetuneConfig, &PolicyConfig, &[ImageSpec]) -> Result<()>,
    /// The method at its beginning.
    pub new: fn(&FinetuneConfig, &Context) -> Result<Box<dyn Trainer>>,
    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub load: fn(&FinetuneConfig, &Context, &mut Archive) -> Result<Box<dyn Trainer>>,
    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings and prefix.
    pub(crate) load_policy: LoadPolicy,
    /// Who decides in practice, as [`Actor::write`] wrote it under the same settings: of methods
    /// that do not learn while they play, whose practice can be played elsewhere.
    pub(crate) practice: Option<LoadActor>,
}

impl Method {
    /// Its name.
    pub const fn id(&self) -> FinetuneMethod {
        FinetuneMethod(self.info.id)
    }
}

/// Settings, the pretrained policy, the prefix in the archive, the archive, and where to compute.
pub(crate) type LoadPolicy =
    fn(&FinetuneConfig, &Policy, &str, &Archive, &Device) -> Result<Box<dyn FinetunedPolicy>>;

/// Settings, the pretrained policy, the archive, and where to compute.
pub(crate) type LoadActor =
    fn(&FinetuneConfig, &Policy, &Archive, &Device) -> Result<Box<dyn Actor>>;

/// What a method takes of memory, part by part.
type MemoryNeeds = fn(&FinetuneConfig, &Sizes) -> Vec<Need>;

/// What every method takes of memory. It is apart from the rows, so that a program which does not
/// ask does not carry it along.
const MEMORY: [(&Method, MemoryNeeds); METHODS.len()] = [
    (&best_of_n::METHOD, |config, sizes| {
        config.best_of_n.memory(sizes)
    }),
    (&dsrl::METHOD, |config, sizes| config.dsrl.memory(sizes)),
    (&dppo::METHOD, |config, sizes| config.dppo.memory(sizes)),
    (&td_mpc::METHOD, |config, sizes| config.td_mpc.memory(sizes)),
    (&csil::METHOD, |config, sizes| config.csil.memory(sizes)),
    (&xqc::METHOD, |config, sizes| config.xqc.memory(sizes)),
    (&rlpd::METHOD, |config, sizes| config.rlpd.memory(sizes)),
    (&sac::METHOD, |config, sizes| config.sac.memory(sizes)),
];

const NONE: MethodInfo = MethodInfo {
    id: "none",
    label: "None",
    sentence: "The cloned policy as it is, for comparison.",
    about: "None: the pretrained policy is the result.",
    paper: None,
    color: None,
    policies: PolicyKind::ALL,
    because: "",
    smallest_image: Some(SMALLEST_IMAGE),
    per_step: false,
    demos: DemoUse::Unused,
    insights: &[],
    on_page: true,
};

const fn infos() -> [&'static MethodInfo; METHODS.len() + 1] {
    let mut infos = [&NONE; METHODS.len() + 1];
    let mut i = 0;
    while i < METHODS.len() {
        infos[i] = METHODS[i].info;
        i += 1;
    }
    infos
}

/// Which finetuning: the name of a method, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinetuneMethod(&'static str);

impl FinetuneMethod {
    /// The pretrained policy is the result.
    pub const NONE: Self = Self(NONE.id);

    /// The names of all, and what they are.
    pub(crate) const CHOICES: &'static [Choice] = &method::choices(&INFOS);

    /// The method called `id`.
    ///
    /// # Errors
    /// Names the nearest.
    pub fn by_id(id: &str) -> Result<Self> {
        method::by_id("finetuning", &INFOS, id).map(|info| Self(info.id))
    }

    /// Its name, as files write it.
    pub const fn id(self) -> &'static str {
        self.0
    }

    /// What there is to say of it.
    pub fn info(self) -> &'static MethodInfo {
        let own = INFOS.iter().find(|info| info.id == self.0);
        own.copied().unwrap_or(&NONE)
    }

    /// Whether its practice can be played elsewhere, too, and not only its evaluations: it does not
    /// learn while it plays.
    pub fn plays_elsewhere(self) -> bool {
        self.row().is_some_and(|method| method.practice.is_some())
    }

    /// Its row; none where nothing is finetuned.
    pub(crate) fn row(self) -> Option<&'static Method> {
        METHODS.into_iter().find(|method| method.info.id == self.0)
    }
}

impl Serialize for FinetuneMethod {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for FinetuneMethod {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        Self::by_id(&id).map_err(D::Error::custom)
    }
}

/// Finetuning: the method and each method's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct FinetuneConfig {
    /// The method.
    #[setting(base, value = best_of_n::METHOD.id())]
    pub method: FinetuneMethod,
    /// Best of N samples by an IQL critic.
    #[setting(group)]
    pub best_of_n: BestOfNConfig,
    /// Diffusion steering.
    #[setting(group)]
    pub dsrl: DsrlConfig,
    /// Diffusion policy policy optimization.
    #[setting(group)]
    pub dppo: DppoConfig,
    /// World model and planner.
    #[setting(group)]
    pub td_mpc: TdMpcConfig,
    /// A small policy beside the pretrained one, and a learned reward.
    #[setting(group)]
    pub csil: CsilConfig,
    /// A small policy beside the pretrained one, and categorical critics of the task's reward.
    #[setting(group)]
    pub xqc: XqcConfig,
    /// A small policy beside the pretrained one, and many critics of the task's reward.
    #[setting(group)]
    pub rlpd: RlpdConfig,
    /// A small policy beside the pretrained one, and soft actor-critic.
    #[setting(group)]
    pub sac: SacConfig,
}

impl FinetuneConfig {
    /// Says in one sentence what is wrong, if anything is: a setting, or a policy that the method
    /// cannot improve. `cameras`: those of the environments.
    pub fn check(&self, policy: &PolicyConfig, cameras: &[ImageSpec]) -> Result<()> {
        self.best_of_n.check()?;
        self.dsrl.check()?;
        self.dppo.check()?;
        self.td_mpc.check()?;
        self.csil.check()?;
        self.xqc.check()?;
        self.rlpd.check()?;
        self.sac.check()?;
        let Some(method) = self.method.row() else {
            return Ok(());
        };
        if !method.info.accepts(policy.kind) {
            let MethodInfo { id, because, .. } = method.info;
            let kinds = method.info.policies.iter().map(|kind| kind.name());
            return Err(Error::input(format!(
                "finetune.method {id} cannot improve policy.kind {}: it {because}; set policy.kind \
                 to {}",
                policy.kind.name(),
                method::or_list(kinds)
            )));
        }
        (method.check)(self, policy, cameras)
    }

    /// What the configured method takes of memory, part by part.
    pub(crate) fn memory(&self, sizes: &Sizes) -> Vec<Need> {
        let own = MEMORY.iter().find(|(method, _)| method.id() == self.method);
        own.map_or_else(Vec::new, |(_, memory)| memory(self, sizes))
    }

    /// The configured method at its beginning; none where none is configured.
    ///
    /// # Errors
    /// When an environment cannot be made, or demonstrations are missing.
    pub fn trainer(&self, cx: &Context) -> Result<Option<Box<dyn Trainer>>> {
        let Some(method) = self.method.row() else {
            return Ok(None);
        };
        let has_demos = cx.demos.is_some_and(has_steps);
        if method.info.demos == DemoUse::Required && !has_demos {
            return Err(Error::input(format!(
                "finetune.method {} learns from demonstrations, but there are none: give them with \
                 --demos-file",
                method.info.id
            )));
        }
        (method.new)(self, cx).map(Some)
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub(crate) fn load_trainer(
        &self,
        cx: &Context,
        archive: &mut Archive,
    ) -> Result<Box<dyn Trainer>> {
        let method = self.method.row().ok_or_else(|| {
            Error::input(
                "the checkpoint is of a run without finetuning: use an undamaged checkpoint",
            )
        })?;
        (method.load)(self, cx, archive)
    }

    /// Who decides in the configured method's practice, where that can be played elsewhere.
    pub(crate) fn practice(
        &self,
        policy: &Policy,
        archive: &Archive,
        device: &Device,
    ) -> Result<Box<dyn Actor>> {
        let load = self.method.row().and_then(|method| method.practice);
        let load = load.ok_or_else(|| {
            let id = self.method.id();
            Error::input(format!(
                "the practice of finetune.method {id} is not played elsewhere"
            ))
        })?;
        load(self, policy, archive, device)
    }

    /// Restores what [`save_policy`] wrote under the same settings and prefix; none where nothing
    /// was written.
    pub(crate) fn load_policy(
        &self,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Option<Box<dyn FinetunedPolicy>>> {
        if !archive.contains(&format!("{prefix}/method")) {
            return Ok(None);
        }
        let mut method = saved_method(&format!("{prefix}/method"), archive)?;
        // Methods that were variants of csil before were saved under its name.
        if method == csil::METHOD.id() && self.method.info().acts_beside() {
            method = self.method;
        }
        let load = |method: &Method| (method.load_policy)(self, policy, prefix, archive, device);
        method.row().map(load).transpose()
    }
}

/// What the first files had in the place of a method's name: its place in this list.
const NUMBERED: [&str; 6] = ["none", "best-of-n", "dsrl", "dppo", "td-mpc", "csil"];

fn saved_method(name: &str, archive: &Archive) -> Result<FinetuneMethod> {
    let numbered = archive.get::<u8>(name).ok();
    match numbered.and_then(|place| NUMBERED.get(usize::from(place))) {
        Some(id) => FinetuneMethod::by_id(id),
        None => archive.get(name),
    }
}

/// What every method works with.
pub struct Context<'a> {
    /// The pretrained policy, frozen.
    pub policy: &'a Policy,
    /// The demonstrations, where there are any.
    pub demos: Option<&'a Dataset>,
    /// The environments to practice in, and the run's seed.
    pub rollouts: &'a RolloutSpec,
    /// The device that trains, with autodiff.
    pub device: &'a Device,
    /// Who plays episodes elsewhere, where somebody does.
    pub help: Option<Help<'a>>,
}

impl Context<'_> {
    /// What the environments' observations are made of: what the policy reads, and what cameras
    /// see that it does not know.
    pub fn obs(&self) -> ObsSpec {
        ObsSpec {
            cameras: self.rollouts.cameras.clone(),
            ..self.policy.reads
        }
    }

    /// What methods keep of an observation that only ask the frozen policy for actions: what it
    /// makes of pictures before it decides. So learning costs what it costs from states.
    pub(crate) fn kept(&self) -> ObsSpec {
        match self.policy.reads.cameras.is_empty() {
            true => self.policy.reads.clone(),
            false => ObsSpec::of_state(self.policy.features_len()),
        }
    }

    /// Decisions' observations, and those that followed them, as they are kept.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) async fn keep(
        &self,
        decisions: &[Decision],
    ) -> Result<Vec<(Observation, Observation)>> {
        let width = self.policy.features_len();
        if self.policy.reads.cameras.is_empty() {
            let blind = |obs: &Observation| Observation {
                state: obs.state.clone(),
                task: obs.task,
                images: Vec::new(),
            };
            let pairs = decisions
                .iter()
                .map(|d| (blind(&d.obs), blind(&d.step.obs)));
            return Ok(pairs.collect());
        }
        let all = decisions.iter().flat_map(|d| [&d.obs, &d.step.obs]);
        let features = self.policy.features(&ObsBatch::of(all), self.device);
        let features = nn::read(features).await?;
        let pairs = features.chunks(2 * width).map(|pair| {
            let (obs, next) = pair.split_at(width);
            (obs.to_vec().into(), next.to_vec().into())
        });
        Ok(pairs.collect())
    }
}

/// Refuses a transformer of which a method would have to read what it makes of pictures.
pub(crate) fn check_encoder(
    method: FinetuneMethod,
    policy: &PolicyConfig,
    cameras: &[ImageSpec],
) -> Result<()> {
    if cameras.is_empty() || policy.kind != PolicyKind::FlowTransformer {
        return Ok(());
    }
    Err(Error::input(format!(
        "finetune.method {} sees through the policy's image encoder, which a flow-transformer has \
         not: set policy.kind to flow or diffusion, or env.image_size to 0",
        method.id()
    )))
}

/// A method at work.
pub trait Trainer: Send {
    /// Does a little: one decision in every running episode, or a few gradient steps.
    ///
    /// # Errors
    /// When a simulator or the device fails, or when learning diverges.
    fn step<'a>(&'a mut self, cx: &'a Context<'a>) -> LocalFuture<'a, StepReport>;

    /// The result so far; none before anything was learned.
    fn policy(&self) -> Option<Box<dyn FinetunedPolicy>>;

    /// Writes the whole state into the archive under `finetuner/`.
    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()>;
}

/// What comes after a step of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More of the same.
    Continue,
    /// An evaluation: the result so far is a point of the learning curve.
    Evaluate,
    /// Nothing: the method is done.
    Done,
}

impl Next {
    /// What comes once all updates were made that the decisions so far pay for.
    pub(crate) fn after(online: &OnlineLoop, schedule: &Schedule) -> Self {
        if online.is_done(schedule) {
            Self::Done
        } else if online.evaluation_due(schedule) {
            Self::Evaluate
        } else {
            Self::Continue
        }
    }
}

/// What one step of a method did.
#[derive(Debug)]
pub struct StepReport {
    /// Whether it practiced rather than learned.
    pub(crate) practicing: bool,
    /// Progress within the present phase of practice or learning: done, total.
    pub progress: (u64, u64),
    /// Metrics by name.
    pub metrics: Vec<(&'static str, f64)>,
    /// Practice episodes that ended.
    pub finished: Vec<FinishedEpisode>,
    /// Control steps of practice.
    pub env_steps: u64,
    /// Decisions of practice.
    pub decisions: u64,
    /// Gradient steps.
    pub updates: u64,
    /// What comes next.
    pub next: Next,
}

impl StepReport {
    /// Practice that made these decisions and finished these episodes.
    pub(crate) fn practice(
        decisions: &[Decision],
        finished: Vec<FinishedEpisode>,
        progress: (u64, u64),
    ) -> Self {
        let env_steps = decisions
            .iter()
            .map(|decision| decision.step.steps as u64)
            .sum();
        Self {
            practicing: true,
            progress,
            metrics: Vec::new(),
            finished,
            env_steps,
            decisions: decisions.len() as u64,
            updates: 0,
            next: Next::Continue,
        }
    }

    /// So many gradient steps.
    pub(crate) fn update(updates: usize, (done, total): (usize, usize)) -> Self {
        Self {
            practicing: false,
            progress: (done as u64, total as u64),
            metrics: Vec::new(),
            finished: Vec::new(),
            env_steps: 0,
            decisions: 0,
            updates: updates as u64,
            next: Next::Continue,
        }
    }
}

/// What an actor remembers of an episode from one decision to the next; nothing at its start. A
/// planner remembers its plan, a small policy what is left of the chunk that it acts beside.
pub type Memory = Vec<f32>;

/// What finetuning made of a policy: it decides in the policy's place. Weights are shared between
/// clones.
pub trait FinetunedPolicy: Send {
    /// The method that made it.
    fn method(&self) -> FinetuneMethod;

    /// The same again.
    fn clone_box(&self) -> Box<dyn FinetunedPolicy>;

    /// Length of the noise vector per decision.
    fn noise_len(&self, policy: &Policy) -> usize {
        policy.noise_len()
    }

    /// Actions per decision.
    fn chunk(&self, policy: &Policy) -> usize {
        policy.sizes.chunk
    }

    /// Raw observations, what each episode remembers, and noise rows to raw action rows, as
    /// [`Policy::act`].
    ///
    /// # Errors
    /// When the device fails, or whoever serves the policy.
    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        memories: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>>;

    /// Writes it into the archive under `prefix/`.
    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()>;

    /// What is meant to be done from now on, once `chunk` was decided on and `memory` is what is
    /// remembered: a planner's plan reaches further than what it decided on.
    fn ahead<'a>(&self, _memory: &'a [f32], chunk: &'a [f32]) -> &'a [f32] {
        chunk
    }

    /// What a learned reward says of actions (N x act) at one raw observation, a batch of one row:
    /// shares of what it can give, 0 to 1, N. None where no reward is learned.
    ///
    /// # Errors
    /// When the device fails.
    fn rewards<'a>(
        &'a self,
        _policy: &'a Policy,
        _obs: &'a ObsBatch,
        _actions: &'a [f32],
        _device: &'a Device,
    ) -> LocalFuture<'a, Option<Vec<f32>>> {
        Box::pin(async { Ok(None) })
    }

    /// How well a world model predicts an episode of raw observations, up to `ahead` decisions
    /// ahead. None where there is no world model.
    ///
    /// # Errors
    /// When the device fails.
    fn quality<'a>(
        &'a self,
        _policy: &'a Policy,
        _episode: &'a Episode,
        _ahead: usize,
        _device: &'a Device,
    ) -> LocalFuture<'a, Option<Quality>> {
        Box::pin(async { Ok(None) })
    }
}

impl Clone for Box<dyn FinetunedPolicy> {
    fn clone(&self) -> Self {
        self.clone_box()
    }
}

/// Writes a finetuned policy, and the name of the method that made it, into the archive under
/// `prefix/`.
pub(crate) async fn save_policy(
    policy: &dyn FinetunedPolicy,
    prefix: &str,
    archive: &mut Archive,
) -> Result<()> {
    archive.put(format!("{prefix}/method"), &policy.method())?;
    policy.save(prefix, archive).await
}

fn has_steps(demos: &Dataset) -> bool {
    demos.episodes.iter().any(|episode| !episode.is_empty())
}

/// Losses of one gradient step, read back.
pub(crate) async fn read_losses(
    losses: impl IntoIterator<Item = (&'static str, Tensor<1>)>,
) -> Result<Vec<(&'static str, f64)>> {
    let (names, losses): (Vec<_>, Vec<_>) = losses.into_iter().unzip();
    let values = crate::nn::read_together(losses).await?;
    let named = names.into_iter().zip(values);
    Ok(named
        .map(|(name, value)| (name, f64::from(value[0])))
        .collect())
}

/// A replay from an archive, which must hold the environments' observations and `action` numbers
/// per decision.
pub(crate) fn load_replay(cx: &Context, action: usize, archive: &mut Archive) -> Result<Replay> {
    let replay = Replay::load(archive, "finetuner/replay")?;
    if replay.row_sizes() != (&cx.kept(), action) {
        return Err(damaged());
    }
    Ok(replay)
}

/// The error of a replay from an archive that is another policy's.
pub(crate) fn damaged() -> Error {
    Error::input("the checkpoint's replay does not fit its policy: use an undamaged checkpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A method is found again by the name, or the number, that a file has of it; another name is
    /// answered with the nearest.
    #[test]
    fn a_saved_method_is_found_again() {
        let mut archive = Archive::new();
        for (number, id) in NUMBERED.into_iter().enumerate() {
            let method = FinetuneMethod::by_id(id).unwrap();
            archive.put("name", &method).unwrap();
            archive.put("number", &(number as u8)).unwrap();
            assert_eq!(saved_method("name", &archive).unwrap(), method);
            assert_eq!(saved_method("number", &archive).unwrap(), method);
            assert_eq!(method.info().id, id);
        }
        let sentence = FinetuneMethod::by_id("bestofn").unwrap_err().to_string();
        assert!(sentence.contains("did you mean `best-of-n`"), "{sentence}");
    }
}
