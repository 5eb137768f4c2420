//! Replay buffer of whole episodes, sampled as sub-sequences of fixed length for world models.
//!
//! An episode that ended for good is padded with its last state for one sub-sequence, without
//! reward: so a model that predicts beyond the end has data there, and every sub-sequence has the
//! same length. Without padding ([`Sequences::ending`]) it ends there.

use super::{Archive, Episode, Frames, shifted_a_little};
use crate::env::View;
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Prioritized replay: exponents alpha of the priorities and beta of the weights (Schaul et al.
/// 2016, sec. 3.3 and 3.4; MoDem's values).
const PRIORITY: (f32, f32) = (0.6, 0.4);
/// Added to every priority, so that each sub-sequence can be drawn.
const LEAST_PRIORITY: f32 = 1e-6;

/// Episodes of decisions, in the order in which they ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Sequences {
    shape: Shape,
    episodes: VecDeque<Stored>,
    /// Episodes dropped for lack of room: indices count them, too, and so stay valid.
    dropped: usize,
    /// Draws the actions after the end.
    rng: Rng,
}

/// The constants of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Shape {
    obs: usize,
    act: usize,
    /// Decisions of a sub-sequence.
    horizon: usize,
    /// Decisions held at most.
    capacity: usize,
    prioritised: bool,
    /// Whether an episode that ended for good is padded.
    goes_on: bool,
    view: View,
}

/// One episode of T decisions, padding included.
#[derive(Debug, Clone, PartialEq)]
struct Stored {
    /// (T+1) x obs.
    obs: Vec<f32>,
    /// One frame for each observation before the padding; none without a view.
    frames: Frames,
    /// T x act.
    actions: Vec<f32>,
    /// T.
    rewards: Vec<f32>,
    /// T: 1 where nothing can be earned after the decision, else 0.
    over: Vec<f32>,
    /// Priority of each sub-sequence, by the decision with which it begins.
    priorities: Vec<f32>,
}

/// Where a sub-sequence begins: the number of its episode, counted from the first ever, and the
/// decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    episode: usize,
    decision: usize,
}

/// A batch of B sub-sequences of H decisions, time-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stretches {
    /// (H+1) x B x obs.
    pub obs: Vec<f32>,
    /// (H+1) x B x pixels of the view.
    pub pixels: Vec<u8>,
    /// H x B x act.
    pub actions: Vec<f32>,
    /// H x B.
    pub rewards: Vec<f32>,
    /// H x B: 1 where nothing can be earned afterwards, else 0.
    pub over: Vec<f32>,
    /// B: importance weights; 1 without priorities.
    pub weights: Vec<f32>,
    /// B: where they come from.
    pub places: Vec<Place>,
    /// How many of them, the first, are demonstrations.
    pub shown: usize,
}

impl Sequences {
    /// An empty replay. `horizon` (at least 1) is the length of a sub-sequence in decisions,
    /// `capacity` the number of decisions held; `rng` draws the actions of the padding.
    pub fn new(
        (obs, act): (usize, usize),
        horizon: usize,
        capacity: usize,
        prioritised: bool,
        rng: Rng,
    ) -> Self {
        let shape = Shape {
            obs,
            act,
            horizon: horizon.max(1),
            capacity,
            prioritised,
            goes_on: true,
            view: View::default(),
        };
        Self {
            shape,
            episodes: VecDeque::new(),
            dropped: 0,
            rng,
        }
    }

    /// For episodes with pictures of `view`.
    #[must_use]
    pub fn seen(mut self, view: View) -> Self {
        self.shape.view = view;
        self
    }

