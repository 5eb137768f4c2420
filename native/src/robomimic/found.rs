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
    /// Demonstrations whose last action was left out.
    shortened: usize,
}

impl Found {
    /// Adds one.
    pub fn add(&mut self, read: Recorded, successful_only: bool) {
        self.read += 1;
        self.successful += usize::from(read.episode.success);
        self.clipped += read.clipped;
        self.shortened += usize::from(read.shortened);
        if read.episode.success || !successful_only {
            self.episodes.push(read.episode);
        }
    }

    /// What a user should know; `what` names the file.
    pub fn notes(&self, spec: &ObsSpec, has_states: bool, what: &str) -> Vec<String> {
        let mut notes = Vec::new();
        if self.clipped > 0 {
            notes.push(format!(
                "{} numbers of actions lay outside [-1, 1] and were clipped",
                self.clipped
            ));
        }
        if self.shortened > 0 {
            let lacks = if has_states {
                "observations, which were made of its states"
            } else {
                "next_obs"
            };
            notes.push(format!(
                "{} has no {lacks}: the last action of {} episodes, whose outcome is not in the \
                 file, was left out",
                what, self.shortened
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
