//! A stack of K multi-layer perceptrons of the same shape, evaluated as batched matrix products.
//!
//! K = 1 is an ordinary network, K = 2 a pair of critics, K = 100 the ensemble of PostBC: one
//! kernel call per layer for all members, instead of one per member.

use super::fused::{self, Perceptron};
use crate::rng::Rng;
use crate::settings::Choices;
use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The non-linearity between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0): the cheapest.
    Relu,
    /// x tanh(ln(1 + e^x)): smooth; what DPPO's networks use.
    Mish,
    /// Hyperbolic tangent: bounded; what DSRL's networks use.
    Tanh,
    /// x above 0, e^x - 1 below; what TD-MPC's networks use.
    Elu,
}

impl Activation {
    /// Element by element.
    pub fn forward<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        fused::activate(self, x)
    }
}

/// K perceptrons in one module: `[K, batch, input] -> [K, batch, output]`.
#[derive(Module, Debug)]
pub struct Mlp {
    /// Per layer `[K, in, out]`.
    weights: Vec<Param<Tensor<3>>>,
    /// Per layer `[K, 1, out]`.
    biases: Vec<Param<Tensor<3>>>,
    /// Gain and shift of each layer normalization, `[K, 1, out]`; empty without normalization.
    gains: Vec<Param<Tensor<3>>>,
    shifts: Vec<Param<Tensor<3>>>,
    #[module(skip)]
    activation: Activation,
    /// The non-linearity after the first layer.
    #[module(skip)]
    first: Activation,
    /// Whether hidden layers are residual blocks.
    #[module(skip)]
    residual: bool,
}

impl Mlp {
    /// `members` networks with layer sizes `sizes` (input, hidden ..., output). Weights and biases
    /// are uniform in ±1/sqrt(fan-in), PyTorch's default for a linear layer, and every member
    /// draws its own.
    pub fn new(
        members: usize,
        sizes: &[usize],
        activation: Activation,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let mut uniform = |inputs: usize, shape: [usize; 3]| {
            let bound = 1.0 / (inputs as f64).sqrt();
            let values: Vec<f32> = (0..shape.iter().product())
                .map(|_| rng.range(-bound, bound) as f32)
                .collect();
            Param::from_data(TensorData::new(values, shape), device)
        };
        let layers = sizes.windows(2);
        let weights = layers
            .clone()
            .map(|w| uniform(w[0], [members, w[0], w[1]]))
            .collect();
        let biases = layers.map(|w| uniform(w[0], [members, 1, w[1]])).collect();
        Self {
            weights,
            biases,
            gains: Vec::new(),
            shifts: Vec::new(),
            activation,
            first: activation,
            residual: false,
        }
    }

    /// The same networks, whose hidden layers after the first are blocks x + W2 act(W1 act(x)), as
    /// those of a [`super::Residual`]: an odd number of hidden layers of one width, and none of
    /// them is normalized.
    #[must_use]
    pub(crate) fn with_residuals(self) -> Self {
        debug_assert!(self.gains.is_empty() && self.weights.len().is_multiple_of(2));
        Self {
            residual: true,
            ..self
        }
    }

    /// As [`Mlp::new`], with a layer normalization (Ba et al. 2016) before each non-linearity,
    /// gains 1 and shifts 0 at the start.
    pub(crate) fn normed(
        members: usize,
        sizes: &[usize],
        activation: Activation,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        Self::new(members, sizes, activation, rng, device).with_norms(sizes.len() - 2)
    }

    /// As [`Mlp::normed`], with a layer normalization after the last layer, too (TD-MPC2's encoder
    /// and dynamics).
    pub(crate) fn normed_throughout(
        members: usize,
        sizes: &[usize],
        activation: Activation,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        Self::new(members, sizes, activation, rng, device).with_norms(sizes.len() - 1)
    }

    /// Layer normalization and tanh after the first layer, `activation` alone after the others
    /// (TD-MPC's critics).
    pub(crate) fn normed_first(
        members: usize,
        sizes: &[usize],
        activation: Activation,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        Self {
            first: Activation::Tanh,
            ..Self::new(members, sizes, activation, rng, device).with_norms(1)
        }
    }

    /// A layer normalization after each of the first `layers` layers.
    fn with_norms(self, layers: usize) -> Self {
        let like = |value: f32| {
            move |bias: &Param<Tensor<3>>| {
                Param::from_tensor(Tensor::full(bias.dims(), value, &bias.device()))
            }
        };
        let biases = &self.biases[..layers];
        let gains = biases.iter().map(like(1.0)).collect();
        let shifts = biases.iter().map(like(0.0)).collect();
        Self {
            gains,
            shifts,
            ..self
        }
    }

