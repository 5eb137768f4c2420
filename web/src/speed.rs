//! How fast a small network learns here: what the documentation compares with other libraries, and
//! the page a GPU with the CPU.

use burn::tensor::Device;
use protege_core::Result;
use protege_core::nn::{Activation, Adam, AdamConfig, Mlp, matrix, scalar};
use protege_core::rng::Rng;

/// Steps before those that count.
const WARM_UP: usize = 5;
/// Seconds after which one step that counts is enough: nobody should wait for a slow device.
const ENOUGH_S: f64 = 3.0;

/// Median milliseconds of one Adam step of a perceptron 32-`hidden`-`hidden`-8 on the mean squared
/// error of `batch` rows, over at most `steps` steps (at least one), each until its loss is known;
/// `now` is a clock in seconds.
pub async fn adam_ms(
    hidden: usize,
    batch: usize,
    steps: usize,
    device: &Device,
    now: fn() -> f64,
) -> Result<f64> {
    let device = device.clone().autodiff();
    let mut rng = Rng::new(0, "speed", 0);
    let mut net = Mlp::new(
        1,
        &[32, hidden, hidden, 8],
        Activation::Relu,
        &mut rng,
        &device,
    );
    let mut adam = Adam::new(AdamConfig {
        lr: 1e-3,
        clip_norm: None,
    });
    let x = matrix(rng.normals(32 * batch), 32, &device);
    let y = matrix(rng.normals(8 * batch), 8, &device);
    let mut times = Vec::with_capacity(steps);
    let begin = now();
    for step in 0..steps.max(1) + WARM_UP {
        if !times.is_empty() && now() - begin > ENOUGH_S {
            break;
        }
        let start = now();
        let loss = (net.forward_one(x.clone()) - y.clone()).square().mean();
        net = adam.step(net, &loss);
        scalar(loss).await?;
        if step >= WARM_UP {
            times.push(1000.0 * (now() - start));
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}
