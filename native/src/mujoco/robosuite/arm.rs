//! The Panda in a scene: where its numbers are, and how a control step is played (robosuite 1.5.2:
//! environments/base.py `step`, robots/fixed_base_robot.py `control`).

use super::gripper::Gripper;
use super::lapack::gemv_t;
use super::osc::{ArmState, Frame, JOINTS, Osc};
use super::settings::{ControllerSettings, Grip};
use super::transforms::{Pose, cross, plus, rows, scalar_last};
use crate::mujoco::Plant;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// Length of an action: the way of the hand (3), its turn (3), the gripper.
pub const ACTION: usize = 7;
/// Physics steps of 2 ms per control step: 20 Hz.
pub const SUBSTEPS: usize = 25;
/// Where the joints are when a scene starts, but for noise, rad (models/robots/manipulators/
/// panda_robot.py `init_qpos`).
pub const REST: [f64; JOINTS] = {
    use std::f64::consts::PI;
    [
        0.0,
        PI / 16.0,
        0.0,
        -PI / 2.0 - PI / 3.0,
        0.0,
        PI - 0.2,
        PI / 4.0,
    ]
};
/// Where the fingers are when a scene starts, m.
const OPEN: [f64; 2] = [0.020833, -0.020833];
/// The fingers' joints and geoms have this prefix.
const GRIPPER: &str = "gripper0_right_";

/// The arm and its gripper, by index.
pub struct Panda {
    joints: [usize; JOINTS],
    dofs: [usize; JOINTS],
    /// Where the inertia of two joints is among the matrix' numbers; of the lower triangle.
    inertia: [[usize; JOINTS]; JOINTS],
    motors: [usize; JOINTS],
    torques: [[f64; 2]; JOINTS],
    fingers: [usize; 2],
    finger_motors: [usize; 2],
    finger_ranges: [[f64; 2]; 2],
    grip: usize,
    /// The body by whose center of mass MuJoCo counts the arm's motion.
    root: usize,
    base: usize,
    hand: usize,
}

/// What the controllers remember.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Controls {
    osc: Osc,
    gripper: Gripper,
    /// The arm as it was when the controller was made, until the first physics step: that step is
    /// controlled by it, since upstream's `update` finds that it has been called already. The
    /// fingers were not in their places then, which shows in the inertia.
    made: Option<ArmState>,
}

impl Panda {
    /// Finds it.
    ///
    /// # Errors
    /// When the scene lacks a part of it.
    pub fn find(plant: &Plant) -> Result<Self> {
        let model = plant.model();
        let joint = |name: &str| find(plant, Kind::mjOBJ_JOINT, name);
        let arm = numbered(|i| joint(&format!("robot0_joint{}", i + 1)))?;
        let fingers = numbered(|i| joint(&format!("{GRIPPER}finger_joint{}", i + 1)))?;
        let motor = |name: String| find(plant, Kind::mjOBJ_ACTUATOR, &name);
        let motors = numbered(|i| motor(format!("robot0_torq_j{}", i + 1)))?;
        let finger_motors = numbered(|i| motor(format!("{GRIPPER}gripper_finger_joint{}", i + 1)))?;
        let grip = site(plant, &format!("{GRIPPER}grip_site"))?;
        let dofs = arm.map(|joint: usize| model.jnt_dofadr()[joint] as usize);
        let held = model.site_bodyid()[grip] as usize;
        let range = |motor: usize| model.actuator_ctrlrange()[motor];
        Ok(Self {
            joints: arm.map(|joint| model.jnt_qposadr()[joint] as usize),
            inertia: lower_triangle(plant, &dofs)?,
            dofs,
            torques: motors.map(range),
            motors,
            fingers: fingers.map(|joint: usize| model.jnt_qposadr()[joint] as usize),
            finger_ranges: finger_motors.map(range),
            finger_motors,
            root: model.body_rootid()[held] as usize,
            grip,
            base: site(plant, "robot0_right_center")?,
            hand: body(plant, "robot0_right_hand")?,
        })
    }

