//! Put the red cube onto the green one: environments/manipulation/stack.py.

use super::{Task, body_pose, touch};
use crate::mujoco::Plant;
use crate::mujoco::robosuite::arm::{body, geom};
use crate::mujoco::robosuite::observe::{put, put_way};
use crate::mujoco::robosuite::starts::{ANY, Area, Free, Shape};
use crate::mujoco::robosuite::transforms::Pose;
use protege_core::Result;
use protege_core::rng::Rng;

/// Height of the table, m.
const TABLE: f64 = 0.8;
/// Where the cubes start.
const AREA: Area = Area {
    reference: [0.0, 0.0, TABLE],
    x: [-0.08, 0.08],
    y: [-0.08, 0.08],
    z_offset: 0.01,
    angle: ANY,
};

/// Things in the scene, by index: of the red cube, then of the green one.
pub struct Stack {
    cubes: [usize; 2],
    shapes: [usize; 2],
    joints: [Free; 2],
    pads: [usize; 2],
}

impl Stack {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        let pad = |finger| {
            geom(
                plant,
                &format!("gripper0_right_finger{finger}_pad_collision"),
            )
        };
        Ok(Self {
            cubes: [body(plant, "cubeA_main")?, body(plant, "cubeB_main")?],
            shapes: [geom(plant, "cubeA_g0")?, geom(plant, "cubeB_g0")?],
            joints: [Free::find(plant, "cubeA")?, Free::find(plant, "cubeB")?],
            pads: [pad(1)?, pad(2)?],
        })
    }

    /// Whether both fingers touch the red cube (`_check_grasp`).
    fn is_grasped(&self, plant: &Plant) -> bool {
        let cube = self.shapes[0];
        let pads = self.pads.iter();
        pads.into_iter()
            .all(|&pad| touch(plant, |a| a == pad, |b| b == cube))
    }
}

impl Task for Stack {
    fn place(&self, plant: &mut Plant, rng: &mut Rng) {
        let mut placed = Vec::new();
        for (shape, joint) in self.shapes.iter().zip(&self.joints) {
            let shape = Shape::of_box(plant.model().geom_size()[*shape]);
            let cube = AREA.draw(shape, &placed, rng);
            joint.put(plant, cube.upright());
            placed.push(cube);
        }
    }

    fn observe(&self, plant: &Plant, hand: &Pose, _before: &mut Vec<Pose>, to: &mut Vec<f64>) {
        let [red, green] = self.cubes.map(|cube| body_pose(plant, cube));
        put(&red, to);
        put(&green, to);
        put_way(&red, &green, to);
        put_way(hand, &red, to);
        put_way(hand, &green, to);
    }

    fn reward(&self, plant: &Plant, _hand: &Pose) -> f64 {
        let is_lifted = plant.data.xpos()[self.cubes[0]][2] > TABLE + 0.04;
        let [red, green] = self.shapes;
        let lies_on = || touch(plant, |a| a == red, |b| b == green);
        f64::from(is_lifted && !self.is_grasped(plant) && lies_on())
    }

    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)> {
        let [red, green] = self.cubes.map(|cube| body_pose(plant, cube));
        vec![("red", red), ("green", green)]
    }
}
