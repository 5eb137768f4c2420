//! Adroit as a suite: what the rest of the program knows of it.

use super::package::PACKAGE;
use super::tasks::{Info, TASKS, by_id};
use super::{HandWorld, SuccessRule, hand, recorded};
use crate::downloads::Download;
use crate::mujoco::suite::{Camera, Import, MakeReplay, NativeSuite, Scene, View};
use protege_core::env::{Entry, Env, EpisodeEnv, Suite, catalogue};
use protege_core::{Error, Result};

/// The suite `adroit`.
///
/// Upstream never ends an episode before its time limit, and pays as long as success lasts.
/// Learning here expects what the suite `lab` does: the first success ends the episode with the
/// only reward there is, 1, unless the episode is asked to play on.
pub struct Adroit;

impl Suite for Adroit {
    fn name(&self) -> &'static str {
        "adroit"
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |task: &Info| Entry {
            spec: task.spec(),
            engines: &[catalogue::MUJOCO],
            about: task.about,
            expert_success: None,
            proprioception: Some(task.proprioception),
        };
        TASKS.iter().map(entry).collect()
    }

    fn control_hz(&self) -> f64 {
        100.0
    }

    fn continues_after_success(&self) -> bool {
        true
    }

    fn success_rule(&self, rule: &str) -> Result<()> {
        SuccessRule::named(rule).map(drop)
    }

    fn make(&self, id: &str, _engine: &str) -> Result<Box<dyn Env>> {
        let world = HandWorld::new(id)?;
        Ok(Box::new(EpisodeEnv::of(
            world.spec.clone(),
            self.reward(),
            world,
        )))
    }
}

impl NativeSuite for Adroit {
    fn scene(&self, id: &str) -> Result<Scene> {
        by_id(id)?;
        let folder = PACKAGE.fetched().map_err(Error::input)?;
        Ok(Scene::File(folder.join(hand::file(id))))
    }

    fn view(&self, id: &str) -> View {
        by_id(id).map_or(TASKS[0].view, |task| task.view)
    }

    fn camera(&self, id: &str) -> Camera {
        by_id(id).map_or(Camera::AS_PEOPLE, |task| task.camera)
    }

    fn has_meshes(&self) -> bool {
        true
    }

    fn package(&self) -> Option<&'static Download> {
        Some(&PACKAGE)
    }

    fn replay(&self) -> Option<MakeReplay> {
        Some(|id| Ok(Box::new(HandWorld::new(id)?)))
    }

    fn import(&self) -> Option<Import> {
        Some(recorded::import)
    }

    fn benchmarks(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("adroit/pen", "fixed"),
            ("adroit/hammer", "fixed"),
            ("adroit/door", "fixed"),
        ]
    }
}
