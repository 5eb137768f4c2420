//! The posterior over the demonstrator's action, the ensemble that it comes from, and the cloning
//! loop.

use crate::{distance, same_bits, trainer};
use pollster::block_on;
use protege_core::data::{Archive, Bootstrap, Normaliser, Pairs};
use protege_core::nn::params;
use protege_core::obs::ObsSpec;
use protege_core::policy::{Policy, PolicyConfig, PolicyKind};
use protege_core::pretrain::{
    BcConfig, Cloning, Covariance, Ensemble, PostBcConfig, Posterior, Pretrainer, TargetNoise,
};
use protege_core::rng::Rng;
use protege_core::run::{Config, Preset};

const MEMBERS: usize = 5;
const WIDTH: usize = 3;

/// Deviations of two pairs, each summing to zero over the members.
fn deviations() -> Vec<f32> {
    let mut values = Rng::new(0, "test", 0).normals(2 * MEMBERS * WIDTH);
    for pair in values.chunks_mut(MEMBERS * WIDTH) {
        for i in 0..WIDTH {
            let mean = (0..MEMBERS).map(|m| pair[m * WIDTH + i]).sum::<f32>() / MEMBERS as f32;
            (0..MEMBERS).for_each(|m| pair[m * WIDTH + i] -= mean);
        }
    }
    values
}

fn posterior(alpha: f32, covariance: Covariance) -> Posterior {
    Posterior::new(deviations(), MEMBERS, WIDTH, alpha, covariance)
}

/// 1/K sum (f - mean)(f - mean)^T at a pair.
fn covariance_of(pair: usize, i: usize, j: usize) -> f64 {
    let values = deviations();
    let at = |m: usize, i: usize| f64::from(values[(pair * MEMBERS + m) * WIDTH + i]);
    (0..MEMBERS).map(|m| at(m, i) * at(m, j)).sum::<f64>() / MEMBERS as f64
}

/// The mean product of components i and j of 20,000 perturbations of a zero target.
fn sampled(posterior: &Posterior, pair: usize) -> impl Fn(usize, usize) -> f64 + use<> {
    const DRAWS: usize = 20_000;
    let mut chunks = vec![0.0; DRAWS * WIDTH];
    posterior.perturb(&[pair; DRAWS], &mut chunks, &mut Rng::new(1, "test", 0));
    move |i, j| {
        chunks
            .chunks(WIDTH)
            .map(|c| f64::from(c[i]) * f64::from(c[j]))
            .sum::<f64>()
            / DRAWS as f64
    }
}

/// Targets are perturbed with exactly alpha^2 times the covariance of the members: all of it, or
/// its diagonal.
#[test]
fn perturbations_have_the_covariance_of_the_members() {
    for (alpha, kind, pair) in [
        (1.0, Covariance::Full, 0),
        (0.5, Covariance::Full, 1),
        (1.0, Covariance::Diagonal, 1),
        (2.0, Covariance::Diagonal, 0),
    ] {
        let found = sampled(&posterior(alpha, kind), pair);
        let scale = f64::from(alpha).powi(2);
        for (i, j) in (0..WIDTH).flat_map(|i| (0..WIDTH).map(move |j| (i, j))) {
            let expected = if i == j || kind == Covariance::Full {
                scale * covariance_of(pair, i, j)
            } else {
                0.0
            };
            // Five standard errors of a mean of products of normal values.
            let spread = scale * (covariance_of(pair, i, i) * covariance_of(pair, j, j)).sqrt();
            let error = (found(i, j) - expected).abs();
            assert!(
                error < 5.0 * spread * (2.0f64 / 20_000.0).sqrt(),
                "{kind:?} {alpha}: ({i}, {j}) is {} rather than {expected}",
                found(i, j)
            );
        }
    }
}

