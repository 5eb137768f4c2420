//! A stationary heteroscedastic Gaussian: a mean and a spread for every input, which far from the
//! data are those of a prior (Watson, Huang and Heess 2023, "Coherent Soft Imitation Learning", the
//! policies called HETSTAT; `google-deepmind/csil`).
//!
//! A perceptron narrows the input to a few numbers u, of which a triangle wave makes periodic
//! features:
//!
//! ```text
//! phi(u) = [f(W^T L u + pi/4), f(W^T L u - pi/4)] / sqrt(F)
//! mean_i = phi w_i
//! var_i  = phi^T C_i C_i^T phi
//! std_i  = sqrt(3/4) tanh(sqrt(floor + var_i))
//! ```
//!
//! f is a triangle wave of slope 1/sqrt(2), L diagonal and positive, C_i lower triangular. At the
//! start w_i is 0 and C_i the identity.
//!
//! How alike two features are depends on the distance of their u alone, so what is learned at the
//! data (a mean, a smaller C along the data's features) says nothing far from it: there the mean is
//! about 0 and the spread about that of the start.

use super::{Activation, Initial, Mlp};
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use std::f64::consts::{FRAC_PI_4, PI, TAU};

/// Height of the triangle wave: its slope is then 1 / sqrt(2).
const HEIGHT: f64 = PI / (2.0 * std::f64::consts::SQRT_2);
/// The largest standard deviation, sqrt(3/4), that of the prior: the tanh of such a Gaussian is
/// nearly uniform.
const MAX_STD: f64 = 0.866_025_403_784_438_6;

/// Sizes and constants of a network.
#[derive(Debug, Clone)]
pub(crate) struct HetstatConfig {
    /// Numbers of an input.
    pub(crate) inputs: usize,
    /// Units of each hidden layer of the perceptron.
    pub(crate) hidden: Vec<usize>,
    /// Numbers that it narrows an input to, u. Reference: 12.
    pub(crate) bottleneck: usize,
    /// Features, F, an even number. Reference: 256.
    pub(crate) features: usize,
    /// Numbers of an output.
    pub(crate) outputs: usize,
    /// Logarithm of the entries of L at the start: the larger, the nearer the prior begins.
    /// Reference: -5.
    pub(crate) log_scale: f64,
    /// Least variance, before the tanh. Reference: 1e-5.
    pub(crate) floor: f64,
}

/// `[batch, inputs]` to the means and standard deviations of `outputs` Gaussians.
#[derive(Module, Debug)]
pub(crate) struct Hetstat {
    body: Mlp,
    /// W: `[bottleneck, features / 2]`.
    frequencies: Param<Tensor<2>>,
    /// ln L: `[1, bottleneck]`.
    log_scales: Param<Tensor<2>>,
    /// `[features, outputs]`.
    mean: Param<Tensor<2>>,
    /// C below the diagonal, the rest of it unused: `[outputs, features, features]`.
    lower: Param<Tensor<3>>,
    /// Logarithm of C's diagonal: `[outputs, 1, features]`.
    log_diagonal: Param<Tensor<3>>,
    floor: f64,
}

/// Independent Gaussians, `[batch, outputs]` each.
#[derive(Debug, Clone)]
pub(crate) struct Gaussians {
    /// Their means.
    pub(crate) mean: Tensor<2>,
    /// Their standard deviations.
    pub(crate) std: Tensor<2>,
}

impl Hetstat {
    /// A fresh network: orthogonal weights in the perceptron, normal frequencies.
    pub(crate) fn new(config: &HetstatConfig, rng: &mut Rng, device: &Device) -> Self {
        let HetstatConfig {
            inputs,
            hidden,
            bottleneck,
            features,
            outputs,
            log_scale,
            floor,
        } = config;
        let sizes: Vec<usize> = std::iter::once(*inputs)
            .chain(hidden.iter().copied())
            .chain(std::iter::once(*bottleneck))
            .collect();
        let body =
            Mlp::new(1, &sizes, Activation::Elu, rng, device).initialised(Initial::Orthogonal, rng);
        let waves = features / 2;
        let frequencies = Param::from_data(
            TensorData::new(rng.normals(bottleneck * waves), [*bottleneck, waves]),
            device,
        );
        Self {
            body,
            frequencies,
            log_scales: Param::from_tensor(Tensor::full([1, *bottleneck], *log_scale, device)),
            mean: Param::from_tensor(Tensor::zeros([*features, *outputs], device)),
            lower: Param::from_tensor(Tensor::zeros([*outputs, *features, *features], device)),
            log_diagonal: Param::from_tensor(Tensor::zeros([*outputs, 1, *features], device)),
            floor: *floor,
        }
    }