    /// Brings a plant from any state to where upstream's reset has it before objects are placed:
    /// the simulation is made, the arm put in its place, the controllers made, the fingers put in
    /// their place. Each forward pass leaves the solver another point to start from; so there are
    /// as many as upstream has. Objects are to be placed next, then one more pass.
    pub fn begin(
        &self,
        plant: &mut Plant,
        settings: &ControllerSettings,
        joints: &[f64; JOINTS],
    ) -> Controls {
        plant.data.reset();
        plant.data.forward();
        put(plant, &self.joints, joints);
        let passes = match (settings.lite_physics, settings.grip) {
            // Of the arm's and of the gripper's controller.
            (true, _) => 2,
            // The arm's has one more.
            (false, Grip::EachControlStep) => 3,
            // 1.4 has no controller of the gripper.
            (false, Grip::EachPhysicsStep) => 2,
        };
        (0..passes).for_each(|_| plant.data.forward());
        let made = self.state(plant);
        put(plant, &self.fingers, &OPEN);
        Controls {
            osc: Osc::new(&made),
            gripper: Gripper::new(),
            made: Some(made),
        }
    }

    /// Plays an action for one control step. `sent` is shown what is sent to the actuators in each
    /// physics step.
    pub fn play(
        &self,
        plant: &mut Plant,
        settings: &ControllerSettings,
        controls: &mut Controls,
        action: &[f64; ACTION],
        mut sent: impl FnMut(&[f64]),
    ) {
        let [x, y, z, a, b, c, grip] = *action;
        for step in 0..SUBSTEPS {
            if settings.lite_physics {
                plant.data.step1();
            } else {
                plant.data.forward();
            }
            let seen = match controls.made.take() {
                Some(made) => made,
                None => {
                    if !settings.lite_physics {
                        plant.data.forward();
                    }
                    self.state(plant)
                }
            };
            let base = self.base(plant);
            if step == 0 {
                let goal = [x, y, z, a, b, c];
                controls.osc.set_goal(settings, &seen, &base, goal);
            }
            if step == 0 || settings.grip == Grip::EachPhysicsStep {
                controls.gripper.follow(grip, settings.grip);
            }
            self.control(plant, settings, controls, &seen, &base);
            sent(plant.data.ctrl());
            if settings.lite_physics {
                plant.data.step2();
            } else {
                plant.data.step();
            }
        }
    }

    fn control(
        &self,
        plant: &mut Plant,
        settings: &ControllerSettings,
        controls: &Controls,
        seen: &ArmState,
        base: &Frame,
    ) {
        let bias = self.dofs.map(|dof| plant.data.qfrc_bias()[dof]);
        let torques = controls.osc.torques(settings, seen, base, &bias);
        let fingers = controls.gripper.control(&self.finger_ranges);
        let ctrl = plant.data.ctrl_mut();
        for ((motor, torque), [low, high]) in self.motors.iter().zip(torques).zip(self.torques) {
            ctrl[*motor] = torque.clamp(low, high);
        }
        for (motor, place) in self.finger_motors.iter().zip(fingers) {
            ctrl[*motor] = place;
        }
    }

    /// What the controller sees of the arm, as far as positions and velocities are computed.
    fn state(&self, plant: &Plant) -> ArmState {
        let data = &plant.data;
        let position = data.site_xpos()[self.grip];
        let com = data.subtree_com()[self.root];
        let arm = [0, 1, 2].map(|i| position[i] - com[i]);
        let mut jacobian = [[0.0; JOINTS]; 6];
        for (column, &dof) in self.dofs.iter().enumerate() {
            // As mj_jac: about an axis through the center of mass.
            let [a, b, c, x, y, z] = data.cdof()[dof];
            let way = plus([x, y, z], cross([a, b, c], arm));
            let motion = [way, [a, b, c]];
            for (row, v) in jacobian.iter_mut().zip(motion.as_flattened()) {
                row[column] = *v;
            }
        }
        let speeds = self.dofs.map(|dof| data.qvel()[dof]);
        ArmState {
            position,
            rotation: rows(data.site_xmat()[self.grip]),
            velocity: velocity(&jacobian, &speeds),
            jacobian,
            inertia: self.inertia(plant),
            joints: self.joints.map(|at| data.qpos()[at]),
            speeds,
        }
    }

    fn inertia(&self, plant: &Plant) -> [[f64; JOINTS]; JOINTS] {
        let entries = plant.data.m();
        let mut inertia = [[0.0; JOINTS]; JOINTS];
        for row in 0..JOINTS {
            for column in 0..=row {
                let entry = entries[self.inertia[row][column]];
                inertia[row][column] = entry;
                inertia[column][row] = entry;
            }
        }
        inertia
    }

