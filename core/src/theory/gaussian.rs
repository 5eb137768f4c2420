//! The continuous analogue (appendix C): the mean of a Gaussian, its posterior, and why an ensemble
//! of regressors fitted to perturbed data is a sample of it (Lemma 7).
//!
//! Observations x_t ~ N(mu, Sigma) with known Sigma; prior mu ~ N(0, Lambda). Vectors have D
//! entries, matrices are D rows of D, symmetric and positive definite; D is a few.

use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The model before the data: the noise Sigma of an observation and the prior's covariance Lambda.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Covariance of an observation around the mean, Sigma.
    pub noise: Vec<Vec<f64>>,
    /// Covariance of the prior over the mean, Lambda.
    pub prior: Vec<Vec<f64>>,
}

/// A Gaussian.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gaussian {
    /// The mean.
    pub mean: Vec<f64>,
    /// The covariance.
    pub covariance: Vec<Vec<f64>>,
}

/// The posterior of the mean: N(P Sigma^-1 sum x_t, P) with P^-1 = Lambda^-1 + T Sigma^-1.
///
/// # Errors
/// When a matrix is not symmetric positive definite of the data's dimension.
pub fn posterior(model: &Model, data: &[Vec<f64>]) -> Result<Gaussian> {
    let zeros = vec![0.0; model.prior.len()];
    let (precision, mean) = least_squares(model, data, &zeros)?;
    Ok(Gaussian {
        mean,
        covariance: inverse(&precision)?,
    })
}

/// One perturbed fit: every observation gets noise of its own from N(0, Sigma), the regularizer is
/// centered on a draw from the prior, and the mean is fitted anew,
///
///   argmin_mu sum_t |mu - x_t - w_t|^2_{Sigma^-1} + |mu - m|^2_{Lambda^-1}, w_t ~ N(0, Sigma), m ~
///   N(0, Lambda).
///
/// Lemma 7: the result is distributed as the posterior.
pub(crate) fn perturb_and_refit(
    model: &Model,
    data: &[Vec<f64>],
    rng: &mut Rng,
) -> Result<Vec<f64>> {
    let noise = cholesky(&model.noise)?;
    let prior = cholesky(&model.prior)?;
    let perturb = |x: &Vec<f64>, rng: &mut Rng| {
        x.iter()
            .zip(colored(&noise, rng))
            .map(|(x, w)| x + w)
            .collect()
    };
    let perturbed: Vec<Vec<f64>> = data.iter().map(|x| perturb(x, rng)).collect();
    let center = colored(&prior, rng);
    Ok(least_squares(model, &perturbed, &center)?.1)
}

/// The regularized least squares fit of the mean, and the precision matrix of its normal equations.
fn least_squares(
    model: &Model,
    data: &[Vec<f64>],
    center: &[f64],
) -> Result<(Vec<Vec<f64>>, Vec<f64>)> {
    let width = center.len();
    if model.noise.len() != width || data.iter().any(|x| x.len() != width) {
        return Err(Error::input(format!(
            "the noise or an observation does not have the prior's {width} dimensions; make them \
             agree"
        )));
    }
    let noise = inverse(&model.noise)?;
    let prior = inverse(&model.prior)?;
    let count = data.len() as f64;
    let sum: Vec<f64> = (0..width)
        .map(|i| data.iter().map(|x| x[i]).sum())
        .collect();
    // Normal equations: (Lambda^-1 + T Sigma^-1) mu = Sigma^-1 sum x_t + Lambda^-1 center.
    let precision: Vec<Vec<f64>> = (0..width)
        .map(|i| {
            (0..width)
                .map(|j| prior[i][j] + count * noise[i][j])
                .collect()
        })
        .collect();
    let target: Vec<f64> = (0..width)
        .map(|i| dot(&noise[i], &sum) + dot(&prior[i], center))
        .collect();
    let mean = solve(&cholesky(&precision)?, &target);
    Ok((precision, mean))
}

/// A draw from N(0, L L').
fn colored(lower: &[Vec<f64>], rng: &mut Rng) -> Vec<f64> {
    let white: Vec<f64> = (0..lower.len()).map(|_| rng.normal()).collect();
    lower.iter().map(|row| dot(row, &white)).collect()
}

/// The lower triangle L with L L' = matrix.
fn cholesky(matrix: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
    let width = matrix.len();
    // Up to rounding: covariances may come from other programs.
    let symmetric = matrix.iter().all(|row| row.len() == width)
        && (0..width).all(|i| {
            (0..i).all(|j| {
                (matrix[i][j] - matrix[j][i]).abs()
                    <= 1e-9 * matrix[i][i].abs().max(matrix[j][j].abs())
            })
        });
    let refuse =
        || Error::input("a covariance is not symmetric and positive definite; give one that is");
    if !symmetric {
        return Err(refuse());
    }
    let mut lower = vec![vec![0.0; width]; width];
    for i in 0..width {
        for j in 0..=i {
            let left = matrix[i][j] - dot(&lower[i][..j], &lower[j][..j]);
            if i == j && (left <= 0.0 || left.is_nan()) {
                return Err(refuse());
            }
            lower[i][j] = if i == j {
                libm::sqrt(left)
            } else {
                left / lower[j][j]
            };
        }
    }
    Ok(lower)
}

