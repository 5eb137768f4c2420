//! Statistics of success rates and learning curves.
//!
//! Rates come with Wilson intervals, differences of rates with Newcombe intervals, and everything
//! measured over seeds with a stratified bootstrap, as in Agarwal et al., "Deep reinforcement
//! learning at the edge of the statistical precipice" (2021), whose library is rliable. All
//! intervals are 95% and two-sided.

mod paired;
mod student;

pub use paired::{EXACT_SIGN_FLIPS, paired_difference, sign_flip_test};
pub use student::{t_interval, t_quantile};

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
    let scores = distinct(&[a, b].concat());
    let sides = [a, b].map(|side| places(side, &scores));
    let wins = |drawn: &[Vec<usize>]| share_of_wins(&drawn[0], &drawn[1], scores.len());
    let resampled = (0..RESAMPLES)
        .map(|_| wins(&resample(&sides, &mut rng)))
        .collect();
    Estimate {
        value: wins(&sides),
        interval: percentiles(resampled),
    }
}

/// The probability of improvement over several tasks, as rliable defines it (Agarwal et al. 2021,
/// section 4.3): the mean of the tasks' own probabilities, since scores of different tasks are no
/// pairs; with a bootstrap interval in which the seeds of each task and side are drawn anew. Each
/// task has the scores of a and those of b; those without either are left out. 0.5 of none.
pub fn probability_of_improvement_over_tasks(
    tasks: &[(Vec<f64>, Vec<f64>)],
    seed: u64,
) -> Estimate {
    let mut rng = Rng::new(seed, "statistics", 1);
    let both = |(a, b): &&(Vec<f64>, Vec<f64>)| !a.is_empty() && !b.is_empty();
    let placed = |(a, b): &(Vec<f64>, Vec<f64>)| {
        let scores = distinct(&[&a[..], b].concat());
        let sides = [a, b].map(|side| places(side, &scores));
        (sides, scores.len())
    };
    let tasks: Vec<([Vec<usize>; 2], usize)> = tasks.iter().filter(both).map(placed).collect();
    if tasks.is_empty() {
        let interval = Interval {
            low: 0.5,
            high: 0.5,
        };
        return Estimate {
            value: 0.5,
            interval,
        };
    }
    let wins = |sides: &[Vec<usize>], count: usize| share_of_wins(&sides[0], &sides[1], count);
    let own: Vec<f64> = tasks.iter().map(|(sides, n)| wins(sides, *n)).collect();
    let mut again = || {
        let drawn = tasks.iter().map(|(s, n)| wins(&resample(s, &mut rng), *n));
        mean(&drawn.collect::<Vec<_>>())
    };
    let resampled = (0..RESAMPLES).map(|_| again()).collect();
    Estimate {
        value: mean(&own),
        interval: percentiles(resampled),
    }
}

/// The share of pairs in which b is higher, ties counted half. Scores are given by their places
/// among the `distinct` ones, so that what grows is the sum of both sides, not the product.
fn share_of_wins(a: &[usize], b: &[usize], distinct: usize) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.5;
    }
    let mut counts = vec![[0_u64; 2]; distinct];
    a.iter().for_each(|&place| counts[place][0] += 1);
    b.iter().for_each(|&place| counts[place][1] += 1);
    // Twice the wins, so that ties stay whole.
    let mut doubled = 0;
    let mut below = 0;
    for [of_a, of_b] in counts {
        doubled += of_b * (2 * below + of_a);
        below += of_a;
    }
    doubled as f64 / 2.0 / (a.len() * b.len()) as f64
}

/// The values in order, equal ones once.
fn distinct(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    sorted
}

/// The place of each value among the distinct ones.
fn places(values: &[f64], distinct: &[f64]) -> Vec<usize> {
    let last = distinct.len().saturating_sub(1);
    let place = |&v: &f64| distinct.partition_point(|&o| o < v).min(last);
    values.iter().map(place).collect()
}

