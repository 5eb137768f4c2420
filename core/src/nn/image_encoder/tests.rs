//! Image encoders against PyTorch, and what else is promised of them.

use super::vit::VitSizes;
use super::*;
use crate::data::Archive;
use crate::nn::gradient_check::{backward, worst_error_of_smooth};
use crate::nn::{matrix, params, read};
use crate::obs::{DEFAULT_CAMERA, Images};
use burn::tensor::TensorData;
use pollster::block_on;
use safetensors::SafeTensors;
use std::slice;

/// See `core/tests/fixtures/README.md`.
const FIXTURE: &[u8] = include_bytes!("../../../tests/fixtures/image_encoders.safetensors");
/// Of the fixture: stacks in a batch, pixels along each side, numbers beside a picture.
const ROWS: usize = 2;
const SIZE: usize = 40;
const NUMBERS: usize = 3;

/// A number from -1/2 to 1/2 that depends on a name and a place alone, as in the script that made
/// the fixture.
fn filling(name: &str, i: usize) -> f64 {
    let hash = |hash: u32, byte: u8| hash.wrapping_mul(31).wrapping_add(u32::from(byte));
    let seed = name.bytes().fold(0, hash);
    let mixed = seed.wrapping_add(i as u32).wrapping_mul(2_654_435_761);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
    f64::from(mixed ^ (mixed >> 13)) / 4_294_967_296.0 - 0.5
}

fn fill(name: &str, count: usize) -> Vec<f32> {
    (0..count).map(|i| filling(name, i) as f32).collect()
}

/// A parameter's values: gains are about 1, kernels and weights keep numbers about as large as they
/// are.
fn values(name: &str, shape: &[usize]) -> Vec<f32> {
    let is_gain = name.ends_with("gain") || name.ends_with("gamma");
    let (middle, spread) = match shape {
        [outputs, _, side, _] => (0.0, (24.0 / (outputs * side * side) as f64).sqrt()),
        [inputs, _] if *inputs > 1 => (0.0, (12.0 / *inputs as f64).sqrt()),
        _ if is_gain => (1.0, 0.5),
        _ => (0.0, 0.5),
    };
    let value = |i: usize| (middle + spread * filling(name, i)) as f32;
    (0..shape.iter().product()).map(value).collect()
}

/// The encoder with the fixture's weights.
fn filled(net: ImageEncoder) -> ImageEncoder {
    let mut archive = Archive::new();
    block_on(params::save(&net, "m", &mut archive)).unwrap();
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    for name in names {
        let shape = archive.get_f32(&name).unwrap().0.to_vec();
        archive.put_f32(&name, &shape, values(&name["m/".len()..], &shape));
    }
    params::load(net, "m", &archive).unwrap()
}

fn fixture(name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(FIXTURE).unwrap();
    let bytes = file.tensor(name).unwrap().data().chunks_exact(4);
    let values = bytes.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    values.collect()
}

fn camera(size: usize, stack: usize) -> ImageSpec {
    let name = DEFAULT_CAMERA.to_owned();
    ImageSpec { name, size, stack }
}

/// The fixture's pictures.
fn pictures(camera: ImageSpec) -> Images {
    let value = |i: usize| (256.0 * (filling("pictures", i) + 0.5)) as u8;
    let pixels: Vec<u8> = (0..ROWS * camera.stack_len()).map(value).collect();
    Images::of(camera, &pixels)
}

