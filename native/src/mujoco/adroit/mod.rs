//! The suite `adroit`: a Shadow hand that twirls a pen, drives a nail or opens a door, as in
//! gymnasium-robotics 1.4.2 (gymnasium_robotics/envs/adroit_hand/). Scenes are theirs;
//! `docs/adroit.md` describes observations, control and rules.

mod door;
mod hammer;
mod hand;
mod pen;
pub mod recorded;
mod replay;
mod rotations;

use super::nan_state::NanState;
use super::plant::Plant;
use hand::Hand;
use protege_core::env::{Env, Spec, Step, Subject, catalogue, checked_action, episode_over};
use protege_core::rng::Rng;
use protege_core::{Error, Result, seal};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Numbers by name: what upstream's `get_env_state` gives, or everything that a start may move.
pub type Init = BTreeMap<String, Vec<f64>>;

/// How a step went by upstream's rules.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Verdict {
    /// Whether the success rule holds now.
    success: bool,
    /// The dense reward of gymnasium-robotics 1.4.2.
    dense: f64,
}

/// What one task adds to the hand.
trait Task: Send {
    /// Moves what differs from start to start.
    fn shuffle(&self, plant: &mut Plant, rng: &mut Rng);
    /// Puts in place what upstream's `set_env_state` names beside `qpos` and `qvel`.
    ///
    /// # Errors
    /// When they are missing or have the wrong length.
    fn place(&self, plant: &mut Plant, init: &Init) -> Result<()>;
    /// The observation, as long as the task's size says.
    fn observe(&self, plant: &Plant) -> Vec<f64>;
    /// Success and dense reward.
    fn judge(&self, plant: &Plant) -> Verdict;
}

/// Where a task's rule and its places in the scene come from.
fn task(id: &str, plant: &Plant) -> Result<Box<dyn Task>> {
    match id {
        "adroit/pen" => Ok(Box::new(pen::Pen::find(plant)?)),
        "adroit/hammer" => Ok(Box::new(hammer::Hammer::find(plant)?)),
        "adroit/door" => Ok(Box::new(door::Door::find(plant)?)),
        _ => Err(unknown(id)),
    }
}

fn unknown(id: &str) -> Error {
    Error::input(format!(
        "there is no task `{id}` in the suite adroit, which has adroit/pen, adroit/hammer and \
         adroit/door"
    ))
}

/// Whether an observation shows that the task is done: for recordings that cannot be played again.
/// The hammer's nail is judged by its joint, up to a substep (2 ms) later than the rule of the
/// simulation sees it.
///
/// # Errors
/// When there is no such task.
pub fn shows_success(id: &str, obs: &[f32]) -> Result<bool> {
    let obs: Vec<f64> = obs.iter().copied().map(f64::from).collect();
    match id {
        "adroit/pen" => Ok(pen::shows_success(&obs)),
        "adroit/hammer" => Ok(hammer::shows_success(&obs)),
        "adroit/door" => Ok(door::shows_success(&obs)),
        _ => Err(unknown(id)),
    }
}

/// What the environment itself remembers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Progress {
    /// Control steps since the start.
    steps: usize,
    over: bool,
    /// Of the last step.
    verdict: Verdict,
}

const FRESH: Progress = Progress {
    steps: 0,
    over: false,
    verdict: Verdict {
        success: false,
        dense: 0.0,
    },
};

/// A task of the suite `adroit`.
///
/// Upstream never ends an episode before its time limit, and pays as long as success lasts.
/// Learning here expects what the suite `lab` does: the first success ends the episode with the
/// only reward there is, 1. [`Adroit::end_on_success`] chooses.
pub struct Adroit {
    spec: Spec,
    hand: Hand,
    task: Box<dyn Task>,
    ends: bool,
    progress: Progress,
    nan_state: NanState,
}

impl Adroit {
    /// The task `id`, started from seed 0.
    ///
    /// # Errors
    /// When there is no such task, or its scene cannot be had or loaded.
    pub fn new(id: &str) -> Result<Self> {
        let spec = catalogue::entry(id)?.spec;
        let hand = Hand::load(id.strip_prefix("adroit/").ok_or_else(|| unknown(id))?)?;
        let mut env = Self {
            task: task(id, &hand.plant)?,
            spec,
            hand,
            ends: true,
            progress: FRESH,
            nan_state: NanState::default(),
        };
        env.reset(0);
        Ok(env)
    }

