//! The promises of policies.

use super::*;
use crate::nn::Keypoints;
use crate::nn::gradient_check::{worst_error, worst_error_of_smooth};
use crate::run::{Config, Preset};
use burn::tensor::TensorData;

fn config(kind: PolicyKind) -> PolicyConfig {
    let tiny = Config::preset(Preset::Tiny).policy;
    PolicyConfig {
        kind,
        chunk: 2,
        hidden: 5,
        layers: 2,
        activation: Activation::Mish,
        inference_steps: 4,
        ..tiny
    }
}

const SIZES: Sizes = Sizes {
    obs: 3,
    act: 1,
    chunk: 2,
};

fn reads() -> ObsSpec {
    ObsSpec::of_state(SIZES.obs)
}

/// One that reads numbers alone.
fn gaussian(rng: &mut Rng, device: &Device) -> Gaussian {
    let config = config(PolicyKind::Gaussian);
    Gaussian::new(&config, Vec::new(), SIZES, rng, device)
}

/// One that reads numbers alone.
fn squashed(rng: &mut Rng, device: &Device) -> Squashed {
    let config = config(PolicyKind::Squashed);
    Squashed::new(&config, Vec::new(), SIZES, rng, device)
}

/// The gradient of the Gaussian's likelihood is right, in the mean's weights and in the spread.
#[test]
fn the_gaussian_loss_has_the_right_gradient() {
    let device = Device::flex().autodiff();
    let mut rng = Rng::new(1, "test", 0);
    let net = gaussian(&mut rng, &device);
    let obs = nn::matrix(rng.normals(18), 3, &device);
    let chunks = nn::matrix(rng.normals(12), 2, &device);
    let error = worst_error(&net, |net| net.loss(obs.clone(), chunks.clone()));
    assert!(error < 1e-2, "{error}");
}

/// The Gaussian's loss is the negative log-density per component, up to log(2 pi) / 2.
#[test]
fn the_gaussian_loss_is_the_log_density() {
    let device = Device::flex();
    let mut rng = Rng::new(2, "test", 0);
    let net = gaussian(&mut rng, &device);
    let obs = nn::matrix(rng.normals(3), 3, &device);
    let mean = pollster::block_on(nn::read(
        net.sample(obs.clone(), Tensor::zeros([1, 2], &device)),
    ))
    .unwrap();
    let std = f64::exp(-1.0);
    let chunk = [0.4f32, -0.9];
    let density = |i: usize| -0.5 * (f64::from(chunk[i] - mean[i]) / std).powi(2) - std.ln();
    let loss = pollster::block_on(nn::scalar(
        net.loss(obs, nn::matrix(chunk.to_vec(), 2, &device)),
    ))
    .unwrap();
    assert!((f64::from(loss) + (density(0) + density(1)) / 2.0).abs() < 1e-5);
}

/// The gradient of the squashed Gaussian's likelihood is right, through the mean and the spread.
#[test]
fn the_squashed_loss_has_the_right_gradient() {
    let device = Device::flex().autodiff();
    let mut rng = Rng::new(5, "test", 0);
    let net = squashed(&mut rng, &device);
    let obs = nn::matrix(rng.normals(18), 3, &device);
    let chunks = nn::matrix(rng.normals(12), 2, &device) * 0.3;
    let error = worst_error(&net, |net| net.loss(obs.clone(), chunks.clone()));
    assert!(error < 1e-2, "{error}");
}

