//! Numbers as weights of bins: a cube for every row of logits. What is computed is said at
//! [`TwoHot`].

use super::arrays::{Floats, UNITS, cube_each, empty, most_of_units, reshaped, sum_of_units};
use super::{GpuTensor, TrackedGpu, plain, tracked};
use crate::nn::TwoHot;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;

/// Logits `[K, N, bins]` as numbers `[K, N]`; none where they are not on a GPU.
pub(crate) fn decode(bins: TwoHot, logits: &Tensor<3>) -> Option<Tensor<2>> {
    rows(bins, logits, None)
}

/// Cross entropies of logits `[K, N, bins]` against numbers `[N]` that are constants: `[K, N]`;
/// none where not both are on a GPU.
pub(crate) fn errors(bins: TwoHot, logits: &Tensor<3>, numbers: &Tensor<1>) -> Option<Tensor<2>> {
    rows(bins, logits, Some(super::constant(numbers)?))
}

/// A number for every row of logits: what it stands for, or its error against one of `numbers`.
fn rows(bins: TwoHot, logits: &Tensor<3>, numbers: Option<GpuTensor>) -> Option<Tensor<2>> {
    let Some(logits) = tracked(logits) else {
        let y = forward(bins, &row_major(plain(logits)?), numbers.as_ref());
        return Some(Tensor::from_primitive::<Cube>(y));
    };
    let prepared = RowsBackward(bins).prepare::<NoCheckpointing>([logits.node()]);
    let logits = row_major(logits.into_primitive());
    let y = forward(bins, &logits, numbers.as_ref());
    let y = match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((logits, numbers), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    Some(Tensor::from_primitive::<TrackedGpu>(y))
}

fn row_major(x: GpuTensor) -> GpuTensor {
    let shape = x.shape();
    reshaped(x, shape)
}

fn forward(bins: TwoHot, logits: &GpuTensor, numbers: Option<&GpuTensor>) -> GpuTensor {
    let shape = logits.shape();
    let out = empty(logits, [shape[0], shape[1]]);
    let (count, dim) = cube_each(shape[0] * shape[1]);
    let [from, to] = [logits, &out].map(|x| x.clone().into_tensor_arg());
    let client = &logits.client;
    let (low, size) = spacing(bins);
    match numbers.map(|x| x.clone().into_tensor_arg()) {
        None => decoded::launch(client, count, dim, from, to, low, size),
        Some(numbers) => erring::launch(client, count, dim, from, numbers, to, low, size),
    }
    out
}

/// The first bin, and the distance of two.
fn spacing(bins: TwoHot) -> (f32, f32) {
    let size = (bins.high - bins.low) / (bins.bins - 1) as f64;
    (bins.low as f32, size as f32)
}

/// The gradient of [`rows`] with respect to the logits; its state are they and the numbers.
#[derive(Debug)]
struct RowsBackward(TwoHot);

impl Backward<Cube, 1> for RowsBackward {
    type State = (GpuTensor, Option<GpuTensor>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Cube>(&ops.node);
        let [Some(node)] = ops.parents else { return };
        let (logits, numbers) = ops.state;
        let shape = logits.shape();
        let gradient = reshaped(gradient, [shape[0], shape[1]]);
        let out = empty(&logits, shape.clone());
        let (count, dim) = cube_each(shape[0] * shape[1]);
        let [from, slopes, to] = [&logits, &gradient, &out].map(|x| x.clone().into_tensor_arg());
        let client = &logits.client;
        let (low, size) = spacing(self.0);
        match numbers.map(GpuTensor::into_tensor_arg) {
            None => decoded_backward::launch(client, count, dim, from, slopes, to, low, size),
            Some(numbers) => {
                erring_backward::launch(client, count, dim, from, numbers, slopes, to, low, size);
            }
        }
        grads.register::<Cube>(node.id, out);
    }
}

/// The largest logit of a row, and the sum of e^(logit - largest).
#[cube]
fn normalizer(logits: &Floats, row: usize, shared: &mut Shared<[f32]>) -> (f32, f32) {
    let bins = logits.shape(2);
    let mut most = logits[row * bins];
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        most = most.max(logits[row * bins + bin]);
        bin += UNITS;
    }
    let most = most_of_units(most, shared);
    let mut sum = 0.0f32;
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        sum += (logits[row * bins + bin] - most).exp();
        bin += UNITS;
    }
    (most, sum_of_units(sum, shared))
}

