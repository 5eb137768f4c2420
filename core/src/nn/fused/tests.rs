//! Every operator against burn's own, or against its definition: values, and gradients with respect
//! to every input.

use super::convolution::{convolve, convolve_images};
use super::*;
use crate::nn::{Activation, Pictures, read};
use crate::obs::{DEFAULT_CAMERA, ImageSpec, Images};
use crate::rng::Rng;
use burn::tensor::{Device, TensorData};
use pollster::block_on;

/// Normal values of this shape that want a gradient.
fn normals<const D: usize>(shape: [usize; D], rng: &mut Rng) -> Tensor<D> {
    let values = rng.normals(shape.iter().product());
    Tensor::from_data(TensorData::new(values, shape), &Device::flex().autodiff()).require_grad()
}

/// The value of an operator and its gradients with respect to the inputs, for a loss with another
/// slope at every element.
fn outcome<const D: usize, const N: usize>(
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

fn read_now<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(read(tensor)).unwrap()
}

fn assert_same(found: &[Vec<f32>], expected: &[Vec<f32>]) {
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
        assert!(error < 1e-5 * scale, "{error} of {scale}");
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
        tensors = adam(
            rule,
            held.clone(),
            &Tensor::from_data(TensorData::new(g.clone(), [size]), &Device::flex()),
        );
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

/// Three stacks of frames of `size` pixels, moved apart.
fn seen(size: usize, stack: usize) -> Images {
    let name = DEFAULT_CAMERA.to_owned();
    let camera = ImageSpec { name, size, stack };
    let mut rng = Rng::new(0, "test", 4);
    let pixels: Vec<u8> = (0..3 * camera.stack_len())
        .map(|_| rng.below(256) as u8)
        .collect();
    let mut images = Images::of(camera, &pixels);
    images.shift_within(3, &mut rng);
    images
}

/// The value and the gradients of a layer, channels first.
fn of_layer(
    weights: &[Tensor<4>; 2],
    layer: impl Fn(Tensor<4>, Tensor<1>) -> Tensor<4>,
) -> Vec<Vec<f32>> {
    outcome(weights, |[kernel, bias]| layer(kernel, bias.flatten(0, 3)))
}

/// A layer of a camera's pictures is the convolution of them as numbers, moved, with the bias and
/// ReLU, and so are its gradients: odd and even sizes, kernels and strides, one frame and more, and
/// so large that there are several tiles.
#[test]
fn a_layer_of_pictures_is_its_composition() {
    let device = Device::flex().autodiff();
    for (i, [size, kernel, stride, stack, outputs]) in [
        [9, 3, 2, 1, 5],
        [10, 4, 1, 2, 3],
        [23, 7, 3, 2, 4],
        [84, 7, 2, 2, 32],
        [7, 7, 2, 1, 2],
    ]
    .into_iter()
    .enumerate()
    {
        let rng = &mut Rng::new(0, "test", 5);
        let images = seen(size, stack);
        let weights = [
            normals([outputs, 3 * stack, kernel, kernel], rng),
            normals([outputs, 1, 1, 1], rng),
        ];
        let layer = Layer {
            stride,
            relu: i % 2 == 1,
        };
        assert_same(
            &of_layer(&weights, |kernel, bias| {
                convolve_images(&images, kernel, bias, layer).permute([0, 3, 1, 2])
            }),
            &of_layer(&weights, |kernel, bias| {
                let x = Pictures::Images(images.clone()).numbers(&device);
                convolution::composed(x, kernel, Some(bias), layer)
            }),
        );
    }
}

/// The same of a layer of numbers, with the gradient of the numbers too; without gradients its
/// values are the same bits.
#[test]
fn a_layer_of_maps_is_its_composition() {
    for (i, [size, kernel, stride, inputs, outputs]) in [
        [9, 3, 2, 4, 5],
        [10, 4, 1, 3, 3],
        [39, 5, 2, 32, 32],
        [8, 3, 3, 2, 7],
        [18, 3, 1, 32, 32],
    ]
    .into_iter()
    .enumerate()
    {
        let rng = &mut Rng::new(0, "test", 6);
        let inputs = [
            normals([3, inputs, size, size], rng),
            normals([outputs, inputs, kernel, kernel], rng),
            normals([outputs, 1, 1, 1], rng),
        ];
        let layer = Layer {
            stride,
            relu: i % 2 == 0,
        };
        let fused = |[x, kernel, bias]: [Tensor<4>; 3]| {
            let x = x.permute([0, 2, 3, 1]);
            convolve(x, kernel, bias.flatten(0, 3), layer).permute([0, 3, 1, 2])
        };
        let found = outcome(&inputs, fused);
        assert_same(
            &found,
            &outcome(&inputs, |[x, kernel, bias]| {
                convolution::composed(x, kernel, Some(bias.flatten(0, 3)), layer)
            }),
        );
        assert_eq!(read_now(fused(inputs.map(Tensor::inner))), found[0]);
    }
}

/// A layer's outputs and gradients are the same bits, however many threads there are, and what a
/// picture gives does not depend on those beside it.
#[cfg(not(target_arch = "wasm32"))]
#[test]
fn bits_of_layers_do_not_depend_on_threads() {
    let images = seen(40, 2).select(&(0..70).map(|i| i % 3).collect::<Vec<_>>());
    let rng = &mut Rng::new(0, "test", 7);
    let weights = [
        normals([16, 6, 5, 5], rng),
        normals([16, 1, 1, 1], rng),
        normals([8, 16, 3, 3], rng),
        normals([8, 1, 1, 1], rng),
    ];
    let layer = Layer {
        stride: 2,
        relu: true,
    };
    let net = |images: &Images, [kernel, bias, next_kernel, next_bias]: [Tensor<4>; 4]| {
        let x = convolve_images(images, kernel, bias.flatten(0, 3), layer);
        convolve(x, next_kernel, next_bias.flatten(0, 3), layer)
    };
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| outcome(&weights, |weights| net(&images, weights)))
    };
    let found = with(1);
    assert_eq!(found, with(3));
    let alone = read_now(net(&images.select(&[1]), weights.map(Tensor::inner)));
    assert_eq!(alone, found[0][alone.len()..2 * alone.len()]);
}

/// All layers at once are one after the other, to the bit, of bytes and of numbers, and so are they
/// with gradients.
#[test]
fn layers_at_once_are_one_after_the_other() {
    let rng = &mut Rng::new(0, "test", 8);
    let images = seen(21, 2);
    let weights = [
        (normals([5, 6, 5, 5], rng), normals([5], rng)),
        (normals([4, 5, 3, 3], rng), normals([4], rng)),
        (normals([3, 4, 3, 3], rng), normals([3], rng)),
    ];
    let layer = |i: usize| Layer {
        stride: 2 - i / 2,
        relu: i != 1,
    };
    let tracked = convolve_through(Pictures::Images(images.clone()), weights.to_vec(), layer);
    let plain = weights.map(|(kernel, bias)| (kernel.inner(), bias.inner()));
    let numbers = Pictures::Images(images.clone()).numbers(&Device::flex());
    let found = read_now(tracked.inner());
    for x in [Pictures::Images(images), Pictures::Numbers(numbers)] {
        assert_eq!(read_now(convolve_through(x, plain.to_vec(), layer)), found);
    }
}
