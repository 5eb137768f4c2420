//! Rotations as robosuite computes them (utils/transform_utils.py): much of it in 32 bits, and the
//! rest of what numba makes of it in 64. Quaternions are x, y, z, w.

use super::lapack::fma;
/// The product of two matrices of 3 x 3.
pub use super::lapack::product;

/// A rotation matrix, row by row.
pub type Matrix = [[f64; 3]; 3];
/// x, y, z, w.
pub type Quaternion = [f64; 4];

/// The largest square of a quaternion's length that counts as none (`EPS`).
const EPSILON: f64 = 4.0 * f64::EPSILON;

/// A place and a rotation in the world.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Pose {
    /// m.
    pub position: [f64; 3],
    /// x, y, z, w.
    pub rotation: Quaternion,
}

/// MuJoCo's quaternion with its first number last (`convert_quat`).
pub fn scalar_last([w, x, y, z]: [f64; 4]) -> Quaternion {
    [x, y, z, w]
}

/// MuJoCo's nine numbers as rows.
pub fn rows(matrix: [f64; 9]) -> Matrix {
    let [a, b, c, d, e, f, g, h, i] = matrix;
    [[a, b, c], [d, e, f], [g, h, i]]
}

/// The transposed matrix.
pub fn transposed<const M: usize, const N: usize>(m: &[[f64; N]; M]) -> [[f64; M]; N] {
    std::array::from_fn(|row| std::array::from_fn(|column| m[column][row]))
}

/// A matrix times a vector, in the order of numpy's product of a matrix and a vector.
pub fn turned(m: &Matrix, v: [f64; 3]) -> [f64; 3] {
    m.map(|[a, b, c]| fma(c, v[2], fma(a, v[0], b * v[1])))
}

/// The scalar product.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
pub fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// a + b.
pub fn plus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

/// a - b.
pub fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The length.
pub fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

/// The quaternion of a rotation by as many radians as the vector is long (`axisangle2quat`).
pub fn axis_angle_to_quat(v: [f64; 3]) -> Quaternion {
    let [x, y, z] = v;
    let angle = fma(z, z, fma(y, y, x * x)).sqrt();
    if angle == 0.0 {
        return [0.0, 0.0, 0.0, 1.0];
    }
    let (sin, cos) = (angle / 2.0).sin_cos();
    let [x, y, z] = v.map(|a| a / angle * sin);
    [x, y, z, cos]
}

/// The matrix of such a rotation in 64 bits (scipy's `Rotation.from_rotvec`).
pub fn rotation_vector_to_mat(v: [f64; 3]) -> Matrix {
    let [x, y, z, w] = axis_angle_to_quat(v);
    let two = |a: f64, b: f64| 2.0 * a * b;
    [
        [
            x * x - y * y - z * z + w * w,
            two(x, y) - two(z, w),
            two(x, z) + two(y, w),
        ],
        [
            two(x, y) + two(z, w),
            -x * x + y * y - z * z + w * w,
            two(y, z) - two(x, w),
        ],
        [
            two(x, z) - two(y, w),
            two(y, z) + two(x, w),
            -x * x - y * y + z * z + w * w,
        ],
    ]
}

/// The matrix of a quaternion, with numba's types (`quat2mat`): products of the quaternion's
/// numbers in 32 bits, sums with the constant 1 in 64.
pub fn quat_to_mat([x, y, z, w]: Quaternion) -> Matrix {
    let q = [w, x, y, z].map(|v| v as f32);
    // BLAS adds the products of 32 bits up in 64.
    let n = q.iter().map(|v| f64::from(v * v)).sum::<f64>() as f32;
    if f64::from(n) < EPSILON {
        return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    }
    let scale = (2.0 / f64::from(n)).sqrt();
    let q = q.map(|v| (f64::from(v) * scale) as f32);
    let o = |a: usize, b: usize| q[a] * q[b];
    let diagonal = |a: usize, b: usize| 1.0 - f64::from(o(a, a)) - f64::from(o(b, b));
    let sum = |a: f32, b: f32| f64::from(a + b);
    [
        [
            diagonal(2, 3),
            sum(o(1, 2), -o(3, 0)),
            sum(o(1, 3), o(2, 0)),
        ],
        [
            sum(o(1, 2), o(3, 0)),
            diagonal(1, 3),
            sum(o(2, 3), -o(1, 0)),
        ],
        [
            sum(o(1, 3), -o(2, 0)),
            sum(o(2, 3), o(1, 0)),
            diagonal(1, 2),
        ],
    ]
}

