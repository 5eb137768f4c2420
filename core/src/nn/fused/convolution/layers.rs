//! Convolutions as functions on tensors, with their gradients.

use super::backward::ConvolutionBackward;
use super::forward::{Input, forward};
use super::{Layer, composed};
use crate::nn::Pictures;
use crate::nn::fused::{Tracked, dense, plain, tracked};
use crate::obs::Images;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::ops::{Backward, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;

/// A kernel and a bias.
pub(crate) type Weights = (Tensor<4>, Tensor<1>);

/// One layer after the other, on the CPU: `[N, in, size, size]` to `[N, out, smaller, smaller]`.
pub(crate) fn convolve_through(
    x: Pictures,
    weights: Vec<Weights>,
    layer: impl Fn(usize) -> Layer,
) -> Tensor<4> {
    let last = match without_gradients(&x, &weights, &layer) {
        Some(last) => last,
        None => {
            let mut weights = (0..).zip(weights);
            let (i, (kernel, bias)) = weights.next().expect("there is a layer");
            let first = match x {
                Pictures::Images(images) => convolve_images(&images, kernel, bias, layer(i)),
                Pictures::Numbers(x) => convolve(x.permute([0, 2, 3, 1]), kernel, bias, layer(i)),
            };
            weights.fold(first, |x, (i, (kernel, bias))| {
                convolve(x, kernel, bias, layer(i))
            })
        }
    };
    last.permute([0, 3, 1, 2])
}

/// All layers at once, so that nothing between them is kept; none where there are gradients.
fn without_gradients(
    x: &Pictures,
    weights: &[Weights],
    layer: &impl Fn(usize) -> Layer,
) -> Option<Tensor<4>> {
    let input = match x {
        Pictures::Images(images) => Input::Images(images.clone()),
        Pictures::Numbers(x) => {
            let x = plain(&x.clone().permute([0, 2, 3, 1]))?;
            Input::Maps(dense(x))
        }
    };
    let weights = weights.iter().enumerate();
    let layers =
        weights.map(|(i, (kernel, bias))| Some(((plain(kernel)?, plain(bias)?), layer(i))));
    let layers = layers.collect::<Option<Vec<_>>>()?;
    Some(Tensor::from_primitive::<Flex>(forward(&input, &layers)))
}

/// One layer: x `[N, size, size, in]`, kernel `[out, in, k, k]`, bias `[out]` to `[N, side, side,
/// out]`.
pub(super) fn convolve(
    x: Tensor<4>,
    kernel: Tensor<4>,
    bias: Tensor<1>,
    layer: Layer,
) -> Tensor<4> {
    if let (Some(x), Some(kernel), Some(bias)) = (tracked(&x), tracked(&kernel), tracked(&bias)) {
        return Tensor::from_primitive::<Tracked>(with_gradient(x, kernel, bias, layer));
    }
    if let (Some(x), Some(kernel), Some(bias)) = (plain(&x), plain(&kernel), plain(&bias)) {
        return Tensor::from_primitive::<Flex>(forward(
            &Input::Maps(dense(x)),
            &[((kernel, bias), layer)],
        ));
    }
    let x = x.permute([0, 3, 1, 2]);
    composed(x, kernel, Some(bias), layer).permute([0, 2, 3, 1])
}

/// The same of a camera's pictures, 255 of which is 1; they have no gradient.
pub(super) fn convolve_images(
    images: &Images,
    kernel: Tensor<4>,
    bias: Tensor<1>,
    layer: Layer,
) -> Tensor<4> {
    let input = Input::Images(images.clone());
    if let (Some(kernel), Some(bias)) = (tracked(&kernel), tracked(&bias)) {
        let prepared =
            ConvolutionBackward(layer).prepare::<NoCheckpointing>([kernel.node(), bias.node()]);
        let kernel = kernel.into_primitive();
        let weights = (kernel.clone(), bias.into_primitive());
        let y = forward(&input, &[(weights, layer)]);
        return Tensor::from_primitive::<Tracked>(match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish((input, kernel, y.clone()), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        });
    }
    let (Some(kernel), Some(bias)) = (plain(&kernel), plain(&bias)) else {
        panic!("kernel and bias lie on the CPU, with gradients or without");
    };
    Tensor::from_primitive::<Flex>(forward(&input, &[((kernel, bias), layer)]))
}

fn with_gradient(
    x: FloatTensor<Tracked>,
    kernel: FloatTensor<Tracked>,
    bias: FloatTensor<Tracked>,
    layer: Layer,
) -> FloatTensor<Tracked> {
    let prepared = ConvolutionBackward(layer).prepare::<NoCheckpointing>([
        kernel.node(),
        bias.node(),
        x.node(),
    ]);
    let input = Input::Maps(dense(x.into_primitive()));
    let kernel = kernel.into_primitive();
    let weights = (kernel.clone(), bias.into_primitive());
    let y = forward(&input, &[(weights, layer)]);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((input, kernel, y.clone()), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}