/// The most scores, both sides together, that [`rank_test`] counts exactly: time and memory grow
/// with the cube of their number.
pub const EXACT_RANK_TEST: usize = 100;

/// The two-sided p-value of the Mann-Whitney rank test: how often a random relabeling of the
/// scores separates a from b at least as far; 1 when a side is empty.
///
/// Up to [`EXACT_RANK_TEST`] scores it is exact, with ties (midranks), too: the subsets of each
/// rank sum are counted. Beyond, it is that of the normal distribution, corrected for ties and
/// continuity. With 25 scores a side or more that is off by at most 0.003, and by at most 0.0007
/// where p is below 0.1; a side of a few scores against very many makes it coarser.
pub fn rank_test(a: &[f64], b: &[f64]) -> f64 {
    let ranks = doubled_ranks(&[a, b].concat());
    if ranks.len() <= EXACT_RANK_TEST {
        exact_rank_test(&ranks, a.len())
    } else {
        normal_rank_test(&ranks, a.len())
    }
}

/// By the rank sums of all subsets of as many ranks as the first side has.
fn exact_rank_test(ranks: &[usize], first: usize) -> f64 {
    let counts = subsets_by_sum(ranks, first);
    let observed: usize = ranks[..first].iter().sum();
    // Twice the rank sum times the count of all, so that the distance from its mean stays whole.
    let mean = first * ranks.iter().sum::<usize>();
    let distance = |sum: usize| (sum * ranks.len()).abs_diff(mean);
    let extreme: f64 = counts
        .iter()
        .enumerate()
        .filter(|(sum, _)| distance(*sum) >= distance(observed))
        .map(|(_, count)| count)
        .sum();
    extreme / counts.iter().sum::<f64>()
}

/// By the normal distribution of the rank sum (Lehmann 1975, section 1.3).
fn normal_rank_test(ranks: &[usize], first: usize) -> f64 {
    let all = ranks.len() as f64;
    let n = first as f64;
    // The mean of all ranks, twice, is their number and one.
    let center = all + 1.0;
    let squares: f64 = ranks.iter().map(|&r| (r as f64 - center).powi(2)).sum();
    // Ties are in the ranks' own variance. Doubled ranks: four times the variance.
    let variance = n * (all - n) / (all * (all - 1.0)) * squares / 4.0;
    if first == 0 || first == ranks.len() || variance <= 0.0 {
        return 1.0;
    }
    let sum = ranks[..first].iter().map(|&r| r as f64).sum::<f64>() / 2.0;
    let beyond = ((sum - n * center / 2.0).abs() - 0.5).max(0.0);
    libm::erfc(beyond / libm::sqrt(2.0 * variance))
}

