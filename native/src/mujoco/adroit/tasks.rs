//! What tells the tasks apart, as data: a table entry for each.

use crate::mujoco::suite::{Camera, View};
use protege_core::env::Spec;
use protege_core::obs::ObsSpec;
use protege_core::{Error, Result};
use std::ops::Range;

/// Control steps after which an episode ends (`max_episode_steps`).
const HORIZON: usize = 200;

/// What tells the tasks apart for the rest of the program.
pub struct Info {
    /// `adroit/name`.
    pub id: &'static str,
    /// One sentence that says what is to be done.
    pub about: &'static str,
    /// Length of an observation.
    obs: usize,
    /// Length of an action.
    act: usize,
    /// The joints of the arm and the hand, and what MoDem adds to them (facebookresearch/modem,
    /// `envs/`).
    pub proprioception: &'static [Range<usize>],
    /// Where people look at it from.
    pub view: View,
    /// Where the pictures that policies learn from are taken.
    pub camera: Camera,
}

impl Info {
    /// Name and sizes.
    pub fn spec(&self) -> Spec {
        Spec {
            id: self.id.into(),
            obs: ObsSpec::of_state(self.obs),
            act: self.act,
            horizon: HORIZON,
        }
    }
}

/// No camera of the scene's own shows all of the door, nor of the hammer and the nail.
pub const TASKS: [Info; 3] = [
    Info {
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
    Info {
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
    Info {
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

/// The task called `id`.
///
/// # Errors
/// When there is no such task.
pub fn by_id(id: &str) -> Result<&'static Info> {
    let found = TASKS.iter().find(|task| task.id == id);
    found.ok_or_else(|| unknown(id))
}

/// The error of a task that the suite does not have.
pub fn unknown(id: &str) -> Error {
    Error::input(format!(
        "there is no task `{id}` in the suite adroit, which has adroit/pen, adroit/hammer and \
         adroit/door"
    ))
}
