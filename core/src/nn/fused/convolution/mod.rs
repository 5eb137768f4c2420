//! Convolutions of square pictures without padding, with their bias and ReLU. Channels come last,
//! so that what a kernel's row sees lies side by side.
//!
//! Each picture is a few products of matrices, of tiles that stay in a core's own cache; several
//! pictures are worked on at a time. What is kept for the gradient is the input and the output
//! alone: a tile is filled again.
//!
//! In a browser nothing learns from pictures: there a convolution is composed of burn's operators,
//! which leaves this out of what a page loads.

#[cfg(not(target_arch = "wasm32"))]
mod backward;
#[cfg(not(target_arch = "wasm32"))]
mod forward;
#[cfg(not(target_arch = "wasm32"))]
mod layers;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests;
#[cfg(not(target_arch = "wasm32"))]
mod tiles;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use layers::convolve_through;

use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;

/// What there is to a layer beside its weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layer {
    pub(crate) stride: usize,
    pub(crate) relu: bool,
}

/// The same layer of burn's operators, channels first.
pub(crate) fn composed(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Option<Tensor<1>>,
    layer: Layer,
) -> Tensor<4> {
    let options = ConvOptions::new([layer.stride; 2], [0, 0], [1, 1], 1);
    let y = conv2d(x, kernel, bias, options);
    if layer.relu { relu(y) } else { y }
}
