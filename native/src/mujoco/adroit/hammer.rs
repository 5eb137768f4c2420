//! Take the hammer and drive the nail home: gymnasium_robotics/envs/adroit_hand/adroit_hammer.py.

use super::super::plant::Plant;
use super::hand::{body, find, moved, site};
use super::rotations::{distance, quat_to_euler};
use super::{Init, SuccessRule, Task, Verdict};
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::Result;
use protege_core::rng::Rng;

/// The height of the board, m.
const HEIGHT: (f64, f64) = (0.1, 0.25);
/// The nail is home this near its goal, m.
const HOME: f64 = 0.01;
/// The same by MoDem's rule (`hammer_v0.py`).
const HOME_BY_MODEM: f64 = 0.02;
/// How far the nail's joint is from the goal at zero, m: the nail's site less the goal's, both on
/// the axis of the board.
const TRAVEL: f64 = 0.101 - 0.01;
/// The nail's joint in an observation.
const NAIL: usize = 26;

/// Things in the scene, by index.
pub struct Hammer {
    nail: usize,
    goal: usize,
    grasp: usize,
    tool: usize,
    hammer: usize,
    board: usize,
    /// Where the nail's touch sensor writes.
    touch: usize,
}

impl Hammer {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        let sensor = find(plant, Kind::mjOBJ_SENSOR, "S_nail")?;
        Ok(Self {
            nail: site(plant, "S_target")?,
            goal: site(plant, "nail_goal")?,
            grasp: site(plant, "S_grasp")?,
            tool: site(plant, "tool")?,
            hammer: body(plant, "Object")?,
            board: body(plant, "nail_board")?,
            touch: plant.model().sensor_adr()[sensor] as usize,
        })
    }
}

impl Task for Hammer {
    fn shuffle(&self, plant: &mut Plant, rng: &mut Rng) {
        plant.model_mut().body_pos_mut()[self.board][2] = rng.range(HEIGHT.0, HEIGHT.1);
    }

    fn place(&self, plant: &mut Plant, init: &Init) -> Result<()> {
        let mut model = plant.model_mut();
        let to = &mut model.body_pos_mut()[self.board];
        moved(init, "board_pos", "body_pos", to)
    }

    fn observe(&self, plant: &Plant) -> Vec<f64> {
        let qpos = plant.data.qpos();
        let qvel = plant.data.qvel();
        let velocity: Vec<f64> = qvel[qvel.len() - 6..]
            .iter()
            .map(|v| v.clamp(-1.0, 1.0))
            .collect();
        let sites = plant.data.site_xpos();
        let turned = quat_to_euler(plant.data.xquat()[self.hammer]);
        let impact = plant.data.sensordata()[self.touch].clamp(-1.0, 1.0);
        let parts: [&[f64]; 7] = [
            &qpos[..qpos.len() - 6],
            &velocity,
            &sites[self.grasp],
            &plant.data.xpos()[self.hammer],
            &turned,
            &sites[self.nail],
            &[impact],
        ];
        parts.concat()
    }

    fn evaluate(&self, plant: &Plant, rule: SuccessRule) -> Verdict {
        let sites = plant.data.site_xpos();
        let hammer = plant.data.xpos()[self.hammer];
        let head = sites[self.tool];
        let left = distance(sites[self.nail], sites[self.goal]);
        let speed = plant.data.qvel().iter().map(|v| v * v).sum::<f64>().sqrt();
        // The way to the hammer counts as a gain: so it stands in 1.4.2.
        let ways = 0.1 * distance(sites[self.grasp], hammer)
            - distance(head, sites[self.nail])
            - 10.0 * left;
        let lifted = if hammer[2] > 0.04 && head[2] > 0.04 {
            2.0
        } else {
            0.0
        };
        let bonus: f64 = [(0.02, 25.0), (HOME, 75.0)]
            .iter()
            .filter(|(within, _)| left < *within)
            .map(|(_, bonus)| bonus)
            .sum();
        let home_within = match rule {
            SuccessRule::Upstream => HOME,
            SuccessRule::Modem => HOME_BY_MODEM,
        };
        Verdict {
            success: left < home_within,
            dense: ways - 1e-2 * speed + lifted + bonus,
        }
    }
}

/// Whether the nail is home.
pub fn shows_success(obs: &[f64]) -> bool {
    (TRAVEL - obs[NAIL]).abs() < HOME
}
