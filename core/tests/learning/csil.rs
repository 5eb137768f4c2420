//! CSIL on environments with known answers.

use crate::actor_critic::{actions, actor, demos, learned, policy};
use crate::{distance, numbers};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::env::PROBE_DISCOUNT;
use protege_core::finetune::FinetuneConfig;
use protege_core::finetune::actor_critic::{ActorConfig, Compose};
use protege_core::finetune::csil::{self, CsilConfig};
use protege_core::rng::Rng;
use protege_core::run::Preset;

fn config() -> CsilConfig {
    CsilConfig {
        actor: actor(),
        envs: 10,
        total_steps: 1200,
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
        ..CsilConfig::preset(Preset::Tiny)
    }
}

/// An actor that is cloned for long.
fn well_cloned() -> ActorConfig {
    ActorConfig {
        clone_updates: 800,
        clone_lr: 3e-3,
        ..actor()
    }
}

fn finetuning(csil: CsilConfig) -> FinetuneConfig {
    FinetuneConfig {
        method: csil::METHOD.id(),
        csil,
        ..FinetuneConfig::preset(Preset::Tiny)
    }
}

/// Where success earns something, CSIL finds the action that earns most, from demonstrations that
/// know nothing, and sees the observation (probe 5: half of it).
#[test]
fn csil_learns_from_success_that_earns() {
    let policy = policy();
    let mut rng = Rng::new(2, "test", 0);
    let demos = demos(|_| rng.range(-0.9, 0.9) as f32);
    let config = CsilConfig {
        success_reward: 100.0,
        kl_weight: 0.02,
        ..config()
    };
    let acting = learned(5, &finetuning(config), &policy, &demos);
    let found = actions(&*acting, &policy);
    assert!(distance(&found, &[-0.5, 0.5]) < 0.2, "{found:?}");
}

/// CSIL, which never sees the task's reward, does what was demonstrated, practice included, with
/// the reward refined or not.
#[test]
fn the_learned_reward_keeps_to_the_demonstrations() {
    for reward_lr in [0.0, 1e-3] {
        let policy = policy();
        let mut rng = Rng::new(2, "test", 0);
        let demos = demos(|obs| 0.5 * obs + 0.1 * rng.normal() as f32);
        let config = CsilConfig {
            actor: well_cloned(),
            reward_lr,
            lr: 1e-3,
            ..config()
        };
        let acting = learned(5, &finetuning(config), &policy, &demos);
        let found = actions(&*acting, &policy);
        assert!(
            distance(&found, &[-0.5, 0.5]) < 0.15,
            "{reward_lr}: {found:?}"
        );
    }
}

/// The learned reward can be asked of any action, and is greatest near the demonstrated one; where
/// it is about corrections, there is no answer.
#[test]
fn the_learned_reward_favors_what_was_demonstrated() {
    let policy = policy();
    let mut rng = Rng::new(2, "test", 0);
    let demos = demos(|obs| 0.5 * obs + 0.1 * rng.normal() as f32);
    let rewards = |compose: Compose| {
        let config = CsilConfig {
            actor: ActorConfig {
                compose,
                ..well_cloned()
            },
            total_steps: 220,
            ..config()
        };
        let acting = learned(5, &finetuning(config), &policy, &demos);
        let asked = [-1.0, -0.5, 0.0, 0.5, 1.0];
        block_on(acting.rewards(&policy, &numbers(&[1.0]), &asked, &Device::flex())).unwrap()
    };
    let found = rewards(Compose::Alone).unwrap();
    assert!(
        found.iter().all(|share| (0.0..=1.0).contains(share)) && found[3] > 0.3,
        "{found:?}"
    );
    assert!(
        [0, 1, 2, 4].iter().all(|&i| found[i] < found[3]),
        "{found:?}"
    );
    assert!(rewards(Compose::Residual).is_none());
}