/// The squashed Gaussian's loss is the negative log-density of what it samples, per component and
/// up to log(2 pi) / 2: by the change of variables, the density at tanh(mean + std z) is the normal
/// density of z divided by the slope of the sample in z.
#[test]
fn the_squashed_loss_is_the_log_density() {
    let device = Device::flex();
    let mut rng = Rng::new(6, "test", 0);
    let net = squashed(&mut rng, &device);
    let obs = nn::matrix(rng.normals(3), 3, &device);
    let sample = |z: [f32; 2]| {
        pollster::block_on(nn::read(
            net.sample(obs.clone(), nn::matrix(z.to_vec(), 2, &device)),
        ))
        .unwrap()
    };
    let z = [0.4f32, -0.9];
    let step = 0.05f32;
    let chunk = sample(z);
    let above = sample(z.map(|z| z + step));
    let below = sample(z.map(|z| z - step));
    let slope = |i: usize| f64::from(above[i] - below[i]) / f64::from(2.0 * step);
    let density = |i: usize| -0.5 * f64::from(z[i]).powi(2) - slope(i).ln();
    let loss = pollster::block_on(nn::scalar(
        net.loss(obs.clone(), nn::matrix(chunk, 2, &device)),
    ))
    .unwrap();
    assert!(
        (f64::from(loss) + (density(0) + density(1)) / 2.0).abs() < 1e-3,
        "{loss}"
    );
}

/// Actions at the very edge of their range, which tanh never reaches, have a finite likelihood.
#[test]
fn actions_at_the_edge_have_a_finite_likelihood() {
    let device = Device::flex();
    let net = squashed(&mut Rng::new(7, "test", 0), &device);
    let loss = net.loss(
        nn::matrix(vec![0.0; 3], 3, &device),
        nn::matrix(vec![-1.0, 1.0], 2, &device),
    );
    assert!(pollster::block_on(nn::scalar(loss)).unwrap().is_finite());
}

/// The gradient of the flow-matching loss is right for fixed times and noise.
#[test]
fn the_flow_loss_has_the_right_gradient() {
    let device = Device::flex().autodiff();
    let mut rng = Rng::new(3, "test", 0);
    let net = Flow::new(
        &config(PolicyKind::Flow),
        Vec::new(),
        &reads(),
        SIZES,
        &mut rng,
        &device,
    );
    let obs = nn::matrix(rng.normals(18), 3, &device);
    let chunks = nn::matrix(rng.normals(12), 2, &device);
    let error = worst_error(&net, |net| {
        net.loss(
            obs.clone().into(),
            chunks.clone(),
            &mut Rng::new(4, "test", 0),
        )
    });
    assert!(error < 1e-2, "{error}");
}

/// With a transformer, every action sees the state, the task and the other actions, and knows its
/// place and the time.
#[test]
fn a_transformers_actions_see_everything() {
    let device = Device::flex();
    let mut rng = Rng::new(10, "test", 0);
    let config = PolicyConfig {
        hidden: 32,
        time_dim: 4,
        ..config(PolicyKind::FlowTransformer)
    };
    let reads = ObsSpec {
        tasks: 1,
        ..ObsSpec::of_state(2)
    };
    let net = Flow::new(&config, Vec::new(), &reads, SIZES, &mut rng, &device);
    let read = |tensor| pollster::block_on(nn::read(tensor)).unwrap();
    let velocity = |obs: [f32; 3], x: [f32; 2], step: usize| {
        let x = nn::matrix(x.to_vec(), 2, &device);
        let next = net.denoise(nn::matrix(obs.to_vec(), 3, &device), x.clone(), &[step]);
        read(next - x)
    };
    let usual = velocity([0.1, -0.3, 0.0], [0.5, 0.5], 0);
    assert!((usual[0] - usual[1]).abs() > 1e-4, "places differ");
    let others = [
        ([0.6, -0.3, 0.0], [0.5, 0.5], 0),
        ([0.1, -0.3, 1.0], [0.5, 0.5], 0),
        ([0.1, -0.3, 0.0], [0.5, 0.5], 2),
    ];
    for (obs, x, step) in others {
        let found = velocity(obs, x, step);
        assert!(
            (0..2).all(|i| (found[i] - usual[i]).abs() > 1e-5),
            "{obs:?} {step}"
        );
    }
    let found = velocity([0.1, -0.3, 0.0], [0.5, -0.9], 0);
    assert!(
        (found[0] - usual[0]).abs() > 1e-5,
        "the first action sees the second"
    );
}

