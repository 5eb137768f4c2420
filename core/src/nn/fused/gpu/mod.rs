//! The same operators for GPUs. A launch costs a GPU more than the arithmetic of most operators
//! does, so each is one kernel where burn's own operators would be five to fifteen.
//!
//! Kernels are written in CubeCL, which compiles them for Vulkan, Metal and CUDA when they are
//! first launched. Nothing is added up atomically: results are the same bits in every run.

mod adam;
mod arrays;
mod average;
mod beside;
mod curve;
mod elements;
mod elites;
mod finish;
mod layer;
mod rows;
mod simnorm;
mod squares;
mod squashed;
mod sums;
#[cfg(all(test, feature = "wgpu"))]
mod tests;
mod two_hot;

pub(crate) use adam::Adam;
pub(crate) use average::average;
pub(crate) use beside::beside;
pub(crate) use elites::{moments, ranks, weights};
pub(crate) use layer::{activate, linear, normalise, perceptron};
pub(crate) use simnorm::simnorm;
pub(crate) use squares::norm;
pub(crate) use squashed::{Squashed, squashed};
pub(crate) use two_hot::{decode, errors};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Cube, TensorMetadata};
use burn::tensor::{DType, Tensor};

/// An array on a GPU.
pub(crate) type GpuTensor = FloatTensor<Cube>;
/// A GPU with gradients, and without checkpoints along the way.
type TrackedGpu = Autodiff<Cube>;

/// The GPU's array behind `x`; none where it is another device's, has gradients or is not of f32.
pub(crate) fn plain<const D: usize>(x: &Tensor<D>) -> Option<GpuTensor> {
    let x = x.clone().try_into_primitive::<Cube>().ok()?;
    (x.dtype == DType::F32).then_some(x)
}

/// The GPU's array with gradients behind `x`; none where it is another.
fn tracked<const D: usize>(x: &Tensor<D>) -> Option<FloatTensor<TrackedGpu>> {
    let x = x.clone().try_into_primitive::<TrackedGpu>().ok()?;
    (x.dtype() == DType::F32).then_some(x)
}

/// The GPU's array of a tensor that wants no gradient.
fn constant<const D: usize>(x: &Tensor<D>) -> Option<GpuTensor> {
    match tracked(x) {
        Some(x) if x.is_tracked() => None,
        Some(x) => Some(x.into_primitive()),
        None => plain(x),
    }
}
