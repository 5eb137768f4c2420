//! Vectors, and angles as upstream counts them (gymnasium_robotics/utils/rotations.py).

/// Below this a rotation about y is so near a right angle that x and z cannot be told apart: 4
/// times the machine's epsilon.
const EPSILON: f64 = 4.0 * f64::EPSILON;

/// a - b.
pub fn minus(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

/// The scalar product.
pub fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The length.
pub fn norm(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

/// The length of the way from b to a.
pub fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    norm(minus(a, b))
}

/// The quaternion (w first) of Euler angles, rad: upstream's `euler2quat`.
pub fn euler_to_quat(euler: [f64; 3]) -> [f64; 4] {
    let (si, ci) = (euler[2] / 2.0).sin_cos();
    let (sj, cj) = (-euler[1] / 2.0).sin_cos();
    let (sk, ck) = (euler[0] / 2.0).sin_cos();
    let cc = ci * ck;
    let cs = ci * sk;
    let sc = si * ck;
    let ss = si * sk;
    [
        cj * cc + sj * ss,
        cj * cs - sj * sc,
        -(cj * ss + sj * cc),
        cj * sc - sj * cs,
    ]
}

/// The Euler angles, rad, of a quaternion (w first): upstream's `quat2euler`.
pub fn quat_to_euler([w, x, y, z]: [f64; 4]) -> [f64; 3] {
    let s = 2.0 / (w * w + x * x + y * y + z * z);
    let xs = x * s;
    let ys = y * s;
    let zs = z * s;
    let m = [
        [1.0 - (y * ys + z * zs), x * ys - w * zs, x * zs + w * ys],
        [x * ys + w * zs, 1.0 - (x * xs + z * zs), y * zs - w * xs],
        [x * zs - w * ys, y * zs + w * xs, 1.0 - (x * xs + y * ys)],
    ];
    let cy = (m[2][2] * m[2][2] + m[1][2] * m[1][2]).sqrt();
    let about_y = -(-m[0][2]).atan2(cy);
    if cy > EPSILON {
        [-m[1][2].atan2(m[2][2]), about_y, -m[0][1].atan2(m[0][0])]
    } else {
        [0.0, about_y, -(-m[1][0]).atan2(m[1][1])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Angles survive the way to a quaternion and back.
    #[test]
    fn angles_survive_the_way_to_a_quaternion_and_back() {
        for euler in [[0.3, -0.7, 1.1], [-1.0, 0.9, 0.0], [0.0, 0.0, 0.0]] {
            let back = quat_to_euler(euler_to_quat(euler));
            assert!(distance(euler, back) < 1e-12, "{euler:?} became {back:?}");
        }
    }
}