/// The x with L L' x = b.
fn solve(lower: &[Vec<f64>], b: &[f64]) -> Vec<f64> {
    let width = b.len();
    // L y = b forwards, then L' x = y backwards.
    let mut x = b.to_vec();
    for i in 0..width {
        x[i] = (x[i] - dot(&lower[i][..i], &x[..i])) / lower[i][i];
    }
    for i in (0..width).rev() {
        let known: f64 = (i + 1..width).map(|j| lower[j][i] * x[j]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    x
}

/// Column by column, by the same decomposition; the matrix is symmetric.
fn inverse(matrix: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
    let lower = cholesky(matrix)?;
    let unit = |i: usize| {
        (0..matrix.len())
            .map(|j| f64::from(u8::from(i == j)))
            .collect::<Vec<_>>()
    };
    Ok((0..matrix.len()).map(|i| solve(&lower, &unit(i))).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Model {
        Model {
            noise: vec![vec![1.0, 0.6], vec![0.6, 0.8]],
            prior: vec![vec![0.5, -0.3], vec![-0.3, 0.9]],
        }
    }

    fn data() -> Vec<Vec<f64>> {
        vec![vec![1.2, -0.4], vec![0.3, 0.9], vec![2.0, 0.1]]
    }

    fn assert_near(a: &Gaussian, b: &Gaussian, tolerance: f64) {
        let pairs = || {
            a.mean
                .iter()
                .chain(a.covariance.iter().flatten())
                .zip(b.mean.iter().chain(b.covariance.iter().flatten()))
        };
        assert!(
            pairs().all(|(a, b)| (a - b).abs() < tolerance),
            "{a:?} against {b:?}"
        );
    }

    /// Conditions on one observation by the Kalman form, which inverts nothing that the code
    /// inverts: K = P (P + Sigma)^-1.
    fn condition(before: &Gaussian, noise: &[Vec<f64>], x: &[f64]) -> Gaussian {
        let p = &before.covariance;
        let m = &before.mean;
        let s = [
            [p[0][0] + noise[0][0], p[0][1] + noise[0][1]],
            [p[1][0] + noise[1][0], p[1][1] + noise[1][1]],
        ];
        let det = s[0][0] * s[1][1] - s[0][1] * s[1][0];
        let inv = [
            [s[1][1] / det, -s[0][1] / det],
            [-s[1][0] / det, s[0][0] / det],
        ];
        let gain = |i: usize, j: usize| p[i][0] * inv[0][j] + p[i][1] * inv[1][j];
        let mean = (0..2)
            .map(|i| m[i] + gain(i, 0) * (x[0] - m[0]) + gain(i, 1) * (x[1] - m[1]))
            .collect();
        let left = |i: usize, j: usize| p[i][j] - gain(i, 0) * p[0][j] - gain(i, 1) * p[1][j];
        Gaussian {
            mean,
            covariance: (0..2)
                .map(|i| (0..2).map(|j| left(i, j)).collect())
                .collect(),
        }
    }

    /// The posterior is what conditioning on one observation after the other gives; with no data it
    /// is the prior.
    #[test]
    fn the_posterior_is_bayes_rule() {
        let Model { noise, prior } = model();
        let start = Gaussian {
            mean: vec![0.0; 2],
            covariance: prior,
        };
        assert_near(&posterior(&model(), &[]).unwrap(), &start, 1e-12);
        let conditioned = data()
            .iter()
            .fold(start, |known, x| condition(&known, &noise, x));
        assert_near(&posterior(&model(), &data()).unwrap(), &conditioned, 1e-12);
    }

    /// Lemma 7. Fits to perturbed data have the posterior's mean and covariance (100,000 fits; the
    /// tolerance is five standard errors).
    #[test]
    fn perturb_and_refit_samples_the_posterior() {
        let model = model();
        let data = data();
        let n = 100_000;
        let mut rng = Rng::new(0, "refit", 0);
        let fits: Vec<Vec<f64>> = (0..n)
            .map(|_| perturb_and_refit(&model, &data, &mut rng).unwrap())
            .collect();
        let average = |of: &dyn Fn(&Vec<f64>) -> f64| fits.iter().map(of).sum::<f64>() / n as f64;
        let mean: Vec<f64> = (0..2).map(|i| average(&|x| x[i])).collect();
        let moment = |i: usize, j: usize| average(&|x| (x[i] - mean[i]) * (x[j] - mean[j]));
        let covariance = (0..2)
            .map(|i| (0..2).map(|j| moment(i, j)).collect())
            .collect();
        let found = Gaussian {
            mean: mean.clone(),
            covariance,
        };
        let exact = posterior(&model, &data).unwrap();
        assert_near(&found, &exact, 5.0 * (0.5 / n as f64).sqrt());
    }

    /// Matrices that are no covariance, and dimensions that do not agree, are refused and never a
    /// panic.
    #[test]
    fn what_is_no_covariance_is_refused() {
        let with = |noise: Vec<Vec<f64>>| posterior(&Model { noise, ..model() }, &data());
        assert!(with(vec![vec![1.0, 2.0], vec![2.0, 1.0]]).is_err());
        assert!(with(vec![vec![1.0, 0.5], vec![0.1, 1.0]]).is_err());
        assert!(with(vec![vec![f64::NAN, 0.0], vec![0.0, 1.0]]).is_err());
        assert!(with(vec![vec![1.0]]).is_err() && with(vec![vec![1.0, 0.0], vec![0.0]]).is_err());
        assert!(posterior(&model(), &[vec![1.0]]).is_err());
    }
}
