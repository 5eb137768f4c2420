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
        let wrapped = |(i, mut env): (usize, Box<dyn Env>)| {
            env.set_controller(&config.env.controller)?;
            env.set_success_rule(&config.env.success_rule)?;
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
            controller: catalog.controller(&config.task, &config.env.controller)?,
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
        VARIED
    } else {
        ONE_STYLE
    };
    format!(
        "scripted expert, {style}, {NOISE}{}, successful episodes only",
        config.demos.noise
    )
}

const VARIED: &str = "its style (speed, height, side, grasp) drawn anew for each episode";
const ONE_STYLE: &str = "one style";
/// What stands before the standard deviation, also where a network demonstrates.
const NOISE: &str = "action noise ";

/// What the words of a file say of its demonstrator; none of what they do not say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Demonstrator {
    /// `demos.noise`.
    pub(super) noise: Option<f64>,
    /// `demos.varied`.
    pub(super) varied: Option<bool>,
}

impl Demonstrator {
    /// Reads the words that recordings are described with.
    pub(super) fn of(words: &str) -> Self {
        let parts = || words.split(", ");
        // A network's name may hold anything; the noise comes after it.
        let noise = parts().filter_map(|part| part.strip_prefix(NOISE)).last();
        let noise = noise.and_then(|text| text.parse::<f64>().ok());
        let varied = words.contains(VARIED);
        let uniform = parts().any(|part| part == ONE_STYLE);
        Self {
            noise: noise.filter(|noise| (0.0..=10.0).contains(noise)),
            varied: (varied != uniform).then_some(varied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Preset;

    /// What recordings are described with is read back; recordings of others say nothing.
    #[test]
    fn the_words_of_a_file_say_how_it_was_recorded() {
        for (noise, varied) in [(0.0, true), (0.1, false), (0.25, true), (10.0, false)] {
            let mut config = Config::preset(Preset::Tiny);
            config.demos.noise = noise;
            config.demos.varied = varied;
            let found = Demonstrator::of(&describe(&config));
            assert_eq!((found.noise, found.varied), (Some(noise), Some(varied)));
        }
        for (words, noise) in [
            (
                "expert network a, action noise 3.st, action noise 0.2, successful",
                Some(0.2),
            ),
            (
                "imported from x.h5, 3 of 3 played again, all episodes",
                None,
            ),
            ("action noise NaN", None),
            ("action noise 11", None),
            ("", None),
        ] {
            let found = Demonstrator::of(words);
            assert_eq!((found.noise, found.varied), (noise, None), "{words}");
        }
    }
}