    /// phi: `[batch, features]`.
    fn features(&self, x: Tensor<2>) -> Tensor<2> {
        // The last layer of the perceptron has its activation, too, as in the reference.
        let u = Activation::Elu.forward(self.body.forward_one(x));
        let phase = (u * self.log_scales.val().exp()).matmul(self.frequencies.val());
        // Two waves a quarter of a period apart, like sine and cosine: products of features depend
        // on the difference of two u alone, which is what makes the Gaussian stationary (Meronen et
        // al. 2021).
        let features = 2 * phase.dims()[1];
        Tensor::cat(
            vec![
                triangle(phase.clone() + FRAC_PI_4),
                triangle(phase - FRAC_PI_4),
            ],
            1,
        ) / (features as f64).sqrt()
    }

    /// Standard deviations at features: `[batch, outputs]`.
    fn std(&self, features: Tensor<2>) -> Tensor<2> {
        let [outputs, ..] = self.lower.dims();
        let [batch, width] = features.dims();
        let phi = features
            .unsqueeze_dim::<3>(0)
            .expand([outputs, batch, width]);
        // phi^T C, with C = its strict lower triangle plus the exponential of its diagonal: the
        // variance |phi^T C|^2 is not negative, whatever the weights.
        let turned =
            phi.clone().matmul(self.lower.val().tril(-1)) + phi * self.log_diagonal.val().exp();
        let variance = turned.square().sum_dim(2).squeeze_dim::<2>(2).transpose();
        (variance + self.floor).sqrt().tanh() * MAX_STD
    }

    /// The Gaussians at inputs.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Gaussians {
        let phi = self.features(x);
        Gaussians {
            mean: phi.clone().matmul(self.mean.val()),
            std: self.std(phi),
        }
    }

    /// For the faithful loss: the means, with gradients; and the Gaussians with means and features
    /// as constants, so that their likelihood trains C alone.
    pub(crate) fn forward_faithful(&self, x: Tensor<2>) -> (Tensor<2>, Gaussians) {
        let phi = self.features(x);
        let mean = phi.clone().matmul(self.mean.val());
        (
            mean.clone(),
            Gaussians {
                mean: mean.detach(),
                std: self.std(phi.detach()),
            },
        )
    }
}

