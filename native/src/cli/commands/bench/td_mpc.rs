//! TD-MPC2 at its preset of one million parameters: an update, and a plan; on a GPU also what they
//! ask of it.

use super::launches::{self, Work};
use super::{Row, Setup, median, ms_row, seconds_each};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use protege_core::Result;
use protege_core::data::SequenceBatch;
use protege_core::finetune::td_mpc::{
    Learner, Noise, Planner, Prior, Round, TdMpcConfig, UpdateNoise, WorldModel,
};
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

/// Milliseconds of an update of world model, prior and targets.
pub fn update(setup: &Setup) -> Result<Vec<Row>> {
    let mut updates = Updates::new(setup);
    let mut once = || {
        updates.step()?;
        updates.finish()
    };
    let seconds = median(setup, || seconds_each(5, &mut once))?;
    ms_row(setup, seconds, Updates::size())
}

/// What the device is asked for in an update.
pub fn update_launches(setup: &Setup) -> Result<Vec<Row>> {
    let work = Work {
        names: [
            setup.name,
            "td_mpc_uploads_per_update",
            "td_mpc_reads_per_update",
        ],
        size: Updates::size(),
        once: Updates::step,
        finish: Updates::finish,
    };
    launches::rows(Updates::new(setup), work)
}

/// Updates of one learner from one batch.
struct Updates {
    learner: Learner,
    sequences: SequenceBatch,
    rng: Rng,
    /// The loss of the last one.
    loss: Option<Tensor<1>>,
}

impl Updates {
    fn new(setup: &Setup) -> Self {
        let mut rng = Rng::new(0, "bench", 5);
        let learner = learner(setup, &mut rng);
        let TdMpcConfig { horizon, batch, .. } = config();
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
        Self {
            learner,
            sequences,
            rng,
            loss: None,
        }
    }

    fn size() -> String {
        let TdMpcConfig {
            horizon,
            batch,
            latent,
            hidden,
            ..
        } = config();
        format!("TD-MPC2, latent {latent}, hidden {hidden}, {batch} sequences of {horizon}")
    }

    fn step(&mut self) -> Result<()> {
        let config = config();
        let noise = UpdateNoise::draw(&config, SIZES.act, config.batch, &mut self.rng);
        self.loss = Some(self.learner.step(&self.sequences, None, &noise).total);
        Ok(())
    }

    /// Waits until it is done.
    fn finish(&mut self) -> Result<()> {
        let loss = self.loss.take();
        loss.map_or(Ok(()), |loss| block_on(nn::scalar(loss)).map(drop))
    }
}

/// Milliseconds of a plan for one environment.
pub fn plan(setup: &Setup) -> Result<Vec<Row>> {
    let mut plans = Plans::new(setup);
    let mut once = || {
        plans.plan()?;
        plans.finish()
    };
    let seconds = median(setup, || seconds_each(5, &mut once))?;
    ms_row(setup, seconds, Plans::size())
}

/// What the device is asked for in a plan.
pub fn plan_launches(setup: &Setup) -> Result<Vec<Row>> {
    let work = Work {
        names: [
            setup.name,
            "td_mpc_uploads_per_plan",
            "td_mpc_reads_per_plan",
        ],
        size: Plans::size(),
        once: Plans::plan,
        finish: Plans::finish,
    };
    launches::rows(Plans::new(setup), work)
}

/// Plans of one agent.
struct Plans {
    world: WorldModel,
    prior: Prior,
    device: Device,
    rng: Rng,
    /// The action of the last one.
    action: Option<Tensor<2>>,
}

impl Plans {
    fn new(setup: &Setup) -> Self {
        let mut rng = Rng::new(0, "bench", 6);
        let learner = learner(setup, &mut rng);
        Self {
            world: learner.world.valid(),
            prior: learner.prior.valid(),
            device: setup.device.clone(),
            rng,
            action: None,
        }
    }

    fn size() -> String {
        let TdMpcConfig {
            samples,
            iterations,
            ..
        } = config();
        format!("the same, {samples} samples, {iterations} rounds")
    }

    fn plan(&mut self) -> Result<()> {
        let config = config();
        let planner = Planner {
            world: &self.world,
            prior: &self.prior,
            config: &config,
            horizon: config.horizon,
        };
        let width = config.horizon * SIZES.act;
        let noise = noise(&config, &mut self.rng);
        let obs = nn::matrix(self.rng.normals(SIZES.obs), SIZES.obs, &self.device);
        let z = self.world.encode(obs.into());
        let last = nn::matrix(vec![0.0; width], width, &self.device);
        self.action = Some(planner.plan(z, last, None, &noise).action);
        Ok(())
    }

    /// Waits until it is there.
    fn finish(&mut self) -> Result<()> {
        let action = self.action.take();
        action.map_or(Ok(()), |action| block_on(nn::read(action)).map(drop))
    }
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
