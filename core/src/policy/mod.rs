//! Policies: an observation and a noise vector in, a chunk of actions out.
//!
//! The noise is an explicit input, so that a sampler is a function: the same observation and the
//! same noise give the same actions. Finetuning methods rely on it (they steer, filter or replace
//! the noise).

pub mod body;
pub mod diffusion;
pub(crate) mod flow;
pub(crate) mod gaussian;
pub(crate) mod memory;
mod schedule;
pub mod served;
pub(crate) mod squashed;
pub mod velocity;

use crate::data::{Archive, Normaliser, Scales};
pub use crate::nn::ImageEncoderKind;
use crate::nn::{self, Activation, ImageEncoder, Observations, SMALLEST_IMAGE, params};
use crate::obs::{ImageSpec, ObsBatch, ObsSpec};
use crate::rng::Rng;
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
pub use diffusion::Diffusion;
pub use flow::Flow;
pub use gaussian::Gaussian;
use serde::{Deserialize, Serialize};
use serde_json::Value;
pub use served::{Connect, Remote, Serve, Served, ServedConfig};
pub use squashed::Squashed;
use std::ops::Range;

/// Which distribution over actions the policy can express.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyKind {
    /// One Gaussian per observation.
    Gaussian,
    /// Flow matching: any distribution, by integrating a learned velocity from noise to actions.
    Flow,
    /// The same with a transformer as the velocity: a token for the state, one for the task, one
    /// for each action. It learns several tasks together (`pretrain.tasks`).
    FlowTransformer,
    /// Diffusion: any distribution, by removing predicted noise step by step; what PostBC and DPPO
    /// pretrain.
    Diffusion,
    /// The tanh of one Gaussian per observation, whose spread depends on the observation, too: what
    /// ValueDICE trains.
    Squashed,
    /// Whatever another program serves (`--base`): it only acts.
    Served,
}

/// How a diffusion policy is sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Sampler {
    /// `inference_steps` steps without noise between them: fast, and a function of the first noise
    /// alone.
    Ddim,
    /// All `denoising_steps` steps, with fresh noise after each but the last.
    Ddpm,
}

/// The policy network's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfig {
    /// Which distribution the policy can express.
    #[setting(base, value = PolicyKind::Flow, paper = PolicyKind::Diffusion, source = "PostBC")]
    pub kind: PolicyKind,
    /// Actions predicted and executed per decision; control runs at 80 Hz here.
    #[setting(range = 1..=64, value = 8, paper = 4, source = "PostBC's robomimic runs, at 20 Hz")]
    pub chunk: usize,
    /// Units per hidden layer; of a transformer the width of a token, a multiple of 32.
    #[setting(
        range = 1..=8192, paper = 512, cpu = 256, tiny = 128,
        source = "PostBC's Lift; 1024 for Can and Square",
        needs = "kind != served"
    )]
    pub hidden: usize,
    /// Hidden layers; of a transformer: blocks.
    #[setting(range = 1..=16, value = 3, source = "PostBC", needs = "kind != served")]
    pub layers: usize,
    /// The policy that another program serves.
    #[setting(group, needs = "kind = served")]
    pub served: ServedConfig,
    /// Non-linearity between layers.
    #[setting(
        value = Activation::Relu, paper = Activation::Mish, source = "DPPO",
        needs = "kind != served"
    )]
    pub activation: Activation,
    /// Whether pairs of hidden layers become residual blocks x + W2 act(W1 act(x)); then `layers`
    /// is odd.
    #[setting(
        value = false,
        paper = true,
        source = "DPPO",
        needs = "kind = gaussian | flow | diffusion | squashed"
    )]
    pub residual: bool,
    /// What makes numbers of the pictures, where there are any (`env.image_size`). It learns with
    /// the policy.
    #[setting(
        value = ImageEncoderKind::Keypoints, paper = ImageEncoderKind::Resnet,
        source = "PostBC's Libero and WidowX policies; DPPO's and IBRL's: `vit`",
        needs = "kind = gaussian | flow | diffusion | squashed"
    )]
    pub encoder: ImageEncoderKind,
    /// Length of the time embedding (flow and diffusion), even.
    #[setting(
        range = 4..=1024, value = 16,
        source = "DPPO: 16 for Lift and Can, 32 for Square and Transport",
        needs = "kind = flow | flow-transformer | diffusion"
    )]
    pub time_dim: usize,
    /// Noise levels that a diffusion policy learns.
    #[setting(
        range = 1..=1000, value = 20, paper = 100,
        source = "PostBC; DPPO's state policies: 20",
        needs = "kind = diffusion"
    )]
    pub denoising_steps: usize,
    /// How a diffusion policy is sampled.
    #[setting(
        value = Sampler::Ddim, source = "PostBC's DSRL runs; its DPPO runs: `ddpm`",
        needs = "kind = diffusion"
    )]
    pub sampler: Sampler,
    /// Steps from noise to actions: Euler's for a flow, DDIM's for a diffusion policy. DDPM ignores
    /// it: it takes all `denoising_steps`.
    #[setting(
        range = 1..=1000, value = 8, source = "PostBC",
        needs = "kind = flow | flow-transformer or kind = diffusion and sampler = ddim"
    )]
    pub inference_steps: usize,
}