/// The gradient of the denoising loss is right for fixed times and noise, through a residual
/// network.
#[test]
fn the_diffusion_loss_has_the_right_gradient() {
    let device = Device::flex().autodiff();
    let mut rng = Rng::new(5, "test", 0);
    let config = PolicyConfig {
        residual: true,
        layers: 3,
        ..config(PolicyKind::Diffusion)
    };
    let net = Diffusion::new(&config, Vec::new(), SIZES, &mut rng, &device);
    let obs = nn::matrix(rng.normals(18), 3, &device);
    let chunks = nn::matrix(rng.normals(12), 2, &device);
    let error = worst_error(&net, |net| {
        net.loss(obs.clone(), chunks.clone(), &mut Rng::new(6, "test", 0))
    });
    // The time embedding's part is small against the rounding of the loss.
    assert!(error < 2e-2, "{error}");
}

/// The chains that there are: flow, DDIM and DDPM.
fn chains() -> [PolicyConfig; 3] {
    let flow = PolicyConfig {
        layers: 3,
        residual: true,
        denoising_steps: 6,
        ..config(PolicyKind::Flow)
    };
    let ddim = PolicyConfig {
        kind: PolicyKind::Diffusion,
        ..flow.clone()
    };
    let ddpm = PolicyConfig {
        sampler: Sampler::Ddpm,
        ..ddim.clone()
    };
    [flow, ddim, ddpm]
}

/// The mean of a denoising step has the right gradient, with every row at a step of its own.
#[test]
fn the_mean_of_a_denoising_step_has_the_right_gradient() {
    let device = Device::flex().autodiff();
    let mut rng = Rng::new(7, "test", 0);
    for config in chains() {
        let net = Net::new(&config, &reads(), SIZES, &mut rng, &device);
        let obs = nn::matrix(rng.normals(12), 3, &device);
        // Near zero, where the predicted chunk is not clipped.
        let x = nn::matrix(rng.normals(8), 2, &device).mul_scalar(0.1);
        let last = net.chain_len() - 1;
        let error = worst_error(&net, |net| {
            net.denoise(obs.clone(), x.clone(), &[0, 1, last - 1, last])
                .0
                .square()
                .mean()
                .mul_scalar(100)
        });
        assert!(error < 1e-2, "{config:?}: {error}");
    }
}

/// A chain is the sampler. Going through it step by step with the sampler's own noise gives the
/// sample, and rows may be at different steps. (DDIM samples with eta = 0, finetunes with 1: its
/// chain has another mean.)
#[test]
fn a_chain_that_is_gone_through_is_the_sample() {
    let device = Device::flex();
    let mut rng = Rng::new(8, "test", 0);
    let read = |tensor| pollster::block_on(nn::read(tensor)).unwrap();
    for config in chains() {
        let scales = (Normaliser::identity(3), Normaliser::identity(2));
        let policy = Policy::new(&config, &reads(), 1, scales, &mut rng, &device);
        let obs = nn::matrix(rng.normals(15), 3, &device);
        let noise = nn::matrix(
            rng.normals(5 * policy.noise_len())
                .into_iter()
                .map(|z| 2.0 * z)
                .collect(),
            policy.noise_len(),
            &device,
        );
        let draw = |i: usize| noise.clone().narrow(1, 2 * i, 2);
        let mut x = draw(0);
        let last = policy.chain_len() - 1;
        let mut latents = vec![x.clone()];
        for step in 0..=last {
            let (mean, std) = policy.denoise(obs.clone(), x, &[step; 5]);
            assert!(config.kind == PolicyKind::Diffusion || std == [0.0; 5]);
            assert_eq!(
                std[0] > 0.0,
                config.kind == PolicyKind::Diffusion && step < last
            );
            x = match config.sampler == Sampler::Ddpm && step < last {
                true => mean + draw(step + 1).clamp(-3.0, 3.0).mul_scalar(std[0].max(1e-3)),
                false => mean,
            };
            latents.push(x.clone());
        }
        if config.sampler == Sampler::Ddpm || config.kind == PolicyKind::Flow {
            let sample = read(policy.sample(obs.clone(), noise.clone()));
            let x = read(x.clamp(-1.0, 1.0));
            assert!(
                sample.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-6),
                "{sample:?} {x:?}"
            );
        }
        // Row r at step r: the same means as in batches that are at one step.
        let rows: Vec<usize> = (0..4).collect();
        let row = |tensor: &Tensor<2>, i: usize| tensor.clone().narrow(0, i, 1);
        let mixed = Tensor::cat(rows.iter().map(|&i| row(&latents[i], i)).collect(), 0);
        let together = read(policy.denoise(obs.clone().narrow(0, 0, 4), mixed, &rows).0);
        let apart: Vec<f32> = rows
            .iter()
            .flat_map(|&i| read(policy.denoise(row(&obs, i), row(&latents[i], i), &[i]).0))
            .collect();
        assert!(
            together
                .iter()
                .zip(&apart)
                .all(|(a, b)| (a - b).abs() < 1e-6),
            "{together:?} {apart:?}"
        );
    }
}

