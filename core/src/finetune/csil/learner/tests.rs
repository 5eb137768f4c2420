//! The promises of the learner of CSIL.

use super::*;
use crate::finetune::csil::{Compose, RewardMode, Variant};
use crate::nn::gradient_check::worst_error_of_smooth;
use crate::run::Config;
use crate::settings::Preset;
use pollster::block_on;

const SIZES: Sizes = Sizes {
    obs: 1,
    act: 2,
    chunk: 1,
};
const ROWS: usize = 12;

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(nn::read(tensor)).unwrap()
}

/// Small, and with values of a few units only: rounding hides the gradients of larger ones.
fn config(variant: Variant) -> CsilConfig {
    let tiny = Config::preset(Preset::Tiny);
    let tiny = tiny.set("finetune.csil.variant", variant.name()).unwrap();
    CsilConfig {
        compose: Compose::Residual,
        hidden: 8,
        layers: 1,
        atoms: 11,
        policy_hidden: 5,
        bottleneck: 3,
        features: 6,
        log_scale: 0.0,
        kl_weight: 0.5,
        temperature: 0.3,
        gamma: 0.7,
        least_reward: -1.0,
        variance_floor: 0.1,
        ..tiny.finetune.csil
    }
}

/// Decisions, every second of which was the last, with actions near a tenth of the observation.
fn batch(n: usize, rng: &mut Rng) -> Stretches {
    let obs = rng.normals(3 * n);
    let actions = obs
        .chunks(3)
        .flat_map(|x| [0.1 * x[0] + 0.2, -0.3, 0.1, 0.2])
        .collect::<Vec<_>>();
    let noise = rng.normals(4 * n);
    let rewards = rng.normals(n);
    let rows = [obs, rng.normals(3 * n)].concat();
    Stretches {
        actions: actions
            .iter()
            .zip(noise)
            .map(|(a, e)| (a + 0.1 * e).clamp(-0.9, 0.9))
            .collect(),
        rewards,
        obs: ObsBatch::of_states(rows.chunks(3).map(|row| row[0]).collect(), 1),
        base_actions: rows.chunks(3).flat_map(|row| &row[1..]).copied().collect(),
        over: (0..n).map(|i| (i % 2) as f32).collect(),
        weights: vec![1.0; n],
        ..Stretches::default()
    }
}

/// A learner that has cloned a little, and whose actor and reward are not the clone any more.
fn learner(config: CsilConfig, rng: &mut Rng) -> Learner {
    let mut learner = Learner::new(
        config,
        SIZES,
        &[],
        Normaliser::identity(1),
        rng,
        Device::flex().autodiff(),
    );
    learner.adams.clone = Adam::new(AdamConfig {
        lr: 3e-2,
        clip_norm: None,
    });
    for _ in 0..40 {
        learner.clone_step(&batch(ROWS, rng));
    }
    let clone = learner.clone.clone();
    for _ in 0..10 {
        learner.clone_step(&batch(ROWS, rng));
    }
    learner.clone = clone;
    learner
}

/// The refinement's loss has the right gradient, on demonstrations, in practice and below its cut;
/// and it is its formula.
#[test]
fn the_refinement_has_the_right_gradient() {
    let mut rng = Rng::new(0, "test", 0);
    let mut learner = learner(config(Variant::Csil), &mut rng);
    let rows = learner.rows(&batch(ROWS, &mut rng), 5);
    let r = read(learner.raw_rewards(&learner.reward.valid(), rows.x.clone(), rows.u.clone()));
    let mean = |values: &mut dyn Iterator<Item = f32>, n: f32| values.sum::<f32>() / n;
    let shown = mean(&mut r[..5].iter().copied(), 5.0);
    let practised = mean(
        &mut r[5..]
            .iter()
            .map(|r| r.max(-5.0))
            .map(|r| (-r).exp() - 1.0 + r),
        7.0,
    );
    let found = read(learner.refinement(&rows).inner())[0];
    assert!(
        (found - (practised - shown)).abs() < 1e-4 * (1.0 + found.abs()),
        "{found} {practised} {shown}"
    );
    let error = worst_error_of_smooth(&learner.reward.clone(), 1e-3, |reward| {
        learner.reward = reward.clone();
        learner.refinement(&rows)
    });
    assert!(error < 3e-2, "{error}");
}

