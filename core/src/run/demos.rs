//! Demonstrations from a task's scripted expert, one episode a step.

use super::config::Config;
use super::services::Services;
use crate::data::{CODE_VERSION, Dataset, Episode, Meta};
use crate::env::{Catalog, Env, Spec, wrap};
use crate::rng::Rng;
use crate::tasks::ExpertStyle;
use crate::{Error, Result};

/// Of this many attempts per wanted demonstration at least one must succeed.
const ATTEMPTS: u64 = 20;

/// Collects successful episodes of the expert.
pub struct Demonstrations {
    /// One for each task that is learned, in their order.
    envs: Vec<Box<dyn Env>>,
    config: Config,
    dataset: Dataset,
    attempts: u64,
}

impl Demonstrations {
    /// With the task's scripted expert.
    ///
    /// # Errors
    /// When the environment cannot be made.
    pub fn new(config: &Config, services: &Services) -> Result<Self> {
        let tasks = config.tasks();
        let make = |task: &String| (services.make)(task, &config.engine);
        let envs = tasks.iter().map(make).collect::<Result<_>>()?;
        Self::with_envs(config, envs, describe(config), &services.catalog)
    }

    /// With an environment that brings its own expert; `demonstrator` describes in words how it
    /// acts.
    ///
    /// # Errors
    /// When it is to be seen, but cannot be.
    pub fn with_env(
        config: &Config,
        env: Box<dyn Env>,
        demonstrator: String,
        catalog: &Catalog,
    ) -> Result<Self> {
        Self::with_envs(config, vec![env], demonstrator, catalog)
    }

    fn with_envs(
        config: &Config,
        envs: Vec<Box<dyn Env>>,
        demonstrator: String,
        catalog: &Catalog,
    ) -> Result<Self> {
        let repeat = config.env.action_repeat;
        let cameras = config.env.images();
        let wrapped = |(i, env): (usize, Box<dyn Env>)| {
            let task = catalog.entry(&env.spec().id)?;
            wrap(env, &task, repeat, config.label_of(i), &cameras)
        };
        let envs = envs.into_iter().enumerate().map(wrapped);
        let envs = envs.collect::<Result<Vec<_>>>()?;
        let Spec { obs, act, .. } = envs
            .first()
            .ok_or_else(|| Error::failed("there is no task to demonstrate"))?
            .spec()
            .clone();
        let meta = Meta {
            task: config.tasks().join("+"),
            engine: config.engine.clone(),
            seed: config.seed,
            code_version: CODE_VERSION.into(),
            obs,
            act,
            action_repeat: repeat,
            demonstrator,
        };
        Ok(Self {
            envs,
            config: config.clone(),
            dataset: Dataset {
                meta,
                episodes: Vec::new(),
            },
            attempts: 0,
        })
    }

    /// Goes on after `episodes`, which took `attempts` attempts.
    pub(crate) fn resume(
        config: &Config,
        services: &Services,
        dataset: Dataset,
        attempts: u64,
    ) -> Result<Self> {
        Ok(Self {
            dataset,
            attempts,
            ..Self::new(config, services)?
        })
    }

    /// Plays one episode; keeps it when it succeeds.
    ///
    /// # Errors
    /// When the simulator fails, or the expert hardly ever succeeds.
    pub fn step(&mut self) -> Result<()> {
        let wanted = self.config.demonstrations();
        if self.attempts >= ATTEMPTS * wanted as u64 {
            let got = self.dataset.episodes.len();
            let sentence = format!(
                "the expert of {} succeeded only {got} times in {} attempts: lower demos.noise",
                self.config.task, self.attempts
            );
            return Err(Error::input(sentence));
        }
        let seed = Rng::new(self.config.seed, "demo", self.attempts).bits();
        self.attempts += 1;
        let task = self.dataset.episodes.len() / self.config.demos.count;
        let episode = self.play(task.min(self.envs.len() - 1), seed)?;
        if episode.success {
            self.dataset.episodes.push(episode);
        }
        Ok(())
    }

    /// An episode of one of the tasks.
    fn play(&mut self, task: usize, seed: u64) -> Result<Episode> {
        let style = if self.config.demos.varied {
            ExpertStyle::sample(&mut Rng::new(seed, "style", 0))
        } else {
            ExpertStyle::default()
        };
        let env = &mut self.envs[task];
        env.set_style(ExpertStyle {
            noise: self.config.demos.noise,
            ..style
        })?;
        let mut episode = Episode::start(seed, &env.reset(seed));
        loop {
            let action = env.expert().ok_or_else(|| no_expert(&env.spec().id))?;
            let step = env.step(&action)?;
            episode.push(&action, step.reward, &step.obs);
            if step.done() {
                episode.success = step.success;
                episode.terminated = step.terminated;
                return Ok(episode);
            }
        }
    }

    /// What has been collected so far.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Episodes played so far, kept or not.
    pub fn attempts(&self) -> u64 {
        self.attempts
    }
}

fn no_expert(task: &str) -> Error {
    Error::input(format!(
        "{task} has no scripted expert: give it demonstrations from a file, --demos-file (see \
         `protege demos --help`)"
    ))
}

/// The demonstrator's distribution, in words: it is part of any claim about learning from it.
fn describe(config: &Config) -> String {
    let style = if config.demos.varied {
        "its style (speed, height, side, grasp) drawn anew for each episode"
    } else {
        "one style"
    };
    format!(
        "scripted expert, {style}, action noise {}, successful episodes only",
        config.demos.noise
    )
}
