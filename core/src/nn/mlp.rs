//! A stack of K multi-layer perceptrons of the same shape, evaluated as batched matrix products.
//!
//! K = 1 is an ordinary network, K = 2 a pair of critics, K = 100 the ensemble of PostBC: one kernel call per layer
//! for all members, instead of one per member.

use super::fused;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The non-linearity between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0): the cheapest.
    Relu,
    /// x tanh(ln(1 + e^x)): smooth; what DPPO's networks use.
    Mish,
    /// Hyperbolic tangent: bounded; what DSRL's networks use.
    Tanh,
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
    /// Gain and shift of each layer normalisation, `[K, 1, out]`; empty without normalisation.
    gains: Vec<Param<Tensor<3>>>,
    shifts: Vec<Param<Tensor<3>>>,
    #[module(skip)]
    activation: Activation,
}

impl Mlp {
    /// `members` networks with layer sizes `sizes` (input, hidden ..., output). Weights and biases are uniform in
    /// ±1/sqrt(fan-in), PyTorch's default for a linear layer, and every member draws its own.
    pub fn new(members: usize, sizes: &[usize], activation: Activation, rng: &mut Rng, device: &Device) -> Self {
        let mut uniform = |inputs: usize, shape: [usize; 3]| {
            let bound = 1.0 / (inputs as f64).sqrt();
            let values: Vec<f32> = (0..shape.iter().product()).map(|_| rng.range(-bound, bound) as f32).collect();
            Param::from_data(TensorData::new(values, shape), device)
        };
        let layers = sizes.windows(2);
        let weights = layers.clone().map(|w| uniform(w[0], [members, w[0], w[1]])).collect();
        let biases = layers.map(|w| uniform(w[0], [members, 1, w[1]])).collect();
        Self { weights, biases, gains: Vec::new(), shifts: Vec::new(), activation }
    }

    /// The same with a layer normalisation (Ba et al. 2016) before each non-linearity, gains 1 and shifts 0 at the start.
    pub fn normed(members: usize, sizes: &[usize], activation: Activation, rng: &mut Rng, device: &Device) -> Self {
        let constant = |value: f32| move |&size: &usize| Param::from_tensor(Tensor::full([members, 1, size], value, device));
        let hidden = &sizes[1..sizes.len() - 1];
        let (gains, shifts) = (hidden.iter().map(constant(1.0)).collect(), hidden.iter().map(constant(0.0)).collect());
        Self { gains, shifts, ..Self::new(members, sizes, activation, rng, device) }
    }

    /// All members on their own inputs: `[K, batch, input] -> [K, batch, output]`.
    pub fn forward(&self, mut x: Tensor<3>) -> Tensor<3> {
        let last = self.weights.len() - 1;
        for (i, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            x = fused::linear(x, weight.val(), bias.val());
            if let (Some(gain), Some(shift)) = (self.gains.get(i), self.shifts.get(i)) {
                x = fused::normalise(x, gain.val(), shift.val());
            }
            if i < last {
                x = self.activation.forward(x);
            }
        }
        x
    }

    /// The gradient of the only output with respect to the input, for ReLU networks: `[K, batch, input] -> [K, batch, input]`.
    ///
    /// Written out as the product of the weights and of the slopes (0 or 1) of the units, so that it can itself be
    /// differentiated in the weights: the tensor library differentiates once only. The slopes enter as constants, since
    /// their own derivative is 0 wherever there is one.
    pub fn input_gradient(&self, mut x: Tensor<3>) -> Tensor<3> {
        debug_assert_eq!((self.activation, self.biases.last().map(|b| b.dims()[2])), (Activation::Relu, Some(1)));
        let hidden = self.weights.len() - 1;
        let mut slopes = Vec::with_capacity(hidden);
        for (weight, bias) in self.weights.iter().zip(&self.biases).take(hidden) {
            x = relu(x.matmul(weight.val()) + bias.val()).detach();
            slopes.push(x.clone().greater_elem(0.0).float());
        }
        let output = self.weights[hidden].val().transpose();
        self.weights[..hidden].iter().zip(slopes).rev().fold(output, |gradient, (weight, slope)| {
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
        let [batch, inputs] = x.dims();
        self.forward(x.unsqueeze_dim::<3>(0).expand([self.members(), batch, inputs]))
    }

    /// Stacks of `size` members each, the last of which may be smaller; all of them trainable where the device has gradients.
    pub fn split(self, size: usize) -> Vec<Self> {
        let members = self.members();
        let part = |params: &Vec<Param<Tensor<3>>>, range: Range<usize>| {
            params.iter().map(|param| Param::from_tensor(param.val().slice_dim(0, range.clone()).detach())).collect()
        };
        let parts = (0..members).step_by(size).map(|start| start..(start + size).min(members));
        let stack = |range: Range<usize>| {
            let [weights, biases, gains, shifts] =
                [&self.weights, &self.biases, &self.gains, &self.shifts].map(|params| part(params, range.clone()));
            Self { weights, biases, gains, shifts, activation: self.activation }
        };
        parts.map(stack).collect()
    }

    /// K, the number of members.
    pub fn members(&self) -> usize {
        self.weights[0].dims()[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    /// The promise: the written-out gradient in the input is the one that a backward pass finds, member by member.
    #[test]
    fn the_input_gradient_is_that_of_a_backward_pass() {
        let (device, mut rng) = (Device::flex().autodiff(), Rng::new(0, "test", 0));
        for sizes in [&[4, 6, 5, 1][..], &[4, 7, 1]] {
            let net = Mlp::new(2, sizes, Activation::Relu, &mut rng, &device);
            let x = Tensor::<3>::from_data(TensorData::new(rng.normals(2 * 9 * 4), [2, 9, 4]), &device).require_grad();
            let found = block_on(crate::nn::read(net.input_gradient(x.clone()).inner())).unwrap();
            let expected = block_on(crate::nn::read(x.grad(&net.forward(x.clone()).sum().backward()).unwrap())).unwrap();
            assert!(expected.iter().any(|g| g.abs() > 1e-2));
            assert!(found.iter().zip(&expected).all(|(f, e)| (f - e).abs() < 1e-6), "{found:?} {expected:?}");
        }
    }
}
