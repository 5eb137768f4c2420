//! How fast a small network learns here: the figure that the documentation compares with other libraries.

use burn::tensor::Device;
use protege_core::nn::{Activation, Adam, AdamConfig, Mlp, matrix};
use protege_core::rng::Rng;

/// Median milliseconds of one Adam step of a perceptron 32-`hidden`-`hidden`-8 on the mean squared error of `batch` rows, over
/// `steps` steps (at least one), after a few that do not count; `now` is a clock in seconds.
pub fn adam_ms(hidden: usize, batch: usize, steps: usize, now: fn() -> f64) -> f64 {
    let (device, mut rng) = (Device::flex().autodiff(), Rng::new(0, "speed", 0));
    let mut net = Mlp::new(1, &[32, hidden, hidden, 8], Activation::Relu, &mut rng, &device);
    let mut adam = Adam::new(AdamConfig { lr: 1e-3, clip_norm: None });
    let (x, y) = (matrix(rng.normals(32 * batch), 32, &device), matrix(rng.normals(8 * batch), 8, &device));
    let mut times = Vec::with_capacity(steps);
    for step in 0..steps.max(1) + 5 {
        let start = now();
        let loss = (net.forward_one(x.clone()) - y.clone()).square().mean();
        net = adam.step(net, &loss);
        if step >= 5 {
            times.push(1000.0 * (now() - start));
        }
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
