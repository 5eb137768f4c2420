//! What a policy's network takes of memory.

use super::{PolicyConfig, PolicyKind, Sampler};
use crate::memory::{NetworkSize, Sizes};
use crate::nn::Keypoints;

/// Numbers of a token that each of a transformer's blocks keeps, in widths of a token: normalized,
/// split in three, mixed, and four times its width.
const OF_A_BLOCK: f64 = 9.0;
/// Weights of a block, in squares of a token's width.
const WEIGHTS_OF_A_BLOCK: f64 = 12.0;

/// Tokens of a camera's pictures, at most.
const PLACES: usize = 9;

/// The settings that make the network.
pub(crate) const KEYS: [&str; 2] = ["policy.hidden", "policy.layers"];

/// Numbers of a row of [`super::Policy::features`].
pub(crate) fn features(sizes: &Sizes) -> usize {
    let found = match sizes.policy.kind {
        PolicyKind::FlowTransformer => PLACES * sizes.policy.hidden,
        _ => Keypoints::WIDTH,
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
        .map(|camera| NetworkSize::convolutions(camera, 1.0))
        .fold(NetworkSize::default(), NetworkSize::and)
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
