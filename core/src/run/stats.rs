//! Statistics of success rates and learning curves.
//!
//! Rates come with Wilson intervals, differences of rates with Newcombe intervals, and everything
//! measured over seeds with a stratified bootstrap, as in Agarwal et al., "Deep reinforcement
//! learning at the edge of the statistical precipice" (2021), whose library is rliable. All
//! intervals are 95% and two-sided.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};

/// The standard normal quantile at 0.975.
const Z: f64 = 1.959_963_984_540_054;

/// Bootstrap resamples: the ends of an interval in [0, 1] are then steady to about 0.002 (rliable's
/// examples for curves take as many).
pub(crate) const RESAMPLES: usize = 2_000;

/// A range of plausible values, `low <= high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies inside, ends included.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }

    /// Whether two intervals share no point: a cautious sign that what they estimate differs.
    pub fn apart(&self, other: &Self) -> bool {
        self.high < other.low || other.high < self.low
    }
}

/// A value with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The value itself.
    pub value: f64,
    /// Its 95% interval.
    pub interval: Interval,
}

/// One seed's learning curve: (environment steps, success in [0, 1]), steps ascending.
pub type Curve = Vec<(f64, f64)>;

/// One point of a curve over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// Environment steps.
    pub step: f64,
    /// The statistic over seeds, with its bootstrap interval.
    pub estimate: Estimate,
}

/// The Wilson score interval of `successes` out of `n` (Wilson 1927); [0, 1] when `n` is 0.
/// Successes above `n` count as `n`.
pub fn wilson(successes: usize, n: usize) -> Interval {
    if n == 0 {
        return Interval {
            low: 0.0,
            high: 1.0,
        };
    }
    let successes = successes.min(n);
    let count = n as f64;
    let p = rate(successes, n);
    let center = p + Z * Z / (2.0 * count);
    let half = Z * libm::sqrt(p * (1.0 - p) / count + Z * Z / (4.0 * count * count));
    let scale = 1.0 + Z * Z / count;
    // With no success, or no failure, an end is 0 or 1 exactly; rounding must not say otherwise.
    let low = if successes == 0 {
        0.0
    } else {
        (center - half) / scale
    };
    let high = if successes == n {
        1.0
    } else {
        (center + half) / scale
    };
    Interval { low, high }
}

/// The difference of two success rates, b minus a, each given as (successes, n): Newcombe's hybrid
/// score interval (Newcombe 1998, method 10). The rates differ at the 5% level when the interval
/// does not contain 0.
pub fn difference(a: (usize, usize), b: (usize, usize)) -> Estimate {
    let pa = rate(a.0, a.1);
    let pb = rate(b.0, b.1);
    let wa = wilson(a.0, a.1);
    let wb = wilson(b.0, b.1);
    let value = pb - pa;
    let low = value - libm::hypot(pb - wb.low, wa.high - pa);
    let high = value + libm::hypot(wb.high - pb, pa - wa.low);
    Estimate {
        value,
        interval: Interval { low, high },
    }
}

/// Successes over episodes; 0 when there were none.
fn rate(successes: usize, n: usize) -> f64 {
    if n == 0 {
        0.0
    } else {
        successes.min(n) as f64 / n as f64
    }
}

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation with `n` in the denominator; 0 of nothing.
pub fn std(values: &[f64]) -> f64 {
    let center = mean(values);
    libm::sqrt(
        values
            .iter()
            .map(|v| (v - center) * (v - center))
            .sum::<f64>()
            / values.len().max(1) as f64,
    )
}

/// The interquartile mean: the mean of what is left after the lowest and the highest quarter, each
/// rounded down to whole values, were dropped (as scipy's `trim_mean(values, 0.25)`, which rliable
/// uses).
pub fn iqm(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let cut = sorted.len() / 4;
    mean(&sorted[cut..sorted.len() - cut])
}