    /// Does not pad episodes that ended for good.
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.shape.goes_on = false;
        self
    }

    /// Bytes of memory that the frames take.
    pub fn frame_bytes(&self) -> usize {
        self.episodes
            .iter()
            .map(|episode| episode.frames.bytes())
            .sum()
    }

    /// Decisions held, padding included.
    pub fn len(&self) -> usize {
        self.episodes
            .iter()
            .map(|episode| episode.rewards.len())
            .sum()
    }

    /// Whether no sub-sequence can be drawn.
    pub fn is_empty(&self) -> bool {
        self.episodes.is_empty()
    }

    /// Adds an episode, and drops the oldest while there is no room. An episode that is shorter
    /// than a sub-sequence and has not ended for good is left out.
    ///
    /// # Errors
    /// When its rows have other lengths.
    pub fn push(&mut self, episode: &Episode) -> Result<()> {
        let Shape {
            obs,
            act,
            horizon,
            view,
            ..
        } = self.shape;
        let steps = episode.len();
        let frames = if view.is_some() {
            (steps + 1, view.frame())
        } else {
            (0, 0)
        };
        let fits = episode.obs.len() == (steps + 1) * obs && episode.actions.len() == steps * act;
        if !fits || (episode.frames.len(), episode.frames.size()) != frames {
            return Err(Error::failed(
                "an episode does not fit the replay of sequences: its observations, frames or \
                 actions have another length",
            ));
        }
        let mut stored = Stored {
            obs: episode.obs.clone(),
            frames: episode.frames.clone(),
            actions: episode.actions.clone(),
            rewards: episode.rewards.clone(),
            over: vec![0.0; steps],
            priorities: Vec::new(),
        };
        match (episode.terminated, stored.over.last_mut()) {
            (true, Some(_)) if self.shape.goes_on => self.go_on_after_the_end(&mut stored),
            (true, Some(last)) => *last = 1.0,
            _ => {}
        }
        // A sub-sequence lies within one episode.
        let starts = (stored.rewards.len() + 1).saturating_sub(horizon);
        if starts == 0 {
            return Ok(());
        }
        stored.priorities = vec![self.most_surprising(); starts];
        self.episodes.push_back(stored);
        while self.len() > self.shape.capacity && self.episodes.len() > 1 {
            self.episodes.pop_front();
            self.dropped += 1;
        }
        Ok(())
    }

    /// Pads an episode with its last state: no reward, done, and random actions, since none of them
    /// matters there.
    fn go_on_after_the_end(&mut self, stored: &mut Stored) {
        let Shape {
            obs, act, horizon, ..
        } = self.shape;
        let last = stored.obs[stored.obs.len() - obs..].to_vec();
        // The last real decision is done, and so is every padded one.
        stored.over.pop();
        stored.over.resize(stored.rewards.len() + horizon, 1.0);
        stored.rewards.resize(stored.over.len(), 0.0);
        (0..horizon).for_each(|_| stored.obs.extend_from_slice(&last));
        stored
            .actions
            .extend((0..horizon * act).map(|_| self.rng.range(-1.0, 1.0) as f32));
    }

    /// The largest priority held: new sub-sequences get it, so that each is soon drawn once (Schaul
    /// et al. 2016, algorithm 1).
    fn most_surprising(&self) -> f32 {
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
    pub fn sample(&self, rng: &mut Rng, n: usize) -> Stretches {
        if self.is_empty() || n == 0 {
            return Stretches::default();
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
        let place = |i: usize| {
            let episode = firsts.partition_point(|&first| first <= i) - 1;
            Place {
                episode: episode + self.dropped,
                decision: i - firsts[episode],
            }
        };
        self.gather(picked.into_iter().map(place).collect(), weights)
    }

    /// All sub-sequences, one episode after the other.
    #[cfg(test)]
    pub(crate) fn all(&self) -> Stretches {
        let starts = |(i, stored): (usize, &Stored)| {
            (0..stored.priorities.len())
                .map(move |decision| Place {
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

    /// The sub-sequences that begin at these places, less those dropped since.
    pub fn at(&self, places: &[Place]) -> Stretches {
        let held: Vec<Place> = places
            .iter()
            .filter(|place| place.episode >= self.dropped)
            .copied()
            .collect();
        let weights = vec![1.0; held.len()];
        if held.is_empty() {
            Stretches::default()
        } else {
            self.gather(held, weights)
        }
    }

    fn gather(&self, places: Vec<Place>, weights: Vec<f32>) -> Stretches {
        let Shape {
            obs,
            act,
            horizon,
            view,
            ..
        } = self.shape;
        let mut out = Stretches {
            weights,
            ..Stretches::default()
        };
        let rows = || {
            places
                .iter()
                .map(|place| (&self.episodes[place.episode - self.dropped], place.decision))
        };
        // Time-major: all rows of a moment, then those of the next; H + 1 observations, H actions.
        for t in 0..=horizon {
            rows().for_each(|(episode, at)| {
                out.obs
                    .extend_from_slice(&episode.obs[(at + t) * obs..(at + t + 1) * obs]);
                if view.is_some() {
                    episode.frames.stack(at + t, view.stack, &mut out.pixels);
                }
            });
        }
        for t in 0..horizon {
            rows().for_each(|(episode, at)| {
                out.actions
                    .extend_from_slice(&episode.actions[(at + t) * act..(at + t + 1) * act]);
                out.rewards.push(episode.rewards[at + t]);
                out.over.push(episode.over[at + t]);
            });
        }
        out.places = places;
        out
    }

    /// Sets the priorities of sub-sequences to these TD errors; those dropped since are left out.
    pub fn set_priorities(&mut self, places: &[Place], surprise: &[f32]) {
        for (place, &surprise) in places.iter().zip(surprise) {
            let episode = place
                .episode
                .checked_sub(self.dropped)
                .and_then(|i| self.episodes.get_mut(i));
            if let Some(priority) =
                episode.and_then(|episode| episode.priorities.get_mut(place.decision))
            {
                *priority = surprise + LEAST_PRIORITY;
            }
        }
    }

    /// Puts everything into an archive under `prefix/`.
    ///
    /// # Errors
    /// When the sizes cannot be written.
    pub fn save(&self, archive: &mut Archive, prefix: &str) -> Result<()> {
        let lengths: Vec<(usize, usize)> = self
            .episodes
            .iter()
            .map(|episode| (episode.rewards.len(), episode.priorities.len()))
            .collect();
        archive.put(
            format!("{prefix}/shape"),
            &(self.shape, self.dropped, &lengths, &self.rng),
        )?;
        let frames: Vec<&Frames> = self
            .episodes
            .iter()
            .map(|episode| &episode.frames)
            .collect();
        archive.put(format!("{prefix}/frames"), &frames)?;
        for (name, column) in COLUMNS {
            let values: Vec<f32> = self.episodes.iter().flat_map(column).copied().collect();
            archive.put_f32(format!("{prefix}/{name}"), &[values.len()], values);
        }
        Ok(())
    }

    /// Takes out of an archive what [`Sequences::save`] put there.
    ///
    /// # Errors
    /// When something is missing or does not fit together.
    pub fn load(archive: &mut Archive, prefix: &str) -> Result<Self> {
        let damaged = || {
            Error::input(format!(
                "the replay {prefix:?} of the checkpoint is damaged: use an undamaged checkpoint"
            ))
        };
        type Head = (Shape, usize, Vec<(usize, usize)>, Rng);
        let (shape, dropped, lengths, rng): Head = archive.get(&format!("{prefix}/shape"))?;
        let frames: Vec<Frames> = archive.get(&format!("{prefix}/frames"))?;
        if frames.len() != lengths.len() {
            return Err(damaged());
        }
        let mut columns = Vec::new();
        for (name, _) in COLUMNS {
            columns.push(archive.take_f32(&format!("{prefix}/{name}"))?.1.into_iter());
        }
        let mut episodes = VecDeque::new();
        for ((steps, starts), frames) in lengths.into_iter().zip(frames) {
            // As many starts as `push` gives an episode of this length.
            let expected = (steps.saturating_add(1))
                .checked_sub(shape.horizon)
                .filter(|&starts| starts > 0);
            let widths = [
                steps.saturating_add(1).saturating_mul(shape.obs),
                steps.saturating_mul(shape.act),
                steps,
                steps,
                starts,
            ];
            // One frame at least, and the last one stands for all that come after it.
            let seen = frames.are_sound(shape.view.frame())
                && frames.is_empty() != shape.view.is_some()
                && frames.len() <= steps + 1;
            if !seen
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
                obs: part(),
                frames,
                actions: part(),
                rewards: part(),
                over: part(),
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

    /// The view of the pictures.
    pub fn view(&self) -> View {
        self.shape.view
    }

    /// Lengths of an observation, of an action and of a sub-sequence.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.shape.obs, self.shape.act, self.shape.horizon)
    }
}

/// An episode's column and its name in an archive.
type Column = (&'static str, fn(&Stored) -> &Vec<f32>);
const COLUMNS: [Column; 5] = [
    ("obs", |episode| &episode.obs),
    ("actions", |episode| &episode.actions),
    ("rewards", |episode| &episode.rewards),
    ("over", |episode| &episode.over),
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

impl Stretches {
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
            obs: join(&self.obs, &other.obs, moments + 1),
            pixels: join(&self.pixels, &other.pixels, moments + 1),
            actions: join(&self.actions, &other.actions, moments),
            rewards: join(&self.rewards, &other.rewards, moments),
            over: join(&self.over, &other.over, moments),
            weights: [&self.weights[..], &other.weights].concat(),
            places: [&self.places[..], &other.places].concat(),
            shown: self.shown,
        }
    }

    /// Applies [`shifted_a_little`] to the pictures.
    #[must_use]
    pub fn shifted_a_little(mut self, view: View, rng: &mut Rng) -> Self {
        self.pixels = shifted_a_little(self.pixels, view, rng);
        self
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

/// Batches with a fixed share of demonstrations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balanced {
    /// Share of every batch that comes from the demonstrations, in [0, 1].
    pub demo_fraction: f64,
}

impl Balanced {
    /// `n` sub-sequences, those from the demonstrations first: exactly the share, rounded. While
    /// one of the two is empty, the other fills the whole batch.
    pub fn sample(
        self,
        demos: &Sequences,
        online: &Sequences,
        rng: &mut Rng,
        n: usize,
    ) -> Stretches {
        // Before the first practice a batch is all demonstrations; without demonstrations, all
        // practice.
        let shown = match (demos.is_empty(), online.is_empty()) {
            (true, _) => 0,
            (_, true) => n,
            _ => (self.demo_fraction.clamp(0.0, 1.0) * n as f64).round() as usize,
        };
        Stretches {
            shown,
            ..demos
                .sample(rng, shown)
                .with(&online.sample(rng, n - shown))
        }
    }
}

#[cfg(test)]
mod tests;
