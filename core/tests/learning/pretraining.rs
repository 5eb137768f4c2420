//! The posterior over the demonstrator's action, and the ensemble that it comes from.

use crate::{same_bits, trainer};
use pollster::block_on;
use protege_core::data::{Archive, Bootstrap, Pairs};
use protege_core::pretrain::{Covariance, Ensemble, Learner, PostBcConfig, Posterior};
use protege_core::rng::Rng;
use protege_core::run::Preset;

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
    move |i, j| chunks.chunks(WIDTH).map(|c| f64::from(c[i]) * f64::from(c[j])).sum::<f64>() / DRAWS as f64
}

/// The promise: targets are perturbed with exactly alpha^2 times the covariance of the members: all of it, or its diagonal.
#[test]
fn perturbations_have_the_covariance_of_the_members() {
    for (alpha, kind, pair) in
        [(1.0, Covariance::Full, 0), (0.5, Covariance::Full, 1), (1.0, Covariance::Diagonal, 1), (2.0, Covariance::Diagonal, 0)]
    {
        let found = sampled(&posterior(alpha, kind), pair);
        let scale = f64::from(alpha).powi(2);
        for (i, j) in (0..WIDTH).flat_map(|i| (0..WIDTH).map(move |j| (i, j))) {
            let expected = if i == j || kind == Covariance::Full { scale * covariance_of(pair, i, j) } else { 0.0 };
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

/// The promise: the reported spread is the root of the covariance's diagonal, without alpha, and its mean is over pairs and components.
#[test]
fn the_reported_spread_is_that_of_the_members() {
    let posterior = posterior(2.0, Covariance::Full);
    let exact: Vec<f64> = (0..2).flat_map(|pair| (0..WIDTH).map(move |i| covariance_of(pair, i, i).sqrt())).collect();
    let found: Vec<f32> = (0..2).flat_map(|pair| posterior.std(pair)).collect();
    assert!(found.iter().zip(&exact).all(|(f, e)| (f64::from(*f) - e).abs() < 1e-6));
    assert!((posterior.mean_std() - exact.iter().sum::<f64>() / exact.len() as f64).abs() < 1e-6);
}

/// The promise: members that agree, or an alpha of zero, leave the targets of plain cloning, bit for bit.
#[test]
fn no_spread_leaves_the_targets_alone() {
    let targets = Rng::new(2, "test", 0).normals(2 * WIDTH);
    for kind in [Covariance::Full, Covariance::Diagonal] {
        for posterior in [Posterior::new(vec![0.0; 2 * MEMBERS * WIDTH], MEMBERS, WIDTH, 1.0, kind), posterior(0.0, kind)] {
            let mut chunks = targets.clone();
            posterior.perturb(&[1, 0], &mut chunks, &mut Rng::new(3, "test", 0));
            assert!(same_bits(&chunks, &targets));
        }
    }
}

/// The promise: a pair that is used twice gets two draws.
#[test]
fn every_use_of_a_pair_gets_a_fresh_draw() {
    let mut chunks = vec![0.0; 2 * WIDTH];
    posterior(1.0, Covariance::Full).perturb(&[0, 0], &mut chunks, &mut Rng::new(4, "test", 0));
    assert_ne!(chunks[..WIDTH], chunks[WIDTH..]);
}

/// The promise: a saved posterior is the same posterior, and none is none.
#[test]
fn a_saved_posterior_is_the_same() {
    let mut archive = Archive::new();
    let data = Pairs { obs: vec![0.0; 2], actions: vec![0.0; 2 * WIDTH], episode_pairs: vec![2], obs_dim: 1, action_dim: WIDTH };
    assert_eq!(Posterior::load(&archive, &data).unwrap(), None);
    posterior(0.5, Covariance::Diagonal).save(&mut archive).unwrap();
    assert_eq!(Posterior::load(&archive, &data).unwrap(), Some(posterior(0.5, Covariance::Diagonal)));
    let other = Pairs { obs: vec![0.0; 3], actions: vec![0.0; 3 * WIDTH], episode_pairs: vec![3], ..data };
    assert!(Posterior::load(&archive, &other).is_err(), "of other demonstrations");
}

/// Pairs on a line: the action is the sine of the state.
fn line(states: impl Iterator<Item = f32>, episode_pairs: Vec<usize>) -> Pairs {
    let obs: Vec<f32> = states.collect();
    Pairs { actions: obs.iter().map(|x| (3.0 * x).sin()).collect(), obs, episode_pairs, obs_dim: 1, action_dim: 1 }
}

fn trained(bootstrap: Bootstrap) -> (Ensemble, Pairs) {
    let data = line((0..80).map(|i| -1.0 + i as f32 / 80.0), vec![10; 8]);
    let config = PostBcConfig {
        members: 10,
        hidden: 16,
        layers: 2,
        steps: 400,
        batch: 32,
        lr: 5e-3,
        bootstrap,
        ..PostBcConfig::preset(Preset::Tiny)
    };
    let mut ensemble = Ensemble::new(config, &data, 0, trainer());
    (0..400).for_each(|_| drop(ensemble.step(&data)));
    (ensemble, data)
}

/// The promise on which PostBC rests: the members agree where demonstrations are dense and disagree where there are none.
#[test]
fn the_ensemble_is_unsure_far_from_the_demonstrations() {
    for bootstrap in [Bootstrap::Pair, Bootstrap::Trajectory] {
        let (ensemble, data) = trained(bootstrap);
        let near = block_on(ensemble.posterior(&data)).unwrap().mean_std();
        let far = block_on(ensemble.posterior(&line((0..20).map(|i| 1.0 + i as f32 / 20.0), vec![20]))).unwrap().mean_std();
        assert!(near > 1e-4, "bootstrapped members never agree exactly: {near}");
        assert!(far > 5.0 * near, "{bootstrap:?}: {near} near, {far} far");
    }
}

/// The promise: the posterior is centred: deviations from the mean of the members, however many rows are predicted at a time.
#[test]
fn the_posterior_is_the_same_for_any_number_of_rows() {
    let (ensemble, _) = trained(Bootstrap::Pair);
    let states = || (0..600).map(|i| i as f32 / 300.0 - 1.0);
    let all = block_on(ensemble.posterior(&line(states(), vec![600]))).unwrap();
    for pair in [0, 255, 256, 599] {
        let alone = block_on(ensemble.posterior(&line(states().skip(pair).take(1), vec![1]))).unwrap();
        assert!((all.std(pair)[0] - alone.std(0)[0]).abs() < 1e-5);
    }
}
