//! Layer normalization.

use super::{BLOCK, Tracked, dense, in_blocks, plain, rows_and_columns, tracked};
use crate::threads;
use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::tensor::{Tensor, TensorData};
use macerator::Simd;

/// Keeps a row without variance finite; PyTorch's.
const EPSILON: f32 = 1e-5;

/// Mean 0 and variance 1 over the last dimension of x `[K, batch, width]`, times gain plus shift,
/// both `[K, 1, width]` (Ba et al. 2016).
pub(crate) fn normalise(x: Tensor<3>, gain: Tensor<3>, shift: Tensor<3>) -> Tensor<3> {
    if let (Some(x), Some(gain), Some(shift)) = (tracked(&x), tracked(&gain), tracked(&shift)) {
        return Tensor::from_primitive::<Tracked>(with_gradient(x, gain, shift));
    }
    if let (Some(x), Some(gain), Some(shift)) = (plain(&x), plain(&gain), plain(&shift)) {
        return Tensor::from_primitive::<Flex>(forward(x, gain, shift));
    }
    #[cfg(feature = "gpu")]
    if let Some(y) = super::gpu::normalise(&x, &gain, &shift) {
        return y;
    }
    composed(x, gain, shift)
}

pub(super) fn composed(x: Tensor<3>, gain: Tensor<3>, shift: Tensor<3>) -> Tensor<3> {
    let centered = x.clone() - x.mean_dim(2);
    let variance = centered.clone().square().mean_dim(2);
    centered / (variance + EPSILON).sqrt() * gain + shift
}

fn with_gradient(
    x: FloatTensor<Tracked>,
    gain: FloatTensor<Tracked>,
    shift: FloatTensor<Tracked>,
) -> FloatTensor<Tracked> {
    let prepared = NormBackward.prepare::<NoCheckpointing>([x.node(), gain.node(), shift.node()]);
    let x = x.into_primitive();
    let gain = gain.into_primitive();
    let y = forward(x.clone(), gain.clone(), shift.into_primitive());
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((x, gain), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

fn forward(x: FlexTensor, gain: FlexTensor, shift: FlexTensor) -> FlexTensor {
    let mut y = dense(x);
    let gain = dense(gain);
    let shift = dense(shift);
    let (batch, width) = rows_and_columns(&y);
    let gains = gain.storage::<f32>();
    let shifts = shift.storage::<f32>();
    // Blocks are whole rows: a row's statistics are one task's work.
    let rows = (BLOCK / width).max(1);
    in_blocks(y.storage_mut(), rows * width, |i, block| {
        for (row, values) in block.chunks_exact_mut(width).enumerate() {
            // The member of the stack that the row belongs to.
            let start = (i * rows + row) / batch * width;
            row_forward(
                values,
                &gains[start..start + width],
                &shifts[start..start + width],
            );
        }
    });
    y
}

/// The gradient of [`normalise`] with respect to x, gain and shift. Its state is x and the gain.
#[derive(Debug)]
struct NormBackward;

impl Backward<Flex, 3> for NormBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let mut gradient = dense(grads.consume::<Flex>(&ops.node));
        let x = dense(ops.state.0);
        let gain = dense(ops.state.1);
        let (batch, width) = rows_and_columns(&x);
        let stacks = gradient
            .storage_mut::<f32>()
            .chunks_exact_mut(batch * width);
        let members = stacks
            .zip(x.storage::<f32>().chunks_exact(batch * width))
            .zip(gain.storage::<f32>().chunks_exact(width));
        // One task per member: the order in which gains and shifts are summed does not depend on
        // the number of threads.
        let sums = threads::map(members.collect(), |((gradient, x), gain)| {
            let mut gains = vec![0.0; width];
            let mut shifts = vec![0.0; width];
            for (gradient, x) in gradient.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                row_backward(gradient, x, gain, &mut gains, &mut shifts);
            }
            (gains, shifts)
        });
        let (gains, shifts): (Vec<Vec<f32>>, Vec<Vec<f32>>) = sums.into_iter().unzip();
        for (node, sums) in ops.parents[1..].iter().zip([gains, shifts]) {
            if let Some(node) = node {
                let data = TensorData::new(sums.concat(), [sums.len(), 1, width]);
                grads.register::<Flex>(node.id, FlexTensor::from_data(data));
            }
        }
        if let Some(node) = &ops.parents[0] {
            grads.register::<Flex>(node.id, gradient);
        }
    }
}

/// Sums of a row are kept in this many parts: the compiler makes a vector of them.
const LANES: usize = 16;

#[macerator::with_simd]
fn row_forward<S: Simd>(x: &mut [f32], gain: &[f32], shift: &[f32]) {
    let (mean, scale) = statistics(x);
    for ((x, gain), shift) in x.iter_mut().zip(gain).zip(shift) {
        *x = (*x - mean) * scale * gain + shift;
    }
}

/// With z the normalized row and d its gradient: dx = scale (d - mean(d) - z mean(d z)).
#[macerator::with_simd]
fn row_backward<S: Simd>(
    gradient: &mut [f32],
    x: &[f32],
    gain: &[f32],
    gains: &mut [f32],
    shifts: &mut [f32],
) {
    let (mean, scale) = statistics(x);
    for ((((g, x), gain), gains), shifts) in
        gradient.iter_mut().zip(x).zip(gain).zip(gains).zip(shifts)
    {
        *gains += *g * (x - mean) * scale;
        *shifts += *g;
        *g *= gain;
    }
    let width = x.len() as f32;
    // Here `gradient` is d, the gradient of the normalized row.
    let mean_d = sum(gradient, |_, d| d) / width;
    let mean_dz = sum(gradient, |i, d| d * (x[i] - mean) * scale) / width;
    for (g, x) in gradient.iter_mut().zip(x) {
        *g = scale * (*g - mean_d - (x - mean) * scale * mean_dz);
    }
}

/// The mean of a row, and one over its standard deviation.
#[inline(always)]
fn statistics(x: &[f32]) -> (f32, f32) {
    let width = x.len() as f32;
    let mean = sum(x, |_, x| x) / width;
    let variance = sum(x, |_, x| (x - mean) * (x - mean)) / width;
    (mean, 1.0 / (variance + EPSILON).sqrt())
}

/// The sum of `term(index, value)`.
#[inline(always)]
fn sum(values: &[f32], term: impl Fn(usize, f32) -> f32) -> f32 {
    let mut sums = [0.0; LANES];
    for (start, lanes) in (0..).step_by(LANES).zip(values.chunks(LANES)) {
        for (i, (sum, &value)) in sums.iter_mut().zip(lanes).enumerate() {
            *sum += term(start + i, value);
        }
    }
    sums.iter().sum()
}
