//! A stack of K multi-layer perceptrons of the same shape, evaluated as batched matrix products.
//!
//! K = 1 is an ordinary network, K = 2 a pair of critics, K = 100 the ensemble of PostBC: one kernel call per layer
//! for all members, instead of one per member.

use super::fused;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
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
        Self { weights, biases, activation }
    }

    /// All members on their own inputs: `[K, batch, input] -> [K, batch, output]`.
    pub fn forward(&self, mut x: Tensor<3>) -> Tensor<3> {
        let last = self.weights.len() - 1;
        for (i, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            x = fused::linear(x, weight.val(), bias.val());
            if i < last {
                x = self.activation.forward(x);
            }
        }
        x
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

    /// Stacks of `size` members each, the last of which may be smaller.
    pub fn split(self, size: usize) -> Vec<Self> {
        let members = self.members();
        let part = |params: &[Param<Tensor<3>>], range: Range<usize>| {
            params.iter().map(|param| leaf(param, param.val().slice_dim(0, range.clone()))).collect()
        };
        let parts = (0..members).step_by(size).map(|start| start..(start + size).min(members));
        let stack = |range: Range<usize>| {
            let (weights, biases) = (part(&self.weights, range.clone()), part(&self.biases, range));
            Self { weights, biases, activation: self.activation }
        };
        parts.map(stack).collect()
    }

    /// The members of several stacks as one.
    pub fn join<'a>(stacks: impl Iterator<Item = &'a Self>) -> Self {
        let stacks: Vec<&Self> = stacks.collect();
        let join = |params: fn(&Self) -> &Vec<Param<Tensor<3>>>| {
            let layers = 0..params(stacks[0]).len();
            let layer = |i: usize| Tensor::cat(stacks.iter().map(|stack| params(stack)[i].val()).collect(), 0);
            layers.map(|i| leaf(&params(stacks[0])[i], layer(i))).collect()
        };
        Self { weights: join(|stack| &stack.weights), biases: join(|stack| &stack.biases), activation: stacks[0].activation }
    }

    /// K, the number of members.
    pub fn members(&self) -> usize {
        self.weights[0].dims()[0]
    }
}

/// A parameter with these values, which wants gradients if `like` does.
fn leaf(like: &Param<Tensor<3>>, values: Tensor<3>) -> Param<Tensor<3>> {
    let wants = like.val().is_require_grad();
    Param::from_tensor(values.detach()).set_require_grad(wants)
}
