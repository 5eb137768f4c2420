//! An episode that was played.

use super::Rows;
use super::observed::Observed;
use crate::env::{Moment, Step};
use crate::obs::{ObsSpec, Observation};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A whole episode: what was decided in it, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Played {
    /// The seed that picked its start.
    pub seed: u64,
    decisions: Vec<Outcome>,
    /// What was observed before each decision, and after the last; nothing where nobody learns
    /// from it.
    observed: Observed,
}

/// A decision and its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Outcome {
    chunk: Vec<f32>,
    notes: Vec<f32>,
    memory: Vec<f32>,
    reward: f32,
    success: bool,
    success_at_end: bool,
    terminated: bool,
    truncated: bool,
    steps: u32,
}

/// What an episode that comes from elsewhere has to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// Numbers of a decision.
    pub chunk: usize,
    /// Numbers that are noted of a decision.
    pub notes: usize,
    /// What is observed, where somebody learns from it.
    pub obs: Option<ObsSpec>,
    /// Control steps of the longest episode.
    pub horizon: usize,
    /// How many decisions are made together.
    pub rows: Rows,
}

impl Played {
    /// An episode that begins with this observation, which is kept where somebody learns from it.
    pub(crate) fn start(seed: u64, first: Option<&Observation>) -> Self {
        Self {
            seed,
            decisions: Vec::new(),
            observed: first.map_or_else(Observed::default, Observed::start),
        }
    }

    /// Adds a decision, which the actor made with `notes` and remembers as `memory`.
    pub(crate) fn push(&mut self, chunk: &[f32], notes: &[f32], memory: &[f32], step: &Step) {
        if !self.observed.is_empty() {
            self.observed.push(&step.obs);
        }
        self.decisions.push(Outcome {
            chunk: chunk.to_vec(),
            notes: notes.to_vec(),
            memory: memory.to_vec(),
            reward: step.reward,
            success: step.success,
            success_at_end: step.success_at_end,
            terminated: step.terminated,
            truncated: step.truncated,
            steps: step.steps as u32,
        });
    }

    /// Which decision comes once so many control steps are over; none where none does.
    pub(crate) fn place(&self, length: u64) -> Option<usize> {
        let mut over = 0;
        for (place, decision) in self.decisions.iter().enumerate() {
            if over == length {
                return Some(place);
            }
            over += u64::from(decision.steps);
        }
        None
    }

    /// The chunks before decision `place`.
    pub(crate) fn chunks_before(&self, place: usize) -> Vec<&[f32]> {
        let before = &self.decisions[..place];
        before.iter().map(|d| d.chunk.as_slice()).collect()
    }

    /// What was noted of decision `place`.
    pub(crate) fn notes(&self, place: usize) -> &[f32] {
        &self.decisions[place].notes
    }

    /// Decision `place`, as observations of `obs` were made; without, nothing was observed.
    pub(crate) fn moment(&self, place: usize, obs: Option<&ObsSpec>) -> Moment {
        let seen = |t: usize| match obs {
            Some(spec) => self.observed.at(t, spec),
            None => Observation::default(),
        };
        let decision = &self.decisions[place];
        Moment {
            obs: seen(place),
            chunk: decision.chunk.clone(),
            memory: decision.memory.clone(),
            step: Step {
                obs: seen(place + 1),
                reward: decision.reward,
                success: decision.success,
                success_at_end: decision.success_at_end,
                terminated: decision.terminated,
                truncated: decision.truncated,
                steps: decision.steps as usize,
            },
        }
    }

    /// The episode as bytes.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        postcard::to_allocvec(self)
            .map_err(|e| Error::failed(format!("an episode could not be encoded: {e}")))
    }
}

impl Shape {
    /// Reads what [`Played::to_bytes`] wrote, and checks all of it.
    ///
    /// # Errors
    /// When it is damaged, or of another task or policy.
    pub fn read(&self, bytes: &[u8]) -> Result<Played> {
        let played = match postcard::take_from_bytes::<Played>(bytes) {
            Ok((played, [])) if self.fits(&played) => played,
            _ => {
                return Err(Error::input(
                    "an episode that was played elsewhere is damaged, or of another task or \
                     policy: use workers of this version",
                ));
            }
        };
        Ok(played)
    }

    fn fits(&self, played: &Played) -> bool {
        let Played {
            decisions,
            observed,
            ..
        } = played;
        let Some((last, others)) = decisions.split_last() else {
            return false;
        };
        let done = |d: &Outcome| d.terminated || d.truncated;
        let steps: u64 = decisions.iter().map(|d| u64::from(d.steps)).sum();
        let seen = match &self.obs {
            Some(spec) => observed.len() == decisions.len() + 1 && observed.is_of(spec),
            None => *observed == Observed::default(),
        };
        seen && steps <= self.horizon as u64
            && done(last)
            && !others.iter().any(done)
            && decisions.iter().all(|decision| self.holds(decision))
    }

    fn holds(&self, decision: &Outcome) -> bool {
        let Outcome {
            chunk,
            notes,
            memory,
            reward,
            steps,
            ..
        } = decision;
        let numbers = [chunk, notes, memory].into_iter().flatten();
        chunk.len() == self.chunk
            && notes.len() == self.notes
            && numbers.chain([reward]).all(|number| number.is_finite())
            && *steps > 0
    }
}

#[cfg(test)]
mod tests;
