//! The suite `lab` with MuJoCo beside Rapier: the same scenes, rules and experts.

use super::MujocoSim;
use super::suite::{NativeSuite, Scene, View};
use protege_core::env::{self, Entry, Env, LabEnv, Suite, catalogue};
use protege_core::{Result, tasks};

/// Core's suite on one more engine.
pub struct Lab;

/// The table: the hand on the left, where it goes on the right.
const VIEW: View = View {
    point: [0.0, 0.695, 0.115],
    distance: 0.75,
    azimuth: 130.0,
    elevation: -25.0,
};

/// A backdrop and soft light for our own scenes, which have a table in empty space. Nothing of it
/// is a body, so that the scene's state stays what it is.
const DECORATION: &str = r#"
  <visual>
    <headlight ambient="0.42 0.42 0.42" diffuse="0.28 0.28 0.28" specular="0.1 0.1 0.1"/>
    <map znear="0.02" zfar="40" shadowclip="0.6" shadowscale="0.4"/>
    <quality numslices="48" numstacks="24"/>
  </visual>
  <asset>
    <texture type="skybox" builtin="gradient" rgb1="0.93 0.95 0.97" rgb2="0.74 0.78 0.83"
             width="128" height="128"/>
  </asset>
  <worldbody>"#;

impl Suite for Lab {
    fn name(&self) -> &'static str {
        env::Lab.name()
    }

    fn tasks(&self) -> Vec<Entry> {
        env::Lab.tasks()
    }

    fn control_hz(&self) -> f64 {
        env::Lab.control_hz()
    }

    fn action_repeat(&self) -> usize {
        env::Lab.action_repeat()
    }

    fn make(&self, id: &str, engine: &str) -> Result<Box<dyn Env>> {
        if engine != catalogue::MUJOCO {
            return env::Lab.make(id, engine);
        }
        let info = tasks::by_id(id)?;
        let sim = MujocoSim::new(info.scene)?;
        Ok(Box::new(LabEnv::with_sim(info, Box::new(sim))?))
    }
}

impl NativeSuite for Lab {
    fn scene(&self, id: &str) -> Result<Scene> {
        let scene = tasks::by_id(id)?.scene;
        Ok(Scene::Text(scene.replacen("<worldbody>", DECORATION, 1)))
    }

    fn view(&self, _id: &str) -> View {
        VIEW
    }
}

/// Nothing of them is MuJoCo's, and there is nothing to see.
impl NativeSuite for env::Probes {}
