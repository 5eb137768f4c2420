//! Plain gradient descent.

use super::adam::{gradient_norm, shrinking};
use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// One step of gradient descent on `loss` with learning rate `lr` and the gradient's norm, over the
/// whole module, clipped to `limit`. Parameters on which the loss does not depend stay as they are.
pub fn descend<M: Module>(module: M, loss: &Tensor<1>, lr: f64, limit: f64) -> M {
    let mut grads = GradientsParams::from_grads(loss.backward(), &module);
    let rate = shrinking(gradient_norm(&module, &mut grads), limit) * lr;
    module.map(&mut Descent { grads, rate })
}

/// Subtracts `rate` times the gradient from each parameter that has one.
struct Descent {
    grads: GradientsParams,
    rate: Tensor<1>,
}

impl ModuleMapper for Descent {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        let rate = self.rate.clone().reshape([1; D]);
        param.map(|value| (value.inner() - grad * rate).autodiff().require_grad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Linear, matrix, read};
    use crate::rng::Rng;
    use burn::tensor::Device;
    use pollster::block_on;

    /// A step is the learning rate times the gradient, worked out here for the mean of a linear
    /// layer's output, and no longer than the limit allows.
    #[test]
    fn a_step_is_the_rate_times_the_gradient() {
        let device = Device::flex().autodiff();
        let layer = Linear::new(2, 1, &mut Rng::new(0, "test", 0), &device);
        let output = |layer: &Linear, x: [f32; 2]| {
            block_on(read(layer.forward(matrix(x.to_vec(), 2, &device)).inner())).unwrap()[0]
        };
        // The gradient is 3, -1 for the weights and 1 for the bias: its norm is the root of 11.
        for (limit, length) in [(4.0, 0.1), (11f64.sqrt() / 2.0, 0.05)] {
            let loss: Tensor<1> = layer.forward(matrix(vec![3.0, -1.0], 2, &device)).mean();
            let moved = descend(layer.clone(), &loss, 0.1, limit);
            let change = |x: [f32; 2]| output(&moved, x) - output(&layer, x);
            let close = |x: [f32; 2], expected: f32| (change(x) - length * expected).abs() < 1e-6;
            assert!(close([0.0, 0.0], -1.0) && close([1.0, 0.0], -4.0) && close([0.0, 1.0], 0.0));
        }
    }
}
