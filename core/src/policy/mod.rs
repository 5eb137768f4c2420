//! Policies: an observation and a noise vector in, a chunk of actions out.
//!
//! The noise is an explicit input, so that a sampler is a function: the same observation and the same noise give the
//! same actions. Finetuning methods rely on it (they steer, filter or replace the noise).

pub mod flow;
pub mod gaussian;
pub mod squashed;

use crate::data::{Archive, Normaliser};
use crate::nn::{self, Activation, params};
use crate::rng::Rng;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
pub use flow::Flow;
pub use gaussian::Gaussian;
use serde::{Deserialize, Serialize};
pub use squashed::Squashed;

/// Which distribution over actions the policy can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// One Gaussian per observation.
    Gaussian,
    /// Flow matching: any distribution, by integrating a learned velocity from noise to actions.
    Flow,
    /// The tanh of one Gaussian per observation, whose spread depends on the observation, too: what ValueDICE trains.
    Squashed,
}

/// The policy network's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Which distribution the policy can express. Default: flow (squashed where `--pretrain value-dice` chooses it).
    pub kind: PolicyKind,
    /// Actions predicted and executed per decision. Paper preset 4 (PostBC's robomimic runs, at 20 Hz); else 8, at 80 Hz.
    pub chunk: usize,
    /// Units per hidden layer.
    pub hidden: usize,
    /// Hidden layers. Default 3.
    pub layers: usize,
    /// Non-linearity between layers.
    pub activation: Activation,
    /// Euler steps from noise to actions (flow only). Default 8.
    pub flow_steps: usize,
}

impl PolicyConfig {
    /// Says in one sentence what is wrong with the settings.
    ///
    /// # Errors
    /// When a size is zero or absurd.
    pub fn check(&self) -> Result<()> {
        crate::error::within("policy.chunk", self.chunk, 1, 64)?;
        crate::error::within("policy.hidden", self.hidden, 1, 8192)?;
        crate::error::within("policy.layers", self.layers, 1, 16)?;
        crate::error::within("policy.flow_steps", self.flow_steps, 1, 1000)
    }
}

/// What a policy reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Length of an observation.
    pub obs: usize,
    /// Length of one action.
    pub act: usize,
    /// Actions per decision.
    pub chunk: usize,
}

impl Sizes {
    /// Length of a flattened action chunk.
    pub fn chunk_len(&self) -> usize {
        self.act * self.chunk
    }
}

/// A network that turns normalised observations and noise into normalised action chunks.
#[derive(Module, Debug)]
pub enum Net {
    /// See [`Gaussian`].
    Gaussian(Gaussian),
    /// See [`Flow`].
    Flow(Flow),
    /// See [`Squashed`].
    Squashed(Squashed),
}

/// A policy: the network and the scales of what it reads and writes.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The network, on normalised values.
    pub net: Net,
    /// Scale of observations.
    pub obs_scale: Normaliser,
    /// Scale of action chunks.
    pub act_scale: Normaliser,
    /// Sizes.
    pub sizes: Sizes,
}

impl Policy {
    /// A policy with fresh weights. A `device` with autodiff makes it trainable.
    pub fn new(config: &PolicyConfig, sizes: Sizes, scales: (Normaliser, Normaliser), rng: &mut Rng, device: &Device) -> Self {
        let net = match config.kind {
            PolicyKind::Gaussian => Net::Gaussian(Gaussian::new(config, sizes, rng, device)),
            PolicyKind::Flow => Net::Flow(Flow::new(config, sizes, rng, device)),
            PolicyKind::Squashed => Net::Squashed(Squashed::new(config, sizes, rng, device)),
        };
        Self { net, obs_scale: scales.0, act_scale: scales.1, sizes }
    }

    /// Length of the noise vector per decision.
    pub fn noise_len(&self) -> usize {
        self.sizes.chunk_len()
    }

