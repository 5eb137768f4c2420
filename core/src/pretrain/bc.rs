//! Behavioral cloning: the loop that every pretraining method here ends in.

use super::widening::Widening;
use super::{Context, Losses, Method, Pretrainer};
use crate::data::{Archive, Pairs, shifted_a_little};
use crate::error::within;
use crate::method::{Color, LocalFuture, MethodInfo, Paper};
use crate::nn::{self, Adam, AdamConfig, CosineCycles, Observed, SMALLEST_IMAGE, params};
use crate::policy::{Net, Policy, PolicyConfig, PolicyKind};
use crate::rng::Rng;
use crate::run::config::Preset;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "bc",
        label: "BC",
        sentence: "Behavioral cloning: does what the demonstrations did, and nothing else.",
        about: "Behavioral cloning.",
        paper: Some(Paper {
            citation: "Ren et al. 2024, whose loop this is",
            link: "https://arxiv.org/abs/2409.00588",
        }),
        color: Some(Color {
            name: "vermilion",
            light: "#d55e00",
            dark: "#f2853d",
        }),
        policies: &PolicyKind::ALL,
        because: "",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        needs_demos: true,
        insights: &[],
        on_page: true,
    },
    new: |cx| Ok(Box::new(Cloning::begin(cx, Widening::None)?)),
    load: |cx, archive| Ok(Box::new(Cloning::resume(cx, archive)?)),
};

/// What a length of training is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Gradient steps.
    Step,
    /// As many gradient steps as it takes batches to go through the pairs once.
    Epoch,
}

impl Unit {
    /// A length of training in gradient steps of `batch` pairs, of `pairs` in all.
    pub fn in_steps(self, length: usize, pairs: usize, batch: usize) -> usize {
        match self {
            Self::Step => length,
            Self::Epoch => length.saturating_mul(pairs.div_ceil(batch).max(1)),
        }
    }
}

/// Settings of the cloning loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BcConfig {
    /// Length of training. Default 3000 steps (paper preset: 3000 epochs, PostBC).
    pub steps: usize,
    /// What `steps`, `cycle`, `warmup`, `ema_every` and `ema_start` are counted in. Default step
    /// (paper preset: epoch).
    pub unit: Unit,
    /// Pairs per step. Default 256 (DPPO).
    pub batch: usize,
    /// Adam's highest learning rate. Default 1e-3 (paper preset: 1e-4, DPPO).
    pub lr: f64,
    /// Length of the cycle in which the learning rate warms up and falls along a cosine, again and
    /// again; 0: that of the whole training. Default 0 (paper preset: 10000, DPPO).
    pub cycle: usize,
    /// Length of the linear warm-up at the beginning of each cycle. Default 0 (paper preset: 100,
    /// DPPO).
    pub warmup: usize,
    /// Share of `lr` from which the warm-up rises and to which the cosine falls. Default 0.1 (DPPO:
    /// 1e-5 of 1e-4).
    pub floor: f64,
    /// AdamW's decoupled weight decay. Default 0 (paper preset: 1e-6, DPPO).
    pub weight_decay: f64,
    /// Decay of a moving average of the weights, which is then the result; 0: none, the last
    /// weights are. Default 0 (paper preset: 0.995, DPPO).
    pub ema_decay: f64,
    /// The average takes the weights in after every so many `unit`s. Default 1 (paper preset: 10,
    /// DPPO).
    pub ema_every: usize,
    /// Before this many `unit`s it copies them instead. Default 100 (paper preset: 20, DPPO).
    pub ema_start: usize,
}

impl BcConfig {
    /// The settings of a preset.
    pub fn preset(preset: Preset) -> Self {
        let small = Self {
            steps: 3000,
            unit: Unit::Step,
            batch: 256,
            lr: 1e-3,
            cycle: 0,
            warmup: 0,
            floor: 0.1,
            weight_decay: 0.0,
            ema_decay: 0.0,
            ema_every: 1,
            ema_start: 100,
        };
        match preset {
            Preset::Paper => Self {
                unit: Unit::Epoch,
                lr: 1e-4,
                cycle: 10_000,
                warmup: 100,
                weight_decay: 1e-6,
                ema_decay: 0.995,
                ema_every: 10,
                ema_start: 20,
                ..small
            },
            Preset::Cpu => small,
            Preset::Tiny => Self {
                batch: 128,
                ..small
            },
        }
    }

    /// # Errors
    /// Names the setting that is out of range, or two that exclude each other.
    pub fn check(&self) -> Result<()> {
        within("pretrain.bc.steps", self.steps, 1, 100_000_000)?;
        within("pretrain.bc.batch", self.batch, 1, 1 << 20)?;
        within("pretrain.bc.lr", self.lr, 0.0, 1.0)?;
        within("pretrain.bc.cycle", self.cycle, 0, 100_000_000)?;
        within("pretrain.bc.floor", self.floor, 0.0, 1.0)?;
        within("pretrain.bc.weight_decay", self.weight_decay, 0.0, 1.0)?;
        within("pretrain.bc.ema_decay", self.ema_decay, 0.0, 1.0)?;
        within("pretrain.bc.ema_every", self.ema_every, 1, 100_000_000)?;
        within("pretrain.bc.ema_start", self.ema_start, 0, 100_000_000)?;
        let (warmup, cycle) = (self.warmup, self.cycle());
        if warmup >= cycle {
            return Err(Error::input(format!(
                "pretrain.bc.warmup is {warmup}, but must be shorter than the cycle that it \
                 begins, which is {cycle}"
            )));
        }
        Ok(())
    }

    fn cycle(&self) -> usize {
        if self.cycle == 0 {
            self.steps
        } else {
            self.cycle
        }
    }

