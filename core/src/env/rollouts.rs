//! Episodes of a policy, many environments in lockstep: for evaluation and for collecting
//! experience.

use super::{ChunkEnv, Entry, Env, EnvPool, Maker, Step, wrap};
use crate::obs::{ImageSpec, ObsBatch, ObsSpec, Observation, TaskLabel};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The environments that are played, and how.
#[derive(Debug, Clone)]
pub struct RolloutSpec {
    /// The task.
    pub task: Entry,
    /// The physics engine.
    pub engine: String,
    /// Makes the environments.
    pub make: Maker,
    /// How the robot is controlled: [`Env::set_controller`].
    pub controller: String,
    /// How success is judged: [`Env::set_success_rule`].
    pub success_rule: String,
    /// Control steps for which each action is held.
    pub action_repeat: usize,
    /// Actions per decision.
    pub chunk: usize,
    /// Which task it is, where a policy knows several.
    pub label: Option<TaskLabel>,
    /// Cameras beside the proprioception; none: observations are the task's own.
    pub cameras: Vec<ImageSpec>,
    /// Whether episodes go on after a success, to the horizon: see
    /// [`Env::set_terminate_on_success`].
    pub to_horizon: bool,
    /// Environments played in lockstep.
    pub parallel: usize,
    /// Seed of the starts and of the policy's noise.
    pub seed: u64,
    /// Threads. No result depends on it.
    pub threads: usize,
}

impl RolloutSpec {
    /// One of the environments.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn environment(&self) -> Result<Box<dyn Env>> {
        let mut env = (self.make)(&self.task.spec.id, &self.engine)?;
        env.set_controller(&self.controller)?;
        env.set_success_rule(&self.success_rule)?;
        let env = wrap(
            env,
            &self.task,
            self.action_repeat,
            self.label,
            &self.cameras,
        )?;
        let mut chunked = ChunkEnv::new(env, self.chunk)?;
        if self.to_horizon {
            chunked.set_terminate_on_success(false);
        }
        Ok(Box::new(chunked))
    }
}

/// The episode that an environment is playing.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Slot {
    seed: u64,
    obs: Observation,
    /// Whether the success rule has held at some step.
    success: bool,
    episode_return: f32,
    length: u64,
    /// The policy's noise: a stream per episode, so that an episode does not depend on its
    /// neighbors.
    noise: Rng,
    /// The same stream after the draws for a decision that is not played yet. Where it never is,
    /// because nobody answered, they are drawn again.
    #[serde(skip)]
    drawn: Option<Rng>,
    /// The actor's memory until its next decision.
    memory: Vec<f32>,
    /// Whether it is played elsewhere: then its environment here is not where it is, nor are its
    /// observation and its noise.
    #[serde(skip)]
    elsewhere: bool,
}

/// A decision that was made and played elsewhere.
pub(crate) struct Moment {
    /// Observation before.
    pub(crate) obs: Observation,
    /// The chunk that was played.
    pub(crate) chunk: Vec<f32>,
    /// Its result.
    pub(crate) step: Step,
    /// What the actor remembered then.
    pub(crate) memory: Vec<f32>,
}

/// What was decided in an episode that was played elsewhere, as far as it is followed.
pub(crate) struct Past<'a> {
    /// The chunks that were played.
    pub(crate) chunks: Vec<&'a [f32]>,
    /// Numbers of the policy's noise for each of them.
    pub(crate) noise: usize,
}

impl Slot {
    /// At the start of the episode of this seed, which was observed.
    fn start(seed: u64, obs: Observation) -> Self {
        Self {
            seed,
            obs,
            success: false,
            episode_return: 0.0,
            length: 0,
            noise: Rng::new(seed, "policy-noise", 0),
            drawn: None,
            memory: Vec::new(),
            elsewhere: false,
        }
    }

    /// Plays what was played elsewhere: then environment, observation and noise are as if it had
    /// been played here.
    fn catch_up(&mut self, env: &mut dyn Env, past: &Past<'_>) -> Result<()> {
        self.obs = env.reset(self.seed);
        self.noise = Rng::new(self.seed, "policy-noise", 0);
        for chunk in &past.chunks {
            self.noise.normals(past.noise);
            self.obs = env.step(chunk)?.obs;
        }
        self.elsewhere = false;
        Ok(())
    }
}

/// A running episode and its environment's state.
type Running = (Slot, Vec<u8>);

