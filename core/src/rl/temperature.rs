//! The weight of entropy against reward, learned (Haarnoja et al. 2018, "Soft Actor-Critic
//! Algorithms and Applications", eq. 18):
//!
//! ```text
//! J(alpha) = -E log(alpha) (log pi(a | s) + target entropy)
//! ```
//!
//! The logarithm of alpha is what is learned, and stands where eq. 18 has alpha, as in the code of
//! most. While the actor's entropy is below its target, alpha grows.

use crate::Result;
use crate::data::Archive;
use crate::nn::{Adam, AdamConfig, params};
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// alpha, its optimizer and the entropy that it holds an actor to.
pub(crate) struct Temperature {
    weight: Weight,
    adam: Adam,
    target_entropy: f64,
}

/// What is learned.
#[derive(Module, Debug)]
struct Weight {
    /// The logarithm of alpha: `[1]`.
    log: Param<Tensor<1>>,
}

impl Temperature {
    /// Begins at `initial` (above 0), on an autodiff `device`. `target_entropy` is in nats, of all
    /// numbers of an action together.
    pub(crate) fn new(initial: f64, target_entropy: f64, lr: f64, device: &Device) -> Self {
        let log = Tensor::full([1], libm::log(initial), device);
        Self {
            weight: Weight {
                log: Param::from_tensor(log),
            },
            adam: Adam::new(AdamConfig {
                lr,
                clip_norm: None,
            }),
            target_entropy,
        }
    }

    /// alpha, without gradients: `[1]`.
    pub(crate) fn value(&self) -> Tensor<1> {
        self.weight.log.val().inner().exp()
    }

    /// One step down J(alpha), at the mean of log pi of the actor's actions (`[1]`, without
    /// gradients).
    pub(crate) fn step(&mut self, mean_log_prob: Tensor<1>) {
        let loss = loss(&self.weight, mean_log_prob, self.target_entropy);
        self.weight = self.adam.step(self.weight.clone(), &loss);
    }

    /// Writes it into the archive under `prefix`.
    pub(crate) async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        params::save(&self.weight, prefix, archive).await?;
        self.adam.save(&format!("{prefix}-adam"), archive).await
    }

    /// The same with what [`Temperature::save`] wrote.
    ///
    /// # Errors
    /// When the archive lacks it.
    pub(crate) fn loaded(self, prefix: &str, archive: &Archive) -> Result<Self> {
        let weight = params::load(self.weight, prefix, archive)?;
        let name = format!("{prefix}-adam");
        Ok(Self {
            adam: self.adam.restored(&name, archive, &weight)?,
            weight,
            ..self
        })
    }
}

/// J(alpha): `[1]`.
fn loss(weight: &Weight, mean_log_prob: Tensor<1>, target_entropy: f64) -> Tensor<1> {
    let lacking = mean_log_prob + target_entropy;
    (weight.log.val() * lacking.autodiff()).neg()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::{self, gradient_check::worst_error};
    use pollster::block_on;

    fn read(tensor: Tensor<1>) -> f32 {
        block_on(nn::scalar(tensor)).unwrap()
    }

    /// The loss has the right gradient.
    #[test]
    fn the_loss_has_the_right_gradient() {
        let device = Device::flex().autodiff();
        let temperature = Temperature::new(0.3, -1.5, 1e-3, &device);
        let log_prob = || Tensor::full([1], 0.4, &Device::flex());
        let error = worst_error(&temperature.weight, |weight| loss(weight, log_prob(), -1.5));
        assert!(error < 1e-2, "{error}");
    }

    /// It falls while the actor's entropy is above its target, grows while it is below, and goes on
    /// from an archive as if nothing had been.
    #[test]
    fn it_goes_where_the_entropy_lacks() {
        let device = Device::flex().autodiff();
        let at = |log_prob: f64| Tensor::full([1], log_prob, &Device::flex());
        let mut temperature = Temperature::new(0.3, -1.0, 1e-2, &device);
        let begun = read(temperature.value());
        assert!((begun - 0.3).abs() < 1e-6);
        temperature.step(at(0.5));
        assert!(read(temperature.value()) < begun, "the entropy is -0.5");
        let mut archive = Archive::new();
        block_on(temperature.save("alpha", &mut archive)).unwrap();
        let fresh = Temperature::new(1.0, -1.0, 1e-2, &device);
        let mut loaded = fresh.loaded("alpha", &archive).unwrap();
        for _ in 0..30 {
            temperature.step(at(2.0));
            loaded.step(at(2.0));
        }
        assert!(read(temperature.value()) > begun, "the entropy is -2");
        assert_eq!(read(temperature.value()), read(loaded.value()));
    }
}
