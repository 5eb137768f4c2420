//! Who plays an episode that is watched: a policy, or the scripted expert.

use super::plan::{policy_config, policy_file, read_archive};
use crate::engines::{CATALOG, inputs};
use crate::episode::{self, Actor, EpisodeObserver, EpisodeResult};
use crate::video::{Camera, FrameSink};
use burn::tensor::Device;
use protege_core::Result;
use protege_core::env::wrap;
use protege_core::rng::Rng;
use protege_core::run::{ActingPolicy, Config, FinetuneMethod, Inputs, Run};
use std::path::Path;

/// Who plays what.
pub struct Player {
    /// The settings; those of the policy, where there is one.
    pub config: Config,
    /// The policy; none: the expert plays.
    pub acting: Option<ActingPolicy>,
    device: Device,
}

impl Player {
    /// The scripted expert.
    pub fn expert(config: Config, device: Device) -> Self {
        Self {
            config,
            acting: None,
            device,
        }
    }

    /// The policy in a file or in the folder of a run.
    ///
    /// # Errors
    /// When it cannot be read, or is for another task.
    pub fn policy(path: &Path, task: Option<&str>, device: Device) -> Result<Self> {
        let policy = read_archive(&policy_file(path)?)?;
        let trained = policy_config(&policy)?;
        let mut config = trained.clone();
        // What finetuning made comes with the policy and is not to be made again.
        config.finetune.method = FinetuneMethod::NONE;
        if let Some(task) = task {
            task.clone_into(&mut config.task);
        }
        let run = Run::new(
            config,
            Inputs {
                policy: Some(policy),
                ..inputs()
            },
            device,
        )?;
        let device = run.device();
        let acting = run.acting();
        Ok(Self {
            config: Config {
                task: run.config().task.clone(),
                ..trained
            },
            acting,
            device,
        })
    }

    /// The same without what finetuning made.
    pub fn pretrained(&self) -> Self {
        let acting = self.acting.as_ref().map(ActingPolicy::pretrained);
        Self {
            config: self.config.clone(),
            acting,
            device: self.device.clone(),
        }
    }

    /// Who plays, in a word.
    pub fn who(&self) -> &'static str {
        if self.acting.is_some() {
            "policy"
        } else {
            "expert"
        }
    }

    /// Control steps of the longest episode.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn horizon(&self) -> Result<usize> {
        Ok(self.config.played(&CATALOG)?.spec.horizon)
    }

    /// Plays the `episode`-th of the starts that an evaluation plays.
    pub fn play(
        &self,
        episode: u64,
        observers: &mut [&mut dyn EpisodeObserver],
    ) -> Result<EpisodeResult> {
        let Config {
            task,
            engine,
            seed,
            env,
            eval,
            ..
        } = &self.config;
        // Demonstrations hold each action, too, where a policy does.
        let mut inner = crate::engines::make(task, engine)?;
        inner.set_controller(&env.controller)?;
        inner.set_success_rule(&env.success_rule)?;
        let entry = self.config.played(&CATALOG)?;
        let label = self.config.label();
        let mut stage = wrap(inner, &entry, env.action_repeat, label, &env.images())?;
        if eval.to_horizon {
            stage.set_terminate_on_success(false);
        }
        let start = Rng::new(*seed, "eval", episode).bits();
        let actor = match self.policy_and_device() {
            Some((acting, device)) => Actor::Policy(acting, device),
            None => Actor::Expert,
        };
        episode::play(&mut *stage, &actor, start, observers)
    }

    /// Records a video of the same, whose end is shown for `rest_s` seconds.
    pub fn video(
        &self,
        episode: u64,
        camera: &mut Camera<'_>,
        rest_s: f64,
        sink: &mut dyn FrameSink,
    ) -> Result<EpisodeResult> {
        let mut video_recorder = camera.begin(self.config.env.action_repeat, rest_s, sink);
        self.play(episode, &mut [&mut video_recorder])
    }

    /// The policy and where it computes; none: the expert plays.
    pub fn policy_and_device(&self) -> Option<(&ActingPolicy, Device)> {
        self.acting
            .as_ref()
            .map(|acting| (acting, self.device.clone()))
    }
}
