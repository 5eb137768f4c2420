//! CSIL and what it is compared with, on environments with known answers.

use crate::{distance, numbers, on_probe, tiny_csil, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Error;
use protege_core::data::{Dataset, Episode, Meta, Normaliser};
use protege_core::env::PROBE_DISCOUNT;
use protege_core::finetune::csil::{self, Agent, Compose, CsilConfig, CsilTrainer, Variant};
use protege_core::finetune::{Context, FinetuneConfig, FinetunedPolicy, Next, Trainer};
use protege_core::obs::{ImageSpec, ObsSpec};
use protege_core::policy::{Policy, PolicyConfig, PolicyKind};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

/// A policy that knows nothing and does anything.
fn policy() -> Policy {
    let config = PolicyConfig {
        kind: PolicyKind::Flow,
        chunk: 2,
        hidden: 8,
        layers: 1,
        ..Config::preset(Preset::Tiny).policy
    };
    let scales = (Normaliser::identity(1), Normaliser::identity(2));
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

fn config(variant: Variant) -> CsilConfig {
    CsilConfig {
        compose: Compose::Alone,
        envs: 10,
        total_steps: 1200,
        clone_updates: 300,
        critic_updates: 300,
        learning_starts: 200,
        utd_ratio: 0.5,
        eval_every: 100_000,
        batch: 64,
        lr: 3e-3,
        gamma: PROBE_DISCOUNT,
        target_rate: 0.05,
        hidden: 32,
        layers: 2,
        atoms: 31,
        policy_hidden: 24,
        features: 32,
        log_scale: 0.0,
        ..tiny_csil(variant)
    }
}

/// What demonstrations of probe 5 say of themselves, where these cameras saw.
pub fn meta_of_probe_5(cameras: Vec<ImageSpec>) -> Meta {
    Meta {
        task: "probe/5".into(),
        engine: "rapier".into(),
        seed: 0,
        code_version: String::new(),
        obs: ObsSpec {
            cameras,
            ..ObsSpec::of_state(1)
        },
        act: 1,
        action_repeat: 1,
        demonstrator: String::new(),
    }
}

/// Demonstrations of probe 5: one step each, of actions that `act` chooses at observations of -1
/// and 1 in turn.
fn demos(mut act: impl FnMut(f32) -> f32) -> Dataset {
    let episode = |i: u64| {
        let obs = if i.is_multiple_of(2) { 1.0 } else { -1.0 };
        let mut episode = Episode::start(i, &vec![obs].into());
        let action = act(obs);
        let reward = 1.0 - (action - 0.5 * obs).powi(2);
        episode.push(&[action], reward, &vec![obs].into());
        Episode {
            terminated: true,
            ..episode
        }
    };
    Dataset {
        meta: meta_of_probe_5(Vec::new()),
        episodes: (0..80).map(episode).collect(),
    }
}

/// What is learned of a probe from demonstrations.
fn learned(number: usize, config: CsilConfig, policy: &Policy, demos: &Dataset) -> Agent {
    let (rollouts, device) = (on_probe(number, 10, 2), trainer());
    let cx = Context {
        policy,
        demos: Some(demos),
        rollouts: &rollouts,
        device: &device,
    };
    let mut trainer = CsilTrainer::new(config, &cx).unwrap();
    while block_on(trainer.step(&cx)).unwrap().next != Next::Done {}
    trainer.agent()
}

/// The action in the middle at observations of -1 and 1.
fn actions(agent: &Agent, policy: &Policy) -> Vec<f32> {
    let noise = Rng::new(3, "test", 0).normals(2 * agent.noise_len(policy));
    block_on(agent.act(
        policy,
        &numbers(&[-1.0, 1.0]),
        &mut [vec![], vec![]],
        noise,
        &Device::flex(),
    ))
    .unwrap()
}

/// From demonstrations that know nothing, each method on the task's reward finds the action that
/// earns most, and sees the observation (probe 5: half of it); CSIL, too, where success earns
/// something.
#[test]
fn the_task_reward_is_learned_from() {
    let csil = CsilConfig {
        success_reward: 100.0,
        kl_weight: 0.02,
        ..config(Variant::Csil)
    };
    for config in [
        config(Variant::Xqc),
        config(Variant::Rlpd),
        config(Variant::Sac),
        csil,
    ] {
        let (policy, mut rng, variant) = (policy(), Rng::new(2, "test", 0), config.variant);
        let demos = demos(|_| rng.range(-0.9, 0.9) as f32);
        let agent = learned(5, config, &policy, &demos);
        let found = actions(&agent, &policy);
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.2,
            "{variant:?}: {found:?}"
        );
    }
}

/// CSIL, which never sees the task's reward, does what was demonstrated, practice included, with
/// the reward refined or not.
#[test]
fn the_learned_reward_keeps_to_the_demonstrations() {
    for reward_lr in [0.0, 1e-3] {
        let (policy, mut rng) = (policy(), Rng::new(2, "test", 0));
        let demos = demos(|obs| 0.5 * obs + 0.1 * rng.normal() as f32);
        let agent = learned(
            5,
            CsilConfig {
                reward_lr,
                clone_updates: 800,
                clone_lr: 3e-3,
                lr: 1e-3,
                ..config(Variant::Csil)
            },
            &policy,
            &demos,
        );
        let found = actions(&agent, &policy);
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.15,
            "{reward_lr}: {found:?}"
        );
    }
}

