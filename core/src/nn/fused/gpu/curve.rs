//! Non-linearities and their slopes, as parts of kernels.

use crate::nn::Activation;
use burn::cubecl;
use cubecl::prelude::*;

/// What is done to each element at the end; a kernel is compiled for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Curve {
    Identity,
    Relu,
    Mish,
    Tanh,
    Elu,
}

impl From<Option<Activation>> for Curve {
    fn from(activation: Option<Activation>) -> Self {
        match activation {
            None => Self::Identity,
            Some(Activation::Relu) => Self::Relu,
            Some(Activation::Mish) => Self::Mish,
            Some(Activation::Tanh) => Self::Tanh,
            Some(Activation::Elu) => Self::Elu,
        }
    }
}

/// From here on Mish(x) is x in f32.
const MISH_IS_IDENTITY: f32 = 20.0;
/// From here on tanh(x) is 1 in f32; some GPUs divide infinities beyond.
const TANH_IS_ONE: f32 = 10.0;

/// The curve at x. See the CPU's `activation.rs` for Mish with one exponential.
#[cube]
pub(super) fn at(x: f32, #[comptime] curve: Curve) -> f32 {
    match comptime!(curve) {
        Curve::Identity => x,
        Curve::Relu => x.max(0.0),
        Curve::Mish => {
            let e = x.min(MISH_IS_IDENTITY).exp();
            let n = e * (e + 2.0);
            x * n / (n + 2.0)
        }
        Curve::Tanh => tanh(x),
        Curve::Elu => x.max(0.0) + (x.min(0.0).exp() - 1.0),
    }
}

/// The curve's slope at x.
#[cube]
pub(super) fn slope(x: f32, #[comptime] curve: Curve) -> f32 {
    match comptime!(curve) {
        Curve::Identity => 1.0f32,
        Curve::Relu => select(x > 0.0, 1.0f32, 0.0f32),
        Curve::Mish => {
            let e = x.min(MISH_IS_IDENTITY).exp();
            let n = e * (e + 2.0);
            let inverse = 1.0 / (n + 2.0);
            (n + 4.0 * x * e * (e + 1.0) * inverse) * inverse
        }
        Curve::Tanh => {
            let y = tanh(x);
            1.0 - y * y
        }
        Curve::Elu => x.min(0.0).exp(),
    }
}

#[cube]
pub(super) fn tanh(x: f32) -> f32 {
    x.clamp(-TANH_IS_ONE, TANH_IS_ONE).tanh()
}
