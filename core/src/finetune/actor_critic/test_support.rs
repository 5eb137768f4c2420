//! What tests of the learners begin with.

use super::{ActorConfig, Compose, InputReader};
use crate::data::{Normaliser, SequenceBatch};
use crate::obs::ObsBatch;
use crate::policy::Sizes;
use crate::rng::Rng;
use crate::settings::Preset;
use burn::tensor::{Device, Tensor};

/// Decisions of a batch.
pub(crate) const ROWS: usize = 12;

/// A tensor's values.
pub(crate) fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    pollster::block_on(crate::nn::read(tensor)).unwrap()
}

/// A small actor.
pub(crate) fn actor() -> ActorConfig {
    ActorConfig {
        compose: Compose::Residual,
        clone_lr: 3e-2,
        hidden: 5,
        bottleneck: 3,
        features: 6,
        log_scale: 0.0,
        variance_floor: 0.1,
        ..ActorConfig::preset(Preset::Tiny)
    }
}

/// Inputs of one observed number and an action of two.
pub(crate) fn inputs() -> InputReader {
    InputReader {
        scale: Normaliser::identity(1),
        sizes: Sizes {
            obs: 1,
            act: 2,
            chunk: 1,
        },
        cameras: Vec::new(),
        device: Device::flex(),
    }
}

/// Decisions, every second of which was the last, with actions near a tenth of the observation.
pub(crate) fn batch(n: usize, rng: &mut Rng) -> SequenceBatch {
    let obs = rng.normals(3 * n);
    let actions = obs
        .chunks(3)
        .flat_map(|x| [0.1 * x[0] + 0.2, -0.3, 0.1, 0.2])
        .collect::<Vec<_>>();
    let noise = rng.normals(4 * n);
    let rewards = rng.normals(n);
    let rows = [obs, rng.normals(3 * n)].concat();
    SequenceBatch {
        actions: actions
            .iter()
            .zip(noise)
            .map(|(a, e)| (a + 0.1 * e).clamp(-0.9, 0.9))
            .collect(),
        rewards,
        obs: ObsBatch::of_states(rows.chunks(3).map(|row| row[0]).collect(), 1),
        base_actions: rows.chunks(3).flat_map(|row| &row[1..]).copied().collect(),
        done: (0..n).map(|i| (i % 2) as f32).collect(),
        weights: vec![1.0; n],
        ..SequenceBatch::default()
    }
}
