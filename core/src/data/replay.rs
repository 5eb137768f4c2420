//! Replay of decisions: a ring of transitions.

use super::Archive;
use crate::obs::{ObsBatch, ObsSpec, Observation};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The last `capacity` decisions: observation, action chunk, reward, next observation, whether the
/// episode ended for good.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    shape: Shape,
    /// Row that the next decision takes.
    next: usize,
    rows: Batch,
}

/// The sizes of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    obs: ObsSpec,
    action: usize,
    capacity: usize,
}

/// N decisions, field by field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// N.
    pub obs: ObsBatch,
    /// N x action: whole chunks.
    pub actions: Vec<f32>,
    /// N: the sum over the chunk.
    pub rewards: Vec<f32>,
    /// N.
    pub next_obs: ObsBatch,
    /// N: 1 where nothing can be earned afterwards, else 0 (also where a time limit cut the episode
    /// off).
    pub terminated: Vec<f32>,
}

impl Batch {
    /// Decisions, N.
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rewards.is_empty()
    }

    fn columns(&self) -> [&Vec<f32>; 3] {
        [&self.actions, &self.rewards, &self.terminated]
    }

    fn columns_mut(&mut self) -> [&mut Vec<f32>; 3] {
        [&mut self.actions, &mut self.rewards, &mut self.terminated]
    }
}

/// Names of the columns of numbers in an archive.
const COLUMNS: [&str; 3] = ["actions", "rewards", "terminated"];

impl Shape {
    /// Length of a row in each column of numbers.
    fn widths(&self) -> [usize; 3] {
        [self.action, 1, 1]
    }
}

impl Replay {
    /// An empty replay. `action` is the length of a whole chunk; memory is taken as decisions come,
    /// `capacity` (>= 1) at most.
    pub fn new(obs: ObsSpec, action: usize, capacity: usize) -> Self {
        let rows = Batch {
            obs: ObsBatch::new(&obs),
            next_obs: ObsBatch::new(&obs),
            ..Batch::default()
        };
        Self {
            shape: Shape {
                obs,
                action,
                capacity: capacity.max(1),
            },
            next: 0,
            rows,
        }
    }

    /// Decisions held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What observations are made of, and the length of an action chunk.
    pub(crate) fn row_sizes(&self) -> (&ObsSpec, usize) {
        (&self.shape.obs, self.shape.action)
    }

    /// Adds one decision, in place of the oldest when the replay is full.
    ///
    /// # Errors
    /// When an observation or the action has another shape.
    pub fn push(
        &mut self,
        obs: &Observation,
        action: &[f32],
        reward: f32,
        next_obs: &Observation,
        terminated: bool,
    ) -> Result<()> {
        let fits = |obs: &Observation| obs.spec() == self.shape.obs && obs.is_whole();
        if !fits(obs) || !fits(next_obs) || action.len() != self.shape.action {
            return Err(Error::failed(format!(
                "A decision does not fit the replay: its action has {} numbers where the replay \
                 holds {}, or its observations are others.",
                action.len(),
                self.shape.action
            )));
        }
        let at = self.next;
        let Batch {
            obs: held,
            actions,
            rewards,
            next_obs: held_next,
            terminated: ends,
        } = &mut self.rows;
        let end = f32::from(terminated);
        // A ring: rows are appended until it is full, then the oldest is overwritten.
        if rewards.len() < self.shape.capacity {
            held.push(obs);
            held_next.push(next_obs);
            actions.extend_from_slice(action);
            rewards.push(reward);
            ends.push(end);
        } else {
            held.set(at, obs);
            held_next.set(at, next_obs);
            actions[at * action.len()..][..action.len()].copy_from_slice(action);
            rewards[at] = reward;
            ends[at] = end;
        }
        self.next = (at + 1) % self.shape.capacity;
        Ok(())
    }

    /// The decisions in these rows.
    pub fn select(&self, indices: &[usize]) -> Batch {
        let column = |values: &[f32], width: usize| -> Vec<f32> {
            let rows = indices.iter();
            rows.flat_map(|&i| &values[i * width..(i + 1) * width])
                .copied()
                .collect()
        };
        Batch {
            obs: self.rows.obs.select(indices),
            actions: column(&self.rows.actions, self.shape.action),
            rewards: column(&self.rows.rewards, 1),
            next_obs: self.rows.next_obs.select(indices),
            terminated: column(&self.rows.terminated, 1),
        }
    }

    /// `n` decisions drawn uniformly with replacement; none when the replay is empty.
    pub fn sample(&self, rng: &mut Rng, n: usize) -> Batch {
        let n = if self.is_empty() { 0 } else { n };
        self.select(&rng.indices(n, self.len()))
    }

    /// Puts everything into an archive under `prefix/`.
    ///
    /// # Errors
    /// When the sizes cannot be written.
    pub fn save(&self, archive: &mut Archive, prefix: &str) -> Result<()> {
        archive.put(format!("{prefix}/shape"), &(&self.shape, self.next))?;
        let obs = (&self.rows.obs, &self.rows.next_obs);
        archive.put(format!("{prefix}/obs"), &obs)?;
        let columns = COLUMNS.into_iter().zip(self.rows.columns());
        for ((name, column), width) in columns.zip(self.shape.widths()) {
            let shape = [self.len(), width];
            archive.put_f32(format!("{prefix}/{name}"), &shape, column.clone());
        }
        Ok(())
    }

