//! Lift the cube: environments/manipulation/lift.py.

use super::{Task, body_pose};
use crate::mujoco::Plant;
use crate::mujoco::robosuite::arm::{body, geom};
use crate::mujoco::robosuite::observe::{put, put_way};
use crate::mujoco::robosuite::starts::{ANY, Area, Free, Shape};
use crate::mujoco::robosuite::transforms::Pose;
use protege_core::Result;
use protege_core::rng::Rng;

/// The cube's half edges, m: least and greatest.
const HALF: [f64; 2] = [0.020, 0.022];
/// Height of the table, m.
const TABLE: f64 = 0.8;
/// Where the cube starts.
const AREA: Area = Area {
    reference: [0.0, 0.0, TABLE],
    x: [-0.03, 0.03],
    y: [-0.03, 0.03],
    z_offset: 0.01,
    angle: ANY,
};

/// Things in the scene, by index.
pub struct Lift {
    cube: usize,
    shape: usize,
    joint: Free,
}

impl Lift {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        Ok(Self {
            cube: body(plant, "cube_main")?,
            shape: geom(plant, "cube_g0")?,
            joint: Free::find(plant, "cube")?,
        })
    }
}

impl Task for Lift {
    fn sizes(&self, rng: &mut Rng) -> Vec<f64> {
        (0..3).map(|_| rng.range(HALF[0], HALF[1])).collect()
    }

    fn place(&self, plant: &mut Plant, rng: &mut Rng) {
        let shape = Shape::of_box(plant.model().geom_size()[self.shape]);
        let placed = AREA.draw(shape, &[], rng);
        self.joint.put(plant, placed.upright());
    }

    fn observe(&self, plant: &Plant, hand: &Pose, _before: &mut Vec<Pose>, to: &mut Vec<f64>) {
        let cube = body_pose(plant, self.cube);
        put(&cube, to);
        put_way(hand, &cube, to);
    }

    fn reward(&self, plant: &Plant, _hand: &Pose) -> f64 {
        f64::from(plant.data.xpos()[self.cube][2] > TABLE + 0.04)
    }

    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)> {
        vec![("cube", body_pose(plant, self.cube))]
    }
}
