//! Operational space control, OSC_POSE (robosuite 1.5.2: controllers/parts/arm/osc.py and
//! utils/control_utils.py; 1.4.1: controllers/osc.py): torques that bring the hand to a goal, and,
//! as far as that leaves the arm free, its joints to where they began.

use super::settings::{ControllerSettings, InputFrame, InputType};
use super::transforms::{
    Matrix, axis_angle_to_quat, cross, minus, plus, product, quat_to_mat, transposed, turned,
};
use nalgebra::{Cholesky, Const, Matrix3, SMatrix, SVector, Vector3};
use serde::{Deserialize, Serialize};

/// Joints of the arm.
pub const JOINTS: usize = 7;
/// Gain that draws the joints back, 1/s².
const JOINT_KP: f64 = 10.0;
/// Ratio of singular values below which a direction counts as lost (`np.linalg.pinv`).
const LOST: f64 = 1e-15;
/// Ratio of pivots below which singular values are looked at: long before the above, so that its
/// rule is the one that decides.
const SUSPECT: f64 = 1e-12;

type Joints = SVector<f64, JOINTS>;
type Inertia = SMatrix<f64, JOINTS, JOINTS>;
type Jacobian = SMatrix<f64, 6, JOINTS>;
type Mobility = SMatrix<f64, 6, 6>;
type Wrench = SVector<f64, 6>;

/// What the controller knows of the arm at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmState {
    /// Where the point between the fingers is, m.
    pub position: [f64; 3],
    /// How the gripper is turned.
    pub rotation: Matrix,
    /// The velocity of that point (x, y, z, then about them) by each joint's.
    pub jacobian: [[f64; JOINTS]; 6],
    /// Of the arm, kg m².
    pub inertia: [[f64; JOINTS]; JOINTS],
    /// rad.
    pub joints: [f64; JOINTS],
    /// rad/s.
    pub speeds: [f64; JOINTS],
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
    rest: [f64; JOINTS],
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
        action: [f64; 6],
    ) {
        let scaled = match settings.input_type {
            InputType::Delta => scale(settings, action),
            InputType::Absolute => action,
        };
        let [x, y, z, a, b, c] = scaled;
        let turn = [a, b, c];
        if settings.input_type == InputType::Absolute {
            self.goal = Goal {
                position: [x, y, z],
                rotation: absolute_rotation(settings, turn),
            };
            return;
        }
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
    /// `bias` is what holds the arm against gravity and its own motion.
    pub fn torques(
        &self,
        settings: &ControllerSettings,
        seen: &ArmState,
        base: &Frame,
        bias: &[f64; JOINTS],
    ) -> [f64; JOINTS] {
        let jacobian = Jacobian::from_fn(|row, column| seen.jacobian[row][column]);
        let inertia = Inertia::from_fn(|row, column| seen.inertia[row][column]);
        let speeds = Joints::from(seen.speeds);
        let pull = self.pull(settings, seen, base, &(jacobian * speeds));
        let draw = (Joints::from(self.rest) - Joints::from(seen.joints)) * JOINT_KP
            - speeds * (2.0 * JOINT_KP.sqrt());
        // J M^-1 J' by M = L L': (L^-1 J')' (L^-1 J'). M is positive definite where the arm has
        // mass; a state that is not finite gives torques that are not, which is seen elsewhere.
        let Some(factor) = Cholesky::new(inertia) else {
            return [f64::NAN; JOINTS];
        };
        let mut half: SMatrix<f64, JOINTS, 6> = jacobian.transpose();
        factor.l_dirty().solve_lower_triangular_mut(&mut half);
        let mobility: Mobility = half.tr_mul(&half);
        let wrench = if settings.uncoupled {
            apart(&mobility, &pull)
        } else {
            solve(&mobility, &pull)
        };
        // The null space's matrix, transposed, times M draw: M draw - J' (J M^-1 J')^-1 J draw.
        let taken = solve(&mobility, &(jacobian * draw));
        let torques = jacobian.tr_mul(&(wrench - taken)) + inertia * draw + Joints::from(*bias);
        torques.into()
    }

    /// The acceleration that is wished for, along and about x, y, z.
    fn pull(
        &self,
        settings: &ControllerSettings,
        seen: &ArmState,
        base: &Frame,
        velocity: &Wrench,
    ) -> Wrench {
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
        Wrench::from_fn(|i, _| {
            let kp = settings.kp[i];
            let kd = 2.0 * kp.sqrt() * settings.damping_ratio[i];
            error[i] * kp - velocity[i] * kd
        })
    }
}

/// Cuts an action to its bounds, and stretches these to those of the output (`scale_action`).
fn scale(settings: &ControllerSettings, action: [f64; 6]) -> [f64; 6] {
    std::array::from_fn(|i| {
        let (in_min, in_max) = (settings.input_min[i], settings.input_max[i]);
        let (out_min, out_max) = (settings.output_min[i], settings.output_max[i]);
        let stretch = (out_max - out_min).abs() / (in_max - in_min).abs();
        let cut = action[i].clamp(in_min, in_max);
        (cut - (in_max + in_min) / 2.0) * stretch + (out_max + out_min) / 2.0
    })
}

/// The rotation of an absolute action, by 1.5 (scipy, 64 bits) or by 1.4.
fn absolute_rotation(settings: &ControllerSettings, turn: [f64; 3]) -> Matrix {
    if settings.keeps_rotation {
        return quat_to_mat(axis_angle_to_quat(turn));
    }
    let rotation = nalgebra::Rotation3::new(Vector3::from(turn));
    let m = rotation.matrix();
    std::array::from_fn(|row| std::array::from_fn(|column| m[(row, column)]))
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

/// Force and torque, as if neither moved what the other does.
fn apart(mobility: &Mobility, pull: &Wrench) -> Wrench {
    let block = |from: usize| -> Matrix3<f64> { mobility.fixed_view::<3, 3>(from, from).into() };
    let part = |from: usize| -> Vector3<f64> { pull.fixed_rows::<3>(from).into() };
    let force = solve_3(&block(0), &part(0));
    let torque = solve_3(&block(3), &part(3));
    let both = [force.into(), torque.into()] as [[f64; 3]; 2];
    Wrench::from_column_slice(both.as_flattened())
}

/// The pseudoinverse of a symmetric matrix without negative eigenvalues times a vector. Where the
/// arm can move in all six directions, it is the inverse.
fn solve(matrix: &Mobility, right: &Wrench) -> Wrench {
    match Cholesky::new(*matrix) {
        Some(factor) if is_regular(&factor.l_dirty().diagonal()) => factor.solve(right),
        _ => {
            let parts = matrix.svd(true, true);
            let bound = LOST * parts.singular_values[0];
            parts.solve(right, bound).unwrap_or(*right)
        }
    }
}

/// The same of three directions.
fn solve_3(matrix: &Matrix3<f64>, right: &Vector3<f64>) -> Vector3<f64> {
    match Cholesky::new(*matrix) {
        Some(factor) if is_regular(&factor.l_dirty().diagonal()) => factor.solve(right),
        _ => {
            let parts = matrix.svd(true, true);
            let bound = LOST * parts.singular_values[0];
            parts.solve(right, bound).unwrap_or(*right)
        }
    }
}

/// Whether no pivot is so small that a direction might be lost.
fn is_regular<const N: usize>(roots: &SMatrix<f64, N, 1>) -> bool
where
    Const<N>: nalgebra::DimName,
{
    let least = roots.min();
    let most = roots.max();
    least * least > SUSPECT * most * most
}
