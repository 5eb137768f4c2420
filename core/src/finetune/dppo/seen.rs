//! The pictures of an iteration.

use super::buffer::{Buffer, gather};
use super::learner::Learner;
use crate::data::Archive;
use crate::data::frames::Unpacked;
use crate::data::history::History;
use crate::nn::{self, Observations};
use crate::obs::{ImageSpec, Images, ObsBatch, ObsSpec, Observation};
use crate::policy::Policy;
use crate::rng::Rng;
use crate::{Error, Result};
use burn::tensor::Device;
use std::collections::BTreeMap;

/// The name in checkpoints.
const ENTRY: &str = "finetuner/seen";

/// Decisions that are looked at again together, which bounds the memory that it takes.
const TOGETHER: usize = 128;

/// What was observed of an iteration's episodes, by their seeds, where there are cameras. Of states
/// [`Buffer`] has all.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Seen {
    episodes: BTreeMap<u64, History>,
    /// Frames that are kept of a decision, each as a moment of the history.
    frames: usize,
    /// Draws by how much pictures are moved.
    seed: u64,
}

impl Seen {
    /// Before the first decision of an iteration.
    pub(super) fn new(policy: &Policy, seed: u64, iteration: usize) -> Self {
        Self {
            seed: Rng::new(seed, "shifts", iteration as u64).bits(),
            frames: frames_of_a_decision(&policy.reads, policy.sizes.chunk),
            episodes: BTreeMap::new(),
        }
    }

    /// Adds what was observed before the next decision of the episode of this seed.
    pub(super) fn push(&mut self, episode: u64, obs: &Observation) {
        if obs.images.is_empty() {
            return;
        }
        for older in (0..self.frames).rev() {
            let moment = as_of(obs, older);
            match self.episodes.get_mut(&episode) {
                Some(history) => history.push(&moment),
                None => drop(self.episodes.insert(episode, History::start(&moment))),
            }
        }
    }

    /// Normalized observations of some decisions, episode after episode in the order of their
    /// seeds, on a device without gradients. `numbers` are those of all decisions. Pictures are
    /// moved at random, once an iteration (`train_ppo_diffusion_img_agent.py`, `augment`).
    pub(super) fn observations(
        &self,
        numbers: &[f32],
        rows: &[usize],
        policy: &Policy,
        device: &Device,
    ) -> Observations {
        if self.episodes.is_empty() {
            let width = policy.sizes.obs;
            let device = device.clone().without_autodiff();
            return nn::matrix(gather(numbers, width, rows), width, &device).into();
        }
        let moments: Vec<(&History, usize)> = self.moments().collect();
        let mut batch = ObsBatch::new(&policy.reads);
        let mut unpacked = Unpacked::default();
        for &row in rows {
            let (history, t) = moments[row];
            history.read(t, &mut batch, &mut unpacked);
        }
        batch.shift_each(|i| Rng::new(self.seed, "shift", rows[i] as u64));
        policy.observe(&batch, device)
    }

    /// Replaces values and log-probabilities by those at the pictures as learning sees them, which
    /// were not moved when they were acted upon: at first all ratios are to be 1.
    pub(super) async fn look_again(
        &self,
        buffer: &mut Buffer,
        learner: &Learner,
        policy: &Policy,
        device: &Device,
    ) -> Result<()> {
        let decisions: Vec<usize> = (0..buffer.decisions()).collect();
        let latents = buffer.latents();
        let width = latents.len() / decisions.len().max(1);
        let mut values = Vec::new();
        let mut log_probs = Vec::new();
        for rows in decisions.chunks(TOGETHER) {
            let obs = self.observations(&[], rows, policy, device);
            let latents = gather(&latents, width, rows);
            log_probs.extend(nn::read(learner.log_probs(obs.clone(), &latents)).await?);
            values.extend(nn::read(learner.values(obs)).await?);
        }
        buffer.replace(&values, &log_probs);
        Ok(())
    }

    /// Every decision: its episode, and the moment of its newest frame.
    fn moments(&self) -> impl Iterator<Item = (&History, usize)> {
        let frames = self.frames;
        let newest = move |history: &History| (frames - 1..history.len()).step_by(frames);
        let episodes = self.episodes.values();
        episodes.flat_map(move |history| newest(history).map(move |t| (history, t)))
    }

