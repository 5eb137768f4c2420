//! What follows the product in a layer: act(norm((z + bias) mask)), each part where it is wanted.
//! One kernel, and two for the gradients.

use super::arrays::{cube_each, empty, repeated, reshaped, stack, unit_each};
use super::curve::Curve;
use super::{GpuTensor, TrackedGpu, elements, rows, sums};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};

/// The parts beside the product's result z `[K, rows, width]`. Where one has one member or one row,
/// that is everybody's.
#[derive(Debug, Clone)]
pub(super) struct Parts<T> {
    /// Is added to z: `[K, 1, width]`.
    pub(super) bias: Option<T>,
    /// Multiplies z + bias, a constant: `[K, rows, width]`.
    pub(super) mask: Option<GpuTensor>,
    /// Gain and shift of a layer normalization, `[K, 1, width]` each.
    pub(super) norm: Option<[T; 2]>,
    pub(super) curve: Curve,
}

impl<T> Parts<T> {
    /// The same parts as another kind of array; none where one cannot be had.
    pub(super) fn lifted<U>(&self, lift: impl Fn(&T) -> Option<U>) -> Option<Parts<U>> {
        let bias = match &self.bias {
            Some(bias) => Some(lift(bias)?),
            None => None,
        };
        let norm = match &self.norm {
            Some([gain, shift]) => Some([lift(gain)?, lift(shift)?]),
            None => None,
        };
        Some(Parts {
            bias,
            norm,
            mask: self.mask.clone(),
            curve: self.curve,
        })
    }
}

/// The finished layer, in z's shape.
pub(super) fn finish(z: &GpuTensor, parts: &Parts<GpuTensor>) -> GpuTensor {
    let z3 = stack(z.clone());
    let shape = z3.shape();
    let out = empty(z, shape.clone());
    let read = |x: &GpuTensor| repeated(x, &shape);
    let bias = parts.bias.as_ref().map(read).into();
    let mask = parts.mask.as_ref().map(read).into();
    let to = out.clone().into_tensor_arg();
    let from = z3.into_tensor_arg();
    if let Some(norm) = &parts.norm {
        let [gain, shift] = norm.each_ref().map(read);
        let (count, dim) = cube_each(shape[0] * shape[1]);
        let curve = parts.curve;
        rows::forward::launch(
            &z.client, count, dim, from, bias, mask, gain, shift, to, curve,
        );
    } else {
        let (count, dim) = unit_each(z, shape.num_elements());
        elements::forward::launch(&z.client, count, dim, from, bias, mask, to, parts.curve);
    }
    reshaped(out, z.shape())
}

/// The same with gradients of z, bias, gain and shift.
pub(super) fn with_gradient(
    z: FloatTensor<TrackedGpu>,
    parts: Parts<FloatTensor<TrackedGpu>>,
) -> FloatTensor<TrackedGpu> {
    // What is missing stands for itself as a constant.
    let constant = || FloatTensor::<TrackedGpu>::new(z.primitive().clone());
    let bias = parts.bias.clone().unwrap_or_else(constant);
    let [gain, shift] = parts
        .norm
        .clone()
        .unwrap_or_else(|| [(); 2].map(|()| constant()));
    let nodes = [z.node(), bias.node(), gain.node(), shift.node()];
    let plain = Parts {
        bias: parts.bias.map(|bias| bias.into_primitive()),
        norm: parts
            .norm
            .map(|norm| norm.map(|part| part.into_primitive())),
        mask: parts.mask,
        curve: parts.curve,
    };
    let z = z.into_primitive();
    let y = finish(&z, &plain);
    match FinishBackward
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish((z, plain), y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

/// The gradient of [`finish`] with respect to z, bias, gain and shift.
#[derive(Debug)]
struct FinishBackward;

impl Backward<Cube, 4> for FinishBackward {
    type State = (GpuTensor, Parts<GpuTensor>);

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Cube>(&ops.node);
        let (z, parts) = ops.state;
        let [z_node, others @ ..] = ops.parents;
        let wanted = others.iter().any(Option::is_some);
        let (dz, sums) = gradients(&z, &parts, gradient, wanted);
        let [gain, shift] = [0, 1].map(|i| parts.norm.as_ref().map(|norm| &norm[i]));
        let parts = [parts.bias.as_ref(), gain, shift];
        for ((node, sum), part) in others.into_iter().zip(sums).zip(parts) {
            if let (Some(node), Some(sum), Some(part)) = (node, sum, part) {
                grads.register::<Cube>(node.id, reshaped(sum, part.shape()));
            }
        }
        if let Some(node) = z_node {
            grads.register::<Cube>(node.id, reshaped(dz, z.shape()));
        }
    }
}

/// The gradient of z, and where they are wanted those of bias, gain and shift, `[K, 1, width]`.
fn gradients(
    z: &GpuTensor,
    parts: &Parts<GpuTensor>,
    gradient: GpuTensor,
    wanted: bool,
) -> (GpuTensor, [Option<GpuTensor>; 3]) {
    let z3 = stack(z.clone());
    let shape = z3.shape();
    let [dz, gains, shifts] = [(); 3].map(|()| empty(z, shape.clone()));
    let read = |x: &GpuTensor| repeated(x, &shape);
    let bias = parts.bias.as_ref().map(read).into();
    let mask = parts.mask.as_ref().map(read).into();
    let [from, gradient] = [z3, stack(gradient)].map(GpuTensor::into_tensor_arg);
    let [to, to_gains, to_shifts] = [&dz, &gains, &shifts].map(|x| x.clone().into_tensor_arg());
    let (client, curve) = (&z.client, parts.curve);
    let Some(norm) = &parts.norm else {
        let (count, dim) = unit_each(z, shape.num_elements());
        elements::backward::launch(client, count, dim, from, bias, mask, gradient, to, curve);
        let sum = (wanted && parts.bias.is_some()).then(|| sums::over_rows(&dz));
        return (dz, [sum, None, None]);
    };
    let [gain, shift] = norm.each_ref().map(read);
    let (count, dim) = cube_each(shape[0] * shape[1]);
    rows::backward::launch(
        client, count, dim, from, bias, mask, gain, shift, gradient, to, to_gains, to_shifts, curve,
    );
    let sums = wanted.then(|| sums::of_three([&dz, &gains, &shifts]));
    (dz, sums.map_or([None, None, None], |sums| sums.map(Some)))
}
