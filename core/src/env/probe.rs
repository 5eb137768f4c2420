//! Five tiny environments with known answers, each of which isolates one thing that a learner can
//! get wrong.
//!
//! With o the observation and a the action:
//!
//! | id | episode | isolates | answer |
//! |---|---|---|---|
//! | `probe/1` | one step, reward 1 | the value learns from the reward | value 1 |
//! | `probe/2` | one step, reward o = -1 or 1 | the value sees o | value = o |
//! | `probe/3` | two steps, reward 1 at the end, o = 0, 1 | credit travels | value(0) = discount |
//! | `probe/4` | one step, reward 1 - (a - 0.5)^2 | the policy learns | a = 0.5, value 1 |
//! | `probe/5` | one step, reward 1 - (a - o / 2)^2 | the policy sees o | a = o / 2, value 1 |
//!
//! Observation: 1 number. Action: 1 number. Success: a reward of at least 0.99.

use super::suite::{Entry, RAPIER};
use super::{Env, Spec, Step, Suite, checked_action, episode_over, foreign_state};
use crate::obs::{ObsSpec, Observation};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The discount for which `probe/3` has the value 0.9 at time 0.
pub const PROBE_DISCOUNT: f64 = 0.9;

const IDS: [&str; 5] = ["probe/1", "probe/2", "probe/3", "probe/4", "probe/5"];

/// The suite `probe`.
pub struct Probes;

impl Suite for Probes {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |number| Entry {
            spec: spec(number),
            engines: &[RAPIER],
            about: "A tiny environment with a known answer.",
            expert_success: None,
            proprioception: None,
        };
        (1..=IDS.len()).map(entry).collect()
    }

    fn is_listed(&self) -> bool {
        false
    }

    /// Nothing moves: a step has no duration.
    fn control_hz(&self) -> f64 {
        1.0
    }

    fn make(&self, id: &str, _engine: &str) -> Result<Box<dyn Env>> {
        Ok(Box::new(Probe::by_id(id)?))
    }
}

/// The sizes of a probe, 1 to 5.
fn spec(number: usize) -> Spec {
    Spec {
        id: IDS[number - 1].into(),
        obs: ObsSpec::of_state(1),
        act: 1,
        horizon: if number == 3 { 2 } else { 1 },
    }
}

/// One of the five; see the head of this file.
pub struct Probe {
    number: usize,
    spec: Spec,
    state: State,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
struct State {
    number: usize,
    /// The random sign that probes 2 and 5 show.
    sign: f32,
    time: usize,
}

impl Probe {
    /// Probe 1 to 5, started from seed 0.
    ///
    /// # Errors
    /// When `number` is another.
    pub fn new(number: usize) -> Result<Self> {
        if !(1..=IDS.len()).contains(&number) {
            return Err(Error::input(format!(
                "there is no `probe/{number}`: probes are numbered 1 to 5"
            )));
        }
        let mut probe = Self {
            number,
            spec: spec(number),
            state: State {
                number,
                sign: 1.0,
                time: 0,
            },
        };
        probe.reset(0);
        Ok(probe)
    }

    /// The probe called `id`, `probe/1` to `probe/5`.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn by_id(id: &str) -> Result<Self> {
        let number = IDS.iter().position(|known| *known == id);
        Self::new(
            number.ok_or_else(|| {
                Error::input(format!("there is no `{id}`: probes are numbered 1 to 5"))
            })? + 1,
        )
    }

    fn observe(&self) -> Vec<f32> {
        match self.number {
            2 | 5 => vec![self.state.sign],
            3 => vec![self.state.time as f32],
            _ => vec![0.0],
        }
    }

    /// The action that earns most, where the action matters.
    fn best_action(&self) -> f32 {
        match self.number {
            4 => 0.5,
            5 => 0.5 * self.state.sign,
            _ => 0.0,
        }
    }

    /// The reward of `action` now.
    fn reward(&self, action: f32) -> f32 {
        match self.number {
            1 => 1.0,
            2 => self.state.sign,
            3 => self.state.time as f32,
            _ => 1.0 - (action - self.best_action()) * (action - self.best_action()),
        }
    }
}

impl Env for Probe {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Observation {
        let heads = Rng::new(seed, "start", 0).below(2) == 1;
        self.state = State {
            number: self.number,
            sign: if heads { 1.0 } else { -1.0 },
            time: 0,
        };
        self.observe().into()
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let action = checked_action(&self.spec, action)?;
        if self.state.time >= self.spec.horizon {
            return Err(episode_over(&self.spec.id));
        }
        let reward = self.reward(action[0]);
        self.state.time += 1;
        let terminated = self.state.time >= self.spec.horizon;
        let success = reward >= 0.99;
        Ok(Step {
            obs: self.observe().into(),
            reward,
            success,
            success_at_end: success,
            terminated,
            truncated: false,
            steps: 1,
        })
    }

    /// A probe's episode ends at its horizon, whatever it earned.
    fn set_terminate_on_success(&mut self, _: bool) {}

    fn set_horizon(&mut self, steps: usize) {
        self.spec.horizon = steps.max(1);
    }

    fn expert(&mut self) -> Option<Vec<f32>> {
        Some(vec![self.best_action()])
    }

    fn save(&self) -> Vec<u8> {
        postcard::to_allocvec(&self.state).expect("plain numbers can be serialised into memory")
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let foreign = || foreign_state(&self.spec.id);
        let state: State = postcard::from_bytes(state).map_err(|_| foreign())?;
        if state.number != self.number {
            return Err(foreign());
        }
        self.state = state;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn episode(number: usize, seed: u64, action: f32) -> Vec<(f32, f32)> {
        let mut probe = Probe::new(number).unwrap();
        let mut obs = probe.reset(seed);
        let mut log = Vec::new();
        loop {
            let step = probe.step(&[action]).unwrap();
            log.push((obs.state[0], step.reward));
            if step.done() {
                return log;
            }
            obs = step.obs;
        }
    }

    /// The probes pay what their table says.
    #[test]
    fn probes_pay_what_their_table_says() {
        assert_eq!(episode(1, 0, 0.3), [(0.0, 1.0)]);
        assert_eq!(episode(3, 0, 0.3), [(0.0, 0.0), (1.0, 1.0)]);
        assert_eq!(episode(4, 0, 0.5), [(0.0, 1.0)]);
        assert_eq!(episode(4, 0, -0.5), [(0.0, 0.0)]);
        let mut seen = [false; 2];
        for seed in 0..20 {
            let (obs, reward) = episode(2, seed, 0.0)[0];
            seen[usize::from(obs > 0.0)] = true;
            assert_eq!((obs.abs(), reward), (1.0, obs));
            let (obs, reward) = episode(5, seed, 0.5)[0];
            assert_eq!(reward, if obs > 0.0 { 1.0 } else { 0.0 });
        }
        assert_eq!(seen, [true; 2]);
    }

    /// The expert earns most, and an unknown probe is an error.
    #[test]
    fn the_expert_of_a_probe_is_optimal() {
        for number in [4, 5] {
            let mut probe = Probe::new(number).unwrap();
            let action = probe.expert().unwrap();
            assert_eq!(probe.step(&action).unwrap().reward, 1.0);
        }
        assert!(Probe::new(6).is_err());
    }
}
