//! Adroit as a suite: what the rest of the program knows of it.

use super::package::PACKAGE;
use super::{HandWorld, hand, recorded, unknown};
use crate::mujoco::suites::{Camera, Import, MakeReplay, NativeSuite, Scene, View};
use crate::wheels::Wheel;
use protege_core::env::{Entry, Env, EpisodeEnv, Spec, Suite, catalogue};
use protege_core::obs::ObsSpec;
use protege_core::{Error, Result};
use std::ops::Range;

/// The suite `adroit`.
///
/// Upstream never ends an episode before its time limit, and pays as long as success lasts.
/// Learning here expects what the suite `lab` does: the first success ends the episode with the
/// only reward there is, 1, unless the episode is asked to play on.
pub struct Adroit;

/// Control steps after which an episode ends (`max_episode_steps`).
const HORIZON: usize = 200;

/// What tells the tasks apart for the rest of the program.
struct Task {
    id: &'static str,
    about: &'static str,
    obs: usize,
    act: usize,
    /// The joints of the arm and the hand, and what MoDem adds to them (facebookresearch/modem,
    /// `envs/`).
    proprioception: &'static [Range<usize>],
    view: View,
    camera: Camera,
}

/// No camera of the scene's own shows all of the door, nor of the hammer and the nail.
const TASKS: [Task; 3] = [
    Task {
        id: "adroit/pen",
        about: "Turn the pen in the hand until it points as the target does.",
        obs: 45,
        act: 24,
        // Where the target points.
        proprioception: &[0..24, 36..39],
        view: View {
            point: [0.05, -0.12, 0.2],
            distance: 0.85,
            azimuth: 55.0,
            elevation: -30.0,
        },
        camera: Camera {
            name: Some("view_1"),
            at: None,
        },
    },
    Task {
        id: "adroit/hammer",
        about: "Take the hammer and drive the nail home.",
        obs: 46,
        act: 26,
        // The nail's joint, the hammer's velocity, the palm.
        proprioception: HAMMER,
        view: View {
            point: [-0.05, -0.02, 0.14],
            distance: 1.05,
            azimuth: 70.0,
            elevation: -36.0,
        },
        camera: Camera::AS_PEOPLE,
    },
    Task {
        id: "adroit/door",
        about: "Undo the latch and swing the door open.",
        obs: 39,
        act: 28,
        // The palm.
        proprioception: &[0..27, 29..32],
        view: View {
            point: [0.0, 0.1, 0.25],
            distance: 1.7,
            azimuth: 115.0,
            elevation: -25.0,
        },
        camera: Camera::AS_PEOPLE,
    },
];

const HAMMER: &[Range<usize>] = &[0..26, 26..36];

fn by_id(id: &str) -> Result<&'static Task> {
    let found = TASKS.iter().find(|task| task.id == id);
    found.ok_or_else(|| unknown(id))
}

/// Name and sizes of a task.
///
/// # Errors
/// When there is no such task.
pub fn spec(id: &str) -> Result<Spec> {
    by_id(id).map(sizes)
}

fn sizes(task: &Task) -> Spec {
    Spec {
        id: task.id.into(),
        obs: ObsSpec::of_state(task.obs),
        act: task.act,
        horizon: HORIZON,
    }
}

impl Suite for Adroit {
    fn name(&self) -> &'static str {
        "adroit"
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |task: &Task| Entry {
            spec: sizes(task),
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

    fn plays_on(&self) -> bool {
        true
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
        let folder = PACKAGE.ensure().map_err(Error::failed)?;
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

    fn package(&self) -> Option<&'static Wheel> {
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