    /// Writes it into a checkpoint, where there is any.
    pub(super) fn save(&self, archive: &mut Archive) -> Result<()> {
        match self.episodes.is_empty() {
            true => Ok(()),
            false => archive.put(ENTRY, &self.episodes),
        }
    }

    /// The same with what [`Seen::save`] wrote of so many decisions.
    ///
    /// # Errors
    /// When it is of others, or damaged.
    pub(super) fn restored(
        self,
        decisions: usize,
        policy: &Policy,
        archive: &Archive,
    ) -> Result<Self> {
        if policy.reads.cameras.is_empty() || decisions == 0 {
            return Ok(self);
        }
        let episodes = archive.get(ENTRY)?;
        let seen = Self { episodes, ..self };
        let sound = |history: &History| history.is_sound(&policy.reads);
        if seen.moments().count() == decisions && seen.episodes.values().all(sound) {
            return Ok(seen);
        }
        Err(Error::input(
            "the checkpoint's pictures do not fit its decisions: use an undamaged checkpoint",
        ))
    }
}

/// Frames that are kept of a decision on `chunk` actions. A camera sees every action, so that with
/// several the frames of a stack lie between two decisions; with one, a stack is the newest frames
/// of so many decisions.
pub(super) fn frames_of_a_decision(reads: &ObsSpec, chunk: usize) -> usize {
    let stacks = reads.cameras.iter().map(|camera| camera.stack);
    match chunk {
        1 => 1,
        _ => stacks.max().unwrap_or(1),
    }
}

