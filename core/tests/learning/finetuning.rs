//! Implicit Q-learning on environments with known answers, and the choice among proposals.

use crate::{distance, numbers, read, same_bits, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::{Normaliser, Replay};
use protege_core::env::{Env, PROBE_DISCOUNT, Probe};
use protege_core::finetune::FinetunedPolicy;
use protege_core::finetune::best_of_n::{BestOfNConfig, BestOfNPolicy, Iql};
use protege_core::nn;
use protege_core::obs::ObsSpec;
use protege_core::policy::{Policy, PolicyConfig};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

const STEPS: usize = 1200;

fn config() -> BestOfNConfig {
    BestOfNConfig {
        lr: 3e-3,
        gamma: PROBE_DISCOUNT,
        expectile: 0.7,
        target_rate: 0.05,
        hidden: 32,
        batch: 64,
        samples: 64,
        ..BestOfNConfig::preset(Preset::Tiny)
    }
}

/// 500 episodes of uniformly random actions.
fn practice(number: usize) -> Replay {
    let mut rng = Rng::new(0, "test", 0);
    let mut probe = Probe::new(number).unwrap();
    let mut replay = Replay::new(ObsSpec::of_state(1), 1, 1000);
    for seed in 0..500 {
        let mut obs = probe.reset(seed);
        loop {
            let action = [rng.range(-1.0, 1.0) as f32];
            let step = probe.step(&action).unwrap();
            replay
                .push(&obs, &action, step.reward, &step.obs, step.terminated)
                .unwrap();
            if step.done() {
                break;
            }
            obs = step.obs;
        }
    }
    replay
}

/// A policy on raw numbers, whose actions spread widely around zero.
fn policy() -> Policy {
    let config = PolicyConfig {
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

fn learned(number: usize) -> Iql {
    let replay = practice(number);
    let policy = policy();
    let mut rng = Rng::new(2, "test", 0);
    let mut iql = Iql::new(config(), 1, 1, &mut rng, trainer());
    (0..STEPS).for_each(|_| drop(iql.step(&replay.sample(&mut rng, config().batch), &policy)));
    iql
}

fn values(iql: &Iql, obs: &[f32]) -> Vec<f32> {
    read(iql.values(nn::matrix(obs.to_vec(), 1, &trainer())))
}

fn scores(iql: &Iql, obs: &[f32], actions: &[f32]) -> Vec<f32> {
    let inner_device = Device::flex();
    read(iql.critic().score(
        nn::matrix(obs.to_vec(), 1, &inner_device),
        nn::matrix(actions.to_vec(), 1, &inner_device),
    ))
}

/// The best of 64 proposals at each observation.
fn choices(iql: &Iql, obs: &[f32]) -> Vec<f32> {
    let chooser = BestOfNPolicy {
        critic: iql.critic(),
        samples: 64,
    };
    block_on(chooser.act(
        &policy(),
        &numbers(obs),
        &mut [],
        Rng::new(3, "test", 0).normals(64 * obs.len()),
        &Device::flex(),
    ))
    .unwrap()
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert!(
        distance(found, expected) < tolerance,
        "{found:?} is not {expected:?}"
    );
}

/// The value learns from the reward (probe 1).
#[test]
fn the_value_learns_from_the_reward() {
    let iql = learned(1);
    assert_near(&values(&iql, &[0.0]), &[1.0], 0.05);
    assert_near(&scores(&iql, &[0.0; 2], &[-0.5, 0.5]), &[1.0; 2], 0.08);
}

/// The value sees the observation (probe 2).
#[test]
fn the_value_sees_the_observation() {
    assert_near(&values(&learned(2), &[-1.0, 1.0]), &[-1.0, 1.0], 0.1);
}

/// Credit travels back in time, discounted, and stops at the end of an episode (probe 3).
#[test]
fn credit_travels_back_in_time() {
    let iql = learned(3);
    assert_near(
        &values(&iql, &[0.0, 1.0]),
        &[PROBE_DISCOUNT as f32, 1.0],
        0.06,
    );
}

/// The 0.7-expectile of the rewards of uniformly random actions on probes 4 and 5 at their best
/// action `best`.
fn expectile(best: f64) -> f32 {
    let rewards: Vec<f64> = (0..2000)
        .map(|i| 1.0 - (-1.0 + (f64::from(i) + 0.5) / 1000.0 - best).powi(2))
        .collect();
    let mut value = 0.0;
    for _ in 0..200 {
        let weight = |r: f64| if r < value { 0.3 } else { 0.7 };
        value = rewards.iter().map(|&r| weight(r) * r).sum::<f64>()
            / rewards.iter().map(|&r| weight(r)).sum::<f64>();
    }
    value as f32
}

/// The critic learns which action earns most, the value is the expectile over the actions of
/// practice, and the best of N proposals is the right one (probe 4).
#[test]
fn the_choice_learns_from_the_reward() {
    let iql = learned(4);
    assert_near(
        &scores(&iql, &[0.0; 3], &[0.5, 0.0, -0.5]),
        &[1.0, 0.75, 0.0],
        0.12,
    );
    assert_near(&values(&iql, &[0.0]), &[expectile(0.5)], 0.12);
    assert_near(&choices(&iql, &[0.0; 4]), &[0.5; 4], 0.2);
}

/// The critic and the choice see the observation (probe 5).
#[test]
fn the_choice_sees_the_observation() {
    let iql = learned(5);
    assert_near(
        &scores(&iql, &[1.0, 1.0, -1.0, -1.0], &[0.5, -0.5, -0.5, 0.5]),
        &[1.0, 0.0, 1.0, 0.0],
        0.15,
    );
    assert_near(&values(&iql, &[-1.0, 1.0]), &[expectile(0.5); 2], 0.12);
    assert_near(
        &choices(&iql, &[1.0, -1.0, 1.0, -1.0]),
        &[0.5, -0.5, 0.5, -0.5],
        0.2,
    );
}

/// The best of one is the policy itself, and the best of N is the proposal with the highest score.
#[test]
fn the_best_of_one_is_the_policy_itself() {
    let policy = policy();
    let inner_device = Device::flex();
    let iql = Iql::new(config(), 1, 1, &mut Rng::new(4, "test", 0), trainer());
    let obs = [0.3, -0.7];
    let noise = Rng::new(5, "test", 0).normals(2);
    let best = |samples, noise: &[f32]| {
        block_on(
            BestOfNPolicy {
                critic: iql.critic(),
                samples,
            }
            .act(
                &policy,
                &numbers(&obs),
                &mut [],
                noise.to_vec(),
                &inner_device,
            ),
        )
        .unwrap()
    };
    assert!(same_bits(
        &best(1, &noise),
        &block_on(policy.act(&numbers(&obs), noise.clone(), &inner_device)).unwrap()
    ));
    let many = Rng::new(6, "test", 0).normals(2 * 8);
    let rows: Vec<f32> = obs.iter().flat_map(|&o| [o; 8]).collect();
    let proposals = block_on(policy.act(&numbers(&rows), many.clone(), &inner_device)).unwrap();
    let scores = scores(&iql, &rows, &proposals);
    let winner = |row: usize| {
        (row * 8..row * 8 + 8)
            .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
            .unwrap()
    };
    assert_near(
        &best(8, &many),
        &[proposals[winner(0)], proposals[winner(1)]],
        1e-6,
    );
}
