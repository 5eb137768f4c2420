//! A flow policy (rectified flow matching): actions by integrating a learned velocity from noise.

use super::gaussian::layer_sizes;
use super::{PolicyConfig, Sizes};
use crate::nn::{self, Mlp};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Length of the time embedding (DPPO's for Lift and Can).
const TIME_DIM: usize = 16;

/// v(x, t, obs), with x_t = (1 - t) z + t a and target velocity a - z (Lipman et al. 2023; Liu et al. 2023).
#[derive(Module, Debug)]
pub struct Flow {
    velocity: Mlp,
    steps: usize,
}

impl Flow {
    pub(super) fn new(config: &PolicyConfig, sizes: Sizes, rng: &mut Rng, device: &Device) -> Self {
        let layers = layer_sizes(sizes.chunk_len() + TIME_DIM + sizes.obs, config, sizes.chunk_len());
        Self { velocity: Mlp::new(1, &layers, config.activation, rng, device), steps: config.flow_steps }
    }

    /// Euler from t = 0 (noise) to t = 1 (actions).
    pub fn sample(&self, obs: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let [batch, _] = noise.dims();
        let device = noise.device();
        let dt = 1.0 / self.steps as f64;
        let mut x = noise;
        for step in 0..self.steps {
            let time = nn::matrix(time_embedding(step as f64 * dt), TIME_DIM, &device).expand([batch, TIME_DIM]);
            x = x.clone() + self.velocity(x, time, obs.clone()).mul_scalar(dt);
        }
        x
    }

    /// Mean squared error of the velocity at one random time per row.
    pub fn loss(&self, obs: Tensor<2>, chunks: Tensor<2>, rng: &mut Rng) -> Tensor<1> {
        let [batch, width] = chunks.dims();
        let device = chunks.device();
        let times: Vec<f64> = (0..batch).map(|_| rng.uniform()).collect();
        let z = nn::matrix(rng.normals(batch * width), width, &device);
        let t = nn::matrix(times.iter().map(|&t| t as f32).collect(), 1, &device);
        let embedding = nn::matrix(times.iter().flat_map(|&t| time_embedding(t)).collect(), TIME_DIM, &device);
        let target = chunks - z.clone();
        let x = z + target.clone() * t;
        (self.velocity(x, embedding, obs) - target).square().mean()
    }

    fn velocity(&self, x: Tensor<2>, time: Tensor<2>, obs: Tensor<2>) -> Tensor<2> {
        self.velocity.forward_one(Tensor::cat(vec![x, time, obs], 1))
    }
}

/// Sines and cosines of t at frequencies from 1 to 100, geometrically spaced.
fn time_embedding(t: f64) -> Vec<f32> {
    let half = TIME_DIM / 2;
    let angles = (0..half).map(|i| t * libm::pow(100.0, i as f64 / (half - 1) as f64));
    angles.clone().map(|a| libm::sin(a) as f32).chain(angles.map(|a| libm::cos(a) as f32)).collect()
}