impl PolicyConfig {
    /// Says in one sentence which settings exclude each other, if any do.
    pub fn check(&self) -> Result<()> {
        if self.kind == PolicyKind::FlowTransformer && !self.hidden.is_multiple_of(HEAD) {
            return Err(Error::input(format!(
                "policy.hidden is {}, but the tokens of a transformer are shared by heads of \
                 {HEAD} numbers: set it to a multiple of that",
                self.hidden
            )));
        }
        let layers = self.layers;
        let time_dim = self.time_dim;
        let steps = self.inference_steps;
        let times = self.denoising_steps;
        if self.residual && layers.is_multiple_of(2) {
            return Err(Error::input(format!(
                "policy.layers is {layers}, but with policy.residual it must be odd: one layer, \
                 and two for each block"
            )));
        }
        if !time_dim.is_multiple_of(2) {
            return Err(Error::input(format!(
                "policy.time_dim is {time_dim}, but must be even: half are sines, half cosines"
            )));
        }
        if (self.kind, self.sampler) == (PolicyKind::Diffusion, Sampler::Ddim) && steps > times {
            return Err(Error::input(format!(
                "policy.inference_steps is {steps}, but DDIM cannot take more steps than \
                 policy.denoising_steps, which is {times}"
            )));
        }
        Ok(())
    }

    /// Whether it reads what cameras see, where there are any.
    pub(crate) fn sees(&self) -> bool {
        match self.kind {
            PolicyKind::FlowTransformer | PolicyKind::Served => true,
            _ => self.encoder != ImageEncoderKind::None,
        }
    }

    /// Pixels along each side that a picture has at least, where it sees any.
    pub(crate) fn smallest_image(&self) -> usize {
        match self.kind {
            PolicyKind::FlowTransformer => SMALLEST_IMAGE,
            PolicyKind::Served => 0,
            _ => self.encoder.smallest_image(),
        }
    }

    /// Fresh image encoders for the cameras that a perceptron reads.
    fn image_encoder(&self, reads: &ObsSpec, rng: &mut Rng, device: &Device) -> Vec<ImageEncoder> {
        match self.kind {
            PolicyKind::FlowTransformer | PolicyKind::Served => Vec::new(),
            _ => ImageEncoder::of(&reads.cameras, self.encoder, reads.numbers(), rng, device),
        }
    }

    /// Heads of a transformer's attention.
    pub(super) fn heads(&self) -> usize {
        (self.hidden / HEAD).max(1)
    }
}

/// Numbers of a transformer's token that a head of its attention has to itself.
const HEAD: usize = 32;

/// Sizes of a policy's input and output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// Numbers of an observation: the state, and a one-hot task.
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

