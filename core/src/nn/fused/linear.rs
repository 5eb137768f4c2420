//! Linear layers.

use super::product::{Stack, add_products};
use super::{Tracked, dense, in_blocks, plain, rows_and_columns, tensor, tracked};
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

/// x W + b. For one layer x is `[batch, in]`, W `[in, out]`, b `[1, out]`; for a stack of K all
/// begin with K, and so does the result `[batch, out]`.
pub(crate) fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<D>,
    bias: Tensor<D>,
) -> Tensor<D> {
    if let (Some(x), Some(weight), Some(bias)) = (tracked(&x), tracked(&weight), tracked(&bias)) {
        return Tensor::from_primitive::<Tracked>(with_gradient(x, weight, bias));
    }
    if let (Some(x), Some(weight), Some(bias)) = (plain(&x), plain(&weight), plain(&bias)) {
        return Tensor::from_primitive::<Flex>(forward(x, weight, bias));
    }
    #[cfg(feature = "gpu")]
    if let Some(y) = super::gpu::linear(&x, &weight, &bias) {
        return y;
    }
    composed(x, weight, bias)
}

pub(super) fn composed<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<D>,
    bias: Tensor<D>,
) -> Tensor<D> {
    x.matmul(weight) + bias
}

fn with_gradient(
    x: FloatTensor<Tracked>,
    weight: FloatTensor<Tracked>,
    bias: FloatTensor<Tracked>,
) -> FloatTensor<Tracked> {
    let prepared =
        LinearBackward.prepare::<NoCheckpointing>([x.node(), weight.node(), bias.node()]);
    let x = x.into_primitive();
    let weight = weight.into_primitive();
    let y = forward(x.clone(), weight.clone(), bias.into_primitive());
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish((x, weight), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

fn forward(x: FlexTensor, weight: FlexTensor, bias: FlexTensor) -> FlexTensor {
    let (batch, _) = rows_and_columns(&x);
    let (_, outputs) = rows_and_columns(&weight);
    let bias = dense(bias);
    let biases = bias.storage::<f32>().chunks_exact(outputs);
    // Every row begins as the bias, and the product is added to it in place.
    let mut y = biases
        .flat_map(|bias| std::iter::repeat_n(bias, batch))
        .collect::<Vec<_>>()
        .concat();
    add_products(&mut y, Stack::of(&x), Stack::of(&weight));
    tensor(y, with_last_two(&weight, batch, outputs))
}

/// The gradient of [`linear`] with respect to x, W and b. Its state is x and W.
#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 3> for LinearBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = dense(grads.consume::<Flex>(&ops.node));
        let [x_node, weight_node, bias_node] = ops.parents;
        let (x, weight) = ops.state;
        // db: the column sums of dy; dW = x^T dy; dx = dy W^T. Only what is asked for is computed.
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, column_sums(&dy));
        }
        if let Some(node) = weight_node {
            let mut gradient = vec![0.0; weight.shape().num_elements()];
            add_products(&mut gradient, Stack::of(&x).transposed(), Stack::of(&dy));
            grads.register::<Flex>(node.id, tensor(gradient, weight.shape()));
        }
        if let Some(node) = x_node {
            grads.register::<Flex>(node.id, times_transposed(&dy, &weight));
        }
    }
}

/// From this size on, a transposed weight is read too slowly.
const WIDE: usize = 1 << 20;

/// y W^T.
fn times_transposed(y: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
    let (batch, _) = rows_and_columns(y);
    let (inputs, outputs) = rows_and_columns(weight);
    let mut product = vec![0.0; y.shape().num_elements() / outputs * inputs];
    if inputs * outputs < WIDE {
        add_products(&mut product, Stack::of(y), Stack::of(weight).transposed());
        return tensor(product, with_last_two(y, batch, inputs));
    }
    // (W y^T)^T: of a wide W the rows are read, as they lie in memory.
    add_products(&mut product, Stack::of(weight), Stack::of(y).transposed());
    let product = tensor(product, with_last_two(y, inputs, batch));
    let rank = y.shape().num_dims();
    Flex::float_swap_dims(product, rank - 2, rank - 1)
}

/// The sum over the rows of every matrix of a stack: `[K, rows, columns] -> [K, 1, columns]`.
fn column_sums(x: &FlexTensor) -> FlexTensor {
    let (rows, columns) = rows_and_columns(x);
    let shape = with_last_two(x, 1, columns);
    let mut sums = vec![0.0; shape.num_elements()];
    let values = x.storage::<f32>();
    in_blocks(&mut sums, columns, |member, sums| {
        values[member * rows * columns..][..rows * columns]
            .chunks_exact(columns)
            .for_each(|row| add(sums, row));
    });
    tensor(sums, shape)
}

/// The shape of `x` with other rows and columns.
fn with_last_two(x: &FlexTensor, rows: usize, columns: usize) -> Shape {
    let mut shape = x.shape();
    let rank = shape.num_dims();
    shape[rank - 2] = rows;
    shape[rank - 1] = columns;
    shape
}

#[macerator::with_simd]
pub(super) fn add<S: Simd>(sums: &mut [f32], values: &[f32]) {
    sums.iter_mut()
        .zip(values)
        .for_each(|(sum, value)| *sum += value);
}
