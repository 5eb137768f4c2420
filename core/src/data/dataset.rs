//! Demonstrations in one file: a safetensors file whose metadata carries a JSON header.
//!
//! Tensors `episode_000/obs` (T+1, obs), `episode_000/actions` (T, act) and `episode_000/rewards`
//! (T), all F32, and with pictures `episode_000/frames`, U8, T+1 frames of 3 x size x size one
//! after the other; the metadata's key `protege` holds `{format: "dataset", version, meta: {..},
//! episodes: [{seed, length, success, terminated, return, sha256}]}`.

use super::container::{self, Kind, Tensor};
use super::{CODE_VERSION, Episode, Frames, hex};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// How far an action may lie outside [-1, 1]: room for rounding.
const ACTION_TOLERANCE: f32 = 1e-3;
const KIND: Kind = Kind {
    name: "dataset",
    version: 1,
    remedy: "record it again with `protege demos`",
};

/// The origin of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// The task, `suite/name`.
    pub task: String,
    /// The physics engine.
    pub engine: String,
    /// The seed of the recording.
    pub seed: u64,
    /// The version of the code that recorded it.
    pub code_version: String,
    /// Length of an observation.
    pub obs: usize,
    /// Pixels along each side of the frames; 0: there are none.
    #[serde(default)]
    pub image_size: usize,
    /// Length of an action.
    pub act: usize,
    /// Control steps for which each recorded action was held.
    pub action_repeat: usize,
    /// The demonstrator's distribution, in words.
    pub demonstrator: String,
}

/// Demonstrations of one task.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Their origin.
    pub meta: Meta,
    /// The episodes, in the order of recording.
    pub episodes: Vec<Episode>,
}

/// The header's entry of one episode.
#[derive(Serialize, Deserialize)]
struct Entry {
    seed: u64,
    length: usize,
    success: bool,
    terminated: bool,
    r#return: f64,
    sha256: String,
}

impl Entry {
    fn new(episode: &Episode) -> Self {
        Self {
            seed: episode.seed,
            length: episode.len(),
            success: episode.success,
            terminated: episode.terminated,
            r#return: episode.total_reward(),
            sha256: checksum(episode),
        }
    }
}

/// The header that a dataset adds to the mark.
#[derive(Serialize, Deserialize)]
struct Header {
    meta: Meta,
    episodes: Vec<Entry>,
}

