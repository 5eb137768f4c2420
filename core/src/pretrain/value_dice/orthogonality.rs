//! Orthogonal regularization of a network's weights.

use crate::nn::params::Path;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

/// The sum over all layers of the squared off-diagonal elements of W^T W (Brock et al. 2019,
/// equation 3): zero where the columns of every weight matrix are orthogonal. Biases do not count.
///
/// # Panics
/// When the module has no layer.
pub(crate) fn orthogonality<M: Module>(module: &M) -> Tensor<1> {
    let mut sum = Sum::default();
    module.visit(&mut sum);
    sum.total.expect("a policy has at least one layer")
}

#[derive(Default)]
struct Sum {
    path: Path,
    total: Option<Tensor<1>>,
}

impl ModuleVisitor for Sum {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.path.name().contains("weight") {
            return;
        }
        let weight = param.val();
        // A mask over the diagonal: columns may have any length, only the angles between them are
        // held.
        let others = Tensor::<2>::eye(weight.dims()[D - 1], &weight.device()).neg() + 1.0;
        let others: Tensor<D> = others.unsqueeze();
        let term = (weight.clone().transpose().matmul(weight) * others)
            .square()
            .sum();
        self.total = Some(match self.total.take() {
            Some(total) => total + term,
            None => term,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Archive;
    use crate::nn::{self, Activation, Mlp, Residual, gradient_check::worst_error, params};
    use crate::rng::Rng;
    use burn::tensor::Device;
    use pollster::block_on;

    /// It is twice the sum of the squared scalar products of different columns, over all layers,
    /// without biases.
    #[test]
    fn orthogonality_is_what_columns_have_in_common() {
        let device = Device::flex();
        let net = Mlp::new(
            1,
            &[2, 2, 2],
            Activation::Relu,
            &mut Rng::new(0, "test", 0),
            &device,
        );
        let mut archive = Archive::new();
        block_on(params::save(&net, "net", &mut archive)).unwrap();
        archive.put_f32("net/weights.0", &[1, 2, 2], vec![1.0, 2.0, 0.5, -3.0]);
        archive.put_f32("net/weights.1", &[1, 2, 2], vec![3.0, 0.0, 0.0, -7.0]);
        let net = params::load(net, "net", &archive).unwrap();
        // Columns (1, 0.5) and (2, -3): 2 - 1.5 = 0.5; the other layer's are orthogonal.
        assert!(
            (block_on(nn::scalar(orthogonality(&net))).unwrap() - 2.0 * 0.5 * 0.5).abs() < 1e-6
        );
    }

    /// Its gradient is right, for plain and for residual networks.
    #[test]
    fn orthogonality_has_the_right_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let plain = Mlp::new(1, &[3, 4, 2], Activation::Relu, &mut rng, &device);
        let residual = Residual::new(&[3, 4, 4, 4, 2], Activation::Relu, &mut rng, &device);
        // Biases have no part in it: theirs is given something to find.
        let x = nn::matrix(rng.normals(15), 3, &device);
        let errors = [
            worst_error(&plain, |net| {
                orthogonality(net) + net.forward_one(x.clone()).sum()
            }),
            worst_error(&residual, |net| {
                orthogonality(net) + net.forward(x.clone()).sum()
            }),
        ];
        assert!(errors.iter().all(|error| *error < 1e-2), "{errors:?}");
    }
}
