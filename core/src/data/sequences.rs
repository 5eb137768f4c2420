//! Replay buffer of episodes, sampled as sub-sequences of fixed length. World models store whole
//! ones, actor-critics decision by decision while they are played.
//!
//! An episode that ended for good is padded with its last state for one sub-sequence, without
//! reward: so a model that predicts beyond the end has data there, and every sub-sequence has the
//! same length. Without padding (`SequenceReplay::without_terminal_padding`) it ends there.

use super::frames::Unpacked;
use super::{Archive, Episode, History};
use crate::obs::{ObsBatch, ObsSpec, Observation};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Prioritized replay: exponents alpha of the priorities and beta of the weights (Schaul et al.
/// 2016, sec. 3.3 and 3.4; MoDem's values).
const PRIORITY: (f32, f32) = (0.6, 0.4);
/// Added to every priority, so that each sub-sequence can be drawn.
const LEAST_PRIORITY: f32 = 1e-6;

/// Episodes of decisions, in the order in which they were begun to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceReplay {
    shape: Shape,
    episodes: VecDeque<Stored>,
    /// Episodes dropped for lack of room: indices count them, too, and so stay valid.
    dropped: usize,
    /// Draws the actions after the end.
    rng: Rng,
}

/// The constants of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    obs: ObsSpec,
    act: usize,
    /// Length of a base policy's action; 0 without one.
    base: usize,
    /// Decisions of a sub-sequence.
    horizon: usize,
    /// Decisions held at most.
    capacity: usize,
    prioritised: bool,
    /// Whether an episode that ended for good is padded.
    terminal_padding: bool,
}

/// One episode of T decisions, padding included.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    /// The observations before the padding, for which the last one stands.
    obs: History,
    /// As many x base.
    base_actions: Vec<f32>,
    /// T x act.
    actions: Vec<f32>,
    /// T.
    rewards: Vec<f32>,
    /// T: 1 where nothing can be earned after the decision, else 0.
    done: Vec<f32>,
    /// Priority of each sub-sequence, by the decision with which it begins.
    priorities: Vec<f32>,
}

/// Where a sub-sequence begins: the number of its episode, counted from the first ever, and the
/// decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceIndex {
    episode: usize,
    decision: usize,
}

/// A batch of B sub-sequences of H decisions, time-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SequenceBatch {
    /// (H+1) x B.
    pub obs: ObsBatch,
    /// (H+1) x B: 1 where the episode has ended for good before, else 0.
    pub ended: Vec<f32>,
    /// (H+1) x B x base: what a base policy would do.
    pub base_actions: Vec<f32>,
    /// H x B x act.
    pub actions: Vec<f32>,
    /// H x B.
    pub rewards: Vec<f32>,
    /// H x B: 1 where nothing can be earned afterwards, else 0.
    pub done: Vec<f32>,
    /// B: importance weights; 1 without priorities.
    pub weights: Vec<f32>,
    /// B: where they come from.
    pub indices: Vec<SequenceIndex>,
    /// How many of them, the first, are demonstrations.
    pub n_demos: usize,
}

/// A decision of an episode that may go on after it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Continuation<'a> {
    /// What a base policy would do before it and after it.
    pub(crate) base_actions: [&'a [f32]; 2],
    pub(crate) action: &'a [f32],
    pub(crate) reward: f32,
    /// What is observed afterwards.
    pub(crate) next: &'a Observation,
    /// Whether nothing can be earned afterwards.
    pub(crate) done: bool,
}

impl SequenceReplay {
    /// An empty replay for observations of this spec and actions of `act` numbers. `horizon` (at
    /// least 1) is the length of a sub-sequence in decisions, `capacity` the number of decisions
    /// held; `rng` draws the actions of the padding.
    pub fn new(
        obs: ObsSpec,
        act: usize,
        horizon: usize,
        capacity: usize,
        prioritised: bool,
        rng: Rng,
    ) -> Self {
        let shape = Shape {
            obs,
            act,
            base: 0,
            horizon: horizon.max(1),
            capacity,
            prioritised,
            terminal_padding: true,
        };
        Self {
            shape,
            episodes: VecDeque::new(),
            dropped: 0,
            rng,
        }
    }

    /// For episodes with a base policy's actions, of `base` numbers, beside their own.
    #[must_use]
    pub(crate) fn with_base_actions(mut self, base: usize) -> Self {
        self.shape.base = base;
        self
    }

    /// Does not pad episodes that ended for good.
    #[must_use]
    pub(crate) fn without_terminal_padding(mut self) -> Self {
        self.shape.terminal_padding = false;
        self
    }

