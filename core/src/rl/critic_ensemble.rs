//! K critics as one network: categorical with batch normalization (XQC, Palenicek et al. 2025), or
//! scalar with layer normalization (RLPD, Ball et al. 2023) or without (SAC, Haarnoja et al. 2018).

use crate::nn::batch_normed::Pass;
use crate::nn::{Activation, Atoms, BatchNormed, Keypoints, Mlp, Observations, Statistics};
use crate::obs::ImageSpec;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::activation::softmax;
use burn::tensor::{Device, Tensor};

/// Rate at which running statistics follow (XQC: a momentum of 0.99).
const STATISTICS_RATE: f64 = 0.01;
/// Added to the mean square of a gradient, whose root has no derivative at 0.
const EPSILON: f64 = 1e-8;

/// What critics give, and how they are normalized.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CriticKind {
    /// A distribution over these atoms, under batch normalization, with unit weights.
    Categorical(Atoms),
    /// A number.
    Scalar {
        /// Under layer normalization.
        layer_norm: bool,
    },
}

/// What an ensemble is made with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CriticConfig {
    /// What they give.
    pub kind: CriticKind,
    /// How many there are, K.
    pub critics: usize,
    /// How many of them, drawn anew for each update, a target is the least of (REDQ, Chen et al.
    /// 2021). Categorical ones all count.
    pub target_critics: usize,
    /// Units per hidden layer.
    pub hidden: usize,
    /// Hidden layers.
    pub layers: usize,
    /// Adam's learning rate.
    pub lr: f64,
    /// Polyak rate of the slow copy, per update.
    pub target_rate: f64,
}

impl CriticConfig {
    /// Whether a target is the least of all critics.
    pub(super) fn all_count(&self) -> bool {
        let categorical = matches!(self.kind, CriticKind::Categorical(_));
        categorical || self.target_critics >= self.critics
    }
}

/// States and what is done in them: N of each.
#[derive(Debug, Clone)]
pub struct StateAction {
    /// What networks read.
    pub state: Observations,
    /// `[N, act]`.
    pub action: Tensor<2>,
}

impl StateAction {
    pub fn autodiff(self) -> Self {
        Self {
            state: self.state.autodiff(),
            action: self.action.autodiff(),
        }
    }
}

/// What critics learn from by temporal differences; all without gradients.
pub struct TdBatch {
    /// What was done.
    pub now: StateAction,
    /// What comes after it, with the actions that are taken then.
    pub next: StateAction,
    /// Earned at once: `[N]`.
    pub reward: Tensor<1>,
    /// What the value afterwards counts: gamma, or 0 after the end. `[N]`.
    pub(crate) discount: Tensor<1>,
}

/// K critics of states and actions, which share one image encoder.
#[derive(Module, Debug)]
pub(super) struct CriticEnsemble {
    image_encoder: Vec<Keypoints>,
    head: Head,
}

/// K critics of rows.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are two of it per learner, and modules cannot be boxed"
)]
enum Head {
    Categorical(Categorical),
    Scalar(Mlp),
}

/// Distributions over values, as logits of atoms.
#[derive(Module, Debug)]
struct Categorical {
    net: BatchNormed,
    #[module(skip)]
    atoms: Atoms,
}

/// What [`CriticEnsemble::errors`] gives, with gradients; and the pass, where it counts.
pub(super) struct Errors {
    pub(crate) td_error: Tensor<1>,
    pub(crate) gradient_norm: Tensor<1>,
    pub(crate) pass: Option<Pass>,
}

