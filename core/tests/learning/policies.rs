//! Policies as functions of observation and noise, and what each kind can express.

use crate::{distance, read, same_bits, trainer};
use burn::tensor::Device;
use pollster::block_on;
use protege_core::data::{Archive, Normaliser, Pairs};
use protege_core::nn;
use protege_core::obs::{ObsBatch, ObsSpec};
use protege_core::policy::{Policy, PolicyConfig, PolicyKind, Sampler, Sizes};
use protege_core::pretrain::{BcConfig, Cloning, Pretrainer, TargetNoise};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

const KINDS: [PolicyKind; 4] = [
    PolicyKind::Gaussian,
    PolicyKind::Flow,
    PolicyKind::Diffusion,
    PolicyKind::Squashed,
];
const SIZES: Sizes = Sizes {
    obs: 3,
    act: 2,
    chunk: 2,
};

fn config(kind: PolicyKind) -> PolicyConfig {
    PolicyConfig {
        kind,
        chunk: 2,
        hidden: 32,
        layers: 2,
        ..Config::preset(Preset::Tiny).policy
    }
}

/// Actions of the data span [-0.5, 0.75] in every dimension.
fn policy(kind: PolicyKind) -> Policy {
    let scales = (
        Normaliser::fit(&[-2.0, 0.0, 1.0, 2.0, 4.0, 3.0], 3).unwrap(),
        Normaliser::fit(&[-0.5, -0.5, -0.5, -0.5, 0.75, 0.75, 0.75, 0.75], 4).unwrap(),
    );
    Policy::new(
        &config(kind),
        &ObsSpec::of_state(SIZES.obs),
        SIZES.act,
        scales,
        &mut Rng::new(0, "test", 0),
        &trainer(),
    )
    .frozen()
}

fn act(policy: &Policy, obs: &[f32], noise: &[f32]) -> Vec<f32> {
    let obs = ObsBatch::of_states(obs.to_vec(), SIZES.obs);
    block_on(policy.act(&obs, noise.to_vec(), &Device::flex())).unwrap()
}

/// A sampler is a function: the same observation and noise give the same bits, and other noise
/// other actions.
#[test]
fn the_same_noise_gives_the_same_actions() {
    let mut rng = Rng::new(1, "test", 0);
    let obs = rng.normals(15);
    let noise = rng.normals(20);
    let other = rng.normals(20);
    for policy in KINDS.map(policy) {
        assert!(same_bits(
            &act(&policy, &obs, &noise),
            &act(&policy, &obs, &noise)
        ));
        assert!(distance(&act(&policy, &obs, &noise), &act(&policy, &obs, &other)) > 0.1);
    }
}

/// What a row of a batch gets does not depend on its neighbors.
#[test]
fn rows_of_a_batch_are_independent() {
    let mut rng = Rng::new(2, "test", 0);
    let obs = rng.normals(15);
    let noise = rng.normals(20);
    for policy in KINDS.map(policy) {
        let batch = act(&policy, &obs, &noise);
        let rows: Vec<f32> = obs
            .chunks(3)
            .zip(noise.chunks(4))
            .flat_map(|(obs, noise)| act(&policy, obs, noise))
            .collect();
        assert!(distance(&batch, &rows) < 1e-5);
    }
}

/// Normalized samples stay within [-1, 1], played actions within the range of the demonstrations,
/// even for wild noise and observations; and playing is scaling, sampling and scaling back.
#[test]
fn actions_stay_in_the_range_of_the_demonstrations() {
    let mut rng = Rng::new(3, "test", 0);
    let obs = rng.normals(30);
    let noise = rng
        .normals(40)
        .into_iter()
        .map(|z| 20.0 * z)
        .collect::<Vec<_>>();
    for policy in KINDS.map(policy) {
        let inner_device = Device::flex();
        let samples = read(policy.sample(
            nn::matrix(policy.obs_scale.apply(&obs), 3, &inner_device),
            nn::matrix(noise.clone(), 4, &inner_device),
        ));
        assert!(
            samples.iter().all(|a| a.abs() <= 1.0)
                && samples.contains(&1.0)
                && samples.contains(&-1.0)
        );
        let actions = act(&policy, &obs, &noise);
        assert!(actions.iter().all(|a| (-0.5..=0.75).contains(a)));
        assert!(
            distance(
                &actions,
                &samples
                    .iter()
                    .map(|a| -0.5 + (a + 1.0) * 0.625)
                    .collect::<Vec<_>>()
            ) < 1e-6
        );
    }
}

