//! Plain gradient descent.

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// A module one step of length `lr` times the gradient down `loss`; what the loss does not depend on stays as it is.
pub fn descend<M: Module>(module: M, loss: &Tensor<1>, lr: f64) -> M {
    let grads = GradientsParams::from_grads(loss.backward(), &module);
    module.map(&mut Descent { grads, lr })
}

struct Descent {
    grads: GradientsParams,
    lr: f64,
}

impl ModuleMapper for Descent {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else { return param };
        param.map(|value| (value.inner() - grad * self.lr).autodiff().require_grad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{Linear, matrix, read};
    use crate::rng::Rng;
    use burn::tensor::Device;
    use pollster::block_on;

    /// The promise: a step is the learning rate times the gradient, worked out here for the mean of a linear layer's output.
    #[test]
    fn a_step_is_the_rate_times_the_gradient() {
        let device = Device::flex().autodiff();
        let layer = Linear::new(2, 1, &mut Rng::new(0, "test", 0), &device);
        let output = |layer: &Linear, x: [f32; 2]| block_on(read(layer.forward(matrix(x.to_vec(), 2, &device)).inner())).unwrap()[0];
        let loss: Tensor<1> = layer.forward(matrix(vec![3.0, -1.0], 2, &device)).mean();
        let moved = descend(layer.clone(), &loss, 0.1);
        // The weights move by -0.1 (3, -1), the bias by -0.1.
        let change = |x: [f32; 2]| output(&moved, x) - output(&layer, x);
        assert!((change([0.0, 0.0]) + 0.1).abs() < 1e-6 && (change([1.0, 0.0]) + 0.4).abs() < 1e-6 && change([0.0, 1.0]).abs() < 1e-6);
    }
}
