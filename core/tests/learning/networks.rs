//! Stacked networks, Adam, and parameters by name.

use crate::{distance, read, same_bits, trainer};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use pollster::block_on;
use protege_core::data::Archive;
use protege_core::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use protege_core::rng::Rng;

const SIZES: [usize; 4] = [3, 8, 5, 2];

fn net(members: usize, seed: u64, device: &Device) -> Mlp {
    Mlp::new(
        members,
        &SIZES,
        Activation::Mish,
        &mut Rng::new(seed, "test", 0),
        device,
    )
}

fn saved<M: Module>(module: &M) -> Archive {
    let mut archive = Archive::new();
    block_on(params::save(module, "net", &mut archive)).unwrap();
    archive
}

/// All parameters, in the order of their names.
fn values<M: Module>(module: &M) -> Vec<f32> {
    let archive = saved(module);
    archive
        .names()
        .flat_map(|name| archive.get_f32(name).unwrap().1.to_vec())
        .collect()
}

/// Member `k` of a stack as a network of its own.
fn member(stack: &Mlp, k: usize, device: &Device) -> Mlp {
    let all = saved(stack);
    let mut one = Archive::new();
    for name in all.names() {
        let (shape, values) = all.get_f32(name).unwrap();
        let size = shape[1] * shape[2];
        one.put_f32(
            name,
            &[1, shape[1], shape[2]],
            values[k * size..(k + 1) * size].to_vec(),
        );
    }
    params::load(net(1, 9, device), "net", &one).unwrap()
}

fn fit(adam: &mut Adam, net: Mlp, x: &Tensor<2>) -> Mlp {
    let members = net.members() as f64;
    let loss = (net.forward_shared(x.clone()) - 0.3)
        .square()
        .mean()
        .mul_scalar(members);
    adam.step(net, &loss)
}

/// A stack of K networks is K networks, in what it computes and in how it is trained.
#[test]
fn a_stack_equals_its_members_apart() {
    let device = trainer();
    let mut stack = net(4, 0, &device);
    let mut apart: Vec<Mlp> = (0..4).map(|k| member(&stack, k, &device)).collect();
    let x = nn::matrix(Rng::new(1, "test", 0).normals(21), 3, &device);
    let config = AdamConfig {
        lr: 1e-2,
        clip_norm: None,
    };
    let mut adam = Adam::new(config);
    let mut adams: Vec<Adam> = (0..4).map(|_| Adam::new(config)).collect();
    for _ in 0..4 {
        let together = read(stack.forward_shared(x.clone()).inner());
        let alone: Vec<f32> = apart
            .iter()
            .flat_map(|net| read(net.forward_one(x.clone()).inner()))
            .collect();
        assert!(distance(&together, &alone) < 1e-5);
        assert!(
            distance(&alone[..14], &alone[14..28]) > 1e-2,
            "members differ"
        );
        stack = fit(&mut adam, stack, &x);
        apart = apart
            .into_iter()
            .zip(&mut adams)
            .map(|(net, adam)| fit(adam, net, &x))
            .collect();
    }
}

/// Adam as published (Kingma and Ba 2015, algorithm 1), in f64, after every step.
fn published_adam(lr: f64, theta: f64, gradients: &[f64]) -> Vec<f64> {
    published_adamw(lr, 0.0, theta, gradients)
}

/// AdamW as published (Loshchilov and Hutter 2019, algorithm 2), with the weight decay scaled by
/// the learning rate as in PyTorch.
fn published_adamw(lr: f64, decay: f64, mut theta: f64, gradients: &[f64]) -> Vec<f64> {
    let mut m = 0.0;
    let mut v = 0.0;
    let step = |(t, g): (usize, &f64)| {
        m = 0.9 * m + 0.1 * g;
        v = 0.999 * v + 0.001 * g * g;
        let correct = |beta: f64| 1.0 - beta.powi(t as i32 + 1);
        theta -= lr * decay * theta;
        theta -= lr * (m / correct(0.9)) / ((v / correct(0.999)).sqrt() + 1e-8);
        theta
    };
    gradients.iter().enumerate().map(step).collect()
}

/// Weight and bias of `w x + b` after each step down the loss `w x + b`, whose gradient is (x, 1).
fn descend(mut adam: Adam, xs: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let device = trainer();
    let mut line = Archive::new();
    line.put_f32("net/weights.0", &[1, 1, 1], vec![0.5]);
    line.put_f32("net/biases.0", &[1, 1, 1], vec![-0.25]);
    let fresh = Mlp::new(
        1,
        &[1, 1],
        Activation::Relu,
        &mut Rng::new(0, "test", 0),
        &device,
    );
    let mut net = params::load(fresh, "net", &line).unwrap();
    let step = |x: &f32| {
        let loss = net.forward_one(nn::matrix(vec![*x], 1, &device)).sum();
        net = adam.step(net.clone(), &loss);
        let values = values(&net);
        (f64::from(values[1]), f64::from(values[0]))
    };
    xs.iter().map(step).unzip()
}

fn assert_close(found: &[f64], expected: &[f64]) {
    assert!(
        found
            .iter()
            .zip(expected)
            .all(|(f, e)| (f - e).abs() < 5e-6),
        "{found:?} is not {expected:?}"
    );
}

/// Our Adam is the published one, with PyTorch's epsilon of 1e-8: gradients of 1e-6 still move at
/// full speed.
#[test]
fn adam_is_the_published_one() {
    let adam = || {
        Adam::new(AdamConfig {
            lr: 0.1,
            clip_norm: None,
        })
    };
    let (weight, bias) = descend(adam(), &[1.0, -2.0, 0.5]);
    assert_close(&weight, &published_adam(0.1, 0.5, &[1.0, -2.0, 0.5]));
    assert_close(&bias, &[-0.35, -0.45, -0.55]);
    assert_close(&weight[..1], &[0.4]);
    let (weight, _) = descend(adam(), &[1e-6, 1e-6]);
    assert!((weight[1] - 0.3).abs() < 0.005, "{weight:?}");
}

