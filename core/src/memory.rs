//! What settings take of memory, estimated before anything is made of them.
//!
//! Weights are exact. A number of a pass (the output of a layer for a row) counts several times,
//! since what a step of learning keeps of it differs from layer to layer; and what is saved is
//! there three times while a checkpoint is written: at work, in the archive, and as a file's bytes.

use crate::obs::{ImageSpec, ObsSpec};
use crate::policy::PolicyConfig;

/// Bytes of a number.
pub(crate) const NUMBER: f64 = 4.0;
/// Copies of weights that are learned: at work are they, their gradients and Adam's two moments;
/// all but the gradients are saved.
const LEARNED: f64 = 9.5;
/// Copies of weights that only follow others, such as a target network's.
const FOLLOWING: f64 = 3.2;
/// Copies of whatever else is saved: lists that grow have room to spare.
pub(crate) const SAVED: f64 = 3.5;
/// What learning keeps for each number of a pass: the output of a layer and of its activation,
/// their gradients, and what is between.
const LEARNING_PASS: f64 = 2.1;
/// How much more it is where layers are normalized.
pub(crate) const NORMED: f64 = 1.15;
/// The same without gradients, of the widest layer alone.
const ACTING_PASS: f64 = 2.0;

/// A part of the memory that settings take.
#[derive(Debug, Clone, PartialEq)]
pub struct Need {
    /// What it is for.
    pub what: &'static str,
    /// The settings whose product it follows, by their keys.
    pub keys: Vec<String>,
    /// How much.
    pub bytes: f64,
}

impl Need {
    pub(crate) fn new(what: &'static str, keys: &[&str], bytes: f64) -> Self {
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        Self { what, keys, bytes }
    }

    /// The same, which follows other settings, too.
    #[must_use]
    pub(crate) fn also(mut self, keys: &[&str]) -> Self {
        self.keys.extend(keys.iter().map(|key| (*key).to_owned()));
        self
    }

    /// Of settings of one group.
    pub(crate) fn of(group: &str, what: &'static str, names: &[&str], bytes: f64) -> Self {
        let keys = names.iter().map(|name| format!("{group}.{name}")).collect();
        Self { what, keys, bytes }
    }
}

/// Sizes that an estimate begins with.
pub(crate) struct Sizes<'a> {
    pub(crate) policy: &'a PolicyConfig,
    /// What the policy reads.
    pub(crate) reads: ObsSpec,
    /// What the environments show.
    pub(crate) obs: ObsSpec,
    /// Numbers of an action.
    pub(crate) act: usize,
    /// Actions of an episode, at most.
    pub(crate) horizon: usize,
    /// Pairs of demonstrations, about.
    pub(crate) pairs: f64,
    /// Environments of an evaluation.
    pub(crate) parallel: usize,
    /// Threads that learn.
    pub(crate) cores: usize,
}

impl Sizes<'_> {
    /// Numbers of an action chunk.
    pub(crate) fn chunk_len(&self) -> f64 {
        (self.policy.chunk * self.act) as f64
    }

    /// Decisions of an episode, at most, with as many actions each as a chunk has.
    pub(crate) fn decisions(&self) -> f64 {
        self.horizon.div_ceil(self.policy.chunk) as f64
    }

    /// The settings of what is seen, where something is.
    pub(crate) fn sight(&self) -> &'static [&'static str] {
        match self.obs.cameras.is_empty() {
            true => &[],
            false => &["env.image_size", "env.image_stack"],
        }
    }

    /// Bytes of so many environments, with what they show, and of their state while it is saved.
    pub(crate) fn environments(&self, count: usize) -> f64 {
        let frames: f64 = self.obs.cameras.iter().map(|c| c.stack_len() as f64).sum();
        count as f64 * (ENVIRONMENT + 3.0 * frames)
    }

    /// Bytes of a replay of so many decisions, each with the features of two observations, so many
    /// numbers each, and a chunk of so many.
    pub(crate) fn replay(&self, decisions: f64, features: usize, chunk: f64) -> f64 {
        let numbers = 2.0 * features as f64 + chunk + 2.0;
        decisions * numbers * NUMBER * SAVED
    }

    /// Bytes of a replay of whole episodes, which holds every observation once. Pictures are
    /// packed: most of one is as it was in the one before.
    pub(crate) fn episodes(&self, decisions: f64) -> f64 {
        self.episodes_of(&self.obs, decisions)
    }

    /// The same of other observations.
    pub(crate) fn episodes_of(&self, obs: &ObsSpec, decisions: f64) -> f64 {
        let numbers = (obs.numbers() + 2 * self.act + 3) as f64;
        let frames: f64 = obs.cameras.iter().map(|c| c.frame_len() as f64).sum();
        decisions * (numbers * NUMBER + PACKED * frames) * SAVED
    }
}

