//! A flow policy (rectified flow matching): actions by integrating a learned velocity from noise.

use super::body::features;
use super::velocity::{Context, Velocity};
use super::{PolicyConfig, Sizes};
use crate::nn::{self, ImageEncoder, Observations};
use crate::obs::ObsSpec;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::ops::Range;

/// v(x, t, obs), with x_t = (1 - t) z + t a and target velocity a - z (Lipman et al. 2023; Liu et
/// al. 2023).
#[derive(Module, Debug)]
pub struct Flow {
    /// One for each camera that the policy reads. A transformer makes tokens of pictures, and has
    /// none.
    pub(super) image_encoder: Vec<ImageEncoder>,
    velocity: Velocity,
    /// Embeddings of the times of the Euler steps, `[steps, time_dim]`, row-major.
    #[module(skip)]
    times: Vec<f32>,
    steps: usize,
    time_dim: usize,
}

impl Flow {
    pub(super) fn new(
        config: &PolicyConfig,
        image_encoder: Vec<ImageEncoder>,
        reads: &ObsSpec,
        sizes: Sizes,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let steps = config.inference_steps;
        let time_dim = config.time_dim;
        let dt = 1.0 / steps as f64;
        let read = features(sizes, &image_encoder);
        Self {
            image_encoder,
            velocity: Velocity::new(config, reads, (sizes, read), rng, device),
            times: (0..steps)
                .flat_map(|step| time_embedding(step as f64 * dt, time_dim))
                .collect(),
            steps,
            time_dim,
        }
    }

    pub(super) fn chain_len(&self) -> usize {
        self.steps
    }

    /// What of encoded observations a network beside this one can read: `[batch, features]`.
    pub(super) fn features(&self, obs: Observations) -> Tensor<2> {
        self.velocity.features(obs)
    }

    /// Euler from t = 0 (noise) to t = 1 (actions).
    pub fn sample(&self, obs: Observations, noise: Tensor<2>) -> Tensor<2> {
        self.sample_steps(0..self.steps, obs, noise)
    }

    /// Some of the Euler steps only; see [`super::Net::sample_steps`].
    pub(super) fn sample_steps(
        &self,
        steps: Range<usize>,
        obs: Observations,
        x: Tensor<2>,
    ) -> Tensor<2> {
        let [batch, _] = x.dims();
        let device = x.device();
        // Encoded once: from step to step only latents and time change.
        let context = self.velocity.read(obs);
        let embedding = |step: usize| {
            nn::matrix(self.embedding(step).to_vec(), self.time_dim, &device)
                .expand([batch, self.time_dim])
        };
        steps.fold(x, |x, step| self.euler(&context, x, embedding(step)))
    }

    /// One Euler step for every row; see [`super::Policy::denoise`].
    pub(super) fn denoise(&self, obs: Tensor<2>, x: Tensor<2>, steps: &[usize]) -> Tensor<2> {
        let times = steps
            .iter()
            .flat_map(|&step| self.embedding(step))
            .copied()
            .collect();
        let times = nn::matrix(times, self.time_dim, &x.device());
        self.euler(&self.velocity.read(obs.into()), x, times)
    }

    /// Mean squared error of the velocity at one random time per row.
    pub fn loss(&self, obs: Observations, chunks: Tensor<2>, rng: &mut Rng) -> Tensor<1> {
        let [batch, width] = chunks.dims();
        let device = chunks.device();
        let times: Vec<f64> = (0..batch).map(|_| rng.uniform()).collect();
        let z = nn::matrix(rng.normals(batch * width), width, &device);
        let t = nn::matrix(times.iter().map(|&t| t as f32).collect(), 1, &device);
        let embedding = times
            .iter()
            .flat_map(|&t| time_embedding(t, self.time_dim))
            .collect();
        // x_t = z + t (a - z), a straight line with velocity a - z at every t; the loss is eq. 1 of
        // Liu et al. 2023.
        let target = chunks - z.clone();
        let x = z + target.clone() * t;
        (self.velocity.forward(
            x,
            nn::matrix(embedding, self.time_dim, &device),
            &self.velocity.read(obs),
        ) - target)
            .square()
            .mean()
    }

    /// One Euler step, of length 1 / steps.
    fn euler(&self, context: &Context, x: Tensor<2>, times: Tensor<2>) -> Tensor<2> {
        let dt = 1.0 / self.steps as f64;
        x.clone() + self.velocity.forward(x, times, context).mul_scalar(dt)
    }

    /// The embedding of an Euler step's time.
    fn embedding(&self, step: usize) -> &[f32] {
        &self.times[step * self.time_dim..(step + 1) * self.time_dim]
    }
}

/// Sines and cosines of t at frequencies from 1 to 100, geometrically spaced.
fn time_embedding(t: f64, dim: usize) -> Vec<f32> {
    let half = dim / 2;
    let angles = (0..half).map(|i| t * libm::pow(100.0, i as f64 / (half - 1) as f64));
    angles
        .clone()
        .map(|a| libm::sin(a) as f32)
        .chain(angles.map(|a| libm::cos(a) as f32))
        .collect()
}
