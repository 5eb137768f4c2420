//! A transformer: blocks of self-attention and of a network of two layers, each with a layer
//! normalization before it and a residual connection around it (Vaswani et al. 2017; the
//! normalization first: Xiong et al. 2020). Every token sees every other.

use super::{Activation, Linear, fused};
use crate::rng::Rng;
use burn::module::{Module, Param};
#[cfg(not(target_arch = "wasm32"))]
use burn::tensor::activation::gelu;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Units of a block's network, in widths of a token.
const EXPANSION: usize = 4;

/// `[batch, tokens, width] -> [batch, tokens, width]`.
#[derive(Module, Debug)]
pub(crate) struct Transformer {
    blocks: Vec<Block>,
    last: Norm,
}

#[derive(Module, Debug)]
struct Block {
    before_attention: Norm,
    /// To queries, keys and values, side by side.
    split: Linear,
    merge: Linear,
    before_net: Norm,
    up: Linear,
    down: Linear,
    heads: usize,
    #[module(skip)]
    between: Between,
}

/// The non-linearity between the layers of a block's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Between {
    Mish,
    /// x Phi(x), with the normal distribution function Phi (Hendrycks and Gimpel 2016).
    #[cfg(not(target_arch = "wasm32"))]
    Gelu,
}

impl Between {
    fn forward(self, x: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Mish => Activation::Mish.forward(x),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Gelu => gelu(x),
        }
    }
}

/// A layer normalization over a token.
#[derive(Module, Debug)]
pub(super) struct Norm {
    /// `[1, 1, width]`.
    gain: Param<Tensor<3>>,
    /// `[1, 1, width]`.
    shift: Param<Tensor<3>>,
}

impl Norm {
    pub(super) fn new(width: usize, device: &Device) -> Self {
        let all = |value: f32| Param::from_tensor(Tensor::full([1, 1, width], value, device));
        Self {
            gain: all(1.0),
            shift: all(0.0),
        }
    }

    /// `[rows, width] -> [rows, width]`.
    pub(super) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::normalise(x.unsqueeze_dim(0), self.gain.val(), self.shift.val()).squeeze_dim(0)
    }
}

impl Transformer {
    /// `width` is a multiple of `heads`.
    pub(crate) fn new(
        blocks: usize,
        width: usize,
        heads: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let linear = |inputs, outputs| Linear::new(inputs, outputs, rng, device);
        Self::made_of(linear, Between::Mish, (blocks, width, heads), device)
    }

    /// The same as vision transformers have it: GELU, and small weights at first.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn of_vision(
        blocks: usize,
        width: usize,
        heads: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let linear = |inputs, outputs| Linear::small(inputs, outputs, rng, device);
        Self::made_of(linear, Between::Gelu, (blocks, width, heads), device)
    }

    fn made_of(
        mut linear: impl FnMut(usize, usize) -> Linear,
        between: Between,
        (blocks, width, heads): (usize, usize, usize),
        device: &Device,
    ) -> Self {
        let blocks = (0..blocks).map(|_| Block {
            before_attention: Norm::new(width, device),
            split: linear(width, 3 * width),
            merge: linear(width, width),
            before_net: Norm::new(width, device),
            up: linear(width, EXPANSION * width),
            down: linear(EXPANSION * width, width),
            heads,
            between,
        });
        Self {
            blocks: blocks.collect(),
            last: Norm::new(width, device),
        }
    }

    /// All blocks, and a last normalization.
    pub(crate) fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let shape = tokens.dims();
        let rows = tokens.reshape([shape[0] * shape[1], shape[2]]);
        let rows = self
            .blocks
            .iter()
            .fold(rows, |rows, block| block.forward(rows, shape));
        self.last.forward(rows).reshape(shape)
    }
}

impl Block {
    /// Tokens as rows: `[batch * tokens, width]`.
    fn forward(&self, x: Tensor<2>, shape: [usize; 3]) -> Tensor<2> {
        // Pre-norm: nothing on the residual path itself is normalized.
        let mixed = self.attend(self.before_attention.forward(x.clone()), shape);
        let x = x + self.merge.forward(mixed);
        let up = self.up.forward(self.before_net.forward(x.clone()));
        x + self.down.forward(self.between.forward(up))
    }

