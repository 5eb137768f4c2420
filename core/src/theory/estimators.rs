//! The estimators, which make policies of visit counts, and the theorem's settings.

use super::{Size, Table};
use serde::{Deserialize, Serialize};

/// A way of making a policy of visit counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "method")]
pub(crate) enum Estimator {
    /// Behavioral cloning: see [`bc`].
    Bc,
    /// Behavioral cloning with uniform noise: see [`uniform_noise`].
    UniformNoise {
        /// Share of the noise, in [0, 1].
        alpha: f64,
    },
    /// Posterior behavioral cloning: see [`post_bc`].
    PostBc {
        /// Share of the posterior, in [0, 1].
        alpha: f64,
        /// Weight of the prior, in visits; above 0.
        lambda: f64,
    },
}

impl Estimator {
    /// The policy that the estimator makes of visit counts.
    pub(crate) fn fit(&self, counts: &Table) -> Table {
        match *self {
            Self::Bc => bc(counts),
            Self::UniformNoise { alpha } => uniform_noise(counts, alpha),
            Self::PostBc { alpha, lambda } => post_bc(counts, alpha, lambda),
        }
    }
}

/// Behavioral cloning: T_h(s, a) / T_h(s) where the state was visited, uniform elsewhere (appendix
/// B).
pub fn bc(counts: &Table) -> Table {
    counts.map_rows(cloned)
}

/// (1 - alpha) BC + alpha uniform (appendix B.2), the tabular analogue of cloning with
/// state-independent noise.
pub(crate) fn uniform_noise(counts: &Table, alpha: f64) -> Table {
    counts.map_rows(|row| {
        mix(
            alpha,
            &cloned(row),
            &vec![1.0 / row.len() as f64; row.len()],
        )
    })
}

/// The regularized posterior (T_h(s, a) + lambda/A) / (T_h(s) + lambda). With lambda = A it is the
/// mean of the posterior over demonstrators whose prior is uniform, Dirichlet(1, ..., 1): (T_h(s,
/// a) + 1) / (T_h(s) + A).
pub fn posterior(counts: &Table, lambda: f64) -> Table {
    counts.map_rows(|row| regularized(row, lambda))
}

/// Posterior behavioral cloning: (1 - alpha) BC + alpha times the regularized [`posterior`]
/// (appendix B.3); uniform at states that were not visited.
pub fn post_bc(counts: &Table, alpha: f64, lambda: f64) -> Table {
    counts.map_rows(|row| mix(alpha, &cloned(row), &regularized(row, lambda)))
}

/// The theorem's lambda: max{A, 4 log(HT)} for T demonstrations.
pub fn theorem_lambda(size: Size, demos: usize) -> f64 {
    (size.actions as f64).max(4.0 * log_steps(size, demos))
}

/// The theorem's alpha: 1 / max{A, H, log(HT)} for T demonstrations.
pub fn theorem_alpha(size: Size, demos: usize) -> f64 {
    1.0 / (size.actions as f64)
        .max(size.horizon as f64)
        .max(log_steps(size, demos))
}

/// log(HT).
fn log_steps(size: Size, demos: usize) -> f64 {
    libm::log((size.horizon * demos.max(1)) as f64)
}

/// A row of [`bc`].
fn cloned(row: &[f64]) -> Vec<f64> {
    let visits: f64 = row.iter().sum();
    let share = |count: &f64| {
        if visits > 0.0 {
            count / visits
        } else {
            1.0 / row.len() as f64
        }
    };
    row.iter().map(share).collect()
}

/// A row of [`posterior`].
fn regularized(row: &[f64], lambda: f64) -> Vec<f64> {
    let visits: f64 = row.iter().sum();
    row.iter()
        .map(|count| (count + lambda / row.len() as f64) / (visits + lambda))
        .collect()
}