/// With a share, that part of all uses gets the full noise and the others none; a factor of the
/// gripper scales the last number of every action of a chunk, and nothing else.
#[test]
fn a_share_of_uses_and_the_gripper_are_perturbed_as_asked() {
    const USES: usize = 20_000;
    let shared = posterior(1.0, Covariance::Full).on_share_of_uses(0.25);
    let mut chunks = vec![0.0; USES * WIDTH];
    shared.perturb(&[0; USES], &mut chunks, &mut Rng::new(1, "test", 0));
    let perturbed = chunks.chunks(WIDTH).filter(|c| c.iter().any(|&a| a != 0.0));
    let part = perturbed.count() as f64 / USES as f64;
    assert!((part - 0.25).abs() < 0.02, "{part}");
    let found = sampled(&shared, 0)(0, 0);
    let expected = 0.25 * covariance_of(0, 0, 0);
    assert!(
        (found - expected).abs() < 0.15 * expected,
        "{found} {expected}"
    );

    // Actions of three numbers, then of one: the last of each.
    let all = posterior(1.0, Covariance::Full);
    let still = all.clone().with_gripper(WIDTH, 0.0);
    assert_eq!(still.std(0)[..WIDTH - 1], all.std(0)[..WIDTH - 1]);
    assert_eq!(still.std(0)[WIDTH - 1], 0.0);
    assert_eq!(all.with_gripper(1, 0.0).mean_std(), 0.0);
}

/// The reported spread is the root of the covariance's diagonal, without alpha, and its mean is
/// over pairs and components.
#[test]
fn the_reported_spread_is_that_of_the_members() {
    let posterior = posterior(2.0, Covariance::Full);
    let exact: Vec<f64> = (0..2)
        .flat_map(|pair| (0..WIDTH).map(move |i| covariance_of(pair, i, i).sqrt()))
        .collect();
    let found: Vec<f32> = (0..2).flat_map(|pair| posterior.std(pair)).collect();
    assert!(
        found
            .iter()
            .zip(&exact)
            .all(|(f, e)| (f64::from(*f) - e).abs() < 1e-6)
    );
    assert!((posterior.mean_std() - exact.iter().sum::<f64>() / exact.len() as f64).abs() < 1e-6);
}

/// Members that agree, or an alpha of zero, leave the targets of plain cloning, bit for bit.
#[test]
fn no_spread_leaves_the_targets_alone() {
    let targets = Rng::new(2, "test", 0).normals(2 * WIDTH);
    for kind in [Covariance::Full, Covariance::Diagonal] {
        for posterior in [
            Posterior::new(vec![0.0; 2 * MEMBERS * WIDTH], MEMBERS, WIDTH, 1.0, kind),
            posterior(0.0, kind),
        ] {
            let mut chunks = targets.clone();
            posterior.perturb(&[1, 0], &mut chunks, &mut Rng::new(3, "test", 0));
            assert!(same_bits(&chunks, &targets));
        }
    }
}

/// A pair that is used twice gets two draws.
#[test]
fn every_use_of_a_pair_gets_a_fresh_draw() {
    let mut chunks = vec![0.0; 2 * WIDTH];
    posterior(1.0, Covariance::Full).perturb(&[0, 0], &mut chunks, &mut Rng::new(4, "test", 0));
    assert_ne!(chunks[..WIDTH], chunks[WIDTH..]);
}

/// Sigma-BC widens every component of every chunk by the same noise, fresh at every use, and by
/// none if sigma is 0.
#[test]
fn uniform_widening_is_the_same_everywhere() {
    const DRAWS: usize = 5000;
    let mut chunks = vec![0.5; DRAWS * WIDTH];
    TargetNoise::Uniform(0.1).perturb(&[1; DRAWS], &mut chunks, &mut Rng::new(5, "test", 0));
    let moment = |i: usize, j: usize| {
        chunks
            .chunks(WIDTH)
            .map(|c| (f64::from(c[i]) - 0.5) * (f64::from(c[j]) - 0.5))
            .sum::<f64>()
            / DRAWS as f64
    };
    for (i, j) in (0..WIDTH).flat_map(|i| (0..WIDTH).map(move |j| (i, j))) {
        let expected = if i == j { 0.01 } else { 0.0 };
        // Five standard errors of a mean of products of normal values.
        assert!(
            (moment(i, j) - expected).abs() < 5.0 * 0.01 * (2.0f64 / DRAWS as f64).sqrt(),
            "({i}, {j}): {}",
            moment(i, j)
        );
    }
    for target_noise in [TargetNoise::None, TargetNoise::Uniform(0.0)] {
        let mut alone = chunks.clone();
        target_noise.perturb(&[0; DRAWS], &mut alone, &mut Rng::new(6, "test", 0));
        assert!(same_bits(&alone, &chunks));
    }
}

