//! The ensemble of PostBC (Algorithm 1): K regressors, each fitted to its own bootstrap of the demonstrations,
//! trained as one stacked network.

use super::post_bc::{PostBcConfig, Posterior};
use crate::Result;
use crate::data::{Archive, Pairs, bootstrap};
use crate::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};

/// Rows of observations that the finished ensemble predicts at a time: bounds the memory of K predictions.
const PREDICT_ROWS: usize = 256;

/// K regressors from observation to action chunk.
pub struct Ensemble {
    net: Mlp,
    adam: Adam,
    /// Per member: the pairs of its bootstrap, with repetition.
    members: Vec<Vec<u32>>,
    rng: Rng,
    step: usize,
    config: PostBcConfig,
    device: Device,
}

impl Ensemble {
    /// Fresh members, each with its own weights and its own bootstrap, on an autodiff `device`.
    pub fn new(config: PostBcConfig, data: &Pairs, seed: u64, device: Device) -> Self {
        let net = network(&config, data.obs_dim, data.action_dim, seed, &device);
        let members = bootstraps(&config, &data.episode_pairs, seed);
        let adam = Adam::new(AdamConfig { lr: config.lr, clip_norm: None });
        Self { net, adam, members, rng: Rng::new(seed, "ensemble", 0), step: 0, config, device }
    }

    /// One gradient step of every member on a batch of its own; gives the mean squared error, still on the device.
    pub fn step(&mut self, data: &Pairs) -> Tensor<1> {
        let (members, batch) = (self.members.len(), self.config.batch);
        let indices: Vec<usize> =
            (self.members.iter()).flat_map(|pairs| self.rng.indices(batch, pairs.len()).into_iter().map(|i| pairs[i] as usize)).collect();
        let (obs, chunks) = data.gather(&indices);
        let stack = |values, width| Tensor::<3>::from_data(TensorData::new(values, [members, batch, width]), &self.device);
        let error = (self.net.forward(stack(obs, data.obs_dim)) - stack(chunks, data.action_dim)).square().mean();
        // The members share no weights: scaling by K gives each the gradient that it would have alone.
        let loss = error.clone().mul_scalar(members as f64);
        self.net = self.adam.step(self.net.clone(), &loss);
        self.step += 1;
        error.inner()
    }

    /// Gradient steps done, and to do in all.
    pub fn progress(&self) -> (usize, usize) {
        (self.step, self.config.steps)
    }

    /// The predictions of all members at every pair, as deviations from their mean: the posterior over the demonstrator's action.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn posterior(&self, data: &Pairs) -> Result<Posterior> {
        let net = self.net.valid();
        let plain = self.device.clone().without_autodiff();
        let mut deviations = Vec::new();
        for rows in data.obs.chunks(PREDICT_ROWS * data.obs_dim) {
            let predictions = net.forward_shared(nn::matrix(rows.to_vec(), data.obs_dim, &plain));
            let centred = predictions.clone() - predictions.mean_dim(0);
            // [K, rows, width] -> [rows, K, width]: a pair's deviations lie together.
            deviations.extend(nn::read(centred.swap_dims(0, 1)).await?);
        }
        Ok(Posterior::new(deviations, self.members.len(), data.action_dim, self.config.alpha as f32, self.config.covariance))
    }

    /// Writes the whole state into the archive.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        archive.put("ensemble/state", &(&self.rng, self.step))?;
        params::save(&self.net, "ensemble/net", archive).await?;
        self.adam.save("ensemble/adam", archive).await
    }

    /// Restores what [`Ensemble::save`] wrote with the same settings, data and seed (which determine the bootstraps).
    ///
    /// # Errors
    /// When the archive does not fit.
    pub fn load(config: PostBcConfig, data: &Pairs, seed: u64, archive: &Archive, device: Device) -> Result<Self> {
        let (rng, step) = archive.get("ensemble/state")?;
        let net = params::load(network(&config, data.obs_dim, data.action_dim, seed, &device), "ensemble/net", archive)?;
        let adam = Adam::load(AdamConfig { lr: config.lr, clip_norm: None }, "ensemble/adam", archive, &device)?;
        Ok(Self { net, adam, members: bootstraps(&config, &data.episode_pairs, seed), rng, step, config, device })
    }
}

fn network(config: &PostBcConfig, obs: usize, chunk: usize, seed: u64, device: &Device) -> Mlp {
    let hidden = std::iter::repeat_n(config.hidden, config.layers);
    let sizes: Vec<usize> = std::iter::once(obs).chain(hidden).chain(std::iter::once(chunk)).collect();
    Mlp::new(config.members, &sizes, Activation::Relu, &mut Rng::new(seed, "ensemble-weights", 0), device)
}

fn bootstraps(config: &PostBcConfig, episode_pairs: &[usize], seed: u64) -> Vec<Vec<u32>> {
    (0..config.members as u64)
        .map(|member| bootstrap::member_indices(config.bootstrap, episode_pairs, &mut Rng::new(seed, "bootstrap", member)))
        .collect()
}
