//! Demonstrations as transitions from decision to decision, with the absorbing state that follows
//! an episode's end (Kostrikov et al. 2019).

use crate::data::Pairs;
use crate::nn;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor};

/// Transitions (s, a, s'). A state is a scaled observation and a flag, 0; the absorbing state is
/// zeros and a flag, 1.
///
/// Every step of a demonstration starts one, so an episode is as many interleaved chains of
/// decisions as a chunk has actions. A chain whose episode ended for good goes on into the
/// absorbing state and from there, once, into itself.
#[derive(Debug, Clone)]
pub struct Transitions {
    /// (N + 1) x (obs + 1): the states of N pairs, then the absorbing one.
    states: Vec<f32>,
    /// (N + 1) x chunk: the demonstrator's chunks there; zeros in the absorbing state.
    chunks: Vec<f32>,
    /// Rows of (s, a) and of s'.
    steps: Vec<(usize, usize)>,
    state_dim: usize,
    chunk_dim: usize,
}

/// Rows of transitions on the device.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    /// s: `[batch, obs + 1]`.
    pub(crate) state: Tensor<2>,
    /// a: `[batch, chunk * act]`.
    pub(crate) chunk: Tensor<2>,
    /// s': `[batch, obs + 1]`.
    pub(crate) next: Tensor<2>,
}

impl Transitions {
    /// From padded `pairs` (one for every step) with chunks of `chunk` actions; `terminated` says
    /// of each episode whether it ended for good. Where the time limit cut an episode off, the
    /// outcome of its last decisions is unknown, and they are left out.
    ///
    /// # Errors
    /// When there is an episode too few or too many, or no transition is left.
    pub fn new(pairs: &Pairs, terminated: &[bool], chunk: usize) -> Result<Self> {
        if pairs.episode_pairs.len() != terminated.len() {
            return Err(Error::failed(format!(
                "The pairs are of {} episodes, not of {}.",
                pairs.episode_pairs.len(),
                terminated.len()
            )));
        }
        let absorbing = pairs.len();
        let mut steps = Vec::new();
        let mut first = 0;
        for (&length, &terminated) in pairs.episode_pairs.iter().zip(terminated) {
            let end = first + length;
            for row in first..end {
                // A decision lasts `chunk` steps. One that leads beyond the end of an episode leads
                // into the absorbing state; what a time limit cut off is not known.
                match row + chunk < end {
                    true => steps.push((row, row + chunk)),
                    false if terminated => steps.extend([(row, absorbing), (absorbing, absorbing)]),
                    false => {}
                }
            }
            first = end;
        }
        if steps.is_empty() {
            return Err(Error::input(format!(
                "no demonstration succeeds or lasts longer than policy.chunk = {chunk} steps: give \
                 value-dice longer demonstrations"
            )));
        }
        // The flag tells an observation of zeros from the absorbing state.
        let mut states: Vec<f32> = pairs
            .obs
            .chunks(pairs.obs_dim)
            .flat_map(|obs| obs.iter().copied().chain([0.0]))
            .collect();
        states.extend(std::iter::repeat_n(0.0, pairs.obs_dim).chain([1.0]));
        let chunks = pairs
            .actions
            .iter()
            .copied()
            .chain(std::iter::repeat_n(0.0, pairs.action_dim))
            .collect();
        Ok(Self {
            states,
            chunks,
            steps,
            state_dim: pairs.obs_dim + 1,
            chunk_dim: pairs.action_dim,
        })
    }

    /// Number of transitions.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Lengths of a state (an observation and the flag) and of a chunk.
    pub(crate) fn row_sizes(&self) -> (usize, usize) {
        (self.state_dim, self.chunk_dim)
    }

    /// The transitions at `indices`.
    pub(crate) fn gather(&self, indices: &[usize], device: &Device) -> Rows {
        let rows = |values: &[f32], width: usize, row: &dyn Fn(usize) -> usize| {
            let gathered = indices
                .iter()
                .flat_map(|&i| values[row(i) * width..(row(i) + 1) * width].iter().copied());
            nn::matrix(gathered.collect(), width, device)
        };
        Rows {
            state: rows(&self.states, self.state_dim, &|i| self.steps[i].0),
            chunk: rows(&self.chunks, self.chunk_dim, &|i| self.steps[i].0),
            next: rows(&self.states, self.state_dim, &|i| self.steps[i].1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two episodes of three steps and one: observation and action count the steps.
    fn pairs() -> Pairs {
        let counts: Vec<f32> = vec![1.0, 2.0, 3.0, 4.0];
        Pairs {
            obs: counts.clone(),
            actions: counts,
            episode_pairs: vec![3, 1],
            obs_dim: 1,
            action_dim: 1,
            ..Pairs::default()
        }
    }

    /// State, action and next state of every transition, as numbers; 0 is the absorbing state.
    fn steps(terminated: [bool; 2], chunk: usize) -> Vec<(f32, f32, f32)> {
        let transitions = Transitions::new(&pairs(), &terminated, chunk).unwrap();
        let rows = transitions.gather(&(0..transitions.len()).collect::<Vec<_>>(), &Device::flex());
        let read = |tensor| pollster::block_on(nn::read(tensor)).unwrap();
        let state = read(rows.state);
        let chunk = read(rows.chunk);
        let next = read(rows.next);
        assert!(
            state
                .chunks(2)
                .chain(next.chunks(2))
                .all(|s| (s[0] == 0.0) == (s[1] == 1.0)),
            "the flag marks the absorbing state"
        );
        (0..transitions.len())
            .map(|i| (state[2 * i], chunk[i], next[2 * i]))
            .collect()
    }

    /// Decisions a chunk apart make a transition, an end for good leads into the absorbing state
    /// and that into itself, where the action is zero, and an end by the time limit leads nowhere.
    #[test]
    fn transitions_join_decisions_a_chunk_apart() {
        let end = (0.0, 0.0, 0.0);
        assert_eq!(
            steps([true, true], 1),
            [
                (1.0, 1.0, 2.0),
                (2.0, 2.0, 3.0),
                (3.0, 3.0, 0.0),
                end,
                (4.0, 4.0, 0.0),
                end
            ]
        );
        assert_eq!(
            steps([true, false], 2),
            [(1.0, 1.0, 3.0), (2.0, 2.0, 0.0), end, (3.0, 3.0, 0.0), end]
        );
        assert_eq!(steps([false, false], 2), [(1.0, 1.0, 3.0)]);
    }

    /// Demonstrations without a single transition are refused in words.
    #[test]
    fn demonstrations_without_a_transition_are_refused() {
        assert!(matches!(
            Transitions::new(&pairs(), &[false; 2], 3),
            Err(Error::Input(_))
        ));
        assert!(Transitions::new(&pairs(), &[true], 1).is_err());
    }
}
