//! The suites of a program: what configurations are checked against, and tasks looked up in.

pub use super::suite::{Entry, MUJOCO, RAPIER};

use super::lab::Lab;
use super::probe::Probes;
use super::{Env, RewardAfterSuccess, Suite};
use crate::error::{excerpt, nearest};
use crate::{Error, Result};
use std::ops::Range;

/// The suites of a program: the one list that knows them all. Whoever looks a task up is given it.
#[derive(Clone, Copy)]
pub struct Catalog {
    /// In the order in which tasks are listed.
    pub suites: &'static [&'static dyn Suite],
    /// What is added when a task is not there: where others may be had. Empty, or a sentence's end
    /// that begins with ` (`.
    pub elsewhere: &'static str,
}

/// The suites of core itself: what runs everywhere.
pub const CORE: Catalog = Catalog {
    suites: &[&Lab, &Probes],
    elsewhere: " (the native program has more suites)",
};

impl Catalog {
    /// Every task that is offered to users.
    pub fn all(&self) -> Vec<Entry> {
        self.suites
            .iter()
            .filter(|suite| suite.is_listed())
            .flat_map(|suite| suite.tasks())
            .collect()
    }

    /// The task called `id`.
    ///
    /// # Errors
    /// When there is none; the message suggests the nearest name.
    pub fn entry(&self, id: &str) -> Result<Entry> {
        let tasks = || self.suites.iter().flat_map(|suite| suite.tasks());
        tasks().find(|task| task.spec.id == id).ok_or_else(|| {
            let near = nearest(id, tasks().map(|task| task.spec.id)).unwrap_or_default();
            Error::input(format!(
                "there is no task `{}`; did you mean `{near}`?{}",
                excerpt(id),
                self.elsewhere
            ))
        })
    }

    /// The suite of the task called `id`.
    ///
    /// # Errors
    /// When there is no such task; the message suggests the nearest name.
    pub fn suite(&self, id: &str) -> Result<&'static dyn Suite> {
        let task = self.entry(id)?;
        let (name, _) = task.spec.id.split_once('/').unwrap_or_default();
        let found = self.suites.iter().find(|suite| suite.name() == name);
        let missing = || Error::failed(format!("{id} is not listed by a suite of its name"));
        found.copied().ok_or_else(missing)
    }

    /// The engine that a task is played on unless another is named.
    pub fn usual_engine(&self, id: &str) -> &'static str {
        self.entry(id).map_or(RAPIER, |task| task.engines[0])
    }

    /// [`Suite::action_repeat`] of a task; 1 where there is no such task.
    pub fn action_repeat(&self, id: &str) -> usize {
        self.suite(id).map_or(1, |suite| suite.action_repeat())
    }

    /// Control steps for which an action is held where `hz` of them are decided a second: 1 or
    /// more; 1 where there is no such task.
    pub fn action_repeat_at(&self, id: &str, hz: f64) -> usize {
        let control = self.suite(id).map_or(hz, |suite| suite.control_hz());
        ((control / hz).round() as usize).max(1)
    }

    /// [`Suite::controller`] of a task's suite.
    ///
    /// # Errors
    /// When there is no such task, or its suite has no such controller.
    pub fn controller(&self, id: &str, words: &str) -> Result<String> {
        self.suite(id)?.controller(words)
    }

    /// [`Suite::success_rule`] of a task's suite.
    ///
    /// # Errors
    /// When there is no such task, or its suite has no such rule.
    pub fn success_rule(&self, id: &str, rule: &str) -> Result<()> {
        self.suite(id)?.success_rule(rule)
    }

    /// Whether a step of this task costs 1 where an episode goes on after a success, until it
    /// succeeds.
    pub fn failure_costs(&self, id: &str) -> bool {
        let reward = self.suite(id).map(|suite| suite.reward());
        reward == Ok(RewardAfterSuccess::FailureCosts)
    }

    /// Checks that there is an engine of this name for this task.
    ///
    /// # Errors
    /// When there is no such task, or the engine cannot play it.
    pub(crate) fn checked_engine(&self, id: &str, engine: &str) -> Result<()> {
        let engines = self.entry(id)?.engines;
        if engines.contains(&engine) {
            return Ok(());
        }
        Err(Error::input(format!(
            "{id} cannot be played on the engine `{}`: set engine to {}",
            excerpt(engine),
            engines.join(" or ")
        )))
    }

    /// Makes the environment `id` on an engine.
    ///
    /// # Errors
    /// When there is no such task, the engine cannot play it, or this program cannot.
    pub fn make(&self, id: &str, engine: &str) -> Result<Box<dyn Env>> {
        self.checked_engine(id, engine)?;
        self.suite(id)?.make(id, engine)
    }
}

/// What a state has at these places, in their order.
///
/// # Panics
/// When the state is too short: another task's.
pub(crate) fn select_ranges(state: &[f32], places: &[Range<usize>]) -> Vec<f32> {
    places
        .iter()
        .flat_map(|place| &state[place.clone()])
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistyped task is answered with the name that was meant, in any suite.
    #[test]
    fn a_mistyped_task_is_answered_with_the_nearest_name() {
        for (typed, meant) in [
            ("lab/pickplace", "lab/pick-place"),
            ("lap/lift", "lab/lift"),
            ("probe/9", "probe/"),
        ] {
            let sentence = CORE.entry(typed).unwrap_err().to_string();
            assert!(sentence.contains(&format!("`{meant}")), "{sentence}");
        }
    }

    /// An engine that cannot play a task is refused with the one that can.
    #[test]
    fn an_engine_that_cannot_play_the_task_is_refused() {
        let refused = |id: &str, engine: &str| {
            let refusal = CORE.checked_engine(id, engine).unwrap_err();
            refusal.to_string()
        };
        let sentence = refused("probe/1", MUJOCO);
        assert!(sentence.contains("set engine to rapier"), "{sentence}");
        CORE.checked_engine("lab/lift", MUJOCO).unwrap();
        refused("lab/lift", "bullet");
    }

    /// Every task is listed by the suite whose name its id begins with, with a sentence of its own,
    /// and probes are not offered.
    #[test]
    fn every_task_is_of_the_suite_of_its_name() {
        for suite in CORE.suites {
            for task in suite.tasks() {
                let id = &task.spec.id;
                assert_eq!(CORE.suite(id).unwrap().name(), suite.name(), "{id}");
                assert!(task.about.ends_with('.'), "{id}");
            }
        }
        assert!(
            CORE.all()
                .iter()
                .all(|task| task.spec.id.starts_with("lab/"))
        );
    }

    /// What stays beside a picture lies within the observation, in order, none twice.
    #[test]
    fn proprioception_lies_within_the_observation() {
        for task in CORE.all() {
            let id = &task.spec.id;
            let places = task.proprioception.unwrap();
            let apart = |pair: &[Range<usize>]| pair[0].end <= pair[1].start;
            assert!(places.windows(2).all(apart), "{id}");
            assert!(places.last().unwrap().end <= task.spec.obs.state, "{id}");
        }
        assert!(CORE.entry("probe/1").unwrap().proprioception.is_none());
    }
}
