//! The episodes of a phase, and who has them.

use super::secret::Tag;
use protege_core::play::{Played, Shape};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Episodes of the largest share: whoever has more than it plays at a time begins one where another
/// ends.
const LARGEST: usize = 64;
/// The smaller a share, the less is lost with who has it; about so many are made of what waits.
const SHARES_EACH: usize = 3;

/// What is played in a phase.
pub struct Board {
    /// What workers are told.
    pub job: Vec<u8>,
    /// Its SHA-256.
    pub name: Tag,
    /// What comes back.
    pub shape: Shape,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Nobody has begun them, in the order in which they are wanted.
    waiting: VecDeque<u64>,
    /// Others have them: those that have been away the longest first.
    away: VecDeque<u64>,
    /// They are being played at home.
    home: BTreeSet<u64>,
    /// They were played, and are not fetched yet.
    arrived: Vec<Played>,
    /// They were played.
    done: BTreeSet<u64>,
    closed: bool,
}

impl State {
    fn is_open(&self, seed: u64) -> bool {
        !self.closed && !self.done.contains(&seed)
    }
}

impl Board {
    /// Episodes that nobody has begun.
    pub fn new(job: Vec<u8>, seeds: Vec<u64>, shape: Shape) -> Self {
        let state = State {
            waiting: seeds.into(),
            ..State::default()
        };
        Self {
            name: Sha256::digest(&job).into(),
            job,
            shape,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A share for one of so many workers' lanes; empty where nothing waits.
    pub fn share(&self, lanes: usize) -> Vec<u64> {
        let mut state = self.state();
        let fair = state.waiting.len().div_ceil(SHARES_EACH * (lanes + 1));
        // A smaller one than is decided together would not be done sooner.
        let least = self.shape.rows.least.min(LARGEST);
        let size = fair.clamp(least, LARGEST).min(state.waiting.len());
        let share: Vec<u64> = state.waiting.drain(..size).collect();
        state.away.extend(&share);
        share
    }

    /// Gives back what of a share was not played.
    pub fn give_back(&self, share: &[u64]) {
        let mut state = self.state();
        for &seed in share.iter().rev() {
            state.away.retain(|&away| away != seed);
            if state.is_open(seed) && !state.home.contains(&seed) {
                state.waiting.push_front(seed);
            }
        }
    }

    /// An episode that was played elsewhere. Only the first of its seed counts.
    pub fn arrive(&self, played: Played) {
        let mut state = self.state();
        let seed = played.seed;
        state.away.retain(|&away| away != seed);
        if state.is_open(seed) {
            state.done.insert(seed);
            state.arrived.push(played);
        }
    }

    /// The next one for home: that waits, or else the one that has been away the longest.
    pub fn take(&self) -> Option<u64> {
        let mut state = self.state();
        let next = state.waiting.pop_front().or_else(|| {
            let mut away = state.away.iter();
            away.find(|seed| !state.home.contains(seed)).copied()
        })?;
        state.home.insert(next);
        Some(next)
    }

    /// Home has played it.
    pub fn keep(&self, seed: u64) {
        let mut state = self.state();
        state.away.retain(|&away| away != seed);
        state.done.insert(seed);
    }

    /// What has arrived since the last call.
    pub fn arrived(&self) -> Vec<Played> {
        std::mem::take(&mut self.state().arrived)
    }

    /// Whether somebody could begin something.
    pub fn has_work(&self) -> bool {
        let state = self.state();
        !state.closed && !state.waiting.is_empty()
    }

    /// Nobody wants anything any longer.
    pub fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.waiting.clear();
        state.arrived.clear();
    }
}

/// Wakes those who wait for work.
#[derive(Default)]
pub struct Bell {
    rung: Condvar,
}

impl Bell {
    /// Waits until it rings, or so long.
    pub fn wait<'a, T>(&self, guard: MutexGuard<'a, T>, time: Duration) -> MutexGuard<'a, T> {
        let waited = self.rung.wait_timeout(guard, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Wakes all.
    pub fn ring(&self) {
        self.rung.notify_all();
    }
}

#[cfg(test)]
mod tests;