    /// What observations are made of.
    pub(crate) fn obs(&self) -> &ObsSpec {
        &self.shape.obs
    }

    /// What was observed in each episode.
    pub(crate) fn histories(&self) -> impl Iterator<Item = &History> {
        self.episodes.iter().map(|episode| &episode.obs)
    }

    /// The same episodes, observed as `obs`: with these histories, one for each.
    #[must_use]
    pub(crate) fn observed_as(&self, obs: ObsSpec, histories: Vec<History>) -> Self {
        let mut other = self.clone();
        other.shape.obs = obs;
        for (episode, history) in other.episodes.iter_mut().zip(histories) {
            episode.obs = history;
        }
        other
    }

    /// Length of an action.
    pub(crate) fn act(&self) -> usize {
        self.shape.act
    }

    /// Whether another replay holds episodes of the same shape, as many, and draws them alike.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.shape == other.shape
    }

    /// Decisions held, padding included.
    pub(crate) fn len(&self) -> usize {
        self.episodes
            .iter()
            .map(|episode| episode.rewards.len())
            .sum()
    }

    /// Whether no sub-sequence can be drawn.
    pub(crate) fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }

    /// Adds an episode, and drops the oldest while there is no room. An episode that is shorter
    /// than a sub-sequence and has not ended for good is left out.
    ///
    /// # Errors
    /// When its rows have other lengths.
    pub fn push(&mut self, episode: &Episode) -> Result<()> {
        let Shape { obs, act, base, .. } = &self.shape;
        let steps = episode.len();
        let fits = episode.obs.is_of(obs)
            && episode.obs.len() == steps + 1
            && episode.base_actions.len() == (steps + 1) * base
            && episode.actions.len() == steps * act;
        if !fits {
            return Err(Error::failed(
                "an episode does not fit the replay of sequences: its observations or actions \
                 have another length",
            ));
        }
        let mut stored = Stored {
            obs: episode.obs.clone(),
            base_actions: episode.base_actions.clone(),
            actions: episode.actions.clone(),
            rewards: episode.rewards.clone(),
            done: vec![0.0; steps],
            priorities: Vec::new(),
        };
        match (episode.terminated, stored.done.last_mut()) {
            (true, Some(_)) if self.shape.terminal_padding => self.pad_after_the_end(&mut stored),
            (true, Some(last)) => *last = 1.0,
            _ => {}
        }
        // A sub-sequence lies within one episode.
        let starts = (stored.rewards.len() + 1).saturating_sub(self.shape.horizon);
        if starts == 0 {
            return Ok(());
        }
        stored.priorities = vec![self.max_priority(); starts];
        self.episodes.push_back(stored);
        self.drop_oldest();
        Ok(())
    }

    /// Adds a decision while its episode is played, for sub-sequences of one decision without
    /// padding. `held` is where the decisions before it are, and what was observed `before` it
    /// counts where none are: at an episode's start, or where they were dropped for lack of room.
    /// Gives where they are now.
    ///
    /// # Errors
    /// When it does not fit the replay.
    pub(crate) fn extend(
        &mut self,
        held: Option<usize>,
        before: &History,
        decision: Continuation,
    ) -> Result<usize> {
        let Shape {
            obs,
            act,
            base,
            horizon,
            terminal_padding,
            ..
        } = &self.shape;
        let Continuation {
            base_actions: [base_before, base_after],
            action,
            reward,
            next,
            done,
        } = decision;
        let fits = next.spec() == *obs
            && (base_before.len(), base_after.len()) == (*base, *base)
            && action.len() == *act;
        if !fits || *horizon != 1 || *terminal_padding {
            return Err(Error::failed(
                "a decision does not fit the replay of sequences: its observation or action has \
                 another length",
            ));
        }
        let priority = self.max_priority();
        let held = held.filter(|&held| held >= self.dropped);
        let held = held.unwrap_or_else(|| {
            self.episodes.push_back(Stored {
                obs: before.clone(),
                base_actions: base_before.to_vec(),
                actions: Vec::new(),
                rewards: Vec::new(),
                done: Vec::new(),
                priorities: Vec::new(),
            });
            self.dropped + self.episodes.len() - 1
        });
        let stored = &mut self.episodes[held - self.dropped];
        stored.obs.push(next);
        stored.base_actions.extend_from_slice(base_after);
        stored.actions.extend_from_slice(action);
        stored.rewards.push(reward);
        stored.done.push(f32::from(u8::from(done)));
        stored.priorities.push(priority);
        self.drop_oldest();
        Ok(held)
    }

    /// Where the newest episode is.
    pub(crate) fn newest(&self) -> Option<usize> {
        let last = self.episodes.len().checked_sub(1)?;
        Some(self.dropped + last)
    }

    /// Drops the oldest episodes while there is no room; the newest stays.
    fn drop_oldest(&mut self) {
        while self.len() > self.shape.capacity && self.episodes.len() > 1 {
            self.episodes.pop_front();
            self.dropped += 1;
        }
    }

    /// Pads an episode with its last state: no reward, done, and random actions, since none of them
    /// matters there.
    fn pad_after_the_end(&mut self, stored: &mut Stored) {
        let Shape { act, horizon, .. } = self.shape;
        // The last real decision is done, and so is every padded one.
        stored.done.pop();
        stored.done.resize(stored.rewards.len() + horizon, 1.0);
        stored.rewards.resize(stored.done.len(), 0.0);
        stored
            .actions
            .extend((0..horizon * act).map(|_| self.rng.range(-1.0, 1.0) as f32));
    }

    /// The largest priority held: new sub-sequences get it, so that each is soon drawn once (Schaul
    /// et al. 2016, algorithm 1).
    fn max_priority(&self) -> f32 {
        if !self.shape.prioritised {
            return 1.0;
        }
        let all = self
            .episodes
            .iter()
            .flat_map(|episode| episode.priorities.iter().copied());
        all.fold(None, |most: Option<f32>, p| {
            Some(most.map_or(p, |most| most.max(p)))
        })
        .unwrap_or(1.0)
    }

    /// `n` sub-sequences drawn with replacement, uniformly or by their priorities; none from an
    /// empty replay.
    pub fn sample(&self, rng: &mut Rng, n: usize) -> SequenceBatch {
        if self.is_empty() || n == 0 {
            return SequenceBatch::default();
        }
        let starts: Vec<&f32> = self
            .episodes
            .iter()
            .flat_map(|episode| &episode.priorities)
            .collect();
        let (picked, weights) = match self.shape.prioritised {
            false => (rng.indices(n, starts.len()), vec![1.0; n]),
            true => by_priority(&starts, rng, n),
        };
        // A flat index counts starts episode by episode: the first one of each episode, for a
        // binary search.
        let firsts: Vec<usize> = self
            .episodes
            .iter()
            .scan(0, |sum, episode| {
                let first = *sum;
                *sum += episode.priorities.len();
                Some(first)
            })
            .collect();
        let index = |i: usize| {
            let episode = firsts.partition_point(|&first| first <= i) - 1;
            SequenceIndex {
                episode: episode + self.dropped,
                decision: i - firsts[episode],
            }
        };
        self.gather(picked.into_iter().map(index).collect(), weights)
    }

    /// All sub-sequences, one episode after the other.
    #[cfg(test)]
    pub(crate) fn all(&self) -> SequenceBatch {
        let starts = |(i, stored): (usize, &Stored)| {
            (0..stored.priorities.len())
                .map(move |decision| SequenceIndex {
                    episode: self.dropped + i,
                    decision,
                })
                .collect::<Vec<_>>()
        };
        self.at(&self
            .episodes
            .iter()
            .enumerate()
            .flat_map(starts)
            .collect::<Vec<_>>())
    }

    /// The sub-sequences that begin at these indices, less those dropped since.
    pub(crate) fn at(&self, indices: &[SequenceIndex]) -> SequenceBatch {
        let held: Vec<SequenceIndex> = indices
            .iter()
            .filter(|index| index.episode >= self.dropped)
            .copied()
            .collect();
        let weights = vec![1.0; held.len()];
        if held.is_empty() {
            SequenceBatch::default()
        } else {
            self.gather(held, weights)
        }
    }

    fn gather(&self, indices: Vec<SequenceIndex>, weights: Vec<f32>) -> SequenceBatch {
        let Shape {
            act, base, horizon, ..
        } = self.shape;
        let mut out = SequenceBatch {
            obs: ObsBatch::new(&self.shape.obs),
            weights,
            ..SequenceBatch::default()
        };
        let mut unpacked = Unpacked::default();
        let rows = || {
            indices
                .iter()
                .map(|index| (&self.episodes[index.episode - self.dropped], index.decision))
        };
        // Time-major: all rows of a moment, then those of the next; H + 1 observations, H actions.
        for t in 0..=horizon {
            rows().for_each(|(episode, at)| {
                episode.obs.read(at + t, &mut out.obs, &mut unpacked);
                let done = (at + t).checked_sub(1).map(|before| episode.done[before]);
                out.ended.push(done.unwrap_or(0.0));
                let base_at = (at + t).min(episode.obs.len() - 1) * base;
                out.base_actions
                    .extend_from_slice(&episode.base_actions[base_at..base_at + base]);
            });
        }
        for t in 0..horizon {
            rows().for_each(|(episode, at)| {
                out.actions
                    .extend_from_slice(&episode.actions[(at + t) * act..(at + t + 1) * act]);
                out.rewards.push(episode.rewards[at + t]);
                out.done.push(episode.done[at + t]);
            });
        }
        out.indices = indices;
        out
    }

    /// Sets the priorities of sub-sequences to these TD errors; those dropped since are left out.
    pub(crate) fn set_priorities(&mut self, indices: &[SequenceIndex], td_error: &[f32]) {
        for (index, &td_error) in indices.iter().zip(td_error) {
            let episode = index
                .episode
                .checked_sub(self.dropped)
                .and_then(|i| self.episodes.get_mut(i));
            if let Some(priority) =
                episode.and_then(|episode| episode.priorities.get_mut(index.decision))
            {
                *priority = td_error + LEAST_PRIORITY;
            }
        }
    }

    /// Puts everything into an archive under `prefix/`.
    ///
    /// # Errors
    /// When the sizes cannot be written.
    pub(crate) fn save(&self, archive: &mut Archive, prefix: &str) -> Result<()> {
        let lengths: Vec<(usize, usize)> = self
            .episodes
            .iter()
            .map(|episode| (episode.rewards.len(), episode.priorities.len()))
            .collect();
        archive.put(
            format!("{prefix}/shape"),
            &(&self.shape, self.dropped, &lengths, &self.rng),
        )?;
        let obs: Vec<&History> = self.episodes.iter().map(|episode| &episode.obs).collect();
        archive.put(format!("{prefix}/obs"), &obs)?;
        for (name, column) in COLUMNS {
            let values: Vec<f32> = self.episodes.iter().flat_map(column).copied().collect();
            archive.put_f32(format!("{prefix}/{name}"), &[values.len()], values);
        }
        Ok(())
    }

    /// Takes out of an archive what [`SequenceReplay::save`] put there.
    ///
    /// # Errors
    /// When something is missing or does not fit together.
    pub(crate) fn load(archive: &mut Archive, prefix: &str) -> Result<Self> {
        let damaged = || {
            Error::input(format!(
                "the replay {prefix:?} of the checkpoint is damaged: use an undamaged checkpoint"
            ))
        };
        type Head = (Shape, usize, Vec<(usize, usize)>, Rng);
        let (shape, dropped, lengths, rng): Head = archive.get(&format!("{prefix}/shape"))?;
        let histories: Vec<History> = archive.get(&format!("{prefix}/obs"))?;
        if histories.len() != lengths.len() {
            return Err(damaged());
        }
        let mut columns = Vec::new();
        for (name, _) in COLUMNS {
            columns.push(archive.take_f32(&format!("{prefix}/{name}"))?.1.into_iter());
        }
        let mut episodes = VecDeque::new();
        for ((steps, starts), obs) in lengths.into_iter().zip(histories) {
            // As many starts as `push` gives an episode of this length.
            let expected = (steps.saturating_add(1))
                .checked_sub(shape.horizon)
                .filter(|&starts| starts > 0);
            let widths = [
                obs.len().saturating_mul(shape.base),
                steps.saturating_mul(shape.act),
                steps,
                steps,
                starts,
            ];
            if !obs.is_sound(&shape.obs)
                || obs.len() > steps + 1
                || expected != Some(starts)
                || widths
                    .iter()
                    .zip(&columns)
                    .any(|(&width, column)| column.len() < width)
            {
                return Err(damaged());
            }
            // A column holds all episodes, one after the other: each takes its part.
            let mut parts = widths
                .iter()
                .zip(&mut columns)
                .map(|(&width, column)| column.by_ref().take(width).collect());
            let mut part = || parts.next().unwrap_or_default();
            episodes.push_back(Stored {
                obs,
                base_actions: part(),
                actions: part(),
                rewards: part(),
                done: part(),
                priorities: part(),
            });
        }
        if columns.iter().any(|column| column.len() > 0) {
            return Err(damaged());
        }
        Ok(Self {
            shape,
            episodes,
            dropped,
            rng,
        })
    }
}

