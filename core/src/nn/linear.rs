//! A fully connected layer.

use super::fused;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// x W + b: `[batch, in] -> [batch, out]`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[in, out]`.
    weight: Param<Tensor<2>>,
    /// `[1, out]`.
    bias: Param<Tensor<2>>,
}

impl Linear {
    /// Weights and biases are uniform in ±1/sqrt(`inputs`), PyTorch's default.
    pub(crate) fn new(inputs: usize, outputs: usize, rng: &mut Rng, device: &Device) -> Self {
        let bound = 1.0 / (inputs as f64).sqrt();
        let mut uniform = |rows: usize| {
            let values: Vec<f32> = (0..rows * outputs)
                .map(|_| rng.range(-bound, bound) as f32)
                .collect();
            Param::from_data(TensorData::new(values, [rows, outputs]), device)
        };
        Self {
            weight: uniform(inputs),
            bias: uniform(1),
        }
    }

    /// Weights of a standard deviation of 0.02 and no biases, as vision transformers begin (timm,
    /// `init_weights_vit_timm`).
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn small(inputs: usize, outputs: usize, rng: &mut Rng, device: &Device) -> Self {
        let weights = rng.normals(inputs * outputs).into_iter();
        let weights: Vec<f32> = weights.map(|z| 0.02 * z).collect();
        Self {
            weight: Param::from_data(TensorData::new(weights, [inputs, outputs]), device),
            bias: Param::from_tensor(Tensor::zeros([1, outputs], device)),
        }
    }

    /// `[batch, in] -> [batch, out]`.
    pub(crate) fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        fused::linear(x, self.weight.val(), self.bias.val())
    }
}
