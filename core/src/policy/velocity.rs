//! The velocity of a flow: a perceptron over everything at once, or a transformer over tokens.

use super::body::Body;
use super::{PolicyConfig, PolicyKind, Sizes};
use crate::nn::{Linear, Observations, Patches, Pictures, Transformer};
use crate::obs::ObsSpec;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Latents `[batch, chunk * act]`, times `[batch, time_dim]` and observations `[batch, obs]` to
/// `[batch, chunk * act]`.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one of it per policy, and modules cannot be boxed"
)]
pub(crate) enum Velocity {
    /// See [`Body`].
    Body(Body),
    /// See [`Tokens`].
    Tokens(Tokens),
}

impl Velocity {
    pub(super) fn new(
        config: &PolicyConfig,
        reads: &ObsSpec,
        (sizes, features): (Sizes, usize),
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        match config.kind {
            PolicyKind::FlowTransformer => {
                Self::Tokens(Tokens::new(config, reads, sizes, rng, device))
            }
            _ => Self::Body(Body::new(
                sizes.chunk_len() + config.time_dim + features,
                config,
                sizes.chunk_len(),
                rng,
                device,
            )),
        }
    }

    /// Encodes observations, which do not depend on the time: once for all Euler steps.
    pub(super) fn read(&self, obs: Observations) -> Context {
        match self {
            Self::Body(_) => Context::Numbers(obs.numbers),
            Self::Tokens(net) => Context::Tokens(net.read(obs)),
        }
    }

    /// What of observations a network beside this one can read: the numbers, and the tokens of
    /// pictures.
    pub(super) fn features(&self, obs: Observations) -> Tensor<2> {
        match self {
            Self::Body(_) => obs.numbers,
            Self::Tokens(net) => net.features(obs),
        }
    }

    pub(super) fn forward(&self, x: Tensor<2>, time: Tensor<2>, context: &Context) -> Tensor<2> {
        match (self, context) {
            (Self::Body(net), Context::Numbers(obs)) => {
                net.forward(Tensor::cat(vec![x, time, obs.clone()], 1))
            }
            (Self::Tokens(net), Context::Tokens(tokens)) => net.forward(x, time, tokens.clone()),
            _ => unreachable!("a context is what the same velocity has read"),
        }
    }
}

/// Observations as a velocity has read them.
pub(super) enum Context {
    /// `[batch, obs]`.
    Numbers(Tensor<2>),
    /// `[batch, tokens, width]`.
    Tokens(Tensor<3>),
}

/// A transformer with a token for the state, one for the task where several are learned together,
/// some for pictures, and one for each action of the chunk, which also carries the flow's time and
/// its own position; after the action expert of pi-0 (Black et al. 2024), in small.
#[derive(Module, Debug)]
pub struct Tokens {
    task: Option<Linear>,
    /// One for each camera.
    pictures: Vec<Patches>,
    state: Linear,
    action: Linear,
    time: Linear,
    /// Position embeddings of the actions: `[1, chunk, width]`.
    places: Param<Tensor<3>>,
    transformer: Transformer,
    out: Linear,
    act: usize,
    tasks: usize,
}

impl Tokens {
    fn new(
        config: &PolicyConfig,
        reads: &ObsSpec,
        sizes: Sizes,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let PolicyConfig {
            hidden: width,
            layers,
            time_dim,
            ..
        } = *config;
        let tasks = reads.tasks;
        // Position embeddings begin small, with the usual standard deviation of 0.02.
        let places = rng
            .normals(sizes.chunk * width)
            .into_iter()
            .map(|z| 0.02 * z)
            .collect::<Vec<f32>>();
        Self {
            task: (tasks > 0).then(|| Linear::new(tasks, width, rng, device)),
            pictures: reads
                .cameras
                .iter()
                .map(|camera| Patches::new(camera.channels(), camera.size, width, rng, device))
                .collect(),
            state: Linear::new(reads.state, width, rng, device),
            action: Linear::new(sizes.act, width, rng, device),
            time: Linear::new(time_dim, width, rng, device),
            places: Param::from_data(TensorData::new(places, [1, sizes.chunk, width]), device),
            transformer: Transformer::new(layers, width, config.heads(), rng, device),
            out: Linear::new(width, sizes.act, rng, device),
            act: sizes.act,
            tasks,
        }
    }

    /// Tokens of observations: `[batch, tokens, width]`.
    fn read(&self, obs: Observations) -> Tensor<3> {
        let Observations {
            numbers, images, ..
        } = obs;
        let state = numbers.dims()[1] - self.tasks;
        // The state, the task, the pictures' places: the order does not matter, as every token sees
        // every other.
        let mut tokens = vec![
            self.state
                .forward(numbers.clone().narrow(1, 0, state))
                .unsqueeze_dim::<3>(1),
        ];
        if let Some(task) = &self.task {
            tokens.push(
                task.forward(numbers.narrow(1, state, self.tasks))
                    .unsqueeze_dim(1),
            );
        }
        tokens.extend(self.see(images));
        Tensor::cat(tokens, 1)
    }

    /// Tokens of each camera's pictures: `[batch, places, width]`.
    fn see(&self, images: Vec<Pictures>) -> impl Iterator<Item = Tensor<3>> {
        let seen = self.pictures.iter().zip(images);
        seen.map(|(patches, images)| patches.forward(images))
    }

    /// The numbers, and the tokens of pictures one after the other: `[batch, features]`.
    fn features(&self, obs: Observations) -> Tensor<2> {
        let Observations {
            numbers, images, ..
        } = obs;
        let mut parts = vec![numbers];
        parts.extend(self.see(images).map(|tokens| tokens.flatten(1, 2)));
        Tensor::cat(parts, 1)
    }

    fn forward(&self, x: Tensor<2>, time: Tensor<2>, read: Tensor<3>) -> Tensor<2> {
        let [batch, len] = x.dims();
        let [_, first, width] = read.dims();
        let chunk = len / self.act;
        let actions = self
            .action
            .forward(x.reshape([batch * chunk, self.act]))
            .reshape([batch, chunk, width]);
        // The time is added to every action, as one row for all of them.
        let actions = actions + self.places.val() + self.time.forward(time).unsqueeze_dim::<3>(1);
        // Only the actions' tokens are read out.
        let tokens = self
            .transformer
            .forward(Tensor::cat(vec![read, actions], 1))
            .narrow(1, first, chunk);
        self.out
            .forward(tokens.reshape([batch * chunk, width]))
            .reshape([batch, len])
    }
}
