//! Non-linearities, element by element.

use super::{BLOCK, Tracked, dense, in_blocks, plain, tracked};
use crate::nn::Activation;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Tensor, activation::relu};
use macerator::Simd;

/// The activation of every element.
pub(crate) fn activate<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    if let Some(lifted) = tracked(&x) {
        drop(x);
        return Tensor::from_primitive::<Tracked>(with_gradient(activation, lifted));
    }
    if let Some(lifted) = plain(&x) {
        drop(x);
        return Tensor::from_primitive::<Flex>(forward(activation, lifted));
    }
    #[cfg(feature = "gpu")]
    if let Some(y) = super::gpu::activate(activation, &x) {
        return y;
    }
    composed(activation, x)
}

pub(super) fn composed<const D: usize>(activation: Activation, x: Tensor<D>) -> Tensor<D> {
    match activation {
        Activation::Relu => relu(x),
        Activation::Mish => {
            // See `mish_forward`. The bound keeps e^x in range; beyond it the quotient is 1.
            let e = x.clone().clamp_max(MISH_IS_IDENTITY).exp();
            let n = e.clone() * (e + 2.0);
            x * n.clone() / (n + 2.0)
        }
        Activation::Tanh => x.tanh(),
        Activation::Elu => {
            let below = x.clone().clamp_max(0.0).exp() - 1.0;
            relu(x) + below
        }
    }
}

fn with_gradient(activation: Activation, x: FloatTensor<Tracked>) -> FloatTensor<Tracked> {
    let prepared = ActivationBackward(activation).prepare::<NoCheckpointing>([x.node()]);
    let x = x.into_primitive();
    match (prepared.compute_bound().stateful(), activation) {
        (OpsKind::UnTracked(prepared), _) => prepared.finish(forward(activation, x)),
        // These slopes follow from the output, so the input may be overwritten.
        (OpsKind::Tracked(prepared), Activation::Relu | Activation::Tanh | Activation::Elu) => {
            let y = forward(activation, x);
            prepared.finish(y.clone(), y)
        }
        (OpsKind::Tracked(prepared), Activation::Mish) => {
            prepared.finish(x.clone(), forward(activation, x))
        }
    }
}

/// In place, where nobody else holds `x`.
fn forward(activation: Activation, x: FlexTensor) -> FlexTensor {
    let mut y = dense(x);
    in_blocks(y.storage_mut(), BLOCK, |_, block| match activation {
        Activation::Relu => relu_forward(block),
        Activation::Mish => mish_forward(block),
        Activation::Tanh => tanh_forward(block),
        Activation::Elu => elu_forward(block),
    });
    y
}

/// The gradient of [`activate`]. Its state is what the slope is computed from: Mish's input, the
/// others' output.
#[derive(Debug)]
struct ActivationBackward(Activation);

impl Backward<Flex, 1> for ActivationBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<FlexTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut gradient = dense(grads.consume::<Flex>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let state = dense(ops.state);
        let states = state.storage::<f32>();
        in_blocks(gradient.storage_mut(), BLOCK, |i, block| {
            let states = &states[i * BLOCK..][..block.len()];
            match self.0 {
                Activation::Relu => relu_backward(block, states),
                Activation::Mish => mish_backward(block, states),
                Activation::Tanh => tanh_backward(block, states),
                Activation::Elu => elu_backward(block, states),
            }
        });
        grads.register::<Flex>(node.id, gradient);
    }
}

#[macerator::with_simd]
fn relu_forward<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = x.max(0.0));
}

#[macerator::with_simd]
fn relu_backward<S: Simd>(gradient: &mut [f32], y: &[f32]) {
    gradient
        .iter_mut()
        .zip(y)
        .for_each(|(g, &y)| *g = if y > 0.0 { *g } else { 0.0 });
}

/// From here on Mish(x) is x in f32.
const MISH_IS_IDENTITY: f32 = 20.0;

