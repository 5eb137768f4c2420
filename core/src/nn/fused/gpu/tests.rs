//! Every kernel against the same function on the CPU, values and gradients; and twice, for the same
//! bits.

use super::*;
use crate::nn::fused::tests::{assert_close, read_now};
use crate::nn::fused::{self, Perceptron, Squares, Update, average};
use crate::nn::{Activation, TwoHot};
use crate::rng::Rng;
use burn::tensor::{Device, DeviceKind, TensorData};

/// GPUs round otherwise than CPUs, and sum in another order.
const TOLERANCE: f32 = 1e-4;

fn gpu() -> Device {
    Device::wgpu(DeviceKind::DefaultDevice)
}

/// Normal values of these shapes.
fn normals<const D: usize>(shapes: &[[usize; D]], device: &Device) -> Vec<Tensor<D>> {
    let mut rng = Rng::new(0, "test", 0);
    let values = shapes.iter();
    values
        .map(|shape| {
            let values = rng.normals(shape.iter().product());
            Tensor::from_data(TensorData::new(values, *shape), device)
        })
        .collect()
}

/// The result of an operator and its gradients with respect to normal inputs of these shapes, for a
/// loss with another slope at every element.
fn outcome<const D: usize, const R: usize>(
    device: &Device,
    shapes: &[[usize; D]],
    operator: &impl Fn(&[Tensor<D>]) -> Tensor<R>,
) -> Vec<Vec<f32>> {
    let inputs = normals(shapes, &device.clone().autodiff());
    let inputs: Vec<Tensor<D>> = inputs.into_iter().map(Tensor::require_grad).collect();
    let y = operator(&inputs);
    let slopes = Rng::new(1, "slopes", 0).normals(y.shape().num_elements());
    let slopes = Tensor::from_data(TensorData::new(slopes, y.shape()), &y.device());
    let gradients = (y.clone() * slopes).sum().backward();
    let gradients = inputs.iter().filter_map(|input| input.grad(&gradients));
    let gradients: Vec<Vec<f32>> = gradients.map(read_now).collect();
    std::iter::once(read_now(y.inner()))
        .chain(gradients)
        .collect()
}

/// Holds an operator on the GPU to the same one on the CPU.
fn assert_same<const D: usize, const R: usize>(
    shapes: &[[usize; D]],
    operator: impl Fn(&[Tensor<D>]) -> Tensor<R>,
) {
    assert_within(TOLERANCE, shapes, operator);
}

fn assert_within<const D: usize, const R: usize>(
    tolerance: f32,
    shapes: &[[usize; D]],
    operator: impl Fn(&[Tensor<D>]) -> Tensor<R>,
) {
    let found = outcome(&gpu(), shapes, &operator);
    let expected = outcome(&Device::flex(), shapes, &operator);
    assert_eq!(found.len(), expected.len(), "as many gradients");
    assert_close(&found, &expected, tolerance);
    assert_eq!(found, outcome(&gpu(), shapes, &operator), "the same bits");
    let plain = read_now(operator(&normals(shapes, &gpu())));
    assert_eq!(plain, found[0], "the same without gradients");
}

/// The same values, which want no gradient: a leaf that is detached goes on to want its own.
fn constant<const D: usize>(x: &Tensor<D>) -> Tensor<D> {
    if x.device().is_autodiff() {
        x.clone().inner().autodiff()
    } else {
        x.clone()
    }
}

const ACTIVATIONS: [Option<Activation>; 5] = [
    None,
    Some(Activation::Relu),
    Some(Activation::Mish),
    Some(Activation::Tanh),
    Some(Activation::Elu),
];

/// A layer is x W + b, dropout, normalization and non-linearity, each where it is wanted, for one
/// network and for a stack.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn a_layer_is_the_cpus() {
    for [members, batch, inputs, outputs] in [[1, 5, 3, 4], [2, 70, 40, 300]] {
        let row = [members, 1, outputs];
        let shapes = [
            [members, batch, inputs],
            [members, inputs, outputs],
            row,
            row,
            row,
            [members, batch, outputs],
        ];
        for activation in ACTIVATIONS {
            for (normed, dropped) in [(false, false), (true, false), (false, true), (true, true)] {
                assert_same(&shapes, |x| {
                    let mask = constant(&x[5]);
                    let layer = Perceptron {
                        weight: x[1].clone(),
                        bias: x[2].clone(),
                        dropout_mask: dropped.then_some(mask),
                        norm: normed.then(|| [x[3].clone(), x[4].clone()]),
                        activation,
                    };
                    fused::perceptron(x[0].clone(), layer)
                });
            }
        }
    }
}