/// Output and gradients of torchvision's ResNet-18 with group normalization, and of the vision
/// transformer of DPPO's code, are ours: of a picture whose sides do not halve evenly, and of two
/// frames.
#[test]
fn encoders_are_pytorchs() {
    let device = Device::flex().autodiff();
    let rng = &mut Rng::new(0, "test", 0);
    for (kind, name, stack) in [
        (ImageEncoderKind::Resnet, "resnet", 1),
        (ImageEncoderKind::Vit, "vit", 2),
    ] {
        let camera = camera(SIZE, stack);
        let cameras = slice::from_ref(&camera);
        let net = ImageEncoder::of(cameras, kind, NUMBERS, rng, &device).remove(0);
        let net = filled(net);
        let numbers = matrix(fill("numbers", ROWS * NUMBERS), NUMBERS, &device);
        let x = Pictures::new(&pictures(camera), &Device::flex()).autodiff();
        let found = net.forward(x, &numbers);
        let expected = fixture(&format!("{name}/out"));
        let size = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
        let out = block_on(read(found.clone().inner())).unwrap();
        assert_eq!(out.len(), expected.len());
        for (found, expected) in out.iter().zip(&expected) {
            let error = (found - expected).abs();
            assert!(error < 1e-4 * size, "{name}: {found} {expected}");
        }
        let aim = matrix(fill("aim", ROWS * net.width()), net.width(), &device);
        let gradients = backward(&net, &(found * aim).sum());
        // Of each gradient its product with other numbers, and how large such products are.
        let expected = fixture(&format!("{name}/gradients"));
        assert_eq!(2 * gradients.len(), expected.len());
        for ((path, gradient), expected) in gradients.iter().zip(expected.chunks(2)) {
            let by = fill(&format!("{path}/by"), gradient.len());
            let found: f32 = gradient.iter().zip(&by).map(|(g, by)| g * by).sum();
            let error = (found - expected[0]).abs();
            assert!(error < 1e-2 * expected[1], "{path}: {found} {expected:?}");
        }
    }
}

/// The networks have as many weights as the papers': torchvision's ResNet-18 without its
/// classifier; and DPPO's picture policies, of 1.06 million with a body of 3 x 512 (its table A10).
#[test]
fn encoders_have_the_papers_sizes() {
    let device = Device::flex();
    let rng = &mut Rng::new(0, "test", 0);
    let mut weights = |kind, size| -> usize {
        let net = ImageEncoder::of(&[camera(size, 1)], kind, 9, rng, &device);
        params::sizes(&net).values().sum()
    };
    assert_eq!(weights(ImageEncoderKind::Resnet, 84), 11_689_512 - 513_000);
    // Residual layers of latents, time, features and proprioception; those of the time; the output.
    let (hidden, read) = (512, 28 + 32 + 128 + 9);
    let body = (read + 1) * hidden + 2 * (hidden + 1) * hidden + (hidden + 1) * 28;
    let time = (32 + 1) * 64 + (64 + 1) * 32;
    let all = weights(ImageEncoderKind::Vit, 96) + body + time;
    assert_eq!(all / 10_000, 106);
}

/// The smallest pictures that a configuration may ask for, and others, become as many numbers as is
/// said.
#[test]
fn pictures_become_as_many_numbers_as_is_said() {
    let device = Device::flex();
    let rng = &mut Rng::new(0, "test", 0);
    for kind in [
        ImageEncoderKind::Keypoints,
        ImageEncoderKind::Resnet,
        ImageEncoderKind::Vit,
    ] {
        for size in [kind.smallest_image(), 41] {
            let net = ImageEncoder::of(&[camera(size, 2)], kind, NUMBERS, rng, &device).remove(0);
            let pictures = pictures(camera(size, 2));
            let numbers = Tensor::zeros([ROWS, NUMBERS], &device);
            let found = net.forward(Pictures::new(&pictures, &device), &numbers);
            assert_eq!(found.dims(), [ROWS, kind.width()]);
            assert_eq!(net.width(), kind.width());
        }
    }
}

/// The gradient of a small vision transformer is that of finite differences. (A ResNet's bends in
/// too many places; PyTorch's is the measure.)
#[test]
fn a_transformers_gradients_are_those_of_finite_differences() {
    let device = Device::flex().autodiff();
    let rng = &mut Rng::new(2, "test", 0);
    // Four patches.
    let side = 24;
    let x = TensorData::new(rng.normals(2 * 3 * side * side), [2, 3, side, side]);
    let x = Tensor::<4>::from_data(x, &device);
    let numbers = matrix(rng.normals(2 * NUMBERS), NUMBERS, &device);
    let sizes = VitSizes {
        patch: 4,
        heads: 2,
        found: 3,
    };
    let net = Vit::of_sizes(sizes, &camera(side, 1), NUMBERS, rng, &device);
    let net = filled(ImageEncoder::Vit(net));
    let aim = matrix(rng.normals(2 * sizes.found), sizes.found, &device);
    let error = worst_error_of_smooth(&net, 1e-3, |net| {
        (net.forward(x.clone(), &numbers) * aim.clone()).sum() * 10.0
    });
    assert!(error < 2e-2, "{error}");
}