/// A network that turns normalized observations and noise into normalized action chunks.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it per policy, and modules cannot be boxed"
)]
pub enum Net {
    /// See [`Gaussian`].
    Gaussian(Gaussian),
    /// See [`Flow`].
    Flow(Flow),
    /// See [`Diffusion`].
    Diffusion(Diffusion),
    /// See [`Squashed`].
    Squashed(Squashed),
    /// See [`Served`].
    Served(Served),
}

impl Net {
    fn new(
        config: &PolicyConfig,
        reads: &ObsSpec,
        sizes: Sizes,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let encoder = config.image_encoder(reads, rng, device);
        match config.kind {
            PolicyKind::Gaussian => {
                Self::Gaussian(Gaussian::new(config, encoder, sizes, rng, device))
            }
            PolicyKind::Flow | PolicyKind::FlowTransformer => {
                Self::Flow(Flow::new(config, encoder, reads, sizes, rng, device))
            }
            PolicyKind::Diffusion => {
                Self::Diffusion(Diffusion::new(config, encoder, sizes, rng, device))
            }
            PolicyKind::Squashed => {
                Self::Squashed(Squashed::new(config, encoder, sizes, rng, device))
            }
            PolicyKind::Served => Self::Served(Served::unconnected()),
        }
    }

    /// Observations as everything behind the image encoders reads them: the numbers, then what the
    /// encoders find in the pictures. Without pictures, and of a transformer, which makes tokens of
    /// them, they stay as they are; so what was encoded once can be given in place of observations.
    pub(crate) fn encode(&self, obs: Observations) -> Observations {
        let encoders = self.image_encoders();
        match encoders.is_empty() {
            true => obs,
            false => obs.encoded(encoders),
        }
    }

    /// One for each camera that is read, unless it is read otherwise.
    pub(crate) fn image_encoders(&self) -> &[ImageEncoder] {
        match self {
            Self::Gaussian(net) => &net.image_encoder,
            Self::Flow(net) => &net.image_encoder,
            Self::Diffusion(net) => &net.image_encoder,
            Self::Squashed(net) => &net.image_encoder,
            Self::Served(_) => &[],
        }
    }

    /// See [`Policy::features`].
    pub(crate) fn features(&self, obs: Observations) -> Tensor<2> {
        let obs = self.encode(obs);
        match self {
            Self::Flow(net) => net.features(obs),
            _ => obs.numbers,
        }
    }

    /// See [`Policy::chain_len`].
    pub(crate) fn chain_len(&self) -> usize {
        match self {
            Self::Gaussian(_) | Self::Squashed(_) | Self::Served(_) => 0,
            Self::Flow(net) => net.chain_len(),
            Self::Diffusion(net) => net.chain_len(),
        }
    }

    /// The deterministic part of sampling and, with DDPM, its draws, for some of the steps only:
    /// from the latents `x` before the first of `steps` to those after the last. `noise` is that of
    /// the whole chain; see [`Policy::sample`]. A Gaussian has none.
    pub(crate) fn sample_steps(
        &self,
        steps: Range<usize>,
        obs: Tensor<2>,
        x: Tensor<2>,
        noise: &Tensor<2>,
    ) -> Tensor<2> {
        match self {
            Self::Gaussian(_) | Self::Squashed(_) | Self::Served(_) => x,
            Self::Flow(net) => net.sample_steps(steps, obs.into(), x),
            Self::Diffusion(net) => net.sample_steps(steps, obs, x, noise),
        }
    }

    /// See [`Policy::denoise`].
    pub(crate) fn denoise(
        &self,
        obs: Tensor<2>,
        x: Tensor<2>,
        steps: &[usize],
    ) -> (Tensor<2>, Vec<f32>) {
        match self {
            Self::Gaussian(_) | Self::Squashed(_) | Self::Served(_) => (x, vec![0.0; steps.len()]),
            Self::Flow(net) => (net.denoise(obs, x, steps), vec![0.0; steps.len()]),
            Self::Diffusion(net) => net.denoise(obs, x, steps),
        }
    }
}

