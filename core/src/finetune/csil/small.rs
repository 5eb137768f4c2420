//! The small policy: a squashed Gaussian from a HETSTAT network, its likelihoods, and how far two
//! of them are apart.

use super::config::CsilConfig;
use crate::nn::{Gaussians, Hetstat, HetstatConfig, Keypoints, Observed};
use crate::obs::ImageSpec;
use crate::policy::Sizes;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor};

/// The edge of an action's range, in the range of the tanh: at 1 itself, which tanh never reaches,
/// no density is finite.
pub(super) const REACH: f64 = 0.95;
/// Where a density is asked for, actions are kept this far inside of ±1.
const EDGE: f64 = 1e-3;

/// tanh(mean(x) + std(x) e).
#[derive(Module, Debug)]
pub struct SmallPolicy {
    net: Hetstat,
    /// One for each camera.
    eyes: Vec<Keypoints>,
    /// How many of the inputs' numbers it reads: all, or only the observation before the pretrained
    /// policy's action.
    reads: usize,
}

/// What it does at some inputs: Gaussians before the tanh.
#[derive(Debug, Clone)]
pub struct Squashed(pub Gaussians);

impl SmallPolicy {
    /// Fresh weights, for observations and actions of these sizes, and for these cameras.
    pub fn new(
        config: &CsilConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let reads = if config.sees_base() {
            sizes.obs + sizes.act
        } else {
            sizes.obs
        };
        let settings = HetstatConfig {
            inputs: reads + cameras.len() * Keypoints::WIDTH,
            hidden: vec![config.policy_hidden; 2],
            bottleneck: config.bottleneck,
            features: config.features,
            outputs: sizes.act,
            log_scale: config.log_scale,
            floor: config.variance_floor,
        };
        let net = Hetstat::new(&settings, rng, device);
        Self {
            net,
            eyes: Keypoints::of(cameras, rng, device),
            reads,
        }
    }

    fn read(&self, x: Observed) -> Tensor<2> {
        x.read_by(&self.eyes, self.reads)
    }

    /// What it does at inputs of obs + act numbers.
    pub fn at(&self, x: Observed) -> Squashed {
        Squashed(self.net.forward(self.read(x)))
    }

    /// The coherent reward of actions `[batch, act]`: alpha (log q(u | x) - log p(u)), p uniform
    /// and alpha the scale over the number of dimensions. `[batch]`.
    pub fn reward(&self, x: Observed, actions: Tensor<2>, scale: f64) -> Tensor<1> {
        let d = actions.dims()[1] as f64;
        (self.at(x).log_density(actions) + d * std::f64::consts::LN_2) * (scale / d)
    }

    /// The faithful loss (CSIL): the squared error of the squashed mean, which teaches means and
    /// features, and the likelihood with both held fixed, which teaches the spread.
    pub fn faithful_loss(&self, x: Observed, actions: Tensor<2>) -> Tensor<1> {
        let (mean, fixed) = self.net.forward_faithful(self.read(x));
        let act = actions.dims()[1] as f64;
        let error = (mean.tanh() - actions.clone()).square().mean();
        error - Squashed(fixed).log_density(actions).mean() / act
    }
}

impl Squashed {
    /// The action of standard normal `e`: `[batch, act]`, within ±1.
    pub fn draw(&self, e: Tensor<2>) -> Tensor<2> {
        (self.0.mean.clone() + self.0.std.clone() * e).tanh()
    }

    /// The action in the middle.
    pub fn middle(&self) -> Tensor<2> {
        self.0.mean.clone().tanh()
    }

    /// log q(a): `[batch]`.
    pub fn log_density(&self, actions: Tensor<2>) -> Tensor<1> {
        let a = actions.clamp(EDGE - 1.0, 1.0 - EDGE);
        let (above, below) = ((a.clone() + 1.0).log(), (a.neg() + 1.0).log());
        let raw = (above.clone() - below.clone()) * 0.5;
        self.log_normal(raw) - (above + below).sum_dim(1).squeeze_dim::<1>(1)
    }

