//! What the networks read: an observation, and the pretrained policy's action of the step.

use crate::data::{Normaliser, SequenceBatch};
use crate::nn::{self, Keypoints, Observations};
use crate::obs::{ImageSpec, ObsBatch};
use crate::policy::{Policy, Sizes};
use crate::rl::{StateAction, TdBatch};
use burn::tensor::{Device, Tensor};

/// The least range in which an observed number counts, as a share of the widest: in a few
/// demonstrations some numbers hardly vary, and blown up to [-1, 1] they would tell practice from
/// demonstrations better than what matters does.
const LEAST_RANGE: f64 = 0.1;

/// N rows on the host.
pub(crate) struct RawInputs {
    /// N observations.
    pub(crate) obs: ObsBatch,
    /// The pretrained policy's actions: N x act.
    pub(crate) base: Vec<f32>,
}

/// Makes inputs of networks, on a device without gradients.
#[derive(Clone)]
pub(crate) struct InputReader {
    /// Scales observations.
    pub(crate) scale: Normaliser,
    /// Of the pretrained policy.
    pub(crate) sizes: Sizes,
    /// What sees.
    pub(crate) cameras: Vec<ImageSpec>,
    /// Without gradients.
    pub(crate) device: Device,
}

/// N decisions on the device, demonstrated ones first, without gradients.
pub(crate) struct Transitions {
    /// Of obs + act numbers.
    pub x: Observations,
    /// The actor's own action: `[N, act]`.
    pub u: Tensor<2>,
    /// What was seen next.
    pub(crate) next_x: Observations,
    /// The actor's own action then, where it is known: `[N, act]`.
    pub(crate) next_u: Tensor<2>,
    /// The task's rewards: `[N]`.
    pub rewards: Tensor<1>,
    /// 0 where nothing can be earned afterwards, else 1: `[N]`.
    pub(crate) not_done: Tensor<1>,
    /// How many of them were demonstrated.
    pub(crate) n_demos: usize,
}

impl InputReader {
    /// For a policy: observations are scaled as it scales them, but no number in a range that is
    /// all too small.
    pub(crate) fn new(policy: &Policy, cameras: &[ImageSpec], device: &Device) -> Self {
        Self {
            scale: policy.obs_scale.with_min_range(LEAST_RANGE as f32),
            sizes: policy.sizes,
            cameras: cameras.to_vec(),
            device: device.clone().without_autodiff(),
        }
    }

    /// Numbers of an input: an observation's and an action's.
    pub(crate) fn width(&self) -> usize {
        self.sizes.obs + self.sizes.act
    }

    /// Numbers that encoders make of the pictures of an observation.
    pub(crate) fn keypoints(&self) -> usize {
        self.cameras.len() * Keypoints::WIDTH
    }

    /// Inputs of networks: raw observations, N, and the pretrained policy's actions beside them,
    /// N x act. Observations may be those of a `FrozenEncoder`.
    pub(crate) fn observations(&self, obs: &ObsBatch, base: &[f32]) -> Observations {
        let base = self.matrix(base.to_vec(), self.sizes.act);
        let is_encoded = obs.images().is_empty() && !self.cameras.is_empty();
        let seen = match is_encoded {
            true => self.encoded(&obs.numbers()),
            false => {
                let numbers = self.scale.apply(&obs.numbers());
                let images = obs.seen_by(&self.cameras);
                Observations::new(numbers, self.sizes.obs, images, &self.device)
            }
        };
        seen.with(base)
    }

    /// Inputs of rows of keypoints and numbers.
    fn encoded(&self, rows: &[f32]) -> Observations {
        let keypoints = self.keypoints();
        let rows = rows.chunks(keypoints + self.sizes.obs);
        let seen = rows.clone().flat_map(|row| &row[..keypoints]);
        let numbers = rows.flat_map(|row| &row[keypoints..]);
        let numbers = self.scale.apply(&numbers.copied().collect::<Vec<f32>>());
        Observations::with_keypoints(
            self.matrix(numbers, self.sizes.obs),
            self.matrix(seen.copied().collect(), keypoints),
        )
    }

    /// Rows of `width` numbers as they are.
    pub(crate) fn matrix(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        nn::matrix(values, width, &self.device)
    }

    /// A batch of single decisions, of which the first `n_demos` were demonstrated.
    pub(crate) fn transitions(&self, batch: &SequenceBatch, n_demos: usize) -> Transitions {
        let n = batch.len();
        let act = self.sizes.act;
        let both = self.matrix(batch.actions.clone(), 2 * act);
        let column = |values: &[f32]| self.matrix(values.to_vec(), 1).squeeze_dim::<1>(1);
        let (base, next_base) = batch.base_actions.split_at(n * act);
        Transitions {
            x: self.observations(&batch.obs.slice(0..n), base),
            u: both.clone().narrow(1, 0, act),
            next_x: self.observations(&batch.obs.slice(n..2 * n), next_base),
            next_u: both.narrow(1, act, act),
            rewards: column(&batch.rewards),
            not_done: column(&batch.done).neg() + 1.0,
            n_demos,
        }
    }
}

impl Transitions {
    /// How many there are, N.
    pub fn len(&self) -> usize {
        self.x.rows()
    }

    /// What was done.
    pub(crate) fn state_action(&self) -> StateAction {
        StateAction {
            state: self.x.clone(),
            action: self.u.clone(),
        }
    }

    /// What the value afterwards counts: gamma, or 0 after the end. `[N]`.
    pub(crate) fn discounts(&self, gamma: f64) -> Tensor<1> {
        self.not_done.clone() * gamma
    }

    /// What critics learn of them, where `next_u` is what is done next and `reward` what is earned.
    pub(crate) fn td_batch(&self, next_u: Tensor<2>, reward: Tensor<1>, gamma: f64) -> TdBatch {
        TdBatch {
            now: self.state_action(),
            next: StateAction {
                state: self.next_x.clone(),
                action: next_u,
            },
            reward,
            discount: self.discounts(gamma),
        }
    }
}