    /// Takes out of an archive what [`Replay::save`] put there.
    ///
    /// # Errors
    /// When something is missing or does not fit together.
    pub(crate) fn load(archive: &mut Archive, prefix: &str) -> Result<Self> {
        let (shape, next): (Shape, usize) = archive.get(&format!("{prefix}/shape"))?;
        let (obs, next_obs): (ObsBatch, ObsBatch) = archive.get(&format!("{prefix}/obs"))?;
        let mut rows = Batch {
            obs,
            next_obs,
            ..Batch::default()
        };
        let mut sizes = Vec::new();
        for (name, column) in COLUMNS.into_iter().zip(rows.columns_mut()) {
            let (size, values) = archive.take_f32(&format!("{prefix}/{name}"))?;
            sizes.push(size);
            *column = values;
        }
        let observed = |obs: &ObsBatch| obs.len() == rows.len() && obs.is_sound(&shape.obs);
        let fits = observed(&rows.obs)
            && observed(&rows.next_obs)
            && sizes
                .iter()
                .zip(shape.widths())
                .all(|(size, width)| *size == [rows.len(), width]);
        // Before the ring is full, the next row is the one after the last.
        let next_fits = if rows.len() < shape.capacity {
            next == rows.len()
        } else {
            rows.len() == shape.capacity && next < rows.len()
        };
        if !fits || !next_fits {
            return Err(Error::input(format!(
                "The replay {prefix:?} of the checkpoint is damaged: its sizes disagree; use an \
                 undamaged checkpoint."
            )));
        }
        Ok(Self { shape, next, rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A replay with decisions `first..first + n`, each recognizable in every column.
    fn counting(capacity: usize, first: usize, n: usize) -> Replay {
        let mut replay = Replay::new(ObsSpec::of_state(2), 1, capacity);
        push(&mut replay, first, n);
        replay
    }

    fn push(replay: &mut Replay, first: usize, n: usize) {
        for i in first..first + n {
            let x = i as f32;
            let next = vec![x + 1.0, -x - 1.0].into();
            let obs = vec![x, -x].into();
            replay.push(&obs, &[x], x, &next, i % 2 == 0).unwrap();
        }
    }

    fn assert_whole(batch: &Batch) {
        for (i, &x) in batch.rewards.iter().enumerate() {
            assert_eq!(batch.obs.state(i), [x, -x]);
            assert_eq!(batch.next_obs.state(i), [x + 1.0, -x - 1.0]);
            assert_eq!((batch.actions[i], batch.terminated[i]), (x, 1.0 - x % 2.0));
        }
    }

    /// A full replay forgets the oldest decision first, and its rows stay whole.
    #[test]
    fn a_full_replay_forgets_the_oldest() {
        let replay = counting(5, 0, 12);
        let mut held = replay.rows.rewards.clone();
        held.sort_by(f32::total_cmp);
        assert_eq!(held, [7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_whole(&replay.rows);
    }

    /// Samples are whole decisions, and every one comes up.
    #[test]
    fn samples_are_whole_decisions() {
        let batch = counting(8, 0, 8).sample(&mut Rng::new(0, "replay", 0), 200);
        assert_whole(&batch);
        assert!((0..8).all(|i| batch.rewards.contains(&(i as f32))));
        let empty = counting(4, 0, 0);
        assert!(empty.sample(&mut Rng::new(0, "replay", 0), 3).is_empty());
    }

    /// A saved replay goes on bit for bit, empty, half full or full, and with it the samples.
    #[test]
    fn a_saved_replay_goes_on_as_if_never_saved() {
        for pushed in [0, 3, 5, 7] {
            let mut replay = counting(5, 0, pushed);
            let mut archive = Archive::new();
            replay.save(&mut archive, "online").unwrap();
            let mut archive = Archive::from_bytes(&archive.to_bytes().unwrap()).unwrap();
            let mut restored = Replay::load(&mut archive, "online").unwrap();
            push(&mut replay, 50, 4);
            push(&mut restored, 50, 4);
            assert_eq!(replay, restored);
        }
    }

    /// A replay whose parts do not fit together is refused.
    #[test]
    fn a_damaged_replay_is_refused() {
        let mut archive = Archive::new();
        counting(5, 0, 3).save(&mut archive, "online").unwrap();
        archive.put_f32("online/rewards", &[2, 1], vec![0.0; 2]);
        assert!(matches!(
            Replay::load(&mut archive, "online"),
            Err(Error::Input(_))
        ));
        assert!(matches!(
            Replay::load(&mut Archive::new(), "online"),
            Err(Error::Input(_))
        ));
        let obs = vec![0.0; 2].into();
        let other = vec![0.0].into();
        let mut replay = counting(5, 0, 0);
        assert!(replay.push(&other, &[0.0], 0.0, &obs, false).is_err());
        assert!(replay.push(&obs, &[], 0.0, &obs, false).is_err());
    }
}
