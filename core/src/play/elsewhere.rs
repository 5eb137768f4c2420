//! Others who play.

use super::{Played, Rows, Shape};
use crate::Result;
use crate::data::Archive;
use serde::{Deserialize, Serialize};

/// Others who play episodes, such as the workers of a network. Core knows no network: a program
/// that has one gives a run the way to them ([`Services`](crate::run::Services)).
pub trait Elsewhere: Send + Sync {
    /// Has the episodes of these seeds played, which are wanted in this order; `job` says how and
    /// by whom ([`Guest`](crate::run::Guest) reads it), `shape` what comes back. None where nobody
    /// is there.
    fn begin(&self, job: Vec<u8>, seeds: Vec<u64>, shape: Shape) -> Option<Box<dyn Shares>>;
}

/// Episodes that are shared among those who play. Dropped, it calls back what is not played yet.
pub trait Shares: Send {
    /// The seed of an episode that is to be played here: one that nobody has begun, else the one
    /// that has been away the longest, which may never come. None where all are here, or are being
    /// played here.
    fn take(&mut self) -> Option<u64>;

    /// The episode of this seed was played here.
    fn keep(&mut self, seed: u64);

    /// The episodes that have arrived since the last call, each once.
    fn arrived(&mut self) -> Vec<Played>;
}

/// Says to others which environments are played, and how: a run's configuration.
pub trait Describe {
    /// Writes it down.
    ///
    /// # Errors
    /// When it cannot be written.
    fn describe(&self, archive: &mut Archive) -> Result<()>;
}

/// Who helps, and what they are told.
#[derive(Clone, Copy)]
pub struct Help<'a> {
    /// The others.
    pub elsewhere: &'a dyn Elsewhere,
    /// What is played.
    pub description: &'a dyn Describe,
}

/// What others need to know beside who decides and which environments are played.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Job {
    /// How many decisions are made together.
    pub(crate) rows: Rows,
    /// Whether it is practice, of which what was observed is wanted, too; else an evaluation.
    pub(crate) practice: bool,
}

impl Job {
    /// The name in the archive.
    pub(crate) const ENTRY: &'static str = "job";
}
