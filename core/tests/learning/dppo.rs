//! DPPO on environments with known answers, from policies that know nothing.

use crate::{numbers, on_probe, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::Normaliser;
use protege_core::env::PROBE_DISCOUNT;
use protege_core::finetune::dppo::{DppoConfig, DppoTrainer};
use protege_core::finetune::{Context, FinetunedPolicy, Next, Trainer};
use protege_core::obs::ObsSpec;
use protege_core::policy::{Policy, PolicyConfig, PolicyKind, Sampler};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

const CHAINS: [(PolicyKind, Sampler); 3] = [
    (PolicyKind::Flow, Sampler::Ddim),
    (PolicyKind::Diffusion, Sampler::Ddim),
    (PolicyKind::Diffusion, Sampler::Ddpm),
];

fn config() -> DppoConfig {
    DppoConfig {
        iterations: 30,
        episodes: 64,
        finetuned_steps: 5,
        epochs: 6,
        batch: 32,
        actor_lr: 5e-3,
        critic_lr: 1e-2,
        gamma: PROBE_DISCOUNT,
        clip: 0.2,
        clip_base: 0.1,
        min_sampling_std: 0.2,
        min_logprob_std: 0.2,
        hidden: 16,
        ..DppoConfig::preset(Preset::Tiny)
    }
}

/// A policy on raw numbers with fresh weights: its actions are spread all over the range.
fn policy((kind, sampler): (PolicyKind, Sampler)) -> Policy {
    let tiny = Config::preset(Preset::Tiny).policy;
    let config = PolicyConfig {
        kind,
        sampler,
        chunk: 1,
        hidden: 16,
        layers: 2,
        denoising_steps: 6,
        inference_steps: 5,
        ..tiny
    };
    let scales = (Normaliser::identity(1), Normaliser::identity(1));
    Policy::new(
        &config,
        &ObsSpec::of_state(1),
        1,
        scales,
        &mut Rng::new(1, "test", 0),
        &trainer(),
    )
    .frozen()
}

/// DPPO's result on a probe, and what its critic says at `obs`.
fn learned(number: usize, policy: &Policy, obs: &[f32]) -> (Box<dyn FinetunedPolicy>, Vec<f32>) {
    let rollouts = on_probe(number, 16, 1);
    let device = trainer();
    let cx = Context {
        policy,
        demos: None,
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    let mut trainer = DppoTrainer::new(config(), &cx).unwrap();
    while block_on(trainer.step(&cx)).unwrap().next != Next::Done {}
    (
        trainer.policy().unwrap(),
        block_on(trainer.values(&cx, &numbers(obs))).unwrap(),
    )
}

/// The mean squared distance of 200 actions at each observation from what is best there.
fn error(
    finetuned: Option<&dyn FinetunedPolicy>,
    policy: &Policy,
    obs: &[f32],
    best: &[f32],
) -> f32 {
    let rows: Vec<f32> = obs.iter().flat_map(|&o| [o; 200]).collect();
    let rows = numbers(&rows);
    let noise = Rng::new(2, "test", 0).normals(rows.len() * policy.noise_len());
    let actions = match finetuned {
        Some(finetuned) => {
            block_on(finetuned.act(policy, &rows, &mut [], noise, &Device::flex())).unwrap()
        }
        None => block_on(policy.act(&rows, noise, &Device::flex())).unwrap(),
    };
    let squares = actions
        .chunks(200)
        .zip(best)
        .flat_map(|(actions, best)| actions.iter().map(move |a| (a - best) * (a - best)));
    squares.sum::<f32>() / rows.len() as f32
}

/// What DPPO makes of a policy that knows nothing: the errors before and after.
fn errors(number: usize, chain: (PolicyKind, Sampler), obs: &[f32], best: &[f32]) -> (f32, f32) {
    let policy = policy(chain);
    let (finetuned, _) = learned(number, &policy, obs);
    (
        error(None, &policy, obs, best),
        error(Some(&*finetuned), &policy, obs, best),
    )
}

/// The policy learns from the reward (probe 4), whatever its chain.
#[test]
fn the_policy_learns_from_the_reward() {
    for chain in CHAINS {
        let (before, after) = errors(4, chain, &[0.0], &[0.5]);
        assert!(
            before > 0.3 && after < 0.02,
            "{chain:?}: {before} before, {after} after"
        );
    }
}

/// The policy sees the observation (probe 5), whatever its chain.
#[test]
fn the_policy_sees_the_observation() {
    for chain in CHAINS {
        let (before, after) = errors(5, chain, &[-1.0, 1.0], &[-0.5, 0.5]);
        assert!(
            before > 0.3 && after < 0.02,
            "{chain:?}: {before} before, {after} after"
        );
    }
}

/// Credit travels back in time, discounted, and stops at the end of an episode (probe 3): the
/// values, in scaled rewards, are as the discount to one.
#[test]
fn credit_travels_back_in_time() {
    let (_, values) = learned(3, &policy(CHAINS[0]), &[0.0, 1.0]);
    assert!(
        (f64::from(values[0] / values[1]) - PROBE_DISCOUNT).abs() < 0.02,
        "{values:?}"
    );
    // Half of all returns so far are 0, half 1: a standard deviation of 0.5.
    assert!((values[1] - 2.0).abs() < 0.05, "{values:?}");
}