/// A statistic over seeds with its stratified percentile-bootstrap interval (Agarwal et al. 2021,
/// section 4.1).
///
/// `strata` holds one list of per-seed scores for each task: seeds are drawn with replacement
/// within their task, and `statistic` sees all scores together. The same `seed` gives the same
/// interval, bit for bit.
pub fn bootstrap(strata: &[Vec<f64>], statistic: fn(&[f64]) -> f64, seed: u64) -> Estimate {
    let mut rng = Rng::new(seed, "statistics", 0);
    let resampled = (0..RESAMPLES)
        .map(|_| statistic(&resample(strata, &mut rng).concat()))
        .collect();
    Estimate {
        value: statistic(&strata.concat()),
        interval: percentiles(resampled),
    }
}

/// The probability that a run of b scores higher than a run of a, ties counted half: the
/// Mann-Whitney statistic over the number of pairs (Agarwal et al. 2021, section 4.3), with a
/// bootstrap interval over the seeds of both. Above 0.5 speaks for b; an interval that contains 0.5
/// says that the seeds do not decide. 0.5 when a side is empty.
pub fn probability_of_improvement(a: &[f64], b: &[f64], seed: u64) -> Estimate {
    let mut rng = Rng::new(seed, "statistics", 1);
    let sides = [a.to_vec(), b.to_vec()];
    let resampled = (0..RESAMPLES)
        .map(|_| resample(&sides, &mut rng))
        .map(|drawn| share_of_wins(&drawn[0], &drawn[1]))
        .collect();
    Estimate {
        value: share_of_wins(a, b),
        interval: percentiles(resampled),
    }
}

/// The share of pairs in which b is higher, ties counted half.
fn share_of_wins(a: &[f64], b: &[f64]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.5;
    }
    let score = |x: f64, y: f64| {
        if y > x {
            1.0
        } else {
            f64::from(u8::from(y == x)) / 2.0
        }
    };
    let wins: f64 = a
        .iter()
        .flat_map(|&x| b.iter().map(move |&y| score(x, y)))
        .sum();
    wins / (a.len() * b.len()) as f64
}

/// The two-sided p-value of the Mann-Whitney rank test: how often a random relabeling of the
/// scores separates a from b at least as far. Exact at every size and with ties (midranks), by
/// counting the subsets of each rank sum; 1 when a side is empty.
pub fn rank_test(a: &[f64], b: &[f64]) -> f64 {
    let ranks = doubled_ranks(&[a, b].concat());
    let counts = subsets_by_sum(&ranks, a.len());
    let observed: usize = ranks[..a.len()].iter().sum();
    // Twice the rank sum times the count of all, so that the distance from its mean stays whole.
    let mean = a.len() * ranks.iter().sum::<usize>();
    let distance = |sum: usize| (sum * ranks.len()).abs_diff(mean);
    let extreme: f64 = counts
        .iter()
        .enumerate()
        .filter(|(sum, _)| distance(*sum) >= distance(observed))
        .map(|(_, count)| count)
        .sum();
    extreme / counts.iter().sum::<f64>()
}

/// Twice the rank of each value, from 2 up; equal values share the middle of their ranks.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let rank = |v: f64| {
        values.iter().filter(|&&o| o < v).count() + values.iter().filter(|&&o| o <= v).count() + 1
    };
    values.iter().map(|&v| rank(v)).collect()
}

/// How many subsets of `size` of the ranks have each sum.
fn subsets_by_sum(ranks: &[usize], size: usize) -> Vec<f64> {
    let width = ranks.iter().sum::<usize>() + 1;
    let mut counts = vec![vec![0.0; width]; size + 1];
    counts[0][0] = 1.0;
    for &rank in ranks {
        for taken in (1..=size).rev() {
            for sum in (rank..width).rev() {
                counts[taken][sum] += counts[taken - 1][sum - rank];
            }
        }
    }
    counts.swap_remove(size)
}

