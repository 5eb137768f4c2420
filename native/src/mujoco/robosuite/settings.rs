//! How the arm and the gripper are controlled: robosuite 1.5.2's defaults, and what the `env_args`
//! of a data set of robomimic's ask for instead.

use serde::{Deserialize, Serialize};

mod env_args;
#[cfg(test)]
mod tests;
mod words;
mod written;

pub use words::ABSOLUTE;

/// Settings of the controller OSC_POSE and of the gripper.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControllerSettings {
    /// Whether a physics step is `mj_step1`, control, `mj_step2` (from 1.5 on) rather than
    /// `mj_forward`, control, `mj_forward`, `mj_step` (up to 1.4, which computes the same numbers,
    /// but lets the solver converge further).
    pub lite_physics: bool,
    /// The frame of actions.
    pub input_frame: InputFrame,
    /// What actions are.
    pub input_type: InputType,
    /// Whether the goal's rotation stays where it is while the three numbers that turn it are 0 (up
    /// to 1.4); from 1.5 on every action sets it anew from the rotation that was reached.
    pub keeps_rotation: bool,
    /// How the gripper follows its command.
    pub grip: Grip,
    /// Gains of x, y, z (1/s²), and about them.
    pub kp: [f64; 6],
    /// Damping in parts of the critical.
    pub damping_ratio: [f64; 6],
    /// Bounds of an action's first six numbers.
    pub input_min: [f64; 6],
    /// See `input_min`.
    pub input_max: [f64; 6],
    /// What the bounds mean: m, rad.
    pub output_min: [f64; 6],
    /// See `output_min`.
    pub output_max: [f64; 6],
    /// Whether forces and torques are computed as if position and rotation did not act on each
    /// other.
    pub uncoupled: bool,
}

/// The frame of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputFrame {
    /// The robot's base.
    Base,
    /// The world.
    World,
}

/// What actions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputType {
    /// A way to go, scaled from `input_*` to `output_*`.
    Delta,
    /// Where to go, m and rad (a rotation vector), not scaled.
    Absolute,
}

/// How the gripper follows the sign of its command: by how much of its half range, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grip {
    /// 0.2 once a control step (from 1.5 on).
    EachControlStep,
    /// 0.01 in each physics step (up to 1.4).
    EachPhysicsStep,
}

impl Default for ControllerSettings {
    /// Those of robosuite 1.5.2: `controllers/config/robots/default_panda.json`.
    fn default() -> Self {
        let output = [0.05, 0.05, 0.05, 0.5, 0.5, 0.5];
        Self {
            lite_physics: true,
            input_frame: InputFrame::Base,
            input_type: InputType::Delta,
            keeps_rotation: false,
            grip: Grip::EachControlStep,
            kp: [150.0; 6],
            damping_ratio: [1.0; 6],
            input_min: [-1.0; 6],
            input_max: [1.0; 6],
            output_min: output.map(|v: f64| -v),
            output_max: output,
            uncoupled: true,
        }
    }
}

impl ControllerSettings {
    /// Those of robosuite 1.4.1.
    fn up_to_1_4() -> Self {
        Self {
            lite_physics: false,
            input_frame: InputFrame::World,
            keeps_rotation: true,
            grip: Grip::EachPhysicsStep,
            ..Self::default()
        }
    }
}
