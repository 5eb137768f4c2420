//! robosuite as a suite: what the rest of the program knows of it.

use super::observe::ROBOT;
use super::package::PACKAGE;
use super::scene;
use super::settings::ControllerSettings;
use super::states;
use super::tasks::{Info, TASKS, by_id};
use super::world::ArmWorld;
use crate::downloads::Download;
use crate::mujoco::suite::{Camera, MakeReplay, NativeSuite, Scene, View};
use crate::recordings::Recordings;
use protege_core::Result;
use protege_core::env::{Entry, Env, EpisodeEnv, Suite, catalogue};
use std::ops::Range;

/// The suite `robosuite`.
///
/// Upstream plays to the horizon, and pays as long as success lasts. Here, as in `lab`, the first
/// success ends an episode with the only reward there is, 1, unless the episode is asked to play
/// on.
pub struct Robosuite;

/// What is observed of the robot.
const PROPRIOCEPTION: &[Range<usize>] = &[Range {
    start: 0,
    end: ROBOT,
}];

impl Suite for Robosuite {
    fn name(&self) -> &'static str {
        "robosuite"
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |task: &Info| Entry {
            spec: task.spec(),
            engines: &[catalogue::MUJOCO],
            about: task.about,
            expert_success: Some(task.expert_success),
            proprioception: Some(PROPRIOCEPTION),
        };
        TASKS.iter().map(entry).collect()
    }

    fn control_hz(&self) -> f64 {
        20.0
    }

    /// Of DPPO and of robomimic's policies: an action is played once.
    fn action_repeat(&self) -> usize {
        1
    }

    fn continues_after_success(&self) -> bool {
        true
    }

    /// Settings of OSC_POSE, of robosuite 1.4 or 1.5: `version=1.4 kp=100`.
    fn controller(&self, words: &str) -> Result<String> {
        Ok(ControllerSettings::from_words(words)?.to_words())
    }

    /// Most of it are textures.
    fn drawing_memory(&self) -> f64 {
        600e6
    }

    fn make(&self, id: &str, _engine: &str) -> Result<Box<dyn Env>> {
        let spec = by_id(id)?.spec();
        let world = ArmWorld::new(id)?;
        Ok(Box::new(EpisodeEnv::of(spec, self.reward(), world)))
    }
}

impl NativeSuite for Robosuite {
    fn scene(&self, id: &str) -> Result<Scene> {
        scene::drawn(id)
    }

    fn view(&self, id: &str) -> View {
        scene::view(id)
    }

    /// Robomimic's.
    fn camera(&self, _id: &str) -> Camera {
        Camera {
            name: Some("agentview"),
            at: None,
        }
    }

    fn package(&self) -> Option<&'static Download> {
        Some(&PACKAGE)
    }

    fn has_meshes(&self) -> bool {
        true
    }

    fn replay(&self) -> Option<MakeReplay> {
        Some(|id| Ok(Box::new(ArmWorld::new(id)?)))
    }

    fn recordings(&self) -> Option<Recordings> {
        Some(states::RECORDINGS)
    }

    fn benchmarks(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("robosuite/lift", "agentview"),
            ("robosuite/can", "agentview"),
            ("robosuite/square", "agentview"),
        ]
    }
}
