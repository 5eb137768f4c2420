//! The actor that chooses noise, and what it makes of a frozen policy.

use super::{DsrlConfig, METHOD};
use crate::Result;
use crate::data::Archive;
use crate::finetune::{FinetuneMethod, FinetunedPolicy, Memory};
use crate::method::LocalFuture;
use crate::nn::{self, Activation, Mlp, params};
use crate::obs::ObsBatch;
use crate::policy::Policy;
use crate::rl::SquashedGaussian;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Range of the logarithm of the actor's standard deviation (Stable-Baselines3's).
const LOG_STD: (f64, f64) = (-20.0, 2.0);

/// A squashed Gaussian over noise scaled to [-1, 1]: tanh(mean(obs) + std(obs) e), e ~ N(0, I).
#[derive(Module, Debug)]
pub(super) struct Actor {
    net: Mlp,
    width: usize,
}

impl Actor {
    pub(super) fn new(
        config: &DsrlConfig,
        obs: usize,
        width: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        Self {
            net: Mlp::normed(
                1,
                &sizes(config, obs, 2 * width),
                Activation::Tanh,
                rng,
                device,
            ),
            width,
        }
    }

    /// The distribution of its choice at normalized observations, scaled to [-1, 1].
    pub(crate) fn at(&self, obs: Tensor<2>) -> SquashedGaussian {
        let out = self.net.forward_one(obs);
        let log_std = out.clone().narrow(1, self.width, self.width);
        SquashedGaussian::from_log_std(
            out.narrow(1, 0, self.width),
            log_std.clamp(LOG_STD.0, LOG_STD.1),
        )
    }
}

/// Input, the hidden layers, output.
pub(super) fn sizes(config: &DsrlConfig, input: usize, output: usize) -> Vec<usize> {
    let hidden = std::iter::repeat_n(config.hidden, config.layers);
    std::iter::once(input)
        .chain(hidden)
        .chain(std::iter::once(output))
        .collect()
}

/// The deployed result: a frozen policy whose noise an actor chooses.
#[derive(Clone)]
pub struct NoisePolicy {
    /// Chooses.
    pub(super) actor: Actor,
    /// Largest noise, in standard deviations.
    pub(super) magnitude: f64,
    /// Whether the choice is drawn, or the middle.
    pub(super) stochastic: bool,
}

impl NoisePolicy {
    /// The noise chosen at a policy's features with standard normal `e`: `[batch, width]`,
    /// within the magnitude.
    pub fn noise(&self, obs: Tensor<2>, e: Tensor<2>) -> Tensor<2> {
        let at = self.actor.at(obs);
        let choice = if self.stochastic {
            at.sample(e)
        } else {
            at.mode()
        };
        choice * self.magnitude
    }

    /// Raw observations and standard normal rows to raw action rows.
    async fn steer(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        e: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        let inner_device = device.clone().without_autodiff();
        let obs = policy.features(obs, &inner_device);
        let noise = self.noise(
            obs.clone(),
            nn::matrix(e, policy.noise_len(), &inner_device),
        );
        let chunks = nn::read(policy.sample(obs, noise)).await?;
        Ok(policy
            .act_scale
            .invert(&chunks)
            .into_iter()
            .map(|a| a.clamp(-1.0, 1.0))
            .collect())
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub(crate) fn load(
        config: &DsrlConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let actor = Actor::new(
            config,
            policy.features_len(),
            policy.noise_len(),
            &mut Rng::new(0, "unused", 0),
            device,
        );
        let actor = params::load(actor, &format!("{prefix}/actor"), archive)?;
        Ok(Self {
            actor,
            magnitude: config.magnitude,
            stochastic: config.stochastic_eval,
        })
    }
}

impl FinetunedPolicy for NoisePolicy {
    fn method(&self) -> FinetuneMethod {
        METHOD.id()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        _: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>> {
        Box::pin(self.steer(policy, obs, noise, device))
    }

    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(
            async move { params::save(&self.actor, &format!("{prefix}/actor"), archive).await },
        )
    }
}
