//! Undo the latch and swing the door open: gymnasium_robotics/envs/adroit_hand/adroit_door.py.

use super::super::plant::Plant;
use super::hand::{body, find, moved, site};
use super::rotations::{distance, minus};
use super::{Init, SuccessRule, Task, Verdict};
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::Result;
use protege_core::rng::Rng;

/// Where the frame stands: x, y, z in m.
const STARTS: [(f64, f64); 3] = [(-0.3, -0.2), (0.25, 0.35), (0.252, 0.35)];
/// Open from this angle of the hinge on, rad.
const OPEN: f64 = 1.35;
/// The same by MoDem's rule (`door_v0.py`).
const OPEN_BY_MODEM: f64 = 1.0;
/// The hinge's angle in an observation.
const HINGE: usize = 28;

/// Things in the scene, by index.
pub struct Door {
    hinge: usize,
    grasp: usize,
    handle: usize,
    frame: usize,
}

impl Door {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        let hinge = find(plant, Kind::mjOBJ_JOINT, "door_hinge")?;
        let hinge = plant.model().jnt_qposadr()[hinge] as usize;
        Ok(Self {
            hinge,
            grasp: site(plant, "S_grasp")?,
            handle: site(plant, "S_handle")?,
            frame: body(plant, "frame")?,
        })
    }
}

impl Task for Door {
    fn shuffle(&self, plant: &mut Plant, rng: &mut Rng) {
        plant.model_mut().body_pos_mut()[self.frame] =
            STARTS.map(|(low, high)| rng.range(low, high));
    }

    fn place(&self, plant: &mut Plant, init: &Init) -> Result<()> {
        let mut model = plant.model_mut();
        let to = &mut model.body_pos_mut()[self.frame];
        moved(init, "door_body_pos", "body_pos", to)
    }

    fn observe(&self, plant: &Plant) -> Vec<f64> {
        let qpos = plant.data.qpos();
        let palm = plant.data.site_xpos()[self.grasp];
        let handle = plant.data.site_xpos()[self.handle];
        let angle = qpos[self.hinge];
        let latch = qpos[qpos.len() - 1];
        let open = if angle > 1.0 { 1.0 } else { -1.0 };
        [
            &qpos[1..qpos.len() - 2],
            &[latch, angle],
            &palm,
            &handle,
            &minus(palm, handle),
            &[open],
        ]
        .concat()
    }

    fn evaluate(&self, plant: &Plant, rule: SuccessRule) -> Verdict {
        let angle = plant.data.qpos()[self.hinge];
        // The way to the handle counts as a gain: so it stands in 1.4.2.
        let way = distance(
            plant.data.site_xpos()[self.grasp],
            plant.data.site_xpos()[self.handle],
        );
        let speed: f64 = plant.data.qvel().iter().map(|v| v * v).sum();
        let bonus: f64 = [(0.2, 2.0), (1.0, 8.0), (OPEN, 10.0)]
            .iter()
            .filter(|(from, _)| angle > *from)
            .map(|(_, bonus)| bonus)
            .sum();
        let open_from = match rule {
            SuccessRule::Upstream => OPEN,
            SuccessRule::Modem => OPEN_BY_MODEM,
        };
        Verdict {
            success: angle >= open_from,
            dense: 0.1 * way - 0.1 * (angle - 1.57) * (angle - 1.57) - 1e-5 * speed + bonus,
        }
    }
}

/// Whether the hinge is open.
pub fn shows_success(obs: &[f64]) -> bool {
    obs[HINGE] >= OPEN
}