/// An episode's column and its name in an archive.
type Column = (&'static str, fn(&Stored) -> &Vec<f32>);
const COLUMNS: [Column; 5] = [
    ("base_actions", |episode| &episode.base_actions),
    ("actions", |episode| &episode.actions),
    ("rewards", |episode| &episode.rewards),
    ("over", |episode| &episode.done),
    ("priorities", |episode| &episode.priorities),
];

/// Draws with probabilities p_i^alpha / sum p^alpha, and gives importance weights (N P(i))^-beta
/// relative to the largest of the batch (Schaul et al. 2016, eq. 1 and sec. 3.4).
fn by_priority(priorities: &[&f32], rng: &mut Rng, n: usize) -> (Vec<usize>, Vec<f32>) {
    let (alpha, beta) = PRIORITY;
    // Running sums in f64: a draw is a binary search among them.
    let sums: Vec<f64> = priorities
        .iter()
        .scan(0.0, |sum, priority| {
            *sum += f64::from(libm::powf(**priority, alpha));
            Some(*sum)
        })
        .collect();
    let total = sums.last().copied().unwrap_or(0.0);
    let draw = |_| {
        let at = rng.uniform() * total;
        sums.partition_point(|&sum| sum <= at).min(sums.len() - 1)
    };
    let picked: Vec<usize> = (0..n).map(draw).collect();
    let share = |i: usize| (sums[i] - if i > 0 { sums[i - 1] } else { 0.0 }) / total;
    let weights: Vec<f32> = picked
        .iter()
        .map(|&i| libm::powf((sums.len() as f64 * share(i)) as f32, -beta))
        .collect();
    // Relative to the largest, so that weights only ever shrink a step.
    let most = weights
        .iter()
        .fold(f32::MIN_POSITIVE, |most, &weight| most.max(weight));
    (
        picked,
        weights.into_iter().map(|weight| weight / most).collect(),
    )
}

impl SequenceBatch {
    /// Number of sub-sequences, B.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The sub-sequences of both, time-major: those of `self` first.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return if self.is_empty() { other.clone() } else { self };
        }
        // H, the same for both: replays of one learner share it.
        let moments = self.rewards.len() / self.len();
        Self {
            obs: join_obs(&self.obs, &other.obs, moments + 1),
            ended: join(&self.ended, &other.ended, moments + 1),
            base_actions: join(&self.base_actions, &other.base_actions, moments + 1),
            actions: join(&self.actions, &other.actions, moments),
            rewards: join(&self.rewards, &other.rewards, moments),
            done: join(&self.done, &other.done, moments),
            weights: [&self.weights[..], &other.weights].concat(),
            indices: [&self.indices[..], &other.indices].concat(),
            n_demos: self.n_demos,
        }
    }
}

