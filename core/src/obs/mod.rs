//! Observations, field by field: the robot's state, which task is played, what its cameras see.
//!
//! To add a modality: a field of [`Observation`], [`ObsSpec`] and [`ObsBatch`] here, an encoder in
//! `nn`, and what fills the field: an environment's wrapper.

mod batch;
mod images;

pub use batch::ObsBatch;
pub use images::{DEFAULT_CAMERA, Frame, ImageSpec, Images};

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// What observations are made of, in sizes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ObsSpec {
    /// Numbers of the state.
    pub state: usize,
    /// How many tasks are told apart; 0 where there is one.
    pub tasks: usize,
    /// The cameras, whose names differ.
    pub cameras: Vec<ImageSpec>,
}

/// Numbers of a state, and tasks, at most: what a file may say without being damaged.
const MOST: usize = 1_000_000;

impl ObsSpec {
    /// A state of so many numbers, and nothing else.
    pub fn of_state(state: usize) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    /// Numbers that a network reads: the state, and a one-hot number for each task.
    pub fn numbers(&self) -> usize {
        self.state + self.tasks
    }

    /// The same without cameras.
    #[must_use]
    pub(crate) fn without_cameras(&self) -> Self {
        Self {
            cameras: Vec::new(),
            ..*self
        }
    }

    /// Checks what a file says: networks and buffers are made of these sizes.
    ///
    /// # Errors
    /// When one of the sizes is impossible.
    pub fn check(&self) -> Result<()> {
        let possible = self.cameras.iter().all(|camera| camera.is_possible(1));
        if self.state.max(self.tasks) > MOST || !possible {
            return Err(Error::input(
                "the file's observations have an impossible size: use an undamaged file",
            ));
        }
        Ok(())
    }
}

/// Which of several tasks is played, where one policy learns them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskLabel {
    /// Its place among them, below `of`.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

/// One observation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// What the robot knows of itself and of its surroundings, in numbers.
    pub state: Vec<f32>,
    /// The task; none where there is one.
    pub task: Option<TaskLabel>,
    /// One stack of frames from each camera.
    pub images: Vec<Images>,
}

impl Observation {
    /// What it is made of.
    pub fn spec(&self) -> ObsSpec {
        ObsSpec {
            state: self.state.len(),
            tasks: self.task.map_or(0, |task| task.of),
            cameras: self
                .images
                .iter()
                .map(|stack| stack.camera.clone())
                .collect(),
        }
    }

    /// Whether it is whole: a task among those that there are, and one stack from each camera.
    pub(crate) fn is_whole(&self) -> bool {
        self.task.is_none_or(|task| task.index < task.of)
            && self.images.iter().all(|stack| stack.len() == 1)
    }
}

impl From<Vec<f32>> for Observation {
    /// A state, and nothing else.
    fn from(state: Vec<f32>) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }
}
