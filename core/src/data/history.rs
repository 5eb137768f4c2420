//! The observations of an episode: every frame of a camera once, however many frames are looked at
//! together.

use super::frames::{Frames, Unpacked};
use crate::obs::{ImageSpec, ObsBatch, ObsSpec, Observation, TaskLabel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was observed from an episode's start on, moment by moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    /// Numbers of a state.
    pub width: usize,
    /// Moments x width, row-major.
    pub state: Vec<f32>,
    /// Which of several tasks is played.
    pub task: Option<TaskLabel>,
    /// One frame for each moment, by the camera's name.
    pub frames: BTreeMap<String, Frames>,
}

impl History {
    /// An episode's start.
    pub(crate) fn start(first: &Observation) -> Self {
        let mut history = Self {
            width: first.state.len(),
            task: first.task,
            ..Self::default()
        };
        history.push(first);
        history
    }

    /// The rows of a batch, moment by moment.
    pub(crate) fn of(batch: &ObsBatch) -> Self {
        let mut history = Self::start(&batch.row(0));
        (1..batch.len()).for_each(|i| history.push(&batch.row(i)));
        history
    }

    /// Adds a moment: of each camera the newest frame is kept.
    pub fn push(&mut self, obs: &Observation) {
        self.state.extend_from_slice(&obs.state);
        for images in &obs.images {
            let frames = self.frames.entry(images.camera.name.clone());
            frames.or_default().push(images.newest());
        }
    }

    /// Moments.
    pub fn len(&self) -> usize {
        self.state.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether nothing was observed.
    pub fn is_empty(&self) -> bool {
        self.state.is_empty()
    }

    /// The state at moment `t`; after the end, the last one.
    ///
    /// # Panics
    /// When nothing was observed.
    pub fn state_at(&self, t: usize) -> &[f32] {
        let t = t.min(self.len() - 1);
        &self.state[t * self.width..(t + 1) * self.width]
    }

    /// Adds what was observed at moment `t` to a batch; after the end, what was observed last.
    ///
    /// # Panics
    /// When it is not of the batch's spec: see `History::is_of`.
    pub(crate) fn read<'a>(&'a self, t: usize, batch: &mut ObsBatch, unpacked: &mut Unpacked<'a>) {
        batch.push_fields(self.state_at(t), self.task, |camera, out| {
            self.frames[&camera.name].stack(t, camera.stack, unpacked, out);
        });
    }

    /// What was observed at these moments, as `spec` has it.
    ///
    /// # Panics
    /// When it is not of that spec.
    pub fn batch(&self, spec: &ObsSpec, moments: impl IntoIterator<Item = usize>) -> ObsBatch {
        let mut batch = ObsBatch::new(spec);
        let mut unpacked = Unpacked::default();
        moments
            .into_iter()
            .for_each(|t| self.read(t, &mut batch, &mut unpacked));
        batch
    }

    /// Whether it has what `spec` asks for at every moment, cameras that it does not ask for aside.
    pub(crate) fn is_of(&self, spec: &ObsSpec) -> bool {
        let moments = self.len();
        let fits = self.width == spec.state
            && self.state.len() == moments * self.width
            && self.task.map_or(0, |task| task.of) == spec.tasks
            && self.task.is_none_or(|task| task.index < task.of);
        let seen = |camera: &ImageSpec| {
            let frames = self.frames.get(&camera.name);
            frames.is_some_and(|frames| {
                (frames.len(), frames.size()) == (moments, camera.frame_len())
            })
        };
        moments > 0 && fits && spec.cameras.iter().all(seen)
    }

    /// The same for what comes from a file: every frame can be read back, too.
    pub(crate) fn is_sound(&self, spec: &ObsSpec) -> bool {
        let sound = |frames: &Frames| frames.are_sound(frames.size());
        self.is_of(spec) && self.frames.values().all(sound)
    }
}