impl Dataset {
    /// The dataset as a file. The same dataset gives the same bytes.
    ///
    /// # Errors
    /// When [`Dataset::check`] finds a fault.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        let header = Header {
            meta: self.meta.clone(),
            episodes: self.episodes.iter().map(Entry::new).collect(),
        };
        let tensors = self
            .episodes
            .iter()
            .enumerate()
            .flat_map(|(i, e)| self.tensors(i, e))
            .collect();
        container::write(&KIND, &header, tensors)
    }

    fn tensors<'a>(&self, index: usize, episode: &'a Episode) -> Vec<(String, Tensor<'a>)> {
        let (steps, Meta { obs, act, .. }) = (episode.len(), &self.meta);
        let tensor = |name, shape: &[usize], data| {
            (
                tensor_name(index, name),
                Tensor::F32(Cow::Owned(shape.to_vec()), data),
            )
        };
        let mut tensors = vec![
            tensor("obs", &[steps + 1, *obs], &episode.obs),
            tensor("actions", &[steps, *act], &episode.actions),
            tensor("rewards", &[steps], &episode.rewards),
        ];
        if !episode.frames.is_empty() {
            let values = episode.frames.values();
            tensors.push((
                tensor_name(index, "frames"),
                Tensor::U8([values.len()], Cow::Owned(values)),
            ));
        }
        tensors
    }

    /// Reads what [`Dataset::to_bytes`] wrote, and checks all of it.
    ///
    /// # Errors
    /// When the file is foreign, cut short or damaged, or an episode is not what the header says;
    /// the sentence names the episode.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (_, header, tensors): (_, Header, _) = container::read(&KIND, bytes)?;
        let meta = header.meta;
        let entries = header.episodes.iter().enumerate();
        let episodes = entries
            .map(|(i, entry)| read_episode(&tensors, &meta, i, entry))
            .collect::<Result<_>>()?;
        let dataset = Self { meta, episodes };
        dataset.check()?;
        Ok(dataset)
    }

    /// Checks sizes, finiteness and action ranges.
    ///
    /// # Errors
    /// Names the first episode with a fault, and the fault.
    pub fn check(&self) -> Result<()> {
        if self.meta.obs == 0 || self.meta.act == 0 {
            return Err(KIND.error("says that its observations or actions have no numbers"));
        }
        if self.meta.action_repeat == 0 {
            return Err(KIND.error("says that its actions were held for 0 control steps"));
        }
        if self.episodes.is_empty() {
            return Err(KIND.error("holds no episodes"));
        }
        for (i, episode) in self.episodes.iter().enumerate() {
            check_episode(&self.meta, episode).map_err(|what| fault(i, what))?;
        }
        Ok(())
    }

    /// Checks that these are demonstrations of the task at hand, with pictures of `image_size`
    /// pixels (0: without).
    ///
    /// # Errors
    /// When task or sizes differ.
    pub fn check_task(&self, id: &str, obs: usize, act: usize, image_size: usize) -> Result<()> {
        let Meta {
            task,
            obs: own_obs,
            act: own_act,
            image_size: own_image,
            ..
        } = &self.meta;
        if task != id {
            return Err(Error::input(format!(
                "The dataset shows {task}, not {id}; use `--task {task}` or record demonstrations \
                 of {id}."
            )));
        }
        if *own_image != image_size {
            return Err(Error::input(format!(
                "The dataset of {id} has frames of {own_image} pixels, but env.image_size is \
                 {image_size}; set it to {own_image}, or record it again with `protege demos --set \
                 env.image_size={image_size}`."
            )));
        }
        if (*own_obs, *own_act) != (obs, act) {
            let sizes = format!(
                "{own_obs} observed numbers and {own_act} actions, but the task has {obs} and {act}"
            );
            return Err(Error::input(format!(
                "The dataset of {id} has {sizes}; record it again with `protege demos`."
            )));
        }
        Ok(())
    }

    /// A remark, when another version of the code recorded the dataset.
    pub fn note(&self) -> Option<String> {
        let recorded = &self.meta.code_version;
        (recorded != CODE_VERSION).then(|| {
            format!("The dataset was recorded by version {recorded}; this is {CODE_VERSION}.")
        })
    }

    /// The first `n` episodes.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn take(&self, n: usize) -> Result<Self> {
        let held = self.episodes.len();
        if n > held {
            return Err(Error::input(format!(
                "The dataset holds {held} episodes, but {n} are asked for; record more, or ask for \
                 at most {held}."
            )));
        }
        self.subset(&(0..n).collect::<Vec<_>>())
    }

    /// The episodes with these indices, in this order.
    ///
    /// # Errors
    /// When there is no such episode.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        let held = self.episodes.len();
        let pick = |&i: &usize| {
            self.episodes.get(i).cloned().ok_or_else(|| {
                Error::input(format!(
                    "There is no episode {i}: the dataset holds {held}, counted from 0."
                ))
            })
        };
        Ok(Self {
            meta: self.meta.clone(),
            episodes: indices.iter().map(pick).collect::<Result<_>>()?,
        })
    }

    /// Appends `label` to every observation.
    #[must_use]
    pub fn labelled(mut self, label: &[f32]) -> Self {
        for episode in &mut self.episodes {
            episode.obs = episode
                .obs
                .chunks(self.meta.obs)
                .flat_map(|row| row.iter().chain(label))
                .copied()
                .collect();
        }
        self.meta.obs += label.len();
        self
    }

    /// The episodes whose observations end in `label`.
    #[must_use]
    pub fn ending_in(&self, label: &[f32]) -> Self {
        let own = |episode: &&Episode| episode.obs.ends_with(label);
        Self {
            meta: self.meta.clone(),
            episodes: self.episodes.iter().filter(own).cloned().collect(),
        }
    }

    /// The share of the episodes that succeeded; 0 when there are none.
    pub fn success_rate(&self) -> f64 {
        self.episodes.iter().filter(|e| e.success).count() as f64
            / self.episodes.len().max(1) as f64
    }
}

fn tensor_name(index: usize, part: &str) -> String {
    format!("episode_{index:03}/{part}")
}

fn fault(index: usize, what: impl AsRef<str>) -> Error {
    KIND.error(format!("is damaged: episode {index} {}", what.as_ref()))
}

