//! A diffusion policy (DPPO's): actions by removing noise step by step, each step's noise predicted
//! by a network.

use super::body::{Body, features};
use super::schedule::{Schedule, Step};
use super::{PolicyConfig, Sampler, Sizes};
use crate::nn::{self, Activation, ImageEncoder, Linear};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::Range;

/// Longest period of the time embedding, in steps.
const LONGEST: f64 = 10_000.0;
/// Draws between two DDPM steps are clipped to this many standard deviations.
const MAX_DRAW: f64 = 3.0;
/// Least standard deviation between two DDPM steps.
const MIN_STD: f32 = 1e-3;

/// eps(x_t, t, obs), with x_t = signal_t a + noise_t eps (Ho et al. 2020; Ren et al. 2024 for
/// network and samplers).
#[derive(Module, Debug)]
pub struct Diffusion {
    /// One for each camera that the policy reads.
    pub(super) image_encoder: Vec<ImageEncoder>,
    time_in: Linear,
    time_out: Linear,
    body: Body,
    /// Sinusoids of every time, `[times, time_dim]`, row-major.
    #[module(skip)]
    sinusoids: Vec<f32>,
    /// Signal and noise at every time.
    #[module(skip)]
    mixture: Vec<(f32, f32)>,
    /// The steps of sampling, noisiest first.
    #[module(skip)]
    sampling: Vec<Step>,
    /// The same steps with eta = 1, the sampler's full noise: the chain that finetuning learns
    /// from.
    #[module(skip)]
    chain: Vec<Step>,
    #[module(skip)]
    sampler: Sampler,
    width: usize,
}

impl Diffusion {
    pub(super) fn new(
        config: &PolicyConfig,
        image_encoder: Vec<ImageEncoder>,
        sizes: Sizes,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let width = sizes.chunk_len();
        let inputs = width + config.time_dim + features(sizes, &image_encoder);
        let time_dim = config.time_dim;
        let schedule = Schedule::cosine(config.denoising_steps);
        let steps = |eta| schedule.steps(config.sampler, config.inference_steps, eta);
        Self {
            image_encoder,
            time_in: Linear::new(time_dim, 2 * time_dim, rng, device),
            time_out: Linear::new(2 * time_dim, time_dim, rng, device),
            body: Body::new(inputs, config, width, rng, device),
            sinusoids: (0..config.denoising_steps)
                .flat_map(|time| sinusoid(time, time_dim))
                .collect(),
            mixture: schedule.mixture(),
            sampling: steps(0.0),
            chain: steps(1.0),
            sampler: config.sampler,
            width,
        }
    }

    /// Length of the noise vector of one decision: the first latent, and with DDPM one more for
    /// every step.
    pub(super) fn noise_len(&self) -> usize {
        match self.sampler {
            Sampler::Ddim => self.width,
            Sampler::Ddpm => (self.sampling.len() + 1) * self.width,
        }
    }

    pub(super) fn chain_len(&self) -> usize {
        self.chain.len()
    }

    /// All steps of the sampler; see [`super::Policy::sample`].
    pub fn sample(&self, obs: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let start = noise.clone().narrow(1, 0, self.width);
        self.sample_steps(0..self.sampling.len(), obs, start, &noise)
    }

    /// Some of the steps only; see [`super::Net::sample_steps`].
    pub(super) fn sample_steps(
        &self,
        steps: Range<usize>,
        obs: Tensor<2>,
        mut x: Tensor<2>,
        noise: &Tensor<2>,
    ) -> Tensor<2> {
        let [batch, _] = obs.dims();
        let device = noise.device();
        let last = self.sampling.len() - 1;
        let draw = |i: usize| noise.clone().narrow(1, i * self.width, self.width);
        let times: Vec<usize> = self.sampling.iter().map(|step| step.time).collect();
        // Embeddings depend on the time alone: all of them in one pass.
        let embedded = self.embed(&times, &device);
        for (i, step) in self
            .sampling
            .iter()
            .enumerate()
            .take(steps.end)
            .skip(steps.start)
        {
            let time = embedded.clone().narrow(0, i, 1).repeat_dim(0, batch);
            let eps = self.predict(x.clone(), time, obs.clone());
            // x0 from x_t and eps (Ho et al. 2020, eq. 15), clipped to the range of scaled actions
            // as in DPPO's code (`diffusion.py`, `p_mean_var`).
            let x0 =
                (x.clone().mul_scalar(step.x0_x) - eps.mul_scalar(step.x0_eps)).clamp(-1.0, 1.0);
            x = x0.mul_scalar(step.mean_x0) + x.mul_scalar(step.mean_x);
            // Algorithm 2: fresh noise after every step but the last.
            if self.sampler == Sampler::Ddpm && i < last {
                x = x + draw(i + 1)
                    .clamp(-MAX_DRAW, MAX_DRAW)
                    .mul_scalar(step.std.max(MIN_STD));
            }
        }
        x
    }

