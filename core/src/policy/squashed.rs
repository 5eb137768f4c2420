//! A squashed Gaussian policy: tanh of a Gaussian whose mean and spread both depend on the
//! observation.
//!
//! The actor of ValueDICE's code (and, up to the range of the spread, of SAC).

use super::body::{Body, features};
use super::{PolicyConfig, Sizes};
use crate::nn::ImageEncoder;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Range of log std, in units before the tanh (ValueDICE's code).
const LOG_STD: (f64, f64) = (-5.0, 2.0);
/// Distance that actions keep from ±1 where a density is computed: the inverse tanh is infinite
/// there.
const EDGE: f64 = 1e-3;

/// tanh(mean(obs) + std(obs) noise).
#[derive(Module, Debug)]
pub struct Squashed {
    /// One for each camera that the policy reads.
    pub(super) image_encoder: Vec<ImageEncoder>,
    /// To means and raw spreads, side by side.
    trunk: Body,
}

impl Squashed {
    pub(super) fn new(
        config: &PolicyConfig,
        image_encoder: Vec<ImageEncoder>,
        sizes: Sizes,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let inputs = features(sizes, &image_encoder);
        Self {
            image_encoder,
            trunk: Body::new(inputs, config, 2 * sizes.chunk_len(), rng, device),
        }
    }

    /// Mean and log std of the Gaussian before the tanh, `[batch, chunk * act]` each.
    fn gaussian(&self, obs: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let both = self.trunk.forward(obs);
        let width = both.dims()[1] / 2;
        // The raw spread is mapped into the range of log std by a tanh, which has a gradient
        // throughout; a clamp has none at the bounds.
        let share = (both.clone().narrow(1, width, width).tanh() + 1.0) * 0.5;
        (
            both.narrow(1, 0, width),
            share * (LOG_STD.1 - LOG_STD.0) + LOG_STD.0,
        )
    }

    /// tanh(mean + std * noise): within ±1, and differentiable in the weights.
    pub fn sample(&self, obs: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let (mean, log_std) = self.gaussian(obs);
        (mean + log_std.exp() * noise).tanh()
    }

    /// Negative log-likelihood per component, without the constant log(2 pi) / 2: with u the
    /// inverse tanh of a, log p(a) = log N(u; mean, std) - log(1 - a^2).
    pub fn loss(&self, obs: Tensor<2>, chunks: Tensor<2>) -> Tensor<1> {
        let (mean, log_std) = self.gaussian(obs);
        let a = chunks.clamp(EDGE - 1.0, 1.0 - EDGE);
        // atanh(a) = (ln(1 + a) - ln(1 - a)) / 2; the sum of the same two logarithms is ln(1 -
        // a^2).
        let above = (a.clone() + 1.0).log();
        let below = (a.neg() + 1.0).log();
        let u = (above.clone() - below.clone()) * 0.5;
        let z = (u - mean) * log_std.clone().neg().exp();
        (z.square() * 0.5 + log_std + above + below).mean()
    }
}
