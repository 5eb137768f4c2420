//! Training pairs for cloning: an observation and the chunk of actions that followed it.

use super::frames::Unpacked;
use super::{Dataset, Normaliser};
use crate::obs::{Images, ObsBatch, ObsSpec};
use crate::{Error, Result};

/// The least range by which an observed number or an action is scaled: 5 mm, or as much of a
/// radian, a unit quaternion or a gripper's opening. One action moves a hand by up to 1 cm; what
/// varies by less than half of that in the demonstrations is how bodies settled, or rounding. In a
/// few demonstrations such ranges are as small as 1e-6, and practice would leave them a million
/// times over.
const LEAST_SPAN: f32 = 5e-3;
/// The most that a scaled observation can be, whatever is observed. Demonstrations lie within 1,
/// others of the same demonstrator within 10 once there are ten of them. It is the limit of
/// Stable-Baselines3's `VecNormalize`; that of HER is 5 standard deviations.
const LIMIT: f32 = 10.0;

/// Observations and the action chunks that followed them, episode after episode, in order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pairs {
    /// N x obs, row-major: the numbers of the observations ([`ObsBatch::numbers`]).
    pub obs: Vec<f32>,
    /// N stacks from each camera.
    pub images: Vec<Images>,
    /// N x (chunk * act), row-major; a chunk is its actions one after the other.
    pub actions: Vec<f32>,
    /// Number of pairs of each episode, N together.
    pub episode_pairs: Vec<usize>,
    /// Length of an observation's numbers.
    pub obs_dim: usize,
    /// Length of a chunk: chunk * act.
    pub action_dim: usize,
}

/// The scales of observations and of action chunks.
pub(crate) type Scales = (Normaliser, Normaliser);

impl Pairs {
    /// Cuts a dataset into pairs of observations, as `reads` has them, and chunks of `chunk`
    /// actions.
    ///
    /// With `pad` (the default elsewhere) every step starts a pair, and a chunk that reaches beyond
    /// the end repeats the last action: else the last `chunk - 1` steps of an episode, often those
    /// that finish the task, would start none. Without, only whole chunks make pairs, as in DPPO.
    ///
    /// # Errors
    /// When the chunk is empty, or not one pair comes out.
    pub fn new(dataset: &Dataset, reads: &ObsSpec, chunk: usize, pad: bool) -> Result<Self> {
        if chunk == 0 {
            return Err(Error::input(
                "A chunk of 0 actions is none; set the chunk to 1 or more.",
            ));
        }
        let act = dataset.meta.act;
        let mut observed = ObsBatch::new(reads);
        let mut pairs = Self {
            obs_dim: reads.numbers(),
            action_dim: chunk * act,
            ..Self::default()
        };
        for episode in &dataset.episodes {
            let starts = if pad {
                episode.len()
            } else {
                (episode.len() + 1).saturating_sub(chunk)
            };
            let mut unpacked = Unpacked::default();
            (0..starts).for_each(|t| episode.obs.read(t, &mut observed, &mut unpacked));
            // Beyond the end of an episode the last action is repeated.
            for step in (0..starts).flat_map(|t| t..t + chunk) {
                pairs
                    .actions
                    .extend_from_slice(episode.action_at(step.min(episode.len() - 1), act));
            }
            pairs.episode_pairs.push(starts);
        }
        pairs.obs = observed.numbers();
        pairs.images = observed.into_images();
        if pairs.is_empty() {
            return Err(Error::input(format!(
                "No episode of the dataset has {chunk} steps; set a shorter chunk, or let chunks \
                 be padded."
            )));
        }
        Ok(pairs)
    }

    /// Pictures of the pairs at `indices`, from each camera.
    pub(crate) fn images_at(&self, indices: &[usize]) -> Vec<Images> {
        let cameras = self.images.iter();
        cameras.map(|images| images.select(indices)).collect()
    }

    /// The scales in which observations and chunks span [-1, 1], or less where they hardly vary.
    ///
    /// # Errors
    /// When there are no pairs.
    pub(crate) fn scales(&self) -> Result<Scales> {
        let exact = self.exact_scales()?;
        let obs = exact.0.with_least_span(LEAST_SPAN).with_limit(LIMIT);
        Ok((obs, exact.1.with_least_span(LEAST_SPAN)))
    }