/// One decision, as replay stores it.
pub struct Decision {
    /// The seed of its episode: which decisions belong together.
    pub seed: u64,
    /// Observation before.
    pub obs: Observation,
    /// The chunk that was played.
    pub chunk: Vec<f32>,
    /// Its result.
    pub step: Step,
}

/// An episode that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedEpisode {
    /// The seed that picked its start.
    pub seed: u64,
    /// Whether the success rule held at any control step.
    pub success: bool,
    /// Whether it held after the last one.
    pub success_at_end: bool,
    /// Sum of rewards.
    pub episode_return: f32,
    /// Control steps.
    pub length: u64,
}

/// Plays a fixed set of episodes, whose starts `stream` names.
pub struct Rollouts {
    pool: EnvPool,
    slots: Vec<Option<Slot>>,
    plan: Plan,
}

/// The episodes to play, and how many are done.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Plan {
    seed: u64,
    stream: String,
    /// First episode, next to start, and one past the last.
    first: u64,
    next: u64,
    end: u64,
    finished: u64,
    successes: u64,
    successes_at_end: u64,
}

impl Plan {
    /// The seed of episode number `episode`. A start follows from the run's seed, the stream and
    /// its number alone, not from what was played before.
    fn start(&self, episode: u64) -> u64 {
        Rng::new(self.seed, &self.stream, episode).bits()
    }

    /// Whether the counts add up with `running` episodes, and something is left to play.
    fn is_possible(&self, running: u64) -> bool {
        let started = self.next.checked_sub(self.first);
        let ordered = self.next <= self.end && self.finished < self.end.saturating_sub(self.first);
        let counted = self.successes <= self.finished && self.successes_at_end <= self.successes;
        ordered && counted && started.is_some() && started == self.finished.checked_add(running)
    }
}

impl Rollouts {
    /// Episodes `first..end` of the stream `stream` of the spec's seed.
    ///
    /// # Errors
    /// When the environment cannot be made.
    pub fn new(spec: &RolloutSpec, stream: &str, first: u64, end: u64) -> Result<Self> {
        let count = (spec.parallel as u64).min(end - first);
        let envs = (0..count).map(|_| spec.environment());
        let envs = envs.collect::<Result<Vec<_>>>()?;
        let plan = Plan {
            seed: spec.seed,
            stream: stream.into(),
            first,
            next: first,
            end,
            finished: 0,
            successes: 0,
            successes_at_end: 0,
        };
        Ok(Self {
            slots: (0..count).map(|_| None).collect(),
            pool: EnvPool::new(envs, spec.threads)?,
            plan,
        })
    }

    /// Episodes without end of the stream `stream`: whenever one is over, the next begins in its
    /// place.
    ///
    /// # Errors
    /// When the environment cannot be made.
    pub fn endless(spec: &RolloutSpec, stream: &str) -> Result<Self> {
        Self::new(spec, stream, 0, u64::MAX)
    }

