//! DPPO's residual network: a linear layer, pre-activation blocks of two layers, a linear layer. No
//! norm, no dropout.

use super::{Activation, Linear};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// `[batch, in] -> [batch, out]`.
#[derive(Module, Debug)]
pub struct Residual {
    input: Linear,
    blocks: Vec<Block>,
    output: Linear,
    #[module(skip)]
    activation: Activation,
}

/// x + W2 act(W1 act(x)).
#[derive(Module, Debug)]
struct Block {
    first: Linear,
    second: Linear,
}

impl Residual {
    /// `sizes` are input, hidden layers, output, as of an [`super::Mlp`]. All hidden layers have
    /// the width of the first, and there is an odd number of them: one, and two for each block.
    pub fn new(sizes: &[usize], activation: Activation, rng: &mut Rng, device: &Device) -> Self {
        let inputs = sizes[0];
        let hidden = sizes[1];
        let outputs = sizes[sizes.len() - 1];
        let mut linear = |inputs, outputs| Linear::new(inputs, outputs, rng, device);
        Self {
            input: linear(inputs, hidden),
            // Input and output, one hidden layer before the blocks, two in each.
            blocks: (0..(sizes.len() - 3) / 2)
                .map(|_| Block {
                    first: linear(hidden, hidden),
                    second: linear(hidden, hidden),
                })
                .collect(),
            output: linear(hidden, outputs),
            activation,
        }
    }

    /// `[batch, in] -> [batch, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let act = |x| self.activation.forward(x);
        let hidden = self.blocks.iter().fold(self.input.forward(x), |x, block| {
            let inner = block.first.forward(act(x.clone()));
            x + block.second.forward(act(inner))
        });
        self.output.forward(hidden)
    }
}