    /// Self-attention of all heads over normalized tokens, before their outputs are merged.
    fn attend(&self, x: Tensor<2>, [batch, tokens, width]: [usize; 3]) -> Tensor<2> {
        let size = width / self.heads;
        let parts = self
            .split
            .forward(x)
            .reshape([batch, tokens, 3, self.heads, size]);
        // [batch, heads, tokens, size] each.
        let part = |i: usize| {
            parts
                .clone()
                .slice_dim(2, i..i + 1)
                .squeeze_dim::<4>(2)
                .swap_dims(1, 2)
        };
        // softmax(q k^T / sqrt(size)) v (Vaswani et al. 2017, eq. 1), each head in its own columns.
        let scores = part(0)
            .matmul(part(1).swap_dims(2, 3))
            .div_scalar((size as f64).sqrt());
        softmax(scores, 3)
            .matmul(part(2))
            .swap_dims(1, 2)
            .reshape([batch * tokens, width])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradient_check::worst_error_of_smooth;
    use burn::tensor::TensorData;
    use pollster::block_on;

    fn tokens(batch: usize, rng: &mut Rng, device: &Device) -> Tensor<3> {
        Tensor::from_data(
            TensorData::new(rng.normals(batch * 3 * 4), [batch, 3, 4]),
            device,
        )
    }

    /// The gradients, through attention and both kinds of short cut, are those of finite
    /// differences.
    #[test]
    fn the_gradients_are_those_of_finite_differences() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let net = Transformer::new(2, 4, 2, &mut rng, &device);
        let x = tokens(2, &mut rng, &device);
        let aim = tokens(2, &mut rng, &device);
        let error = worst_error_of_smooth(&net, 2e-3, |net| {
            (net.forward(x.clone()) - aim.clone()).square().sum()
        });
        assert!(error < 2e-2, "{error}");
    }

    /// Attention is its definition, on numbers that are worked out one by one.
    #[test]
    fn attention_is_its_definition() {
        let device = Device::flex();
        let mut rng = Rng::new(2, "test", 0);
        let Transformer { blocks, .. } = Transformer::new(1, 4, 2, &mut rng, &device);
        let read = |tensor: Tensor<2>| block_on(crate::nn::read(tensor)).unwrap();
        let x = crate::nn::matrix(rng.normals(12), 4, &device);
        let split = read(blocks[0].split.forward(x.clone()));
        let found = read(blocks[0].attend(x, [1, 3, 4]));
        let at = |token: usize, part: usize, head: usize, i: usize| {
            split[token * 12 + part * 4 + head * 2 + i]
        };
        for (token, head) in (0..3).flat_map(|token| (0..2).map(move |head| (token, head))) {
            let score = |other: usize| {
                (0..2)
                    .map(|i| at(token, 0, head, i) * at(other, 1, head, i))
                    .sum::<f32>()
                    / 2f32.sqrt()
            };
            let weights = [0, 1, 2].map(|other| score(other).exp());
            for i in 0..2 {
                let sum: f32 = (0..3)
                    .map(|other| weights[other] * at(other, 2, head, i))
                    .sum();
                let expected = sum / weights.iter().sum::<f32>();
                assert!((found[token * 4 + head * 2 + i] - expected).abs() < 1e-5);
            }
        }
    }

    /// The rows of a batch do not see each other.
    #[test]
    fn the_rows_of_a_batch_do_not_see_each_other() {
        let device = Device::flex();
        let mut rng = Rng::new(3, "test", 0);
        let net = Transformer::new(2, 4, 2, &mut rng, &device);
        let read = |tensor: Tensor<3>| block_on(crate::nn::read(tensor)).unwrap();
        let x = tokens(2, &mut rng, &device);
        let together = read(net.forward(x.clone()));
        let alone = read(net.forward(x.slice_dim(0, 1..2)));
        assert!(
            together[12..]
                .iter()
                .zip(&alone)
                .all(|(a, b)| (a - b).abs() < 1e-5)
        );
    }
}
