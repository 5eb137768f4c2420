//! For tests: gradients against central finite differences.

use super::params::{self, Path};
use crate::data::Archive;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use pollster::block_on;
use std::collections::BTreeMap;

/// Half the distance between the two points of a difference: rounding (1e-7 / STEP) stays below
/// 1e-3, and hardly a ReLU bends in between.
const STEP: f32 = 4e-4;

/// The largest relative error of the gradient of `loss`, over the parameters of `module`: |backward
/// - differences| / |differences|.
pub(crate) fn worst_error<M: Module>(module: &M, loss: impl FnMut(&M) -> Tensor<1>) -> f64 {
    worst_error_of_smooth(module, STEP, loss)
}

/// The same with another distance: where everything is smooth, a larger one leaves less to
/// rounding.
pub(crate) fn worst_error_of_smooth<M: Module>(
    module: &M,
    step: f32,
    mut loss: impl FnMut(&M) -> Tensor<1>,
) -> f64 {
    let gradients = backward(module, &loss(module));
    let mut archive = Archive::new();
    block_on(params::save(module, "m", &mut archive)).unwrap();
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let mut worst = 0.0f64;
    for name in names {
        let (shape, values) = archive
            .get_f32(&name)
            .map(|(shape, values)| (shape.to_vec(), values.to_vec()))
            .unwrap();
        let mut at = |i: usize, delta: f32| {
            let mut moved = values.clone();
            moved[i] += delta;
            let mut nearby = archive.clone();
            nearby.put_f32(&name, &shape, moved.clone());
            let value = block_on(super::scalar(
                loss(&params::load(module.clone(), "m", &nearby).unwrap()).inner(),
            ))
            .unwrap();
            (f64::from(moved[i]), f64::from(value))
        };
        let differences = (0..values.len()).map(|i| {
            let above = at(i, step);
            let below = at(i, -step);
            (above.1 - below.1) / (above.0 - below.0)
        });
        worst = worst.max(relative_error(
            &name,
            &gradients[&name["m/".len()..]],
            &differences.collect::<Vec<_>>(),
        ));
    }
    worst
}

fn relative_error(name: &str, found: &[f32], expected: &[f64]) -> f64 {
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let scale = norm(&mut expected.iter().copied());
    assert!(
        scale > 1e-3,
        "{name}: a gradient of length {scale} says nothing"
    );
    norm(&mut found.iter().zip(expected).map(|(&f, e)| f64::from(f) - e)) / scale
}

/// The gradient of each parameter, by its path.
pub(crate) fn backward<M: Module>(module: &M, loss: &Tensor<1>) -> BTreeMap<String, Vec<f32>> {
    let grads = GradientsParams::from_grads(loss.backward(), module);
    let mut reader = Reader {
        path: Path::default(),
        grads,
        found: BTreeMap::new(),
    };
    module.visit(&mut reader);
    reader.found
}

struct Reader {
    path: Path,
    grads: GradientsParams,
    found: BTreeMap<String, Vec<f32>>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.grads.get::<D>(param.id).unwrap();
        self.found
            .insert(self.path.name(), block_on(super::read(gradient)).unwrap());
    }
}

mod tests {
    use super::*;
    use crate::nn::{Activation, Mlp, matrix};
    use crate::rng::Rng;
    use burn::tensor::Device;

    /// The check passes a right gradient and catches one that is wrong by a part (here: one factor
    /// of a square detached).
    #[test]
    fn the_gradient_check_catches_a_wrong_gradient() {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(0, "test", 0);
        let net = Mlp::new(1, &[2, 4, 1], Activation::Mish, &mut rng, &device);
        let x = matrix(rng.normals(12), 2, &device);
        assert!(worst_error(&net, |net| net.forward_one(x.clone()).square().mean()) < 1e-2);
        let half =
            |net: &Mlp| (net.forward_one(x.clone()).detach() * net.forward_one(x.clone())).mean();
        assert!((worst_error(&net, half) - 0.5).abs() < 0.01);
    }
}