/// The quaternion of a matrix, w >= 0 (`mat2quat`): the eigenvector of the largest eigenvalue of a
/// symmetric matrix K that is computed in 32 bits. Upstream finds it in 32 bits, too, off by up to
/// 5e-7; here it is exact.
pub fn mat_to_quat(matrix: &Matrix) -> Quaternion {
    let m = matrix.map(|row| row.map(|v| v as f32));
    let third = |v: f32| f64::from(v / 3.0);
    // The order is x, y, z, w; for a rotation q, K = (4 q q' - 1) / 3.
    let diagonal = [
        third(m[0][0] - m[1][1] - m[2][2]),
        third(m[1][1] - m[0][0] - m[2][2]),
        third(m[2][2] - m[0][0] - m[1][1]),
        third(m[0][0] + m[1][1] + m[2][2]),
    ];
    let xy = third(m[0][1] + m[1][0]);
    let xz = third(m[0][2] + m[2][0]);
    let yz = third(m[1][2] + m[2][1]);
    let xw = third(m[2][1] - m[1][2]);
    let yw = third(m[0][2] - m[2][0]);
    let zw = third(m[1][0] - m[0][1]);
    // Shifted so that the other eigenvalues are nearly 0, and powers converge at once.
    let [xx, yy, zz, ww] = diagonal.map(|v| v + 1.0 / 3.0);
    let k = [
        [xx, xy, xz, xw],
        [xy, yy, yz, yw],
        [xz, yz, zz, zw],
        [xw, yw, zw, ww],
    ];
    let largest = (0..4).max_by(|&a, &b| k[a][a].total_cmp(&k[b][b]));
    let mut q = unit(k[largest.unwrap_or(3)]);
    for _ in 0..4 {
        q = unit(k.map(|row| row.iter().zip(q).map(|(a, b)| a * b).sum()));
    }
    let sign = if q[3] < 0.0 { -1.0 } else { 1.0 };
    q.map(|v| f64::from((sign * v) as f32))
}

fn unit(q: [f64; 4]) -> [f64; 4] {
    let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
    q.map(|v| v / length)
}

/// The product of two quaternions, in 32 bits (`quat_multiply`).
pub fn quat_product(first: Quaternion, second: Quaternion) -> Quaternion {
    let [x0, y0, z0, w0] = second;
    let [x1, y1, z1, w1] = first;
    let product = [
        x1 * w0 + y1 * z0 - z1 * y0 + w1 * x0,
        -x1 * z0 + y1 * w0 + z1 * x0 + w1 * y0,
        x1 * y0 - y1 * x0 + z1 * w0 + w1 * z0,
        -x1 * x0 - y1 * y0 - z1 * z0 + w1 * w0,
    ];
    product.map(|v| f64::from(v as f32))
}

/// Where a thing is in the frame of another (`pose_inv`, `pose2mat`, `pose_in_A_to_pose_in_B`,
/// `mat2pose`). Both poses are rounded to 32 bits first.
pub fn relative(frame: &Pose, thing: &Pose) -> Pose {
    let rounded = |pose: &Pose| {
        let matrix = quat_to_mat(pose.rotation);
        (
            pose.position.map(|v| f64::from(v as f32)),
            matrix.map(|row| row.map(|v| f64::from(v as f32))),
        )
    };
    let (origin, axes) = rounded(frame);
    let (position, rotation) = rounded(thing);
    let back = transposed(&axes);
    let offset = turned(&back, origin);
    // In the order of a product of two matrices.
    let placed = |i: usize| {
        let [a, b, c] = back[i];
        let turned = fma(c, position[2], fma(b, position[1], a * position[0]));
        turned - offset[i]
    };
    Pose {
        position: [placed(0), placed(1), placed(2)],
        rotation: mat_to_quat(&product(&back, &rotation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of robosuite 1.5.2 with numba 0.68: `quat2mat`, to the last bit.
    #[test]
    fn matrices_are_upstreams_to_the_last_bit() {
        let turn = axis_angle_to_quat([0.1, -0.4, 0.25]);
        assert_eq!(quat_to_mat(turn), UPSTREAM);
    }

    const UPSTREAM: Matrix = [
        [0.890888836234808, -0.2600399851799011, -0.3724195063114166],
        [0.2208089977502823, 0.9644469236955047, -0.14520852267742157],
        [
            0.39693889021873474,
            0.047131072729825974,
            0.9166341675445437,
        ],
    ];

    /// A rotation survives the way to a matrix and back as well as 32 bits hold it.
    #[test]
    fn rotations_survive_the_way_to_a_matrix_and_back() {
        for v in [
            [0.1, -0.4, 0.25],
            [3.0, 0.2, -0.6],
            [0.0, 0.0, 3.1],
            [0.0; 3],
        ] {
            let q = axis_angle_to_quat(v);
            let back = mat_to_quat(&quat_to_mat(q));
            let off = q.iter().zip(back).map(|(a, b)| (a - b).abs());
            assert!(off.fold(0.0, f64::max) < 3e-7, "{q:?} became {back:?}");
        }
    }
}