impl CriticEnsemble {
    pub(crate) fn new(
        config: &CriticConfig,
        width: usize,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let image_encoder = Keypoints::of(cameras, rng, device);
        let width = width + image_encoder.len() * Keypoints::WIDTH;
        let sizes = |outputs: usize| -> Vec<usize> {
            std::iter::once(width)
                .chain(std::iter::repeat_n(config.hidden, config.layers))
                .chain(std::iter::once(outputs))
                .collect()
        };
        let members = config.critics;
        let relu = Activation::Relu;
        let head = match config.kind {
            CriticKind::Categorical(atoms) => Head::Categorical(Categorical {
                net: BatchNormed::new(members, &sizes(atoms.count), rng, device),
                atoms,
            }),
            CriticKind::Scalar { layer_norm: true } => {
                Head::Scalar(Mlp::normed(members, &sizes(1), relu, rng, device))
            }
            CriticKind::Scalar { layer_norm: false } => {
                Head::Scalar(Mlp::new(members, &sizes(1), relu, rng, device))
            }
        };
        Self {
            image_encoder,
            head,
        }
    }

    /// Places that are seen, state and action side by side: `[N, places + width]`.
    fn rows(&self, StateAction { state, action }: &StateAction) -> Tensor<2> {
        let width = state.numbers.dims()[1];
        let state = state.clone().encode_with(&self.image_encoder, width);
        Tensor::cat(vec![state, action.clone()], 1)
    }

    /// Values, each on its own: `[K, N]`.
    pub(crate) fn values(&self, at: &StateAction) -> Tensor<2> {
        let rows = self.rows(at);
        match &self.head {
            Head::Categorical(Categorical { net, atoms }) => {
                atoms.mean(net.forward(rows, Statistics::Running).output)
            }
            Head::Scalar(net) => net.forward_shared(rows).squeeze_dim(2),
        }
    }

    /// What these critics, as the slow copy, say that a batch's values should be: distributions
    /// `[N, atoms]`, or numbers `[N, 1]`. The least of the `counting` ones, row by row; of
    /// categorical critics all count.
    pub(crate) fn targets(&self, batch: &TdBatch, counting: &[usize]) -> Tensor<2> {
        let TdBatch {
            now,
            next,
            reward,
            discount,
        } = batch;
        let next = self.rows(next);
        match &self.head {
            Head::Categorical(Categorical { net, atoms }) => {
                // Both halves in one batch: its statistics are those that the learner's own pass
                // has.
                let n = next.dims()[0];
                let both = Tensor::cat(vec![self.rows(now), next], 0);
                let logits = net.forward(both, Statistics::Batch).output.narrow(1, n, n);
                let least = of_the_least(atoms, logits);
                atoms.project(least, reward.clone(), discount.clone())
            }
            Head::Scalar(net) => {
                let counting = net.select(counting);
                let values: Tensor<2> = counting.forward_shared(next).squeeze_dim(2);
                let least = values.min_dim(0).squeeze_dim::<1>(0);
                (reward.clone() + discount.clone() * least).unsqueeze_dim(1)
            }
        }
    }

    /// The error of the values of `now` against `targets`, where `next` comes after it; how steep
    /// the first rows are along `directions` of states and actions (0 without); and what the pass
    /// has seen.
    pub(crate) fn errors(
        &self,
        [now, next]: [&StateAction; 2],
        targets: Tensor<2>,
        directions: Option<Tensor<2>>,
    ) -> Errors {
        let now = self.rows(now);
        let [n, _] = now.dims();
        let flat = Tensor::zeros([1], &now.device());
        match &self.head {
            Head::Categorical(Categorical { net, atoms }) => {
                let both = Tensor::cat(vec![now, self.rows(next)], 0);
                let directions = directions.map(|along| self.blindly(along));
                let pass = net.forward_along(both, directions, Statistics::Batch);
                let logits = pass.output.clone().narrow(1, 0, n);
                let gradient_norm = pass.change.clone().map_or(flat, |change| {
                    let first = logits.clone().narrow(1, 0, change.dims()[1]);
                    let slopes = atoms.mean_change(first, change);
                    (slopes.square().mean_dim(1) + EPSILON).sqrt().sum()
                });
                Errors {
                    td_error: Atoms::cross_entropy(logits, targets).mean_dim(1).sum(),
                    gradient_norm,
                    pass: Some(pass),
                }
            }
            Head::Scalar(net) => {
                let values: Tensor<2> = net.forward_shared(now).squeeze_dim(2);
                let errors = values - targets.transpose();
                Errors {
                    td_error: errors.square().mean_dim(1).sum(),
                    gradient_norm: flat,
                    pass: None,
                }
            }
        }
    }

