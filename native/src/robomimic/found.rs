//! What was found in a file so far, and what is to be said of it.

use super::demo::Recorded;
use protege_core::data::Episode;
use protege_core::obs::ObsSpec;

/// What was read so far.
#[derive(Default)]
pub struct Found {
    /// The episodes that are kept.
    pub episodes: Vec<Episode>,
    /// Demonstrations that succeed.
    pub successful: usize,
    /// Demonstrations that were read.
    pub read: usize,
    /// Numbers of actions that were clipped.
    clipped: usize,
    /// Whether last actions were left out.
    shortened: bool,
}

impl Found {
    /// Adds one.
    pub fn add(&mut self, read: Recorded, successful_only: bool) {
        self.read += 1;
        self.successful += usize::from(read.episode.success);
        self.clipped += read.clipped;
        self.shortened |= read.shortened;
        if read.episode.success || !successful_only {
            self.episodes.push(read.episode);
        }
    }

    /// What a user should know; `what` names the file.
    pub fn notes(&self, spec: &ObsSpec, has_states: bool, what: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if self.clipped > 0 {
            notes.push(format!(
                "numbers of actions that lay outside [-1, 1] and were clipped: {}",
                self.clipped
            ));
        }
        if self.shortened {
            let lacks = if has_states {
                "observations, which were made of its states"
            } else {
                "next_obs"
            };
            notes.push(format!(
                "{what} has no {lacks}: of each demonstration the last action is left out, whose \
                 outcome is not in the file"
            ));
        }
        if spec.cameras.is_empty() {
            return notes;
        }
        let cameras: Vec<String> = spec
            .cameras
            .iter()
            .map(|camera| camera.name.clone())
            .collect();
        notes.push(format!(
            "to learn from the pictures: --set env.image_size={} --set 'env.cameras={:?}'",
            spec.cameras[0].size, cameras
        ));
        notes
    }
}