/// Curves over seeds: at each step of `grid`, the mean over all seeds with its stratified-bootstrap
/// interval.
///
/// `strata` holds the seeds' curves of each task. Whole curves are drawn, so neighboring points
/// share their resamples (as rliable does). A curve counts at every step, by [`at`]; seeds without
/// points are left out. Empty without any points.
pub fn curve_over_seeds(strata: &[Vec<Curve>], grid: &[f64], seed: u64) -> Vec<CurvePoint> {
    let measured = |curves: &Vec<Curve>| {
        curves
            .iter()
            .filter(|c| !c.is_empty())
            .map(|c| on_grid(c, grid))
            .collect::<Vec<_>>()
    };
    let strata: Vec<Vec<Vec<f64>>> = strata
        .iter()
        .map(measured)
        .filter(|rows| !rows.is_empty())
        .collect();
    if strata.is_empty() {
        return Vec::new();
    }
    let mut rng = Rng::new(seed, "statistics", 2);
    let means = column_means(&strata.concat(), grid.len());
    let resampled: Vec<Vec<f64>> = (0..RESAMPLES)
        .map(|_| column_means(&resample(&strata, &mut rng).concat(), grid.len()))
        .collect();
    let point = |i: usize| Estimate {
        value: means[i],
        interval: percentiles(resampled.iter().map(|row| row[i]).collect()),
    };
    grid.iter()
        .enumerate()
        .map(|(i, &step)| CurvePoint {
            step,
            estimate: point(i),
        })
        .collect()
}

