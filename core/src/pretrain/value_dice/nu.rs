//! The critic of ValueDICE: a value of state and chunk, kept smooth by a gradient penalty.

use super::ValueDiceConfig;
use crate::nn::{Activation, Mlp};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Added to every component of a gradient before its length is taken: the length of a zero vector
/// has no derivative.
const EPSILON: f32 = f32::EPSILON;

/// nu(s, a).
#[derive(Module, Debug)]
pub(crate) struct Nu {
    net: Mlp,
}

impl Nu {
    /// Fresh weights, for states and chunks of `inputs` numbers together.
    pub(crate) fn new(
        config: &ValueDiceConfig,
        inputs: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let hidden = std::iter::repeat_n(config.hidden, config.layers);
        let sizes: Vec<usize> = std::iter::once(inputs)
            .chain(hidden)
            .chain(std::iter::once(1))
            .collect();
        Self {
            net: Mlp::new(1, &sizes, Activation::Relu, rng, device),
        }
    }

    /// Values of (state, chunk) rows: `[batch, state + chunk] -> [batch]`.
    pub(crate) fn values(&self, inputs: Tensor<2>) -> Tensor<1> {
        self.net.forward_one(inputs).squeeze_dim(1)
    }

    /// mean (|gradient of nu in its input| - 1)^2 over the rows (Gulrajani et al. 2017, eq. 3),
    /// differentiable in nu's weights.
    pub(crate) fn penalty(&self, inputs: Tensor<2>) -> Tensor<1> {
        let gradient = self.net.input_gradient(inputs.unsqueeze_dim(0)) + EPSILON;
        (gradient.square().sum_dim(2).sqrt() - 1.0).square().mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{self, gradient_check::worst_error};
    use crate::settings::Preset;

    /// The penalty is that of the gradients that a backward pass finds, and its own gradient in the
    /// weights, which no backward pass of a backward pass gives here, is right.
    #[test]
    fn the_penalty_has_the_right_value_and_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(0, "test", 0);
        let config = ValueDiceConfig {
            hidden: 6,
            layers: 2,
            ..ValueDiceConfig::preset(Preset::Tiny)
        };
        let nu = Nu::new(&config, 3, &mut rng, &device);
        let x = nn::matrix(rng.normals(30), 3, &device).require_grad();
        let gradient = x.grad(&nu.values(x.clone()).sum().backward()).unwrap();
        let gradient = pollster::block_on(nn::read(gradient)).unwrap();
        let length = |g: &[f32]| g.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
        let expected = gradient
            .chunks(3)
            .map(|g| (length(g) - 1.0).powi(2))
            .sum::<f64>()
            / 10.0;
        let found = pollster::block_on(nn::scalar(nu.penalty(x.clone()).inner())).unwrap();
        assert!(
            (f64::from(found) - expected).abs() < 1e-5,
            "{found} {expected}"
        );
        // Biases move no gradient: theirs is given something to find.
        let x = x.detach();
        let error = worst_error(&nu, |nu| {
            nu.penalty(x.clone()) + nu.values(x.clone()).mean()
        });
        assert!(error < 1e-2, "{error}");
    }
}