    /// Directions of states and actions as those of rows: what is seen stays as it is.
    fn blindly(&self, along: Tensor<2>) -> Tensor<2> {
        let places = self.image_encoder.len() * Keypoints::WIDTH;
        if places == 0 {
            return along;
        }
        let still = Tensor::zeros([along.dims()[0], places], &along.device());
        Tensor::cat(vec![still, along], 1)
    }

    /// After a step of the optimizer: unit weights, and running statistics that follow.
    #[must_use]
    pub(crate) fn after_update(self, pass: Option<&Pass>) -> Self {
        let head = match (self.head, pass) {
            (Head::Categorical(Categorical { net, atoms }), Some(pass)) => {
                let net = net.projected().update_running_stats(pass, STATISTICS_RATE);
                Head::Categorical(Categorical { net, atoms })
            }
            (other, _) => other,
        };
        Self { head, ..self }
    }
}

/// Per row the distribution of the critic that expects least: `[K, N, atoms] -> [N, atoms]`.
fn of_the_least(atoms: &Atoms, logits: Tensor<3>) -> Tensor<2> {
    let values = atoms.mean(logits.clone());
    let least = values.clone().min_dim(0);
    let chosen = values
        .equal(least.expand([logits.dims()[0], logits.dims()[1]]))
        .float();
    let shares = chosen.clone() / chosen.sum_dim(0);
    (softmax(logits, 2) * shares.unsqueeze_dim(2))
        .sum_dim(0)
        .squeeze_dim(0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::data::Archive;
    use crate::nn::{self, gradient_check::worst_error_of_smooth, params};
    use pollster::block_on;

    pub(crate) const ATOMS: Atoms = Atoms {
        low: -2.0,
        high: 2.0,
        count: 7,
    };
    pub(crate) const ROWS: usize = 12;
    pub(crate) const CATEGORICAL: CriticKind = CriticKind::Categorical(ATOMS);
    pub const KINDS: [CriticKind; 3] = [
        CATEGORICAL,
        CriticKind::Scalar { layer_norm: true },
        CriticKind::Scalar { layer_norm: false },
    ];

    pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    pub fn config(kind: CriticKind) -> CriticConfig {
        CriticConfig {
            kind,
            critics: 2,
            target_critics: 2,
            hidden: 6,
            layers: 2,
            lr: 1e-3,
            target_rate: 0.1,
        }
    }

    pub fn batch(rng: &mut Rng) -> TdBatch {
        let device = Device::flex();
        let discount = Tensor::from_floats([0.9f32, 0.0].repeat(ROWS / 2).as_slice(), &device);
        let mut rows = |width: usize| nn::matrix(rng.normals(ROWS * width), width, &device);
        let mut state_action = || StateAction {
            state: rows(2).into(),
            action: rows(1),
        };
        let now = state_action();
        let next = state_action();
        TdBatch {
            now,
            next,
            reward: rows(1).squeeze_dim(1),
            discount,
        }
    }

    fn ensemble(kind: CriticKind, rng: &mut Rng) -> CriticEnsemble {
        let device = Device::flex().autodiff();
        let critics = CriticEnsemble::new(&config(kind), 3, &[], rng, &device);
        // As loaded: running statistics have a gradient, too, where something asks for one.
        let mut archive = Archive::new();
        block_on(params::save(&critics, "c", &mut archive)).unwrap();
        params::load(critics, "c", &archive).unwrap()
    }

    /// The loss of the critics, penalty on the action's gradient included, has the right gradient
    /// in every parameter, through the statistics of the crossed batch.
    #[test]
    fn the_critic_loss_has_the_right_gradient() {
        let device = Device::flex().autodiff();
        for kind in KINDS {
            let mut rng = Rng::new(1, "test", 0);
            let critics = ensemble(kind, &mut rng);
            let targets = critics
                .valid()
                .targets(&batch(&mut rng.clone()), &[0, 1])
                .autodiff();
            let TdBatch { now, next, .. } = batch(&mut rng);
            let now = now.autodiff();
            let next = next.autodiff();
            let directions = nn::matrix([0.0, 0.0, 1.0, 0.0, 0.0, -1.0].repeat(2), 3, &device);
            let error = worst_error_of_smooth(&critics, 4e-4, |critics| {
                let Errors {
                    td_error,
                    gradient_norm,
                    ..
                } = critics.errors([&now, &next], targets.clone(), Some(directions.clone()));
                // What has no part in it is given something to find.
                let rest = match &critics.head {
                    Head::Categorical(Categorical { net, .. }) => net.idle_sum() * 0.1,
                    Head::Scalar(_) => Tensor::zeros([1], &device),
                };
                td_error + gradient_norm * 0.7 + rest
            });
            assert!(error < 2e-2, "{kind:?}: {error}");
        }
    }

    /// A target is r + the discounted value of the lesser critic, and r alone after the end;
    /// distributions have that mean.
    #[test]
    fn a_target_is_what_the_lesser_critic_expects() {
        for kind in &KINDS[..2] {
            let mut rng = Rng::new(2, "test", 0);
            let critics = ensemble(*kind, &mut rng).valid();
            let mut batch = batch(&mut rng);
            batch.reward = batch.reward.clone() * 0.1;
            let targets = critics.targets(&batch, &[0, 1]);
            let reward = read(batch.reward.clone());
            let discount = read(batch.discount.clone());
            let both = vec![critics.rows(&batch.now), critics.rows(&batch.next)];
            let both = Tensor::cat(both, 0);
            let (values, found) = match &critics.head {
                Head::Categorical(Categorical { net, atoms }) => {
                    let values = read(atoms.mean(net.forward(both, Statistics::Batch).output));
                    let atoms: Vec<f32> = (0..7).map(|i| -2.0 + i as f32 * 4.0 / 6.0).collect();
                    let mean =
                        |row: &[f32]| row.iter().zip(&atoms).map(|(p, z)| p * z).sum::<f32>();
                    let found = read(targets).chunks(7).map(mean).collect::<Vec<_>>();
                    (values, found)
                }
                Head::Scalar(net) => (read(net.forward_shared(both)), read(targets)),
            };
            for row in 0..ROWS {
                let least = values[ROWS + row].min(values[3 * ROWS + row]);
                let expected = reward[row] + discount[row] * least;
                assert!(
                    (found[row] - expected).abs() < 1e-4,
                    "{kind:?} row {row}: {} {expected}",
                    found[row]
                );
            }
        }
    }

    /// The penalty is the root of the mean square of the value's slope along the directions, as
    /// differences find it.
    #[test]
    fn the_slope_is_that_of_differences() {
        let mut rng = Rng::new(3, "test", 0);
        let Head::Categorical(Categorical { net, atoms }) =
            ensemble(CATEGORICAL, &mut rng).valid().head
        else {
            panic!("these critics are categorical")
        };
        let x = nn::matrix(rng.normals(3 * ROWS), 3, &Device::flex());
        let v = nn::matrix([0.0, 0.0, 1.0].repeat(ROWS), 3, &Device::flex());
        let pass = net.forward_along(x.clone(), Some(v.clone()), Statistics::Running);
        let found = read(atoms.mean_change(pass.output, pass.change.unwrap()));
        let at = |step: f64| {
            let moved = x.clone() + v.clone() * step;
            read(atoms.mean(net.forward(moved, Statistics::Running).output))
        };
        let expected: Vec<f32> = at(1e-3)
            .into_iter()
            .zip(at(-1e-3))
            .map(|(a, b)| (a - b) / 2e-3)
            .collect();
        let close = found
            .iter()
            .zip(&expected)
            .filter(|(f, e)| (*f - *e).abs() < 5e-3)
            .count();
        // Where a ReLU bends between the two points, a difference is neither slope.
        assert!(close >= found.len() - 1, "{found:?} {expected:?}");
    }
}
