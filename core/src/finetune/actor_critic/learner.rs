//! What a method puts into the loop.

use super::{ComposedPolicy, FrozenEncoder, RawInputs};
use crate::data::{Archive, SequenceBatch};
use crate::finetune::FinetunedPolicy;
use crate::method::LocalFuture;
use crate::rng::Rng;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Figures of a gradient step by the names of their metrics, still on the device.
pub(crate) type Figures = Vec<(&'static str, Tensor<1>)>;

/// Gradient steps so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Updates {
    /// Of cloning.
    pub(crate) cloning: usize,
    /// On demonstrations alone, between cloning and practice.
    pub(crate) pretraining: usize,
    /// Of practice.
    pub(crate) practice: usize,
}

/// Learns an actor beside a frozen policy.
pub(crate) trait Learner: Send {
    /// Gradient steps so far.
    fn updates(&self) -> Updates;

    /// One step of cloning the actor from demonstrated decisions; the loss.
    fn clone_step(&mut self, demos: &SequenceBatch) -> Tensor<1>;

    /// The encoders of pictures, where they stay as cloning leaves them; none where there are no
    /// pictures, or encoders learn in practice, too.
    fn frozen_encoder(&self) -> Option<FrozenEncoder> {
        None
    }

    /// How many steps on demonstrations alone follow cloning.
    fn pretraining(&self) -> usize {
        0
    }

    /// One of them.
    fn pretrain_step(&mut self, _demos: &SequenceBatch, _rng: &mut Rng) -> Figures {
        Vec::new()
    }

    /// One update on a batch of decisions, of which the first were demonstrated; its figures, where
    /// they are recorded.
    fn step(&mut self, batch: &SequenceBatch, record: bool, rng: &mut Rng) -> Option<Figures>;

    /// What acts: the actor, without gradients.
    fn acting(&self) -> ComposedPolicy;

    /// What it has made of the pretrained policy.
    fn finetuned(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.acting())
    }

    /// The learned reward of raw inputs and the actor's own actions, N each, where one is learned.
    fn rewards<'a>(
        &'a self,
        _inputs: &'a RawInputs,
        _own: &'a [f32],
    ) -> LocalFuture<'a, Option<Vec<f32>>> {
        Box::pin(async { Ok(None) })
    }

    /// Writes the whole state into the archive.
    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()>;
}
