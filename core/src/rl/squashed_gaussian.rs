//! Gaussians squashed by a tanh: distributions over actions within ±1 (Haarnoja et al. 2018, "Soft
//! Actor-Critic Algorithms and Applications", appendix C).

use crate::nn::Gaussians;
use burn::tensor::Tensor;
use burn::tensor::activation::log_sigmoid;

/// Where the density of given actions is asked for, they are kept this far inside of ±1, whose
/// inverse tanh is infinite.
const EDGE: f64 = 1e-3;

/// tanh(mean + std e), e standard normal: N distributions over d independent numbers.
#[derive(Debug, Clone)]
pub(crate) struct SquashedGaussian {
    /// Before the tanh: `[N, d]`.
    pub(crate) mean: Tensor<2>,
    /// Before the tanh: `[N, d]`.
    pub(crate) std: Tensor<2>,
    log_std: Tensor<2>,
}

impl From<Gaussians> for SquashedGaussian {
    fn from(Gaussians { mean, std }: Gaussians) -> Self {
        Self {
            log_std: std.clone().log(),
            mean,
            std,
        }
    }
}

impl SquashedGaussian {
    /// From means and logarithms of standard deviations before the tanh, `[N, d]` each.
    pub(crate) fn from_log_std(mean: Tensor<2>, log_std: Tensor<2>) -> Self {
        Self {
            std: log_std.clone().exp(),
            mean,
            log_std,
        }
    }

    /// The same as constants of a graph.
    #[must_use]
    pub(crate) fn autodiff(self) -> Self {
        Self {
            mean: self.mean.autodiff(),
            std: self.std.autodiff(),
            log_std: self.log_std.autodiff(),
        }
    }

    /// The action in the middle: `[N, d]`.
    pub(crate) fn mode(&self) -> Tensor<2> {
        self.mean.clone().tanh()
    }

    /// The action of standard normal `e`: `[N, d]`, within ±1.
    pub(crate) fn sample(&self, e: Tensor<2>) -> Tensor<2> {
        self.before_tanh(e).tanh()
    }

    /// The action of standard normal `e`, and the logarithm of its density, which stays exact where
    /// the tanh rounds to 1: `[N, d]`, `[N]`.
    pub(crate) fn sample_with_log_prob(&self, e: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let raw = self.before_tanh(e.clone());
        // log N(raw; mean, std), whose standardized raw is e.
        let normal = e.square() * -0.5 - self.log_std.clone() - log_root_tau();
        // log(1 - tanh(u)^2) = 2 (log sigmoid(2 u) - u + log 2).
        let slope = (log_sigmoid(raw.clone() * 2.0) - raw.clone() + std::f64::consts::LN_2) * 2.0;
        (raw.tanh(), (normal - slope).sum_dim(1).squeeze_dim(1))
    }

    /// The logarithm of the density of actions `[N, d]`: `[N]`.
    pub(crate) fn log_prob(&self, actions: Tensor<2>) -> Tensor<1> {
        let a = actions.clamp(EDGE - 1.0, 1.0 - EDGE);
        let above = (a.clone() + 1.0).log();
        let below = (a.neg() + 1.0).log();
        // The inverse tanh; its slope is 1 / (1 - a^2).
        let raw = (above.clone() - below.clone()) * 0.5;
        let z = (raw - self.mean.clone()) / self.std.clone();
        let normal = z.square() * -0.5 - self.log_std.clone() - log_root_tau();
        let normal = normal.sum_dim(1).squeeze_dim::<1>(1);
        normal - (above + below).sum_dim(1).squeeze_dim::<1>(1)
    }

    /// KL(self || other), exactly: the tanh, which both have, does not change it. `[N]`.
    pub(crate) fn kl(&self, other: &Self) -> Tensor<1> {
        let ratio = other.log_std.clone() - self.log_std.clone();
        let apart = (self.mean.clone() - other.mean.clone()).square();
        let spread = self.std.clone().square() + apart;
        let parts = ratio + spread / (other.std.clone().square() * 2.0) - 0.5;
        parts.sum_dim(1).squeeze_dim(1)
    }

    fn before_tanh(&self, e: Tensor<2>) -> Tensor<2> {
        self.mean.clone() + self.std.clone() * e
    }
}

fn log_root_tau() -> f64 {
    0.5 * libm::log(std::f64::consts::TAU)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn;
    use crate::rng::Rng;
    use burn::tensor::Device;
    use pollster::block_on;

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    fn squashed(mean: [f32; 2], std: [f32; 2]) -> SquashedGaussian {
        let row = |x: [f32; 2]| nn::matrix(x.to_vec(), 2, &Device::flex());
        Gaussians {
            mean: row(mean),
            std: row(std),
        }
        .into()
    }

    /// The density of a sample is that of e divided by the slope of the action in e, and both ways
    /// to it agree.
    #[test]
    fn the_density_is_that_of_what_is_drawn() {
        let at = squashed([0.3, -0.8], [0.4, 0.9]);
        let e = [0.5f32, -1.2];
        let (action, stated) = at.sample_with_log_prob(nn::matrix(e.to_vec(), 2, &Device::flex()));
        let other = read(at.log_prob(action))[0];
        let stated = read(stated)[0];
        let slope = |m: f64, s: f64, e: f64| s * (1.0 - libm::tanh(m + s * e).powi(2));
        let normal = |e: f64| -0.5 * e * e - 0.5 * std::f64::consts::TAU.ln();
        let expected =
            normal(0.5) - slope(0.3, 0.4, 0.5).ln() + normal(-1.2) - slope(-0.8, 0.9, -1.2).ln();
        assert!(
            (f64::from(stated) - expected).abs() < 1e-5 && (stated - other).abs() < 1e-3,
            "{stated} {other} {expected}"
        );
    }

    /// The divergence is the expected log-ratio of the densities, and 0 only to itself.
    #[test]
    fn the_divergence_is_the_expected_log_ratio() {
        let p = squashed([0.3, -0.2], [0.3, 0.5]);
        let q = squashed([0.1, 0.1], [0.5, 0.4]);
        let n = 40_000;
        let repeated = |at: &SquashedGaussian| {
            let rows = |x: &Tensor<2>| x.clone().expand([n, 2]);
            SquashedGaussian::from(Gaussians {
                mean: rows(&at.mean),
                std: rows(&at.std),
            })
        };
        let e = nn::matrix(Rng::new(4, "test", 0).normals(2 * n), 2, &Device::flex());
        let actions = repeated(&p).sample(e);
        let ratios = repeated(&p).log_prob(actions.clone()) - repeated(&q).log_prob(actions);
        let sampled = read(ratios.mean())[0];
        let found = read(p.kl(&q))[0];
        assert!((found - sampled).abs() < 0.02, "{found} {sampled}");
        assert!(read(p.kl(&p))[0].abs() < 1e-6);
    }

    /// Both ways to make one are the same distribution, and its mode is the sample without noise.
    #[test]
    fn the_mode_is_the_sample_without_noise() {
        let row = |x: [f32; 2]| nn::matrix(x.to_vec(), 2, &Device::flex());
        let at = SquashedGaussian::from_log_std(row([0.3, -0.8]), row([-0.7, 0.2]));
        assert_eq!(read(at.mode()), read(at.sample(row([0.0, 0.0]))));
        let same = squashed([0.3, -0.8], [(-0.7f32).exp(), 0.2f32.exp()]);
        assert!(read(at.kl(&same))[0].abs() < 1e-5);
    }
}
