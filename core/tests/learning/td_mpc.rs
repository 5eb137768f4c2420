//! TD-MPC on environments with known answers, and what it is given.

use crate::{distance, numbers, on_probe, tiny_td_mpc, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Error;
use protege_core::data::{Archive, Normaliser};
use protege_core::env::PROBE_DISCOUNT;
use protege_core::finetune::td_mpc::{
    Agent, Backbone, DemoSchedule, Proposals, TdMpcConfig, TdMpcTrainer,
};
use protege_core::finetune::{Context, FinetunedPolicy, Next, Trainer};
use protege_core::obs::ObsSpec;
use protege_core::policy::{Policy, PolicyConfig, PolicyKind};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

/// Answers that are asked for at each observation.
const ASKED: usize = 20;

/// A policy that knows nothing and proposes anything.
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

fn config(backbone: Backbone) -> TdMpcConfig {
    TdMpcConfig {
        arm: DemoSchedule::Vanilla,
        envs: 10,
        total_steps: 1200,
        clone_updates: 0,
        learning_starts: 200,
        seed_updates: 300,
        utd_ratio: 0.5,
        eval_every: 100_000,
        batch: 32,
        lr: 3e-3,
        gamma: PROBE_DISCOUNT,
        reward_offset: 0.0,
        horizon: 2,
        prior_cloning: 0.0,
        self_imitation: false,
        around_proposals: false,
        max_std: 2.0,
        latent: 16,
        hidden: 32,
        encoder_hidden: 16,
        samples: 32,
        policy_samples: 8,
        elites: 8,
        iterations: 3,
        ..tiny_td_mpc(backbone)
    }
}

/// What TD-MPC learns of a probe, without demonstrations.
fn learned(number: usize, config: TdMpcConfig, policy: &Policy) -> Agent {
    let rollouts = on_probe(number, 10, 2);
    let device = trainer();
    let cx = Context {
        policy,
        demos: None,
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    let mut trainer = TdMpcTrainer::new(config, &cx).unwrap();
    while block_on(trainer.step(&cx)).unwrap().next != Next::Done {}
    trainer.agent()
}

/// The mean planned action at an observation, at the start of an episode.
fn action(agent: &Agent, policy: &Policy, obs: f32) -> f32 {
    let noise = Rng::new(3, "test", 0).normals(ASKED * agent.noise_len(policy));
    let mut memories = vec![Vec::new(); ASKED];
    let actions = block_on(agent.act(
        policy,
        &numbers(&[obs; ASKED]),
        &mut memories,
        noise,
        &Device::flex(),
    ))
    .unwrap();
    assert!(
        memories.iter().all(|memory| memory.len() == 2),
        "the plan is remembered"
    );
    actions.iter().sum::<f32>() / ASKED as f32
}

fn value(agent: &Agent, obs: f32) -> f32 {
    block_on(agent.values(&numbers(&[obs]), &Device::flex())).unwrap()[0]
}

const BACKBONES: [Backbone; 2] = [Backbone::TdMpc, Backbone::TdMpc2];

/// The value learns from the reward, and nothing is earned after the end, which the model is made
/// to see (probe 1).
#[test]
fn the_value_learns_from_the_reward_and_stops_at_the_end() {
    for backbone in BACKBONES {
        let policy = policy();
        let agent = learned(1, config(backbone), &policy);
        assert!(
            (value(&agent, 0.0) - 1.0).abs() < 0.15,
            "{backbone:?}: {}",
            value(&agent, 0.0)
        );
    }
}

/// The value sees the observation (probe 2).
#[test]
fn the_value_sees_the_observation() {
    for backbone in BACKBONES {
        let policy = policy();
        let agent = learned(2, config(backbone), &policy);
        let found = [-1.0, 1.0].map(|obs| value(&agent, obs));
        assert!(
            distance(&found, &[-1.0, 1.0]) < 0.2,
            "{backbone:?}: {found:?}"
        );
    }
}

/// Credit travels back in time, discounted (probe 3).
#[test]
fn credit_travels_back_in_time() {
    for backbone in BACKBONES {
        let policy = policy();
        let agent = learned(3, config(backbone), &policy);
        let found = [0.0, 1.0].map(|obs| value(&agent, obs));
        assert!(
            distance(&found, &[PROBE_DISCOUNT as f32, 1.0]) < 0.15,
            "{backbone:?}: {found:?}"
        );
    }
}

/// The planner finds the action that earns most, whoever proposes (probe 4).
#[test]
fn the_planner_finds_the_best_action() {
    for (backbone, proposals) in [
        (Backbone::TdMpc, Proposals::Prior),
        (Backbone::TdMpc2, Proposals::Prior),
        (Backbone::TdMpc2, Proposals::Pretrained),
        (Backbone::TdMpc2, Proposals::Both),
    ] {
        let policy = policy();
        let agent = learned(
            4,
            TdMpcConfig {
                proposals,
                total_steps: 2000,
                ..config(backbone)
            },
            &policy,
        );
        let found = action(&agent, &policy, 0.0);
        assert!(
            (found - 0.5).abs() < 0.15,
            "{backbone:?} {proposals:?}: {found}"
        );
    }
}

/// A planner that doubts its critics and plays the best elite finds that action, too; and rewards
/// that are scaled make values that are.
#[test]
fn a_doubting_planner_finds_the_best_action_of_scaled_rewards() {
    let policy = policy();
    let config = |reward_scale| TdMpcConfig {
        total_steps: 2000,
        pessimism: 1.0,
        stochastic_eval: false,
        reward_scale,
        ..config(Backbone::TdMpc2)
    };
    let agent = learned(4, config(10.0), &policy);
    let found = action(&agent, &policy, 0.0);
    assert!((found - 0.5).abs() < 0.15, "{found}");
    let agent = learned(1, config(10.0), &policy);
    let found = value(&agent, 0.0);
    assert!((found - 10.0).abs() < 1.5, "{found}");
}

/// In evaluations an elite is drawn; or the best one acts, whatever the draw.
#[test]
fn the_best_elite_acts_where_none_is_drawn() {
    let policy = policy();
    for stochastic_eval in [true, false] {
        let config = TdMpcConfig {
            total_steps: 220,
            seed_updates: 20,
            stochastic_eval,
            ..config(Backbone::TdMpc2)
        };
        let samples = config.samples;
        let agent = learned(4, config, &policy);
        let len = agent.noise_len(&policy);
        let acted = |sign: f32| {
            let mut noise = Rng::new(3, "test", 0).normals(ASKED * len);
            // The draw comes before the exploration of an action, which has one number.
            for row in noise.chunks_mut(len) {
                let draw = &mut row[len - 1 - samples..len - 1];
                draw.iter_mut().for_each(|e| *e *= sign);
            }
            let memories = &mut vec![Vec::new(); ASKED];
            let obs = numbers(&[0.0; ASKED]);
            block_on(agent.act(&policy, &obs, memories, noise, &Device::flex())).unwrap()
        };
        let same = acted(1.0) == acted(-1.0);
        assert_eq!(same, !stochastic_eval, "{stochastic_eval}");
    }
}

/// The planner sees the observation, and so does the prior, which acts alone where nothing is
/// planned (probe 5).
#[test]
fn planner_and_prior_see_the_observation() {
    for backbone in BACKBONES {
        let policy = policy();
        let config = TdMpcConfig {
            total_steps: 1500,
            ..config(backbone)
        };
        let agent = learned(5, config, &policy);
        let planned = [-1.0, 1.0].map(|obs| action(&agent, &policy, obs));
        let prior = [-1.0, 1.0].map(|obs| {
            let obs = numbers(&[obs]);
            block_on(agent.prior_actions(&obs, &Device::flex())).unwrap()[0]
        });
        for found in [planned, prior] {
            assert!(
                distance(&found, &[-0.5, 0.5]) < 0.2,
                "{backbone:?}, planned and prior: {planned:?} {prior:?}"
            );
        }
    }
}

/// A decision does not depend on which other episodes are decided for at the same time.
#[test]
fn a_decision_does_not_depend_on_its_neighbors() {
    let policy = policy();
    let agent = learned(
        4,
        TdMpcConfig {
            total_steps: 320,
            seed_updates: 20,
            ..config(Backbone::TdMpc2)
        },
        &policy,
    );
    let len = agent.noise_len(&policy);
    let noise = Rng::new(3, "test", 0).normals(3 * len);
    let obs = [0.1, -0.4, 0.8];
    let memories = [vec![], vec![0.2, 0.6], vec![-0.3, 0.1]];
    let together = block_on(agent.act(
        &policy,
        &numbers(&obs),
        &mut memories.clone(),
        noise.clone(),
        &Device::flex(),
    ))
    .unwrap();
    for i in 0..3 {
        let mut memory = [memories[i].clone()];
        let alone = block_on(agent.act(
            &policy,
            &numbers(&obs[i..=i]),
            &mut memory,
            noise[i * len..(i + 1) * len].to_vec(),
            &Device::flex(),
        ))
        .unwrap();
        assert!(
            (alone[0] - together[i]).abs() < 1e-4,
            "{alone:?} {together:?}"
        );
    }
}

/// Where learning stops being finite, the run ends with what was learned from last, and a sentence
/// that says what to do.
#[test]
fn learning_that_diverges_leaves_its_last_batches() {
    let config = TdMpcConfig {
        lr: 1e30,
        learning_starts: 100,
        seed_updates: 400,
        ..config(Backbone::TdMpc)
    };
    let policy = policy();
    let rollouts = on_probe(5, 10, 2);
    let device = trainer();
    let cx = Context {
        policy: &policy,
        demos: None,
        rollouts: &rollouts,
        device: &device,
        help: None,
    };
    let mut trainer = TdMpcTrainer::new(config, &cx).unwrap();
    let error = loop {
        match block_on(trainer.step(&cx)) {
            Ok(report) => assert!(
                report.next != Next::Done,
                "so high a learning rate diverges"
            ),
            Err(error) => break error,
        }
    };
    let Error::Diverged { sentence, batches } = error else {
        panic!("{error}")
    };
    assert!(sentence.contains("finetune.td_mpc.lr"), "{sentence}");
    let archive = Archive::from_bytes(&batches).unwrap();
    let names: Vec<&str> = archive
        .names()
        .filter(|name| name.ends_with("/obs"))
        .collect();
    assert!(!names.is_empty() && names.len() <= 50, "{names:?}");
    // Three moments of 32 sequences of an observation of one number.
    assert!(
        names
            .iter()
            .all(|name| archive.get_f32(name).unwrap().1.len() == 3 * 32)
    );
}

/// Where demonstrations are needed and there are none, a sentence says what to do.
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
    let config = TdMpcConfig {
        arm: DemoSchedule::Balanced,
        ..config(Backbone::TdMpc2)
    };
    match TdMpcTrainer::new(config, &cx) {
        Err(Error::Input(sentence)) => assert!(sentence.contains("--demos-file"), "{sentence}"),
        _ => panic!("there is nothing to learn from"),
    }
}