/// Bytes of an environment: its scene, and its state while it is saved.
const ENVIRONMENT: f64 = 150e3;

/// The share of a picture that is left of it when it is packed.
const PACKED: f64 = 0.25;

/// What there is to count of a network.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct NetworkSize {
    /// Its weights.
    pub(crate) weights: f64,
    /// Numbers that all layers give for a row, and those of the row.
    pub(crate) outputs: f64,
    /// Numbers of the widest layer.
    pub(crate) widest: f64,
}

impl NetworkSize {
    /// `members` perceptrons with layers of these sizes.
    pub(crate) fn perceptrons(members: usize, sizes: &[usize]) -> Self {
        let members = members as f64;
        let size = |i: usize| sizes[i] as f64;
        let layers = 1..sizes.len();
        let weights: f64 = layers.map(|i| (size(i - 1) + 1.0) * size(i)).sum();
        let outputs: f64 = (0..sizes.len()).map(size).sum();
        let widest = (0..sizes.len()).map(size).fold(0.0, f64::max);
        Self {
            weights: members * weights,
            outputs: members * outputs,
            widest: members * widest,
        }
    }

    /// Perceptrons with so many hidden layers of the same width.
    pub(crate) fn stack(
        members: usize,
        (inputs, outputs): (usize, usize),
        (hidden, layers): (usize, usize),
    ) -> Self {
        let mut sizes = vec![inputs];
        sizes.extend(std::iter::repeat_n(hidden, layers));
        sizes.push(outputs);
        Self::perceptrons(members, &sizes)
    }

    /// What convolutions make of a camera's pictures: every layer has a stride of 2, or, of these,
    /// the last few have none.
    pub(crate) fn convolutions(camera: &ImageSpec, unstrided: f64) -> Self {
        let pixels = (camera.size * camera.size) as f64;
        let channels = camera.channels() as f64;
        let width = 32.0;
        // Sides halve, so areas shrink to a quarter: a third of the first in all.
        let maps = width * pixels / 4.0 * (4.0 / 3.0 + unstrided / 4.0);
        Self {
            weights: 49.0 * channels * width + 6.0 * 25.0 * width * width,
            // Pictures stay bytes, and have no gradient.
            outputs: channels * pixels / NUMBER / LEARNING_PASS + maps,
            widest: maps,
        }
    }

    /// Both of them.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            weights: self.weights + other.weights,
            outputs: self.outputs + other.outputs,
            widest: self.widest.max(other.widest),
        }
    }

    /// Bytes of its weights where it learns.
    pub(crate) fn learned(&self) -> f64 {
        self.weights * LEARNED * NUMBER
    }

    /// Bytes of its weights where it only follows another.
    pub(crate) fn following(&self) -> f64 {
        self.weights * FOLLOWING * NUMBER
    }

    /// Bytes of a step of learning from so many rows.
    pub(crate) fn learning(&self, rows: f64) -> f64 {
        rows * self.outputs * LEARNING_PASS * NUMBER
    }

    /// Bytes of a pass of so many rows without learning.
    pub(crate) fn acting(&self, rows: f64) -> f64 {
        rows * self.widest * ACTING_PASS * NUMBER
    }
}
