//! What dense rewards are made of; after `metaworld/utils/reward_utils.py` (there: by the authors
//! of dm_control).

/// 1 where `low <= x <= high`, falling off outside with a long tail: 0.1 at a distance of `margin`,
/// 0 at any if that is 0.
pub fn tolerance(x: f64, (low, high): (f64, f64), margin: f64) -> f64 {
    if (low..=high).contains(&x) {
        return 1.0;
    }
    if margin == 0.0 {
        return 0.0;
    }
    let distance = if x < low { low - x } else { x - high } / margin;
    1.0 / ((3.0 * distance).powi(2) + 1.0)
}

/// 1 where `0 <= x <= radius`, falling off outside.
pub fn near(x: f64, radius: f64, margin: f64) -> f64 {
    tolerance(x, (0.0, radius), margin)
}

/// The same with a short tail: 0.1 at a distance of `margin`, 0.0001 at twice that.
pub fn near_sharply(x: f64, radius: f64, margin: f64) -> f64 {
    if x <= radius {
        1.0
    } else {
        0.1_f64.powf(((x - radius) / margin).powi(2))
    }
}

/// 1 where the hand is above a funnel whose floor is `floor`, falling off below it over `margin`,
/// all in meters.
pub fn above(floor: f64, hand: f64, margin: f64) -> f64 {
    if hand >= floor {
        1.0
    } else {
        near(floor - hand, 0.01, margin)
    }
}

/// The Hamacher product of two numbers in [0, 1]: high where both are.
pub fn hamacher(a: f64, b: f64) -> f64 {
    let denominator = a + b - a * b;
    if denominator > 0.0 {
        a * b / denominator
    } else {
        0.0
    }
}

/// The length of what separates two points.
pub fn distance<const N: usize>(a: [f64; N], b: [f64; N]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// The length of what separates two points, seen along an axis: 0 x, 1 y, 2 z.
pub fn distance_along(axis: usize, mut a: [f64; 3], b: [f64; 3]) -> f64 {
    a[axis] = b[axis];
    distance(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Full marks inside the bounds, a tenth at the margin, and no product above its factors.
    #[test]
    fn rewards_fall_off_as_upstream_says() {
        assert_eq!(tolerance(0.5, (0.0, 1.0), 0.2), 1.0);
        assert!((tolerance(1.2, (0.0, 1.0), 0.2) - 0.1).abs() < 1e-12);
        assert!((tolerance(-0.2, (0.0, 1.0), 0.2) - 0.1).abs() < 1e-12);
        assert_eq!(tolerance(1.2, (0.0, 1.0), 0.0), 0.0);
        assert_eq!(near_sharply(0.9, 1.0, 0.2), 1.0);
        assert!((near_sharply(1.2, 1.0, 0.2) - 0.1).abs() < 1e-12);
        assert!((near_sharply(1.4, 1.0, 0.2) - 1e-4).abs() < 1e-12);
        assert_eq!((hamacher(0.0, 0.0), hamacher(1.0, 0.3)), (0.0, 0.3));
        assert!((hamacher(0.5, 0.5) - 1.0 / 3.0).abs() < 1e-12);
    }
}
