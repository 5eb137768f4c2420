//! Layers on tensors, whole or in parts. Each gives none where not all of its tensors are on one
//! GPU.

use super::curve::Curve;
use super::finish::{Parts, finish, with_gradient};
use super::{TrackedGpu, constant, plain, tracked};
use crate::nn::Activation;
use crate::nn::fused::Perceptron;
use burn::backend::Cube;
use burn::backend::ops::FloatTensorOps;
use burn::tensor::Tensor;

/// See [`crate::nn::fused::activate`].
pub(crate) fn activate<const D: usize>(activation: Activation, x: &Tensor<D>) -> Option<Tensor<D>> {
    let parts = Parts {
        bias: None,
        mask: None,
        norm: None,
        curve: Some(activation).into(),
    };
    apply(x, None, &parts)
}

/// See [`crate::nn::fused::linear`].
pub(crate) fn linear<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<D>,
    bias: &Tensor<D>,
) -> Option<Tensor<D>> {
    let parts = Parts {
        bias: Some(bias.clone()),
        mask: None,
        norm: None,
        curve: Curve::Identity,
    };
    apply(x, Some(weight), &parts)
}

/// See [`crate::nn::fused::normalise`].
pub(crate) fn normalise(x: &Tensor<3>, gain: &Tensor<3>, shift: &Tensor<3>) -> Option<Tensor<3>> {
    let parts = Parts {
        bias: None,
        mask: None,
        norm: Some([gain.clone(), shift.clone()]),
        curve: Curve::Identity,
    };
    apply(x, None, &parts)
}

/// See [`crate::nn::fused::perceptron`].
pub(crate) fn perceptron(x: &Tensor<3>, layer: &Perceptron) -> Option<Tensor<3>> {
    let mask = layer.dropout_mask.as_ref().map(constant);
    let parts = Parts {
        bias: Some(layer.bias.clone()),
        // A mask that is no constant is another device's work.
        mask: mask.map_or(Some(None), |mask| mask.map(Some))?,
        norm: layer.norm.clone(),
        curve: layer.activation.into(),
    };
    apply(x, Some(&layer.weight), &parts)
}

/// x, or its product with a weight, and what follows.
fn apply<const D: usize>(
    x: &Tensor<D>,
    weight: Option<&Tensor<D>>,
    parts: &Parts<Tensor<D>>,
) -> Option<Tensor<D>> {
    if let (Some(mut z), Some(parts)) = (tracked(x), parts.lifted(tracked)) {
        if let Some(weight) = weight {
            z = TrackedGpu::float_matmul(z, tracked(weight)?);
        }
        return Some(Tensor::from_primitive::<TrackedGpu>(with_gradient(
            z, parts,
        )));
    }
    let mut z = plain(x)?;
    let parts = parts.lifted(plain)?;
    if let Some(weight) = weight {
        z = Cube::float_matmul(z, plain(weight)?);
    }
    Some(Tensor::from_primitive::<Cube>(finish(&z, &parts)))
}