/// Twice the rank of each value, from 2 up; equal values share the middle of their ranks.
fn doubled_ranks(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank =
        |v: f64| sorted.partition_point(|&o| o < v) + sorted.partition_point(|&o| o <= v) + 1;
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
    let rows: Vec<Vec<&Vec<f64>>> = strata.iter().map(|rows| rows.iter().collect()).collect();
    let means = column_means(&rows.concat(), grid.len());
    let resampled: Vec<Vec<f64>> = (0..RESAMPLES)
        .map(|_| column_means(&resample(&rows, &mut rng).concat(), grid.len()))
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

/// The most steps of a common grid: more than a picture has places for.
const GRID: usize = 1000;
/// The most heights of all curves on their common grid, which is drawn anew in each resample.
const HEIGHTS: usize = 1_000_000;

/// Every step at which one of the curves was measured, ascending. Of very many, some that are
/// spread evenly over them, both ends among them: at most 1000, and 100 where there are thousands
/// of curves. A seed that ended before the others keeps its result (see [`at`]), so that the last
/// mean is the mean of the results.
pub fn common_grid(curves: &[Curve]) -> Vec<f64> {
    let mut steps: Vec<f64> = curves.iter().flatten().map(|p| p.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.dedup();
    let most = (HEIGHTS / curves.len().max(1)).clamp(GRID / 10, GRID);
    if steps.len() <= most {
        return steps;
    }
    let last = steps.len() - 1;
    (0..most).map(|i| steps[i * last / (most - 1)]).collect()
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

/// The success that a run ends with: the mean of the last three points of its curve, or of as many
/// as there are; none without points. A single point is uncertain, and the best one is chosen.
pub fn final_success(curve: &[(f64, f64)]) -> Option<f64> {
    let tail: Vec<f64> = curve.iter().rev().take(3).rev().map(|p| p.1).collect();
    (!tail.is_empty()).then(|| mean(&tail))
}

/// When the runs of one arm reach a height.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reached {
    /// The first step at which each run does, as by [`steps_to`]; none where it never does.
    pub runs: Vec<Option<f64>>,
    /// The median over all runs, those that never do being later than all others; none where that
    /// is among them.
    pub median: Option<f64>,
}

/// When each run of an arm reaches `plateau`, such as the mean of what a rival's runs end with.
pub fn steps_to_plateau(curves: &[Curve], plateau: f64) -> Reached {
    let runs: Vec<Option<f64>> = curves.iter().map(|c| steps_to(c, plateau)).collect();
    let mut sorted: Vec<f64> = runs.iter().map(|r| r.unwrap_or(f64::INFINITY)).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = |i: usize| sorted.get(i).copied().unwrap_or(f64::INFINITY);
    let half = sorted.len() / 2;
    let median = match sorted.len() % 2 {
        0 => 0.5 * (middle(half.saturating_sub(1)) + middle(half)),
        _ => middle(half),
    };
    Reached {
        runs,
        median: Some(median).filter(|m| m.is_finite()),
    }
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
fn column_means(rows: &[&Vec<f64>], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width];
    for row in rows {
        sums.iter_mut().zip(*row).for_each(|(sum, v)| *sum += v);
    }
    sums.iter().map(|sum| sum / rows.len() as f64).collect()
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

    /// Over several tasks it is the mean of the tasks' own (rliable's
    /// `probability_of_improvement`), not that of all scores together; over one task it is the
    /// same as without tasks, interval included.
    #[test]
    fn the_probability_of_improvement_is_a_mean_over_tasks() {
        let easy = (vec![0.8, 0.9], vec![0.85, 0.95]);
        let hard = (vec![0.1, 0.2], vec![0.3, 0.05]);
        let found = probability_of_improvement_over_tasks(&[easy.clone(), hard], 0);
        assert_eq!(found.value, (0.75 + 0.5) / 2.0);
        assert!(found.interval.contains(found.value));
        let pooled = probability_of_improvement(&[0.8, 0.9, 0.1, 0.2], &[0.85, 0.95, 0.3, 0.05], 0);
        assert_ne!(found.value, pooled.value);
        let one = probability_of_improvement_over_tasks(std::slice::from_ref(&easy), 5);
        assert_eq!(one, probability_of_improvement(&easy.0, &easy.1, 5));
        let none = probability_of_improvement_over_tasks(&[(vec![], vec![1.0])], 0);
        assert_eq!(none.value, 0.5);
    }

    /// A run ends with the mean of its last three points, and fewer count as they are.
    #[test]
    fn a_run_ends_with_its_last_three_points() {
        let curve = [(0.0, 0.1), (1.0, 0.5), (2.0, 0.75), (3.0, 1.0)];
        assert_eq!(final_success(&curve), Some(0.75));
        assert_eq!(
            (final_success(&curve[..1]), final_success(&[])),
            (Some(0.1), None)
        );
    }

    /// Runs that never reach a plateau count as later than all others.
    #[test]
    fn a_plateau_is_reached_by_some() {
        let to = |top: f64| vec![(0.0, 0.0), (100.0, top)];
        let reached = steps_to_plateau(&[to(1.0), to(0.8), to(0.2)], 0.4);
        assert_eq!(reached.runs, [Some(40.0), Some(50.0), None]);
        assert_eq!(reached.median, Some(50.0));
        assert_eq!(steps_to_plateau(&[to(1.0), to(0.2)], 0.4).median, None);
        assert_eq!(
            steps_to_plateau(&[to(1.0), to(0.8)], 0.4).median,
            Some(45.0)
        );
        assert_eq!(steps_to_plateau(&[], 0.4).median, None);
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

    /// Beyond what is counted exactly, p is that of the normal distribution as scipy has it
    /// (`mannwhitneyu(a, b, method="asymptotic")`), with ties and without; and the two meet at the
    /// border.
    #[test]
    fn many_scores_are_tested_by_the_normal_distribution() {
        let scores = |n: usize, of: fn(usize) -> f64| (0..n).map(of).collect::<Vec<f64>>();
        let ties = rank_test(
            &scores(60, |i| (i * 7 % 11) as f64 / 10.0),
            &scores(55, |i| ((i * 5 % 11 + 2) as f64 / 10.0).min(1.0)),
        );
        assert!((ties - 0.004_289_323_913_278).abs() < 1e-12, "{ties}");
        let apart = rank_test(
            &scores(60, |i| i as f64 * 0.37 % 1.0),
            &scores(70, |i| (i as f64 * 0.61 + 0.05) % 1.0),
        );
        assert!((apart - 0.947_868_769_295_793).abs() < 1e-9, "{apart}");
        let exact = rank_test(
            &scores(20, |i| 2.0 * i as f64),
            &scores(20, |i| 11.0 + 2.0 * i as f64),
        );
        assert!((exact - 0.009_483_607_191_205).abs() < 1e-12, "{exact}");
        for shift in [0, 10, 25, 40] {
            let ranks = doubled_ranks(
                &(0..100)
                    .map(|i| {
                        f64::from(if i < 50 {
                            2 * i
                        } else {
                            2 * (i - 50) + 1 + shift
                        })
                    })
                    .collect::<Vec<f64>>(),
            );
            let difference = exact_rank_test(&ranks, 50) - normal_rank_test(&ranks, 50);
            assert!(difference.abs() < 0.003, "{shift}: {difference}");
        }
        let same = vec![0.5; 200];
        assert_eq!((rank_test(&same, &same), rank_test(&[], &same)), (1.0, 1.0));
    }

    /// Wins are counted as pair by pair, with ties, whatever the order.
    #[test]
    fn wins_are_counted_as_pair_by_pair() {
        let a: Vec<f64> = (0..37).map(|i| f64::from(i * 5 % 7)).collect();
        let b: Vec<f64> = (0..23).map(|i| f64::from(i * 3 % 11)).collect();
        let pair = |x: f64, y: f64| f64::from(u8::from(y > x) * 2 + u8::from(y == x)) / 2.0;
        let pairs = a.iter().flat_map(|&x| b.iter().map(move |&y| pair(x, y)));
        let share = pairs.sum::<f64>() / (a.len() * b.len()) as f64;
        assert_eq!(probability_of_improvement(&a, &b, 0).value, share);
    }

    /// Of very many steps some are left, both ends among them, and fewer where curves are many.
    #[test]
    fn a_common_grid_has_an_end() {
        let curve = |k: usize| {
            (0..300)
                .map(|i| ((i * 97 + k) as f64, 0.5))
                .collect::<Curve>()
        };
        for (curves, most) in [(20, 1000), (5000, 200)] {
            let curves: Vec<Curve> = (0..curves).map(curve).collect();
            let grid = common_grid(&curves);
            let all = curves.iter().flatten().map(|point| point.0);
            assert_eq!(grid.len(), most);
            assert_eq!((grid[0], grid[most - 1]), (0.0, all.fold(0.0, f64::max)));
            assert!(grid.is_sorted());
        }
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