/// A policy: the network and the scales of its input and output.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The network, on normalized values.
    pub net: Net,
    /// Scale of observations.
    pub obs_scale: Normaliser,
    /// Scale of action chunks.
    pub act_scale: Normaliser,
    /// Sizes.
    pub sizes: Sizes,
    /// The fields of an observation that it reads.
    pub reads: ObsSpec,
}

impl Policy {
    /// A policy with fresh weights, for observations of this spec and actions of `act` numbers. A
    /// `device` with autodiff makes it trainable.
    pub fn new(
        config: &PolicyConfig,
        reads: &ObsSpec,
        act: usize,
        scales: Scales,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let sizes = Sizes {
            obs: reads.numbers(),
            act,
            chunk: config.chunk,
        };
        Self {
            net: Net::new(config, reads, sizes, rng, device),
            obs_scale: scales.0,
            act_scale: scales.1,
            sizes,
            reads: reads.clone(),
        }
    }

    /// Observations as its network reads them: the numbers normalized, and the pictures of the
    /// cameras that it knows. On `device`, without gradients.
    ///
    /// # Panics
    /// When the observations lack one of its cameras.
    pub fn observe(&self, obs: &ObsBatch, device: &Device) -> Observations {
        Observations::new(
            self.obs_scale.apply(&obs.numbers()),
            self.sizes.obs,
            obs.seen_by(&self.reads.cameras),
            &device.clone().without_autodiff(),
        )
    }

    /// What the network makes of observations before it decides, without gradients where it is
    /// frozen: `[N, features]`, the normalized numbers and then what its image encoders find in
    /// pictures, or the tokens that a transformer makes of them. Without cameras those are the
    /// numbers. It is the same for every step from noise to actions.
    ///
    /// Of a policy with image encoders the features can stand for observations, here and in
    /// [`Policy::sample`]: states of so many numbers, without pictures.
    ///
    /// # Panics
    /// When the observations lack some of its cameras.
    pub fn features(&self, obs: &ObsBatch, device: &Device) -> Tensor<2> {
        let were_encoded = !self.reads.cameras.is_empty() && obs.images().is_empty();
        if were_encoded {
            let device = device.clone().without_autodiff();
            return nn::matrix(obs.numbers(), self.features_len(), &device);
        }
        self.net.features(self.observe(obs, device))
    }

    /// Numbers of a row of [`Policy::features`], of a policy with image encoders or without
    /// cameras.
    pub fn features_len(&self) -> usize {
        body::features(self.sizes, self.net.image_encoders())
    }

    /// Fresh image encoders of the kind that it has, for a network beside it; none where it has
    /// none.
    pub(crate) fn fresh_image_encoders(&self, rng: &mut Rng, device: &Device) -> Vec<ImageEncoder> {
        let first = self.net.image_encoders().first();
        let kind = first.map_or(ImageEncoderKind::None, ImageEncoder::kind);
        ImageEncoder::of(&self.reads.cameras, kind, self.sizes.obs, rng, device)
    }

    /// Replaces the network by a connection to a served policy, for observations of this spec.
    #[must_use]
    pub(crate) fn served_by(self, remote: Remote, reads: ObsSpec) -> Self {
        Self {
            net: Net::Served(Served::by(remote)),
            reads,
            ..self
        }
    }

    /// Length of the noise vector per decision: none where another program draws it; else that of a
    /// chunk, times `denoising_steps + 1` where DDPM draws after every step.
    pub fn noise_len(&self) -> usize {
        match &self.net {
            Net::Gaussian(_) | Net::Flow(_) | Net::Squashed(_) => self.sizes.chunk_len(),
            Net::Diffusion(net) => net.noise_len(),
            Net::Served(_) => 0,
        }
    }

    /// Steps of the chain of latents that turns noise into a chunk, as finetuning sees it (DPPO):
    /// `denoising_steps` with DDPM, `inference_steps` with DDIM and for a flow. 0 for a Gaussian,
    /// squashed or not, which is no chain.
    pub(crate) fn chain_len(&self) -> usize {
        self.net.chain_len()
    }