/// The rows of both, time-major.
fn join<T: Copy>(a: &[T], b: &[T], moments: usize) -> Vec<T> {
    let part = |rows: &[T]| (rows.len() / moments).max(1);
    let mut b_moments = b.chunks(part(b));
    a.chunks(part(a))
        .flat_map(|a| a.iter().chain(b_moments.next().unwrap_or_default()))
        .copied()
        .collect()
}

/// The same of observations.
fn join_obs(a: &ObsBatch, b: &ObsBatch, moments: usize) -> ObsBatch {
    let mut joined = ObsBatch::new(&a.spec());
    for t in 0..moments {
        for batch in [a, b] {
            let rows = batch.len() / moments;
            joined.append(batch, t * rows..(t + 1) * rows);
        }
    }
    joined
}

/// Batches with a fixed share of demonstrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BalancedSampler {
    /// Share of every batch that comes from the demonstrations, in [0, 1].
    pub(crate) demo_fraction: f64,
}

impl BalancedSampler {
    /// `n` sub-sequences, those from the demonstrations first: exactly the share, rounded. While
    /// one of the two is empty, the other fills the whole batch.
    pub(crate) fn sample(
        self,
        demos: &SequenceReplay,
        online: &SequenceReplay,
        rng: &mut Rng,
        n: usize,
    ) -> SequenceBatch {
        // Before the first practice a batch is all demonstrations; without demonstrations, all
        // practice.
        let n_demos = match (demos.is_empty(), online.is_empty()) {
            (true, _) => 0,
            (_, true) => n,
            _ => (self.demo_fraction.clamp(0.0, 1.0) * n as f64).round() as usize,
        };
        SequenceBatch {
            n_demos,
            ..demos
                .sample(rng, n_demos)
                .with(&online.sample(rng, n - n_demos))
        }
    }
}

#[cfg(test)]
mod tests;
