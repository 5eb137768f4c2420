//! Posterior behavioral cloning: clone the posterior over the demonstrator's action instead of the
//! action itself.
//!
//! The ensemble's disagreement at a demonstrated state is the spread of the posterior over the
//! demonstrator's action there. Every time a pair is used, its action target gets a fresh draw of
//! that spread (algorithm 2): a~ = a + alpha w with w ~ N(0, cov(s)).

mod ensemble;
mod pretrainer;
mod seen;

use super::averaging::Averaging;
use super::{Method, Unit};
use crate::data::{Archive, Pairs, bootstrap::Bootstrap};
use crate::memory::{NUMBER, Need, NetworkSize, SAVED, Sizes};
use crate::method::{Color, DemoUse, Insight, MethodInfo, Paper};
use crate::nn::{Activation, CosineCycles, SMALLEST_IMAGE};
use crate::policy::{PolicyKind, memory};
use crate::rng::Rng;
use crate::settings::{Choices, Settings};
use crate::{Error, Result};
pub use ensemble::Ensemble;
pub use pretrainer::PostBc;
use serde::{Deserialize, Serialize};

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "post-bc",
        label: "PostBC",
        sentence: "Posterior behavioral cloning: wider where the demonstrations leave doubt, and \
                   only there.",
        about: "Posterior behavioral cloning.",
        paper: Some(Paper {
            citation: "Posterior Behavioral Cloning 2025",
            link: "https://arxiv.org/abs/2512.16911",
        }),
        color: Some(Color {
            name: "blue",
            light: "#0072b2",
            dark: "#4aa8e0",
        }),
        policies: PolicyKind::ALL,
        because: "",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: false,
        demos: DemoUse::Required,
        insights: &[Insight::Spread],
        on_page: true,
    },
    new: |cx| Ok(Box::new(PostBc::new(cx)?)),
    load: |cx, archive| Ok(Box::new(PostBc::load(cx, archive)?)),
};

/// How much of the posterior covariance is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Covariance {
    /// All of it: components of a chunk vary together, as the members do.
    Full,
    /// Its diagonal: components vary on their own.
    Diagonal,
}