    /// Starts episodes where none is running; gives every running episode's observation, in order.
    pub fn observe(&mut self) -> ObsBatch {
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if slot.is_none() && self.plan.next < self.plan.end {
                let seed = self.plan.start(self.plan.next);
                *slot = Some(Slot::start(seed, self.pool.env(i).reset(seed)));
                self.plan.next += 1;
            }
        }
        self.slots
            .iter_mut()
            .flatten()
            .for_each(|slot| slot.drawn = None);
        ObsBatch::of(self.slots.iter().flatten().map(|slot| &slot.obs))
    }

    /// Noise for a decision in every running episode, `per_episode` values each, in the order of
    /// [`Rollouts::observe`]. It counts as drawn once the decision is played.
    pub fn noise(&mut self, per_episode: usize) -> Vec<f32> {
        let draw = |slot: &mut Slot| {
            let drawn = slot.drawn.get_or_insert_with(|| slot.noise.clone());
            drawn.normals(per_episode)
        };
        self.slots.iter_mut().flatten().flat_map(draw).collect()
    }

    /// The actor's memory of every running episode, in the order of [`Rollouts::observe`]; empty at
    /// an episode's start.
    pub(crate) fn memories(&self) -> Vec<Vec<f32>> {
        self.slots
            .iter()
            .flatten()
            .map(|slot| slot.memory.clone())
            .collect()
    }

    /// Replaces the memories, in the same order.
    pub(crate) fn remember(&mut self, memories: Vec<Vec<f32>>) {
        self.slots
            .iter_mut()
            .flatten()
            .zip(memories)
            .for_each(|(slot, memory)| slot.memory = memory);
    }

    /// Plays one chunk (rows of `chunk_len` values, in the order of [`Rollouts::observe`]) in every
    /// running episode.
    pub fn play(
        &mut self,
        chunks: &[f32],
        chunk_len: usize,
    ) -> Result<(Vec<Decision>, Vec<FinishedEpisode>)> {
        // Rows are those of the running episodes, in order; the other environments get nothing.
        let mut rows = chunks.chunks(chunk_len);
        let active: Vec<bool> = self.slots.iter().map(Option::is_some).collect();
        let actions: Vec<Vec<f32>> = active
            .iter()
            .map(|&on| {
                if on {
                    rows.next().unwrap_or_default().to_vec()
                } else {
                    Vec::new()
                }
            })
            .collect();
        let steps = self.pool.step(&active, &actions)?;
        Ok(self.settle(steps, actions))
    }

    /// Takes down what one chunk in every running episode came to: an entry for every environment,
    /// whether there is an episode or not.
    fn settle(
        &mut self,
        steps: Vec<Option<Step>>,
        actions: Vec<Vec<f32>>,
    ) -> (Vec<Decision>, Vec<FinishedEpisode>) {
        let mut decisions = Vec::new();
        let mut finished = Vec::new();
        for ((slot, step), chunk) in self.slots.iter_mut().zip(steps).zip(actions) {
            let (Some(running), Some(step)) = (slot.as_mut(), step) else {
                continue;
            };
            running.success |= step.success;
            running.episode_return += step.reward;
            running.length += step.steps as u64;
            if let Some(drawn) = running.drawn.take() {
                running.noise = drawn;
            }
            let seed = running.seed;
            // The decision keeps the observation that it was made at.
            let obs = std::mem::replace(&mut running.obs, step.obs.clone());
            if step.done() {
                let Slot {
                    success,
                    episode_return,
                    length,
                    ..
                } = *running;
                finished.push(FinishedEpisode {
                    seed,
                    success,
                    success_at_end: step.success_at_end,
                    episode_return,
                    length,
                });
                *slot = None;
            }
            decisions.push(Decision {
                seed,
                obs,
                chunk,
                step,
            });
        }
        self.plan.finished += finished.len() as u64;
        self.plan.successes += finished.iter().filter(|f| f.success).count() as u64;
        self.plan.successes_at_end += finished.iter().filter(|f| f.success_at_end).count() as u64;
        (decisions, finished)
    }

    /// Starts episodes where none is running, without an environment: they are played elsewhere.
    /// Until they are over, or caught up with, only [`Rollouts::follow`] goes on with them.
    #[cfg_attr(
        target_arch = "wasm32",
        allow(dead_code, reason = "nobody helps a browser's tab")
    )]
    pub(crate) fn start_elsewhere(&mut self) {
        for slot in &mut self.slots {
            if slot.is_none() && self.plan.next < self.plan.end {
                let seed = self.plan.start(self.plan.next);
                *slot = Some(Slot {
                    elsewhere: true,
                    ..Slot::start(seed, Observation::default())
                });
                self.plan.next += 1;
            }
        }
    }

    /// The running episodes, in order: their seeds, and the control steps that were played of them.
    pub(crate) fn running(&self) -> impl Iterator<Item = (u64, u64)> {
        let slots = self.slots.iter().flatten();
        slots.map(|slot| (slot.seed, slot.length))
    }

    /// The seeds of all episodes that are not over, in the order in which they start.
    pub(crate) fn unfinished(&self) -> Vec<u64> {
        let running = self.running().map(|(seed, _)| seed);
        let later = (self.plan.next..self.plan.end).map(|episode| self.plan.start(episode));
        running.chain(later).collect()
    }

    /// Environments that are played in lockstep.
    pub(crate) fn width(&self) -> usize {
        self.slots.len()
    }

    /// What the environments' observations are made of.
    pub(crate) fn obs_spec(&mut self) -> ObsSpec {
        self.pool.env(0).spec().obs.clone()
    }

    /// What [`Rollouts::play`] does, with decisions that were made and played elsewhere: one for
    /// every running episode, in order.
    pub(crate) fn follow(&mut self, moments: Vec<Moment>) -> (Vec<Decision>, Vec<FinishedEpisode>) {
        let mut moments = moments.into_iter();
        let mut steps = Vec::new();
        let mut actions = Vec::new();
        for slot in &mut self.slots {
            let moment = slot.as_mut().and_then(|slot| Some((slot, moments.next()?)));
            let Some((slot, moment)) = moment else {
                steps.push(None);
                actions.push(Vec::new());
                continue;
            };
            slot.elsewhere = true;
            slot.obs = moment.obs;
            slot.memory = moment.memory;
            steps.push(Some(moment.step));
            actions.push(moment.chunk);
        }
        self.settle(steps, actions)
    }

    /// Brings environments to where their episodes are that were played elsewhere: from then on
    /// they can be played here. `past` tells what was played of an episode of this seed, of which
    /// so many control steps are over.
    ///
    /// # Errors
    /// When the simulator fails.
    #[cfg_attr(
        target_arch = "wasm32",
        allow(dead_code, reason = "nobody helps a browser's tab")
    )]
    pub(crate) fn catch_up<'a>(
        &mut self,
        past: impl Fn(u64, u64) -> Past<'a> + Sync,
    ) -> Result<()> {
        let slots = &self.slots;
        let caught_up = self.pool.map(|i, env| {
            let mut slot = slots[i].clone();
            if let Some(slot) = slot.as_mut().filter(|slot| slot.elsewhere) {
                slot.catch_up(env, &past(slot.seed, slot.length))?;
            }
            Ok(slot)
        });
        self.slots = caught_up.into_iter().collect::<Result<_>>()?;
        Ok(())
    }

    /// Finished episodes, and all that there are to play.
    pub fn progress(&self) -> (u64, u64) {
        (self.plan.finished, self.plan.end - self.plan.first)
    }

    /// Finished episodes that succeeded at any step.
    pub(crate) fn successes(&self) -> u64 {
        self.plan.successes
    }

    /// Finished episodes on whose last step the success rule held.
    pub(crate) fn successes_at_end(&self) -> u64 {
        self.plan.successes_at_end
    }

    /// The whole state, physics included.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn save(&self) -> Result<Vec<u8>> {
        let running = self
            .slots
            .iter()
            .zip(self.pool.save())
            .map(|(slot, env)| slot.clone().map(|slot| (slot, env)));
        self.to_bytes(running.collect())
    }

    /// [`Rollouts::save`] of episodes that are played elsewhere: the same bytes as if they were
    /// played here. See [`Rollouts::catch_up`].
    ///
    /// # Errors
    /// When the simulator fails, or it cannot be encoded.
    pub(crate) fn save_elsewhere<'a>(
        &self,
        spec: &RolloutSpec,
        past: impl Fn(u64, u64) -> Past<'a>,
    ) -> Result<Vec<u8>> {
        let mut env = spec.environment()?;
        let mut running = Vec::new();
        for (slot, state) in self.slots.iter().zip(self.pool.save()) {
            let mut slot = slot.clone();
            let state = match slot.as_mut().filter(|slot| slot.elsewhere) {
                Some(slot) => {
                    slot.catch_up(&mut *env, &past(slot.seed, slot.length))?;
                    env.save()
                }
                None => state,
            };
            running.push(slot.map(|slot| (slot, state)));
        }
        self.to_bytes(running)
    }

    fn to_bytes(&self, running: Vec<Option<Running>>) -> Result<Vec<u8>> {
        postcard::to_allocvec(&(&self.plan, running))
            .map_err(|e| Error::failed(format!("the rollouts could not be saved: {e}")))
    }

    /// Restores what [`Rollouts::save`] wrote under the same spec.
    ///
    /// # Errors
    /// When the bytes are damaged or foreign.
    pub(crate) fn load(spec: &RolloutSpec, bytes: &[u8]) -> Result<Self> {
        let damaged = || {
            Error::input("the checkpoint's rollouts are damaged: resume from another checkpoint")
        };
        let (plan, running): (Plan, Vec<Option<Running>>) =
            postcard::from_bytes(bytes).map_err(|_| damaged())?;
        if !plan.is_possible(running.iter().flatten().count() as u64) {
            return Err(damaged());
        }
        // Environments are made anew: the bytes hold their states alone.
        let mut rollouts = Self::new(spec, &plan.stream, plan.first, plan.end)?;
        if running.len() != rollouts.slots.len() {
            return Err(damaged());
        }
        for (i, (slot, state)) in running
            .into_iter()
            .enumerate()
            .filter_map(|(i, running)| Some((i, running?)))
        {
            let env = rollouts.pool.env(i);
            if slot.obs.spec() != env.spec().obs || !slot.obs.is_whole() {
                return Err(damaged());
            }
            env.restore(&state)?;
            rollouts.slots[i] = Some(slot);
        }
        rollouts.plan = plan;
        Ok(rollouts)
    }
}

#[cfg(test)]
mod tests;
