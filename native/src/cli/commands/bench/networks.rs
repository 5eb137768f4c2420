//! Networks: training steps and decisions.

use super::{Row, Setup, median, ms_row, seconds_each};
use crate::engines::CATALOG;
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use protege_core::Result;
use protege_core::data::{Batch, Normaliser, Pairs};
use protege_core::finetune::best_of_n::{BestOfNConfig, Iql};
use protege_core::finetune::dppo::{DppoConfig, Learner, Samples};
use protege_core::finetune::dsrl::{DsrlConfig, SoftActorCritic};
use protege_core::nn;
use protege_core::obs::{ObsBatch, ObsSpec};
use protege_core::policy::{Policy, PolicyConfig, PolicyKind};
use protege_core::pretrain::{
    BcConfig, Cloning, Ensemble, Losses, PostBcConfig, Pretrainer, TargetNoise,
};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

/// Sizes of `lab/pick-place`, which all networks here are measured with.
const OBS: usize = 39;
const ACT: usize = 4;
const CHUNK: usize = 4;
/// Demonstrated pairs that the training figures draw from.
const PAIRS: usize = 1000;
const BATCH: usize = 256;

/// Random training pairs of the right sizes.
fn pairs() -> Pairs {
    let mut rng = Rng::new(0, "bench", 0);
    let obs = rng.normals(PAIRS * OBS);
    let actions = rng.normals(PAIRS * ACT * CHUNK);
    Pairs {
        obs,
        actions,
        episode_pairs: vec![PAIRS / 10; 10],
        obs_dim: OBS,
        action_dim: ACT * CHUNK,
        ..Pairs::default()
    }
}

fn policy(config: &Config, device: &Device) -> Policy {
    let scales = (Normaliser::identity(OBS), Normaliser::identity(ACT * CHUNK));
    let config = PolicyConfig {
        chunk: CHUNK,
        ..config.policy.clone()
    };
    Policy::new(
        &config,
        &ObsSpec::of_state(OBS),
        ACT,
        scales,
        &mut Rng::new(0, "bench", 1),
        device,
    )
}

/// The one loss of one gradient step.
fn only(mut losses: Losses) -> Tensor<1> {
    losses.remove(0).1
}

/// One step of all members of PostBC's ensemble.
pub fn ensemble(setup: &Setup, hidden: usize) -> Result<Vec<Row>> {
    let config = PostBcConfig {
        members: 100,
        hidden,
        layers: 3,
        batch: BATCH,
        ..PostBcConfig::preset(Preset::Paper)
    };
    let data = pairs();
    let device = setup.device.clone().autodiff();
    let mut ensemble = Ensemble::new(config, &data, 0, device);
    let seconds = median(setup, || {
        seconds_each(1, || {
            block_on(nn::scalar(only(ensemble.step(&data)))).map(drop)
        })
    })?;
    ms_row(
        setup,
        seconds,
        format!(
            "K=100, {hidden}x3, batch {BATCH} each, {OBS} -> {}",
            ACT * CHUNK
        ),
    )
}

/// One step of cloning.
pub fn policy_train(setup: &Setup, preset: Preset) -> Result<Vec<Row>> {
    let config = eight_steps(preset)?;
    let data = pairs();
    let device = setup.device.clone().autodiff();
    let bc = BcConfig {
        batch: BATCH,
        ..config.pretrain.bc.clone()
    };
    let mut cloning = Cloning::new(
        policy(&config, &device),
        TargetNoise::None,
        &bc,
        &data,
        0,
        device,
    );
    let seconds = median(setup, || {
        seconds_each(20, || {
            block_on(nn::scalar(only(cloning.step(&data)))).map(drop)
        })
    })?;
    ms_row(setup, seconds, format!("{}, batch {BATCH}", shape(&config)))
}

/// One decision.
pub fn policy_act(setup: &Setup, preset: Preset) -> Result<Vec<Row>> {
    let config = eight_steps(preset)?;
    let policy = policy(&config, &setup.device);
    let mut rng = Rng::new(0, "bench", 2);
    let obs = ObsBatch::of_states(rng.normals(OBS), OBS);
    let seconds = median(setup, || {
        seconds_each(100, || {
            block_on(policy.act(&obs, rng.normals(policy.noise_len()), &setup.device)).map(drop)
        })
    })?;
    ms_row(
        setup,
        seconds,
        format!("{}, batch 1, 8 steps", shape(&config)),
    )
}

