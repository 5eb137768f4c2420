//! A Gaussian policy: a mean that depends on the observation, a learned spread that does not.

use super::body::{Body, features};
use super::{PolicyConfig, Sizes};
use crate::nn::ImageEncoder;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// log of the standard deviation at the start, in normalized units: e^-1.
const INITIAL_LOG_STD: f64 = -1.0;
/// Range of log std: keeps the density finite when demonstrations agree exactly.
const LOG_STD: (f64, f64) = (-5.0, 1.0);

/// N(mean(obs), diag(std^2)).
#[derive(Module, Debug)]
pub struct Gaussian {
    /// One for each camera that the policy reads.
    pub(super) image_encoder: Vec<ImageEncoder>,
    mean: Body,
    /// `[1, chunk * act]`.
    log_std: Param<Tensor<2>>,
}

impl Gaussian {
    pub(super) fn new(
        config: &PolicyConfig,
        image_encoder: Vec<ImageEncoder>,
        sizes: Sizes,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let inputs = features(sizes, &image_encoder);
        let log_std = Tensor::full([1, sizes.chunk_len()], INITIAL_LOG_STD, device);
        Self {
            image_encoder,
            mean: Body::new(inputs, config, sizes.chunk_len(), rng, device),
            log_std: Param::from_tensor(log_std),
        }
    }

    fn log_std(&self) -> Tensor<2> {
        self.log_std.val().clamp(LOG_STD.0, LOG_STD.1)
    }

    /// mean + std * noise.
    pub fn sample(&self, obs: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        self.mean.forward(obs) + noise * self.log_std().exp()
    }

    /// Negative log-likelihood per component, without the constant log(2 pi) / 2.
    pub fn loss(&self, obs: Tensor<2>, chunks: Tensor<2>) -> Tensor<1> {
        let log_std = self.log_std();
        // -log N(a; mean, std) = z^2 / 2 + log std + log(2 pi) / 2 for each component.
        let z = (chunks - self.mean.forward(obs)) * log_std.clone().neg().exp();
        (z.square() * 0.5 + log_std).mean()
    }
}
