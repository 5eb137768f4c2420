//! The suite `adroit`: a Shadow hand that twirls a pen, drives a nail or opens a door, as in
//! gymnasium-robotics 1.4.2 (gymnasium_robotics/envs/adroit_hand/). Scenes are theirs;
//! `docs/adroit.md` describes observations, control and rules.

mod door;
mod hammer;
mod hand;
mod package;
mod pen;
mod recorded;
mod replay;
mod rotations;
mod suite;
mod tasks;

pub use suite::Adroit;

use super::nan_state::NanState;
use super::plant::Plant;
use hand::Hand;
use protege_core::env::{Spec, StepOutcome, Subject, World};
use protege_core::error::excerpt;
use protege_core::rng::Rng;
use protege_core::{Error, Result, checksummed};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tasks::{by_id, unknown};

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

/// By whose rule a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum SuccessRule {
    /// gymnasium-robotics 1.4.2's.
    #[default]
    Upstream,
    /// MoDem's, which asks for less (facebookresearch/modem, `tasks/mj_envs`): a door at 1.0 rad, a
    /// nail within 20 mm. A pen is turned by the same rule.
    Modem,
}

impl SuccessRule {
    /// The rule of this name; empty: upstream's.
    ///
    /// # Errors
    /// When there is none.
    fn named(name: &str) -> Result<Self> {
        match name {
            "" => Ok(Self::Upstream),
            "modem" => Ok(Self::Modem),
            other => Err(Error::input(format!(
                "env.success_rule is `{}`, but the suite adroit has `modem` beside upstream's: \
                 set it to that, or leave it empty",
                excerpt(other)
            ))),
        }
    }
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
    fn evaluate(&self, plant: &Plant, rule: SuccessRule) -> Verdict;
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

/// Before the first step.
const FRESH: Verdict = Verdict {
    success: false,
    dense: 0.0,
};

/// A task of the suite `adroit`, without an end: upstream never ends an episode before its time
/// limit.
pub struct HandWorld {
    spec: Spec,
    hand: Hand,
    task: Box<dyn Task>,
    /// Of the last step.
    verdict: Verdict,
    rule: SuccessRule,
    nan_state: NanState,
}

impl HandWorld {
    /// The task `id`, not yet started.
    ///
    /// # Errors
    /// When there is no such task, or its scene cannot be had or loaded.
    pub fn new(id: &str) -> Result<Self> {
        let spec = by_id(id)?.spec();
        let hand = Hand::load(id)?;
        Ok(Self {
            task: task(id, &hand.plant)?,
            spec,
            hand,
            verdict: FRESH,
            rule: SuccessRule::default(),
            nan_state: NanState::default(),
        })
    }

    /// Starts an episode from a given state and observes it. Needed are `qpos`, `qvel` and what the
    /// task moves: by upstream's name in `get_env_state` (`door_body_pos`, `board_pos`,
    /// `desired_orien`), or `body_pos`, `body_quat` and, if they differ from the scene's file,
    /// `site_pos` of the whole scene. Other names are passed over.
    ///
    /// # Errors
    /// When something needed is missing, or something is not as long as it is in the scene.
    fn start_from(&mut self, init: &Init) -> Result<Vec<f64>> {
        self.hand.begin();
        self.hand.place(init)?;
        self.task.place(&mut self.hand.plant, init)?;
        self.hand.plant.data.forward();
        self.verdict = FRESH;
        self.nan_state = NanState::default();
        Ok(self.task.observe(&self.hand.plant))
    }

    /// Plays the `number`-th action for one control step, in 64 bits: the observation.
    ///
    /// # Errors
    /// When the action has the wrong length, or the simulator's state stops being finite.
    fn advance(&mut self, action: &[f64], number: usize) -> Result<Vec<f64>> {
        if action.len() != self.spec.act {
            return Err(Error::input(format!(
                "{} takes actions of {} numbers, not {}",
                self.spec.id,
                self.spec.act,
                action.len()
            )));
        }
        self.nan_state
            .before(&self.hand.plant, action.iter().copied());
        self.hand.step(action);
        let obs = self.task.observe(&self.hand.plant);
        if !self.hand.plant.is_finite() || !obs.iter().all(|v| v.is_finite()) {
            return Err(self
                .nan_state
                .broken(&self.hand.plant, &self.spec.id, number));
        }
        self.verdict = self.task.evaluate(&self.hand.plant, self.rule);
        Ok(obs)
    }
}

impl World for HandWorld {
    fn start(&mut self, seed: u64) -> Vec<f32> {
        self.verdict = FRESH;
        self.nan_state = NanState::of(seed);
        self.hand.begin();
        self.task
            .shuffle(&mut self.hand.plant, &mut Rng::new(seed, "start", 0));
        self.hand.plant.data.forward();
        to_f32(&self.task.observe(&self.hand.plant))
    }

    fn play(&mut self, action: &[f32], number: usize) -> Result<StepOutcome> {
        let action: Vec<f64> = action.iter().copied().map(f64::from).collect();
        let obs = self.advance(&action, number)?;
        Ok(StepOutcome {
            obs: to_f32(&obs),
            success: self.verdict.success,
        })
    }

    fn set_success_rule(&mut self, _id: &str, rule: &str) -> Result<()> {
        self.rule = SuccessRule::named(rule)?;
        Ok(())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Numbers(self.hand.plant.numbers())
    }

    fn save(&self) -> Vec<u8> {
        let saved = (self.verdict, self.hand.plant.save());
        postcard::to_allocvec(&saved).expect("plain data can be serialised into memory")
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let damaged = |_| checksummed::damaged(&self.spec.id);
        let (verdict, plant): (Verdict, Vec<u8>) = postcard::from_bytes(state).map_err(damaged)?;
        self.hand.plant.restore(&plant)?;
        self.verdict = verdict;
        self.nan_state = NanState::default();
        Ok(())
    }
}

/// As learners take it.
fn to_f32(numbers: &[f64]) -> Vec<f32> {
    numbers.iter().map(|&v| v as f32).collect()
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub use tests::broken;
