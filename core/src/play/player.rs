//! Plays whole episodes.

use super::{Actor, Decided, Played, Rows};
use crate::Result;
use crate::env::{EnvPool, RolloutSpec, Step};
use crate::obs::{ObsBatch, Observation};
use crate::rng::Rng;
use std::collections::VecDeque;

/// Plays the episodes that it is given, several in lockstep, each from its start to its end.
pub(crate) struct Player {
    pool: EnvPool,
    places: Vec<Option<Place>>,
    waiting: VecDeque<u64>,
    rows: Rows,
    /// Whether somebody learns from what is observed.
    observing: bool,
}

/// An episode that is being played.
struct Place {
    obs: Observation,
    noise: Rng,
    memory: Vec<f32>,
    played: Played,
}

impl Player {
    /// Plays up to `width` episodes in lockstep, in environments of `spec`, and makes as many
    /// decisions at a time as `rows` says.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub(crate) fn new(
        spec: &RolloutSpec,
        width: usize,
        rows: Rows,
        observing: bool,
    ) -> Result<Self> {
        let width = width.clamp(1, rows.most.max(1));
        let envs = (0..width).map(|_| spec.environment());
        Ok(Self {
            pool: EnvPool::new(envs.collect::<Result<_>>()?, spec.threads)?,
            places: (0..width).map(|_| None).collect(),
            waiting: VecDeque::new(),
            rows,
            observing,
        })
    }

    /// Episodes that could be begun at once.
    pub(crate) fn room(&self) -> usize {
        let running = self.places.iter().flatten().count();
        (self.places.len() - running).saturating_sub(self.waiting.len())
    }

    /// Whether there is nothing to play.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.places.iter().all(Option::is_none)
    }

    /// Plays the episode of this seed, too.
    pub(crate) fn give(&mut self, seed: u64) {
        self.waiting.push_back(seed);
    }

    /// Gives up the episode of this seed.
    pub(crate) fn give_up(&mut self, seed: u64) {
        self.waiting.retain(|&waiting| waiting != seed);
        for place in &mut self.places {
            if place
                .as_ref()
                .is_some_and(|place| place.played.seed == seed)
            {
                *place = None;
            }
        }
    }

    /// Gives up all that it was given.
    pub(crate) fn clear(&mut self) {
        self.waiting.clear();
        self.places.fill_with(|| None);
    }

    /// Starts episodes where there is room; makes and plays one decision in every running one.
    /// Those that ended.
    ///
    /// # Errors
    /// When the simulator or the device fails.
    pub(crate) async fn step(&mut self, actor: &dyn Actor) -> Result<Vec<Played>> {
        self.start();
        let running = self.places.iter().flatten().count();
        if running == 0 {
            return Ok(Vec::new());
        }
        let decided = self.decide(actor, running).await?;
        let mut rows = decided.chunks.chunks(actor.chunk_len());
        let active: Vec<bool> = self.places.iter().map(Option::is_some).collect();
        let chunk = |&on: &bool| match on {
            true => rows.next().unwrap_or_default().to_vec(),
            false => Vec::new(),
        };
        let chunks: Vec<Vec<f32>> = active.iter().map(chunk).collect();
        let steps = self.pool.step(&active, &chunks)?;
        Ok(self.take_down(steps, &chunks, &decided.notes, actor.notes_len()))
    }

    fn start(&mut self) {
        for (i, place) in self.places.iter_mut().enumerate() {
            if place.is_some() {
                continue;
            }
            let Some(seed) = self.waiting.pop_front() else {
                return;
            };
            let obs = self.pool.env(i).reset(seed);
            *place = Some(Place {
                played: Played::start(seed, self.observing.then_some(&obs)),
                obs,
                noise: Rng::new(seed, "policy-noise", 0),
                memory: Vec::new(),
            });
        }
    }

    /// A decision in each of the running episodes. Where they are too few, the first is decided
    /// several times.
    async fn decide(&mut self, actor: &dyn Actor, running: usize) -> Result<Decided> {
        let rows = running.max(self.rows.least);
        let places: Vec<&mut Place> = self.places.iter_mut().flatten().collect();
        let of = |row: usize| if row < running { row } else { 0 };
        let obs = ObsBatch::of((0..rows).map(|row| &places[of(row)].obs));
        let mut memories: Vec<Vec<f32>> = (0..rows)
            .map(|row| places[of(row)].memory.clone())
            .collect();
        let mut noise: Vec<f32> = Vec::new();
        let mut places = places;
        for place in &mut places {
            noise.extend(place.noise.normals(actor.noise_len()));
        }
        for _ in running..rows {
            noise.extend_from_within(..actor.noise_len());
        }
        let decided = actor.decide(&obs, &mut memories, noise).await?;
        for (place, memory) in places.into_iter().zip(memories) {
            place.memory = memory;
        }
        Ok(decided)
    }

    /// Adds what was played to the episodes; those that ended.
    fn take_down(
        &mut self,
        steps: Vec<Option<Step>>,
        chunks: &[Vec<f32>],
        notes: &[f32],
        width: usize,
    ) -> Vec<Played> {
        let mut ended = Vec::new();
        let mut row = 0;
        for ((place, step), chunk) in self.places.iter_mut().zip(steps).zip(chunks) {
            let (Some(running), Some(step)) = (place.as_mut(), step) else {
                continue;
            };
            let notes = &notes[row * width..(row + 1) * width];
            row += 1;
            let memory = &running.memory;
            running.played.push(chunk, notes, memory, &step);
            if step.done() {
                ended.extend(place.take().map(|place| place.played));
            } else {
                running.obs = step.obs;
            }
        }
        ended
    }
}
