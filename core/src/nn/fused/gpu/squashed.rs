//! Actions drawn from a squashed Gaussian, tanh(mean + std e), and their entropy: a unit for every
//! row.

use super::arrays::{Floats, empty, reshaped, unit_each};
use super::curve::tanh;
use super::{GpuTensor, TrackedGpu, constant, plain, tracked};
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Cube, TensorMetadata};
use burn::cubecl;
use burn::tensor::Tensor;
use cubecl::prelude::*;

/// Keeps the logarithm of a slope finite (TD-MPC2, `common/math.py`, `squash`).
const LEAST_SLOPE: f32 = 1e-6;
/// Keeps the scale of the entropy finite (TD-MPC2, `world_model.py`, `pi`).
const LEAST_DENSITY: f32 = 1e-8;
/// ln(2 pi) / 2.
const HALF_LOG_TAU: f32 = 0.918_938_5;

/// What is drawn: actions `[N, act]`, their scaled entropy and, without gradient, their entropy,
/// `[N]` each.
pub(crate) struct Squashed {
    pub(crate) action: Tensor<2>,
    pub(crate) scaled_entropy: Tensor<1>,
    pub(crate) entropy: Tensor<1>,
}

/// The draw for outputs `[N, 2 act]`, mean and what the logarithm of the standard deviation is
/// tanh of within its bounds, and for normal noise e `[N, act]`; none where not both are on a GPU.
pub(crate) fn squashed(outputs: &Tensor<2>, e: &Tensor<2>, bounds: (f64, f64)) -> Option<Squashed> {
    let e = contiguous(constant(e)?);
    let bounds = (bounds.0 as f32, bounds.1 as f32);
    let Some(outputs) = tracked(outputs) else {
        let [action, scaled_entropy, entropy] = drawn(&contiguous(plain(outputs)?), &e, bounds);
        return Some(Squashed {
            action: Tensor::from_primitive::<Cube>(action),
            scaled_entropy: Tensor::from_primitive::<Cube>(scaled_entropy),
            entropy: Tensor::from_primitive::<Cube>(entropy),
        });
    };
    let values = contiguous(outputs.primitive().clone());
    let [action, scaled, entropy] = drawn(&values, &e, bounds);
    let draw = |part, y| {
        let backward = SquashedBackward { part, bounds };
        let state = (values.clone(), e.clone());
        let prepared = backward.prepare::<NoCheckpointing>([outputs.node()]);
        match prepared.compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(state, y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    };
    let entropy = FloatTensor::<TrackedGpu>::new(entropy);
    Some(Squashed {
        action: Tensor::from_primitive::<TrackedGpu>(draw(Part::Action, action)),
        scaled_entropy: Tensor::from_primitive::<TrackedGpu>(draw(Part::Entropy, scaled)),
        entropy: Tensor::from_primitive::<TrackedGpu>(entropy),
    })
}

fn contiguous(x: GpuTensor) -> GpuTensor {
    let shape = x.shape();
    reshaped(x, shape)
}

/// Actions, scaled entropies and entropies.
fn drawn(outputs: &GpuTensor, e: &GpuTensor, (low, high): (f32, f32)) -> [GpuTensor; 3] {
    let rows = e.shape()[0];
    let out = [empty(e, e.shape()), empty(e, [rows]), empty(e, [rows])];
    let (count, dim) = unit_each(e, rows);
    let [from, noise] = [outputs, e].map(|x| x.clone().into_tensor_arg());
    let [action, scaled, entropy] = out.each_ref().map(|x| x.clone().into_tensor_arg());
    draw::launch(
        &e.client, count, dim, from, noise, action, scaled, entropy, low, high,
    );
    out
}

/// The result that a gradient is of.
#[derive(Debug, Clone, Copy)]
enum Part {
    Action,
    Entropy,
}

/// The gradient of [`squashed`] with respect to the outputs. Its state are they and the noise.
#[derive(Debug)]
struct SquashedBackward {
    part: Part,
    bounds: (f32, f32),
}

impl Backward<Cube, 1> for SquashedBackward {
    type State = (GpuTensor, GpuTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = contiguous(grads.consume::<Cube>(&ops.node));
        let [Some(node)] = ops.parents else { return };
        let (outputs, e) = ops.state;
        let out = empty(&outputs, outputs.shape());
        let (count, dim) = unit_each(&e, e.shape()[0]);
        let [from, noise, slopes, to] =
            [&outputs, &e, &gradient, &out].map(|x| x.clone().into_tensor_arg());
        let (client, (low, high)) = (&e.client, self.bounds);
        match self.part {
            Part::Action => {
                of_action::launch(client, count, dim, from, noise, slopes, to, low, high)
            }
            Part::Entropy => {
                of_entropy::launch(client, count, dim, from, noise, slopes, to, low, high);
            }
        }
        grads.register::<Cube>(node.id, out);
    }
}

/// The logarithm of an action's standard deviation.
#[cube]
fn log_std_of(raw: f32, low: f32, high: f32) -> f32 {
    (tanh(raw) + 1.0) * (0.5 * (high - low)) + low
}

/// Its slope.
#[cube]
fn bend_of(raw: f32, low: f32, high: f32) -> f32 {
    let t = tanh(raw);
    0.5 * (high - low) * (1.0 - t * t)
}

/// log N(u; mean, std) of a row, and the sum of log |d tanh(u) / du|.
#[cube]
fn logarithms(outputs: &Floats, e: &Floats, row: usize, low: f32, high: f32) -> (f32, f32) {
    let act = e.shape(1);
    let mut gaussian = 0.0f32;
    let mut slope = 0.0f32;
    for i in 0..act {
        let noise = e[row * act + i];
        let log_std = log_std_of(outputs[row * 2 * act + act + i], low, high);
        let action = tanh(outputs[row * 2 * act + i] + noise * log_std.exp());
        gaussian -= 0.5 * noise * noise + log_std + HALF_LOG_TAU;
        let flat = 1.0 - action * action;
        slope += (flat.max(0.0) + LEAST_SLOPE).ln();
    }
    (gaussian, slope)
}

#[cube(launch)]
fn draw(
    outputs: &Floats,
    e: &Floats,
    actions: &mut Floats,
    scaled: &mut Floats,
    entropy: &mut Floats,
    low: f32,
    high: f32,
) {
    let row = ABSOLUTE_POS;
    let act = e.shape(1);
    if row >= e.shape(0) {
        terminate!();
    }
    for i in 0..act {
        let log_std = log_std_of(outputs[row * 2 * act + act + i], low, high);
        let mean = outputs[row * 2 * act + i];
        actions[row * act + i] = tanh(mean + e[row * act + i] * log_std.exp());
    }
    let (gaussian, slope) = logarithms(outputs, e, row, low, high);
    let density = gaussian - slope;
    scaled[row] = -density * (gaussian * act as f32 / (density + LEAST_DENSITY));
    entropy[row] = -density;
}

#[cube(launch)]
fn of_action(
    outputs: &Floats,
    e: &Floats,
    gradient: &Floats,
    out: &mut Floats,
    low: f32,
    high: f32,
) {
    let row = ABSOLUTE_POS;
    let act = e.shape(1);
    if row >= e.shape(0) {
        terminate!();
    }
    for i in 0..act {
        let mean = row * 2 * act + i;
        let log_std = log_std_of(outputs[mean + act], low, high);
        let bend = bend_of(outputs[mean + act], low, high);
        let spread = e[row * act + i] * log_std.exp();
        let action = tanh(outputs[mean] + spread);
        let slope = gradient[row * act + i] * (1.0 - action * action);
        out[mean] = slope;
        out[mean + act] = slope * spread * bend;
    }
}

#[cube(launch)]
fn of_entropy(
    outputs: &Floats,
    e: &Floats,
    gradient: &Floats,
    out: &mut Floats,
    low: f32,
    high: f32,
) {
    let row = ABSOLUTE_POS;
    let act = e.shape(1);
    if row >= e.shape(0) {
        terminate!();
    }
    let (gaussian, slope) = logarithms(outputs, e, row, low, high);
    let density = gaussian - slope;
    let below = 1.0 / (density + LEAST_DENSITY);
    let count = act as f32;
    // The scaled entropy is -density gaussian act / (density + epsilon).
    let by_density = -gradient[row] * gaussian * count * LEAST_DENSITY * below * below;
    let by_gaussian = by_density - gradient[row] * density * count * below;
    for i in 0..act {
        let mean = row * 2 * act + i;
        let log_std = log_std_of(outputs[mean + act], low, high);
        let bend = bend_of(outputs[mean + act], low, high);
        let spread = e[row * act + i] * log_std.exp();
        let action = tanh(outputs[mean] + spread);
        let flat = (1.0 - action * action).max(0.0);
        // d slope / d u = -2 action (1 - action^2) / (1 - action^2 + epsilon).
        let by_mean = by_density * 2.0 * action * flat / (flat + LEAST_SLOPE);
        out[mean] = by_mean;
        out[mean + act] = (by_mean * spread - by_gaussian) * bend;
    }
}