    /// The action of standard normal `e`, and log q of it, which stays exact where the tanh rounds
    /// to 1: `[batch, act]`, `[batch]`.
    pub fn draw_with_density(&self, e: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let raw = self.0.mean.clone() + self.0.std.clone() * e;
        // log(1 - tanh(u)^2) = 2 (log sigmoid(2 u) - u + log 2).
        let slope = (log_sigmoid(raw.clone() * 2.0) - raw.clone() + std::f64::consts::LN_2) * 2.0;
        (
            raw.clone().tanh(),
            self.log_normal(raw) - slope.sum_dim(1).squeeze_dim::<1>(1),
        )
    }

    fn log_normal(&self, raw: Tensor<2>) -> Tensor<1> {
        let Gaussians { mean, std } = self.0.clone();
        let z = (raw - mean) / std.clone();
        let density = z.square() * -0.5 - std.log() - 0.5 * libm::log(std::f64::consts::TAU);
        density.sum_dim(1).squeeze_dim(1)
    }

    /// KL(self || other), exactly: the tanh, which both have, does not change it. `[batch]`.
    pub fn divergence(&self, other: &Self) -> Tensor<1> {
        let (Gaussians { mean: m, std: s }, Gaussians { mean, std }) =
            (self.0.clone(), other.0.clone());
        let parts = std.clone().log() - s.clone().log()
            + (s.square() + (m - mean).square()) / (std.square() * 2.0)
            - 0.5;
        parts.sum_dim(1).squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::csil::Compose;
    use crate::nn::{self, gradient_check::worst_error_of_smooth};
    use crate::settings::Preset;
    use pollster::block_on;

    const SIZES: Sizes = Sizes {
        obs: 2,
        act: 2,
        chunk: 1,
    };

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    fn config() -> CsilConfig {
        CsilConfig {
            compose: Compose::Residual,
            policy_hidden: 5,
            bottleneck: 3,
            features: 6,
            log_scale: 0.0,
            ..CsilConfig::preset(Preset::Tiny)
        }
    }

    fn squashed(mean: [f32; 2], std: [f32; 2]) -> Squashed {
        let row = |x: [f32; 2]| nn::matrix(x.to_vec(), 2, &Device::flex());
        Squashed(Gaussians {
            mean: row(mean),
            std: row(std),
        })
    }

    /// The faithful loss is its two parts, and its gradient reaches means and features by the
    /// squared error alone, the spread by the likelihood alone.
    #[test]
    fn the_faithful_loss_has_the_right_gradients() {
        let (device, mut rng) = (Device::flex().autodiff(), Rng::new(0, "test", 0));
        let policy = SmallPolicy::new(&config(), SIZES, &[], &mut rng, &device);
        let x = Observed::from(nn::matrix(rng.normals(28), 4, &device));
        let actions = nn::matrix(rng.normals(14), 2, &device).tanh();
        let plain = |policy: &SmallPolicy| policy.at(x.clone());
        let parts = |policy: &SmallPolicy| {
            let at = plain(policy);
            [
                (at.middle() - actions.clone()).square().mean(),
                at.log_density(actions.clone()).mean() / -2.0,
            ]
        };
        let found = read(policy.faithful_loss(x.clone(), actions.clone()).inner())[0];
        let [error, surprise] = parts(&policy).map(|part| read(part.inner())[0]);
        assert!((found - error - surprise).abs() < 1e-5);
        let step = |loss: Tensor<1>| {
            nn::Adam::new(nn::AdamConfig {
                lr: 1e-2,
                clip_norm: None,
            })
            .step(policy.clone(), &loss)
        };
        let [both, by_error, by_likelihood] = [
            policy.faithful_loss(x.clone(), actions.clone()),
            parts(&policy)[0].clone(),
            parts(&policy)[1].clone(),
        ]
        .map(step);
        let (mean, std) = (
            |p: &SmallPolicy| read(plain(p).0.mean.inner()),
            |p: &SmallPolicy| read(plain(p).0.std.inner()),
        );
        assert_eq!(
            mean(&both),
            mean(&by_error),
            "the means follow the squared error"
        );
        assert_ne!(mean(&by_likelihood), mean(&by_error));
        assert_ne!(
            std(&both),
            std(&by_error),
            "the spread follows the likelihood"
        );
    }

    /// The density is that of what is drawn, and both ways to it agree.
    #[test]
    fn the_density_is_that_of_what_is_drawn() {
        let at = squashed([0.3, -0.8], [0.4, 0.9]);
        let e = [0.5f32, -1.2];
        let (action, density) = at.draw_with_density(nn::matrix(e.to_vec(), 2, &Device::flex()));
        let (other, density) = (read(at.log_density(action))[0], read(density)[0]);
        let slope = |m: f64, s: f64, e: f64| s * (1.0 - libm::tanh(m + s * e).powi(2));
        let normal = |e: f64| -0.5 * e * e - 0.5 * std::f64::consts::TAU.ln();
        let expected =
            normal(0.5) - slope(0.3, 0.4, 0.5).ln() + normal(-1.2) - slope(-0.8, 0.9, -1.2).ln();
        assert!(
            (f64::from(density) - expected).abs() < 1e-5 && (density - other).abs() < 1e-3,
            "{density} {other} {expected}"
        );
    }

    /// The divergence is the expected log-ratio of the densities, and 0 only to itself.
    #[test]
    fn the_divergence_is_the_expected_log_ratio() {
        let (p, q) = (
            squashed([0.3, -0.2], [0.3, 0.5]),
            squashed([0.1, 0.1], [0.5, 0.4]),
        );
        let n = 40_000;
        let spread = |at: &Squashed| {
            let rows = |x: &Tensor<2>| x.clone().expand([n, 2]);
            Squashed(Gaussians {
                mean: rows(&at.0.mean),
                std: rows(&at.0.std),
            })
        };
        let e = nn::matrix(Rng::new(4, "test", 0).normals(2 * n), 2, &Device::flex());
        let actions = spread(&p).draw(e);
        let sampled = read(
            (spread(&p).log_density(actions.clone()) - spread(&q).log_density(actions)).mean(),
        )[0];
        let found = read(p.divergence(&q))[0];
        assert!((found - sampled).abs() < 0.02, "{found} {sampled}");
        assert!(read(p.divergence(&p))[0].abs() < 1e-6);
    }

    /// Likelihood and divergence have the right gradient in every parameter.
    #[test]
    fn likelihood_and_divergence_have_the_right_gradient() {
        let (device, mut rng) = (Device::flex().autodiff(), Rng::new(1, "test", 0));
        let mut policy = SmallPolicy::new(&config(), SIZES, &[], &mut rng, &device);
        // Where C is the identity and the means are 0, many gradients vanish.
        let train = Observed::from(nn::matrix(rng.normals(28), 4, &device));
        let mut adam = nn::Adam::new(nn::AdamConfig {
            lr: 3e-2,
            clip_norm: None,
        });
        let other = SmallPolicy::new(&config(), SIZES, &[], &mut rng, &device);
        let actions = nn::matrix(rng.normals(14), 2, &device).tanh() * 0.9;
        for _ in 0..30 {
            let loss = policy.faithful_loss(train.clone(), actions.clone());
            policy = adam.step(policy, &loss);
        }
        let fixed = other.at(train.clone());
        let error = worst_error_of_smooth(&policy, 1e-3, |policy| {
            let at = policy.at(train.clone());
            at.log_density(actions.clone()).mean() * 0.3 + at.divergence(&fixed).mean()
        });
        assert!(error < 3e-2, "{error}");
    }
}
