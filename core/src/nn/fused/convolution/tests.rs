//! Convolutions against burn's own: values, and gradients with respect to every input.

use super::composed;
use super::layers::{convolve, convolve_images, convolve_through};
use super::*;
use crate::nn::Pictures;
use crate::nn::fused::tests::{assert_same, normals, outcome, read_now};
use crate::obs::{DEFAULT_CAMERA, ImageSpec, Images};
use crate::rng::Rng;
use burn::tensor::Device;

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
                composed(x, kernel, Some(bias), layer)
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
                composed(x, kernel, Some(bias.flatten(0, 3)), layer)
            }),
        );
        assert_eq!(read_now(fused(inputs.map(Tensor::inner))), found[0]);
    }
}

/// A layer's outputs and gradients are the same bits, however many threads there are, and what a
/// picture gives does not depend on those beside it.
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
    for x in [Pictures::Images(images), Pictures::from(numbers)] {
        assert_eq!(read_now(convolve_through(x, plain.to_vec(), layer)), found);
    }
}
