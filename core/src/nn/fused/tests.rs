//! Every operator against burn's own, or against its definition: values, and gradients with respect
//! to every input.

use super::*;
use crate::nn::{Activation, read};
use crate::rng::Rng;
use burn::tensor::{Device, TensorData};
use pollster::block_on;

/// Normal values of this shape that want a gradient.
pub(super) fn normals<const D: usize>(shape: [usize; D], rng: &mut Rng) -> Tensor<D> {
    let values = rng.normals(shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

/// The value of an operator and its gradients with respect to the inputs, for a loss with another
/// slope at every element.
pub(super) fn outcome<const D: usize, const N: usize>(
    inputs: &[Tensor<D>; N],
    operator: impl Fn([Tensor<D>; N]) -> Tensor<D>,
) -> Vec<Vec<f32>> {
    let y = operator(inputs.clone());
    let slopes = Tensor::from_data(
        TensorData::new(
            Rng::new(1, "slopes", 0).normals(y.shape().num_elements()),
            y.shape(),
        ),
        &y.device(),
    );
    let gradients = (y.clone() * slopes).sum().backward();
    let gradients = inputs
        .iter()
        .map(|input| read_now(input.grad(&gradients).unwrap()));
    std::iter::once(read_now(y.inner()))
        .chain(gradients)
        .collect()
}

pub(super) fn read_now<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(read(tensor)).unwrap()
}

pub(super) fn assert_same(found: &[Vec<f32>], expected: &[Vec<f32>]) {
    assert_close(found, expected, 1e-5);
}

/// Values differ by no more than this share of the largest.
pub(super) fn assert_close(found: &[Vec<f32>], expected: &[Vec<f32>], tolerance: f32) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len());
        let scale = expected
            .iter()
            .fold(0.0f32, |most, value| most.max(value.abs()));
        let error = found
            .iter()
            .zip(expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(error < tolerance * scale, "{error} of {scale}");
    }
}

/// A linear layer and its gradients are x W + b and its gradients: a single one, a stack, a stack
/// whose members share their input, and one so wide that another order of the product is used.
#[test]
fn linear_is_its_composition() {
    let rng = &mut Rng::new(0, "test", 0);
    let one = [
        normals([5, 3], rng),
        normals([3, 4], rng),
        normals([1, 4], rng),
    ];
    assert_same(
        &outcome(&one, |[x, w, b]| linear(x, w, b)),
        &outcome(&one, |[x, w, b]| linear::composed(x, w, b)),
    );
    for [members, batch, inputs, outputs] in [[3, 70, 40, 300], [1, 3, 1024, 1024]] {
        let stack = [
            normals([members, batch, inputs], rng),
            normals([members, inputs, outputs], rng),
            normals([members, 1, outputs], rng),
        ];
        assert_same(
            &outcome(&stack, |[x, w, b]| linear(x, w, b)),
            &outcome(&stack, |[x, w, b]| linear::composed(x, w, b)),
        );
    }
    let shared = [
        normals([1, 5, 3], rng),
        normals([2, 3, 4], rng),
        normals([2, 1, 4], rng),
    ];
    let expand = |x: Tensor<3>| x.expand([2, 5, 3]);
    assert_same(
        &outcome(&shared, |[x, w, b]| linear(expand(x), w, b)),
        &outcome(&shared, |[x, w, b]| linear::composed(expand(x), w, b)),
    );
}

/// A layer normalization and its gradients are those of its composition of means and roots.
#[test]
fn normalise_is_its_composition() {
    let rng = &mut Rng::new(0, "test", 1);
    let inputs = [
        normals([2, 70, 500], rng),
        normals([2, 1, 500], rng),
        normals([2, 1, 500], rng),
    ];
    assert_same(
        &outcome(&inputs, |[x, gain, shift]| normalise(x, gain, shift)),
        &outcome(&inputs, |[x, gain, shift]| norm::composed(x, gain, shift)),
    );
}

