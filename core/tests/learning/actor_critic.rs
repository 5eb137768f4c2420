//! Actors beside a frozen policy, on environments with known answers: what csil, xqc, rlpd and sac
//! share, and what the latter three learn from the task's reward.

use crate::{distance, numbers, on_probe, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Error;
use protege_core::data::{Dataset, Episode, Meta, Normaliser};
use protege_core::env::PROBE_DISCOUNT;
use protege_core::finetune::actor_critic::{ActorConfig, Compose};
use protege_core::finetune::rlpd::RlpdConfig;
use protege_core::finetune::sac::SacConfig;
use protege_core::finetune::xqc::XqcConfig;
use protege_core::finetune::{Context, FinetuneConfig, FinetuneMethod, FinetunedPolicy, Next};
use protege_core::obs::{ImageSpec, ObsSpec};
use protege_core::policy::{Policy, PolicyConfig, PolicyKind};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

/// A policy that knows nothing and does anything.
pub fn policy() -> Policy {
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

/// A small actor that acts alone.
pub fn actor() -> ActorConfig {
    ActorConfig {
        compose: Compose::Alone,
        clone_updates: 300,
        hidden: 24,
        features: 32,
        log_scale: 0.0,
        ..ActorConfig::preset(Preset::Tiny)
    }
}

/// Small settings of every method of the task's own reward, of which `method` is chosen.
fn config(method: &str, actor: ActorConfig) -> FinetuneConfig {
    FinetuneConfig {
        method: FinetuneMethod::by_id(method).unwrap(),
        xqc: XqcConfig {
            actor: actor.clone(),
            envs: 10,
            total_steps: 1200,
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
            ..XqcConfig::preset(Preset::Tiny)
        },
        rlpd: RlpdConfig {
            actor: actor.clone(),
            envs: 10,
            total_steps: 1200,
            learning_starts: 200,
            utd_ratio: 0.5,
            eval_every: 100_000,
            batch: 64,
            lr: 3e-3,
            gamma: PROBE_DISCOUNT,
            target_rate: 0.05,
            hidden: 32,
            layers: 2,
            ..RlpdConfig::preset(Preset::Tiny)
        },
        sac: SacConfig {
            actor,
            envs: 10,
            total_steps: 1200,
            learning_starts: 200,
            utd_ratio: 0.5,
            eval_every: 100_000,
            batch: 64,
            lr: 3e-3,
            gamma: PROBE_DISCOUNT,
            target_rate: 0.05,
            hidden: 32,
            layers: 2,
            ..SacConfig::preset(Preset::Tiny)
        },
        ..FinetuneConfig::preset(Preset::Tiny)
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
        controller: String::new(),
        demonstrator: String::new(),
    }
}

/// Demonstrations of probe 5: one step each, of actions that `act` chooses at observations of -1
/// and 1 in turn.
pub fn demos(mut act: impl FnMut(f32) -> f32) -> Dataset {
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
pub fn learned(
    number: usize,
    config: &FinetuneConfig,
    policy: &Policy,
    demos: &Dataset,
) -> Box<dyn FinetunedPolicy> {
    let rollouts = on_probe(number, 10, 2);
    let device = trainer();
    let cx = Context {
        policy,
        demos: Some(demos),
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    let mut trainer = config.trainer(&cx).unwrap().unwrap();
    while block_on(trainer.step(&cx)).unwrap().next != Next::Done {}
    trainer.policy().unwrap()
}

/// The action in the middle at observations of -1 and 1.
pub fn actions(acting: &dyn FinetunedPolicy, policy: &Policy) -> Vec<f32> {
    let noise = Rng::new(3, "test", 0).normals(2 * acting.noise_len(policy));
    let memories = &mut [vec![], vec![]];
    block_on(acting.act(
        policy,
        &numbers(&[-1.0, 1.0]),
        memories,
        noise,
        &Device::flex(),
    ))
    .unwrap()
}

/// From demonstrations that know nothing, each method on the task's reward finds the action that
/// earns most, and sees the observation (probe 5: half of it); nobody asks it for learned rewards.
#[test]
fn the_task_reward_is_learned_from() {
    for method in ["xqc", "rlpd", "sac"] {
        let policy = policy();
        let mut rng = Rng::new(2, "test", 0);
        let demos = demos(|_| rng.range(-0.9, 0.9) as f32);
        let acting = learned(5, &config(method, actor()), &policy, &demos);
        let found = actions(&*acting, &policy);
        assert!(distance(&found, &[-0.5, 0.5]) < 0.2, "{method}: {found:?}");
        assert_eq!(acting.method().id(), method);
        let rewards = block_on(acting.rewards(&policy, &numbers(&[1.0]), &[0.5], &Device::flex()));
        assert!(rewards.unwrap().is_none());
    }
}

/// Whatever the pretrained policy does, the composed action reaches as far as it may: a residual of
/// all of the range undoes it.
#[test]
fn a_residual_undoes_the_pretrained_policy() {
    let policy = policy();
    let mut rng = Rng::new(2, "test", 0);
    let demos = demos(|_| rng.range(-0.9, 0.9) as f32);
    let residual = ActorConfig {
        compose: Compose::Residual,
        residual_scale: 2.0,
        ..actor()
    };
    let mut config = config("xqc", residual);
    config.xqc.total_steps = 2000;
    let acting = learned(5, &config, &policy, &demos);
    let found = actions(&*acting, &policy);
    assert!(distance(&found, &[-0.5, 0.5]) < 0.25, "{found:?}");
}

/// Without demonstrations, a sentence says what to do.
#[test]
fn missing_demonstrations_are_named() {
    let policy = policy();
    let rollouts = on_probe(1, 10, 2);
    let device = trainer();
    let cx = Context {
        policy: &policy,
        demos: None,
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    for method in ["csil", "xqc", "rlpd", "sac"] {
        match config(method, actor()).trainer(&cx) {
            Err(Error::Input(sentence)) => {
                assert!(sentence.contains("--demos-file"), "{sentence}");
            }
            _ => panic!("there is nothing to learn from"),
        }
    }
}