    /// The scales in which observations and chunks span [-1, 1] exactly, without any limit: those
    /// of checkpoints that do not say theirs.
    ///
    /// # Errors
    /// When there are no pairs.
    pub(crate) fn exact_scales(&self) -> Result<Scales> {
        let obs = Normaliser::fit(&self.obs, self.obs_dim)?;
        let actions = Normaliser::fit(&self.actions, self.action_dim)?;
        Ok((obs, actions))
    }

    /// The pairs, scaled.
    #[must_use]
    pub(crate) fn scaled(self, scales: &Scales) -> Self {
        Self {
            obs: scales.0.apply(&self.obs),
            actions: scales.1.apply(&self.actions),
            ..self
        }
    }

    /// Pairs, N.
    pub fn len(&self) -> usize {
        self.episode_pairs.iter().sum()
    }

    /// Observation rows and chunk rows of the pairs at `indices`, flattened.
    pub(crate) fn gather(&self, indices: &[usize]) -> (Vec<f32>, Vec<f32>) {
        let obs: Vec<&[f32]> = indices.iter().map(|&i| self.obs_at(i)).collect();
        let actions: Vec<&[f32]> = indices.iter().map(|&i| self.action_at(i)).collect();
        (obs.concat(), actions.concat())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.obs.is_empty()
    }

    /// The observation of pair `i`.
    pub(crate) fn obs_at(&self, i: usize) -> &[f32] {
        &self.obs[i * self.obs_dim..(i + 1) * self.obs_dim]
    }

    /// The action chunk of pair `i`.
    pub fn action_at(&self, i: usize) -> &[f32] {
        &self.actions[i * self.action_dim..(i + 1) * self.action_dim]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Episode, Meta};

    /// One episode whose observation is t and whose action is t / 10.
    fn counting(steps: usize) -> Episode {
        let mut episode = Episode::start(0, &vec![0.0].into());
        for t in 0..steps {
            episode.push(&[t as f32 / 10.0], 0.0, &vec![(t + 1) as f32].into());
        }
        episode
    }

    fn dataset(lengths: &[usize]) -> Dataset {
        let text = String::new;
        let meta = Meta {
            task: text(),
            engine: text(),
            seed: 0,
            code_version: text(),
            obs: ObsSpec::of_state(1),
            act: 1,
            action_repeat: 1,
            controller: String::new(),
            demonstrator: text(),
        };
        Dataset {
            meta,
            episodes: lengths.iter().map(|&n| counting(n)).collect(),
        }
    }

    fn cut(lengths: &[usize], chunk: usize, pad: bool) -> Result<Pairs> {
        Pairs::new(&dataset(lengths), &ObsSpec::of_state(1), chunk, pad)
    }

    /// Padded, every step starts a pair, and the last action is repeated.
    #[test]
    fn padding_gives_a_pair_for_every_step() {
        let pairs = cut(&[3, 1], 2, true).unwrap();
        assert_eq!(pairs.episode_pairs, [3, 1]);
        assert_eq!(pairs.obs, [0.0, 1.0, 2.0, 0.0]);
        assert_eq!(pairs.actions, [0.0, 0.1, 0.1, 0.2, 0.2, 0.2, 0.0, 0.0]);
        assert_eq!(
            (pairs.obs_at(1), pairs.action_at(1)),
            (&[1.0][..], &[0.1, 0.2][..])
        );
    }

    /// Unpadded, only whole chunks make pairs, and a short episode makes none.
    #[test]
    fn without_padding_only_whole_chunks_count() {
        let pairs = cut(&[3, 1], 2, false).unwrap();
        assert_eq!(pairs.episode_pairs, [2, 0]);
        assert_eq!(pairs.actions, [0.0, 0.1, 0.1, 0.2]);
    }

    /// What makes no pair is refused in words.
    #[test]
    fn what_makes_no_pair_is_refused() {
        for (length, chunk, pad) in [(&[3][..], 0, true), (&[3], 4, false), (&[], 1, true)] {
            assert!(matches!(cut(length, chunk, pad), Err(Error::Input(_))));
        }
    }
}
