//! Learning from pictures: TD-MPC2's encoder, and an update from a replay.

use super::{Row, Setup, median, ms_row, seconds_each};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Result;
use protege_core::data::{Episode, SequenceReplay};
use protege_core::finetune::td_mpc::{Learner, TdMpcConfig, UpdateNoise, WorldModel};
use protege_core::nn::{self, Observations};
use protege_core::obs::{ImageSpec, Images, ObsSpec, Observation};
use protege_core::policy::Sizes;
use protege_core::rng::Rng;
use protege_core::run::Preset;

/// Pixels along each side and frames of a picture: six channels.
const PICTURE: (usize, usize) = (84, 2);
/// Numbers of proprioception.
const STATE: usize = 7;
const ACT: usize = 4;
/// Episodes of the replay, and decisions of each.
const EPISODES: (usize, usize) = (10, 60);

fn config() -> TdMpcConfig {
    TdMpcConfig::preset(Preset::Cpu)
}

/// The world model reads one number more: whether the episode has ended.
fn sizes() -> Sizes {
    Sizes {
        obs: STATE + 1,
        act: ACT,
        chunk: 1,
    }
}

fn cameras() -> Vec<ImageSpec> {
    ImageSpec::unnamed(PICTURE.0, PICTURE.1)
}

/// One pass through the encoder, and its gradients.
pub fn encoder(setup: &Setup, batch: usize) -> Result<Vec<Row>> {
    let mut rng = Rng::new(0, "bench", 7);
    let device = setup.device.clone().autodiff();
    let world = WorldModel::new(&config(), sizes(), &cameras(), &mut rng, &device);
    let (mut obs, numbers) = batch_of_frames(batch, &mut rng);
    let mut once = || {
        obs.shift_randomly(&mut rng);
        let seen = observations(&obs, numbers.clone(), &setup.device);
        let loss = world.encode(seen.autodiff()).square().mean();
        let gradients = loss.backward();
        let done = block_on(nn::scalar(loss.inner()));
        drop(gradients);
        done.map(drop)
    };
    let seconds = median(setup, || seconds_each(2, &mut once))?;
    let (size, frames) = PICTURE;
    let words = format!(
        "convolutions, {size} px, {} channels, batch {batch}, with gradients",
        3 * frames
    );
    ms_row(setup, seconds, words)
}

fn observations(images: &Images, numbers: Vec<f32>, device: &Device) -> Observations {
    Observations::new(numbers, STATE + 1, [images], device)
}

/// Random pictures, and the numbers beside them.
fn batch_of_frames(batch: usize, rng: &mut Rng) -> (Images, Vec<f32>) {
    let camera = cameras().remove(0);
    let values = (0..batch * camera.stack_len()).map(|_| rng.below(256) as u8);
    let images = Images::of(camera, &values.collect::<Vec<u8>>());
    (images, rng.normals(batch * (STATE + 1)))
}

/// One update of world model, prior and targets, the drawing of its batch included.
pub fn update(setup: &Setup) -> Result<Vec<Row>> {
    let mut rng = Rng::new(0, "bench", 8);
    let config = config();
    let TdMpcConfig { horizon, batch, .. } = config;
    let spec = ObsSpec {
        cameras: cameras(),
        ..ObsSpec::of_state(STATE)
    };
    let (count, decisions) = EPISODES;
    let mut replay = SequenceReplay::new(
        spec,
        ACT,
        horizon,
        count * decisions,
        false,
        Rng::new(0, "bench", 9),
    );
    for _ in 0..count {
        replay.push(&episode(decisions, &mut rng))?;
    }
    let device = setup.device.clone().autodiff();
    let mut learner = Learner::new(config.clone(), sizes(), &cameras(), &mut rng, device);
    let mut once = || {
        let mut sequences = replay.sample(&mut rng, batch);
        sequences.obs.shift_randomly(&mut rng);
        let noise = UpdateNoise::draw(&config, ACT, batch, &mut rng);
        block_on(nn::scalar(learner.step(&sequences, None, &noise).total)).map(drop)
    };
    let seconds = median(setup, || seconds_each(1, &mut once))?;
    let (size, frames) = PICTURE;
    let words = format!(
        "TD-MPC2, preset cpu, {size} px, {} channels, {batch} sequences of {horizon}",
        3 * frames
    );
    ms_row(setup, seconds, words)
}

/// An episode in which a spot moves before a background.
fn episode(decisions: usize, rng: &mut Rng) -> Episode {
    let camera = cameras().remove(0);
    let background: Vec<u8> = (0..camera.frame_len()).map(|i| (i % 251) as u8).collect();
    let mut seen = |t: usize| {
        let mut frame = background.clone();
        let at = t * 97 % (frame.len() - 2000);
        frame[at..at + 2000].fill(200);
        Observation {
            state: rng.normals(STATE),
            task: None,
            images: vec![Images::of(camera.clone(), &frame.repeat(camera.stack))],
        }
    };
    let mut episode = Episode::start(0, &seen(0));
    (1..=decisions).for_each(|t| episode.push(&[0.1; ACT], 0.0, &seen(t)));
    episode
}
