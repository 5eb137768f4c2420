//! What drawing, replaying and importing ask of a suite beside what core asks.

use super::replay::Replay;
use crate::downloads::Download;
use crate::recordings::Recordings;
use mujoco_rs::prelude::MjModel;
use protege_core::data::Dataset;
use protege_core::env::Suite;
use protege_core::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// A suite on MuJoCo. What is not said is: no pictures, nothing to fetch, nothing recorded.
pub trait NativeSuite: Suite {
    /// The scene of a task as it is drawn.
    ///
    /// # Errors
    /// When there is nothing to see in the task, or its scene cannot be had.
    fn scene(&self, id: &str) -> Result<Scene> {
        Err(Error::input(format!("there is nothing to see in {id}")))
    }
    /// Where people look at a task's scene from, unless a camera is named.
    fn view(&self, _id: &str) -> View {
        View {
            point: [0.0; 3],
            distance: 1.0,
            azimuth: 90.0,
            elevation: -30.0,
        }
    }
    /// Where the pictures that policies learn from are taken.
    fn camera(&self, _id: &str) -> Camera {
        Camera::AS_PEOPLE
    }
    /// Whether its scenes have meshes, which cost time to draw with shadows.
    fn has_meshes(&self) -> bool {
        false
    }
    /// The published package that holds its scenes.
    fn package(&self) -> Option<&'static Download> {
        None
    }
    /// Makes tasks as they are before an episode that the suite's own code has recorded; none where
    /// nothing is recorded.
    fn replay(&self) -> Option<MakeReplay> {
        None
    }
    /// Reads demonstrations that others have recorded; none where there are none.
    fn import(&self) -> Option<Import> {
        None
    }
    /// What robomimic's files of the suite's tasks mean here; none where there are none.
    fn recordings(&self) -> Option<Recordings> {
        None
    }
    /// The tasks whose speed is measured against upstream's own code, with the camera that pictures
    /// are taken from.
    fn benchmarks(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
}

/// A scene for MuJoCo.
pub enum Scene {
    /// MJCF that needs no other file.
    Text(String),
    /// A file that may name others beside it.
    File(PathBuf),
    /// A model that was composed, and its boxes whose sizes differ from episode to episode: names
    /// of geoms, those of a row have one size.
    Model(Arc<MjModel>, &'static [&'static [&'static str]]),
}

/// Where a scene is looked at from: at a point, from a distance (m), in a direction (degrees).
#[derive(Debug, Clone, Copy)]
pub struct View {
    /// What is in the middle of the picture (m).
    pub point: [f64; 3],
    /// Meters from there.
    pub distance: f64,
    /// Degrees about the vertical: MuJoCo's.
    pub azimuth: f64,
    /// Degrees; negative looks down.
    pub elevation: f64,
}

/// Where pictures are taken that policies learn from.
#[derive(Debug, Clone, Copy)]
pub struct Camera {
    /// A camera of the scene; none: as people see it, from the suite's [`View`].
    pub name: Option<&'static str>,
    /// Where the camera is moved to, m.
    pub at: Option<[f64; 3]>,
}

impl Camera {
    /// The view of people.
    pub const AS_PEOPLE: Self = Self {
        name: None,
        at: None,
    };
}

/// Makes the task `id` for a recorded episode.
pub type MakeReplay = fn(id: &str) -> Result<Box<dyn Replay>>;

/// Imports recordings of the task `id` from a file's bytes; `what` names the file in sentences.
pub type Import = fn(bytes: &[u8], what: &str, id: &str, choice: Choice) -> Result<Imported>;

/// What is kept of recordings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice {
    /// Only episodes that succeed.
    pub successful_only: bool,
    /// Episodes end with their first success, and at the task's horizon at the latest.
    pub trim: bool,
}

/// What an import gives.
pub struct Imported {
    /// The episodes kept.
    pub dataset: Dataset,
    /// Recordings in the file.
    pub recorded: usize,
    /// Of these, how many succeed (within the horizon, when trimmed).
    pub successful: usize,
    /// Of these, how many had a start and were played again.
    pub replayed: usize,
}