    /// One step of that chain, for rows of normalized observations `[batch, obs]` and latents
    /// `[batch, chunk * act]`, each at a step of its own (0 begins with pure noise, all are below
    /// [`Policy::chain_len`]).
    ///
    /// The next latent is drawn from a Gaussian: given are its mean `[batch, chunk * act]`,
    /// differentiable in the weights, and per row the standard deviation of the sampler's schedule.
    /// With DDPM that is the posterior's; with DDIM that of eta = 1, although sampling has eta = 0;
    /// for a flow it is 0. It is 0 in the last step of each, too: a finetuner sets a floor of its
    /// own. The predicted chunk inside of a diffusion step is clipped to ±1, the mean is not. A
    /// Gaussian policy gives back `x`.
    pub(crate) fn denoise(
        &self,
        obs: Tensor<2>,
        x: Tensor<2>,
        steps: &[usize],
    ) -> (Tensor<2>, Vec<f32>) {
        self.net.denoise(obs, x, steps)
    }

    /// Normalized observations of obs numbers, with pictures where there is a view, and noise
    /// `[batch, noise]` to normalized chunks `[batch, chunk * act]`, clipped to ±1. The noise of
    /// DDPM is the first latent, then the draw after each step in turn; the last is not used, as in
    /// DPPO.
    pub fn sample(&self, obs: impl Into<Observations>, noise: Tensor<2>) -> Tensor<2> {
        // Pictures are encoded once, whatever number of steps follows.
        let obs = self.net.encode(obs.into());
        let actions = match &self.net {
            Net::Gaussian(net) => net.sample(obs.numbers, noise),
            Net::Flow(net) => net.sample(obs, noise),
            Net::Diffusion(net) => net.sample(obs.numbers, noise),
            Net::Squashed(net) => net.sample(obs.numbers, noise),
            Net::Served(_) => unreachable!(
                "the configuration is checked: a served policy only acts, by Policy::act"
            ),
        };
        actions.clamp(-1.0, 1.0)
    }

    /// The cloning loss on normalized rows; `rng` draws what the loss needs (times and noise, for
    /// flow and diffusion).
    pub fn loss(
        &self,
        obs: impl Into<Observations>,
        chunks: Tensor<2>,
        rng: &mut Rng,
    ) -> Tensor<1> {
        let obs = self.net.encode(obs.into());
        match &self.net {
            Net::Gaussian(net) => net.loss(obs.numbers, chunks),
            Net::Flow(net) => net.loss(obs, chunks, rng),
            Net::Diffusion(net) => net.loss(obs.numbers, chunks, rng),
            Net::Squashed(net) => net.loss(obs.numbers, chunks),
            Net::Served(_) => unreachable!(
                "the configuration is checked: a served policy only acts, by Policy::act"
            ),
        }
    }

    /// Raw observations and noise rows to raw action rows (`chunk * act` each, within ±1), on the
    /// host.
    ///
    /// # Errors
    /// When the device or the serving program fails.
    pub async fn act(&self, obs: &ObsBatch, noise: Vec<f32>, device: &Device) -> Result<Vec<f32>> {
        if let Net::Served(served) = &self.net {
            return served.chunks(obs);
        }
        let noise = nn::matrix(noise, self.noise_len(), &device.clone().without_autodiff());
        let chunks = self.sample(self.observe(obs, device), noise);
        self.actions(chunks).await
    }

    /// Normalized chunks `[batch, chunk * act]`, clipped to ±1, as raw action rows within ±1, on
    /// the host.
    pub async fn actions(&self, chunks: Tensor<2>) -> Result<Vec<f32>> {
        let chunks = nn::read(chunks.clamp(-1.0, 1.0)).await?;
        Ok(self
            .act_scale
            .invert(&chunks)
            .into_iter()
            .map(|a| a.clamp(-1.0, 1.0))
            .collect())
    }

    /// The same policy without gradients, for acting.
    pub fn frozen(&self) -> Self {
        Self {
            net: self.net.valid(),
            ..self.clone()
        }
    }

