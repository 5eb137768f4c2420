//! Operators for the CPU that do in one pass over memory, on all cores, what burn's own do in
//! several on one.
//!
//! Each is a function on tensors like any other, with its gradient. On other devices, and where it
//! does not apply, it is composed of burn's operators: the same function up to rounding.

#![allow(
    clippy::extra_unused_type_parameters,
    reason = "`with_simd` passes the instruction set as a type parameter, named or not"
)]

mod activation;
mod adam;
mod average;
mod convolution;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod linear;
mod norm;
mod perceptron;
mod product;
mod squares;
#[cfg(test)]
mod tests;

pub(crate) use activation::activate;
pub(super) use adam::{Update, adam};
pub(super) use average::average;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use convolution::convolve_through;
pub(crate) use convolution::{Layer, composed as composed_convolution};
pub(crate) use linear::linear;
pub(crate) use norm::normalise;
pub(crate) use perceptron::{Perceptron, perceptron};
pub(super) use squares::Squares;

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};

/// The CPU with gradients, and without checkpoints along the way.
type Tracked = Autodiff<Flex>;

/// Numbers that one task works on: small enough for a core's own cache, large enough to be worth a
/// hand-over.
const BLOCK: usize = 1 << 14;

/// The CPU tensor with gradients behind `x`; none where it is another.
fn tracked<const D: usize>(x: &Tensor<D>) -> Option<FloatTensor<Tracked>> {
    x.clone().try_into_primitive::<Tracked>().ok()
}

/// The CPU tensor without gradients behind `x`; none where it is another.
fn plain<const D: usize>(x: &Tensor<D>) -> Option<FlexTensor> {
    x.clone().try_into_primitive::<Flex>().ok()
}

/// Whether `x` lies where the operators of this module apply.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn on_cpu<const D: usize>(x: &Tensor<D>) -> bool {
    plain(x).is_some() || tracked(x).is_some()
}

fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The same values, row-major in a buffer of their own size.
fn dense(x: FlexTensor) -> FlexTensor {
    let whole = x
        .as_slice::<f32>()
        .is_some_and(|values| values.len() == x.storage::<f32>().len());
    if whole { x } else { x.to_contiguous() }
}

/// Sizes of the last two dimensions.
fn rows_and_columns(x: &FlexTensor) -> (usize, usize) {
    let shape = x.shape();
    let rank = shape.num_dims();
    (shape[rank - 2], shape[rank - 1])
}

/// Does `work` on consecutive blocks of `size` numbers, the last of which may be shorter; several
/// at a time where there are threads and there is more than one block's work.
fn in_blocks(values: &mut [f32], size: usize, work: impl Fn(usize, &mut [f32]) + Send + Sync) {
    #[cfg(not(target_arch = "wasm32"))]
    if values.len() > BLOCK {
        use rayon::prelude::*;
        return values
            .par_chunks_mut(size)
            .enumerate()
            .for_each(|(i, block)| work(i, block));
    }
    values
        .chunks_mut(size)
        .enumerate()
        .for_each(|(i, block)| work(i, block));
}
