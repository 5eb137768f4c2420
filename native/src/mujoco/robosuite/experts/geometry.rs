//! What the experts need of vectors and rotations beyond what robosuite computes with.

use crate::mujoco::robosuite::transforms::{
    Matrix, Pose, axis_angle_to_quat, norm, plus, quat_to_mat, turned,
};

/// A place or a way in the world, m.
pub type Vec3 = [f64; 3];

/// Up in the world.
pub const UP: Vec3 = [0.0, 0.0, 1.0];

/// The multiple of a vector.
pub fn scaled(a: Vec3, factor: f64) -> Vec3 {
    a.map(|v| v * factor)
}

/// The distance seen from above.
pub fn distance_xy(a: Vec3, b: Vec3) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// A vector of length 1 in the same direction; x where there is none.
pub fn unit(a: Vec3) -> Vec3 {
    let length = norm(a);
    if length < 1e-9 {
        return [1.0, 0.0, 0.0];
    }
    scaled(a, 1.0 / length)
}

/// The rotation whose columns these are.
pub fn of_columns(x: Vec3, y: Vec3, z: Vec3) -> Matrix {
    [0, 1, 2].map(|i| [x[i], y[i], z[i]])
}

/// A turned axis: 0 is x.
pub fn column(r: &Matrix, axis: usize) -> Vec3 {
    [r[0][axis], r[1][axis], r[2][axis]]
}

/// A point of a body, given in its own frame.
pub fn point(body: &Pose, local: Vec3) -> Vec3 {
    plus(body.position, turned(&quat_to_mat(body.rotation), local))
}

/// The rotation about an axis whose length is the angle (rad).
pub fn about(axis: Vec3) -> Matrix {
    quat_to_mat(axis_angle_to_quat(axis))
}

/// The axis of a rotation times its angle (rad, 0 to pi).
pub fn axis_angle(r: &Matrix) -> Vec3 {
    let twice_sine = [r[2][1] - r[1][2], r[0][2] - r[2][0], r[1][0] - r[0][1]];
    let sine = 0.5 * norm(twice_sine);
    let cosine = 0.5 * (r[0][0] + r[1][1] + r[2][2] - 1.0);
    let angle = sine.atan2(cosine);
    if sine > 1e-6 {
        return scaled(twice_sine, 0.5 * angle / sine);
    }
    if cosine > 0.0 {
        return scaled(twice_sine, 0.5);
    }
    // A half turn: the axis is the longest column of r + 1.
    let columns = [0, 1, 2].map(|i| {
        let mut one = column(r, i);
        one[i] += 1.0;
        one
    });
    let longest = columns
        .into_iter()
        .max_by(|a, b| norm(*a).total_cmp(&norm(*b)));
    scaled(unit(longest.unwrap_or(UP)), angle)
}
