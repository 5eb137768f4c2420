//! A run as a state machine: demonstrations, pretraining, evaluation, finetuning, evaluation.
//!
//! Whoever drives a run calls [`Run::step`] until it says that it is finished; to pause is not to
//! call, to cancel is to drop. Between any two steps the whole run can be saved, and a loaded run
//! goes on bit for bit.

mod acting;
pub mod action_plot;
pub mod config;
mod demos;
mod effects;
mod guest;
pub mod memory;
mod notes;
mod progress;
pub mod published;
pub mod resolve;
mod saved;
mod services;
mod stage;
pub mod stats;

pub use crate::settings::Preset;
pub use acting::ActingPolicy;
pub use config::{Config, FinetuneMethod, Keep, PretrainMethod};
pub use demos::Demonstrations;
pub use effects::Purpose;
pub use guest::Guest;
pub use notes::{another_engine, notes};
pub use progress::{EpisodeRecord, Outcome, Phase, Progress, Record, Summary};
use saved::FINETUNED;
pub use saved::{check_resumable, saved_config};
pub use services::Services;

use crate::data::{Archive, Dataset, Normaliser, Pairs, Scales};
use crate::env::{Entry, RolloutSpec, Rollouts};
use crate::finetune::{FinetunedPolicy, save_policy};
use crate::obs::{ImageSpec, ObsSpec};
use crate::play::{Describe, Elsewhere};
use crate::policy::{self, Policy, PolicyKind, load_scales, save_scales};
use crate::pretrain;
use crate::rng::Rng;
use crate::{Error, Result};
use burn::tensor::Device;
use demos::Demonstrator;
use serde::{Deserialize, Serialize};
use stage::Stage;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a run may be given instead of making it.
#[derive(Clone, Default)]
pub struct Inputs {
    /// Demonstrations; none: they are collected from the task's scripted expert.
    pub demos: Option<Dataset>,
    /// A policy (what [`Run::policy_archive`] wrote); none: it is pretrained.
    pub policy: Option<Archive>,
    /// What the run needs of the program.
    pub services: Services,
}

/// Where a run stands, beside its stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Counters {
    /// Control steps that the learner has seen.
    env_steps: u64,
    /// Decisions that the learner has seen.
    decisions: u64,
    /// Gradient steps of all learners.
    updates: u64,
    /// Success before finetuning: (successes, episodes).
    before: Option<(u64, u64)>,
    /// Success after finetuning.
    after: Option<(u64, u64)>,
}

/// A run of one seed.
pub struct Run {
    config: Config,
    /// The task that is played.
    task: Entry,
    /// Trains; the same device without autodiff acts.
    device: Device,
    services: Services,
    /// Threads that environments are played on. No result depends on it.
    threads: usize,
    counters: Counters,
    demos: Option<Dataset>,
    /// Those of the task that is played: all of them, unless several are learned together.
    own_demos: Option<Dataset>,
    /// The demonstrations as normalized training pairs.
    pairs: Option<Pairs>,
    /// What they are normalized by.
    scales: Option<Scales>,
    policy: Option<Policy>,
    /// What finetuning has made of the policy so far: it acts in evaluations.
    finetuned: Option<Box<dyn FinetunedPolicy>>,
    /// The best so far, where that is what counts.
    best: Option<Best>,
    stage: Stage,
}

impl Describe for Config {
    fn describe(&self, archive: &mut Archive) -> Result<()> {
        archive.put_value("config", self)
    }
}

/// A camera that a policy knows, and that the environments do not have.
fn unseen<'a>(policy: &'a ObsSpec, here: &ObsSpec) -> Option<&'a ImageSpec> {
    let mut cameras = policy.cameras.iter();
    cameras.find(|camera| !here.cameras.contains(camera))
}

/// An agent, and the share of episodes in which it succeeded.
struct Best {
    success: f64,
    /// None: the pretrained policy.
    finetuned: Option<Box<dyn FinetunedPolicy>>,
}

impl Run {
    /// A run that has not begun. `device` is a named device without autodiff, `Device::flex()` for
    /// the CPU.
    ///
    /// # Errors
    /// When the configuration cannot work or the inputs do not fit it.
    pub fn new(config: Config, inputs: Inputs, device: Device) -> Result<Self> {
        config.check(&inputs.services.catalog)?;
        (inputs.services.fits)(&config, inputs.policy.is_some())?;
        let mut run = Self::empty(config, device, inputs.services)?;
        // The policy says how observations are to be read.
        if let Some(archive) = inputs.policy {
            let own = run.config.demos.clone();
            run.give_policy(&archive)?;
            if inputs.demos.is_some() {
                run.config.demos = own;
            }
        }
        if let Some(demos) = inputs.demos {
            run.give_demos(demos)?;
        }
        if run.config.policy.kind == PolicyKind::Served && run.policy.is_none() {
            run.policy = Some(run.served_policy()?);
        }
        // What the policy brought along may not go with the rest.
        run.config.check(&run.services.catalog)?;
        run.stage = run.first_stage()?;
        run.rehearse()?;
        Ok(run)
    }

