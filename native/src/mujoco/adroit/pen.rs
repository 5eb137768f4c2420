//! Turn the pen until it points as the target does:
//! gymnasium_robotics/envs/adroit_hand/adroit_pen.py.

use super::super::plant::Plant;
use super::hand::{body, moved, site};
use super::rotations::{distance, dot, euler_to_quat, minus};
use super::{Init, SuccessRule, Task, Verdict};
use protege_core::Result;
use protege_core::rng::Rng;

/// The pen is in place this near the point above the palm, m.
const NEAR: f64 = 0.075;
/// It points as the target does from this cosine on.
const ALIGNED: f64 = 0.95;
/// Below this height the pen was dropped, m.
const DROPPED: f64 = 0.075;

/// Things in the scene, by index.
pub struct Pen {
    pen: usize,
    target: usize,
    /// Where the pen belongs.
    place: usize,
    /// Top and bottom of the pen.
    ends: (usize, usize),
    /// Top and bottom of the target.
    target_ends: (usize, usize),
}

impl Pen {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        Ok(Self {
            pen: body(plant, "Object")?,
            target: body(plant, "target")?,
            place: site(plant, "eps_ball")?,
            ends: (site(plant, "object_top")?, site(plant, "object_bottom")?),
            target_ends: (site(plant, "target_top")?, site(plant, "target_bottom")?),
        })
    }
}

/// Where something points: from its bottom to its top, as a share of its length.
fn direction(plant: &Plant, (top, bottom): (usize, usize)) -> [f64; 3] {
    let places = plant.model().site_pos();
    let sites = plant.data.site_xpos();
    let length = distance(places[top], places[bottom]);
    minus(sites[top], sites[bottom]).map(|v| v / length)
}

impl Task for Pen {
    fn shuffle(&self, plant: &mut Plant, rng: &mut Rng) {
        let roll = rng.range(-1.0, 1.0);
        let pitch = rng.range(-1.0, 1.0);
        plant.model_mut().body_quat_mut()[self.target] = euler_to_quat([roll, pitch, 0.0]);
    }

    fn place(&self, plant: &mut Plant, init: &Init) -> Result<()> {
        let mut model = plant.model_mut();
        let to = &mut model.body_quat_mut()[self.target];
        moved(init, "desired_orien", "body_quat", to)
    }

    fn observe(&self, plant: &Plant) -> Vec<f64> {
        let qpos = plant.data.qpos();
        let qvel = plant.data.qvel();
        let pen = plant.data.xpos()[self.pen];
        let place = plant.data.site_xpos()[self.place];
        let points = direction(plant, self.ends);
        let wanted = direction(plant, self.target_ends);
        let parts: [&[f64]; 7] = [
            &qpos[..qpos.len() - 6],
            &pen,
            &qvel[qvel.len() - 6..],
            &points,
            &wanted,
            &minus(pen, place),
            &minus(points, wanted),
        ];
        parts.concat()
    }

    fn evaluate(&self, plant: &Plant, _: SuccessRule) -> Verdict {
        let pen = plant.data.xpos()[self.pen];
        let away = distance(pen, plant.data.site_xpos()[self.place]);
        let alike = dot(
            direction(plant, self.ends),
            direction(plant, self.target_ends),
        );
        let bonus: f64 = [(0.9, 10.0), (ALIGNED, 50.0)]
            .iter()
            .filter(|(from, _)| away < NEAR && alike > *from)
            .map(|(_, b)| b)
            .sum();
        let dropped = if pen[2] < DROPPED { 5.0 } else { 0.0 };
        Verdict {
            success: away < NEAR && alike > ALIGNED,
            dense: -away + alike + bonus - dropped,
        }
    }
}

/// Whether the pen is in place and points as the target does.
pub fn shows_success(obs: &[f64]) -> bool {
    let three = |from: usize| [obs[from], obs[from + 1], obs[from + 2]];
    let points = three(33);
    let wanted = three(36);
    let away = three(39);
    dot(away, away).sqrt() < NEAR && dot(points, wanted) > ALIGNED
}