    /// Replaces the uniform weights, and sets biases to 0.
    #[must_use]
    pub(crate) fn initialised(self, how: Initial, rng: &mut Rng) -> Self {
        let weight = |param: Param<Tensor<3>>, rng: &mut Rng| {
            let [members, inputs, outputs] = param.dims();
            let device = param.device();
            let values: Vec<f32> = (0..members)
                .flat_map(|_| how.draw(inputs, outputs, rng))
                .collect();
            Param::from_data(TensorData::new(values, [members, inputs, outputs]), &device)
        };
        Self {
            weights: self
                .weights
                .into_iter()
                .map(|param| weight(param, rng))
                .collect(),
            biases: self.biases.into_iter().map(zeros_like).collect(),
            ..self
        }
    }

    /// The last layer's weights and biases at 0: the output is 0 whatever the input, until it is
    /// learned.
    #[must_use]
    pub(crate) fn with_zero_output(mut self) -> Self {
        for layers in [&mut self.weights, &mut self.biases] {
            let last = layers.pop().map(zeros_like);
            layers.extend(last);
        }
        self
    }

    /// A stack of the members at `indices`, as constants: no gradient reaches them.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        // All of them, in order, are the stack itself: nothing is copied.
        let some = !indices.iter().copied().eq(0..self.members());
        let indices: Vec<i32> = indices.iter().map(|&i| i as i32).collect();
        let device = self.weights[0].device().without_autodiff();
        let indices = some.then(|| Tensor::<1, Int>::from_data(&indices[..], &device));
        let part = |params: &Vec<Param<Tensor<3>>>| {
            // Constants, but on the same kind of device: gradients still reach the input, as an
            // actor's loss needs.
            let stack = |param: &Param<Tensor<3>>| {
                let value = param.val();
                let attached = param.device().is_autodiff();
                let value = if attached { value.inner() } else { value };
                let stacked = match &indices {
                    Some(indices) => value.select(0, indices.clone()),
                    None => value,
                };
                Param::from_tensor(if attached {
                    stacked.autodiff()
                } else {
                    stacked
                })
                .no_grad()
            };
            params.iter().map(stack).collect()
        };
        let [weights, biases, gains, shifts] =
            [&self.weights, &self.biases, &self.gains, &self.shifts].map(part);
        Self {
            weights,
            biases,
            gains,
            shifts,
            activation: self.activation,
            first: self.first,
            residual: self.residual,
        }
    }

    /// All members on their own inputs: `[K, batch, input] -> [K, batch, output]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.forward_with_dropout(x, None)
    }

    /// As [`Mlp::forward`], with dropout (Srivastava et al. 2014) after the first linear layer: its
    /// units, of every member and row, are multiplied by `dropout_mask` `[K, batch, units]`, where
    /// it is given.
    pub(crate) fn forward_with_dropout(
        &self,
        mut x: Tensor<3>,
        mut dropout_mask: Option<Tensor<3>>,
    ) -> Tensor<3> {
        if self.residual {
            return self.forward_residual(x);
        }
        let last = self.weights.len() - 1;
        for (i, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            let norm = self.gains.get(i).zip(self.shifts.get(i));
            let activation = if i == 0 { self.first } else { self.activation };
            let layer = Perceptron {
                weight: weight.val(),
                bias: bias.val(),
                // Dropout before the normalization (TD-MPC2, `common/layers.py`, `NormedLinear`).
                dropout_mask: dropout_mask.take(),
                norm: norm.map(|(gain, shift)| [gain.val(), shift.val()]),
                activation: (i < last).then_some(activation),
            };
            x = fused::perceptron(x, layer);
        }
        x
    }

    fn forward_residual(&self, x: Tensor<3>) -> Tensor<3> {
        let layer = |i: usize, x| fused::linear(x, self.weights[i].val(), self.biases[i].val());
        let act = |x| self.activation.forward(x);
        let last = self.weights.len() - 1;
        let mut x = layer(0, x);
        for i in (1..last).step_by(2) {
            let inner = layer(i, act(x.clone()));
            x = x + layer(i + 1, act(inner));
        }
        layer(last, x)
    }

    /// The gradient of the only output with respect to the input, for ReLU networks: `[K, batch,
    /// input] -> [K, batch, input]`.
    ///
    /// Written out as the product of the weights and of the units' slopes (0 or 1), so that it can
    /// itself be differentiated in the weights: the tensor library differentiates once only. The
    /// slopes are constants, since their own derivative is 0 almost everywhere.
    pub(crate) fn input_gradient(&self, mut x: Tensor<3>) -> Tensor<3> {
        debug_assert_eq!(
            (self.activation, self.biases.last().map(|b| b.dims()[2])),
            (Activation::Relu, Some(1))
        );
        let hidden = self.weights.len() - 1;
        // Forward, for the slopes.
        let mut slopes = Vec::with_capacity(hidden);
        for (weight, bias) in self.weights.iter().zip(&self.biases).take(hidden) {
            x = relu(x.matmul(weight.val()) + bias.val()).detach();
            slopes.push(x.clone().greater_elem(0.0).float());
        }
        // Backward, from the output's weights to the input's.
        let output = self.weights[hidden].val().transpose();
        self.weights[..hidden]
            .iter()
            .zip(slopes)
            .rev()
            .fold(output, |gradient, (weight, slope)| {
                // [K, 1 or batch, units] * [K, batch, units]
                (gradient * slope).matmul(weight.val().transpose())
            })
    }

    /// The only member of a stack of one: `[batch, input] -> [batch, output]`.
    pub fn forward_one(&self, x: Tensor<2>) -> Tensor<2> {
        debug_assert_eq!(self.members(), 1, "forward_one is for a stack of one");
        self.forward(x.unsqueeze_dim(0)).squeeze_dim(0)
    }

    /// All members on the same input: `[batch, input] -> [K, batch, output]`.
    pub fn forward_shared(&self, x: Tensor<2>) -> Tensor<3> {
        self.forward_shared_with_dropout(x, None)
    }

    /// As [`Mlp::forward_shared`], with dropout: see [`Mlp::forward_with_dropout`].
    pub(crate) fn forward_shared_with_dropout(
        &self,
        x: Tensor<2>,
        dropout_mask: Option<Tensor<3>>,
    ) -> Tensor<3> {
        let [batch, inputs] = x.dims();
        self.forward_with_dropout(
            x.unsqueeze_dim::<3>(0)
                .expand([self.members(), batch, inputs]),
            dropout_mask,
        )
    }

    /// Stacks of `size` members each, the last of which may be smaller; all of them trainable where
    /// the device has gradients.
    pub fn split(self, size: usize) -> Vec<Self> {
        let members = self.members();
        // Detached, so that each stack is a leaf and is trained on its own.
        let part = |params: &Vec<Param<Tensor<3>>>, range: Range<usize>| {
            params
                .iter()
                .map(|param| Param::from_tensor(param.val().slice_dim(0, range.clone()).detach()))
                .collect()
        };
        let parts = (0..members)
            .step_by(size)
            .map(|start| start..(start + size).min(members));
        let stack = |range: Range<usize>| {
            let [weights, biases, gains, shifts] =
                [&self.weights, &self.biases, &self.gains, &self.shifts]
                    .map(|params| part(params, range.clone()));
            Self {
                weights,
                biases,
                gains,
                shifts,
                activation: self.activation,
                first: self.first,
                residual: self.residual,
            }
        };
        parts.map(stack).collect()
    }

    /// K, the number of members.
    pub fn members(&self) -> usize {
        self.weights[0].dims()[0]
    }
}

