//! What a policy's network takes of memory.

use super::{PolicyConfig, PolicyKind, Sampler};
use crate::memory::{NetworkSize, Sizes};
use crate::nn::{ImageEncoderKind, vit_patches};
use crate::obs::ImageSpec;

/// Numbers of a token that each of a transformer's blocks keeps, in widths of a token: normalized,
/// split in three, mixed, and four times its width.
const OF_A_BLOCK: f64 = 9.0;
/// Weights of a block, in squares of a token's width.
const WEIGHTS_OF_A_BLOCK: f64 = 12.0;

/// Tokens of a camera's pictures, at most.
const PLACES: usize = 9;

/// How much more learning keeps for each number of a map that is normalized between its convolution
/// and its ReLU.
const OF_A_NORMED_MAP: f64 = 1.5;

/// The settings that make the network.
pub(crate) const KEYS: [&str; 2] = ["policy.hidden", "policy.layers"];

/// Numbers of a row of [`super::Policy::features`].
pub(crate) fn features(sizes: &Sizes) -> usize {
    let found = match sizes.policy.kind {
        PolicyKind::FlowTransformer => PLACES * sizes.policy.hidden,
        _ => sizes.policy.encoder.width(),
    };
    sizes.reads.numbers() + found * sizes.reads.cameras.len()
}

/// The network of a policy, with its image encoders.
pub(crate) fn network(sizes: &Sizes) -> NetworkSize {
    let deciding = deciding(sizes);
    if matches!(
        sizes.policy.kind,
        PolicyKind::FlowTransformer | PolicyKind::Served
    ) {
        return deciding;
    }
    deciding.and(image_encoders(sizes))
}

/// The image encoders of a perceptron.
pub(crate) fn image_encoders(sizes: &Sizes) -> NetworkSize {
    let cameras = sizes.reads.cameras.iter();
    cameras
        .map(|camera| encoder(sizes.policy.encoder, camera, sizes.reads.numbers()))
        .fold(NetworkSize::default(), NetworkSize::and)
}

/// An image encoder for a camera, of observations with so many numbers.
pub(crate) fn encoder(kind: ImageEncoderKind, camera: &ImageSpec, numbers: usize) -> NetworkSize {
    match kind {
        ImageEncoderKind::None => NetworkSize::default(),
        ImageEncoderKind::Keypoints => NetworkSize::convolutions(camera, 1.0),
        ImageEncoderKind::Resnet => resnet(camera),
        ImageEncoderKind::Vit => vit(camera, numbers),
    }
}

/// A convolution, its normalization, and a ReLU, of square maps.
fn normed(inputs: f64, outputs: f64, kernel: f64, side: usize) -> NetworkSize {
    let map = outputs * (side * side) as f64;
    NetworkSize {
        weights: outputs * (inputs * kernel * kernel + 2.0),
        outputs: OF_A_NORMED_MAP * map,
        widest: 2.0 * map,
    }
}

fn resnet(camera: &ImageSpec) -> NetworkSize {
    let channels = camera.channels() as f64;
    let pixels = (camera.size * camera.size) as f64;
    let mut side = camera.size.div_ceil(2);
    let mut inputs = 64.0;
    let mut all = normed(channels, inputs, 7.0, side).and(NetworkSize {
        // As numbers, and with ImageNet's mean and spread.
        outputs: 2.0 * channels * pixels,
        ..NetworkSize::default()
    });
    side = side.div_ceil(2);
    for (outputs, stride) in [(64.0, 1), (128.0, 2), (256.0, 2), (512.0, 2)] {
        side = side.div_ceil(stride);
        let first = normed(inputs, outputs, 3.0, side);
        let other = normed(outputs, outputs, 3.0, side);
        all = all.and(first).and(other).and(other).and(other);
        if stride > 1 {
            all = all.and(normed(inputs, outputs, 1.0, side));
        }
        inputs = outputs;
    }
    all
}

fn vit(camera: &ImageSpec, numbers: usize) -> NetworkSize {
    let width = ImageEncoderKind::Vit.width() as f64;
    let patches = vit_patches(camera.size) as f64;
    let numbers = numbers as f64;
    let heads = 4.0;
    // The first maps have four times as many places, and a little more.
    let maps = 6.0 * width * patches;
    let attention = 2.0 * heads * patches * patches;
    let rows = width * (patches + numbers);
    let found = 4.0 * width * width;
    NetworkSize {
        weights: width * (64.0 * camera.channels() as f64 + (9.0 + WEIGHTS_OF_A_BLOCK) * width)
            + width * (2.0 * patches + numbers + width),
        outputs: maps + OF_A_BLOCK * width * patches + attention + rows + found,
        widest: (4.0 * width * patches).max(attention),
    }
}

/// What of it reads features: all of it but the image encoders of a perceptron.
pub(crate) fn deciding(sizes: &Sizes) -> NetworkSize {
    let config = sizes.policy;
    let obs = features(sizes);
    let chunk = config.chunk * sizes.act;
    let body = (config.hidden, config.layers);
    let denoiser = chunk + config.time_dim + obs;
    match config.kind {
        PolicyKind::Served => NetworkSize::default(),
        PolicyKind::FlowTransformer => transformer(sizes),
        PolicyKind::Gaussian => NetworkSize::stack(1, (obs, chunk), body),
        PolicyKind::Squashed => NetworkSize::stack(1, (obs, 2 * chunk), body),
        PolicyKind::Flow | PolicyKind::Diffusion => NetworkSize::stack(1, (denoiser, chunk), body),
    }
}

fn transformer(sizes: &Sizes) -> NetworkSize {
    let config = sizes.policy;
    let width = config.hidden as f64;
    let cameras = &sizes.reads.cameras;
    let tokens = (PLACES * cameras.len() + 1 + sizes.reads.tasks.min(1) + config.chunk) as f64;
    let attention = config.heads() as f64 * tokens * tokens;
    let of_a_block = OF_A_BLOCK * width * tokens + 2.0 * attention;
    let blocks = config.layers as f64;
    let alone = NetworkSize {
        weights: blocks * WEIGHTS_OF_A_BLOCK * width * width,
        outputs: blocks * of_a_block,
        widest: (4.0 * width * tokens).max(2.0 * attention),
    };
    let seen = cameras.iter();
    seen.map(|camera| NetworkSize::convolutions(camera, 0.0))
        .fold(alone, NetworkSize::and)
}

/// Numbers of noise for a decision.
pub(crate) fn noise_len(sizes: &Sizes) -> f64 {
    let config = sizes.policy;
    let draws = match (config.kind, config.sampler) {
        (PolicyKind::Served, _) => 0,
        (PolicyKind::Diffusion, Sampler::Ddpm) => config.denoising_steps + 1,
        _ => 1,
    };
    draws as f64 * sizes.chunk_len()
}

/// Steps from noise to actions.
pub(crate) fn chain_len(config: &PolicyConfig) -> usize {
    match (config.kind, config.sampler) {
        (PolicyKind::Diffusion, Sampler::Ddpm) => config.denoising_steps,
        _ => config.inference_steps,
    }
}