/// Saved target noise is the same, whichever it is; one that is not there, or of other
/// demonstrations, is refused.
#[test]
fn a_saved_widening_is_the_same() {
    let data = Pairs {
        obs: vec![0.0; 2],
        actions: vec![0.0; 2 * WIDTH],
        episode_pairs: vec![2],
        obs_dim: 1,
        action_dim: WIDTH,
        ..Pairs::default()
    };
    let other = Pairs {
        obs: vec![0.0; 3],
        actions: vec![0.0; 3 * WIDTH],
        episode_pairs: vec![3],
        ..data.clone()
    };
    assert!(TargetNoise::load(&Archive::new(), &data).is_err());
    for target_noise in [
        TargetNoise::None,
        TargetNoise::Uniform(0.25),
        TargetNoise::Posterior(posterior(0.5, Covariance::Diagonal)),
    ] {
        let mut archive = Archive::new();
        target_noise.save(&mut archive).unwrap();
        assert_eq!(TargetNoise::load(&archive, &data).unwrap(), target_noise);
        assert_eq!(
            TargetNoise::load(&archive, &other).is_err(),
            matches!(target_noise, TargetNoise::Posterior(_))
        );
    }
}

/// Weights of a Gaussian that clones a line, after each of ten steps.
fn weights_along_the_way(config: &BcConfig) -> Vec<Vec<f32>> {
    let data = line((0..20).map(|i| i as f32 / 10.0 - 1.0), vec![20]);
    let small = PolicyConfig {
        kind: PolicyKind::Gaussian,
        chunk: 1,
        hidden: 4,
        ..Config::preset(Preset::Tiny).policy
    };
    let scales = (Normaliser::identity(1), Normaliser::identity(1));
    let policy = Policy::new(
        &small,
        &ObsSpec::of_state(1),
        1,
        scales,
        &mut Rng::new(7, "test", 0),
        &trainer(),
    );
    let mut cloning = Cloning::new(policy, TargetNoise::None, config, &data, 0, trainer());
    let step = |_| {
        cloning.step(&data);
        let mut archive = Archive::new();
        block_on(params::save(
            &cloning.policy().unwrap().net,
            "net",
            &mut archive,
        ))
        .unwrap();
        archive
            .names()
            .flat_map(|name| archive.get_f32(name).unwrap().1.to_vec())
            .collect()
    };
    (0..10).map(step).collect()
}

/// The result is the moving average by DPPO's rules: a copy until it starts, then decay times the
/// average and the rest of the weights, after every so many steps; nothing before the first; and
/// training itself is the same.
#[test]
fn the_result_is_the_average_of_the_weights() {
    let plain = BcConfig {
        updates: 10,
        batch: 5,
        lr: 1e-2,
        ..BcConfig::preset(Preset::Tiny)
    };
    let averaged = BcConfig {
        ema_decay: 0.75,
        ema_every: 2,
        ema_start: 5,
        ..plain.clone()
    };
    let weights = weights_along_the_way(&plain);
    let averages = weights_along_the_way(&averaged);
    let mix = |average: &[f32], weights: &[f32]| {
        average
            .iter()
            .zip(weights)
            .map(|(a, w)| 0.75 * a + 0.25 * w)
            .collect::<Vec<_>>()
    };
    assert!(
        same_bits(&averages[0], &weights[0]),
        "nothing to average yet"
    );
    assert!(
        same_bits(&averages[3], &weights[3]) && same_bits(&averages[4], &weights[3]),
        "copied after steps 2 and 4"
    );
    let sixth = mix(&weights[3], &weights[5]);
    let eighth = mix(&mix(&weights[3], &weights[5]), &weights[7]);
    assert!(distance(&averages[5], &sixth) < 1e-6 && distance(&averages[6], &sixth) < 1e-6);
    assert!(distance(&averages[7], &eighth) < 1e-6);
    assert!(
        distance(&eighth, &weights[7]) > 1e-3,
        "an average is something else"
    );
}

