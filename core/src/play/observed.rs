//! What is observed of an episode where decisions are made.

use crate::data::Frames;
use crate::obs::{Images, ObsSpec, Observation, TaskLabel};
use serde::{Deserialize, Serialize};

/// The observations at decisions, and at the end. Between two of them there are frames that a stack
/// still shows, so that whole stacks are kept, packed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Observed {
    states: Vec<Vec<f32>>,
    task: Option<TaskLabel>,
    /// For each camera, a stack a moment.
    stacks: Vec<Frames>,
}

impl Observed {
    /// An episode's start.
    pub(super) fn start(first: &Observation) -> Self {
        let mut observed = Self {
            task: first.task,
            stacks: vec![Frames::default(); first.images.len()],
            ..Self::default()
        };
        observed.push(first);
        observed
    }

    /// Adds a moment.
    pub(super) fn push(&mut self, obs: &Observation) {
        self.states.push(obs.state.clone());
        for (stacks, images) in self.stacks.iter_mut().zip(&obs.images) {
            stacks.push(&images.pixels());
        }
    }

    /// Moments.
    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    /// Whether nothing was observed.
    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    /// What was observed at moment `t`, as `spec` has it.
    ///
    /// # Panics
    /// When it is not of that spec, or there is no such moment.
    pub(super) fn at(&self, t: usize, spec: &ObsSpec) -> Observation {
        let images = spec.cameras.iter().zip(&self.stacks);
        let images = images.map(|(camera, stacks)| Images::of(camera.clone(), &stacks.frame(t)));
        Observation {
            state: self.states[t].clone(),
            task: self.task,
            images: images.collect(),
        }
    }

    /// Whether it has what `spec` asks for at every moment, and all of it can be read back.
    pub(super) fn is_of(&self, spec: &ObsSpec) -> bool {
        let moments = self.len();
        let numbers = |state: &Vec<f32>| {
            state.len() == spec.state && state.iter().all(|number| number.is_finite())
        };
        let label = self.task.map_or(0, |task| task.of) == spec.tasks
            && self.task.is_none_or(|task| task.index < task.of);
        let mut cameras = spec.cameras.iter().zip(&self.stacks);
        label
            && self.states.iter().all(numbers)
            && self.stacks.len() == spec.cameras.len()
            && cameras.all(|(camera, stacks)| {
                stacks.len() == moments && stacks.are_sound(camera.stack_len())
            })
    }
}