fn read_episode(
    tensors: &SafeTensors,
    meta: &Meta,
    index: usize,
    entry: &Entry,
) -> Result<Episode> {
    // The rewards come first: once as many are there as the header says, no size below can
    // overflow.
    let rewards = read_tensor(tensors, index, "rewards", &[entry.length])?;
    let actions = read_tensor(tensors, index, "actions", &[entry.length, meta.act])?;
    let obs = read_tensor(tensors, index, "obs", &[entry.length + 1, meta.obs])?;
    let frames = match meta.image_size {
        0 => Frames::default(),
        size => read_frames(
            tensors,
            index,
            size.saturating_mul(size).saturating_mul(3),
            entry.length + 1,
        )?,
    };
    let Entry {
        seed,
        success,
        terminated,
        ..
    } = *entry;
    let episode = Episode {
        seed,
        obs,
        frames,
        actions,
        rewards,
        success,
        terminated,
    };
    // Last, because only now are all parts known to have their sizes.
    if checksum(&episode) != entry.sha256 {
        return Err(fault(index, "does not match its checksum"));
    }
    Ok(episode)
}

fn read_tensor(
    tensors: &SafeTensors,
    index: usize,
    part: &str,
    shape: &[usize],
) -> Result<Vec<f32>> {
    let view = tensors
        .tensor(&tensor_name(index, part))
        .map_err(|_| fault(index, format!("has no {part}")))?;
    if view.shape() != shape {
        return Err(fault(
            index,
            format!(
                "has {part} of shape {:?} where the header says {shape:?}",
                view.shape()
            ),
        ));
    }
    container::numbers(&view).map_err(|what| {
        fault(
            index,
            format!("has {part} that are no good: the tensor {what}"),
        )
    })
}

/// `count` frames of `size` values each.
fn read_frames(tensors: &SafeTensors, index: usize, size: usize, count: usize) -> Result<Frames> {
    let view = tensors
        .tensor(&tensor_name(index, "frames"))
        .map_err(|_| fault(index, "has no frames"))?;
    if view.dtype() != Dtype::U8 || Some(view.data().len()) != size.checked_mul(count) {
        return Err(fault(
            index,
            format!("has frames that are not {count} times {size} bytes"),
        ));
    }
    let mut frames = Frames::default();
    view.data()
        .chunks(size)
        .for_each(|frame| frames.push(frame));
    Ok(frames)
}

fn check_episode(meta: &Meta, episode: &Episode) -> std::result::Result<(), String> {
    let steps = episode.len();
    if steps == 0 {
        return Err("has no steps".into());
    }
    if episode.obs.len() != (steps + 1) * meta.obs || episode.actions.len() != steps * meta.act {
        return Err(format!(
            "has observations or actions that do not fit its {steps} steps"
        ));
    }
    // Sizes come from a file: products saturate instead of overflowing.
    let frames = if meta.image_size == 0 {
        (0, 0)
    } else {
        (
            steps + 1,
            meta.image_size
                .saturating_mul(meta.image_size)
                .saturating_mul(3),
        )
    };
    if (episode.frames.len(), episode.frames.size()) != frames {
        return Err(format!(
            "has frames that do not fit its {steps} steps of {} pixels",
            meta.image_size
        ));
    }
    for (part, numbers, width) in [
        ("obs", &episode.obs, meta.obs),
        ("actions", &episode.actions, meta.act),
        ("rewards", &episode.rewards, 1),
    ] {
        if let Some(i) = numbers.iter().position(|x| !x.is_finite()) {
            return Err(format!(
                "holds {} in {part} at step {}",
                numbers[i],
                i / width
            ));
        }
    }
    match episode
        .actions
        .iter()
        .position(|a| a.abs() > 1.0 + ACTION_TOLERANCE)
    {
        Some(i) => Err(format!(
            "has the action {} at step {}, outside [-1, 1]",
            episode.actions[i],
            i / meta.act
        )),
        None => Ok(()),
    }
}

/// SHA-256 of all of an episode.
fn checksum(episode: &Episode) -> String {
    let mut hash = Sha256::new();
    hash.update(episode.seed.to_le_bytes());
    hash.update([u8::from(episode.success), u8::from(episode.terminated)]);
    for numbers in [&episode.obs, &episode.actions, &episode.rewards] {
        hash.update(container::to_le_bytes(numbers));
    }
    hash.update(episode.frames.values());
    hex(hash)
}
