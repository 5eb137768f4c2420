//! The promises of the learner of TD-MPC.

use super::*;
use crate::nn::gradient_check::worst_error_of_smooth;
use crate::obs::ObsBatch;
use crate::settings::Preset;
use pollster::block_on;

const SIZES: Sizes = Sizes {
    obs: 3,
    act: 2,
    chunk: 1,
};
const BATCH: usize = 4;

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    block_on(nn::read(tensor)).unwrap()
}

fn config(backbone: Backbone) -> TdMpcConfig {
    let small = TdMpcConfig {
        backbone,
        latent: 8,
        hidden: 5,
        encoder_hidden: 5,
        horizon: 2,
        critics: 3,
        ..TdMpcConfig::preset(Preset::Tiny)
    };
    match backbone {
        Backbone::TdMpc => TdMpcConfig {
            critics: 2,
            horizon: 2,
            ..small
        },
        Backbone::TdMpc2 => TdMpcConfig {
            critics: 3,
            horizon: 2,
            dropout: 0.2,
            ..small
        },
    }
}

/// A learner whose weights are larger than at the start, where many gradients are all but nothing.
fn learner(backbone: Backbone, rng: &mut Rng) -> Learner {
    learner_on(Device::flex(), backbone, rng)
}

fn learner_on(device: Device, backbone: Backbone, rng: &mut Rng) -> Learner {
    let mut learner = Learner::new(config(backbone), SIZES, &[], rng, device.autodiff());
    let how = crate::nn::Initial::Normal(0.5);
    let WorldModel {
        encoder,
        dynamics,
        reward,
        critics,
        ..
    } = &mut learner.world;
    for net in [encoder, dynamics, reward, critics] {
        *net = net.clone().initialised(how, rng);
    }
    learner.prior.net = learner.prior.net.clone().initialised(how, rng);
    learner.begin();
    learner
}

fn batch(rng: &mut Rng) -> SequenceBatch {
    let mut rows = |n: usize| {
        rng.normals(n * BATCH)
            .into_iter()
            .map(|x| 0.5 * x)
            .collect::<Vec<f32>>()
    };
    let obs = rows(9);
    let actions = rows(4);
    let rewards = rows(2);
    // The last of three numbers stands where the mark of an end does.
    let state = obs.chunks(3).flat_map(|row| [row[0], row[1]]);
    let ended = obs.chunks(3);
    SequenceBatch {
        obs: ObsBatch::of_states(state.collect(), 2),
        ended: ended.map(|row| row[2]).collect(),
        actions,
        rewards,
        done: [0.0, 1.0].repeat(BATCH),
        weights: vec![0.25, 0.5, 1.0, 0.75],
        ..SequenceBatch::default()
    }
}

/// The world model's loss has the right gradient in every part, through two steps of latent
/// dynamics.
#[test]
fn the_world_models_loss_has_the_right_gradient() {
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let mut rng = Rng::new(1, "test", 0);
        let mut learner = learner(backbone, &mut rng);
        let batch = batch(&mut rng);
        let noise = UpdateNoise::draw(&learner.config, 2, BATCH, &mut rng);
        let rows = learner.rows(&batch);
        let next = learner.world.valid().encode(rows.next.clone());
        let targets = learner.targets(&rows, next.clone(), &noise);
        let world = learner.world.clone();
        let error = worst_error_of_smooth(&world, 4e-3, |world| {
            learner.world = world.clone();
            learner
                .model_losses(&learner.rows(&batch), targets.clone(), next.clone(), &noise)
                .total
                .mul_scalar(10.0)
        });
        assert!(error < 2e-2, "{backbone:?}: {error}");
    }
}

/// The prior's loss has the right gradient, through the critics and the entropy.
#[test]
fn the_priors_loss_has_the_right_gradient() {
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let mut rng = Rng::new(2, "test", 0);
        let mut learner = learner(backbone, &mut rng);
        let noise = UpdateNoise::draw(&learner.config, 2, BATCH, &mut rng);
        let states = nn::matrix(rng.normals(3 * BATCH * 8), 8, &Device::flex());
        let prior = learner.prior.clone();
        let error = worst_error_of_smooth(&prior, 2e-3, |prior| {
            learner.prior = prior.clone();
            let PriorValues {
                values,
                scaled_entropy,
                ..
            } = learner.prior_values(states.clone(), &noise);
            learner.prior_loss(values, scaled_entropy).mul_scalar(10.0)
        });
        assert!(error < 1e-2, "{backbone:?}: {error}");
    }
}

