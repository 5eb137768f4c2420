//! DPPO on environments with known answers, from policies that know nothing.

use crate::trainer;
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::Normaliser;
use protege_core::env::{PROBE_DISCOUNT, RolloutSpec};
use protege_core::finetune::dppo::{DppoConfig, Practice};
use protege_core::finetune::{Context, Improved, Next};
use protege_core::policy::{Policy, PolicyConfig, PolicyKind, Sampler, Sizes};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

const CHAINS: [(PolicyKind, Sampler); 3] =
    [(PolicyKind::Flow, Sampler::Ddim), (PolicyKind::Diffusion, Sampler::Ddim), (PolicyKind::Diffusion, Sampler::Ddpm)];

fn config() -> DppoConfig {
    DppoConfig {
        iterations: 30,
        episodes: 64,
        finetuned_steps: 3,
        epochs: 6,
        batch: 32,
        actor_lr: 3e-3,
        critic_lr: 1e-2,
        gamma: PROBE_DISCOUNT,
        clip: 0.2,
        clip_base: 0.1,
        hidden: 16,
        ..DppoConfig::preset(Preset::Tiny)
    }
}

/// A policy on raw numbers with fresh weights: its actions are spread all over the range.
fn policy((kind, sampler): (PolicyKind, Sampler)) -> Policy {
    let tiny = Config::preset(Preset::Tiny).policy;
    let config = PolicyConfig { kind, sampler, chunk: 1, hidden: 16, layers: 2, denoising_steps: 6, inference_steps: 5, ..tiny };
    let scales = (Normaliser::identity(1), Normaliser::identity(1));
    Policy::new(&config, Sizes { obs: 1, act: 1, chunk: 1 }, scales, &mut Rng::new(1, "test", 0), &trainer()).frozen()
}

/// DPPO's result on a probe, and what its critic says at `obs`.
fn learned(number: usize, policy: &Policy, obs: &[f32]) -> (Improved, Vec<f32>) {
    let (task, device) = (format!("probe/{number}"), trainer());
    let rollouts = RolloutSpec { task, action_repeat: 1, chunk: 1, parallel: 16, seed: 0, threads: 1 };
    let cx = Context { policy, rollouts: &rollouts, device: &device };
    let mut practice = Practice::new(config(), &cx).unwrap();
    loop {
        let work = block_on(practice.step(&cx)).unwrap();
        if std::env::var("SHOW").is_ok() && !work.values.is_empty() {
            println!("{:?}", work.values);
        }
        if work.next == Next::Finish {
            break;
        }
    }
    (Improved::Dppo(practice.finetuned()), block_on(practice.values(&cx, obs)).unwrap())
}

/// Mean action at each observation, and the mean squared distance from `expected`.
fn actions(improved: &Improved, policy: &Policy, obs: &[f32], expected: &[f32]) -> (Vec<f32>, f32) {
    let rows: Vec<f32> = obs.iter().flat_map(|&o| [o; 200]).collect();
    let noise = Rng::new(2, "test", 0).normals(rows.len() * improved.noise_len(policy));
    let played = block_on(improved.act(policy, &rows, noise, &Device::flex())).unwrap();
    let means = played.chunks(200).map(|actions| actions.iter().sum::<f32>() / 200.0).collect();
    let errors = played.chunks(200).zip(expected).flat_map(|(actions, e)| actions.iter().map(move |a| (a - e) * (a - e)));
    (means, errors.sum::<f32>() / rows.len() as f32)
}

/// The promise: the policy learns from the reward (probe 4), whatever its chain.
#[test]
fn the_policy_learns_from_the_reward() {
    for chain in CHAINS {
        let policy = policy(chain);
        let (improved, _) = learned(4, &policy, &[0.0]);
        let (means, error) = actions(&improved, &policy, &[0.0], &[0.5]);
        println!("{chain:?}: {means:?}, {error}");
    }
}

/// The promise: the policy sees the observation (probe 5), whatever its chain.
#[test]
fn the_policy_sees_the_observation() {
    for chain in CHAINS {
        let policy = policy(chain);
        let (improved, _) = learned(5, &policy, &[0.0]);
        let (means, error) = actions(&improved, &policy, &[-1.0, 1.0], &[-0.5, 0.5]);
        println!("{chain:?}: {means:?}, {error}");
    }
}

/// credit
#[test]
fn credit_travels_back_in_time() {
    let (_, values) = learned(3, &policy(CHAINS[0]), &[0.0, 1.0]);
    println!("{values:?} {}", values[0] / values[1]);
}
