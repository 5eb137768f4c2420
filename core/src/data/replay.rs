//! Replay of decisions: a ring of transitions.

use super::Archive;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    obs: usize,
    action: usize,
    capacity: usize,
}

/// N decisions, in flat row-major vectors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// N x obs.
    pub obs: Vec<f32>,
    /// N x action: whole chunks.
    pub actions: Vec<f32>,
    /// N: the sum over the chunk.
    pub rewards: Vec<f32>,
    /// N x obs.
    pub next_obs: Vec<f32>,
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

    fn columns(&self) -> [&Vec<f32>; 5] {
        [
            &self.obs,
            &self.actions,
            &self.rewards,
            &self.next_obs,
            &self.terminated,
        ]
    }

    fn columns_mut(&mut self) -> [&mut Vec<f32>; 5] {
        [
            &mut self.obs,
            &mut self.actions,
            &mut self.rewards,
            &mut self.next_obs,
            &mut self.terminated,
        ]
    }
}

/// Names of the columns in an archive.
const COLUMNS: [&str; 5] = ["obs", "actions", "rewards", "next_obs", "terminated"];

impl Shape {
    /// Length of a row in each column.
    fn widths(&self) -> [usize; 5] {
        [self.obs, self.action, 1, self.obs, 1]
    }
}

impl Replay {
    /// An empty replay. `action` is the length of a whole chunk; memory is taken as decisions come,
    /// `capacity` (>= 1) at most.
    pub fn new(obs: usize, action: usize, capacity: usize) -> Self {
        Self {
            shape: Shape {
                obs,
                action,
                capacity: capacity.max(1),
            },
            next: 0,
            rows: Batch::default(),
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

    /// Lengths of an observation and of an action chunk.
    pub fn row_sizes(&self) -> (usize, usize) {
        (self.shape.obs, self.shape.action)
    }

    /// All decisions held; the oldest is overwritten first, so the order of rows is not that of
    /// time once the ring is full.
    pub fn rows(&self) -> &Batch {
        &self.rows
    }

    /// Adds one decision, in place of the oldest when the replay is full.
    ///
    /// # Errors
    /// When a row has the wrong length.
    pub fn push(
        &mut self,
        obs: &[f32],
        action: &[f32],
        reward: f32,
        next_obs: &[f32],
        terminated: bool,
    ) -> Result<()> {
        let row: [&[f32]; 5] = [
            obs,
            action,
            &[reward],
            next_obs,
            &[f32::from(u8::from(terminated))],
        ];
        let widths = self.shape.widths();
        if let Some(i) = (0..5).find(|&i| row[i].len() != widths[i]) {
            return Err(Error::failed(format!(
                "A decision has {} numbers in {} where the replay holds {}.",
                row[i].len(),
                COLUMNS[i],
                widths[i]
            )));
        }
        // A ring: rows are appended until it is full, then the oldest is overwritten.
        let (full, at) = (self.len() == self.shape.capacity, self.next);
        for ((column, values), width) in self.rows.columns_mut().into_iter().zip(row).zip(widths) {
            match full {
                true => column[at * width..(at + 1) * width].copy_from_slice(values),
                false => column.extend_from_slice(values),
            }
        }
        self.next = (at + 1) % self.shape.capacity;
        Ok(())
    }

    /// The decisions in these rows.
    pub fn select(&self, indices: &[usize]) -> Batch {
        let mut batch = Batch::default();
        for ((out, column), width) in batch
            .columns_mut()
            .into_iter()
            .zip(self.rows.columns())
            .zip(self.shape.widths())
        {
            out.reserve_exact(indices.len() * width);
            indices
                .iter()
                .for_each(|&i| out.extend_from_slice(&column[i * width..(i + 1) * width]));
        }
        batch
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
        archive.put(format!("{prefix}/shape"), &(self.shape, self.next))?;
        for ((name, column), width) in COLUMNS
            .into_iter()
            .zip(self.rows.columns())
            .zip(self.shape.widths())
        {
            archive.put_f32(
                format!("{prefix}/{name}"),
                &[self.len(), width],
                column.clone(),
            );
        }
        Ok(())
    }

    /// Takes out of an archive what [`Replay::save`] put there.
    ///
    /// # Errors
    /// When something is missing or does not fit together.
    pub fn load(archive: &mut Archive, prefix: &str) -> Result<Self> {
        let (shape, next): (Shape, usize) = archive.get(&format!("{prefix}/shape"))?;
        let mut rows = Batch::default();
        let mut sizes = Vec::new();
        for (name, column) in COLUMNS.into_iter().zip(rows.columns_mut()) {
            let (size, values) = archive.take_f32(&format!("{prefix}/{name}"))?;
            sizes.push(size);
            *column = values;
        }
        let fits = sizes
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
        let mut replay = Replay::new(2, 1, capacity);
        push(&mut replay, first, n);
        replay
    }

    fn push(replay: &mut Replay, first: usize, n: usize) {
        for i in first..first + n {
            let x = i as f32;
            replay
                .push(&[x, -x], &[x], x, &[x + 1.0, -x - 1.0], i % 2 == 0)
                .unwrap();
        }
    }

    fn assert_whole(batch: &Batch) {
        for (i, &x) in batch.rewards.iter().enumerate() {
            assert_eq!(batch.obs[2 * i..2 * i + 2], [x, -x]);
            assert_eq!(batch.next_obs[2 * i..2 * i + 2], [x + 1.0, -x - 1.0]);
            assert_eq!((batch.actions[i], batch.terminated[i]), (x, 1.0 - x % 2.0));
        }
    }

    /// A full replay forgets the oldest decision first, and its rows stay whole.
    #[test]
    fn a_full_replay_forgets_the_oldest() {
        let replay = counting(5, 0, 12);
        let mut held = replay.rows().rewards.clone();
        held.sort_by(f32::total_cmp);
        assert_eq!(held, [7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_whole(replay.rows());
    }

    /// Samples are whole decisions, and every one comes up.
    #[test]
    fn samples_are_whole_decisions() {
        let batch = counting(8, 0, 8).sample(&mut Rng::new(0, "replay", 0), 200);
        assert_whole(&batch);
        assert!((0..8).all(|i| batch.rewards.contains(&(i as f32))));
        assert!(
            Replay::new(2, 1, 4)
                .sample(&mut Rng::new(0, "replay", 0), 3)
                .is_empty()
        );
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
        assert!(
            Replay::new(2, 1, 5)
                .push(&[0.0], &[0.0], 0.0, &[0.0; 2], false)
                .is_err()
        );
    }
}
