//! Demonstrator action coverage: how much of the demonstrator's probability every one of its
//! actions keeps.

use super::{Size, Table};

/// The largest gamma with policy_h(a|s) >= gamma demonstrator_h(a|s) for all actions, states and
/// steps: a number in [0, 1].
pub fn coverage(policy: &Table, demonstrator: &Table) -> f64 {
    policy
        .rows()
        .zip(demonstrator.rows())
        .map(|(policy, demonstrator)| row_coverage(policy, demonstrator))
        .fold(1.0, f64::min)
}

/// Coverage at one step and state: both rows are distributions over actions.
pub(crate) fn row_coverage(policy: &[f64], demonstrator: &[f64]) -> f64 {
    policy
        .iter()
        .zip(demonstrator)
        // An action that the demonstrator never takes needs no cover.
        .filter(|(_, p)| **p > 0.0)
        .map(|(policy, p)| policy / p)
        .fold(1.0, f64::min)
}

/// The largest gamma that coverage reaches with probability at least 1 - delta, estimated from the
/// coverages of many independent data sets: their delta-quantile, rounded down. 0 of none.
pub(crate) fn largest_coverage(coverages: &[f64], delta: f64) -> f64 {
    let mut sorted = coverages.to_vec();
    sorted.sort_by(f64::total_cmp);
    // Those below the value at this place are at most delta of all. The margin keeps 0.1 * 30 from
    // being 2.
    let place = (delta * sorted.len() as f64 + 1e-9) as usize;
    sorted
        .get(place.min(sorted.len().saturating_sub(1)))
        .copied()
        .unwrap_or(0.0)
}