/// An observation whose newest frames are those of `older` frames before, or the oldest that a
/// camera still has.
fn as_of(obs: &Observation, older: usize) -> Observation {
    let images = obs.images.iter().map(|images| {
        let newest = images.camera.stack - 1;
        let frame = &images.frames(0..1)[newest.saturating_sub(older)];
        let camera = ImageSpec {
            stack: 1,
            ..images.camera.clone()
        };
        Images::of(camera, frame)
    });
    Observation {
        images: images.collect(),
        ..obs.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::DppoConfig;
    use super::super::buffer::Transition;
    use super::super::reward::RewardScaler;
    use super::*;
    use crate::data::Normaliser;
    use crate::finetune::dppo::chain;
    use crate::policy::{PolicyConfig, PolicyKind};
    use crate::run::{Config, Preset};
    use burn::tensor::Tensor;
    use pollster::block_on;

    const SIZE: usize = 32;

    fn policy() -> Policy {
        policy_of_chunks(1)
    }

    fn policy_of_chunks(chunk: usize) -> Policy {
        let config = PolicyConfig {
            kind: PolicyKind::Flow,
            chunk,
            hidden: 8,
            layers: 1,
            inference_steps: 3,
            ..Config::preset(Preset::Tiny).policy
        };
        let reads = ObsSpec {
            cameras: ImageSpec::unnamed(SIZE, 2),
            ..ObsSpec::of_state(1)
        };
        let scales = (Normaliser::identity(1), Normaliser::identity(1));
        let mut rng = Rng::new(1, "test", 0);
        Policy::new(&config, &reads, 1, scales, &mut rng, &Device::flex())
    }

    /// What is seen at decision `t` of an episode: two frames of noise, of which the older one is
    /// the newer one of the decision before.
    fn observed(episode: u64, t: usize) -> Observation {
        let frame = |t: usize| {
            let mut rng = Rng::new(episode, "frame", t as u64);
            let values = (0..3 * SIZE * SIZE).map(|_| rng.below(256) as u8);
            values.collect::<Vec<u8>>()
        };
        let camera = ImageSpec::unnamed(SIZE, 2).remove(0);
        let pixels = [frame(t.saturating_sub(1)), frame(t)].concat();
        Observation {
            state: vec![t as f32],
            task: None,
            images: vec![Images::of(camera, &pixels)],
        }
    }

    /// Three decisions of two episodes that are played side by side, drawn by the learner.
    fn played(learner: &Learner, policy: &Policy) -> (Buffer, Seen) {
        let mut buffer = Buffer::default();
        let mut seen = Seen::new(policy, 0, 0);
        let mut rng = Rng::new(2, "test", 0);
        for (t, episode) in (0..3).flat_map(|t| [(t, 7), (t, 4)]) {
            let obs = observed(episode, t);
            let width = chain::noise_len(policy);
            let noise = nn::matrix(rng.normals(width), width, &Device::flex());
            let rows = policy.observe(&ObsBatch::of([&obs]), &Device::flex());
            let sample = learner.chains(policy).draw(&rows, noise);
            let read = |parts| block_on(nn::read(Tensor::cat(parts, 1))).unwrap();
            let transition = Transition {
                obs: &[t as f32],
                latents: &read(sample.latents),
                log_probs: &read(sample.log_probs),
                value: 0.0,
                reward: 1.0,
                last_value: 0.0,
            };
            buffer.push(episode, &transition);
            seen.push(episode, &obs);
        }
        (buffer, seen)
    }

    fn learner(policy: &Policy) -> Learner {
        let config = DppoConfig {
            hidden: 5,
            critic_lr: 0.0,
            ..DppoConfig::preset(Preset::Tiny)
        };
        let device = Device::flex().autodiff();
        Learner::new(config, policy, &mut Rng::new(3, "test", 0), device)
    }

    /// A sample's pictures are those that were acted upon, moved, and always by the same; other
    /// decisions' and iterations' are moved otherwise.
    #[test]
    fn samples_see_what_was_acted_upon_moved_once() {
        let policy = policy();
        let (_, seen) = played(&learner(&policy), &policy);
        let look = |seen: &Seen, row: usize| {
            let obs = seen.observations(&[], &[row], &policy, &Device::flex());
            let pictures = obs.images.into_iter().next().unwrap();
            block_on(nn::read(pictures.numbers(&Device::flex()))).unwrap()
        };
        // Row 4 is the second decision of the episode with the larger seed.
        let original = observed(7, 1).images[0].pixels();
        let moved = look(&seen, 4);
        assert_eq!(moved, look(&seen, 4));
        // Inside, where no edge was drawn out; a side of 32 pixels moves by at most one.
        let inside = |value: &dyn Fn(usize) -> f32, right: usize, down: usize| -> Vec<f32> {
            let place = |i: usize| (8 + i / 8 + down) * SIZE + 8 + i % 8 + right;
            (0..64).map(|i| value(place(i))).collect()
        };
        let shown = inside(&|at| moved[at], 1, 1);
        let was = |at: usize| f32::from(original[at]) / 255.0;
        assert!((0..9).any(|by| inside(&was, by % 3, by / 3) == shown));
        let other = Seen {
            seed: Seen::new(&policy, 0, 1).seed,
            ..seen.clone()
        };
        assert!((0..6).any(|row| look(&seen, row) != look(&other, row)));
    }

    /// With several actions a decision, the frames of a stack lie between two decisions; a sample
    /// has those that were acted upon all the same.
    #[test]
    fn stacks_between_decisions_are_seen_as_they_were() {
        let policy = policy_of_chunks(4);
        let mut seen = Seen::new(&policy, 0, 0);
        let acted_upon: Vec<Observation> = [0, 4, 8].map(|t| observed(7, t)).into();
        acted_upon.iter().for_each(|obs| seen.push(7, obs));
        let moments: Vec<(&History, usize)> = seen.moments().collect();
        assert_eq!(moments.len(), acted_upon.len());
        for ((history, t), obs) in moments.into_iter().zip(&acted_upon) {
            let batch = history.batch(&policy.reads, [t]);
            assert_eq!(batch.row(0), *obs, "moment {t}");
        }
    }

    /// After another look at moved pictures every ratio is 1 before the first gradient step, and
    /// the values are the critic's.
    #[test]
    fn at_first_every_ratio_is_one_also_of_moved_pictures() {
        let policy = policy();
        let mut learner = learner(&policy);
        let (mut buffer, seen) = played(&learner, &policy);
        block_on(seen.look_again(&mut buffer, &learner, &policy, &Device::flex())).unwrap();
        let config = DppoConfig::preset(Preset::Tiny);
        let samples = buffer.into_samples(&config, &mut RewardScaler::default());
        let rows: Vec<usize> = (0..6).rev().collect();
        let obs = seen.observations(&samples.obs, &rows, &policy, &Device::flex());
        let values = block_on(nn::read(learner.values(obs.clone()))).unwrap();
        let own: Vec<f32> = samples.values.iter().rev().copied().collect();
        assert_eq!(values, own);
        let figures = block_on(learner.step(&samples, &rows, obs, false)).unwrap();
        assert!(
            figures.kl.abs() < 1e-6 && figures.clipped == 0.0,
            "{figures:?}"
        );
    }
}
