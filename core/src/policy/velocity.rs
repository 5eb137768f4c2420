//! The velocity of a flow: a perceptron over everything at once, or a transformer over tokens.

use super::body::Body;
use super::{PolicyConfig, PolicyKind, Sizes};
use crate::nn::{Linear, Transformer};
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};

/// Latents `[batch, chunk * act]`, times `[batch, time_dim]` and observations `[batch, obs]` to `[batch, chunk * act]`.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of it per policy, and modules cannot be boxed")]
pub enum Velocity {
    /// See [`Body`].
    Body(Body),
    /// See [`Tokens`].
    Tokens(Tokens),
}

impl Velocity {
    pub(super) fn new(config: &PolicyConfig, sizes: Sizes, rng: &mut Rng, device: &Device) -> Self {
        match config.kind {
            PolicyKind::FlowTransformer => Self::Tokens(Tokens::new(config, sizes, rng, device)),
            _ => Self::Body(Body::new(sizes.chunk_len() + config.time_dim + sizes.obs, config, sizes.chunk_len(), rng, device)),
        }
    }

    pub(super) fn forward(&self, x: Tensor<2>, time: Tensor<2>, obs: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Body(net) => net.forward(Tensor::cat(vec![x, time, obs], 1)),
            Self::Tokens(net) => net.forward(x, time, obs),
        }
    }
}

/// A transformer with a token for the state, one for the task where several are learned together, and one for each action of the
/// chunk, which also knows the time of the flow and its place; as the action expert of pi-0 (Black et al. 2024), in small.
#[derive(Module, Debug)]
pub struct Tokens {
    task: Option<Linear>,
    state: Linear,
    action: Linear,
    time: Linear,
    /// Of the actions: `[1, chunk, width]`.
    places: Param<Tensor<3>>,
    transformer: Transformer,
    out: Linear,
    act: usize,
    labels: usize,
}

impl Tokens {
    fn new(config: &PolicyConfig, sizes: Sizes, rng: &mut Rng, device: &Device) -> Self {
        let PolicyConfig { hidden: width, layers, time_dim, labels, .. } = *config;
        let places = rng.normals(sizes.chunk * width).into_iter().map(|z| 0.02 * z).collect::<Vec<f32>>();
        Self {
            task: (labels > 0).then(|| Linear::new(labels, width, rng, device)),
            state: Linear::new(sizes.obs - labels, width, rng, device),
            action: Linear::new(sizes.act, width, rng, device),
            time: Linear::new(time_dim, width, rng, device),
            places: Param::from_data(TensorData::new(places, [1, sizes.chunk, width]), device),
            transformer: Transformer::new(layers, width, config.heads(), rng, device),
            out: Linear::new(width, sizes.act, rng, device),
            act: sizes.act,
            labels,
        }
    }

    fn forward(&self, x: Tensor<2>, time: Tensor<2>, obs: Tensor<2>) -> Tensor<2> {
        let ([batch, len], [_, numbers]) = (x.dims(), obs.dims());
        let (chunk, state) = (len / self.act, numbers - self.labels);
        let actions = self.action.forward(x.reshape([batch * chunk, self.act]));
        let width = actions.dims()[1];
        let actions = actions.reshape([batch, chunk, width]) + self.places.val() + self.time.forward(time).unsqueeze_dim::<3>(1);
        let mut tokens = vec![self.state.forward(obs.clone().narrow(1, 0, state)).unsqueeze_dim::<3>(1)];
        if let Some(task) = &self.task {
            tokens.push(task.forward(obs.narrow(1, state, self.labels)).unsqueeze_dim(1));
        }
        let first = tokens.len();
        tokens.push(actions);
        let tokens = self.transformer.forward(Tensor::cat(tokens, 1)).narrow(1, first, chunk);
        self.out.forward(tokens.reshape([batch * chunk, width])).reshape([batch, len])
    }
}