/// Members of a stack that share their input each add to its gradient.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn a_shared_input_is_the_cpus() {
    assert_same(&[[1, 5, 3], [2, 3, 4], [2, 1, 4]], |x| {
        fused::linear(x[0].clone().expand([2, 5, 3]), x[1].clone(), x[2].clone())
    });
}

/// Linear layers of matrices, normalizations and activations by themselves.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn parts_of_a_layer_are_the_cpus() {
    assert_same(&[[5, 3], [3, 4], [1, 4]], |x| {
        fused::linear(x[0].clone(), x[1].clone(), x[2].clone())
    });
    assert_same(&[[2, 70, 500], [2, 1, 500], [2, 1, 500]], |x| {
        fused::normalise(x[0].clone(), x[1].clone(), x[2].clone())
    });
    for activation in ACTIVATIONS.into_iter().flatten() {
        assert_same(&[[2, 3, 4, 5]], |x| {
            fused::activate(activation, x[0].clone() * 5.0)
        });
        assert_same(&[[30, 40]], |x| {
            fused::activate(activation, x[0].clone().swap_dims(0, 1))
        });
    }
}

/// Softmax in groups.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn simnorm_is_the_cpus() {
    assert_same(&[[2, 30, 24]], |x| {
        crate::nn::simnorm(x[0].clone() * 3.0, 8)
    });
}

/// Numbers from logits, and errors of logits.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn two_hot_numbers_are_the_cpus() {
    let bins = TwoHot::TD_MPC2;
    assert_same(&[[2, 30, bins.bins]], |x| bins.decode(x[0].clone() * 2.0));
    assert_same(&[[2, 30, bins.bins]], |x| {
        let numbers = constant(&x[0]).narrow(2, 0, 1).narrow(0, 0, 1);
        bins.errors(x[0].clone(), numbers.reshape([30]) * 50.0)
    });
}

/// Actions of a squashed Gaussian and their entropies.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn squashed_draws_are_the_cpus() {
    use crate::finetune::td_mpc::squashed_draw;
    let shapes = [[30, 8], [30, 4]];
    let draw = |x: &[Tensor<2>]| squashed_draw(x[0].clone(), constant(&x[1]));
    assert_same(&shapes, |x| draw(x).action);
    // Where an action is all but 1 or -1, 1 - action^2 is rounding alone, and its logarithm differs
    // by up to a tenth.
    let tolerance = 5e-3;
    assert_within(tolerance, &shapes, |x| draw(x).scaled_entropy);
    let entropy = |device: &Device| read_now(draw(&normals(&shapes, device)).entropy);
    let both = [gpu(), Device::flex()].map(|device| [entropy(&device)]);
    assert_close(&both[0], &both[1], tolerance);
}

/// Matrices side by side, and some columns of one.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn columns_side_by_side_are_the_cpus() {
    assert_same(&[[30, 7], [30, 6]], |x| {
        let columns = 2..5;
        match beside(&x[0], &x[1], columns.clone()) {
            Some(both) => both,
            None => Tensor::cat(vec![x[0].clone(), x[1].clone().narrow(1, 2, 3)], 1),
        }
    });
}

/// Adam's update with a factor for the gradient, whoever else holds the moments; the norm of
/// several gradients; a moving average.
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn updates_are_the_cpus() {
    let rule = Update {
        keep: 0.99,
        rate: 0.1,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-3,
    };
    let updated = |device: &Device| {
        let [w, g, scale] = <[_; 3]>::try_from(normals(&[[5000], [5000], [1]], device)).unwrap();
        let mut state = [w, g.clone() * 0.5, g.clone().square()];
        for _ in 0..2 {
            let held = state.clone();
            let before = held.clone().map(read_now);
            state = fused::adam(rule, state, g.clone(), Some(&scale));
            assert_eq!(held.map(read_now), before, "what others hold is left alone");
        }
        state.map(read_now)
    };
    assert_close(&updated(&gpu()), &updated(&Device::flex()), TOLERANCE);
    let norm = |device: &Device| {
        let mut squares = Squares::default();
        for x in normals(&[[3, 4], [900, 700], [1, 1]], device) {
            squares.add(x);
        }
        read_now(squares.root().unwrap())
    };
    assert_close(&[norm(&gpu())], &[norm(&Device::flex())], TOLERANCE);
    assert_eq!(norm(&gpu()), norm(&gpu()), "the same bits");
    let mixed = |device: &Device| {
        let [a, b] = <[_; 2]>::try_from(normals(&[[30, 40], [30, 40]], device)).unwrap();
        read_now(average(a, b, 0.01))
    };
    assert_close(&[mixed(&gpu())], &[mixed(&Device::flex())], TOLERANCE);
}
