//! Vectors and rotations, as far as the experts need them.

use protege_core::sim::{Pose, Vec3};

/// A rotation, row by row: its columns are the turned axes.
pub type Rotation = [[f64; 3]; 3];

/// a + b.
pub fn plus(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// a - b.
pub fn minus(a: Vec3, b: Vec3) -> Vec3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The multiple of a vector.
pub fn scaled(a: Vec3, factor: f64) -> Vec3 {
    a.map(|v| v * factor)
}

/// The scalar product.
pub fn dot(a: Vec3, b: Vec3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
pub fn cross(a: Vec3, b: Vec3) -> Vec3 {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// The length.
pub fn norm(a: Vec3) -> f64 {
    dot(a, a).sqrt()
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

/// The rotation of a unit quaternion, w first.
pub fn matrix([w, x, y, z]: [f64; 4]) -> Rotation {
    [
        [
            1.0 - 2.0 * (y * y + z * z),
            2.0 * (x * y - w * z),
            2.0 * (x * z + w * y),
        ],
        [
            2.0 * (x * y + w * z),
            1.0 - 2.0 * (x * x + z * z),
            2.0 * (y * z - w * x),
        ],
        [
            2.0 * (x * z - w * y),
            2.0 * (y * z + w * x),
            1.0 - 2.0 * (x * x + y * y),
        ],
    ]
}

/// The rotation whose columns these are.
pub fn of_columns(x: Vec3, y: Vec3, z: Vec3) -> Rotation {
    [0, 1, 2].map(|i| [x[i], y[i], z[i]])
}

/// A turned axis: 0 is x.
pub fn column(r: &Rotation, axis: usize) -> Vec3 {
    [r[0][axis], r[1][axis], r[2][axis]]
}

/// The rotation the other way.
pub fn transposed(r: &Rotation) -> Rotation {
    of_columns(r[0], r[1], r[2])
}

/// The vector, turned.
pub fn turned(r: &Rotation, a: Vec3) -> Vec3 {
    r.map(|row| dot(row, a))
}

/// First `b`, then `a`.
pub fn product(a: &Rotation, b: &Rotation) -> Rotation {
    let columns = [0, 1, 2].map(|i| turned(a, column(b, i)));
    of_columns(columns[0], columns[1], columns[2])
}

/// A point of a body, given in its own frame.
pub fn point(body: &Pose, local: Vec3) -> Vec3 {
    plus(body.position, turned(&matrix(body.rotation), local))
}

/// The rotation about an axis whose length is the angle (rad).
pub fn about(axis: Vec3) -> Rotation {
    let angle = norm(axis);
    let [x, y, z] = unit(axis).map(|v| v * (0.5 * angle).sin());
    matrix([(0.5 * angle).cos(), x, y, z])
}

/// The axis of a rotation times its angle (rad, 0 to pi).
pub fn axis_angle(r: &Rotation) -> Vec3 {
    let twice_sine = [
        r[2][1] - r[1][2],
        r[0][2] - r[2][0],
        r[1][0] - r[0][1],
    ];
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
    let longest = columns.into_iter().max_by(|a, b| norm(*a).total_cmp(&norm(*b)));
    scaled(unit(longest.unwrap_or([1.0, 0.0, 0.0])), angle)
}
