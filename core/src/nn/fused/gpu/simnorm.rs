//! Softmax within groups of neighbors: a unit for every group.

use super::arrays::{Floats, empty, reshaped, unit_each};
use super::{GpuTensor, TrackedGpu, plain, tracked};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;

/// See [`crate::nn::simnorm`]; none where x is not on a GPU.
pub(crate) fn simnorm(x: &Tensor<3>, group: usize) -> Option<Tensor<3>> {
    let Some(x) = tracked(x) else {
        return Some(Tensor::from_primitive::<Cube>(softmax(plain(x)?, group)));
    };
    let prepared = SimnormBackward(group).prepare::<NoCheckpointing>([x.node()]);
    let y = softmax(x.into_primitive(), group);
    Some(Tensor::from_primitive::<TrackedGpu>(
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(y.clone(), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        },
    ))
}

fn softmax(x: GpuTensor, group: usize) -> GpuTensor {
    let shape = x.shape();
    let x = reshaped(x, shape.clone());
    let out = empty(&x, shape.clone());
    let (count, dim) = unit_each(&x, shape.num_elements() / group);
    let [from, to] = [&x, &out].map(|x| x.clone().into_tensor_arg());
    forward::launch(&x.client, count, dim, from, to, group);
    out
}

/// The gradient of [`simnorm`], whose state are the results y: dx = y (dy - sum(y dy)).
#[derive(Debug)]
struct SimnormBackward(usize);

impl Backward<Cube, 1> for SimnormBackward {
    type State = GpuTensor;

    fn backward(self, ops: Ops<GpuTensor, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Cube>(&ops.node);
        let [Some(node)] = ops.parents else { return };
        let y = ops.state;
        let shape = y.shape();
        let dy = reshaped(dy, shape.clone());
        let out = empty(&y, shape.clone());
        let (count, dim) = unit_each(&y, shape.num_elements() / self.0);
        let [results, gradient, to] = [&y, &dy, &out].map(|x| x.clone().into_tensor_arg());
        backward::launch(&y.client, count, dim, results, gradient, to, self.0);
        grads.register::<Cube>(node.id, out);
    }
}

#[cube(launch)]
fn forward(x: &Floats, out: &mut Floats, #[comptime] group: usize) {
    let start = ABSOLUTE_POS * group;
    if start >= out.len() {
        terminate!();
    }
    let mut most = x[start];
    for i in 1..group {
        most = most.max(x[start + i]);
    }
    let mut sum = 0.0f32;
    for i in 0..group {
        sum += (x[start + i] - most).exp();
    }
    for i in 0..group {
        out[start + i] = (x[start + i] - most).exp() / sum;
    }
}

#[cube(launch)]
fn backward(y: &Floats, gradient: &Floats, out: &mut Floats, #[comptime] group: usize) {
    let start = ABSOLUTE_POS * group;
    if start >= out.len() {
        terminate!();
    }
    let mut sum = 0.0f32;
    for i in 0..group {
        sum += y[start + i] * gradient[start + i];
    }
    for i in 0..group {
        out[start + i] = y[start + i] * (gradient[start + i] - sum);
    }
}