/// Settings of posterior behavioral cloning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct PostBcConfig {
    /// How many regressors, each fitted to a bootstrap of the demonstrations (K), are asked where
    /// the demonstrations leave doubt.
    #[setting(
        range = 2..=10_000, paper = 100, cpu = 20, tiny = 10,
        label = "Ensemble", usual = 2..=40,
        source = "PostBC: 100 or 10 on robomimic, 5 on Libero"
    )]
    pub members: usize,
    /// How much of the posterior's spread is added to the demonstrated actions: multiplies its
    /// standard deviation; 0 is plain cloning.
    #[setting(
        range = 0.0..=100.0, value = 1.0,
        label = "Alpha", usual = 0.0..=3.0,
        source = "PostBC: 0.25 to 4 by task and finetuning"
    )]
    pub alpha: f64,
    /// How much of the posterior covariance is used.
    #[setting(value = Covariance::Full, source = "PostBC; `diagonal` in its Libero runs")]
    pub covariance: Covariance,
    /// Chance that a use of a pair gets the noise at all; else it keeps the demonstrated action. 1
    /// is the published algorithm; less is the form of the theory, a mixture of both policies.
    #[setting(
        range = 0.0..=1.0, value = 1.0,
        source = "PostBC, algorithm 2: 1; its theory: at most 1 / horizon"
    )]
    pub share: f64,
    /// Factor of the noise on the last number of every action, which commands the gripper in
    /// `lab`, `metaworld` and `robosuite`.
    #[setting(range = 0.0..=10.0, value = 1.0, source = "PostBC")]
    pub gripper: f64,
    /// What members draw with replacement.
    #[setting(value = Bootstrap::Trajectory, source = "PostBC on robomimic; `pair` on Libero")]
    pub bootstrap: Bootstrap,
    /// Units per hidden layer of each regressor.
    #[setting(
        range = 1..=8192, paper = 512, cpu = 64, tiny = 32,
        source = "PostBC: the policy's"
    )]
    pub hidden: usize,
    /// Hidden layers of each regressor.
    #[setting(range = 1..=16, value = 3, tiny = 2, source = "PostBC")]
    pub layers: usize,
    /// Non-linearity between the layers of each regressor.
    #[setting(value = Activation::Relu, source = "DPPO's Gaussian policy: mish")]
    pub activation: Activation,
    /// Whether pairs of hidden layers of a regressor become residual blocks x + W2 act(W1 act(x));
    /// then `layers` is odd.
    #[setting(value = false, source = "DPPO's Gaussian policy: true")]
    pub residual: bool,
    /// Whether what a regressor predicts is a hyperbolic tangent, which no demonstrated action
    /// exceeds once it is scaled.
    #[setting(value = false, source = "DPPO's Gaussian policy: true")]
    pub tanh_output: bool,
    /// Length of training of every member, in `unit`s.
    #[setting(
        range = 1..=100_000_000, paper = 6000, cpu = 1000, tiny = 500,
        source = "PostBC: 500 to 10,000 by task and finetuning"
    )]
    pub updates: usize,
    /// What `updates`, `cycle`, `warmup`, `ema_every` and `ema_start` are counted in.
    #[setting(value = Unit::Step, paper = Unit::Epoch, source = "PostBC")]
    pub unit: Unit,
    /// Pairs per member and gradient step.
    #[setting(range = 1..=1 << 20, value = 64, paper = 256, source = "DPPO's code")]
    pub batch: usize,
    /// Adam's highest learning rate.
    #[setting(range = 0.0..=1.0, value = 1e-3, paper = 1e-4, source = "DPPO's code")]
    pub lr: f64,
    /// How the learning rate goes on.
    #[setting(value = LearningRate::Constant, source = "DPPO's Gaussian policy: cosine")]
    pub schedule: LearningRate,
    /// Length of the cycle in which the learning rate warms up and falls along a cosine, again and
    /// again; 0: that of the whole training.
    #[setting(
        range = 0..=100_000_000, value = 0, source = "DPPO's Gaussian policy",
        needs = "schedule = cosine"
    )]
    pub cycle: usize,
    /// Length of the linear warm-up of the learning rate at the beginning of each cycle.
    #[setting(
        range = 0..=100_000_000, value = 0, source = "DPPO's Gaussian policy: 100",
        needs = "schedule = cosine"
    )]
    pub warmup: usize,
    /// Share of `lr` from which the warm-up rises and to which the cosine falls.
    #[setting(
        range = 0.0..=1.0, value = 0.1, source = "DPPO's Gaussian policy: 1e-5 of 1e-4",
        needs = "schedule = cosine"
    )]
    pub floor: f64,
    /// AdamW's decoupled weight decay.
    #[setting(range = 0.0..=1.0, value = 0.0, source = "DPPO's Gaussian policy: 1e-6")]
    pub weight_decay: f64,
    /// Decay of a moving average of each regressor's weights, which is then the result; 0: none,
    /// the last weights are.
    #[setting(range = 0.0..=1.0, value = 0.0, source = "DPPO's Gaussian policy: 0.995")]
    pub ema_decay: f64,
    /// The average takes the weights in after every so many `unit`s.
    #[setting(
        range = 1..=100_000_000, value = 1, source = "DPPO's Gaussian policy: 10",
        needs = "ema_decay > 0"
    )]
    pub ema_every: usize,
    /// Before this many `unit`s it copies them instead.
    #[setting(
        range = 0..=100_000_000, value = 100,
        source = "half of the training; DPPO's code: 20 of 5000",
        needs = "ema_decay > 0"
    )]
    pub ema_start: usize,
}

/// How a learning rate goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum LearningRate {
    /// It stays as it is.
    Constant,
    /// It warms up and falls along a cosine, in cycles.
    Cosine,
}

