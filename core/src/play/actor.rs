//! Who decides.

use crate::data::Archive;
use crate::method::LocalFuture;
use crate::obs::ObsBatch;

/// Who decides in episodes, and does not learn meanwhile.
pub trait Actor: Send {
    /// Length of the noise vector of a decision.
    fn noise_len(&self) -> usize;

    /// Length of what is decided at a time: a chunk of actions.
    fn chunk_len(&self) -> usize;

    /// Numbers that a learner wants to know of every decision beside it.
    fn notes_len(&self) -> usize {
        0
    }

    /// Raw observations, what each episode remembers (nothing at its start), and noise rows to a
    /// decision for each. A row follows from its observation, its memory and its noise.
    ///
    /// # Errors
    /// When the device fails.
    fn decide<'a>(
        &'a self,
        obs: &'a ObsBatch,
        memories: &'a mut [Vec<f32>],
        noise: Vec<f32>,
    ) -> LocalFuture<'a, Decided>;

    /// Writes what is needed to decide elsewhere.
    ///
    /// # Errors
    /// When the device fails.
    fn write<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()>;
}

/// Decisions, row after row.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// Raw chunks of actions, [`Actor::chunk_len`] numbers each.
    pub chunks: Vec<f32>,
    /// [`Actor::notes_len`] numbers each.
    pub notes: Vec<f32>,
}