/// Mish(x) = x tanh(ln(1 + e^x)) = x n / (n + 2) with n = e^x (e^x + 2): one exponential.
#[macerator::with_simd]
fn mish_forward<S: Simd>(x: &mut [f32]) {
    for x in x {
        let e = exp(x.min(MISH_IS_IDENTITY));
        let n = e * (e + 2.0);
        *x = *x * n / (n + 2.0);
    }
}

/// Mish'(x) = n / (n + 2) + 4 x e^x (e^x + 1) / (n + 2)^2.
#[macerator::with_simd]
fn mish_backward<S: Simd>(gradient: &mut [f32], x: &[f32]) {
    for (g, &x) in gradient.iter_mut().zip(x) {
        let e = exp(x.min(MISH_IS_IDENTITY));
        let n = e * (e + 2.0);
        let inverse = 1.0 / (n + 2.0);
        *g *= (n + 4.0 * x * e * (e + 1.0) * inverse) * inverse;
    }
}

#[macerator::with_simd]
fn tanh_forward<S: Simd>(x: &mut [f32]) {
    x.iter_mut().for_each(|x| *x = tanh(*x));
}

#[macerator::with_simd]
fn tanh_backward<S: Simd>(gradient: &mut [f32], y: &[f32]) {
    gradient
        .iter_mut()
        .zip(y)
        .for_each(|(g, y)| *g *= 1.0 - y * y);
}

/// x above 0, e^x - 1 below.
#[macerator::with_simd]
fn elu_forward<S: Simd>(x: &mut [f32]) {
    x.iter_mut()
        .for_each(|x| *x = x.max(0.0) + (exp(x.min(0.0)) - 1.0));
}

/// The slope is 1 above 0, and e^x = y + 1 below.
#[macerator::with_simd]
fn elu_backward<S: Simd>(gradient: &mut [f32], y: &[f32]) {
    gradient
        .iter_mut()
        .zip(y)
        .for_each(|(g, y)| *g *= y.min(0.0) + 1.0);
}

/// tanh(x) to within a few units in the last place, a quotient of polynomials (Eigen's).
#[inline(always)]
fn tanh(x: f32) -> f32 {
    const ODD: [f32; 7] = [
        -2.760_768_5e-16,
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_3e-5,
        6.372_619e-4,
        4.893_524_6e-3,
    ];
    const EVEN: [f32; 4] = [
        1.198_258_4e-6,
        1.185_347_1e-4,
        2.268_434_6e-3,
        4.893_525_3e-3,
    ];
    // Beyond this, tanh is 1 in f32, and the polynomials are fitted no further.
    let x = x.clamp(-7.905_311, 7.905_311);
    let square = x * x;
    let polynomial = |coefficients: &[f32]| {
        coefficients
            .iter()
            .fold(0.0, |sum, coefficient| sum * square + coefficient)
    };
    x * polynomial(&ODD) / polynomial(&EVEN)
}

/// e^x for x up to 88, to within two units in the last place, from sums and products only: the
/// compiler makes vectors of it, and it is the same bits on every machine. e^x = 2^k e^r with |r|
/// <= ln(2) / 2 and a polynomial for e^r (Cephes).
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding and subtracting it rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    /// ln(2) in two parts, the first with few digits: k times it is exact.
    const LN_2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
    // Below, 2^k would leave the normal numbers.
    let x = x.max(-87.0);
    let k = x * std::f32::consts::LOG2_E + ROUND - ROUND;
    let r = x - k * LN_2.0 - k * LN_2.1;
    let p = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_6e-1,
        0.5,
    ];
    let tail = p
        .into_iter()
        .fold(0.0, |sum, coefficient| sum * r + coefficient);
    // 2^k, written into the bits of the exponent.
    let power = f32::from_bits(((k as i32 + 127) as u32) << 23);
    (tail * r * r + r + 1.0) * power
}
