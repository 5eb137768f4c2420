//! Two arms whose seeds belong together: seed k of both began with the same demonstrations and was
//! judged from the same starts, so that what counts is its own difference.

use super::{Estimate, bootstrap, mean};
use crate::rng::Rng;

/// The most pairs of which [`sign_flip_test`] goes through every assignment of signs.
pub const EXACT_SIGN_FLIPS: usize = 16;
/// Assignments of signs that are drawn where there are more pairs.
const FLIPS: usize = 100_000;

/// The mean of the differences, b minus a, with its 95% bootstrap interval over the pairs. The same
/// `seed` gives the same interval.
pub fn paired_difference(a: &[f64], b: &[f64], seed: u64) -> Estimate {
    bootstrap(&[differences(a, b)], mean, seed)
}

/// The two-sided p-value of the sign-flip permutation test (Fisher 1935; scipy's
/// `permutation_test` with `permutation_type="samples"`): how often the mean difference would be at
/// least as far from 0 if each pair's difference could as well have had the other sign.
///
/// Up to [`EXACT_SIGN_FLIPS`] pairs it is exact, over all 2^n assignments of signs; beyond, over
/// 100,000 that are drawn, the observed one counted among them. With n pairs it cannot be below
/// 2 / 2^n: six are needed for 0.05. 1 without pairs.
pub fn sign_flip_test(a: &[f64], b: &[f64]) -> f64 {
    let differences = differences(a, b);
    match differences.len() <= EXACT_SIGN_FLIPS {
        true => exact(&differences),
        false => drawn(&differences),
    }
}

/// What each pair differs by; values without a partner are left out.
fn differences(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| b - a).collect()
}

/// Sums that differ by rounding alone count as equal.
fn least_extreme(differences: &[f64]) -> f64 {
    let sum: f64 = differences.iter().sum();
    let all: f64 = differences.iter().map(|d| d.abs()).sum();
    sum.abs() - 1e-12 * all
}

fn exact(differences: &[f64]) -> f64 {
    let least = least_extreme(differences);
    let signed = |signs: usize, i: usize| match signs >> i & 1 {
        0 => differences[i],
        _ => -differences[i],
    };
    let all = 1_usize << differences.len();
    let is_extreme = |signs: &usize| {
        let sum: f64 = (0..differences.len()).map(|i| signed(*signs, i)).sum();
        sum.abs() >= least
    };
    (0..all).filter(is_extreme).count() as f64 / all as f64
}

fn drawn(differences: &[f64]) -> f64 {
    let least = least_extreme(differences);
    let mut rng = Rng::new(0, "statistics", 3);
    let mut flipped = || -> f64 {
        let signs = rng.indices(differences.len(), 2);
        let signed = signs.iter().zip(differences);
        signed
            .map(|(sign, d)| if *sign == 0 { *d } else { -d })
            .sum()
    };
    let extreme = (0..FLIPS).filter(|_| flipped().abs() >= least).count();
    (extreme + 1) as f64 / (FLIPS + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All signs alike have the least p there is, 2 over the number of assignments; the others are
    /// those of scipy 1.17 (`permutation_test((d,), mean, permutation_type="samples")`).
    #[test]
    fn sign_flips_have_the_known_values() {
        let zeros = [0.0; 8];
        let p = |d: &[f64]| sign_flip_test(&zeros[..d.len()], d);
        assert_eq!(p(&[0.1, 0.2, 0.3]), 2.0 / 8.0);
        assert_eq!(p(&[0.1, 0.2, 0.3, 0.4, 0.1, 0.2]), 2.0 / 64.0);
        assert_eq!(p(&[0.1, 0.2, -0.05, 0.4]), 4.0 / 16.0);
        let found = p(&[0.12, -0.03, 0.08, 0.2, -0.01, 0.05, 0.07, -0.02]);
        assert_eq!(found, 0.078_125);
        assert_eq!((p(&[]), p(&[0.0, 0.0]), p(&[0.1, -0.1])), (1.0, 1.0, 1.0));
    }

    /// Swapping the arms changes nothing, nor does rounding: 0.3 - 0.1 is as far as 0.2.
    #[test]
    fn sign_flips_do_not_take_sides() {
        let (a, b) = ([0.1, 0.5, 0.3, 0.7, 0.2], [0.3, 0.4, 0.9, 0.9, 0.5]);
        assert_eq!(sign_flip_test(&a, &b), sign_flip_test(&b, &a));
        let by_tenths = sign_flip_test(&[0.1, 0.1, 0.0], &[0.3, 0.3, 0.2]);
        assert_eq!(by_tenths, 0.25);
    }

    /// Where signs are drawn the p-value is near the exact one, and the same each time.
    #[test]
    fn many_pairs_are_tested_by_drawing() {
        let differences: Vec<f64> = (0..16).map(|i| (i as f64 * 0.37) % 1.0 - 0.35).collect();
        let (exact, near) = (exact(&differences), drawn(&differences));
        assert!((exact - near).abs() < 0.005, "{exact} {near}");
        let twenty = [0.1; 20];
        let p = sign_flip_test(&[0.0; 20], &twenty);
        assert!(p < 1e-4 && p == sign_flip_test(&[0.0; 20], &twenty), "{p}");
    }

    /// The paired interval does not widen with what the pairs have in common.
    #[test]
    fn pairing_takes_out_what_is_common() {
        let a = [0.1, 0.5, 0.9, 0.3];
        let b = a.map(|v| v + 0.05);
        let found = paired_difference(&a, &b, 0);
        assert!((found.value - 0.05).abs() < 1e-12);
        assert!(found.interval.high - found.interval.low < 1e-12);
    }
}
