//! Operational space control, OSC_POSE (robosuite 1.5.2: controllers/parts/arm/osc.py and
//! utils/control_utils.py; 1.4.1: controllers/osc.py): torques that bring the hand to a goal, and,
//! as far as that leaves the arm free, its joints to where they began. Every product is computed in
//! upstream's order.

use super::lapack::{inverse, product, pseudoinverse, times};
use super::settings::{ControllerSettings, InputFrame, InputType};
use super::transforms::{
    Matrix, axis_angle_to_quat, cross, minus, plus, quat_to_mat, rotation_vector_to_mat,
    transposed, turned,
};
use serde::{Deserialize, Serialize};

/// Joints of the arm.
pub const JOINTS: usize = 7;
/// Gain that draws the joints back, 1/s².
const JOINT_KP: f64 = 10.0;

/// A number for each joint.
pub type Joints = [f64; JOINTS];
/// Along and about x, y and z.
pub type Wrench = [f64; 6];

/// What the controller knows of the arm at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmState {
    /// Where the point between the fingers is, m.
    pub position: [f64; 3],
    /// How the gripper is turned.
    pub rotation: Matrix,
    /// How fast that point moves, m/s and rad/s.
    pub velocity: Wrench,
    /// The same by each joint's speed: a row for each direction.
    pub jacobian: [Joints; 6],
    /// Of the arm, kg m².
    pub inertia: [Joints; JOINTS],
    /// rad.
    pub joints: Joints,
    /// rad/s.
    pub speeds: Joints,
}

/// A frame of reference: where it is, and its axes as columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// m.
    pub position: [f64; 3],
    /// Its axes as columns.
    pub rotation: Matrix,
}

/// Where the hand is to go, in the frame of actions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Goal {
    position: [f64; 3],
    rotation: Matrix,
}

/// The controller of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Osc {
    goal: Goal,
    /// Where the joints are drawn back to, rad.
    rest: Joints,
}

impl Osc {
    /// A controller that is made when the arm is so, which is what it is drawn back to.
    pub fn new(seen: &ArmState) -> Self {
        Self {
            // Whatever the frame of actions, as upstream (`reset_goal`). It only counts where the
            // goal's rotation may stay, up to 1.4, whose frame is the world's.
            goal: Goal {
                position: seen.position,
                rotation: seen.rotation,
            },
            rest: seen.joints,
        }
    }

    /// Sets the goal by an action's first six numbers (`set_goal`).
    pub fn set_goal(
        &mut self,
        settings: &ControllerSettings,
        seen: &ArmState,
        base: &Frame,
        action: Wrench,
    ) {
        if settings.input_type == InputType::Absolute {
            let [x, y, z, turn @ ..] = action;
            self.goal = Goal {
                position: [x, y, z],
                // 1.5 takes scipy's in 64 bits.
                rotation: if settings.keeps_rotation {
                    quat_to_mat(axis_angle_to_quat(turn))
                } else {
                    rotation_vector_to_mat(turn)
                },
            };
            return;
        }
        let [x, y, z, turn @ ..] = scale(settings, action);
        let (position, rotation) = match settings.input_frame {
            InputFrame::World => (seen.position, seen.rotation),
            InputFrame::Base => in_frame(base, seen),
        };
        self.goal.position = plus(position, [x, y, z]);
        if !settings.keeps_rotation || turn != [0.0; 3] {
            let turn = quat_to_mat(axis_angle_to_quat(turn));
            self.goal.rotation = product(&turn, &rotation);
        }
    }

    /// The torques of this moment, N m, not yet cut to what the motors can do (`run_controller`).
    /// `bias` is what holds the arm against gravity and its own motion. Of a state that is not
    /// finite they are not, either.
    pub fn torques(
        &self,
        settings: &ControllerSettings,
        seen: &ArmState,
        base: &Frame,
        bias: &Joints,
    ) -> Joints {
        let pull = self.pull(settings, seen, base);
        let speed_gain = JOINT_KP.sqrt() * 2.0;
        let draw: Joints = std::array::from_fn(|i| {
            JOINT_KP * (self.rest[i] - seen.joints[i]) - speed_gain * seen.speeds[i]
        });
        let wanted = Wanted {
            pull,
            draw,
            uncoupled: settings.uncoupled,
        };
        let torques = wanted.torques(seen, bias);
        torques.unwrap_or([f64::NAN; JOINTS])
    }