/// One step of the critics and the value of best-of-n.
pub fn iql(setup: &Setup) -> Result<Vec<Row>> {
    let config = BestOfNConfig {
        batch: BATCH,
        ..BestOfNConfig::preset(Preset::Cpu)
    };
    let size = format!(
        "{} critics and a value, {}x{}, batch {BATCH}",
        config.critics, config.hidden, config.layers
    );
    let device = setup.device.clone().autodiff();
    let policy = policy(&Config::preset(Preset::Cpu), &device).frozen();
    let mut rng = Rng::new(0, "bench", 3);
    let mut iql = Iql::new(config, OBS, ACT * CHUNK, &mut rng, device);
    let batch = batch(&mut rng);
    let seconds = median(setup, || {
        seconds_each(20, || {
            block_on(nn::scalar(iql.step(&batch, &policy).q)).map(drop)
        })
    })?;
    ms_row(setup, seconds, size)
}

/// One update of all that DSRL-NA learns, over the paper preset's policy: the critic, the
/// temperature and the actor; then the critic of noise.
pub fn dsrl(setup: &Setup, preset: Preset) -> Result<Vec<Row>> {
    let config = DsrlConfig {
        batch: BATCH,
        ..DsrlConfig::preset(preset)
    };
    let base = eight_steps(Preset::Paper)?;
    let size = format!(
        "{}x{}, batch {BATCH}, over {}, 8 steps",
        config.hidden,
        config.layers,
        shape(&base)
    );
    let device = setup.device.clone().autodiff();
    let policy = policy(&base, &device).frozen();
    let mut rng = Rng::new(0, "bench", 4);
    let mut learner = SoftActorCritic::new(config, &policy, &mut rng, device);
    let batch = batch(&mut rng);
    let mut update = |rng: &mut Rng| {
        let critic = learner.step(&batch, &policy, rng).critic;
        let noise_critic = learner.distil(&batch, &policy, rng);
        block_on(nn::scalar(
            noise_critic.map_or(critic.clone(), |loss| loss + critic),
        ))
        .map(drop)
    };
    let seconds = median(setup, || seconds_each(1, || update(&mut rng)))?;
    ms_row(setup, seconds, size)
}

/// One gradient step of DPPO's actor and critic, at the sizes of its runs on Can: every decision
/// counts once for each of ten denoising steps of twenty.
pub fn dppo(setup: &Setup) -> Result<Vec<Row>> {
    let config = DppoConfig::preset(Preset::Paper);
    let base = Config::preset(Preset::Paper)
        .set("policy.denoising_steps", "20", &CATALOG)?
        .set("policy.sampler", "ddpm", &CATALOG)?
        .set("policy.hidden", "512", &CATALOG)?;
    let device = setup.device.clone().autodiff();
    let policy = policy(&base, &device).frozen();
    let mut rng = Rng::new(0, "bench", 10);
    let (rows, steps) = (config.batch, config.finetuned_steps);
    let size = format!(
        "{}, {rows} decisions x {steps} steps, critic {}x3",
        shape(&base),
        config.hidden
    );
    let mut learner = Learner::new(config, &policy, &mut rng, device);
    let samples = Samples {
        obs: rng.normals(rows * OBS),
        latents: rng.normals(rows * (steps + 1) * ACT * CHUNK),
        log_probs: rng.normals(rows * steps),
        advantages: rng.normals(rows),
        returns: rng.normals(rows),
        values: rng.normals(rows),
    };
    let all: Vec<usize> = (0..rows).collect();
    let mut once = || {
        let device = setup.device.clone();
        let obs = nn::matrix(samples.obs.clone(), OBS, &device).into();
        block_on(learner.step(&samples, &all, obs, false)).map(drop)
    };
    let seconds = median(setup, || seconds_each(1, &mut once))?;
    ms_row(setup, seconds, size)
}

/// Random decisions.
fn batch(rng: &mut Rng) -> Batch {
    let mut rows = |width: usize| rng.normals(BATCH * width);
    Batch {
        obs: ObsBatch::of_states(rows(OBS), OBS),
        next_obs: ObsBatch::of_states(rows(OBS), OBS),
        actions: rows(ACT * CHUNK),
        rewards: vec![0.0; BATCH],
        terminated: vec![0.0; BATCH],
    }
}

/// A preset that samples in eight steps, the paper's with DPPO's network for Lift and Can.
fn eight_steps(preset: Preset) -> Result<Config> {
    let config = Config::preset(preset).set("policy.inference_steps", "8", &CATALOG)?;
    if preset == Preset::Paper {
        config.set("policy.hidden", "512", &CATALOG)
    } else {
        Ok(config)
    }
}

/// `diffusion, 512x3`.
fn shape(config: &Config) -> String {
    let kind = if config.policy.kind == PolicyKind::Diffusion {
        "diffusion"
    } else {
        "flow"
    };
    format!("{kind}, {}x{}", config.policy.hidden, config.policy.layers)
}