    /// The same settings with every length in gradient steps, for `pairs` training pairs.
    #[must_use]
    pub fn in_steps(&self, pairs: usize) -> Self {
        let steps = |length| self.unit.in_steps(length, pairs, self.batch);
        Self {
            unit: Unit::Step,
            steps: steps(self.steps),
            cycle: steps(self.cycle),
            warmup: steps(self.warmup),
            ema_every: steps(self.ema_every),
            ema_start: steps(self.ema_start),
            ..self.clone()
        }
    }

    fn learning_rate(&self) -> CosineCycles {
        CosineCycles {
            cycle: self.cycle(),
            warmup: self.warmup,
            floor: self.floor,
        }
    }
}

/// A policy being cloned from demonstrations.
pub struct Cloning {
    policy: Policy,
    /// The moving average of its weights, once there is one.
    average: Option<Net>,
    adam: Adam,
    rng: Rng,
    step: usize,
    /// In gradient steps.
    config: BcConfig,
    widening: Widening,
    device: Device,
}

impl Cloning {
    /// Begins with a fresh `policy` on an autodiff `device`; `data` is only counted.
    pub fn new(
        policy: Policy,
        widening: Widening,
        config: &BcConfig,
        data: &Pairs,
        seed: u64,
        device: Device,
    ) -> Self {
        let config = config.in_steps(data.len());
        let adam = Adam::new(adam_config(&config)).with_weight_decay(config.weight_decay);
        Self {
            policy,
            average: None,
            adam,
            rng: Rng::new(seed, "cloning", 0),
            step: 0,
            config,
            widening,
            device,
        }
    }

    fn average_weights(&mut self) {
        let BcConfig {
            ema_decay,
            ema_every,
            ema_start,
            ..
        } = self.config;
        if ema_decay == 0.0 || !self.step.is_multiple_of(ema_every) {
            return;
        }
        self.average = Some(match self.average.take() {
            Some(average) if self.step >= ema_start => {
                params::polyak(average, &self.policy.net, 1.0 - ema_decay)
            }
            _ => self.policy.net.valid(),
        });
    }

    /// Begins with a fresh policy.
    pub(super) fn begin(cx: &Context, widening: Widening) -> Result<Self> {
        let policy = cx.fresh_policy()?;
        Ok(Self::new(
            policy,
            widening,
            &cx.config.bc,
            cx.pairs,
            cx.seed,
            cx.device.clone(),
        ))
    }

    /// Restores what [`Pretrainer::save`] wrote.
    pub(super) fn resume(cx: &Context, archive: &Archive) -> Result<Self> {
        Self::load(
            cx.policy,
            &cx.config.bc,
            cx.pairs,
            archive,
            cx.device.clone(),
        )
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put(
            "cloning/state",
            &(&self.rng, self.step, self.average.is_some()),
        )?;
        self.widening.save(archive)?;
        self.policy.save("cloning/policy", archive).await?;
        if let Some(average) = &self.average {
            params::save(average, "cloning/average", archive).await?;
        }
        self.adam.save("cloning/adam", archive).await
    }

    /// Restores what [`Pretrainer::save`] wrote with the same settings and data.
    pub fn load(
        policy: &PolicyConfig,
        config: &BcConfig,
        data: &Pairs,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let (rng, step, averaged) = archive.get("cloning/state")?;
        let config = config.in_steps(data.len());
        let policy = Policy::load(policy, "cloning/policy", archive, &device)?;
        if (policy.sizes.obs, policy.sizes.chunk_len(), policy.view())
            != (data.obs_dim, data.action_dim, data.view)
        {
            return Err(Error::input(
                "the checkpoint's policy does not fit its demonstrations: use an undamaged \
                 checkpoint",
            ));
        }
        let average = if averaged {
            Some(params::load(
                policy.net.valid(),
                "cloning/average",
                archive,
            )?)
        } else {
            None
        };
        let adam = Adam::load(adam_config(&config), "cloning/adam", archive, &policy.net)?
            .with_weight_decay(config.weight_decay);
        Ok(Self {
            policy,
            average,
            adam,
            rng,
            step,
            config,
            widening: Widening::load(archive, data)?,
            device,
        })
    }
}

impl Pretrainer for Cloning {
    /// One gradient step on a batch drawn with replacement.
    fn step(&mut self, data: &Pairs) -> Losses {
        let indices = self.rng.indices(self.config.batch, data.len());
        let (obs, mut chunks) = data.gather(&indices);
        self.widening.perturb(&indices, &mut chunks, &mut self.rng);
        let pixels = shifted_a_little(data.seen_at(&indices), data.view, &mut self.rng);
        let obs = Observed::new(obs, data.obs_dim, &pixels, data.view, &self.device);
        let chunks = nn::matrix(chunks, data.action_dim, &self.device);
        let loss = self.policy.loss(obs, chunks, &mut self.rng);
        let lr = self.config.lr * self.config.learning_rate().at(self.step);
        self.policy.net = self.adam.step_at(lr, self.policy.net.clone(), &loss);
        self.step += 1;
        self.average_weights();
        vec![("loss/policy", loss.inner())]
    }

    fn progress(&self) -> (usize, usize) {
        (self.step, self.config.steps)
    }

    /// With the average of the weights where there is one.
    fn policy(&self) -> Option<Policy> {
        let policy = match &self.average {
            Some(average) => Policy {
                net: average.clone(),
                ..self.policy.clone()
            },
            None => self.policy.frozen(),
        };
        Some(policy)
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

fn adam_config(config: &BcConfig) -> AdamConfig {
    AdamConfig {
        lr: config.lr,
        clip_norm: None,
    }
}
