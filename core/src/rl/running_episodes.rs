//! The episodes that are being played: a learner that keeps whole episodes has them once they
//! ended.

use crate::data::{Archive, Episode, Frames};
use crate::env::View;
use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Episodes by their seeds, and what else is to be known of each while it is played.
#[derive(Debug, Clone, Default)]
pub struct RunningEpisodes<T> {
    episodes: BTreeMap<u64, (Episode, T)>,
}

/// An episode as it is saved: seed, observations, frames, actions, rewards, and the rest.
type Saved<T> = (u64, Vec<f32>, Frames, Vec<f32>, Vec<f32>, T);

impl<T: Clone + Serialize + DeserializeOwned> RunningEpisodes<T> {
    /// Takes out the episode that `seed` picked; none where it has not begun.
    pub fn take(&mut self, seed: u64) -> Option<(Episode, T)> {
        self.episodes.remove(&seed)
    }

    /// Keeps an episode until its next step.
    pub fn keep(&mut self, episode: Episode, rest: T) {
        self.episodes.insert(episode.seed, (episode, rest));
    }

    /// Writes all of them into the archive as `name`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn save(&self, name: &str, archive: &mut Archive) -> Result<()> {
        let saved = self.episodes.values().cloned().map(|(episode, rest)| {
            let Episode {
                seed,
                obs,
                frames,
                actions,
                rewards,
                ..
            } = episode;
            (seed, obs, frames, actions, rewards, rest)
        });
        archive.put(name, &saved.collect::<Vec<Saved<T>>>())
    }

    /// Restores what [`RunningEpisodes::save`] wrote, of environments in which `view` is seen.
    ///
    /// # Errors
    /// When the archive lacks them, or something else was seen.
    pub fn load(name: &str, archive: &Archive, view: View) -> Result<Self> {
        let saved: Vec<Saved<T>> = archive.get(name)?;
        let fits =
            |frames: &Frames| frames.are_sound(view.frame()) && frames.is_empty() != view.is_some();
        if !saved.iter().all(|(_, _, frames, ..)| fits(frames)) {
            return Err(Error::input(
                "the pictures of the checkpoint's running episodes do not fit its settings: use \
                 an undamaged checkpoint",
            ));
        }
        let running = |(seed, obs, frames, actions, rewards, rest): Saved<T>| {
            let episode = Episode {
                seed,
                obs,
                frames,
                actions,
                rewards,
                ..Episode::default()
            };
            (seed, (episode, rest))
        };
        Ok(Self {
            episodes: saved.into_iter().map(running).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is kept comes back, also from an archive, where what is seen fits.
    #[test]
    fn what_is_kept_comes_back() {
        let view = View { size: 2, stack: 1 };
        let row = |x: f32| [&[x][..], &[x; 12]].concat();
        let mut episode = Episode::start_seen(7, &row(1.0), view);
        episode.push_seen(&[0.5], 1.0, &row(2.0), view);
        let mut running = RunningEpisodes::default();
        running.keep(episode.clone(), 0.25f32);
        let mut archive = Archive::new();
        running.save("running", &mut archive).unwrap();
        let load = |view| RunningEpisodes::<f32>::load("running", &archive, view);
        let mut loaded = load(view).unwrap();
        assert_eq!(loaded.take(7), Some((episode, 0.25)));
        assert_eq!(loaded.take(7), None);
        for other in [View::default(), View { size: 3, stack: 1 }] {
            let sentence = load(other).unwrap_err().to_string();
            assert!(sentence.contains("pictures"), "{sentence}");
        }
    }
}
