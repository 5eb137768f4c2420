//! The world model: encoder, latent dynamics, reward, critics; and the policy prior that lives in
//! its latent space.
//!
//! | part | td-mpc (MoDem, `algorithm/tdmpc.py`) | td-mpc2 (`tdmpc2/common/world_model.py`) |
//! |---|---|---|
//! | pictures | added to the numbers' latent, then one more network | the mean of both latents |
//! | latent | not normalized | groups of 8 on a simplex, after a layer normalization |
//! | hidden layers | ELU | layer normalization, Mish |
//! | critics | layer normalization and tanh first, then ELU | as the others |
//! | reward, value | one number | 101 bins of a symmetric logarithm |
//! | prior | tanh(mean) plus fixed noise | tanh of a Gaussian |

use super::config::{Backbone, SIMNORM, TdMpcConfig};
#[cfg(feature = "gpu")]
use crate::nn::gpu;
use crate::nn::{Activation, Convolutions, Initial, Mlp, Observations, TwoHot, simnorm};
use crate::obs::ImageSpec;
use crate::policy::Sizes;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use std::ops::Range;

/// Standard deviation of TD-MPC2's initial weights.
const INITIAL_STD: f64 = 0.02;

/// The encoder of a camera's pictures.
#[derive(Module, Debug)]
pub(crate) struct ImageEncoder {
    convolutions: Convolutions,
    /// From the sum of the latents so far and this one's to one (td-mpc).
    fuse: Option<Mlp>,
}

impl ImageEncoder {
    fn new(config: &TdMpcConfig, camera: &ImageSpec, rng: &mut Rng, device: &Device) -> Self {
        let TdMpcConfig {
            backbone,
            latent,
            encoder_hidden,
            ..
        } = *config;
        let normed = backbone == Backbone::TdMpc2;
        let channels = camera.channels();
        let convolutions = Convolutions::new(channels, camera.size, latent, normed, rng, device);
        match backbone {
            Backbone::TdMpc2 => Self {
                convolutions,
                fuse: None,
            },
            Backbone::TdMpc => {
                let fuse = Mlp::new(
                    1,
                    &[latent, encoder_hidden, latent],
                    Activation::Elu,
                    rng,
                    device,
                );
                Self {
                    convolutions: convolutions.orthogonal(rng),
                    fuse: Some(fuse.initialised(Initial::Orthogonal, rng)),
                }
            }
        }
    }
}

/// Encoder, dynamics, reward and critics.
#[derive(Module, Debug)]
pub struct WorldModel {
    /// Encoder h of an observation's numbers.
    pub encoder: Mlp,
    /// Encoders of its pictures, one for each camera. The name begins with `encoder`, by which the
    /// optimizer finds the encoder's learning rate.
    pub(crate) encoder_of_pictures: Vec<ImageEncoder>,
    /// Latent dynamics d: latent state and action to the next latent state.
    pub(crate) dynamics: Mlp,
    /// Reward head R: latent state and action to the reward.
    pub reward: Mlp,
    /// Critics Q: latent state and action to a value each.
    pub critics: Mlp,
    #[module(skip)]
    pub(super) backbone: Backbone,
    #[module(skip)]
    pub(super) cameras: Vec<ImageSpec>,
}

impl WorldModel {
    /// Fresh networks for observations and single actions of these sizes, and for these cameras.
    pub fn new(
        config: &TdMpcConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let numbers = Self::of_numbers(config, sizes, rng, device);
        let encoders = cameras.iter();
        Self {
            encoder_of_pictures: encoders
                .map(|camera| ImageEncoder::new(config, camera, rng, device))
                .collect(),
            cameras: cameras.to_vec(),
            ..numbers
        }
    }

    fn of_numbers(config: &TdMpcConfig, sizes: Sizes, rng: &mut Rng, device: &Device) -> Self {
        let TdMpcConfig {
            backbone,
            latent,
            hidden,
            encoder_hidden,
            critics,
            ..
        } = *config;
        let acting = latent + sizes.act;
        match backbone {
            Backbone::TdMpc2 => {
                // Encoder and dynamics end in a layer normalization, before SimNorm; reward and
                // critics begin at 0 (`common/world_model.py`, `__init__`).
                let how = Initial::Normal(INITIAL_STD);
                let bins = TwoHot::TD_MPC2.bins;
                let throughout = |sizes: &[usize], rng: &mut Rng| {
                    Mlp::normed_throughout(1, sizes, Activation::Mish, rng, device)
                        .initialised(how, rng)
                };
                let normed = |members: usize, sizes: &[usize], rng: &mut Rng| {
                    Mlp::normed(members, sizes, Activation::Mish, rng, device)
                        .initialised(how, rng)
                        .with_zero_output()
                };
                Self {
                    encoder: throughout(&[sizes.obs, encoder_hidden, latent], rng),
                    dynamics: throughout(&[acting, hidden, hidden, latent], rng),
                    reward: normed(1, &[acting, hidden, hidden, bins], rng),
                    critics: normed(critics, &[acting, hidden, hidden, bins], rng),
                    backbone,
                    encoder_of_pictures: Vec::new(),
                    cameras: Vec::new(),
                }
            }
            Backbone::TdMpc => {
                // Orthogonal weights; reward and critics begin at 0 (`algorithm/tdmpc.py`, `TOLD`).
                let how = Initial::Orthogonal;
                let plain = |sizes: &[usize], rng: &mut Rng| {
                    Mlp::new(1, sizes, Activation::Elu, rng, device).initialised(how, rng)
                };
                let critics = Mlp::normed_first(
                    critics,
                    &[acting, hidden, hidden, 1],
                    Activation::Elu,
                    rng,
                    device,
                );
                Self {
                    encoder: plain(&[sizes.obs, encoder_hidden, latent], rng),
                    dynamics: plain(&[acting, hidden, hidden, latent], rng),
                    reward: plain(&[acting, hidden, hidden, 1], rng).with_zero_output(),
                    critics: critics.initialised(how, rng).with_zero_output(),
                    backbone,
                    encoder_of_pictures: Vec::new(),
                    cameras: Vec::new(),
                }
            }
        }
    }

