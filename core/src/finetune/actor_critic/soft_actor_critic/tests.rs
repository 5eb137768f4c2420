//! The promises of soft actor-critic beside a frozen policy.

use super::*;
use crate::finetune::actor_critic::test_support::{ROWS, actor, batch, inputs, read};
use crate::nn::Atoms;
use crate::nn::gradient_check::worst_error_of_smooth;
use crate::rl::{CriticKind, Schedule};
use pollster::block_on;

const KINDS: [CriticKind; 3] = [
    CriticKind::Categorical(Atoms {
        low: 0.0,
        high: 1.0,
        count: 11,
    }),
    CriticKind::Scalar { layer_norm: true },
    CriticKind::Scalar { layer_norm: false },
];

fn config(kind: CriticKind) -> SoftActorCriticConfig {
    SoftActorCriticConfig {
        method: FinetuneMethod::by_id("sac").unwrap(),
        practice: PracticeConfig {
            actor: actor(),
            envs: 1,
            schedule: Schedule {
                total_steps: 1,
                learning_starts: 1,
                utd_ratio: 1.0,
                eval_every: 1,
            },
            capacity: 100,
            batch: ROWS,
            demo_fraction: 0.5,
        },
        critics: CriticConfig {
            kind,
            critics: 3,
            target_critics: 2,
            hidden: 8,
            layers: 1,
            lr: 2e-3,
            target_rate: 0.05,
        },
        lr: 2e-3,
        gamma: 0.7,
        temperature: 0.3,
        actor_every: 2,
    }
}

fn fresh(kind: CriticKind, rng: &mut Rng) -> SoftActorCritic {
    SoftActorCritic::new(config(kind), inputs(), rng, &Device::flex().autodiff())
}

/// A learner that has cloned a little, and whose actor is not the clone any more.
fn cloned(kind: CriticKind, rng: &mut Rng) -> SoftActorCritic {
    let mut learner = fresh(kind, rng);
    for _ in 0..40 {
        learner.clone_step(&batch(ROWS, rng));
    }
    let clone = learner.policy.clone.clone();
    for _ in 0..10 {
        learner.clone_step(&batch(ROWS, rng));
    }
    learner.policy.clone = clone;
    learner
}

/// The actor's loss has the right gradient, through the critics, with running statistics or none,
/// and the entropy.
#[test]
fn the_actor_loss_has_the_right_gradient() {
    for kind in KINDS {
        let mut rng = Rng::new(1, "test", 0);
        let mut learner = cloned(kind, &mut rng);
        let rows = learner.inputs.transitions(&batch(ROWS, &mut rng), 5);
        let e = learner.normals(ROWS, &mut rng);
        let error = worst_error_of_smooth(&learner.policy.actor.clone(), 4e-3, |actor| {
            learner.policy.actor = actor.clone();
            learner.actor_loss(&rows, e.clone()).loss
        });
        assert!(error < 3e-2, "{kind:?}: {error}");
    }
}

/// The loss is alpha log pi less the value of what the actor does.
#[test]
fn the_actor_loss_is_its_formula() {
    let mut rng = Rng::new(2, "test", 0);
    let learner = cloned(KINDS[2], &mut rng);
    let rows = learner.inputs.transitions(&batch(ROWS, &mut rng), 5);
    let e = learner.normals(ROWS, &mut rng);
    let (u, log_prob) = learner
        .policy
        .actor_at(&rows.x)
        .sample_with_log_prob(e.clone());
    let values = read(learner.critics.values(&StateAction {
        state: rows.x.clone(),
        action: u,
    }));
    let log_prob = read(log_prob.mean())[0];
    let value = values.iter().sum::<f32>() / values.len() as f32;
    let found = read(learner.actor_loss(&rows, e).loss.inner())[0];
    assert!((found - (0.3 * log_prob - value)).abs() < 1e-4, "{found}");
}

/// The actor and the temperature learn at every second update only; the temperature falls while the
/// actor is more random than it has to be, and grows while it is less.
#[test]
fn the_actor_learns_more_seldom_than_the_critics() {
    let mut rng = Rng::new(3, "test", 0);
    let mut learner = cloned(KINDS[1], &mut rng);
    let state = |learner: &SoftActorCritic| {
        let probe = inputs().transitions(&batch(ROWS, &mut Rng::new(9, "test", 0)), ROWS);
        let actions = read(learner.policy.actor_at(&probe.x).mode());
        let values = read(learner.critics.values(&probe.state_action()));
        (actions, values, read(learner.temperature.value()))
    };
    let mut step = |learner: &mut SoftActorCritic| {
        let batch = batch(ROWS, &mut rng);
        learner.step(&batch, false, &mut rng);
        state(learner)
    };
    let first = step(&mut learner);
    let second = step(&mut learner);
    let third = step(&mut learner);
    assert!(first.0 == second.0 && second.0 != third.0);
    assert!(first.1 != second.1 && second.1 != third.1);
    assert!(first.2 == second.2 && second.2 != third.2);
}

/// From an archive it goes on as if nothing had been.
#[test]
fn a_saved_learner_goes_on() {
    for kind in KINDS {
        let mut rng = Rng::new(4, "test", 0);
        let mut learner = cloned(kind, &mut rng);
        let figures = |learner: &mut SoftActorCritic, rng: &mut Rng| {
            let batch = batch(ROWS, rng);
            let figures = learner.step(&batch, true, rng).unwrap();
            figures
                .into_iter()
                .map(|(name, value)| (name, read(value)[0]))
                .collect::<Vec<_>>()
        };
        figures(&mut learner, &mut rng);
        let mut archive = Archive::new();
        block_on(learner.save(&mut archive)).unwrap();
        let mut loaded = fresh(kind, &mut Rng::new(5, "test", 0))
            .loaded(&archive)
            .unwrap();
        assert_eq!(loaded.updates(), learner.updates());
        for _ in 0..3 {
            let expected = figures(&mut learner, &mut rng.clone());
            assert_eq!(figures(&mut loaded, &mut rng), expected, "{kind:?}");
        }
    }
}