impl PostBcConfig {
    /// Settings of regressors that bound each other.
    ///
    /// # Errors
    /// When there are blocks of two layers and a layer is left over, or the warm-up is longer than
    /// the cycle that it begins.
    pub fn check(&self) -> Result<()> {
        if self.residual && self.layers.is_multiple_of(2) {
            return Err(Error::input(format!(
                "pretrain.post_bc.layers is {}, but residual networks have an odd number: one, and \
                 two for each block",
                self.layers
            )));
        }
        let cosine = self.schedule == LearningRate::Cosine;
        if cosine && self.warmup >= self.whole_cycle() {
            return Err(Error::input(format!(
                "pretrain.post_bc.warmup is {}, but must be shorter than the cycle that it begins, \
                 which is {}",
                self.warmup,
                self.whole_cycle()
            )));
        }
        Ok(())
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

    fn whole_cycle(&self) -> usize {
        match self.cycle {
            0 => self.updates,
            cycle => cycle,
        }
    }

    /// The learning rate of gradient step `step`, the first of which is 0; lengths are in steps.
    fn lr_at(&self, step: usize) -> f64 {
        let cycles = CosineCycles {
            cycle: self.whole_cycle(),
            warmup: self.warmup,
            floor: self.floor,
        };
        match self.schedule {
            LearningRate::Constant => self.lr,
            LearningRate::Cosine => self.lr * cycles.at(step),
        }
    }

    fn averaging(&self) -> Averaging {
        Averaging {
            decay: self.ema_decay,
            every: self.ema_every,
            start: self.ema_start,
        }
    }
}

/// What the ensemble, and what is made of it, take of memory.
pub(crate) fn memory(config: &PostBcConfig, sizes: &Sizes) -> Vec<Need> {
    let obs = memory::features(sizes);
    let chunk = sizes.policy.chunk * sizes.act;
    let shape = (config.hidden, config.layers);
    let net = NetworkSize::stack(config.members, (obs, chunk), shape);
    let members = config.members as f64;
    // On a CPU only the groups that threads are at work on keep a pass.
    let at_work = (ensemble::GROUP * sizes.cores).min(config.members) as f64;
    let rows = config.batch as f64;
    let indices = members * rows * size_of::<usize>() as f64;
    let step = net.learning(rows) * at_work / members + indices;
    let average = match config.ema_decay > 0.0 {
        true => net.following(),
        false => 0.0,
    };
    let at_once = sizes.pairs.min(ensemble::PREDICT_ROWS as f64);
    let predictions = net.acting(at_once);
    // What is seen of the pairs, and of pictures while they are encoded.
    let seen = match sizes.reads.cameras.is_empty() {
        true => 0.0,
        false => {
            let encoded = sizes.pairs * obs as f64 * SAVED * NUMBER;
            encoded + memory::network(sizes).acting(at_once)
        }
    };
    let deviations = members * sizes.pairs * (sizes.chunk_len() * SAVED + 1.0) * NUMBER;
    let group = "pretrain.post_bc";
    vec![
        Need::of(
            group,
            "the ensemble's weights",
            &["members", "hidden", "layers"],
            net.learned() + average,
        ),
        Need::of(
            group,
            "a step of the ensemble",
            &["batch", "members", "hidden", "layers"],
            step.max(predictions) + seen,
        )
        .also(sizes.sight()),
        Need::new(
            "the posterior",
            &["pretrain.post_bc.members", "demos.count", "policy.chunk"],
            deviations,
        ),
    ]
}

/// The posterior's spread at every demonstrated pair, held as the members' deviations from their
/// mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Posterior {
    /// `[pairs, members, width]`, row-major.
    deviations: Vec<f32>,
    members: usize,
    width: usize,
    alpha: f32,
    covariance: Covariance,
    /// Chance that a use of a pair gets noise.
    share: f64,
}

impl Posterior {
    /// From deviations `[pairs, members, width]` of predictions from their mean over members.
    /// Every use of a pair gets noise.
    pub fn new(
        deviations: Vec<f32>,
        members: usize,
        width: usize,
        alpha: f32,
        covariance: Covariance,
    ) -> Self {
        Self {
            deviations,
            members,
            width,
            alpha,
            covariance,
            share: 1.0,
        }
    }

