//! Meta-World as a suite: what the rest of the program knows of it.

use super::package::PACKAGE;
use super::task::Task;
use super::{SawyerWorld, sawyer, tasks};
use crate::downloads::Download;
use crate::mujoco::suite::{Camera, MakeReplay, NativeSuite, Scene, View};
use protege_core::env::{Entry, Env, EpisodeEnv, RewardAfterSuccess, Suite, catalogue};
use protege_core::{Error, Result};
use std::ops::Range;

/// The suite `metaworld`.
pub struct MetaWorld;

/// The hand and the gripper's opening, now and one control step earlier: what MoDem keeps of an
/// observation beside a picture (facebookresearch/modem, `envs/`).
const HAND: &[Range<usize>] = &[0..4, 18..22];
/// Where MoDem puts the camera `corner2`, in meters.
const CORNER: [f64; 3] = [0.75, 0.075, 0.7];
/// The table with the robot behind.
const VIEW: View = View {
    point: [0.0, 0.6, 0.1],
    distance: 1.35,
    azimuth: 225.0,
    elevation: -30.0,
};

impl Suite for MetaWorld {
    fn name(&self) -> &'static str {
        "metaworld"
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |task: &&Task| Entry {
            spec: task.spec(),
            engines: &[catalogue::MUJOCO],
            about: task.about,
            expert_success: Some(task.expert_success),
            proprioception: Some(HAND),
        };
        tasks::ALL.iter().map(entry).collect()
    }

    fn control_hz(&self) -> f64 {
        80.0
    }

    fn continues_after_success(&self) -> bool {
        true
    }

    fn reward(&self) -> RewardAfterSuccess {
        RewardAfterSuccess::FailureCosts
    }

    fn drawing_memory(&self) -> f64 {
        250e6
    }

    fn make(&self, id: &str, _engine: &str) -> Result<Box<dyn Env>> {
        let world = SawyerWorld::new(id)?;
        Ok(Box::new(EpisodeEnv::of(
            world.spec.clone(),
            self.reward(),
            world,
        )))
    }
}

impl NativeSuite for MetaWorld {
    fn scene(&self, id: &str) -> Result<Scene> {
        let task = super::by_id(id)?;
        let folder = PACKAGE.fetched().map_err(Error::input)?;
        Ok(Scene::File(folder.join(sawyer::SCENES).join(task.scene)))
    }

    fn view(&self, _id: &str) -> View {
        VIEW
    }

    fn camera(&self, _id: &str) -> Camera {
        Camera {
            name: Some("corner2"),
            at: Some(CORNER),
        }
    }

    fn has_meshes(&self) -> bool {
        true
    }

    fn package(&self) -> Option<&'static Download> {
        Some(&PACKAGE)
    }

    fn replay(&self) -> Option<MakeReplay> {
        Some(|id| Ok(Box::new(SawyerWorld::new(id)?)))
    }

    fn benchmarks(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("metaworld/pick-place", "corner2"),
            ("metaworld/box-close", "corner2"),
            ("metaworld/assembly", "corner2"),
        ]
    }
}