/// Adam's update is the formula, step after step, whatever else holds the weights.
#[test]
fn adam_is_its_formula() {
    let rng = &mut Rng::new(0, "test", 2);
    let size = BLOCK + 9;
    let rule = Update {
        keep: 0.99,
        rate: 0.1,
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-3,
    };
    let mut tensors = [(); 3].map(|()| Tensor::zeros([size], &Device::flex()));
    let mut expected = vec![[0.0f32; 3]; size];
    for _ in 0..3 {
        let g = rng.normals(size);
        let held = tensors.clone();
        let gradient = Tensor::from_data(TensorData::new(g.clone(), [size]), &Device::flex());
        tensors = adam(rule, held.clone(), gradient, None);
        assert_eq!(
            read_now(held[0].clone()),
            expected.iter().map(|row| row[0]).collect::<Vec<_>>(),
            "what others hold is left alone"
        );
        for ([w, m, v], g) in expected.iter_mut().zip(g) {
            *m = 0.9 * *m + (1.0 - 0.9) * g;
            *v = 0.999 * *v + (1.0 - 0.999) * g * g;
            *w = 0.99 * *w - 0.1 * *m / (v.sqrt() + 1e-3);
        }
    }
    let [w, m, v] = [0, 1, 2].map(|i| expected.iter().map(|row| row[i]).collect::<Vec<_>>());
    assert_same(&tensors.map(read_now), &[w, m, v]);
}

/// Value and slope of an activation at x, from its definition.
fn definition(activation: Activation, x: f64) -> (f64, f64) {
    let tanh = x.exp().ln_1p().tanh();
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match activation {
        Activation::Relu => (x.max(0.0), if x > 0.0 { 1.0 } else { 0.0 }),
        Activation::Mish => (x * tanh, tanh + x * sigmoid * (1.0 - tanh * tanh)),
        Activation::Tanh => (x.tanh(), 1.0 - x.tanh() * x.tanh()),
        Activation::Elu => (if x > 0.0 { x } else { x.exp_m1() }, x.min(0.0).exp()),
    }
}

/// Every activation and its gradient are those of its definition, from where it vanishes to where
/// it is flat or the identity.
#[test]
fn activations_are_their_definitions() {
    let device = Device::flex().autodiff();
    let xs: Vec<f32> = (-3000..=3000).map(|i| i as f32 / 100.0).collect();
    for activation in [
        Activation::Relu,
        Activation::Mish,
        Activation::Tanh,
        Activation::Elu,
    ] {
        let x =
            Tensor::<1>::from_data(TensorData::new(xs.clone(), [xs.len()]), &device).require_grad();
        let y = activate(activation, x.clone());
        let gradient = read_now(x.grad(&y.clone().sum().backward()).unwrap());
        let value = read_now(y.inner());
        assert_eq!(
            value,
            read_now(activate(activation, x.clone().inner())),
            "{activation:?} is the same without gradients"
        );
        assert_same(
            std::slice::from_ref(&value),
            &[read_now(activation::composed(activation, x.inner()))],
        );
        for ((x, y), g) in xs.iter().map(|&x| f64::from(x)).zip(value).zip(gradient) {
            let (exact, slope) = definition(activation, x);
            assert!(
                (f64::from(y) - exact).abs() <= 1e-5 * exact.abs(),
                "{activation:?}({x}) is {exact}, not {y}"
            );
            assert!(
                (f64::from(g) - slope).abs() <= 1e-5,
                "its slope is {slope}, not {g}"
            );
        }
    }
}

/// A network's outputs and gradients are the same bits, however many threads there are.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn bits_do_not_depend_on_threads() {
    let with = |threads: usize| {
        let rng = &mut Rng::new(0, "test", 3);
        let one = [
            normals([1, 300, 257], rng),
            normals([1, 257, 300], rng),
            normals([1, 1, 300], rng),
        ];
        let stack = [
            normals([5, 70, 90], rng),
            normals([5, 90, 300], rng),
            normals([5, 1, 300], rng),
        ];
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            [one, stack].map(|inputs| {
                outcome(&inputs, |[x, w, b]| {
                    activate(Activation::Mish, linear(x, w, b))
                })
            })
        })
    };
    assert_eq!(with(1), with(3));
}