    fn empty(config: Config, device: Device, services: Services) -> Result<Self> {
        Ok(Self {
            task: config.played(&services.catalog)?,
            config,
            device: device.autodiff(),
            services,
            threads: 1,
            counters: Counters::default(),
            demos: None,
            own_demos: None,
            pairs: None,
            scales: None,
            policy: None,
            finetuned: None,
            best: None,
            stage: Stage::Done,
        })
    }

    /// Plays environments on `threads` threads from the next stage on. Results do not depend on it.
    #[must_use]
    pub fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads.max(1);
        self
    }

    /// Has others play episodes in which nothing is learned, too. Results do not depend on it.
    #[must_use]
    pub fn with_help(mut self, elsewhere: Option<Arc<dyn Elsewhere>>) -> Self {
        self.services.elsewhere = elsewhere;
        self
    }

    fn give_demos(&mut self, demos: Dataset) -> Result<()> {
        let repeat = (demos.meta.action_repeat, self.config.env.action_repeat);
        if repeat.0 != repeat.1 {
            let sentence = format!(
                "the demonstrations hold each action for {} control steps, but env.action_repeat \
                 is {}: set it to {0}",
                repeat.0, repeat.1
            );
            return Err(Error::input(sentence));
        }
        let tasks = self.config.tasks().len();
        self.config.demos.count = self
            .config
            .demos
            .count
            .min(demos.episodes.len().div_ceil(tasks));
        // The configuration says how they were recorded, not how they would have been.
        let Demonstrator { noise, varied } = Demonstrator::of(&demos.meta.demonstrator);
        self.config.demos.noise = noise.unwrap_or(self.config.demos.noise);
        self.config.demos.varied = varied.unwrap_or(self.config.demos.varied);
        // So are they controlled where nothing else is asked for, and no policy has learned yet.
        if self.config.env.controller.is_empty() && self.policy.is_none() {
            let recorded = &demos.meta.controller;
            self.config.env.controller.clone_from(recorded);
        }
        // A subset of a file is random, and the same for every method (PostBC, appendix D).
        let mut order: Vec<usize> = (0..demos.episodes.len()).collect();
        if self.config.demonstrations() < order.len() {
            Rng::new(self.config.seed, "demo-subset", 0).shuffle(&mut order);
            order.truncate(self.config.demonstrations());
            order.sort_unstable();
        }
        let demos = demos.subset(&order)?;
        // Demonstrations of one task alone do not say which it is.
        let bare = demos.meta.obs.tasks == 0 && demos.meta.task == self.config.task;
        self.keep_demos(match self.config.label() {
            Some(label) if bare => demos.labelled(label),
            _ => demos,
        })
    }

    fn keep_demos(&mut self, demos: Dataset) -> Result<()> {
        let raw = self.raw_pairs(&demos)?;
        let scales = raw.scales()?;
        self.keep_scaled(demos, raw, scales);
        Ok(())
    }

    /// The demonstrations as training pairs that are not normalized yet.
    fn raw_pairs(&self, demos: &Dataset) -> Result<Pairs> {
        let together = self.config.tasks().join("+");
        let shown = if demos.meta.task == self.config.task {
            &self.config.task
        } else {
            &together
        };
        demos.check_task(shown, &self.obs(), self.task.spec.act)?;
        let reads = match self.config.policy.kind {
            // It only acts, and keeps no pictures to learn from.
            PolicyKind::Served => self.obs().without_cameras(),
            _ => self.reads(),
        };
        Pairs::new(demos, &reads, self.config.policy.chunk, true)
    }

    fn keep_scaled(&mut self, demos: Dataset, raw: Pairs, scales: Scales) {
        self.pairs = Some(raw.scaled(&scales));
        self.scales = Some(scales);
        self.own_demos = Some(demos.of_task(self.config.label()));
        self.demos = Some(demos);
    }

    fn give_policy(&mut self, archive: &Archive) -> Result<()> {
        let saved = saved_config(archive, &self.services.catalog)?;
        if saved.task != self.config.task && !saved.pretrain.tasks.contains(&self.config.task) {
            return Err(Error::input(format!(
                "the checkpoint is a policy for {}, not for {}",
                saved.task, self.config.task
            )));
        }
        let repeat = (saved.env.action_repeat, self.config.env.action_repeat);
        if repeat.0 != repeat.1 {
            let sentence = format!(
                "the checkpoint's policy holds each action for {} control steps, but \
                 env.action_repeat is {}: set it to {0}",
                repeat.0, repeat.1
            );
            return Err(Error::input(sentence));
        }
        if self.config.finetune.method == FinetuneMethod::NONE {
            saved::check_finetuned(&saved, archive)?;
        }
        self.config.policy = saved.policy;
        self.config.pretrain = saved.pretrain;
        self.config.demos = saved.demos;
        self.policy = Some(self.load_policy(archive)?);
        if self.config.finetune.method == FinetuneMethod::NONE {
            // As it was saved, so that what was made of the policy is read.
            self.config.finetune = saved.finetune;
            self.load_finetuned(archive)?;
            self.config.finetune.method = FinetuneMethod::NONE;
        }
        Ok(())
    }

    /// Makes what later stages will need, and drops it: what is missing is noticed before anything
    /// is learned.
    fn rehearse(&self) -> Result<()> {
        let spec = self.evaluation_spec();
        Rollouts::new(&spec, "eval", 0, 1)?;
        if self.policy.is_some() {
            let spec = self.rollout_spec();
            self.config.finetune.trainer(&self.context(&spec)?)?;
        }
        Ok(())
    }

    /// What a pretraining method works with.
    fn pretraining(&self) -> Result<pretrain::Context<'_>> {
        Ok(pretrain::Context {
            config: &self.config.pretrain,
            policy: &self.config.policy,
            reads: self.reads(),
            demos: self.given_demos()?,
            pairs: self.given_pairs()?,
            scales: self
                .scales
                .as_ref()
                .ok_or_else(|| Error::failed("the run has no scales yet"))?,
            seed: self.config.seed,
            device: &self.device,
        })
    }

    /// The policy that another program serves, for observations as wide as those of the
    /// demonstrations.
    fn served_policy(&self) -> Result<Policy> {
        let numbers = self.obs().without_cameras();
        let chunk = self.config.policy.chunk;
        let act = self.task.spec.act;
        let scales = match &self.demos {
            Some(demos) => Pairs::new(demos, &numbers, chunk, true)?.scales()?,
            None => (
                Normaliser::identity(numbers.numbers()),
                Normaliser::identity(act * chunk),
            ),
        };
        let unconnected = Policy::new(
            &self.config.policy,
            &numbers,
            act,
            scales,
            &mut Rng::new(0, "unused", 0),
            &self.device,
        );
        self.connected(unconnected)
    }

    /// The same policy; where another program serves it, asking that.
    fn connected(&self, policy: Policy) -> Result<Policy> {
        if self.config.policy.kind != PolicyKind::Served {
            return Ok(policy);
        }
        let mut served = self.config.policy.served.clone();
        if served.prompt.is_empty() {
            served.prompt = self
                .config
                .task
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .replace('-', " ");
        }
        let remote = (self.services.connect)(&served, policy.sizes)?;
        Ok(policy.served_by(remote, self.reads()))
    }

    /// What the environments' observations are made of.
    fn obs(&self) -> ObsSpec {
        self.config.observations(&self.task)
    }

    /// What of them a policy reads.
    fn reads(&self) -> ObsSpec {
        ObsSpec {
            cameras: self.config.policy_images(),
            ..self.obs()
        }
    }

    fn load_policy(&self, archive: &Archive) -> Result<Policy> {
        let policy = Policy::load(&self.config.policy, "policy", archive, &self.device)?.frozen();
        let policy = self.connected(policy)?;
        let reads = self.reads();
        if let Some(camera) = unseen(&policy.reads, &reads) {
            let ImageSpec { name, size, stack } = camera;
            return Err(Error::input(format!(
                "the checkpoint's policy sees the newest {stack} frames of {size} pixels of the \
                 camera {name}: set env.image_size to {size}, env.image_stack to {stack} and \
                 env.cameras to what it sees"
            )));
        }
        let fits = policy.reads == reads && policy.sizes.obs == reads.numbers();
        if !fits || policy.sizes.act != self.task.spec.act {
            return Err(Error::input(format!(
                "the checkpoint's policy does not fit {}: use one that was trained on it",
                self.config.task
            )));
        }
        Ok(policy)
    }

    /// How this run evaluates: with as many actions per decision as what acts decides at a time.
    fn evaluation_spec(&self) -> RolloutSpec {
        let spec = self.rollout_spec();
        let chunk = self
            .policy
            .as_ref()
            .zip(self.finetuned.as_ref())
            .map_or(spec.chunk, |(policy, finetuned)| finetuned.chunk(policy));
        RolloutSpec {
            to_horizon: self.config.eval.to_horizon,
            chunk,
            ..spec
        }
    }

    /// How this run practices.
    fn rollout_spec(&self) -> RolloutSpec {
        let Config {
            engine,
            seed,
            env,
            policy,
            ..
        } = &self.config;
        RolloutSpec {
            task: self.task.clone(),
            engine: engine.clone(),
            make: self.services.make,
            controller: env.controller.clone(),
            success_rule: env.success_rule.clone(),
            action_repeat: env.action_repeat,
            chunk: policy.chunk,
            label: self.config.label(),
            cameras: env.images(),
            to_horizon: env.to_horizon,
            parallel: env.parallel,
            seed: *seed,
            threads: self.threads,
        }
    }

    fn given_demos(&self) -> Result<&Dataset> {
        self.demos
            .as_ref()
            .ok_or_else(|| Error::failed("the run has no demonstrations yet"))
    }

    fn given_pairs(&self) -> Result<&Pairs> {
        self.pairs
            .as_ref()
            .ok_or_else(|| Error::failed("the run has no training pairs yet"))
    }

    fn given_policy(&self) -> Result<&Policy> {
        self.policy
            .as_ref()
            .ok_or_else(|| Error::failed("the run has no policy yet"))
    }

    /// Does a little: a few milliseconds to a fraction of a second. Call it until
    /// [`Progress::finished`].
    ///
    /// # Errors
    /// When a simulator or the device fails; the run should then be resumed from its last
    /// checkpoint. After [`Error::Unserved`] it is as it was before, and can be saved.
    pub async fn step(&mut self) -> Result<Progress> {
        // The stage is taken out so that it may borrow the rest of the run.
        let mut stage = std::mem::replace(&mut self.stage, Stage::Done);
        let result = self.advance(&mut stage).await;
        self.stage = stage;
        result
    }

    /// The run's settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The demonstrations, once there are any.
    pub fn demos(&self) -> Option<&Dataset> {
        self.demos.as_ref()
    }

    /// The policy, once it is pretrained.
    pub fn policy(&self) -> Option<&Policy> {
        self.policy.as_ref()
    }

    /// What acts at this moment: the policy in whatever state learning has brought it to; none
    /// before cloning begins.
    pub fn acting(&self) -> Option<ActingPolicy> {
        let (learning, finetuned) = self.stage.acting();
        let policy = learning.or_else(|| self.policy.clone())?;
        Some(ActingPolicy {
            policy,
            finetuned: finetuned.or_else(|| self.finetuned.clone()),
        })
    }

    /// The device that acts.
    pub fn device(&self) -> Device {
        self.device.clone().without_autodiff()
    }

    /// Gradient steps so far, of all learners.
    pub fn updates(&self) -> u64 {
        self.counters.updates
    }

    /// The result so far.
    pub fn summary(&self) -> Summary {
        let outcome = |counts: Option<(u64, u64)>| {
            counts.map(|(successes, episodes)| Outcome::new(successes, episodes))
        };
        Summary {
            task: self.config.task.clone(),
            pretrain: match self.config.policy.kind {
                PolicyKind::Served => PolicyKind::Served.name().to_owned(),
                _ => self.config.pretrain.method.id().to_owned(),
            },
            finetune: self.config.finetune.method.id().to_owned(),
            seed: self.config.seed,
            before: outcome(self.counters.before),
            after: outcome(self.counters.after),
            env_steps: self.counters.env_steps,
            decisions: self.counters.decisions,
        }
    }

    fn record(&self, values: Vec<(&str, f64)>) -> Record {
        let Counters {
            env_steps,
            decisions,
            updates,
            ..
        } = self.counters;
        let time = [
            ("time/env_steps", env_steps as f64),
            ("time/decisions", decisions as f64),
            ("time/updates", updates as f64),
        ];
        let values: BTreeMap<String, f64> = values
            .into_iter()
            .chain(time)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Record {
            step: env_steps,
            values,
        }
    }

    /// The deployable result: the policy's weights and scales, what finetuning made of it, and the
    /// configuration.
    ///
    /// # Errors
    /// When there is no policy yet, or the device fails.
    pub async fn policy_archive(&self) -> Result<Archive> {
        let mut archive = Archive::new();
        archive.put_value("config", &self.config)?;
        self.given_policy()?.save("policy", &mut archive).await?;
        self.save_finetuned(&mut archive).await?;
        let method = self.config.finetune.method;
        if self.finetuned.is_none() && method != FinetuneMethod::NONE {
            // Finetuning has made nothing yet, or nothing better.
            archive.put_value(FINETUNED, &false)?;
        }
        Ok(archive)
    }

    async fn save_finetuned(&self, archive: &mut Archive) -> Result<()> {
        match &self.finetuned {
            Some(finetuned) => save_policy(&**finetuned, "improved", archive).await,
            None => Ok(()),
        }
    }

    async fn save_best(&self, archive: &mut Archive) -> Result<()> {
        let Some(Best { success, finetuned }) = &self.best else {
            return Ok(());
        };
        archive.put("best/success", success)?;
        match finetuned {
            Some(finetuned) => save_policy(&**finetuned, "best", archive).await,
            None => Ok(()),
        }
    }

    fn load_finetuned(&mut self, archive: &Archive) -> Result<()> {
        self.finetuned = self.saved_finetuned("improved", archive)?;
        Ok(())
    }

    fn load_best(&mut self, archive: &Archive) -> Result<()> {
        if archive.contains("best/success") {
            self.best = Some(Best {
                success: archive.get("best/success")?,
                finetuned: self.saved_finetuned("best", archive)?,
            });
        }
        Ok(())
    }

    fn saved_finetuned(
        &self,
        prefix: &str,
        archive: &Archive,
    ) -> Result<Option<Box<dyn FinetunedPolicy>>> {
        let policy = self.given_policy()?;
        let settings = &self.config.finetune;
        settings.load_policy(policy, prefix, archive, &self.device())
    }

    /// The whole run: what [`Run::load`] needs to go on bit for bit.
    pub async fn save(&self) -> Result<Archive> {
        let mut archive = Archive::new();
        archive.put_value("config", &self.config)?;
        archive.put("counters", &self.counters)?;
        if let Some(demos) = &self.demos {
            archive.put_blob("demos", demos.to_bytes()?);
        }
        if let Some(scales) = &self.scales {
            save_scales(scales, "demos", &mut archive);
        }
        if let Some(policy) = &self.policy {
            policy.save("policy", &mut archive).await?;
        }
        self.save_finetuned(&mut archive).await?;
        self.save_best(&mut archive).await?;
        self.stage.save(&mut archive).await?;
        Ok(archive)
    }

    /// Restores what [`Run::save`] wrote.
    ///
    /// # Errors
    /// When the archive is damaged or is no run's.
    pub fn load(archive: Archive, device: Device) -> Result<Self> {
        Self::load_with(archive, device, Services::default())
    }

    /// The demonstrations, normalized as they were.
    fn load_demos(&mut self, archive: &Archive) -> Result<()> {
        let demos = Dataset::from_bytes(archive.blob("demos")?)?;
        let raw = self.raw_pairs(&demos)?;
        let has_scales = archive.names().any(|name| name.starts_with("demos/"));
        let scales = match has_scales {
            true => load_scales("demos", archive)?,
            // A checkpoint of before scales had limits.
            false => raw.exact_scales()?,
        };
        if (scales.0.dim(), scales.1.dim()) != (raw.obs_dim, raw.action_dim) {
            return Err(Error::input(
                "the checkpoint's scales do not fit its demonstrations: use an undamaged one",
            ));
        }
        self.keep_scaled(demos, raw, scales);
        Ok(())
    }

    /// [`Run::load`] for a program that has services of its own.
    pub fn load_with(mut archive: Archive, device: Device, services: Services) -> Result<Self> {
        saved::check_resumable(&archive)?;
        let config = saved_config(&archive, &services.catalog)?;
        (services.fits)(&config, policy::is_saved("policy", &archive))?;
        let mut run = Self::empty(config, device, services)?;
        run.counters = archive.get("counters")?;
        if archive.contains("demos") {
            run.load_demos(&archive)?;
        }
        if policy::is_saved("policy", &archive) {
            run.policy = Some(run.load_policy(&archive)?);
            run.load_finetuned(&archive)?;
            run.load_best(&archive)?;
        }
        run.stage = Stage::load(&run, &mut archive)?;
        Ok(run)
    }
}