/// A Gaussian is no chain.
#[test]
fn a_gaussian_is_no_chain() {
    let device = Device::flex();
    let mut rng = Rng::new(9, "test", 0);
    for kind in [PolicyKind::Gaussian, PolicyKind::Squashed] {
        assert_eq!(
            Net::new(&config(kind), &reads(), SIZES, &mut rng, &device).chain_len(),
            0
        );
    }
}

/// A policy with an image encoder so small that its gradient can be found by differences.
fn seeing(kind: PolicyKind, rng: &mut Rng, device: &Device) -> Policy {
    let config = config(kind);
    let eyes = vec![ImageEncoder::Keypoints(Keypoints::tiny(rng, device))];
    let net = match kind {
        PolicyKind::Gaussian => Net::Gaussian(Gaussian::new(&config, eyes, SIZES, rng, device)),
        PolicyKind::Squashed => Net::Squashed(Squashed::new(&config, eyes, SIZES, rng, device)),
        PolicyKind::Diffusion => Net::Diffusion(Diffusion::new(&config, eyes, SIZES, rng, device)),
        _ => Net::Flow(Flow::new(&config, eyes, &reads(), SIZES, rng, device)),
    };
    Policy {
        net,
        obs_scale: Normaliser::identity(SIZES.obs),
        act_scale: Normaliser::identity(SIZES.chunk_len()),
        sizes: SIZES,
        reads: reads(),
    }
}

/// The gradients of all losses are right through an image encoder, in its weights and in those of
/// what reads its places.
#[test]
fn losses_from_pictures_have_the_right_gradients() {
    let device = Device::flex().autodiff();
    for kind in [
        PolicyKind::Gaussian,
        PolicyKind::Squashed,
        PolicyKind::Flow,
        PolicyKind::Diffusion,
    ] {
        let mut rng = Rng::new(12, "test", 0);
        let policy = seeing(kind, &mut rng, &device);
        let side = Keypoints::SMALLEST;
        let pixels = rng.normals(3 * side * side).into_iter().map(f32::abs);
        let pixels = TensorData::new(pixels.collect::<Vec<f32>>(), [3, 1, side, side]);
        let obs = Observations {
            images: vec![Tensor::<4>::from_data(pixels, &device).into()],
            ..nn::matrix(rng.normals(9), 3, &device).into()
        };
        let chunks = nn::matrix(rng.normals(6), 2, &device) * 0.3;
        let error = worst_error_of_smooth(&policy.net, 3e-3, |net| {
            let policy = Policy {
                net: net.clone(),
                ..policy.clone()
            };
            policy.loss(obs.clone(), chunks.clone(), &mut Rng::new(6, "test", 0)) * 100.0
        });
        assert!(error < 2e-2, "{kind:?}: {error}");
    }
}