/// The expected bin of a row's softmax.
#[cube]
fn expected(
    logits: &Floats,
    row: usize,
    most: f32,
    sum: f32,
    low: f32,
    size: f32,
    shared: &mut Shared<[f32]>,
) -> f32 {
    let bins = logits.shape(2);
    let mut part = 0.0f32;
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        part += (logits[row * bins + bin] - most).exp() / sum * (bin as f32 * size + low);
        bin += UNITS;
    }
    sum_of_units(part, shared)
}

#[cube(launch)]
fn decoded(logits: &Floats, out: &mut Floats, low: f32, size: f32) {
    if CUBE_POS >= out.len() {
        terminate!();
    }
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (most, sum) = normalizer(logits, CUBE_POS, &mut shared);
    let e = expected(logits, CUBE_POS, most, sum, low, size, &mut shared);
    if UNIT_POS == 0 {
        let sign = select(e < 0.0, -1.0f32, 1.0f32);
        out[CUBE_POS] = sign * ((sign * e).exp() - 1.0);
    }
}

/// With p the softmax and e the expected bin: dx = dy e^|e| p (bin - e).
#[cube(launch)]
fn decoded_backward(logits: &Floats, gradient: &Floats, out: &mut Floats, low: f32, size: f32) {
    if CUBE_POS >= gradient.len() {
        terminate!();
    }
    let bins = logits.shape(2);
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (most, sum) = normalizer(logits, CUBE_POS, &mut shared);
    let e = expected(logits, CUBE_POS, most, sum, low, size, &mut shared);
    let slope = gradient[CUBE_POS] * select(e < 0.0, -e, e).exp();
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        let at = CUBE_POS * bins + bin;
        let p = (logits[at] - most).exp() / sum;
        out[at] = slope * p * (bin as f32 * size + low - e);
        bin += UNITS;
    }
}

/// A number's weight of a bin: a hat of two bins' width around the place of its symmetric
/// logarithm.
#[cube]
fn weight(number: f32, bin: usize, bins: usize, low: f32, size: f32) -> f32 {
    let sign = select(number < 0.0, -1.0f32, 1.0f32);
    let place = (sign * (sign * number).log1p() - low) / size;
    let last = (bins - 1) as f32;
    let away = place.max(0.0).min(last) - bin as f32;
    (1.0 - select(away < 0.0, -away, away)).max(0.0)
}

#[cube(launch)]
fn erring(logits: &Floats, numbers: &Floats, out: &mut Floats, low: f32, size: f32) {
    if CUBE_POS >= out.len() {
        terminate!();
    }
    let bins = logits.shape(2);
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (most, sum) = normalizer(logits, CUBE_POS, &mut shared);
    let number = numbers[CUBE_POS % logits.shape(1) * numbers.stride(0)];
    let mut part = 0.0f32;
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        let log_p = logits[CUBE_POS * bins + bin] - most - sum.ln();
        part -= weight(number, bin, bins, low, size) * log_p;
        bin += UNITS;
    }
    let part = sum_of_units(part, &mut shared);
    if UNIT_POS == 0 {
        out[CUBE_POS] = part;
    }
}

/// With p the softmax and t the weights: dx = dy (p sum(t) - t).
#[cube(launch)]
fn erring_backward(
    logits: &Floats,
    numbers: &Floats,
    gradient: &Floats,
    out: &mut Floats,
    low: f32,
    size: f32,
) {
    if CUBE_POS >= gradient.len() {
        terminate!();
    }
    let bins = logits.shape(2);
    let mut shared = Shared::<[f32]>::new_slice(UNITS);
    let (most, sum) = normalizer(logits, CUBE_POS, &mut shared);
    let number = numbers[CUBE_POS % logits.shape(1) * numbers.stride(0)];
    let mut bin = UNIT_POS as usize;
    while bin < bins {
        let at = CUBE_POS * bins + bin;
        let p = (logits[at] - most).exp() / sum;
        // The weights of the two bins beside a number add up to one.
        out[at] = gradient[CUBE_POS] * (p - weight(number, bin, bins, low, size));
        bin += UNITS;
    }
}
