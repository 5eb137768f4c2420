//! The network inside of every kind of policy: a plain or a residual MLP.

use super::{PolicyConfig, Sizes};
use crate::nn::{ImageEncoder, Mlp, Residual};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// `[batch, in] -> [batch, out]`.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it per policy, and modules cannot be boxed"
)]
pub enum Body {
    /// One layer after the other.
    Plain(Mlp),
    /// With residual blocks (DPPO).
    Residual(Residual),
}

impl Body {
    pub(super) fn new(
        inputs: usize,
        config: &PolicyConfig,
        outputs: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let sizes = layer_sizes(inputs, config, outputs);
        match config.residual {
            false => Self::Plain(Mlp::new(1, &sizes, config.activation, rng, device)),
            true => Self::Residual(Residual::new(&sizes, config.activation, rng, device)),
        }
    }

    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Plain(net) => net.forward_one(x),
            Self::Residual(net) => net.forward(x),
        }
    }
}

/// Numbers that a policy with these image encoders reads: those of an observation, then what the
/// encoders find.
pub(super) fn features(sizes: Sizes, image_encoder: &[ImageEncoder]) -> usize {
    let found = image_encoder.iter().map(ImageEncoder::width);
    sizes.obs + found.sum::<usize>()
}

/// Input, the hidden layers, output.
pub(super) fn layer_sizes(inputs: usize, config: &PolicyConfig, outputs: usize) -> Vec<usize> {
    let hidden = std::iter::repeat_n(config.hidden, config.layers);
    std::iter::once(inputs)
        .chain(hidden)
        .chain(std::iter::once(outputs))
        .collect()
}