    /// Whether the first success ends the episode (the default, as in the suite `lab`), or it goes
    /// on to the horizon, paying 1 on every step on which the success rule holds.
    #[must_use]
    pub fn end_on_success(self, ends: bool) -> Self {
        Self { ends, ..self }
    }

    /// The dense reward of the last step, by gymnasium-robotics 1.4.2; 0 before the first.
    pub fn dense_reward(&self) -> f64 {
        self.progress.verdict.dense
    }

    /// Starts an episode from a given state and observes it. Needed are `qpos`, `qvel` and what the
    /// task moves: by upstream's name in `get_env_state` (`door_body_pos`, `board_pos`,
    /// `desired_orien`), or `body_pos`, `body_quat` and, if they differ from the scene's file,
    /// `site_pos` of the whole scene. Other names are passed over.
    ///
    /// # Errors
    /// When something needed is missing, or something is not as long as it is in the scene.
    pub fn start(&mut self, init: &Init) -> Result<Vec<f64>> {
        self.hand.begin();
        self.hand.place(init)?;
        self.task.place(&mut self.hand.plant, init)?;
        self.hand.plant.data.forward();
        (self.progress, self.nan_state) = (FRESH, NanState::default());
        Ok(self.task.observe(&self.hand.plant))
    }

    /// Plays one action for one control step, in 64 bits and past any end: (observation, whether
    /// the success rule holds, dense reward).
    ///
    /// # Errors
    /// When the action has the wrong length, or the simulator's state stops being finite.
    pub fn play(&mut self, action: &[f64]) -> Result<(Vec<f64>, bool, f64)> {
        if action.len() != self.spec.act {
            let (id, act, given) = (&self.spec.id, self.spec.act, action.len());
            return Err(Error::input(format!(
                "{id} takes actions of {act} numbers, not {given}"
            )));
        }
        self.nan_state
            .before(&self.hand.plant, action.iter().copied());
        self.hand.step(action);
        self.progress.steps += 1;
        let obs = self.task.observe(&self.hand.plant);
        if !self.hand.plant.is_finite() || !obs.iter().all(|v| v.is_finite()) {
            return Err(self.nan_state.broken(
                &self.hand.plant,
                &self.spec.id,
                self.progress.steps,
            ));
        }
        self.progress.verdict = self.task.judge(&self.hand.plant);
        Ok((
            obs,
            self.progress.verdict.success,
            self.progress.verdict.dense,
        ))
    }
}

impl Env for Adroit {
    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Numbers(self.hand.plant.numbers()))
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        (self.progress, self.nan_state) = (FRESH, NanState::of(seed));
        self.hand.begin();
        self.task
            .shuffle(&mut self.hand.plant, &mut Rng::new(seed, "start", 0));
        self.hand.plant.data.forward();
        single(&self.task.observe(&self.hand.plant))
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let action = checked_action(&self.spec, action)?;
        if self.progress.over {
            return Err(episode_over(&self.spec.id));
        }
        let action: Vec<f64> = action.into_iter().map(f64::from).collect();
        let (obs, success, _) = self.play(&action)?;
        let terminated = success && self.ends;
        let truncated = !terminated && self.progress.steps >= self.spec.horizon;
        self.progress.over = terminated || truncated;
        Ok(Step {
            obs: single(&obs),
            reward: f32::from(success),
            success,
            success_at_end: success,
            terminated,
            truncated,
            steps: 1,
        })
    }

    fn play_on(&mut self) {
        self.ends = false;
    }

    /// There is none: the suite's experts are networks, which come from files (`protege demos
    /// --expert`).
    fn expert(&mut self) -> Option<Vec<f32>> {
        None
    }

    fn save(&self) -> Vec<u8> {
        let saved = (self.progress, self.hand.plant.save());
        let body = postcard::to_allocvec(&saved).expect("plain data can be serialised into memory");
        seal::seal(&seal::digest(self.spec.id.as_bytes()), &body)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let id = &self.spec.id;
        let body = seal::open(&seal::digest(id.as_bytes()), state, id)?;
        let (progress, plant): (Progress, Vec<u8>) =
            postcard::from_bytes(body).map_err(|_| seal::damaged(id))?;
        self.hand.plant.restore(&plant)?;
        (self.progress, self.nan_state) = (progress, NanState::default());
        Ok(())
    }
}

/// As learners take it.
fn single(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&v| v as f32).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::broken;