/// Lemma 1: with probability at least 1 - delta, PostBC gives each action whose demonstrator
/// probability is `p` at least alpha min{p / (64 log(SH/delta)), 1/(2 lambda)}. For delta <= 0.9
/// and lambda >= A.
pub fn coverage_bound(size: Size, alpha: f64, lambda: f64, delta: f64, p: f64) -> f64 {
    let log = libm::log((size.states * size.horizon) as f64 / delta);
    alpha * (p / (64.0 * log)).min(1.0 / (2.0 * lambda))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::theory::demonstrations::visit_counts;
    use crate::theory::estimators::uniform_noise;
    use crate::theory::{
        Problem, bc, demonstrate, examples, post_bc, theorem_alpha, theorem_lambda,
    };

    const SIZE: Size = Size {
        horizon: 4,
        states: 8,
        actions: 6,
    };

    /// Coverage is the smallest ratio where the demonstrator acts at all; what it never does need
    /// not be kept.
    #[test]
    fn coverage_is_the_smallest_ratio() {
        let size = Size {
            horizon: 1,
            states: 2,
            actions: 3,
        };
        let table = |values: [f64; 6]| Table {
            size,
            values: values.to_vec(),
        };
        let demonstrator = table([0.5, 0.5, 0.0, 0.9, 0.0, 0.1]);
        assert_eq!(coverage(&demonstrator, &demonstrator), 1.0);
        assert!(
            (coverage(&table([0.4, 0.4, 0.2, 0.9, 0.05, 0.05]), &demonstrator) - 0.5).abs() < 1e-12
        );
        assert_eq!(
            coverage(&table([1.0, 0.0, 0.0, 0.9, 0.0, 0.1]), &demonstrator),
            0.0
        );
    }

    /// The coverage that is reported is reached by at least 1 - delta of the data sets, and the
    /// next larger one is not.
    #[test]
    fn the_quantile_holds_for_enough_data_sets() {
        for n in 1..40 {
            let coverages: Vec<f64> = Rng::new(n, "coverages", 0)
                .indices(n as usize, 1000)
                .into_iter()
                .map(|v| v as f64)
                .collect();
            for delta in [0.0, 0.05, 0.1, 0.5, 0.9] {
                let gamma = largest_coverage(&coverages, delta);
                let needed = (1.0 - delta) * n as f64 - 1e-9;
                assert!(coverages.iter().filter(|&&c| c >= gamma).count() as f64 >= needed);
                let above = coverages.iter().filter(|&&c| c > gamma);
                assert!((above.count() as f64) < needed || n == 1, "{n} {delta}");
            }
        }
        assert_eq!(largest_coverage(&[], 0.1), 0.0);
    }

    /// The share of 300 data sets of `demos` demonstrations in which `policy` keeps the bound of
    /// Lemma 1 everywhere.
    fn share_within_bound(
        problem: &Problem,
        demos: usize,
        delta: f64,
        policy: impl Fn(&Table) -> Table,
    ) -> f64 {
        let alpha = theorem_alpha(SIZE, demos);
        let lambda = theorem_lambda(SIZE, demos);
        let holds = |i: u64| {
            let policy = policy(&visit_counts(problem, demos, &mut Rng::new(i, "demos", 0)));
            let kept = |(found, p): (&f64, &f64)| {
                *p == 0.0 || *found >= coverage_bound(SIZE, alpha, lambda, delta, *p)
            };
            policy
                .values
                .iter()
                .zip(&problem.demonstrator.values)
                .all(kept)
        };
        (0..300).filter(|&i| holds(i)).count() as f64 / 300.0
    }

    /// Lemma 1 holds, with its constant: PostBC's probabilities stay above the bound in at least 1
    /// - delta of the data sets, from one demonstration to thousands; BC's do not.
    #[test]
    fn lemma_1_holds_for_post_bc_and_not_for_bc() {
        let problem = examples::random(SIZE, 3).unwrap();
        for demos in [1, 10, 100, 1000] {
            let alpha = theorem_alpha(SIZE, demos);
            let lambda = theorem_lambda(SIZE, demos);
            for delta in [0.9, 0.1] {
                let share = share_within_bound(&problem, demos, delta, |counts| {
                    post_bc(counts, alpha, lambda)
                });
                assert!(
                    share >= 1.0 - delta,
                    "{share} of the data sets at {demos} demonstrations, delta {delta}"
                );
                assert_eq!(
                    share_within_bound(&problem, demos, delta, bc),
                    0.0,
                    "{demos} demonstrations"
                );
            }
        }
    }

    /// The smallest coverages of 90% of 200 data sets, for BC, uniform noise of share 1/T, and
    /// PostBC.
    fn coverages(problem: &Problem, demos: &[usize]) -> Vec<[f64; 3]> {
        let measure = |i: u64| {
            let mut rng = Rng::new(i, "demos", 0);
            let mut counts = Table::zeros(SIZE);
            let at = |&demos: &usize| {
                let missing = demos
                    - (counts.values.iter().sum::<f64>() / SIZE.horizon as f64).round() as usize;
                (0..missing).for_each(|_| demonstrate(problem, &mut counts, &mut rng));
                let post_bc = post_bc(
                    &counts,
                    theorem_alpha(SIZE, demos),
                    theorem_lambda(SIZE, demos),
                );
                [
                    bc(&counts),
                    uniform_noise(&counts, 1.0 / demos as f64),
                    post_bc,
                ]
                .map(|policy| coverage(&policy, &problem.demonstrator))
            };
            demos.iter().map(at).collect::<Vec<_>>()
        };
        let all: Vec<Vec<[f64; 3]>> = (0..200).map(measure).collect();
        let quantile = |t: usize, e: usize| {
            largest_coverage(&all.iter().map(|row| row[t][e]).collect::<Vec<_>>(), 0.1)
        };
        (0..demos.len())
            .map(|t| [0, 1, 2].map(|e| quantile(t, e)))
            .collect()
    }

    /// How coverage goes with the number of demonstrations. BC has none; with as little uniform
    /// noise as keeps the cost of BC's order, 1/T, it falls with T; that of PostBC stays above what
    /// Lemma 1 promises and within an order of magnitude of where it started.
    #[test]
    fn coverage_scales_as_the_theory_says() {
        let problem = examples::random(SIZE, 3).unwrap();
        let demos = [10, 100, 1000];
        let found = coverages(&problem, &demos);
        assert!(found.iter().all(|row| row[0] == 0.0), "{found:?}");
        assert!(
            found.windows(2).all(|pair| pair[1][1] < 0.4 * pair[0][1]),
            "{found:?}"
        );
        for (row, demos) in found.iter().zip(demos) {
            let promised = coverage_bound(
                SIZE,
                theorem_alpha(SIZE, demos),
                theorem_lambda(SIZE, demos),
                0.1,
                1.0,
            );
            assert!(
                row[2] >= promised && row[2] > found[0][2] / 10.0,
                "{found:?}"
            );
        }
    }
}