    /// The acceleration that is wished for, along and about x, y, z.
    fn pull(&self, settings: &ControllerSettings, seen: &ArmState, base: &Frame) -> Wrench {
        let (position, rotation) = match settings.input_frame {
            InputFrame::World => (self.goal.position, self.goal.rotation),
            InputFrame::Base => (
                plus(base.position, turned(&base.rotation, self.goal.position)),
                product(&base.rotation, &self.goal.rotation),
            ),
        };
        let way = minus(position, seen.position);
        let turn = rotation_error(&rotation, &seen.rotation);
        let error = [way, turn];
        let error = error.as_flattened();
        std::array::from_fn(|i| {
            let kp = settings.kp[i];
            let kd = 2.0 * kp.sqrt() * settings.damping_ratio[i];
            error[i] * kp - seen.velocity[i] * kd
        })
    }
}

/// Cuts an action to its bounds, and stretches these to those of the output (`scale_action`).
fn scale(settings: &ControllerSettings, action: Wrench) -> Wrench {
    std::array::from_fn(|i| {
        let (in_min, in_max) = (settings.input_min[i], settings.input_max[i]);
        let (out_min, out_max) = (settings.output_min[i], settings.output_max[i]);
        let stretch = (out_max - out_min).abs() / (in_max - in_min).abs();
        let cut = action[i].clamp(in_min, in_max);
        (cut - (in_max + in_min) / 2.0) * stretch + (out_max + out_min) / 2.0
    })
}

/// The hand in the base's frame (`goal_origin_to_eef_pose`).
fn in_frame(base: &Frame, seen: &ArmState) -> ([f64; 3], Matrix) {
    let back = transposed(&base.rotation);
    let offset = turned(&back, base.position);
    let position = minus(turned(&back, seen.position), offset);
    (position, product(&back, &seen.rotation))
}

/// The way from a rotation to another as a vector (`orientation_error`).
fn rotation_error(desired: &Matrix, current: &Matrix) -> [f64; 3] {
    let desired = transposed(desired);
    let current = transposed(current);
    let [x, y, z] = [0, 1, 2].map(|axis| cross(current[axis], desired[axis]));
    plus(plus(x, y), z).map(|v| 0.5 * v)
}

/// What an arm is to do.
struct Wanted {
    /// The hand's acceleration.
    pull: Wrench,
    /// The joints', as far as the hand allows.
    draw: Joints,
    /// Whether force and torque are computed as if neither moved what the other does.
    uncoupled: bool,
}

impl Wanted {
    /// The torques that do it.
    fn torques(&self, seen: &ArmState, bias: &Joints) -> Option<Joints> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("fma") {
            // SAFETY: the processor has these instructions.
            #[allow(unsafe_code, reason = "only the processor can say what it has")]
            return unsafe { self.torques_by_fma(seen, bias) };
        }
        self.compute(seen, bias)
    }

    /// The same numbers, faster.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "fma")]
    fn torques_by_fma(&self, seen: &ArmState, bias: &Joints) -> Option<Joints> {
        self.compute(seen, bias)
    }

    #[inline(always)]
    fn compute(&self, seen: &ArmState, bias: &Joints) -> Option<Joints> {
        let jacobian = &seen.jacobian;
        let columns = transposed(jacobian);
        // Symmetric: its rows are its columns.
        let inertia = &seen.inertia;
        let inverse = transposed(&inverse(inertia)?);
        // J M^-1 J'
        let mobility = product(&product(jacobian, &inverse), &columns);
        let coupled = pseudoinverse(&mobility)?;
        let wrench = if self.uncoupled {
            let [x, y, z, a, b, c] = self.pull;
            let force = times(
                &transposed(&pseudoinverse(&block(&mobility, 0))?),
                &[x, y, z],
            );
            let torque = times(
                &transposed(&pseudoinverse(&block(&mobility, 3))?),
                &[a, b, c],
            );
            [
                force[0], force[1], force[2], torque[0], torque[1], torque[2],
            ]
        } else {
            times(&transposed(&coupled), &self.pull)
        };
        // What the hand does not feel: 1 - M^-1 J' (J M^-1 J')^-1 J.
        let felt = product(&product(&inverse, &columns), &coupled);
        let felt = product(&felt, jacobian);
        let free: [Joints; JOINTS] =
            std::array::from_fn(|i| std::array::from_fn(|j| f64::from(i == j) - felt[i][j]));
        let drawn = times(&free, &times(inertia, &self.draw));
        let led = times(jacobian, &wrench);
        Some(std::array::from_fn(|i| led[i] + bias[i] + drawn[i]))
    }
}

/// Three rows and columns on the diagonal.
fn block(m: &[Wrench; 6], from: usize) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| m[from + i][from + j]))
}
