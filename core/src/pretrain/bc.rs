//! Behavioral cloning: the loop that every pretraining method here ends in.

use super::averaging::Averaging;
use super::target_noise::TargetNoise;
use super::{Context, Losses, Method, Pretrainer};
use crate::data::{Archive, Pairs};
use crate::memory::{Need, Sizes};
use crate::method::{Color, DemoUse, LocalFuture, MethodInfo, Paper};
use crate::nn::{self, Adam, AdamConfig, CosineCycles, Observations, SMALLEST_IMAGE, params};
use crate::policy::{Net, Policy, PolicyConfig, PolicyKind, memory};
use crate::rng::Rng;
use crate::settings::{Choices, Settings};
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
        policies: PolicyKind::ALL,
        because: "",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        demos: DemoUse::Required,
        insights: &[],
        on_page: true,
    },
    new: |cx| Ok(Box::new(Cloning::begin(cx, TargetNoise::None)?)),
    load: |cx, archive| Ok(Box::new(Cloning::resume(cx, archive)?)),
};

/// Unit of a length of training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct BcConfig {
    /// Length of training, in `unit`s.
    #[setting(range = 1..=100_000_000, value = 3000, source = "PostBC")]
    pub updates: usize,
    /// What `updates`, `cycle`, `warmup`, `ema_every` and `ema_start` are counted in.
    #[setting(value = Unit::Step, paper = Unit::Epoch, source = "DPPO")]
    pub unit: Unit,
    /// Pairs per gradient step.
    #[setting(range = 1..=1 << 20, value = 256, tiny = 128, source = "DPPO's code")]
    pub batch: usize,
    /// Adam's highest learning rate.
    #[setting(range = 0.0..=1.0, value = 1e-3, paper = 1e-4, source = "DPPO's code")]
    pub lr: f64,
    /// Length of the cycle in which the learning rate warms up and falls along a cosine, again and
    /// again; 0: that of the whole training.
    #[setting(range = 0..=100_000_000, value = 0, paper = 10_000, source = "DPPO's code")]
    pub cycle: usize,
    /// Length of the linear warm-up of the learning rate at the beginning of each cycle.
    #[setting(range = 0..=100_000_000, value = 0, paper = 100, source = "DPPO's code")]
    pub warmup: usize,
    /// Share of `lr` from which the warm-up rises and to which the cosine falls.
    #[setting(range = 0.0..=1.0, value = 0.1, source = "DPPO's code: 1e-5 of 1e-4")]
    pub floor: f64,
    /// AdamW's decoupled weight decay.
    #[setting(range = 0.0..=1.0, value = 0.0, paper = 1e-6, source = "DPPO's code")]
    pub weight_decay: f64,
    /// Decay of a moving average of the weights, which is then the result; 0: none, the last
    /// weights are.
    #[setting(range = 0.0..=1.0, value = 0.0, paper = 0.995, source = "DPPO's code")]
    pub ema_decay: f64,
    /// The average takes the weights in after every so many `unit`s.
    #[setting(
        range = 1..=100_000_000, value = 1, paper = 10, source = "DPPO's code",
        needs = "ema_decay > 0"
    )]
    pub ema_every: usize,
    /// Before this many `unit`s it copies them instead.
    #[setting(
        range = 0..=100_000_000, value = 100, paper = 1500,
        source = "half of the training; DPPO's code: 20 of 8000, which of few demonstrations are \
                  next to nothing",
        needs = "ema_decay > 0"
    )]
    pub ema_start: usize,
}