    /// The same, but a use of a pair gets noise with this probability only.
    #[must_use]
    pub fn on_share_of_uses(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// The same with `factor` times the spread on the last number of every action, of `act`
    /// numbers each.
    #[must_use]
    pub fn with_gripper(mut self, act: usize, factor: f64) -> Self {
        let last = self.deviations.iter_mut().skip(act - 1).step_by(act);
        last.for_each(|deviation| *deviation *= factor as f32);
        self
    }

    /// Adds alpha w to the target chunk of each pair in `indices`, with a fresh w ~ N(0, cov) each
    /// time.
    pub fn perturb(&self, indices: &[usize], chunks: &mut [f32], rng: &mut Rng) {
        for (&pair, chunk) in indices.iter().zip(chunks.chunks_mut(self.width)) {
            // Nothing is drawn where every use gets noise: the published algorithm's draws stay.
            if self.share < 1.0 && rng.uniform() >= self.share {
                continue;
            }
            match self.covariance {
                Covariance::Full => self.add_full(pair, chunk, rng),
                Covariance::Diagonal => self.add_diagonal(pair, chunk, rng),
            }
        }
    }

    /// w = K^-1/2 sum_l eps_l (f_l - mean) with eps_l ~ N(0, 1): covariance exactly 1/K sum (f_l -
    /// mean)(f_l - mean)^T, without a factorisation.
    fn add_full(&self, pair: usize, chunk: &mut [f32], rng: &mut Rng) {
        let scale = self.alpha / (self.members as f32).sqrt();
        for deviation in self.of(pair).chunks(self.width) {
            let eps = scale * rng.normal() as f32;
            chunk
                .iter_mut()
                .zip(deviation)
                .for_each(|(a, d)| *a += eps * d);
        }
    }

    /// w_i = sqrt(cov_ii) eps_i.
    fn add_diagonal(&self, pair: usize, chunk: &mut [f32], rng: &mut Rng) {
        for (a, std) in chunk.iter_mut().zip(self.std(pair)) {
            *a += self.alpha * std * rng.normal() as f32;
        }
    }

    /// Posterior standard deviation of every component of the chunk at a pair (without alpha).
    pub fn std(&self, pair: usize) -> Vec<f32> {
        let mut squares = vec![0.0; self.width];
        for deviation in self.of(pair).chunks(self.width) {
            squares
                .iter_mut()
                .zip(deviation)
                .for_each(|(s, d)| *s += d * d);
        }
        squares
            .into_iter()
            // Over K, as algorithm 1 has it, not over K - 1.
            .map(|s: f32| (s / self.members as f32).sqrt())
            .collect()
    }

    /// Mean posterior standard deviation over all pairs and components: the figure
    /// `policy/posterior_std`.
    pub fn mean_std(&self) -> f64 {
        let pairs = self.deviations.len() / (self.members * self.width);
        let sum: f64 = (0..pairs)
            .flat_map(|pair| self.std(pair))
            .map(f64::from)
            .sum();
        sum / (pairs * self.width) as f64
    }

    fn of(&self, pair: usize) -> &[f32] {
        let block = self.members * self.width;
        &self.deviations[pair * block..(pair + 1) * block]
    }

    /// Writes the posterior into the archive.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn save(&self, archive: &mut Archive) -> Result<()> {
        let pairs = self.deviations.len() / (self.members * self.width);
        let settings = (self.alpha, self.covariance, self.share);
        archive.put("posterior/settings", &settings)?;
        archive.put_f32(
            "posterior/deviations",
            &[pairs, self.members, self.width],
            self.deviations.clone(),
        );
        Ok(())
    }

    /// Restores what [`Posterior::save`] wrote about the pairs of `data`.
    pub(crate) fn load(archive: &Archive, data: &Pairs) -> Result<Self> {
        // Checkpoints of before there was a share have none: every use got noise.
        let settings = "posterior/settings";
        let (alpha, covariance, share) = match archive.get(settings) {
            Ok(settings) => settings,
            Err(_) => {
                let (alpha, covariance) = archive.get(settings)?;
                (alpha, covariance, 1.0)
            }
        };
        let (shape, deviations) = archive.get_f32("posterior/deviations")?;
        let pairs = data.len();
        let width = data.action_dim;
        let members = shape.get(1).copied().unwrap_or(0);
        if members == 0 || shape != [pairs, members, width] {
            let sentence = format!(
                "the checkpoint's posterior has shape {shape:?} instead of [{pairs}, members, \
                 {width}]: use an undamaged checkpoint"
            );
            return Err(crate::Error::input(sentence));
        }
        let deviations = deviations.to_vec();
        let posterior = Self::new(deviations, members, width, alpha, covariance);
        Ok(posterior.on_share_of_uses(share))
    }
}