/// TD-MPC's loss is the equation at the head of this file, on numbers that are worked out one by
/// one.
#[test]
fn the_loss_of_td_mpc_is_its_equation() {
    let mut rng = Rng::new(3, "test", 0);
    let learner = learner(Backbone::TdMpc, &mut rng);
    let batch = batch(&mut rng);
    let noise = UpdateNoise::draw(&learner.config, 2, BATCH, &mut rng);
    let rows = learner.rows(&batch);
    let world = learner.world.valid();
    let online = world.encode(rows.next.clone());
    let latent_targets = learner.target.encode(rows.next.clone());
    let y = read(learner.targets(&rows, online.clone(), &noise));
    let parts = learner.model_losses(
        &rows,
        learner.targets(&rows, online, &noise),
        latent_targets.clone(),
        &noise,
    );

    let tensor = |values: &[f32], width: usize| nn::matrix(values.to_vec(), width, &Device::flex());
    let mut total = 0.0;
    let mut td_errors = Vec::new();
    for b in 0..BATCH {
        let mut td_error = 0.0;
        let first = [batch.obs.state(b), &batch.ended[b..=b]].concat();
        let mut z = world.encode(tensor(&first, 3).into());
        for t in 0..2 {
            let row = t * BATCH + b;
            let both = acting(z, tensor(&batch.actions[row * 2..row * 2 + 2], 2));
            let q = read(world.critics.forward_shared(both.clone()));
            let r = read(world.rewards(both.clone()))[0];
            z = world.next(both);
            let latent_target = read(latent_targets.clone())[row * 8..row * 8 + 8].to_vec();
            let latent: f32 = read(z.clone())
                .iter()
                .zip(&latent_target)
                .map(|(z, a)| (z - a) * (z - a))
                .sum::<f32>()
                / 8.0;
            let value: f32 = q.iter().map(|q| (q - y[row]) * (q - y[row])).sum();
            let reward = (r - batch.rewards[row]) * (r - batch.rewards[row]);
            let rho = 0.5f32.powi(t as i32);
            total += rho * (2.0 * latent + 0.5 * reward + 0.1 * value) * batch.weights[b]
                / BATCH as f32
                / 2.0;
            td_error += rho * q.iter().map(|q| (q - y[row]).abs()).sum::<f32>();
        }
        td_errors.push(td_error);
    }
    let found = read(parts.total.inner())[0];
    assert!((found - total).abs() < 1e-4 * total, "{found} {total}");
    assert!(
        read(parts.td_error)
            .iter()
            .zip(&td_errors)
            .all(|(a, b)| (a - b).abs() < 1e-4),
        "{td_errors:?}"
    );
}

/// Dropout leaves out the share that is asked for, keeps the mean, and takes nothing where it is 0.
#[test]
fn dropout_keeps_the_mean() {
    let mut rng = Rng::new(5, "test", 0);
    for share in [0.01, 0.3] {
        let factors = dropout_mask(100_000, share, &mut rng);
        let left_out = factors.iter().filter(|&&factor| factor == 0.0).count() as f64 / 1e5;
        let mean = factors.iter().map(|&factor| f64::from(factor)).sum::<f64>() / 1e5;
        assert!(
            (left_out - share).abs() < 4.0 * (share / 1e5).sqrt() && (mean - 1.0).abs() < 0.01,
            "{left_out} {mean}"
        );
    }
    assert!(
        dropout_mask(10, 0.0, &mut rng).is_empty() && dropout_mask(0, 0.5, &mut rng).is_empty()
    );
}

/// `y` is r + gamma times the lesser target critic where the episode goes on, and r where it is
/// over.
#[test]
fn nothing_is_expected_after_the_end() {
    let mut rng = Rng::new(4, "test", 0);
    let learner = learner(Backbone::TdMpc2, &mut rng);
    let batch = batch(&mut rng);
    let noise = UpdateNoise::draw(&learner.config, 2, BATCH, &mut rng);
    let rows = learner.rows(&batch);
    let next = learner.world.valid().encode(rows.next.clone());
    let y = read(learner.targets(&rows, next.clone(), &noise));
    let action = learner
        .prior
        .valid()
        .draw(
            next.clone(),
            nn::matrix(noise.targets.clone(), 2, &Device::flex()),
        )
        .action;
    let q = read(
        learner
            .target
            .numbers(learner.target.critics.forward_shared(acting(next, action))),
    );
    for row in 0..2 * BATCH {
        let least = noise
            .target_critics
            .map(|k| q[k * 2 * BATCH + row])
            .into_iter()
            .fold(f32::INFINITY, f32::min);
        let later = if row % 2 == 0 {
            learner.config.gamma as f32 * least
        } else {
            0.0
        };
        assert!(
            (y[row] - batch.rewards[row] - later).abs() < 1e-4,
            "row {row}"
        );
    }
}