    /// Normalised observations `[batch, obs]` and noise `[batch, noise]` to normalised chunks `[batch, chunk * act]`, clipped to ±1.
    pub fn sample(&self, obs: Tensor<2>, noise: Tensor<2>) -> Tensor<2> {
        let actions = match &self.net {
            Net::Gaussian(net) => net.sample(obs, noise),
            Net::Flow(net) => net.sample(obs, noise),
            Net::Squashed(net) => net.sample(obs, noise),
        };
        actions.clamp(-1.0, 1.0)
    }

    /// The cloning loss on normalised rows; `rng` draws what the loss needs (times and noise, for a flow).
    pub fn loss(&self, obs: Tensor<2>, chunks: Tensor<2>, rng: &mut Rng) -> Tensor<1> {
        match &self.net {
            Net::Gaussian(net) => net.loss(obs, chunks),
            Net::Flow(net) => net.loss(obs, chunks, rng),
            Net::Squashed(net) => net.loss(obs, chunks),
        }
    }

    /// Raw observation rows and noise rows to raw action rows (`chunk * act` each, within ±1), on the host.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn act(&self, obs: &[f32], noise: Vec<f32>, device: &Device) -> Result<Vec<f32>> {
        let plain = device.clone().without_autodiff();
        let obs = nn::matrix(self.obs_scale.apply(obs), self.sizes.obs, &plain);
        let noise = nn::matrix(noise, self.noise_len(), &plain);
        let chunks = nn::read(self.sample(obs, noise)).await?;
        Ok(self.act_scale.invert(&chunks).into_iter().map(|a| a.clamp(-1.0, 1.0)).collect())
    }

    /// The same policy without gradients, for acting.
    pub fn frozen(&self) -> Self {
        Self { net: self.net.valid(), ..self.clone() }
    }

    /// Writes weights and scales into the archive under `prefix`.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        archive.put(format!("{prefix}/scales"), &(&self.obs_scale, &self.act_scale, self.sizes))?;
        params::save(&self.net, prefix, archive).await
    }

    /// Restores what [`Policy::save`] wrote with the same settings.
    ///
    /// # Errors
    /// When the archive lacks the policy or holds one of other sizes.
    pub fn load(config: &PolicyConfig, prefix: &str, archive: &Archive, device: &Device) -> Result<Self> {
        let (obs_scale, act_scale, sizes): (Normaliser, Normaliser, Sizes) = archive.get(&format!("{prefix}/scales"))?;
        let widths = (obs_scale.dim(), act_scale.dim(), sizes.chunk);
        if widths != (sizes.obs, sizes.act.saturating_mul(sizes.chunk), config.chunk) {
            return Err(Error::input(format!("the checkpoint's {prefix} has sizes that disagree: use an undamaged checkpoint")));
        }
        let mut policy = Self::new(config, sizes, (obs_scale, act_scale), &mut Rng::new(0, "unused", 0), device);
        policy.net = params::load(policy.net, prefix, archive)?;
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradient_check::worst_error;

    fn config(kind: PolicyKind) -> PolicyConfig {
        PolicyConfig { kind, chunk: 2, hidden: 5, layers: 2, activation: Activation::Mish, flow_steps: 4 }
    }

    const SIZES: Sizes = Sizes { obs: 3, act: 1, chunk: 2 };

    /// The promise: the gradient of the Gaussian's likelihood is right, in the mean's weights and in the spread.
    #[test]
    fn the_gaussian_loss_has_the_right_gradient() {
        let (device, mut rng) = (Device::flex().autodiff(), Rng::new(1, "test", 0));
        let net = Gaussian::new(&config(PolicyKind::Gaussian), SIZES, &mut rng, &device);
        let (obs, chunks) = (nn::matrix(rng.normals(18), 3, &device), nn::matrix(rng.normals(12), 2, &device));
        let error = worst_error(&net, |net| net.loss(obs.clone(), chunks.clone()));
        assert!(error < 1e-2, "{error}");
    }

    /// The promise: the Gaussian's loss is the negative log-density per component, up to log(2 pi) / 2.
    #[test]
    fn the_gaussian_loss_is_the_log_density() {
        let (device, mut rng) = (Device::flex(), Rng::new(2, "test", 0));
        let net = Gaussian::new(&config(PolicyKind::Gaussian), SIZES, &mut rng, &device);
        let obs = nn::matrix(rng.normals(3), 3, &device);
        let mean = pollster::block_on(nn::read(net.sample(obs.clone(), Tensor::zeros([1, 2], &device)))).unwrap();
        let (std, chunk) = (f64::exp(-1.0), [0.4f32, -0.9]);
        let density = |i: usize| -0.5 * (f64::from(chunk[i] - mean[i]) / std).powi(2) - std.ln();
        let loss = pollster::block_on(nn::scalar(net.loss(obs, nn::matrix(chunk.to_vec(), 2, &device)))).unwrap();
        assert!((f64::from(loss) + (density(0) + density(1)) / 2.0).abs() < 1e-5);
    }

    /// The promise: the gradient of the squashed Gaussian's likelihood is right, through the mean and the spread.
    #[test]
    fn the_squashed_loss_has_the_right_gradient() {
        let (device, mut rng) = (Device::flex().autodiff(), Rng::new(5, "test", 0));
        let net = Squashed::new(&config(PolicyKind::Squashed), SIZES, &mut rng, &device);
        let (obs, chunks) = (nn::matrix(rng.normals(18), 3, &device), nn::matrix(rng.normals(12), 2, &device) * 0.3);
        let error = worst_error(&net, |net| net.loss(obs.clone(), chunks.clone()));
        assert!(error < 1e-2, "{error}");
    }

    /// The promise: the squashed Gaussian's loss is the negative log-density of what it samples, per component and up to
    /// log(2 pi) / 2: by the change of variables, the density at tanh(mean + std z) is the normal density of z divided by
    /// the slope of the sample in z.
    #[test]
    fn the_squashed_loss_is_the_log_density() {
        let (device, mut rng) = (Device::flex(), Rng::new(6, "test", 0));
        let net = Squashed::new(&config(PolicyKind::Squashed), SIZES, &mut rng, &device);
        let obs = nn::matrix(rng.normals(3), 3, &device);
        let sample = |z: [f32; 2]| pollster::block_on(nn::read(net.sample(obs.clone(), nn::matrix(z.to_vec(), 2, &device)))).unwrap();
        let (z, step) = ([0.4f32, -0.9], 0.05f32);
        let (chunk, above, below) = (sample(z), sample(z.map(|z| z + step)), sample(z.map(|z| z - step)));
        let slope = |i: usize| f64::from(above[i] - below[i]) / f64::from(2.0 * step);
        let density = |i: usize| -0.5 * f64::from(z[i]).powi(2) - slope(i).ln();
        let loss = pollster::block_on(nn::scalar(net.loss(obs.clone(), nn::matrix(chunk, 2, &device)))).unwrap();
        assert!((f64::from(loss) + (density(0) + density(1)) / 2.0).abs() < 1e-3, "{loss}");
    }

    /// The promise: actions at the very edge of their range, which tanh never reaches, have a finite likelihood.
    #[test]
    fn actions_at_the_edge_have_a_finite_likelihood() {
        let device = Device::flex();
        let net = Squashed::new(&config(PolicyKind::Squashed), SIZES, &mut Rng::new(7, "test", 0), &device);
        let loss = net.loss(nn::matrix(vec![0.0; 3], 3, &device), nn::matrix(vec![-1.0, 1.0], 2, &device));
        assert!(pollster::block_on(nn::scalar(loss)).unwrap().is_finite());
    }

    /// The promise: the gradient of the flow-matching loss is right for fixed times and noise.
    #[test]
    fn the_flow_loss_has_the_right_gradient() {
        let (device, mut rng) = (Device::flex().autodiff(), Rng::new(3, "test", 0));
        let net = Flow::new(&config(PolicyKind::Flow), SIZES, &mut rng, &device);
        let (obs, chunks) = (nn::matrix(rng.normals(18), 3, &device), nn::matrix(rng.normals(12), 2, &device));
        let error = worst_error(&net, |net| net.loss(obs.clone(), chunks.clone(), &mut Rng::new(4, "test", 0)));
        assert!(error < 1e-2, "{error}");
    }
}