/// An epoch is as many steps as it takes batches to go through the pairs, and every length counts
/// them.
#[test]
fn epochs_are_counted_in_gradient_steps() {
    let epochs = BcConfig {
        updates: 3000,
        batch: 256,
        ema_start: 20,
        ..BcConfig::preset(Preset::Paper)
    };
    let steps = epochs.in_steps(1000);
    assert_eq!(
        (
            steps.updates,
            steps.cycle,
            steps.warmup,
            steps.ema_every,
            steps.ema_start
        ),
        (12_000, 40_000, 400, 40, 80)
    );
    assert_eq!(steps.in_steps(1000), steps);
    assert_eq!(epochs.in_steps(1).updates, 3000);
    let epochs = PostBcConfig {
        updates: 500,
        cycle: 5000,
        warmup: 100,
        ema_every: 10,
        ema_start: 250,
        ..PostBcConfig::preset(Preset::Paper)
    };
    let steps = epochs.in_steps(1000);
    assert_eq!(
        (
            steps.updates,
            steps.cycle,
            steps.warmup,
            steps.ema_every,
            steps.ema_start
        ),
        (2000, 20_000, 400, 40, 1000)
    );
    assert_eq!(steps.in_steps(1000), steps);
}

/// The learning rate warms up: a first step at a hundredth of the rate moves the weights a
/// hundredth as far.
#[test]
fn the_learning_rate_of_a_step_is_that_of_the_schedule() {
    let settings = |lr: f64, warmup: usize, floor: f64| BcConfig {
        updates: 10,
        batch: 5,
        lr,
        warmup,
        floor,
        ..BcConfig::preset(Preset::Tiny)
    };
    let warm = weights_along_the_way(&settings(1e-2, 5, 0.01));
    let slow = weights_along_the_way(&settings(1e-4, 0, 1.0));
    assert!(same_bits(&warm[0], &slow[0]));
    assert!(
        distance(&warm[1], &warm[0]) > 10.0 * distance(&slow[1], &slow[0]),
        "then it rises"
    );
}

/// Pairs on a line: the action is the sine of the state.
fn line(states: impl Iterator<Item = f32>, episode_pairs: Vec<usize>) -> Pairs {
    let obs: Vec<f32> = states.collect();
    Pairs {
        actions: obs.iter().map(|x| (3.0 * x).sin()).collect(),
        obs,
        episode_pairs,
        obs_dim: 1,
        action_dim: 1,
        ..Pairs::default()
    }
}

fn trained(bootstrap: Bootstrap) -> (Ensemble, Pairs) {
    let data = line((0..80).map(|i| -1.0 + i as f32 / 80.0), vec![10; 8]);
    let config = PostBcConfig {
        members: 10,
        hidden: 16,
        layers: 2,
        updates: 400,
        batch: 32,
        lr: 5e-3,
        bootstrap,
        ..PostBcConfig::preset(Preset::Tiny)
    };
    let mut ensemble = Ensemble::new(config, &data, 0, trainer());
    (0..400).for_each(|_| drop(ensemble.step(&data)));
    (ensemble, data)
}

/// What PostBC rests on: the members agree where demonstrations are dense and disagree where there
/// are none.
#[test]
fn the_ensemble_is_unsure_far_from_the_demonstrations() {
    for bootstrap in [Bootstrap::Pair, Bootstrap::Trajectory] {
        let (ensemble, data) = trained(bootstrap);
        let near = block_on(ensemble.posterior(&data)).unwrap().mean_std();
        let far =
            block_on(ensemble.posterior(&line((0..20).map(|i| 1.0 + i as f32 / 20.0), vec![20])))
                .unwrap()
                .mean_std();
        assert!(
            near > 1e-4,
            "bootstrapped members never agree exactly: {near}"
        );
        assert!(far > 5.0 * near, "{bootstrap:?}: {near} near, {far} far");
    }
}

/// The posterior is centered: deviations from the mean of the members, however many rows are
/// predicted at a time.
#[test]
fn the_posterior_is_the_same_for_any_number_of_rows() {
    let (ensemble, _) = trained(Bootstrap::Pair);
    let states = || (0..600).map(|i| i as f32 / 300.0 - 1.0);
    let all = block_on(ensemble.posterior(&line(states(), vec![600]))).unwrap();
    for pair in [0, 255, 256, 599] {
        let alone =
            block_on(ensemble.posterior(&line(states().skip(pair).take(1), vec![1]))).unwrap();
        assert!((all.std(pair)[0] - alone.std(0)[0]).abs() < 1e-5);
    }
}