impl BcConfig {
    /// The warm-up is part of a cycle.
    ///
    /// # Errors
    /// When it is longer.
    pub fn check(&self) -> Result<()> {
        let warmup = self.warmup;
        let cycle = self.cycle();
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
            self.updates
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
            updates: steps(self.updates),
            cycle: steps(self.cycle),
            warmup: steps(self.warmup),
            ema_every: steps(self.ema_every),
            ema_start: steps(self.ema_start),
            ..self.clone()
        }
    }

    fn averaging(&self) -> Averaging {
        Averaging {
            decay: self.ema_decay,
            every: self.ema_every,
            start: self.ema_start,
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

/// What cloning takes of memory.
pub(crate) fn memory(config: &BcConfig, sizes: &Sizes) -> Vec<Need> {
    let net = memory::network(sizes);
    let average = if config.ema_decay > 0.0 {
        net.following()
    } else {
        0.0
    };
    let step = net.learning(config.batch as f64);
    let [hidden, layers] = memory::KEYS;
    vec![
        Need::new(
            "the policy's weights",
            &memory::KEYS,
            net.learned() + average,
        ),
        Need::new(
            "a step of cloning",
            &["pretrain.bc.batch", hidden, layers],
            step,
        )
        .also(if sizes.policy.sees() {
            sizes.sight()
        } else {
            &[]
        }),
    ]
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
    target_noise: TargetNoise,
    device: Device,
}

impl Cloning {
    /// Begins with a fresh `policy` on an autodiff `device`; `data` is only counted.
    pub fn new(
        policy: Policy,
        target_noise: TargetNoise,
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
            target_noise,
            device,
        }
    }

    /// Begins with a fresh policy.
    pub(super) fn begin(cx: &Context, target_noise: TargetNoise) -> Result<Self> {
        let policy = cx.fresh_policy()?;
        Ok(Self::new(
            policy,
            target_noise,
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

    /// The policy as it is now, without gradients: with the average of the weights where there is
    /// one.
    pub(super) fn result(&self) -> Policy {
        match &self.average {
            Some(average) => Policy {
                net: average.clone(),
                ..self.policy.clone()
            },
            None => self.policy.frozen(),
        }
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put(
            "cloning/state",
            &(&self.rng, self.step, self.average.is_some()),
        )?;
        self.target_noise.save(archive)?;
        self.policy.save("cloning/policy", archive).await?;
        if let Some(average) = &self.average {
            params::save(average, "cloning/average", archive).await?;
        }
        self.adam.save("cloning/adam", archive).await
    }

    /// Restores what [`Pretrainer::save`] wrote with the same settings and data.
    pub(crate) fn load(
        policy: &PolicyConfig,
        config: &BcConfig,
        data: &Pairs,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let (rng, step, averaged) = archive.get("cloning/state")?;
        let config = config.in_steps(data.len());
        let policy = Policy::load(policy, "cloning/policy", archive, &device)?;
        let seen = data.images.iter().map(|images| &images.camera);
        if (policy.sizes.obs, policy.sizes.chunk_len()) != (data.obs_dim, data.action_dim)
            || !seen.eq(&policy.reads.cameras)
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
            target_noise: TargetNoise::load(archive, data)?,
            device,
        })
    }
}

impl Pretrainer for Cloning {
    /// One gradient step on a batch drawn with replacement.
    fn step(&mut self, data: &Pairs) -> Losses {
        let indices = self.rng.indices(self.config.batch, data.len());
        let (obs, mut chunks) = data.gather(&indices);
        // PostBC, algorithm 2: the target is perturbed afresh at every use. The noise of a flow or
        // diffusion loss comes on top.
        self.target_noise
            .perturb(&indices, &mut chunks, &mut self.rng);
        let mut images = data.images_at(&indices);
        for seen in &mut images {
            seen.shift_randomly(&mut self.rng);
        }
        let obs = Observations::new(obs, data.obs_dim, &images, &self.device);
        let chunks = nn::matrix(chunks, data.action_dim, &self.device);
        let loss = self.policy.loss(obs, chunks, &mut self.rng);
        // The schedule is a function of the step, so that it needs no state of its own.
        let lr = self.config.lr * self.config.learning_rate().at(self.step);
        self.policy.net = self.adam.step_at(lr, self.policy.net.clone(), &loss);
        self.step += 1;
        let averaging = self.config.averaging();
        let average = self.average.take();
        self.average = averaging.after(self.step, average, &self.policy.net);
        vec![("loss/policy", loss.inner())]
    }

    fn progress(&self) -> (usize, usize) {
        (self.step, self.config.updates)
    }

    fn policy(&self) -> Option<Policy> {
        Some(self.result())
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