    /// Encodes observations: `[N, latent]`. With pictures, their latent and that of the numbers are
    /// added and go through one more network (td-mpc; MoDem, `algorithm/tdmpc.py`) or are averaged
    /// (td-mpc2; MoDem's version on TD-MPC2). Cameras join one after the other.
    pub fn encode(&self, obs: Observations) -> Tensor<2> {
        let Observations {
            numbers, images, ..
        } = obs;
        let proprio = self.normalize_latent(self.encoder.forward(numbers.unsqueeze_dim(0)));
        let sights = self.encoder_of_pictures.iter().zip(images);
        sights.fold(proprio, |known, (image_encoder, images)| {
            let image_latent =
                self.normalize_latent(image_encoder.convolutions.forward(images).unsqueeze_dim(0));
            match &image_encoder.fuse {
                Some(fuse) => fuse.forward_one(known + image_latent),
                None => (known + image_latent).mul_scalar(0.5),
            }
        })
    }

    /// Latent dynamics: latent states and actions `[N, latent + act]` to next latent states `[N,
    /// latent]`.
    pub fn next(&self, acting: Tensor<2>) -> Tensor<2> {
        self.normalize_latent(self.dynamics.forward(acting.unsqueeze_dim(0)))
    }

    /// SimNorm with td-mpc2, the identity with td-mpc.
    fn normalize_latent(&self, z: Tensor<3>) -> Tensor<2> {
        match self.backbone {
            Backbone::TdMpc => z,
            Backbone::TdMpc2 => simnorm(z, SIMNORM),
        }
        .squeeze_dim(0)
    }

    /// Predicted rewards: `[N]`.
    pub fn rewards(&self, acting: Tensor<2>) -> Tensor<1> {
        self.numbers(self.reward.forward(acting.unsqueeze_dim(0)))
            .squeeze_dim(0)
    }

    /// Outputs of a head `[K, N, bins or 1]` as numbers `[K, N]`.
    pub fn numbers(&self, outputs: Tensor<3>) -> Tensor<2> {
        match self.backbone {
            Backbone::TdMpc => outputs.squeeze_dim(2),
            Backbone::TdMpc2 => TwoHot::TD_MPC2.decode(outputs),
        }
    }

    /// Errors of a head's outputs `[K, N, bins or 1]` against numbers `[N]`: squares, or cross
    /// entropies. `[K, N]`.
    pub(crate) fn errors(&self, outputs: Tensor<3>, targets: Tensor<1>) -> Tensor<2> {
        match self.backbone {
            Backbone::TdMpc => (outputs.squeeze_dim::<2>(2) - targets.unsqueeze_dim(0)).square(),
            Backbone::TdMpc2 => TwoHot::TD_MPC2.errors(outputs, targets),
        }
    }
}

/// Latent states and actions side by side: `[N, latent + act]`.
pub fn acting(z: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if let Some(both) = gpu::beside(&z, &actions, 0..actions.dims()[1]) {
        return both;
    }
    Tensor::cat(vec![z, actions], 1)
}

/// The same for actions that are columns `columns` of `[N, horizon * act]`.
pub(super) fn acting_in(z: Tensor<2>, actions: &Tensor<2>, columns: Range<usize>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if let Some(both) = gpu::beside(&z, actions, columns.clone()) {
        return both;
    }
    let actions = actions.clone().narrow(1, columns.start, columns.len());
    Tensor::cat(vec![z, actions], 1)
}

/// The policy in latent space.
#[derive(Module, Debug)]
pub struct Prior {
    pub(super) net: Mlp,
    act: usize,
    #[module(skip)]
    backbone: Backbone,
}