/// Weight decay is decoupled: it shrinks weights and biases by lr * decay, past the moments, as
/// PyTorch's AdamW does.
#[test]
fn weight_decay_is_decoupled() {
    let adam = Adam::new(AdamConfig {
        lr: 0.1,
        clip_norm: None,
    })
    .with_weight_decay(0.5);
    let (weight, bias) = descend(adam, &[1.0, -2.0, 0.5]);
    assert_close(&weight, &published_adamw(0.1, 0.5, 0.5, &[1.0, -2.0, 0.5]));
    assert_close(&bias, &published_adamw(0.1, 0.5, -0.25, &[1.0; 3]));
    // By hand: 0.5 (1 - 0.05) - 0.1, and -0.25 (1 - 0.05) - 0.1.
    assert_close(&[weight[0], bias[0]], &[0.375, -0.3375]);
}

/// Gradients are clipped by their norm over the whole module, as PyTorch's `clip_grad_norm_` does,
/// and not per parameter.
#[test]
fn clipping_is_by_the_global_norm() {
    let xs = [1.0, -2.0, 0.25, 0.1];
    let factor = |x: f64| (1.25 / ((x * x + 1.0).sqrt() + 1e-6)).min(1.0);
    let clipped = |gradient: fn(f64) -> f64| xs.map(|x| gradient(x) * factor(x));
    let (weight, bias) = descend(
        Adam::new(AdamConfig {
            lr: 0.1,
            clip_norm: Some(1.25),
        }),
        &xs.map(|x| x as f32),
    );
    assert_close(&weight, &published_adam(0.1, 0.5, &clipped(|x| x)));
    assert_close(&bias, &published_adam(0.1, -0.25, &clipped(|_| 1.0)));
}

/// Weights and moments that went through a file go on bit for bit.
#[test]
fn saved_weights_and_moments_go_on_bit_for_bit() {
    let device = trainer();
    let config = AdamConfig {
        lr: 1e-2,
        clip_norm: Some(0.1),
    };
    let x = nn::matrix(Rng::new(2, "test", 0).normals(21), 3, &device);
    let mut one = net(2, 3, &device);
    let mut adam = Adam::new(config);
    (0..5).for_each(|_| one = fit(&mut adam, one.clone(), &x));
    let mut archive = saved(&one);
    block_on(adam.save("adam", &mut archive)).unwrap();
    let archive = Archive::from_bytes(&archive.to_bytes().unwrap()).unwrap();
    let mut other = params::load(net(2, 4, &device), "net", &archive).unwrap();
    let mut other_adam = Adam::load(config, "adam", &archive, &other).unwrap();
    assert!(same_bits(&values(&one), &values(&other)));
    for _ in 0..5 {
        one = fit(&mut adam, one, &x);
        other = fit(&mut other_adam, other, &x);
        assert!(same_bits(&values(&one), &values(&other)));
    }
}

/// Weights of another shape, and missing ones, are refused by name.
#[test]
fn weights_that_do_not_fit_are_refused_by_name() {
    let device = trainer();
    let mut archive = saved(&net(2, 0, &device));
    let refused = |archive: &Archive, members| {
        params::load(net(members, 0, &device), "net", archive)
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let sentence = refused(&archive, 3);
    assert!(
        sentence.contains("net/weights.0")
            && sentence.contains("[2, 3, 8]")
            && sentence.contains("[3, 3, 8]"),
        "{sentence}"
    );
    archive.take_f32("net/biases.1").unwrap();
    assert!(refused(&archive, 2).contains("net/biases.1"));
}

/// Moments that do not fit the weights are refused by name when they are loaded, rather than
/// failing at the next step.
#[test]
fn moments_that_do_not_fit_are_refused_by_name() {
    let device = trainer();
    let config = AdamConfig {
        lr: 1e-2,
        clip_norm: None,
    };
    let mut adam = Adam::new(config);
    let mut archive = Archive::new();
    fit(
        &mut adam,
        net(2, 0, &device),
        &nn::matrix(vec![0.5; 3], 3, &device),
    );
    block_on(adam.save("adam", &mut archive)).unwrap();
    let refused = |archive: &Archive, members| {
        Adam::load(config, "adam", archive, &net(members, 0, &device))
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&archive, 3).contains("adam/m/biases.0"));
    archive.put_f32("adam/v/weights.1", &[3], vec![0.0; 3]);
    assert!(refused(&archive, 2).contains("adam/v/weights.1"));
}

/// A moving average keeps (1 - tau) of the target and takes tau of the source, everywhere.
#[test]
fn a_moving_average_mixes_target_and_source() {
    let device = trainer();
    let target = net(2, 5, &device);
    let source = net(2, 6, &device);
    let expected: Vec<f32> = values(&target)
        .iter()
        .zip(values(&source))
        .map(|(t, s)| 0.75 * t + 0.25 * s)
        .collect();
    let mixed = params::polyak(target.valid(), &source, 0.25);
    assert!(distance(&values(&mixed), &expected) < 1e-6);
    assert!(same_bits(
        &values(&params::polyak(target.valid(), &source, 0.0)),
        &values(&target)
    ));
    assert!(same_bits(
        &values(&params::polyak(target.valid(), &source, 1.0)),
        &values(&source)
    ));
}
