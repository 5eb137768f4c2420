//! The critic of DPPO: V at an observation.

use crate::nn::{Activation, ImageEncoder, Observations, Residual};
use crate::policy::Policy;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Bound of the scaled observations that the critic reads. A number that hardly varies in
/// demonstrations, such as the quaternion of a cube that never tips over, is scaled up a
/// hundredfold once it does, and one such decision would outweigh all others.
const FURTHEST: f64 = 5.0;

/// A residual network (DPPO), and for each camera an image encoder of its own, of the policy's kind
/// (`critic.py`, `ViTCritic`).
#[derive(Module, Debug)]
pub(super) struct Critic {
    image_encoder: Vec<ImageEncoder>,
    bare: Residual,
}

impl Critic {
    /// Fresh weights, for the observations that a policy reads.
    pub(super) fn new(policy: &Policy, hidden: usize, rng: &mut Rng, device: &Device) -> Self {
        let sizes = [policy.features_len(), hidden, hidden, hidden, 1];
        let bare = Residual::new(&sizes, Activation::Mish, rng, device);
        Self {
            image_encoder: policy.fresh_image_encoders(rng, device),
            bare,
        }
    }

    /// V at normalized observations: `[batch, 1]`.
    pub(super) fn forward(&self, obs: Observations) -> Tensor<2> {
        let seen = Observations {
            numbers: obs.numbers.clamp(-FURTHEST, FURTHEST),
            ..obs
        };
        let encoded = seen.encoded(&self.image_encoder);
        self.bare.forward(encoded.numbers)
    }
}

/// Half the mean squared error at normalized observations against returns `[batch, 1]`.
pub(super) fn loss(critic: &Critic, obs: Observations, returns: Tensor<2>) -> Tensor<1> {
    let error = critic.forward(obs) - returns;
    error.square().mean().mul_scalar(0.5)
}