    /// One step of the chain for every row; see [`super::Policy::denoise`].
    pub(super) fn denoise(
        &self,
        obs: Tensor<2>,
        x: Tensor<2>,
        steps: &[usize],
    ) -> (Tensor<2>, Vec<f32>) {
        let device = x.device();
        let column = |number: fn(&Step) -> f32| {
            nn::matrix(
                steps.iter().map(|&i| number(&self.chain[i])).collect(),
                1,
                &device,
            )
        };
        let times: Vec<usize> = self.chain.iter().map(|step| step.time).collect();
        // Rows may be at different steps: embedding and coefficients are gathered row by row.
        let time = self
            .embed(&times, &device)
            .select(0, indices(steps, &device));
        let eps = self.predict(x.clone(), time, obs);
        let x0 = (x.clone() * column(|s| s.x0_x) - eps * column(|s| s.x0_eps)).clamp(-1.0, 1.0);
        let mean = x0 * column(|s| s.mean_x0) + x * column(|s| s.mean_x);
        (mean, steps.iter().map(|&i| self.chain[i].std).collect())
    }

    /// Mean squared error of the predicted noise, at one random time per row.
    pub fn loss(&self, obs: Tensor<2>, chunks: Tensor<2>, rng: &mut Rng) -> Tensor<1> {
        let [batch, width] = chunks.dims();
        let times = rng.indices(batch, self.mixture.len());
        let noise = nn::matrix(rng.normals(batch * width), width, &chunks.device());
        self.loss_at(obs, chunks, &times, noise)
    }

    /// As [`Diffusion::loss`], with these times (0 is the cleanest), one per row, and this noise
    /// `[batch, chunk * act]`.
    pub fn loss_at(
        &self,
        obs: Tensor<2>,
        chunks: Tensor<2>,
        times: &[usize],
        noise: Tensor<2>,
    ) -> Tensor<1> {
        let device = chunks.device();
        let column = |number: fn(&(f32, f32)) -> f32| {
            nn::matrix(
                times.iter().map(|&t| number(&self.mixture[t])).collect(),
                1,
                &device,
            )
        };
        // x_t by eq. 4, and the simple loss, eq. 14 (Ho et al. 2020).
        let x = chunks * column(|m| m.0) + noise.clone() * column(|m| m.1);
        (self.noise(obs, x, times) - noise).square().mean()
    }

    /// The network's estimate of the noise in the latents `x` `[batch, chunk * act]` at these
    /// times, one per row.
    pub fn noise(&self, obs: Tensor<2>, x: Tensor<2>, times: &[usize]) -> Tensor<2> {
        let device = x.device();
        let all: Vec<usize> = (0..self.mixture.len()).collect();
        let time = self.embed(&all, &device).select(0, indices(times, &device));
        self.predict(x, time, obs)
    }

    /// eps(x_t, t, obs), given the embedding of t.
    fn predict(&self, x: Tensor<2>, time: Tensor<2>, obs: Tensor<2>) -> Tensor<2> {
        self.body.forward(Tensor::cat(vec![x, time, obs], 1))
    }

    /// Embeddings of these times, sinusoids through two layers: `[times, time_dim]`.
    fn embed(&self, times: &[usize], device: &Device) -> Tensor<2> {
        let time_dim = self.sinusoids.len() / self.mixture.len();
        let rows = times
            .iter()
            .flat_map(|&time| &self.sinusoids[time * time_dim..(time + 1) * time_dim])
            .copied()
            .collect();
        let hidden = self.time_in.forward(nn::matrix(rows, time_dim, device));
        self.time_out.forward(Activation::Mish.forward(hidden))
    }
}

fn indices(values: &[usize], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = values.iter().map(|&i| i as i32).collect();
    let count = values.len();
    Tensor::from_data(TensorData::new(values, [count]), device)
}

/// Sines and cosines of the time at periods from 2 pi to 2 pi times [`LONGEST`], geometrically
/// spaced. Rounded to f32 where DPPO does.
fn sinusoid(time: usize, dim: usize) -> Vec<f32> {
    let half = dim / 2;
    let rate = libm::log(LONGEST) / (half - 1) as f64;
    let angles =
        (0..half).map(|i| time as f32 * libm::exp(f64::from((i as f64 * -rate) as f32)) as f32);
    angles
        .clone()
        .map(|a| libm::sin(f64::from(a)) as f32)
        .chain(angles.map(|a| libm::cos(f64::from(a)) as f32))
        .collect()
}
