//! The promises of the learner of CSIL.

use super::*;
use crate::finetune::actor_critic::ActorConfig;
use crate::finetune::actor_critic::test_support::{ROWS, actor, batch, inputs, read};
use crate::finetune::csil::RewardMode;
use crate::nn::Keypoints;
use crate::nn::Observations;
use crate::nn::gradient_check::worst_error_of_smooth;
use crate::obs::{ImageSpec, Images, ObsBatch, Observation};
use crate::settings::Preset;

/// Small, and with values of a few units only: rounding hides the gradients of larger ones.
fn config() -> CsilConfig {
    CsilConfig {
        actor: actor(),
        hidden: 8,
        layers: 1,
        atoms: 11,
        kl_weight: 0.5,
        gamma: 0.7,
        least_reward: -1.0,
        ..CsilConfig::preset(Preset::Tiny)
    }
}

/// A learner that has cloned a little, and whose actor and reward are not the clone any more.
fn learner(config: CsilConfig, rng: &mut Rng) -> CsilLearner {
    let mut learner = CsilLearner::new(config, inputs(), rng, &Device::flex().autodiff());
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

/// A batch of which the first five were demonstrated.
fn transitions(rng: &mut Rng) -> Transitions {
    inputs().transitions(&batch(ROWS, rng), 5)
}

fn reward_of(learner: &CsilLearner, q: &HetstatPolicy, x: Observations, u: Tensor<2>) -> Vec<f32> {
    read(coherent_reward(
        &q.valid(),
        x,
        u,
        learner.config.reward_scale,
    ))
}

/// The refinement's loss has the right gradient, on demonstrations, in practice and below its cut;
/// and it is its formula.
#[test]
fn the_refinement_has_the_right_gradient() {
    let mut rng = Rng::new(0, "test", 0);
    let mut learner = learner(config(), &mut rng);
    let rows = transitions(&mut rng);
    let r = reward_of(&learner, &learner.reward, rows.x.clone(), rows.u.clone());
    let mean = |values: &mut dyn Iterator<Item = f32>, n: f32| values.sum::<f32>() / n;
    let demos = mean(&mut r[..5].iter().copied(), 5.0);
    let practice = mean(
        &mut r[5..]
            .iter()
            .map(|r| r.max(-5.0))
            .map(|r| (-r).exp() - 1.0 + r),
        7.0,
    );
    let found = read(learner.refinement(&rows).inner())[0];
    assert!(
        (found - (practice - demos)).abs() < 1e-4 * (1.0 + found.abs()),
        "{found} {practice} {demos}"
    );
    let error = worst_error_of_smooth(&learner.reward.clone(), 1e-3, |reward| {
        learner.reward = reward.clone();
        learner.refinement(&rows)
    });
    assert!(error < 3e-2, "{error}");
}

/// The actor's loss has the right gradient, through the critics with running statistics and the
/// divergence from the clone.
#[test]
fn the_actor_loss_has_the_right_gradient() {
    let mut rng = Rng::new(1, "test", 0);
    // Without a future, values are small.
    let myopic = CsilConfig {
        gamma: 0.0,
        least_reward: 0.0,
        ..config()
    };
    let mut learner = learner(myopic, &mut rng);
    let rows = transitions(&mut rng);
    let e = learner.normals(ROWS, &mut rng);
    let error = worst_error_of_smooth(&learner.policy.actor.clone(), 4e-3, |actor| {
        learner.policy.actor = actor.clone();
        let [loss, _] = learner.actor_loss(&rows, e.clone());
        loss
    });
    assert!(error < 3e-2, "{error}");
}

/// Coherence, exactly. The reward is the log-ratio of clone and prior over the number of
/// dimensions, and under it the soft value, log E_p exp(r / alpha), of every input is 0: the clone
/// is soft-optimal for its own reward.
#[test]
fn the_clone_is_soft_optimal_for_its_own_reward() {
    let mut rng = Rng::new(2, "test", 0);
    let learner = learner(config(), &mut rng);
    let q = learner.policy.clone.valid();
    // The middles of small squares of the cube of actions.
    let n = 60;
    let at = |i: usize| (2.0 * (i as f64 + 0.5) / n as f64 - 1.0) as f32;
    let grid: Vec<f32> = (0..n * n).flat_map(|k| [at(k / n), at(k % n)]).collect();
    for input in [[0.3, -0.2, 0.5], [-2.0, 1.0, 0.0], [30.0, 0.0, 0.0]] {
        let obs = ObsBatch::of_states(vec![input[0]; n * n], 1);
        let x = learner.inputs.observations(&obs, &input[1..].repeat(n * n));
        let u = learner.inputs.matrix(grid.clone(), 2);
        let r = reward_of(&learner, &q, x.clone(), u.clone());
        let ratio = read(q.at(x).log_prob(u));
        assert!(
            r.iter()
                .zip(&ratio)
                .all(|(r, q)| (r - 0.5 * (q + 2.0 * 2f32.ln())).abs() < 1e-5)
        );
        // alpha = 1/2, p uniform.
        let soft = (r.iter().map(|r| f64::from(2.0 * r).exp()).sum::<f64>() / r.len() as f64).ln();
        assert!(soft.abs() < 0.05, "{soft} at {input:?}");
    }
}

/// Pretrained by SARSA on decisions that end the episode, the critics are the reward, so that the
/// clone's own actions have no advantage over the demonstrated ones.
#[test]
fn pretrained_critics_expect_the_reward() {
    let mut rng = Rng::new(3, "test", 0);
    let settings = CsilConfig {
        reward_mode: RewardMode::Positive,
        hidden: 64,
        atoms: 51,
        lr: 3e-3,
        target_rate: 0.05,
        ..config()
    };
    let mut learner = learner(settings, &mut rng);
    learner.policy.clone = learner.reward.clone();
    let demos = |rng: &mut Rng| SequenceBatch {
        done: vec![1.0; 64],
        ..batch(64, rng)
    };
    for _ in 0..400 {
        learner.pretrain_step(&demos(&mut rng), &mut rng);
    }
    let e = learner.normals(64, &mut rng);
    let rows = learner.inputs.transitions(&demos(&mut rng), 64);
    let own = learner.policy.clone_at(&rows.x).sample(e);
    let mean = |values: Vec<f32>| values.iter().sum::<f32>() / values.len() as f32;
    let value_of = |action: Tensor<2>| {
        let values = learner.critics.values(&StateAction {
            state: rows.x.clone(),
            action,
        });
        mean(read(values.min_dim(0)))
    };
    let value = value_of(rows.u.clone());
    let advantage = value_of(own) - value;
    let reward = mean(read(learner.learned_rewards(&rows).counted));
    assert!((value - reward).abs() < 0.2, "{value} {reward}");
    assert!(advantage.abs() < 0.3, "{advantage}");
}

/// A negative reward is the learned one less its bound, within its range, a positive one the
/// learned one itself, and values have room for the worst and the best that can come.
#[test]
fn rewards_are_counted_from_their_bound() {
    let mut rng = Rng::new(4, "test", 0);
    let certain = CsilConfig {
        actor: ActorConfig {
            variance_floor: 1e-5,
            ..actor()
        },
        ..config()
    };
    let negative = learner(certain, &mut rng.clone());
    let bound = 0.5 * 1e5f64.ln() + std::f64::consts::LN_2;
    assert!((bound - 6.45).abs() < 0.01);
    let rows = transitions(&mut rng);
    let Rewards { raw, counted } = negative.learned_rewards(&rows);
    let raw = read(raw);
    let counted = read(counted);
    assert!(
        raw.iter()
            .zip(&counted)
            .all(|(r, c)| (c - (r.clamp(-1.0, bound as f32) - bound as f32)).abs() < 1e-4)
    );
    let (low, high) = negative.config.value_range();
    assert!((low - (-1.0 - bound) / 0.3).abs() < 1e-9 && high == 0.0);
    let positive = CsilConfig {
        reward_mode: RewardMode::Positive,
        ..negative.config.clone()
    };
    assert!((positive.reward_range().0, positive.value_range().1) == (-1.0, bound / (1.0 - 0.7)));
}

/// Success earns on top of the learned reward, and values have room for it.
#[test]
fn success_earns_on_top() {
    let mut rng = Rng::new(5, "test", 0);
    let mut learner = learner(config(), &mut rng);
    let rows = transitions(&mut rng);
    let without = read(learner.learned_rewards(&rows).counted);
    let (_, most) = learner.config.value_range();
    learner.config.success_reward = 30.0;
    let with = read(learner.learned_rewards(&rows).counted);
    let earned = read(rows.rewards.clone());
    assert!(
        (0..ROWS).all(|i| (with[i] - without[i] - 30.0 * earned[i]).abs() < 1e-3),
        "{with:?} {without:?} {earned:?}"
    );
    assert_eq!(learner.config.value_range().1, most + 30.0);
}

/// What a batch of decisions has in its observations, and random pictures beside it.
fn with_pictures(batch: SequenceBatch, camera: &ImageSpec, rng: &mut Rng) -> SequenceBatch {
    let seen = (0..batch.obs.len()).map(|i| {
        let pixels = (0..camera.stack_len()).map(|_| rng.below(256) as u8);
        let pixels: Vec<u8> = pixels.collect();
        Observation {
            images: vec![Images::of(camera.clone(), &pixels)],
            ..batch.obs.state(i).to_vec().into()
        }
    });
    let seen: Vec<Observation> = seen.collect();
    SequenceBatch {
        obs: ObsBatch::of(&seen),
        ..batch
    }
}

/// Once the actor is cloned, keypoints stand for pictures: they are acted upon alike, and what
/// finds them does not change in practice, neither the actor's nor the reward's.
#[test]
fn a_stored_picture_is_its_keypoints() {
    let rng = &mut Rng::new(5, "test", 0);
    let camera = ImageSpec::unnamed(Keypoints::SMALLEST, 1).remove(0);
    let inputs = InputReader {
        cameras: vec![camera.clone()],
        ..inputs()
    };
    let device = Device::flex().autodiff();
    let mut learner = CsilLearner::new(config(), inputs.clone(), rng, &device);
    let batch = with_pictures(batch(ROWS, rng), &camera, rng);
    for _ in 0..3 {
        learner.clone_step(&batch);
    }
    let encode = |policy: &HetstatPolicy| {
        let encoder = FrozenEncoder {
            inputs: inputs.clone(),
            encoders: policy.valid().image_encoders(),
        };
        pollster::block_on(encoder.encode(&batch.obs)).unwrap()
    };
    let encoder = learner.frozen_encoder().unwrap();
    let encoded = encode(&learner.policy.clone);
    assert_eq!(encoded.spec(), encoder.spec(&batch.obs.spec()));
    let stored = SequenceBatch {
        obs: encoded.clone(),
        n_demos: 5,
        ..batch.clone()
    };
    let [seen, kept] = [&batch, &stored].map(|batch| {
        let at = learner.policy.actor_at(&inputs.transitions(batch, 5).x);
        read(at.mean)
    });
    assert_eq!(seen, kept);

    learner.pretrain_step(&stored, rng);
    learner.step(&stored, false, rng);
    let after = learner.policy.actor_at(&inputs.transitions(&stored, 5).x);
    assert_ne!(read(after.mean), kept, "the actor has learned");
    for policy in [&learner.policy.actor, &learner.reward] {
        assert_eq!(encode(policy), encoded);
    }
}
