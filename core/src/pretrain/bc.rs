//! Behavioral cloning: the loop that every pretraining method here ends in.

use super::Learner;
use super::post_bc::Posterior;
use crate::data::{Archive, Pairs};
use crate::error::within;
use crate::nn::{self, Adam, AdamConfig};
use crate::policy::{Policy, PolicyConfig};
use crate::rng::Rng;
use crate::run::config::Preset;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// The learning rate falls along a cosine to this share of its first value (DPPO: 1e-4 to 1e-5).
const FINAL_LR: f64 = 0.1;

/// Settings of the cloning loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BcConfig {
    /// Gradient steps.
    pub steps: usize,
    /// Pairs per step. Default 256 (DPPO).
    pub batch: usize,
    /// Adam's learning rate at the start; it falls along a cosine to a tenth. Default 1e-3 (paper preset: 1e-4, DPPO).
    pub lr: f64,
}

impl BcConfig {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        match preset {
            Preset::Paper => Self { steps: 100_000, batch: 256, lr: 1e-4 },
            Preset::Cpu => Self { steps: 3000, batch: 256, lr: 1e-3 },
            Preset::Tiny => Self { steps: 3000, batch: 128, lr: 1e-3 },
        }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("pretrain.bc.steps", self.steps, 1, 100_000_000)?;
        within("pretrain.bc.batch", self.batch, 1, 1 << 20)?;
        within("pretrain.bc.lr", self.lr, 0.0, 1.0)
    }
}

/// A policy being cloned from demonstrations.
pub struct Cloning {
    policy: Policy,
    adam: Adam,
    rng: Rng,
    step: usize,
    config: BcConfig,
    /// Where PostBC widens the targets; none is plain cloning.
    posterior: Option<Posterior>,
    device: Device,
}

impl Cloning {
    /// Begins with a fresh `policy` on an autodiff `device`.
    pub fn new(policy: Policy, posterior: Option<Posterior>, config: BcConfig, seed: u64, device: Device) -> Self {
        let adam = Adam::new(AdamConfig { lr: config.lr, clip_norm: None });
        Self { policy, adam, rng: Rng::new(seed, "cloning", 0), step: 0, config, posterior, device }
    }

    /// The policy as it is now, without gradients.
    pub fn policy(&self) -> Policy {
        self.policy.frozen()
    }

    /// Writes the whole state into the archive.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        archive.put("cloning/state", &(&self.rng, self.step))?;
        if let Some(posterior) = &self.posterior {
            posterior.save(archive)?;
        }
        self.policy.save("cloning/policy", archive).await?;
        self.adam.save("cloning/adam", archive).await
    }

    /// Restores what [`Cloning::save`] wrote with the same settings and data.
    ///
    /// # Errors
    /// When the archive does not fit.
    pub fn load(policy: &PolicyConfig, config: BcConfig, data: &Pairs, archive: &Archive, device: Device) -> Result<Self> {
        let (rng, step) = archive.get("cloning/state")?;
        let policy = Policy::load(policy, "cloning/policy", archive, &device)?;
        if (policy.sizes.obs, policy.sizes.chunk_len()) != (data.obs_dim, data.action_dim) {
            return Err(Error::input("the checkpoint's policy does not fit its demonstrations: use an undamaged checkpoint"));
        }
        let adam = Adam::load(AdamConfig { lr: config.lr, clip_norm: None }, "cloning/adam", archive, &policy.net)?;
        Ok(Self { policy, adam, rng, step, config, posterior: Posterior::load(archive, data)?, device })
    }
}

impl Learner for Cloning {
    /// One gradient step on a batch drawn with replacement.
    fn step(&mut self, data: &Pairs) -> Vec<(&'static str, Tensor<1>)> {
        let indices = self.rng.indices(self.config.batch, data.len());
        let (obs, mut chunks) = data.gather(&indices);
        if let Some(posterior) = &self.posterior {
            posterior.perturb(&indices, &mut chunks, &mut self.rng);
        }
        let obs = nn::matrix(obs, data.obs_dim, &self.device);
        let chunks = nn::matrix(chunks, data.action_dim, &self.device);
        let loss = self.policy.loss(obs, chunks, &mut self.rng);
        let lr = self.config.lr * cosine(self.step as f64 / self.config.steps as f64);
        self.policy.net = self.adam.step_at(lr, self.policy.net.clone(), &loss);
        self.step += 1;
        vec![("loss/policy", loss.inner())]
    }

    fn progress(&self) -> (usize, usize) {
        (self.step, self.config.steps)
    }
}

/// From 1 to [`FINAL_LR`] along half a cosine.
fn cosine(progress: f64) -> f64 {
    FINAL_LR + (1.0 - FINAL_LR) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * progress))
}