/// Every step at which one of the curves was measured, ascending. A seed that ended before the
/// others keeps its result (see [`at`]), so that the last mean is the mean of the results.
pub fn common_grid(curves: &[Curve]) -> Vec<f64> {
    let mut steps: Vec<f64> = curves.iter().flatten().map(|p| p.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    steps
}

/// A curve's height at `step`: straight between its points, level beyond its ends, `None` without
/// points.
pub fn at(curve: &[(f64, f64)], step: f64) -> Option<f64> {
    let next = curve.partition_point(|p| p.0 < step);
    let before = curve.get(next.saturating_sub(1))?;
    let after = curve.get(next).unwrap_or(before);
    let width = after.0 - before.0;
    Some(if width > 0.0 {
        before.1 + (after.1 - before.1) * (step - before.0) / width
    } else {
        after.1
    })
}

/// The area under a curve by the trapezoid rule over its width: the mean success during training. A
/// single point counts as itself.
pub fn area_under(curve: &[(f64, f64)]) -> f64 {
    let (Some(first), Some(last)) = (curve.first(), curve.last()) else {
        return 0.0;
    };
    let area: f64 = curve
        .windows(2)
        .map(|w| (w[1].0 - w[0].0) * (w[0].1 + w[1].1) / 2.0)
        .sum();
    let width = last.0 - first.0;
    if width > 0.0 { area / width } else { last.1 }
}

/// The first step at which a curve reaches `threshold`, straight between its points; `None` when it
/// never does.
pub fn steps_to(curve: &[(f64, f64)], threshold: f64) -> Option<f64> {
    let reached = curve.iter().position(|p| p.1 >= threshold)?;
    let (step, value) = curve[reached];
    let Some(&(earlier, below)) = reached.checked_sub(1).map(|i| &curve[i]) else {
        return Some(step);
    };
    Some(earlier + (step - earlier) * (threshold - below) / (value - below))
}

/// Draws as many as there are from each stratum, with replacement.
fn resample<T: Clone>(strata: &[Vec<T>], rng: &mut Rng) -> Vec<Vec<T>> {
    let mut draw = |stratum: &Vec<T>| {
        rng.indices(stratum.len(), stratum.len())
            .into_iter()
            .map(|i| stratum[i].clone())
            .collect()
    };
    strata.iter().map(&mut draw).collect()
}

/// The 2.5th and the 97.5th percentile, straight between order statistics (numpy's default).
fn percentiles(mut values: Vec<f64>) -> Interval {
    values.sort_by(f64::total_cmp);
    let quantile = |q: f64| {
        let position = q * (values.len() - 1) as f64;
        let i = position as usize;
        let part = position % 1.0;
        values[i] + part * (values[(i + 1).min(values.len() - 1)] - values[i])
    };
    Interval {
        low: quantile(0.025),
        high: quantile(0.975),
    }
}

/// A curve's heights at every step of the grid.
fn on_grid(curve: &Curve, grid: &[f64]) -> Vec<f64> {
    grid.iter().filter_map(|&step| at(curve, step)).collect()
}

/// The mean of each of `width` columns.
fn column_means(rows: &[Vec<f64>], width: usize) -> Vec<f64> {
    (0..width)
        .map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Interval, low: f64, high: f64, tolerance: f64) {
        assert!(
            (found.low - low).abs() < tolerance && (found.high - high).abs() < tolerance,
            "{found:?} is not [{low}, {high}]"
        );
    }

    /// Wilson's interval has the values of Newcombe (1998), "Two-sided confidence intervals for the
    /// single proportion", table I, method 3, and the ends 0 and 1 are exact.
    #[test]
    fn wilson_has_the_published_values() {
        close(wilson(81, 263), 0.2553, 0.3662, 5e-5);
        close(wilson(15, 148), 0.0624, 0.1605, 5e-5);
        close(wilson(1, 29), 0.0061, 0.1718, 5e-5);
        close(wilson(0, 20), 0.0, 0.1611, 5e-5);
        assert_eq!((wilson(0, 20).low, wilson(20, 20).high), (0.0, 1.0));
        assert_eq!(
            wilson(0, 0),
            Interval {
                low: 0.0,
                high: 1.0
            }
        );
    }

    /// The interval of a difference has the values of Newcombe (1998), "Interval estimation for the
    /// difference between independent proportions", table II, method 10.
    #[test]
    fn a_difference_has_the_published_values() {
        close(
            difference((48, 80), (56, 70)).interval,
            0.0524,
            0.3339,
            5e-5,
        );
        close(difference((3, 10), (9, 10)).interval, 0.1705, 0.8090, 5e-5);
        close(difference((0, 10), (10, 10)).interval, 0.6075, 1.0, 5e-5);
        assert!(difference((5, 10), (6, 10)).interval.contains(0.0));
    }

    /// The interquartile mean drops a quarter at each end, as scipy does (of ten values, two).
    #[test]
    fn the_interquartile_mean_ignores_outliers() {
        assert_eq!(iqm(&[900.0, 1.0, 2.0, -900.0]), 1.5);
        assert_eq!(
            iqm(&[0.0, 0.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 70.0, 70.0]),
            3.0
        );
        assert_eq!((iqm(&[]), iqm(&[4.0])), (0.0, 4.0));
    }

    /// A bootstrap is the same each time, contains the value it belongs to, and is as wide as
    /// theory says: 1.96 standard errors each way for a mean.
    #[test]
    fn the_bootstrap_is_deterministic_and_as_wide_as_theory_says() {
        let scores: Vec<f64> = Rng::new(1, "scores", 0)
            .normals(400)
            .into_iter()
            .map(f64::from)
            .collect();
        let strata = [scores.clone()];
        let found = bootstrap(&strata, mean, 7);
        assert_eq!(found, bootstrap(&strata, mean, 7));
        assert!(found.interval.contains(found.value));
        let half = Z * std(&scores) / (scores.len() as f64).sqrt();
        close(found.interval, found.value - half, found.value + half, 0.02);
    }

    /// Strata are resampled each on its own, so a difference between tasks adds no width.
    #[test]
    fn a_difference_between_tasks_adds_no_width() {
        let found = bootstrap(&[vec![0.0; 5], vec![1.0; 5]], mean, 0);
        assert_eq!(
            found,
            Estimate {
                value: 0.5,
                interval: Interval {
                    low: 0.5,
                    high: 0.5
                }
            }
        );
    }

    /// The probability of improvement is 1 for a clear win, 0.5 for equals, and its interval then
    /// says "undecided".
    #[test]
    fn the_probability_of_improvement_tells_wins_from_ties() {
        let clear = probability_of_improvement(&[0.1, 0.2, 0.3], &[0.7, 0.8, 0.9], 0);
        assert_eq!((clear.value, clear.interval.low), (1.0, 1.0));
        let tie = probability_of_improvement(&[0.1, 0.5, 0.9], &[0.1, 0.5, 0.9], 0);
        assert!(tie.value == 0.5 && tie.interval.contains(0.5) && tie.interval.low < 0.5);
        assert_eq!(probability_of_improvement(&[], &[1.0], 0).value, 0.5);
    }

    /// The rank test is exact: full separation has probability 2 over the number of ways to split,
    /// ties count by midranks, and swapping sides changes nothing. (The last value was enumerated:
    /// 6 of 20 splits.)
    #[test]
    fn the_rank_test_is_exact() {
        let p = |a: &[f64], b: &[f64]| rank_test(a, b);
        assert!((p(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]) - 2.0 / 20.0).abs() < 1e-12);
        assert!((p(&[5.0, 6.0, 7.0, 8.0], &[1.0, 2.0, 3.0, 4.0]) - 2.0 / 70.0).abs() < 1e-12);
        assert_eq!(
            (p(&[1.0, 1.0], &[1.0, 1.0]), p(&[], &[1.0]), p(&[], &[])),
            (1.0, 1.0, 1.0)
        );
        assert!(
            (p(&[1.0, 4.0, 5.0], &[2.0, 3.0, 6.0]) - p(&[2.0, 3.0, 6.0], &[1.0, 4.0, 5.0])).abs()
                < 1e-12
        );
        assert!((p(&[1.0, 2.0, 2.0], &[2.0, 3.0, 4.0]) - 6.0 / 20.0).abs() < 1e-12);
    }

    /// A curve over seeds passes through the means, its band holds them, one seed has no width, and
    /// seeds measured at different steps are compared at the same ones.
    #[test]
    fn a_curve_over_seeds_holds_the_mean() {
        let curves = vec![
            vec![(0.0, 0.0), (10.0, 1.0)],
            vec![(0.0, 0.2), (5.0, 0.4), (10.0, 0.6)],
            Curve::new(),
        ];
        let grid = common_grid(&curves);
        assert_eq!(grid, [0.0, 5.0, 10.0]);
        let points = curve_over_seeds(&[curves], &grid, 0);
        let means: Vec<f64> = points.iter().map(|p| p.estimate.value).collect();
        assert_eq!(means, [0.1, 0.45, 0.8]);
        assert!(
            points
                .iter()
                .all(|p| p.estimate.interval.contains(p.estimate.value))
        );
        let alone = curve_over_seeds(&[vec![vec![(0.0, 0.3), (4.0, 0.5)]]], &[0.0, 4.0], 0);
        assert!(
            alone
                .iter()
                .all(|p| p.estimate.interval.low == p.estimate.interval.high)
        );
        assert!(curve_over_seeds(&[vec![Curve::new()]], &[], 0).is_empty());
    }

    /// Area and threshold are those of the straight lines between the points, and never reaching it
    /// is `None`.
    #[test]
    fn area_and_threshold_follow_straight_lines() {
        let curve = [(0.0, 0.2), (100.0, 0.6), (200.0, 1.0)];
        assert!((area_under(&curve) - 0.6).abs() < 1e-12);
        assert_eq!((area_under(&[]), area_under(&[(5.0, 0.3)])), (0.0, 0.3));
        assert!((steps_to(&curve, 0.8).unwrap() - 150.0).abs() < 1e-9);
        assert_eq!(
            (steps_to(&curve, 0.1), steps_to(&curve[..2], 0.8)),
            (Some(0.0), None)
        );
        assert_eq!(
            (at(&curve, -5.0), at(&curve, 500.0), at(&[], 1.0)),
            (Some(0.2), Some(1.0), None)
        );
    }
}