/// Sampled actions and their entropy.
pub struct PriorSample {
    /// `[N, act]`, within ±1.
    pub action: Tensor<2>,
    /// Entropy per row, scaled by the number of dimensions as TD-MPC2's: `[N]`; 0 with td-mpc,
    /// whose spread is fixed.
    pub scaled_entropy: Tensor<1>,
    /// Entropy per row: `[N]`.
    pub entropy: Tensor<1>,
}

#[cfg(feature = "gpu")]
impl From<gpu::Squashed> for PriorSample {
    fn from(sample: gpu::Squashed) -> Self {
        let gpu::Squashed {
            action,
            scaled_entropy,
            entropy,
        } = sample;
        Self {
            action,
            scaled_entropy,
            entropy,
        }
    }
}

/// Range of TD-MPC2's log std.
const LOG_STD: (f64, f64) = (-10.0, 2.0);
/// TD-MPC: standard deviation of the noise, and its bound.
const STD: (f64, f64) = (0.05, 0.3);

impl Prior {
    /// A fresh network.
    pub fn new(config: &TdMpcConfig, act: usize, rng: &mut Rng, device: &Device) -> Self {
        let TdMpcConfig {
            backbone,
            latent,
            hidden,
            ..
        } = *config;
        let net = match backbone {
            Backbone::TdMpc2 => {
                let net = Mlp::normed(
                    1,
                    &[latent, hidden, hidden, 2 * act],
                    Activation::Mish,
                    rng,
                    device,
                );
                net.initialised(Initial::Normal(INITIAL_STD), rng)
            }
            Backbone::TdMpc => {
                let net = Mlp::new(
                    1,
                    &[latent, hidden, hidden, act],
                    Activation::Elu,
                    rng,
                    device,
                );
                net.initialised(Initial::Orthogonal, rng)
            }
        };
        Self { net, act, backbone }
    }

    /// Length of an action.
    pub fn act(&self) -> usize {
        self.act
    }

    /// tanh of the mean, the deterministic action: `[N, latent] -> [N, act]`.
    pub fn mean(&self, z: Tensor<2>) -> Tensor<2> {
        self.net.forward_one(z).narrow(1, 0, self.act).tanh()
    }

    /// Samples actions by reparameterization, with standard normal `e` `[N, act]`.
    pub fn draw(&self, z: Tensor<2>, e: Tensor<2>) -> PriorSample {
        let out = self.net.forward_one(z);
        match self.backbone {
            Backbone::TdMpc => {
                let mean = out.tanh();
                let noisy = mean.clone() + e.mul_scalar(STD.0).clamp(-STD.1, STD.1);
                // Straight-through: clipped, but the gradient passes as if it were not
                // (`TruncatedNormal`).
                let clipped = noisy.clone().detach().clamp(-1.0 + 1e-6, 1.0 - 1e-6);
                let action = noisy.clone() - noisy.detach() + clipped;
                let nothing = Tensor::zeros([action.dims()[0]], &action.device());
                PriorSample {
                    action,
                    scaled_entropy: nothing.clone(),
                    entropy: nothing,
                }
            }
            Backbone::TdMpc2 => squashed_draw(out, e),
        }
    }
}

/// TD-MPC2's draw from its network's outputs `[N, 2 act]`, with standard normal `e` `[N, act]`.
pub(crate) fn squashed_draw(out: Tensor<2>, e: Tensor<2>) -> PriorSample {
    #[cfg(feature = "gpu")]
    if let Some(sample) = gpu::squashed(&out, &e, LOG_STD) {
        return sample.into();
    }
    let [_, act] = e.dims();
    let mean = out.clone().narrow(1, 0, act);
    let raw = out.narrow(1, act, act);
    let log_std = (raw.tanh() + 1.0).mul_scalar(0.5 * (LOG_STD.1 - LOG_STD.0)) + LOG_STD.0;
    // `world_model.py`, `pi`: the reparameterized action, and its density by change of
    // variables.
    let action = (mean + e.clone() * log_std.clone().exp()).tanh();
    // log N(u; mean, std) with u before the tanh.
    let gaussian = (e.square().mul_scalar(-0.5) - log_std - 0.5 * std::f64::consts::TAU.ln())
        .sum_dim(1)
        .squeeze_dim::<1>(1);
    // log |d tanh(u) / du|, kept finite where the tanh saturates (`math.py`, `squash`).
    let slope = (action.clone().square().neg() + 1.0)
        .clamp_min(0.0)
        .add_scalar(1e-6)
        .log()
        .sum_dim(1)
        .squeeze_dim::<1>(1);
    let density = gaussian.clone() - slope;
    // The reference multiplies the entropy by dims * log N / log p. Where the tanh is
    // nearly linear that is dims, so one weight of the entropy fits any number of
    // dimensions.
    let scale = gaussian.mul_scalar(act as f64) / (density.clone() + 1e-8);
    PriorSample {
        action,
        scaled_entropy: density.clone().neg() * scale,
        entropy: density.neg(),
    }
}