    /// Where the robot stands.
    fn base(&self, plant: &Plant) -> Frame {
        Frame {
            position: plant.data.site_xpos()[self.base],
            rotation: rows(plant.data.site_xmat()[self.base]),
        }
    }

    /// The joints of the arm among `qpos`, rad.
    pub fn joints(&self, qpos: &[f64]) -> [f64; JOINTS] {
        self.joints.map(|at| qpos[at])
    }

    /// The point between the fingers, and how the hand is turned: of the body of that name, as
    /// upstream observes it, which is not how the gripper is turned.
    pub fn hand(&self, plant: &Plant) -> Pose {
        Pose {
            position: plant.data.site_xpos()[self.grip],
            rotation: scalar_last(plant.data.xquat()[self.hand]),
        }
    }

    /// Where the fingers are, m: the left one in 0 to 0.04, the right one in -0.04 to 0.
    pub fn fingers(&self, plant: &Plant) -> [f64; 2] {
        self.fingers.map(|at| plant.data.qpos()[at])
    }
}

/// How fast the hand moves. Upstream multiplies by the speeds of all joints of the scene; that
/// those behind the arm's do not count shows in the order of sums.
fn velocity(jacobian: &[[f64; JOINTS]; 6], speeds: &[f64; JOINTS]) -> [f64; 6] {
    const WIDTH: usize = JOINTS + 1;
    let wide = |row: &[f64; JOINTS]| {
        let mut wide = [0.0; WIDTH];
        wide[..JOINTS].copy_from_slice(row);
        wide
    };
    let rows = jacobian.each_ref().map(wide);
    let speeds = wide(speeds);
    let mut velocity = [0.0; 6];
    for (rows, to) in rows.chunks(3).zip(velocity.chunks_mut(3)) {
        gemv_t((WIDTH, 3), rows.as_flattened(), WIDTH, (&speeds, 1), to);
    }
    velocity
}

/// Where each pair's inertia is: MuJoCo keeps the lower triangle, row by row, without what is
/// always zero.
fn lower_triangle(plant: &Plant, dofs: &[usize; JOINTS]) -> Result<[[usize; JOINTS]; JOINTS]> {
    let model = plant.model();
    let mut places = [[0; JOINTS]; JOINTS];
    for (row, &dof) in dofs.iter().enumerate() {
        let from = model.m_rowadr()[dof] as usize;
        let columns = &model.m_colind()[from..from + model.m_rownnz()[dof] as usize];
        for (column, &other) in dofs.iter().enumerate().take(row + 1) {
            let at = columns.iter().position(|&c| c as usize == other);
            places[row][column] =
                from + at.ok_or_else(|| of_another_version("a chain of joints"))?;
        }
    }
    Ok(places)
}

fn put<const N: usize>(plant: &mut Plant, at: &[usize; N], values: &[f64; N]) {
    let qpos = plant.data.qpos_mut();
    for (at, value) in at.iter().zip(values) {
        qpos[*at] = *value;
    }
}

/// Something for each number from 0 on.
fn numbered<const N: usize>(find: impl Fn(usize) -> Result<usize>) -> Result<[usize; N]> {
    let mut found = [0; N];
    for (i, to) in found.iter_mut().enumerate() {
        *to = find(i)?;
    }
    Ok(found)
}

/// The index of a thing in the scene.
///
/// # Errors
/// When there is none of this name.
pub fn find(plant: &Plant, kind: Kind, name: &str) -> Result<usize> {
    let found = plant.model().name_to_id(kind, name);
    found.ok_or_else(|| of_another_version(&format!("`{name}`")))
}

fn of_another_version(what: &str) -> Error {
    Error::failed(format!(
        "the scene of robosuite has no {what}: it is of another version"
    ))
}

/// The index of a body.
///
/// # Errors
/// When there is none of this name.
pub fn body(plant: &Plant, name: &str) -> Result<usize> {
    find(plant, Kind::mjOBJ_BODY, name)
}

/// The index of a site.
///
/// # Errors
/// When there is none of this name.
pub fn site(plant: &Plant, name: &str) -> Result<usize> {
    find(plant, Kind::mjOBJ_SITE, name)
}

/// The index of a geom.
///
/// # Errors
/// When there is none of this name.
pub fn geom(plant: &Plant, name: &str) -> Result<usize> {
    find(plant, Kind::mjOBJ_GEOM, name)
}
