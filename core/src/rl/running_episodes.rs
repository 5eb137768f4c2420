//! The episodes that are being played: a learner that keeps whole episodes has them once they
//! ended.

use crate::data::{Archive, Episode};
use crate::obs::ObsSpec;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Episodes by their seeds, and what else is to be known of each while it is played.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunningEpisodes<T> {
    episodes: BTreeMap<u64, (Episode, T)>,
}

impl<T: Clone + Serialize + DeserializeOwned> RunningEpisodes<T> {
    /// Takes out the episode that `seed` picked; none where it has not begun.
    pub(crate) fn take(&mut self, seed: u64) -> Option<(Episode, T)> {
        self.episodes.remove(&seed)
    }

    /// Keeps an episode until its next step.
    pub(crate) fn keep(&mut self, episode: Episode, rest: T) {
        self.episodes.insert(episode.seed, (episode, rest));
    }

    /// The same episodes with something else to be known of each.
    pub(crate) fn map<U>(self, other: impl Fn(T) -> U) -> RunningEpisodes<U> {
        let mapped = |(seed, (episode, rest))| (seed, (episode, other(rest)));
        RunningEpisodes {
            episodes: self.episodes.into_iter().map(mapped).collect(),
        }
    }

    /// Writes all of them into the archive as `name`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn save(&self, name: &str, archive: &mut Archive) -> Result<()> {
        let saved: Vec<&(Episode, T)> = self.episodes.values().collect();
        archive.put(name, &saved)
    }

    /// Restores what [`RunningEpisodes::save`] wrote, of environments with observations of this
    /// spec.
    ///
    /// # Errors
    /// When the archive lacks them, or something else was observed.
    pub(crate) fn load(name: &str, archive: &Archive, obs: &ObsSpec) -> Result<Self> {
        let saved: Vec<(Episode, T)> = archive.get(name)?;
        if !saved.iter().all(|(episode, _)| episode.obs.is_sound(obs)) {
            return Err(Error::input(
                "the checkpoint's running episodes do not fit its settings: use an undamaged \
                 checkpoint",
            ));
        }
        let by_seed = |saved: (Episode, T)| (saved.0.seed, saved);
        Ok(Self {
            episodes: saved.into_iter().map(by_seed).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obs::{ImageSpec, Images, Observation};

    /// A number, and what a camera sees.
    fn observations(x: f32) -> Observation {
        let camera = ImageSpec::unnamed(2, 1).remove(0);
        Observation {
            images: vec![Images::of(
                camera.clone(),
                &vec![x as u8; camera.stack_len()],
            )],
            ..vec![x].into()
        }
    }

    /// What is kept comes back, also from an archive, where what is observed fits.
    #[test]
    fn what_is_kept_comes_back() {
        let mut episode = Episode::start(7, &observations(1.0));
        episode.push(&[0.5], 1.0, &observations(2.0));
        let mut running = RunningEpisodes::default();
        running.keep(episode.clone(), 0.25f32);
        let mut archive = Archive::new();
        running.save("running", &mut archive).unwrap();
        let load = |obs: &ObsSpec| RunningEpisodes::<f32>::load("running", &archive, obs);
        let spec = observations(0.0).spec();
        let mut loaded = load(&spec).unwrap();
        assert_eq!(loaded.take(7), Some((episode, 0.25)));
        assert_eq!(loaded.take(7), None);
        let larger = ObsSpec {
            cameras: ImageSpec::unnamed(3, 1),
            ..spec
        };
        for other in [ObsSpec::of_state(2), larger] {
            let sentence = load(&other).unwrap_err().to_string();
            assert!(sentence.contains("running episodes"), "{sentence}");
        }
    }
}