/// The actor's loss has the right gradient, through the critics with running statistics, the
/// divergence from the clone, or the entropy.
#[test]
fn the_actor_loss_has_the_right_gradient() {
    for variant in [Variant::Csil, Variant::Xqc, Variant::Rlpd, Variant::Sac] {
        let mut rng = Rng::new(1, "test", 0);
        // Without a future, values are small.
        let mut learner = learner(
            CsilConfig {
                gamma: 0.0,
                least_reward: 0.0,
                ..config(variant)
            },
            &mut rng,
        );
        let rows = learner.rows(&batch(ROWS, &mut rng), 5);
        let e = learner.plain(rng.normals(2 * ROWS), 2);
        let error = worst_error_of_smooth(&learner.actor.clone(), 4e-3, |actor| {
            learner.actor = actor.clone();
            learner.actor_loss(&rows, e.clone()).loss
        });
        assert!(error < 3e-2, "{variant:?}: {error}");
    }
}

/// Coherence, exactly. The reward is the log-ratio of clone and prior over the number of
/// dimensions, and under it the soft value, log E_p exp(r / alpha), of every input is 0: the clone
/// is soft-optimal for its own reward.
#[test]
fn the_clone_is_soft_optimal_for_its_own_reward() {
    let mut rng = Rng::new(2, "test", 0);
    let learner = learner(config(Variant::Csil), &mut rng);
    let q = learner.clone.valid();
    // The middles of small squares of the cube of actions.
    let n = 60;
    let at = |i: usize| (2.0 * (i as f64 + 0.5) / n as f64 - 1.0) as f32;
    let grid: Vec<f32> = (0..n * n).flat_map(|k| [at(k / n), at(k % n)]).collect();
    for input in [[0.3, -0.2, 0.5], [-2.0, 1.0, 0.0], [30.0, 0.0, 0.0]] {
        let obs = ObsBatch::of_states(vec![input[0]; n * n], 1);
        let x = learner.inputs(&obs, &input[1..].repeat(n * n));
        let r = read(learner.raw_rewards(&q, x.clone(), learner.plain(grid.clone(), 2)));
        let ratio = read(q.at(x).log_density(learner.plain(grid.clone(), 2)));
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
        ..config(Variant::Csil)
    };
    let mut learner = learner(settings, &mut rng);
    learner.clone = learner.reward.clone();
    let demos = |rng: &mut Rng| Stretches {
        over: vec![1.0; 64],
        ..batch(64, rng)
    };
    for _ in 0..400 {
        learner.pretrain_step(&demos(&mut rng), &mut rng);
    }
    let (shown, e) = (demos(&mut rng), learner.plain(rng.normals(128), 2));
    let rows = learner.rows(&shown, 64);
    let own = learner.clone.valid().at(rows.x.clone()).draw(e);
    let mean = |values: Vec<f32>| values.iter().sum::<f32>() / values.len() as f32;
    let value_of = |action: Tensor<2>| {
        let critics = learner.critic.valid();
        mean(read(
            critics
                .values(
                    &learner.atoms(),
                    &Acted {
                        at: rows.x.clone(),
                        action,
                    },
                )
                .min_dim(0),
        ))
    };
    let value = value_of(rows.u.clone());
    let advantage = value_of(own) - value;
    let reward = mean(read(learner.rewards(&rows).counted));
    assert!((value - reward).abs() < 0.2, "{value} {reward}");
    assert!(advantage.abs() < 0.3, "{advantage}");
}

/// A negative reward is the learned one less its bound, within its range, a positive one the
/// learned one itself, and values have room for the worst and the best that can come.
#[test]
fn rewards_are_counted_from_their_bound() {
    let mut rng = Rng::new(4, "test", 0);
    let negative = learner(
        CsilConfig {
            variance_floor: 1e-5,
            ..config(Variant::Csil)
        },
        &mut rng.clone(),
    );
    let bound = 0.5 * 1e5f64.ln() + std::f64::consts::LN_2;
    assert!((bound - 6.45).abs() < 0.01);
    let rows = negative.rows(&batch(ROWS, &mut rng), 5);
    let Rewards { raw, counted } = negative.rewards(&rows);
    let (raw, counted) = (read(raw), read(counted));
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
    assert_eq!(config(Variant::Xqc).value_range(), (0.0, 1.0));
}

/// Success earns on top of the learned reward, and values have room for it.
#[test]
fn success_earns_on_top() {
    let mut rng = Rng::new(5, "test", 0);
    let mut learner = learner(config(Variant::Csil), &mut rng);
    let rows = learner.rows(&batch(ROWS, &mut rng), 5);
    let (without, (_, most)) = (
        read(learner.rewards(&rows).counted),
        learner.config.value_range(),
    );
    learner.config.success_reward = 30.0;
    let with = read(learner.rewards(&rows).counted);
    let earned = read(rows.rewards.clone());
    assert!(
        (0..ROWS).all(|i| (with[i] - without[i] - 30.0 * earned[i]).abs() < 1e-3),
        "{with:?} {without:?} {earned:?}"
    );
    assert_eq!(learner.config.value_range().1, most + 30.0);
}
