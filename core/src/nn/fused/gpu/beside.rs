//! Columns of two matrices side by side.

use super::arrays::{Floats, empty, unit_each};
use super::{GpuTensor, TrackedGpu, plain, tracked};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;
use std::ops::Range;

/// `[N, a]` and columns `columns` of `[N, b]`; none where not both are on a GPU.
pub(crate) fn beside(
    left: &Tensor<2>,
    right: &Tensor<2>,
    columns: Range<usize>,
) -> Option<Tensor<2>> {
    if let (Some(left), Some(right)) = (tracked(left), tracked(right)) {
        let nodes = [left.node(), right.node()];
        let [left, right] = [left, right].map(|x| x.into_primitive());
        let y = joined(&left, &right, &columns);
        let widths = [left, right].map(|x| x.shape()[1]);
        let backward = BesideBackward { columns };
        let prepared = backward.prepare::<NoCheckpointing>(nodes);
        let y = match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(widths, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        };
        return Some(Tensor::from_primitive::<TrackedGpu>(y));
    }
    let y = joined(&plain(left)?, &plain(right)?, &columns);
    Some(Tensor::from_primitive::<Cube>(y))
}

fn joined(left: &GpuTensor, right: &GpuTensor, columns: &Range<usize>) -> GpuTensor {
    let [rows, width] = [left.shape()[0], left.shape()[1] + columns.len()];
    let out = empty(left, [rows, width]);
    let (count, dim) = unit_each(left, rows * width);
    let [a, b, to] = [left, right, &out].map(|x| x.clone().into_tensor_arg());
    join::launch(&left.client, count, dim, a, b, to, columns.start);
    out
}

/// The gradient of [`beside`]. Its state are the widths of both.
#[derive(Debug)]
struct BesideBackward {
    columns: Range<usize>,
}

impl Backward<Cube, 2> for BesideBackward {
    type State = [usize; 2];

    fn backward(self, ops: Ops<[usize; 2], 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Cube>(&ops.node);
        let [left, right] = ops.state;
        let Range { start, end } = self.columns;
        let sides = [(0, 0..left, left), (left, start..end, right)];
        for (node, (first, columns, width)) in ops.parents.into_iter().zip(sides) {
            if let Some(node) = node {
                let part = spread(&gradient, first, columns, width);
                grads.register::<Cube>(node.id, part);
            }
        }
    }
}

/// The columns of `x` from `first` on as columns `columns` of a matrix of `width`, else 0.
fn spread(x: &GpuTensor, first: usize, columns: Range<usize>, width: usize) -> GpuTensor {
    let rows = x.shape()[0];
    let out = empty(x, [rows, width]);
    let (count, dim) = unit_each(x, rows * width);
    let [from, to] = [x, &out].map(|x| x.clone().into_tensor_arg());
    place::launch(
        &x.client,
        count,
        dim,
        from,
        to,
        first,
        columns.start,
        columns.end,
    );
    out
}

#[cube(launch)]
fn join(left: &Floats, right: &Floats, out: &mut Floats, start: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let row = ABSOLUTE_POS / out.shape(1);
    let column = ABSOLUTE_POS % out.shape(1);
    if column < left.shape(1) {
        out[ABSOLUTE_POS] = left[row * left.stride(0) + column * left.stride(1)];
    } else {
        let column = column - left.shape(1) + start;
        out[ABSOLUTE_POS] = right[row * right.stride(0) + column * right.stride(1)];
    }
}

#[cube(launch)]
fn place(x: &Floats, out: &mut Floats, first: usize, start: usize, end: usize) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let row = ABSOLUTE_POS / out.shape(1);
    let column = ABSOLUTE_POS % out.shape(1);
    let mut value = 0.0f32;
    if column >= start && column < end {
        value = x[row * x.stride(0) + (column - start + first) * x.stride(1)];
    }
    out[ABSOLUTE_POS] = value;
}