/// The learned reward can be asked of any action, and is greatest near the demonstrated one; where
/// none is learned, or where it is about corrections, there is no answer.
#[test]
fn the_learned_reward_favors_what_was_demonstrated() {
    let (policy, mut rng) = (policy(), Rng::new(2, "test", 0));
    let demos = demos(|obs| 0.5 * obs + 0.1 * rng.normal() as f32);
    let rewards = |csil: CsilConfig| {
        let agent = learned(
            5,
            CsilConfig {
                total_steps: 220,
                clone_updates: 800,
                clone_lr: 3e-3,
                ..csil
            },
            &policy,
            &demos,
        );
        block_on(agent.rewards(
            &policy,
            &numbers(&[1.0]),
            &[-1.0, -0.5, 0.0, 0.5, 1.0],
            &Device::flex(),
        ))
        .unwrap()
    };
    let found = rewards(config(Variant::Csil)).unwrap();
    assert!(
        found.iter().all(|share| (0.0..=1.0).contains(share)) && found[3] > 0.3,
        "{found:?}"
    );
    assert!(
        [0, 1, 2, 4].iter().all(|&i| found[i] < found[3]),
        "{found:?}"
    );
    assert!(
        rewards(CsilConfig {
            compose: Compose::Residual,
            ..config(Variant::Csil)
        })
        .is_none()
    );
    assert!(rewards(config(Variant::Xqc)).is_none());
}

/// Whatever the pretrained policy does, the composed action reaches as far as it may: a residual of
/// all of the range undoes it.
#[test]
fn a_residual_undoes_the_pretrained_policy() {
    let (policy, mut rng) = (policy(), Rng::new(2, "test", 0));
    let demos = demos(|_| rng.range(-0.9, 0.9) as f32);
    let csil = CsilConfig {
        compose: Compose::Residual,
        residual_scale: 2.0,
        total_steps: 2000,
        ..config(Variant::Xqc)
    };
    let agent = learned(5, csil, &policy, &demos);
    let found = actions(&agent, &policy);
    assert!(distance(&found, &[-0.5, 0.5]) < 0.25, "{found:?}");
}

/// Without demonstrations, a sentence says what to do.
#[test]
fn missing_demonstrations_are_named() {
    let (policy, rollouts, device) = (policy(), on_probe(1, 10, 2), trainer());
    let cx = Context {
        policy: &policy,
        demos: None,
        rollouts: &rollouts,
        device: &device,
    };
    let config = FinetuneConfig {
        method: csil::METHOD.id(),
        csil: config(Variant::Csil),
        ..FinetuneConfig::preset(Preset::Tiny)
    };
    match config.trainer(&cx) {
        Err(Error::Input(sentence)) => assert!(sentence.contains("--demos-file"), "{sentence}"),
        _ => panic!("there is nothing to learn from"),
    }
}