/// (1 - alpha) a + alpha b.
fn mix(alpha: f64, a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter()
        .zip(b)
        .map(|(a, b)| (1.0 - alpha) * a + alpha * b)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    const SIZE: Size = Size {
        horizon: 1,
        states: 2,
        actions: 3,
    };

    /// One state visited 4, 1 and 0 times, the other never.
    fn counts() -> Table {
        Table {
            size: SIZE,
            values: vec![4.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        }
    }

    fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() <= tolerance),
            "{found:?} against {expected:?}"
        );
    }

    /// Each estimator has the formula of the paper, worked out by hand here, and all are uniform
    /// where nothing was seen.
    #[test]
    fn estimators_have_the_values_of_the_formulas() {
        let third = 1.0 / 3.0;
        let cases = [
            (Estimator::Bc, [0.8, 0.2, 0.0]),
            (Estimator::UniformNoise { alpha: 0.3 }, [0.66, 0.24, 0.1]),
            (
                Estimator::PostBc {
                    alpha: 1.0,
                    lambda: 3.0,
                },
                [5.0 / 8.0, 2.0 / 8.0, 1.0 / 8.0],
            ),
            (
                Estimator::PostBc {
                    alpha: 0.5,
                    lambda: 5.0,
                },
                [0.4 + 17.0 / 60.0, 0.1 + 8.0 / 60.0, 5.0 / 60.0],
            ),
        ];
        for (estimator, seen) in cases {
            let policy = estimator.fit(&counts());
            assert_near(policy.row(0, 0), &seen, 1e-12);
            assert_near(policy.row(0, 1), &[third; 3], 1e-12);
        }
        assert_eq!(post_bc(&counts(), 0.0, 3.0), bc(&counts()));
        assert_near(
            &posterior(&counts(), 3.0).values,
            &post_bc(&counts(), 1.0, 3.0).values,
            1e-12,
        );
    }

    /// With lambda = A the posterior is what Bayes' rule says of a uniform prior over
    /// demonstrators. Here the rule is applied to 200,000 demonstrators drawn from the prior, each
    /// weighted by the likelihood of the counts.
    #[test]
    fn the_posterior_is_that_of_a_uniform_prior() {
        let mut rng = Rng::new(0, "prior", 0);
        let mut total = 0.0;
        let mut mean = [0.0; 3];
        for _ in 0..200_000 {
            let weights: Vec<f64> = (0..3).map(|_| -libm::log(1.0 - rng.uniform())).collect();
            let p: Vec<f64> = weights
                .iter()
                .map(|w| w / weights.iter().sum::<f64>())
                .collect();
            let likelihood = p[0].powi(4) * p[1];
            total += likelihood;
            mean.iter_mut()
                .zip(&p)
                .for_each(|(sum, p)| *sum += likelihood * p);
        }
        assert_near(
            &mean.map(|sum| sum / total),
            posterior(&counts(), 3.0).row(0, 0),
            0.003,
        );
    }

    /// PostBC moves from BC by no more than 2 alpha lambda / (T_h(s) + lambda) in total, however
    /// the visits fall: the mechanism behind Lemma 2.
    #[test]
    fn post_bc_stays_near_bc() {
        let mut rng = Rng::new(0, "counts", 0);
        for _ in 0..1000 {
            let row: Vec<f64> = (0..6)
                .map(|_| rng.below(20) as f64 * rng.below(2) as f64)
                .collect();
            let counts = Table {
                size: Size {
                    horizon: 1,
                    states: 1,
                    actions: 6,
                },
                values: row,
            };
            let alpha = rng.uniform();
            let lambda = rng.range(6.0, 60.0);
            let visits = counts.values.iter().sum::<f64>();
            let distance: f64 = bc(&counts)
                .values
                .iter()
                .zip(&post_bc(&counts, alpha, lambda).values)
                .map(|(a, b)| (a - b).abs())
                .sum();
            assert!(distance <= 2.0 * alpha * lambda / (visits + lambda) + 1e-12);
        }
    }

    /// The theorem's settings are max{A, 4 log HT} and 1 / max{A, H, log HT}, each term in its
    /// turn.
    #[test]
    fn the_theorem_sets_lambda_and_alpha() {
        let size = |horizon, actions| Size {
            horizon,
            states: 5,
            actions,
        };
        assert_eq!(
            (theorem_lambda(size(2, 8), 1), theorem_alpha(size(2, 8), 1)),
            (8.0, 1.0 / 8.0)
        );
        assert_eq!(theorem_alpha(size(20, 8), 1), 1.0 / 20.0);
        let log = 1e7f64.ln();
        assert!((theorem_lambda(size(10, 8), 1_000_000) - 4.0 * log).abs() < 1e-9);
        assert!((theorem_alpha(size(10, 8), 1_000_000) - 1.0 / log).abs() < 1e-12);
    }
}