    /// Writes weights and scales into the archive under `prefix`.
    pub async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        archive.put_value(format!("{prefix}/sizes"), &self.sizes)?;
        archive.put_value(format!("{prefix}/reads"), &self.reads)?;
        let scales = (self.obs_scale.clone(), self.act_scale.clone());
        save_scales(&scales, prefix, archive);
        params::save(&self.net, prefix, archive).await
    }

    /// Restores what [`Policy::save`] wrote with the same settings.
    ///
    /// # Errors
    /// When the archive lacks the policy or holds one of other sizes.
    pub fn load(
        config: &PolicyConfig,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let (obs_scale, act_scale, sizes) = load_scales_and_sizes(prefix, archive)?;
        let reads = load_spec(prefix, archive, sizes)?;
        let chunk_len = sizes.act.saturating_mul(sizes.chunk);
        let fits = reads.numbers() == sizes.obs
            && obs_scale.dim() == sizes.obs
            && act_scale.dim() == chunk_len;
        let smallest = config.smallest_image();
        let visible = |camera: &ImageSpec| camera.is_possible(smallest);
        let sees = reads.cameras.iter().all(visible);
        if !fits || !sees || sizes.chunk != config.chunk {
            return Err(Error::input(format!(
                "the checkpoint's {prefix} has sizes that disagree: use an undamaged checkpoint"
            )));
        }
        let mut policy = Self::new(
            config,
            &reads,
            sizes.act,
            (obs_scale, act_scale),
            &mut Rng::new(0, "unused", 0),
            device,
        );
        policy.net = params::load(policy.net, prefix, archive)?;
        Ok(policy)
    }
}

/// Whether the archive holds a policy under `prefix`.
pub(crate) fn is_saved(prefix: &str, archive: &Archive) -> bool {
    archive.contains(&format!("{prefix}/sizes")) || archive.contains(&format!("{prefix}/scales"))
}

/// The scales of observations and action chunks, and the sizes. In archives of version 1 they are
/// one blob.
fn load_scales_and_sizes(
    prefix: &str,
    archive: &Archive,
) -> Result<(Normaliser, Normaliser, Sizes)> {
    if archive.version() == 1 {
        return archive.get(&format!("{prefix}/scales"));
    }
    let (obs_scale, act_scale) = load_scales(prefix, archive)?;
    let sizes = archive.value(&format!("{prefix}/sizes"))?;
    Ok((obs_scale, act_scale, sizes))
}

/// Writes the scales of observations and action chunks into the archive under `prefix`.
pub(crate) fn save_scales(scales: &Scales, prefix: &str, archive: &mut Archive) {
    scales.0.save(&format!("{prefix}/obs_scale"), archive);
    scales.1.save(&format!("{prefix}/act_scale"), archive);
}

/// Restores what [`save_scales`] wrote.
pub(crate) fn load_scales(prefix: &str, archive: &Archive) -> Result<Scales> {
    let obs_scale = Normaliser::load(&format!("{prefix}/obs_scale"), archive)?;
    let act_scale = Normaliser::load(&format!("{prefix}/act_scale"), archive)?;
    Ok((obs_scale, act_scale))
}

/// What the policy reads of observations. Before version 3 its settings said that.
fn load_spec(prefix: &str, archive: &Archive, sizes: Sizes) -> Result<ObsSpec> {
    let spec = if archive.version() < 3 {
        spec_by_settings(&archive.config()?, sizes)
    } else {
        archive.value(&format!("{prefix}/reads"))?
    };
    spec.check()?;
    Ok(spec)
}

fn spec_by_settings(config: &Value, sizes: Sizes) -> ObsSpec {
    let number = |path: &str| {
        let value = config.pointer(path).and_then(Value::as_u64);
        value.map_or(0, |value| value as usize)
    };
    let tasks = number("/policy/labels");
    ObsSpec {
        state: sizes.obs.saturating_sub(tasks),
        tasks,
        cameras: ImageSpec::unnamed(number("/policy/view/size"), number("/policy/view/stack")),
    }
}

#[cfg(test)]
mod tests;
