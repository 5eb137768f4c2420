//! Tabular finite-horizon MDPs and tables over (step, state, action), as plain data.

use crate::error::within;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Most transition probabilities of one MDP: 80 MB.
const LARGEST: f64 = 1e7;

/// The size of a problem. Steps, states and actions are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Steps of an episode, H.
    pub horizon: usize,
    /// States, S.
    pub states: usize,
    /// Actions, A.
    pub actions: usize,
}

impl Size {
    /// Checks that the size is not empty and fits in memory.
    ///
    /// # Errors
    /// Names the number that is out of range, or says that the whole is too large.
    pub fn check(self) -> Result<()> {
        within("horizon", self.horizon, 1, 1000)?;
        within("states", self.states, 1, 1000)?;
        within("actions", self.actions, 1, 1000)?;
        let entries = self.dynamics();
        if entries <= LARGEST {
            return Ok(());
        }
        Err(Error::input(format!(
            "{} states, {} actions and a horizon of {} make {entries:.0} transition probabilities, \
             more than the {LARGEST:.0} that are allowed; make one of them smaller",
            self.states, self.actions, self.horizon
        )))
    }

    /// H S A S: how many transition probabilities there are, and what a dynamic program costs.
    pub(crate) fn dynamics(self) -> f64 {
        self.horizon as f64 * self.states as f64 * self.actions as f64 * self.states as f64
    }
}

/// A number for each step, state and action: a policy's probabilities pi_h(a|s), visit counts
/// T_h(s, a), or rewards r_h(s, a).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The sizes of its axes.
    pub size: Size,
    /// The numbers, (step, state, action), actions next to each other.
    pub values: Vec<f64>,
}

impl Table {
    /// A table whose rows (one number an action) are given by step and state.
    pub fn new(size: Size, mut row: impl FnMut(usize, usize) -> Vec<f64>) -> Self {
        let cells =
            (0..size.horizon).flat_map(|step| (0..size.states).map(move |state| (step, state)));
        Self {
            size,
            values: cells.flat_map(|(step, state)| row(step, state)).collect(),
        }
    }

    /// All zeros.
    pub(crate) fn zeros(size: Size) -> Self {
        Self {
            size,
            values: vec![0.0; size.horizon * size.states * size.actions],
        }
    }

    /// The numbers of all actions at a step and state.
    pub(crate) fn row(&self, step: usize, state: usize) -> &[f64] {
        let first = (step * self.size.states + state) * self.size.actions;
        &self.values[first..first + self.size.actions]
    }

    /// The rows of all steps and states, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.size.actions)
    }

    /// The table of what `change` makes of each row.
    pub(crate) fn map_rows(&self, change: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        Self {
            size: self.size,
            values: self.rows().flat_map(change).collect(),
        }
    }

    /// One number, to be changed.
    pub(crate) fn at_mut(&mut self, step: usize, state: usize, action: usize) -> &mut f64 {
        &mut self.values[(step * self.size.states + state) * self.size.actions + action]
    }
}

/// A tabular finite-horizon MDP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mdp {
    /// Probability that an episode starts in each state, (S).
    pub start: Vec<f64>,
    /// Reward r_h(s, a), in [0, 1].
    pub rewards: Table,
    /// Probability P_h(s'|s, a), (H-1, S, A, S): the last step leads nowhere.
    pub transitions: Vec<f64>,
}

impl Mdp {
    /// The size.
    pub fn size(&self) -> Size {
        self.rewards.size
    }

    /// Successors of an action: a distribution over states, (S); empty at the last step.
    pub fn next(&self, step: usize, state: usize, action: usize) -> &[f64] {
        let Size {
            horizon,
            states,
            actions,
        } = self.size();
        if step + 1 >= horizon {
            return &[];
        }
        let first = ((step * states + state) * actions + action) * states;
        &self.transitions[first..first + states]
    }
}

/// An MDP and the policy that demonstrates it, pi^beta.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The MDP.
    pub(crate) mdp: Mdp,
    /// The demonstrator's probabilities.
    pub demonstrator: Table,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes that are empty or that would fill the memory are refused.
    #[test]
    fn absurd_sizes_are_refused() {
        let refused = |horizon, states, actions| {
            Size {
                horizon,
                states,
                actions,
            }
            .check()
            .is_err()
        };
        assert!(
            refused(0, 1, 1)
                && refused(1, 0, 1)
                && refused(1, 1, 0)
                && refused(1000, 1000, 1000)
                && refused(usize::MAX, 1, 1)
        );
        assert!(!refused(1, 1, 1) && !refused(20, 50, 20));
    }
}
