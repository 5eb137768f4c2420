//! Panda with its gripper, on a mount (`robosuite/models/robots/manipulators/panda_robot.py`,
//! `grippers/panda_gripper.py`, `bases/rethink_mount.py`).

use super::composition::Composition;
use super::part::color;
use mujoco_rs::wrappers::mj_editing::MjsJoint;
use protege_core::Result;

/// Where the robot stands at a table of 0.8 m, m: 0.16 m from its edge.
pub const AT_TABLE: [f64; 3] = [-0.16 - 0.8 / 2.0, 0.0, 0.0];
/// Where it stands at the bins, m.
pub const AT_BINS: [f64; 3] = [-0.5, -0.1, 0.0];

/// Where the mount's root is in its file, and how high above it the arm begins, m.
const MOUNT: [f64; 2] = [-0.922, -0.01];
/// Damping of the arm's joints, N m s/rad.
const DAMPING: [f64; 7] = [0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01];

/// Adds the robot; `at` is where its mount meets the floor, m.
pub fn add(scene: &mut Composition, at: [f64; 3]) -> Result<()> {
    let [root, top] = MOUNT;
    let mut arm = scene.read("robots/panda/robot.xml")?;
    arm.name_geoms()?;
    arm.recolor(color::ROBOT);
    let joints = arm.spec.joint_iter_mut();
    for ((i, joint), damping) in joints.enumerate().zip(DAMPING) {
        set_dynamics(joint, i, damping);
    }
    *arm.body("base")?.pos_mut() = [at[0], at[1], at[2] - (root - top)];
    scene.attach("world", &mut arm, "robot0_")?;

    let mut mount = scene.read("bases/rethink_mount.xml")?;
    mount.name_geoms()?;
    mount.recolor(color::MOUNT);
    *mount.body("base")?.pos_mut() = [0.0, 0.0, -top];
    scene.attach("robot0_base", &mut mount, "fixed_mount0_")?;

    let mut gripper = scene.read("grippers/panda_gripper.xml")?;
    gripper.name_geoms()?;
    gripper.recolor(color::GRIPPER);
    scene.attach("robot0_right_hand", &mut gripper, "gripper0_right_")
}

/// What upstream gives the joint number `i` of an arm (`RobotModel`).
fn set_dynamics(joint: &mut MjsJoint, i: usize, damping: f64) {
    joint.set_frictionloss(0.1);
    joint.set_armature(5.0 / (i + 1) as f64);
    joint.damping_mut()[0] = damping;
}
