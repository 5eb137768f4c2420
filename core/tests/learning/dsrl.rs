//! DSRL on environments with known answers.

use crate::{distance, numbers, on_probe, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::Normaliser;
use protege_core::env::PROBE_DISCOUNT;
use protege_core::finetune::dsrl::{DsrlConfig, DsrlTrainer, NoisePolicy, Variant};
use protege_core::finetune::{Context, FinetunedPolicy, Next, Trainer};
use protege_core::obs::ObsSpec;
use protege_core::policy::{Policy, PolicyConfig, PolicyKind};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

/// Observations that are looked at, each as often as an answer is asked for.
const ASKED: usize = 200;

fn policy(kind: PolicyKind) -> Policy {
    let config = PolicyConfig {
        kind,
        chunk: 1,
        hidden: 8,
        layers: 1,
        inference_steps: 4,
        ..Config::preset(Preset::Tiny).policy
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

/// What DSRL makes of a policy that knows nothing, on a probe.
fn steered(number: usize, variant: Variant, policy: &Policy) -> NoisePolicy {
    let config = DsrlConfig {
        variant,
        envs: 10,
        total_steps: 2600,
        learning_starts: 600,
        eval_every: 10_000,
        utd_ratio: 0.6,
        noise_utd_ratio: 0.6,
        batch: 64,
        lr: 3e-3,
        gamma: PROBE_DISCOUNT,
        target_rate: 0.05,
        reward_offset: 0.0,
        target_entropy: -2.0,
        hidden: 32,
        layers: 2,
        ..DsrlConfig::preset(Preset::Tiny)
    };
    let rollouts = on_probe(number, 10, 1);
    let device = trainer();
    let cx = Context {
        policy,
        demos: None,
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    let mut trainer = DsrlTrainer::new(config, &cx).unwrap();
    while block_on(trainer.step(&cx)).unwrap().next != Next::Done {}
    trainer.noise_policy()
}

/// The mean action at an observation.
fn mean_action(steering: &NoisePolicy, policy: &Policy, obs: f32) -> f32 {
    let noise = Rng::new(3, "test", 0).normals(ASKED * steering.noise_len(policy));
    let actions = block_on(steering.act(
        policy,
        &numbers(&[obs; ASKED]),
        &mut [],
        noise,
        &Device::flex(),
    ))
    .unwrap();
    actions.iter().sum::<f32>() / ASKED as f32
}

/// Each variant learns from the reward which noise makes the best action, of a flow and of a
/// diffusion policy (probe 4).
#[test]
fn steering_learns_from_the_reward() {
    for (variant, kind) in [
        (Variant::NoiseAliased, PolicyKind::Flow),
        (Variant::NoiseAliased, PolicyKind::Diffusion),
        (Variant::Sac, PolicyKind::Flow),
    ] {
        let policy = policy(kind);
        let action = mean_action(&steered(4, variant, &policy), &policy, 0.0);
        assert!(
            (action - 0.5).abs() < 0.15,
            "{variant:?} on {kind:?} plays {action}"
        );
    }
}

/// Each variant sees the observation (probe 5).
#[test]
fn steering_sees_the_observation() {
    let policy = policy(PolicyKind::Flow);
    for variant in [Variant::NoiseAliased, Variant::Sac] {
        let steering = steered(5, variant, &policy);
        let actions = [-1.0, 1.0].map(|obs| mean_action(&steering, &policy, obs));
        assert!(
            distance(&actions, &[-0.5, 0.5]) < 0.2,
            "{variant:?} plays {actions:?}"
        );
    }
}

/// The noise that is chosen never leaves the magnitude, however large the draw.
#[test]
fn the_noise_stays_within_the_magnitude() {
    let policy = policy(PolicyKind::Flow);
    let steering = steered(4, Variant::Sac, &policy);
    let obs = protege_core::nn::matrix(vec![0.0; 50], 1, &Device::flex());
    let e = protege_core::nn::matrix(
        (0..50).map(|i| (i as f32 - 25.0) * 4.0).collect(),
        1,
        &Device::flex(),
    );
    let noise = crate::read(steering.noise(obs, e));
    assert!(
        noise.iter().all(|w| w.abs() <= 1.5 + 1e-5) && noise.iter().any(|w| w.abs() > 1.4),
        "{noise:?}"
    );
}
