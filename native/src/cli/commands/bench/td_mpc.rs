//! TD-MPC2 at its preset of one million parameters: an update, and a plan.

use super::{Row, Setup, median, ms_row, seconds_each};
use burn::module::Module;
use pollster::block_on;
use protege_core::Result;
use protege_core::data::SequenceBatch;
use protege_core::finetune::td_mpc::{Learner, Noise, Planner, Round, TdMpcConfig, UpdateNoise};
use protege_core::nn;
use protege_core::obs::ObsBatch;
use protege_core::policy::Sizes;
use protege_core::rng::Rng;
use protege_core::run::Preset;

const SIZES: Sizes = Sizes {
    obs: 39,
    act: 4,
    chunk: 1,
};

fn config() -> TdMpcConfig {
    let paper = TdMpcConfig::preset(Preset::Paper);
    TdMpcConfig {
        latent: 128,
        hidden: 384,
        encoder_hidden: 256,
        critics: 2,
        ..paper
    }
}

fn learner(setup: &Setup, rng: &mut Rng) -> Learner {
    Learner::new(config(), SIZES, &[], rng, setup.device.clone().autodiff())
}

/// One update of world model, prior and targets.
pub fn update(setup: &Setup) -> Result<Vec<Row>> {
    let mut rng = Rng::new(0, "bench", 5);
    let mut learner = learner(setup, &mut rng);
    let TdMpcConfig {
        horizon,
        batch,
        latent,
        hidden,
        ..
    } = config();
    // The world model reads one number more: whether the episode has ended.
    let state = SIZES.obs - 1;
    let rows = (horizon + 1) * batch;
    let sequences = SequenceBatch {
        obs: ObsBatch::of_states(rng.normals(rows * state), state),
        ended: vec![0.0; rows],
        actions: rng.normals(horizon * batch * SIZES.act),
        rewards: vec![-1.0; horizon * batch],
        done: vec![0.0; horizon * batch],
        weights: vec![1.0; batch],
        ..SequenceBatch::default()
    };
    let mut once = || {
        let noise = UpdateNoise::draw(&config(), SIZES.act, batch, &mut rng);
        block_on(nn::scalar(learner.step(&sequences, &noise).total)).map(drop)
    };
    let seconds = median(setup, || seconds_each(5, &mut once))?;
    ms_row(
        setup,
        seconds,
        format!("TD-MPC2, latent {latent}, hidden {hidden}, {batch} sequences of {horizon}"),
    )
}

/// One plan for one environment.
pub fn plan(setup: &Setup) -> Result<Vec<Row>> {
    let mut rng = Rng::new(0, "bench", 6);
    let learner = learner(setup, &mut rng);
    let config = config();
    let world = learner.world.valid();
    let prior = learner.prior.valid();
    let planner = Planner {
        world: &world,
        prior: &prior,
        config: &config,
        horizon: config.horizon,
    };
    let width = config.horizon * SIZES.act;
    let mut once = || {
        let noise = noise(&config, &mut rng);
        let z = world.encode(nn::matrix(rng.normals(SIZES.obs), SIZES.obs, &setup.device).into());
        let plan = planner.plan(
            z,
            nn::matrix(vec![0.0; width], width, &setup.device),
            None,
            &noise,
        );
        block_on(nn::read(plan.action)).map(drop)
    };
    let seconds = median(setup, || seconds_each(5, &mut once))?;
    ms_row(
        setup,
        seconds,
        format!(
            "the same, {} samples, {} rounds",
            config.samples, config.iterations
        ),
    )
}

fn noise(config: &TdMpcConfig, rng: &mut Rng) -> Noise {
    let TdMpcConfig {
        samples,
        policy_samples,
        horizon,
        iterations,
        ..
    } = *config;
    let round = |rng: &mut Rng| Round {
        samples: rng.normals((samples - policy_samples) * horizon * SIZES.act),
        last: rng.normals(samples * SIZES.act),
        critics: vec![[0, 1]],
    };
    Noise {
        proposals: (0..horizon)
            .map(|_| rng.normals(policy_samples * SIZES.act))
            .collect(),
        rounds: (0..iterations).map(|_| round(rng)).collect(),
        draw: Some(rng.normals(samples)),
        exploration: Some(rng.normals(SIZES.act)),
    }
}