fn zeros_like(param: Param<Tensor<3>>) -> Param<Tensor<3>> {
    Param::from_tensor(Tensor::zeros(param.dims(), &param.device()))
}

/// Initialization of weights.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Initial {
    /// Normal with this standard deviation (TD-MPC2's 0.02, whose truncation at ±2 never happens).
    Normal(f64),
    /// Orthogonal columns or rows of length 1, whichever are fewer (Saxe et al. 2014), as TD-MPC
    /// has it.
    Orthogonal,
}

impl Initial {
    /// A matrix of `inputs` rows and `outputs` columns, row-major.
    pub(super) fn draw(self, inputs: usize, outputs: usize, rng: &mut Rng) -> Vec<f32> {
        match self {
            Self::Normal(std) => (0..inputs * outputs)
                .map(|_| (std * rng.normal()) as f32)
                .collect(),
            Self::Orthogonal if inputs <= outputs => orthonormal(inputs, outputs, rng).concat(),
            Self::Orthogonal => {
                let columns = orthonormal(outputs, inputs, rng);
                (0..inputs)
                    .flat_map(|i| columns.iter().map(move |column| column[i]))
                    .collect()
            }
        }
    }
}

/// `count` vectors of length 1 and `width` numbers, each at a right angle to the others: normal
/// draws, made so by Gram and Schmidt.
fn orthonormal(count: usize, width: usize, rng: &mut Rng) -> Vec<Vec<f32>> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut vector = rng.normals(width);
        // Twice, because rounding leaves something over the first time.
        for other in vectors.iter().chain(&vectors) {
            let along = dot(&vector, other);
            vector
                .iter_mut()
                .zip(other)
                .for_each(|(v, o)| *v -= along * o);
        }
        let length = dot(&vector, &vector).sqrt();
        vectors.push(vector.into_iter().map(|v| v / length).collect());
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Archive;
    use crate::nn::{Residual, params};
    use pollster::block_on;

    /// The written-out gradient in the input is the one that a backward pass finds, member by
    /// member.
    #[test]
    fn the_input_gradient_is_that_of_a_backward_pass() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(0, "test", 0);
        for sizes in [&[4, 6, 5, 1][..], &[4, 7, 1]] {
            let net = Mlp::new(2, sizes, Activation::Relu, &mut rng, &device);
            let x =
                Tensor::<3>::from_data(TensorData::new(rng.normals(2 * 9 * 4), [2, 9, 4]), &device)
                    .require_grad();
            let found = block_on(crate::nn::read(net.input_gradient(x.clone()).inner())).unwrap();
            let expected = block_on(crate::nn::read(
                x.grad(&net.forward(x.clone()).sum().backward()).unwrap(),
            ))
            .unwrap();
            assert!(expected.iter().any(|g| g.abs() > 1e-2));
            assert!(
                found
                    .iter()
                    .zip(&expected)
                    .all(|(f, e)| (f - e).abs() < 1e-6),
                "{found:?} {expected:?}"
            );
        }
    }

    /// A stack with residual blocks is as many residual networks, as those that policies have.
    #[test]
    fn a_residual_stack_is_a_stack_of_residual_networks() {
        let device = Device::flex();
        let mut rng = Rng::new(0, "test", 0);
        let sizes = [3, 6, 6, 6, 6, 6, 2];
        let stack = Mlp::new(2, &sizes, Activation::Mish, &mut rng, &device).with_residuals();
        let mut weights = Archive::new();
        block_on(params::save(&stack, "stack", &mut weights)).unwrap();
        let x = crate::nn::matrix(rng.normals(21), 3, &device);
        let found = block_on(crate::nn::read(stack.forward_shared(x.clone()))).unwrap();
        let alone = Residual::new(&sizes, Activation::Mish, &mut rng, &device);
        let layers = ["input", "blocks.0.first", "blocks.0.second"];
        let layers = [
            &layers[..],
            &["blocks.1.first", "blocks.1.second", "output"],
        ]
        .concat();
        for member in 0..2 {
            let mut own = Archive::new();
            for (i, layer) in layers.iter().enumerate() {
                for (many, one) in [("weights", "weight"), ("biases", "bias")] {
                    let (shape, values) = weights.get_f32(&format!("stack/{many}.{i}")).unwrap();
                    let size = shape[1] * shape[2];
                    let values = values[member * size..(member + 1) * size].to_vec();
                    own.put_f32(format!("one/{layer}.{one}"), &shape[1..], values);
                }
            }
            let alone = params::load(alone.clone(), "one", &own).unwrap();
            let expected = block_on(crate::nn::read(alone.forward(x.clone()))).unwrap();
            let error = |(f, e): (&f32, &f32)| (f - e).abs();
            let pairs = found[member * 14..(member + 1) * 14].iter().zip(&expected);
            assert!(
                pairs.map(error).fold(0.0, f32::max) < 1e-6,
                "{found:?} {expected:?}"
            );
        }
    }

    /// Orthogonal weights keep lengths: whichever of rows and columns are fewer are orthonormal.
    #[test]
    fn orthogonal_weights_are_orthonormal() {
        for (inputs, outputs) in [(5, 9), (9, 5), (6, 6)] {
            let w = Initial::Orthogonal.draw(inputs, outputs, &mut Rng::new(0, "test", 0));
            let few = inputs.min(outputs);
            let at = |k: usize, i: usize| {
                if inputs <= outputs {
                    w[k * outputs + i]
                } else {
                    w[i * outputs + k]
                }
            };
            for (a, b) in (0..few).flat_map(|a| (0..few).map(move |b| (a, b))) {
                let dot: f32 = (0..inputs.max(outputs)).map(|i| at(a, i) * at(b, i)).sum();
                assert!(
                    (dot - f32::from(u8::from(a == b))).abs() < 1e-5,
                    "{a} {b} {dot}"
                );
            }
        }
    }

    /// Selected members answer as they do in the stack.
    #[test]
    fn selected_members_answer_as_in_the_stack() {
        let device = Device::flex();
        let mut rng = Rng::new(0, "test", 0);
        let net = Mlp::normed_first(4, &[3, 6, 5, 2], Activation::Elu, &mut rng, &device);
        let x = crate::nn::matrix(rng.normals(21), 3, &device);
        let read = |tensor: Tensor<3>| block_on(crate::nn::read(tensor)).unwrap();
        let all = read(net.forward_shared(x.clone()));
        let some = read(net.select(&[3, 1]).forward_shared(x));
        assert_eq!(some, [&all[3 * 14..4 * 14], &all[14..28]].concat());
    }
}
