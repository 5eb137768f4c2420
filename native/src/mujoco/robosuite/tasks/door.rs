//! Turn the handle and open the door: environments/manipulation/door.py, with its latch.

use super::{Task, body_pose};
use crate::mujoco::Plant;
use crate::mujoco::robosuite::arm::{body, find, site};
use crate::mujoco::robosuite::observe::put_way;
use crate::mujoco::robosuite::starts::{Area, Shape, put_fixture};
use crate::mujoco::robosuite::transforms::{Pose, mat_to_quat, rows};
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::Result;
use protege_core::rng::Rng;
use std::f64::consts::FRAC_PI_2;

/// Where the door starts: counted from the middle of the table's upper side.
const AREA: Area = Area {
    reference: [-0.2, -0.35, 0.8],
    x: [0.07, 0.09],
    y: [-0.01, 0.01],
    z_offset: 0.0,
    angle: [-FRAC_PI_2 - 0.25, -FRAC_PI_2],
};
/// Its sites in models/assets/objects/door_lock.xml.
const DOOR: Shape = Shape {
    radius: 0.3,
    top: 0.3,
    bottom: -0.3,
};
/// How far it has to be open, rad.
const OPEN: f64 = 0.3;

/// Things in the scene, by index.
pub struct Door {
    root: usize,
    door: usize,
    frame: usize,
    latch: usize,
    handle: usize,
    hinge: usize,
    latch_joint: usize,
}

impl Door {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        let joint = |name: &str| -> Result<usize> {
            let joint = find(plant, Kind::mjOBJ_JOINT, name)?;
            Ok(plant.model().jnt_qposadr()[joint] as usize)
        };
        Ok(Self {
            root: body(plant, "Door_main")?,
            door: body(plant, "Door_door")?,
            frame: body(plant, "Door_frame")?,
            latch: body(plant, "Door_latch")?,
            handle: site(plant, "Door_handle")?,
            hinge: joint("Door_hinge")?,
            latch_joint: joint("Door_latch_joint")?,
        })
    }

    fn handle(&self, plant: &Plant) -> Pose {
        Pose {
            position: plant.data.site_xpos()[self.handle],
            rotation: mat_to_quat(&rows(plant.data.site_xmat()[self.handle])),
        }
    }
}

impl Task for Door {
    fn fixture(&self) -> Option<usize> {
        Some(self.root)
    }

    fn place(&self, plant: &mut Plant, rng: &mut Rng) {
        let placed = AREA.draw(DOOR, &[], rng);
        put_fixture(plant, self.root, placed.upright());
    }

    fn observe(&self, plant: &Plant, hand: &Pose, _before: &mut Vec<Pose>, to: &mut Vec<f64>) {
        let door = body_pose(plant, self.door);
        let handle = self.handle(plant);
        to.extend(door.position);
        to.extend(handle.position);
        to.push(plant.data.qpos()[self.hinge]);
        put_way(hand, &door, to);
        put_way(hand, &handle, to);
        to.push(plant.data.qpos()[self.latch_joint]);
    }

    fn reward(&self, plant: &Plant, _hand: &Pose) -> f64 {
        f64::from(plant.data.qpos()[self.hinge] > OPEN)
    }

    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)> {
        vec![
            ("frame", body_pose(plant, self.frame)),
            ("door", body_pose(plant, self.door)),
            ("latch", body_pose(plant, self.latch)),
            ("handle", self.handle(plant)),
        ]
    }
}
