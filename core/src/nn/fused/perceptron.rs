//! A layer of a perceptron, from its input to its output.

use super::{activate, linear, normalise};
use crate::nn::Activation;
use burn::tensor::Tensor;

/// What layers of a stack of K compute: act(norm((x W + b) mask)).
pub(crate) struct Perceptron {
    /// W: `[K, in, out]`.
    pub(crate) weight: Tensor<3>,
    /// b: `[K, 1, out]`.
    pub(crate) bias: Tensor<3>,
    /// Dropout factors of the units, constants: `[K, batch, out]`.
    pub(crate) dropout_mask: Option<Tensor<3>>,
    /// Gain and shift of a layer normalization, `[K, 1, out]` each.
    pub(crate) norm: Option<[Tensor<3>; 2]>,
    /// The non-linearity.
    pub(crate) activation: Option<Activation>,
}

/// The layers' results at x `[K, batch, in]`: `[K, batch, out]`.
pub(crate) fn perceptron(x: Tensor<3>, layer: Perceptron) -> Tensor<3> {
    #[cfg(feature = "gpu")]
    if let Some(y) = super::gpu::perceptron(&x, &layer) {
        return y;
    }
    let mut x = linear(x, layer.weight, layer.bias);
    if let Some(dropout_mask) = layer.dropout_mask {
        x = x * dropout_mask;
    }
    if let Some([gain, shift]) = layer.norm {
        x = normalise(x, gain, shift);
    }
    match layer.activation {
        Some(activation) => activate(activation, x),
        None => x,
    }
}