/// A saved policy acts alike, bit for bit.
#[test]
fn a_saved_policy_acts_alike() {
    let mut rng = Rng::new(4, "test", 0);
    let obs = rng.normals(15);
    let noise = rng.normals(20);
    for kind in KINDS {
        let policy = policy(kind);
        let mut archive = Archive::new();
        block_on(policy.save("policy", &mut archive)).unwrap();
        let restored = Policy::load(&config(kind), "policy", &archive, &Device::flex()).unwrap();
        assert!(same_bits(
            &act(&policy, &obs, &noise),
            &act(&restored, &obs, &noise)
        ));
    }
}

/// 500 actions after cloning `actions`, all seen at one state.
fn cloned(config: PolicyConfig, actions: &[f32]) -> Vec<f32> {
    let config = PolicyConfig { chunk: 1, ..config };
    let pairs = Pairs {
        obs: vec![0.0; actions.len()],
        actions: actions.to_vec(),
        episode_pairs: vec![actions.len()],
        obs_dim: 1,
        action_dim: 1,
        ..Pairs::default()
    };
    let scales = (Normaliser::identity(1), Normaliser::identity(1));
    let policy = Policy::new(
        &config,
        &ObsSpec::of_state(1),
        1,
        scales,
        &mut Rng::new(5, "test", 0),
        &trainer(),
    );
    let bc = BcConfig {
        updates: 1000,
        batch: 64,
        lr: 5e-3,
        ..BcConfig::preset(Preset::Tiny)
    };
    let mut cloning = Cloning::new(policy, TargetNoise::None, &bc, &pairs, 0, trainer());
    (0..1000).for_each(|_| drop(cloning.step(&pairs)));
    let policy = cloning.policy().unwrap();
    act(
        &policy,
        &[0.0; 500],
        &Rng::new(6, "test", 0).normals(500 * policy.noise_len()),
    )
}

fn share(actions: &[f32], inside: impl Fn(f32) -> bool) -> f64 {
    actions.iter().filter(|&&a| inside(a)).count() as f64 / actions.len() as f64
}

/// A diffusion policy as DPPO has it, sampled by DDIM or DDPM.
fn diffusion(sampler: Sampler) -> PolicyConfig {
    PolicyConfig {
        layers: 3,
        residual: true,
        sampler,
        ..config(PolicyKind::Diffusion)
    }
}

/// Where demonstrators go left or right, flow and diffusion go left or right, about equally often,
/// and not between.
#[test]
fn two_modes_are_kept_apart() {
    for config in [
        config(PolicyKind::Flow),
        diffusion(Sampler::Ddim),
        diffusion(Sampler::Ddpm),
    ] {
        let actions = cloned(config.clone(), &[-0.7, 0.7]);
        let left = share(&actions, |a| (a + 0.7).abs() < 0.2);
        let right = share(&actions, |a| (a - 0.7).abs() < 0.2);
        assert!(
            left > 0.35 && right > 0.35 && left + right > 0.85,
            "{config:?}: {left} left, {right} right"
        );
    }
}

/// The counterpart: one Gaussian covers two modes only by going between them.
#[test]
fn a_gaussian_goes_between_two_modes() {
    let actions = cloned(config(PolicyKind::Gaussian), &[-0.7, 0.7]);
    let mean = actions.iter().sum::<f32>() / 500.0;
    let between = share(&actions, |a| a.abs() < 0.4);
    assert!(
        mean.abs() < 0.15 && between > 0.25,
        "mean {mean}, {between} between"
    );
}

/// Where demonstrators agree, all noise becomes what they do.
#[test]
fn all_noise_becomes_the_only_action() {
    for config in [
        config(PolicyKind::Flow),
        diffusion(Sampler::Ddim),
        diffusion(Sampler::Ddpm),
    ] {
        let actions = cloned(config.clone(), &[0.3]);
        assert!(
            share(&actions, |a| (a - 0.3).abs() < 0.1) > 0.97,
            "{config:?}: {:?}",
            &actions[..10]
        );
    }
}

/// A DDPM sample is a function of one more draw than there are steps, of which the last is not
/// used.
#[test]
fn ddpm_uses_every_draw_but_the_last() {
    let scales = (Normaliser::identity(3), Normaliser::identity(4));
    let policy = Policy::new(
        &diffusion(Sampler::Ddpm),
        &ObsSpec::of_state(SIZES.obs),
        SIZES.act,
        scales,
        &mut Rng::new(7, "test", 0),
        &trainer(),
    )
    .frozen();
    assert_eq!(policy.noise_len(), 21 * 4);
    let noise: Vec<f32> = Rng::new(8, "test", 0)
        .normals(84)
        .into_iter()
        .map(|z| 0.3 * z)
        .collect();
    let usual = act(&policy, &[0.0; 3], &noise);
    for draw in 0..21 {
        let mut other = noise.clone();
        other[4 * draw] += 0.5;
        assert_eq!(
            same_bits(&act(&policy, &[0.0; 3], &other), &usual),
            draw == 20,
            "draw {draw}"
        );
    }
}
