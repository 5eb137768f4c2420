//! Linear layers.

use super::{BLOCK, Tracked, dense, in_blocks, plain, rows_and_columns, tracked};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor};
use macerator::Simd;

/// x W + b. For one layer x is `[batch, in]`, W `[in, out]`, b `[1, out]`; for a stack of K all begin with K, and so does
/// the result `[batch, out]`.
pub fn linear<const D: usize>(x: Tensor<D>, weight: Tensor<D>, bias: Tensor<D>) -> Tensor<D> {
    if let (Some(x), Some(weight), Some(bias)) = (tracked(&x), tracked(&weight), tracked(&bias)) {
        return Tensor::from_primitive::<Tracked>(with_gradient(x, weight, bias));
    }
    if let (Some(x), Some(weight), Some(bias)) = (plain(&x), plain(&weight), plain(&bias)) {
        return Tensor::from_primitive::<Flex>(forward(x, weight, bias));
    }
    composed(x, weight, bias)
}

pub(super) fn composed<const D: usize>(x: Tensor<D>, weight: Tensor<D>, bias: Tensor<D>) -> Tensor<D> {
    x.matmul(weight) + bias
}

fn with_gradient(x: FloatTensor<Tracked>, weight: FloatTensor<Tracked>, bias: FloatTensor<Tracked>) -> FloatTensor<Tracked> {
    let prepared = LinearBackward.prepare::<NoCheckpointing>([x.node(), weight.node(), bias.node()]);
    let (x, weight) = (x.into_primitive(), weight.into_primitive());
    let y = forward(x.clone(), weight.clone(), bias.into_primitive());
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((x, weight), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

fn forward(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
    let mut y = Flex::float_matmul(x, weight);
    let (batch, outputs) = rows_and_columns(&y);
    let bias = dense(bias);
    let biases = bias.storage::<f32>();
    let rows = (BLOCK / outputs).max(1);
    in_blocks(y.storage_mut(), rows * outputs, |i, block| {
        for (row, values) in block.chunks_exact_mut(outputs).enumerate() {
            let member = (i * rows + row) / batch;
            add(values, &biases[member * outputs..][..outputs]);
        }
    });
    y
}

/// The gradient of [`linear`] with respect to x, W and b. Its state is x and W.
#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 3> for LinearBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = dense(grads.consume::<Flex>(&ops.node));
        let ([x_node, weight_node, bias_node], (x, weight)) = (ops.parents, ops.state);
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, column_sums(&dy));
        }
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, Flex::float_matmul(transpose(x), dy.clone()));
        }
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, times_transposed(dy, weight));
        }
    }
}

/// From this size on, a transposed weight is read too slowly.
const WIDE: usize = 1 << 20;

/// y W^T.
fn times_transposed(y: FlexTensor, weight: FlexTensor) -> FlexTensor {
    let (inputs, outputs) = rows_and_columns(&weight);
    match inputs * outputs {
        WIDE.. => transpose(Flex::float_matmul(weight, transpose(y))),
        _ => Flex::float_matmul(y, transpose(weight)),
    }
}

fn transpose(x: FlexTensor) -> FlexTensor {
    let rank = x.shape().num_dims();
    Flex::float_swap_dims(x, rank - 2, rank - 1)
}

/// The sum over the rows of every matrix of a stack: `[K, rows, columns] -> [K, 1, columns]`.
fn column_sums(x: &FlexTensor) -> FlexTensor {
    let (rows, columns) = rows_and_columns(x);
    let mut shape = x.shape().to_vec();
    let rank = shape.len();
    shape[rank - 2] = 1;
    let mut sums = FlexTensor::zeros(Shape::from(shape), x.dtype());
    let values = x.storage::<f32>();
    in_blocks(sums.storage_mut(), columns, |member, sums| {
        values[member * rows * columns..][..rows * columns].chunks_exact(columns).for_each(|row| add(sums, row));
    });
    sums
}

#[macerator::with_simd]
fn add<S: Simd>(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