/// The prior is cloned on demonstrations of its own as on the same ones in the batch, and the world
/// model learns nothing from them: what the arms without demonstrations in their batches do.
#[test]
fn demonstrations_of_their_own_are_cloned_as_those_of_the_batch() {
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let updated = |n_demos, own: bool| {
            let mut rng = Rng::new(9, "test", 0);
            let mut learner = learner(backbone, &mut rng);
            learner.config.prior_cloning = 1.0;
            let practice = batch(&mut rng);
            let demos = SequenceBatch {
                n_demos,
                ..practice
            };
            let noise = UpdateNoise::draw(&learner.config, 2, BATCH, &mut rng);
            let losses = learner.step(&demos, own.then_some(&demos), &noise);
            (read(losses.prior), read(losses.total))
        };
        let within = updated(BATCH, false);
        assert_eq!(updated(0, true), within, "{backbone:?}");
        assert_ne!(updated(0, false).0, within.0, "{backbone:?}");
    }
}

/// Updates on a GPU are the CPU's: after three of them every metric agrees to a hundredth.
#[cfg(feature = "wgpu")]
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn updates_on_a_gpu_are_the_cpus() {
    use burn::tensor::DeviceKind;
    let metrics = |device: Device, backbone| {
        let mut rng = Rng::new(7, "test", 0);
        let mut learner = learner_on(device, backbone, &mut rng);
        let batch = batch(&mut rng);
        let mut step = || {
            let noise = UpdateNoise::draw(&learner.config, 2, BATCH, &mut rng);
            let losses = learner.step(&batch, None, &noise);
            let numbers = [
                losses.consistency,
                losses.reward,
                losses.value,
                losses.total,
                losses.gradient,
                losses.prior,
                losses.prior_gradient,
                losses.entropy,
                losses.scaled_entropy,
                losses.range,
                losses.target,
                losses.td_error,
            ];
            numbers.map(read).concat()
        };
        step();
        step();
        step()
    };
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let cpu = metrics(Device::flex(), backbone);
        let gpu = metrics(Device::wgpu(DeviceKind::DefaultDevice), backbone);
        for (i, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate() {
            let close = (cpu - gpu).abs() <= 0.01 * cpu.abs().max(0.01);
            assert!(
                close,
                "{backbone:?}: metric {i} is {gpu}, and {cpu} on the CPU"
            );
        }
    }
}

/// Plans on a GPU are the CPU's, for environments with critics of their own.
#[cfg(feature = "wgpu")]
#[test]
#[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
fn plans_on_a_gpu_are_the_cpus() {
    use crate::finetune::td_mpc::{Noise, Planner, Round};
    use burn::tensor::DeviceKind;
    let planned = |device: Device, backbone| {
        let mut rng = Rng::new(8, "test", 0);
        let Learner { world, prior, .. } = learner_on(device.clone(), backbone, &mut rng);
        let config = TdMpcConfig {
            samples: 40,
            policy_samples: 6,
            elites: 8,
            ..config(backbone)
        };
        let width = config.horizon * SIZES.act;
        let round = |rng: &mut Rng| Round {
            samples: rng.normals(2 * 34 * width),
            last: rng.normals(2 * 40 * SIZES.act),
            critics: vec![[0, 1], [1, 0]],
        };
        let noise = Noise {
            proposals: (0..config.horizon)
                .map(|_| rng.normals(2 * 6 * SIZES.act))
                .collect(),
            rounds: vec![round(&mut rng), round(&mut rng)],
            draw: Some(rng.normals(2 * 40)),
            exploration: Some(rng.normals(2 * SIZES.act)),
        };
        let planner = Planner {
            world: &world.valid(),
            prior: &prior.valid(),
            config: &config,
            horizon: config.horizon,
        };
        let z = nn::matrix(rng.normals(2 * 8), 8, &device);
        let start = nn::matrix(rng.normals(2 * width), width, &device);
        let plan = planner.plan(z, start, None, &noise);
        [plan.action, plan.mean, plan.chosen].map(read).concat()
    };
    for backbone in [Backbone::TdMpc, Backbone::TdMpc2] {
        let cpu = planned(Device::flex(), backbone);
        let gpu = planned(Device::wgpu(DeviceKind::DefaultDevice), backbone);
        let close = cpu.iter().zip(&gpu).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(close, "{backbone:?}: {cpu:?} {gpu:?}");
    }
}