/// A triangle wave with the zeros and the period of a sine.
fn triangle(x: Tensor<2>) -> Tensor<2> {
    let turns = x / TAU + 0.25;
    // The number of the period is a constant; within a period the wave is piecewise linear.
    let whole = turns.clone().detach().floor();
    ((turns - whole - 0.5).abs() * -4.0 + 1.0) * HEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{self, Adam, AdamConfig, gradient_check::worst_error_of_smooth};
    use pollster::block_on;

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    fn small() -> HetstatConfig {
        HetstatConfig {
            inputs: 2,
            hidden: vec![16],
            bottleneck: 4,
            features: 64,
            outputs: 1,
            log_scale: 0.0,
            floor: 1e-4,
        }
    }

    /// The wave has the zeros of a sine, its slope is 1 / sqrt(2) up and down, and it repeats.
    #[test]
    fn the_wave_is_a_triangle() {
        let at = [0.0, PI / 2.0, PI, -PI / 2.0, 1.0, 1.0 + TAU];
        let step = 1.0 / std::f64::consts::SQRT_2;
        let x = nn::matrix(at.iter().map(|&x| x as f32).collect(), 1, &Device::flex());
        let expected = [0.0, HEIGHT, 0.0, -HEIGHT, step, step];
        let found = read(triangle(x));
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f64::from(*f) - e).abs() < 1e-5),
            "{found:?}"
        );
    }

    /// A fresh network is the prior: mean 0, and one spread for all inputs.
    #[test]
    fn a_fresh_network_is_the_prior() {
        let mut rng = Rng::new(0, "test", 0);
        let net = Hetstat::new(
            &HetstatConfig {
                features: 256,
                ..small()
            },
            &mut rng,
            &Device::flex(),
        );
        let Gaussians { mean, std } = net.forward(nn::matrix(rng.normals(40), 2, &Device::flex()));
        assert!(read(mean).iter().all(|&m| m == 0.0));
        assert!(read(std).iter().all(|s| (0.4..0.6).contains(s)));
    }

    /// Trained on data near one place, mean and spread are the data's there, and the prior's far
    /// away.
    #[test]
    fn far_from_the_data_it_is_the_prior() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let mut net = Hetstat::new(&small(), &mut rng, &device);
        let mut adam = Adam::new(AdamConfig {
            lr: 3e-3,
            clip_norm: None,
        });
        let target = |rng: &mut Rng| {
            rng.normals(64)
                .into_iter()
                .map(|e| 0.8 + 0.05 * e)
                .collect::<Vec<f32>>()
        };
        for _ in 0..600 {
            let x = nn::matrix(
                rng.normals(128).into_iter().map(|x| 0.1 * x).collect(),
                2,
                &device,
            );
            let y = nn::matrix(target(&mut rng), 1, &device);
            let (mean, Gaussians { mean: fixed, std }) = net.forward_faithful(x);
            let nll = ((y.clone() - fixed) / std.clone()).square() * 0.5 + std.log();
            net = adam.step(net, &((mean - y).square().mean() + nll.mean()));
        }
        let net = net.valid();
        let at = |place: f32, rng: &mut Rng| {
            let x = rng
                .normals(200)
                .into_iter()
                .map(|x| place * x.signum() + 0.1 * x)
                .collect();
            let Gaussians { mean, std } = net.forward(nn::matrix(x, 2, &Device::flex()));
            let mean_of = |values: Vec<f32>| values.iter().sum::<f32>() / values.len() as f32;
            (mean_of(read(mean.abs())), mean_of(read(std)))
        };
        let near = at(0.0, &mut rng);
        let far = at(60.0, &mut rng);
        assert!((near.0 - 0.8).abs() < 0.05 && near.1 < 0.12, "{near:?}");
        assert!(far.0 < 0.35 && far.1 > 0.3, "{far:?}");
    }

    /// The gradient of means and spreads is right in every parameter, through waves, scales and the
    /// triangle of C.
    #[test]
    fn means_and_spreads_have_the_right_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(2, "test", 0);
        let config = HetstatConfig {
            hidden: vec![5],
            bottleneck: 3,
            features: 6,
            outputs: 2,
            ..small()
        };
        let mut net = Hetstat::new(&config, &mut rng, &device);
        let matrix = |n: usize, width: usize, rng: &mut Rng| {
            nn::matrix(rng.normals(n * width), width, &device)
        };
        net.mean = Param::from_tensor(matrix(6, 2, &mut rng));
        net.lower = Param::from_tensor(matrix(12, 6, &mut rng).reshape([2, 6, 6]) * 0.5);
        let x = matrix(9, 2, &mut rng);
        let weight = matrix(9, 2, &mut rng);
        let error = worst_error_of_smooth(&net, 1e-3, |net| {
            let Gaussians { mean, std } = net.forward(x.clone());
            ((mean + std * 2.0) * weight.clone()).mean()
        });
        assert!(error < 2e-2, "{error}");
    }

    /// With the faithful forward, the means are those of the plain one, and a likelihood moves
    /// nothing but C.
    #[test]
    fn a_faithful_likelihood_moves_the_spread_alone() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(3, "test", 0);
        let net = Hetstat::new(&small(), &mut rng, &device);
        let x = nn::matrix(rng.normals(20), 2, &device);
        let (mean, Gaussians { std, .. }) = net.forward_faithful(x.clone());
        assert_eq!(read(mean.inner()), read(net.forward(x).mean.inner()));
        let moved = Adam::new(AdamConfig {
            lr: 0.1,
            clip_norm: None,
        })
        .step(net.clone(), &std.mean());
        assert_eq!(
            read(moved.frequencies.val().inner()),
            read(net.frequencies.val().inner())
        );
        assert_eq!(read(moved.mean.val().inner()), read(net.mean.val().inner()));
        assert_ne!(
            read(moved.log_diagonal.val().inner()),
            read(net.log_diagonal.val().inner())
        );
    }
}
