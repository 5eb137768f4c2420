//! Demonstrations in one file: a safetensors file whose metadata carries a JSON header.
//!
//! Tensors `episode_000/state` (T+1, state), `episode_000/actions` (T, act) and
//! `episode_000/rewards` (T), all F32, and for each camera `episode_000/images/<camera>` (T+1, 3,
//! size, size), U8; the metadata's key `protege` holds `{format: "dataset", version, meta: {..},
//! episodes: [{seed, task, length, success, terminated, return, sha256}]}`.
//!
//! | version | since | what changed |
//! |---|---|---|
//! | 1 | 0.1 | `episode_000/obs`: the state, then the task as one-hot; one camera, `frames` |
//! | 2 | 0.3 | fields: state, the task's place among others, images by camera |

use super::container::{self, Kind, Tensor};
use super::{Episode, Frames, History, hex};
use crate::error::excerpt;
use crate::obs::{ImageSpec, ObsSpec, TaskLabel};
use crate::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// How far an action may lie outside [-1, 1]: room for rounding.
const ACTION_TOLERANCE: f32 = 1e-3;
const KIND: Kind = Kind {
    name: "dataset",
    version: 2,
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
    /// What observations are made of. Frames are kept one by one: a camera's `stack` says how many
    /// were looked at together.
    pub obs: ObsSpec,
    /// Length of an action.
    pub act: usize,
    /// Control steps for which each recorded action was held.
    pub action_repeat: usize,
    /// How the robot was controlled, where not as usual: `env.controller`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub controller: String,
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

/// The observations of version 1, beside the other parts of [`Meta`].
#[derive(Deserialize)]
struct Version1 {
    task: String,
    /// Numbers of an observation.
    obs: usize,
    /// Pixels along each side of the frames; 0: there are none.
    #[serde(default)]
    image_size: usize,
}

/// The header's entry of one episode.
#[derive(Serialize, Deserialize)]
struct Entry {
    seed: u64,
    /// The task's place among several.
    #[serde(default)]
    task: Option<usize>,
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
            task: episode.obs.task.map(|task| task.index),
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
struct Header<M> {
    meta: M,
    episodes: Vec<Entry>,
}

impl Dataset {
    /// The dataset as a file. The same dataset gives the same bytes.
    ///
    /// # Errors
    /// When [`Dataset::check`] finds a fault.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check()?;
        container::write(&KIND, &self.header(), self.all_tensors())
    }

    /// Writes what [`Dataset::to_bytes`] gives, with the pictures of one camera and episode in
    /// memory at a time.
    ///
    /// # Errors
    /// Those of `out`, and when [`Dataset::check`] finds a fault.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        self.check().map_err(io::Error::other)?;
        container::write_to(&KIND, &self.header(), self.all_tensors(), out)
    }

    fn header(&self) -> Header<Meta> {
        Header {
            meta: self.meta.clone(),
            episodes: self.episodes.iter().map(Entry::new).collect(),
        }
    }

    fn all_tensors(&self) -> Vec<(String, Tensor<'_>)> {
        let episodes = self.episodes.iter().enumerate();
        episodes.flat_map(|(i, e)| self.tensors(i, e)).collect()
    }

    fn tensors<'a>(&self, index: usize, episode: &'a Episode) -> Vec<(String, Tensor<'a>)> {
        let steps = episode.len();
        let Meta { obs, act, .. } = &self.meta;
        let tensor = |name, shape: &[usize], data| {
            (
                tensor_name(index, name),
                Tensor::F32(Cow::Owned(shape.to_vec()), data),
            )
        };
        let mut tensors = vec![
            tensor("state", &[steps + 1, obs.state], &episode.obs.state),
            tensor("actions", &[steps, *act], &episode.actions),
            tensor("rewards", &[steps], &episode.rewards),
        ];
        for camera in &obs.cameras {
            let shape = vec![steps + 1, 3, camera.size, camera.size];
            let tensor = Tensor::Frames(shape, &episode.obs.frames[&camera.name]);
            tensors.push((tensor_name(index, &images(&camera.name)), tensor));
        }
        tensors
    }

    /// Reads what [`Dataset::to_bytes`] wrote, and checks all of it.
    ///
    /// # Errors
    /// When the file is foreign, cut short or damaged, or an episode is not what the header says;
    /// the sentence names the episode.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (version, header, tensors): (_, Header<Value>, _) = container::read(&KIND, bytes)?;
        let meta = read_meta(version, header.meta)?;
        let entries = header.episodes.iter().enumerate();
        let episodes = entries
            .map(|(i, entry)| read_episode(version, &tensors, &meta, i, entry))
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
        self.meta.obs.check()?;
        if self.meta.obs.state == 0 || self.meta.act == 0 {
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

    /// Checks that these are demonstrations of the task at hand, with the observations that it
    /// makes here; how many frames are looked at together does not matter.
    ///
    /// # Errors
    /// When task or sizes differ.
    pub fn check_task(&self, id: &str, obs: &ObsSpec, act: usize) -> Result<()> {
        let Meta {
            task,
            obs: own,
            act: own_act,
            ..
        } = &self.meta;
        if task != id {
            let task = excerpt(task);
            return Err(Error::input(format!(
                "The dataset shows {task}, not {id}; use `--task {task}` or record demonstrations \
                 of {id}."
            )));
        }
        check_cameras(id, own, obs)?;
        if (own.numbers(), *own_act) != (obs.numbers(), act) {
            let sizes = format!(
                "{} observed numbers and {own_act} actions, but the task has {} and {act}",
                own.numbers(),
                obs.numbers()
            );
            return Err(Error::input(format!(
                "The dataset of {id} has {sizes}; record it again with `protege demos`."
            )));
        }
        Ok(())
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

    /// Labels every episode as one of several tasks.
    #[must_use]
    pub(crate) fn labelled(mut self, label: TaskLabel) -> Self {
        for episode in &mut self.episodes {
            episode.obs.task = Some(label);
        }
        self.meta.obs.tasks = label.of;
        self
    }

    /// The episodes of this task.
    #[must_use]
    pub fn of_task(&self, label: Option<TaskLabel>) -> Self {
        let own = |episode: &&Episode| episode.obs.task == label;
        Self {
            meta: self.meta.clone(),
            episodes: self.episodes.iter().filter(own).cloned().collect(),
        }
    }
}

/// Checks that there are pictures of the cameras that are asked for, of their size, and none where
/// none are.
fn check_cameras(id: &str, own: &ObsSpec, asked: &ObsSpec) -> Result<()> {
    let sized = |own: usize, asked: usize| {
        Err(Error::input(format!(
            "The dataset of {id} has frames of {own} pixels, but env.image_size is {asked}; set \
             it to {own}, or record it again with `protege demos --set env.image_size={asked}`."
        )))
    };
    let size = |spec: &ObsSpec| spec.cameras.first().map_or(0, |camera| camera.size);
    if (size(own) == 0) != (size(asked) == 0) {
        return sized(size(own), size(asked));
    }
    for camera in &asked.cameras {
        let mut cameras = own.cameras.iter();
        match cameras.find(|own| own.name == camera.name) {
            Some(own) if own.size == camera.size => {}
            Some(own) => return sized(own.size, camera.size),
            None => {
                return Err(Error::input(format!(
                    "The dataset of {id} has no pictures of the camera {}; set env.cameras to \
                     those that it has, or record it again with `protege demos`.",
                    camera.name
                )));
            }
        }
    }
    Ok(())
}

fn tensor_name(index: usize, part: &str) -> String {
    format!("episode_{index:03}/{part}")
}

fn fault(index: usize, what: impl AsRef<str>) -> Error {
    KIND.error(format!("is damaged: episode {index} {}", what.as_ref()))
}

/// The tensor of a camera's frames.
fn images(camera: &str) -> String {
    format!("images/{camera}")
}

/// What a dataset of any version was recorded from. In version 1 the numbers of tasks that are
/// learned together count as observed ones, and the one camera has no name.
fn read_meta(version: u32, mut meta: Value) -> Result<Meta> {
    let damaged = |e: serde_json::Error| KIND.error(format!("has a damaged header ({e})"));
    if version == 1 {
        let old = Version1::deserialize(&meta).map_err(damaged)?;
        let tasks = match old.task.split('+').count() {
            1 => 0,
            several => several,
        };
        let spec = ObsSpec {
            state: old.obs.saturating_sub(tasks),
            tasks,
            cameras: ImageSpec::unnamed(old.image_size, 1),
        };
        meta["obs"] = serde_json::to_value(spec).map_err(damaged)?;
    }
    let meta: Meta = serde_json::from_value(meta).map_err(damaged)?;
    meta.obs.check()?;
    Ok(meta)
}

fn read_episode(
    version: u32,
    tensors: &SafeTensors,
    meta: &Meta,
    index: usize,
    entry: &Entry,
) -> Result<Episode> {
    // The rewards come first: once as many are there as the header says, no size below can
    // overflow.
    let steps = entry.length;
    let rewards = read_tensor(tensors, index, "rewards", &[steps])?;
    let actions = read_tensor(tensors, index, "actions", &[steps, meta.act])?;
    let (part, width) = match version {
        1 => ("obs", meta.obs.numbers()),
        _ => ("state", meta.obs.state),
    };
    let state = read_tensor(tensors, index, part, &[steps + 1, width])?;
    let mut frames = BTreeMap::new();
    for camera in &meta.obs.cameras {
        let part = match version {
            1 => "frames".to_owned(),
            _ => images(&camera.name),
        };
        let seen = read_frames(tensors, index, &part, camera, steps + 1)?;
        frames.insert(camera.name.clone(), seen);
    }
    let of = meta.obs.tasks;
    let mut episode = Episode {
        seed: entry.seed,
        obs: History {
            width,
            state,
            task: entry.task.map(|index| TaskLabel { index, of }),
            frames,
        },
        actions,
        rewards,
        success: entry.success,
        terminated: entry.terminated,
        ..Episode::default()
    };
    // Last, because only now are all parts known to have their sizes.
    if checksum(&episode) != entry.sha256 {
        return Err(fault(index, "does not match its checksum"));
    }
    if version == 1 && of > 0 {
        let task = split_task(&mut episode.obs, meta.obs.state);
        task.ok_or_else(|| fault(index, "does not say which task it shows"))?;
    }
    Ok(episode)
}

/// Takes the one-hot numbers of a task off states, of which `width` numbers are left; none where
/// they name no task.
fn split_task(history: &mut History, width: usize) -> Option<()> {
    let one_hot = &history.state[width..history.width];
    let index = one_hot.iter().position(|&hot| hot == 1.0)?;
    let of = one_hot.len();
    let rows = history.state.chunks(history.width);
    *history = History {
        width,
        state: rows.flat_map(|row| &row[..width]).copied().collect(),
        task: Some(TaskLabel { index, of }),
        frames: std::mem::take(&mut history.frames),
    };
    Some(())
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

/// `count` frames of a camera.
fn read_frames(
    tensors: &SafeTensors,
    index: usize,
    part: &str,
    camera: &ImageSpec,
    count: usize,
) -> Result<Frames> {
    let view = tensors
        .tensor(&tensor_name(index, part))
        .map_err(|_| fault(index, format!("has no {part}")))?;
    let size = camera.frame_len();
    if view.dtype() != Dtype::U8 || Some(view.data().len()) != size.checked_mul(count) {
        return Err(fault(
            index,
            format!("has {part} that are not {count} times {size} bytes"),
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
    let fits = episode.obs.len() == steps + 1
        && episode.obs.is_of(&meta.obs)
        && episode.obs.frames.len() == meta.obs.cameras.len();
    if !fits || episode.actions.len() != steps * meta.act {
        return Err(format!(
            "has observations or actions that do not fit its {steps} steps"
        ));
    }
    for (part, numbers, width) in [
        ("state", &episode.obs.state, meta.obs.state),
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
    if let Some(task) = episode.obs.task {
        hash.update((task.index as u64).to_le_bytes());
    }
    for numbers in [&episode.obs.state, &episode.actions, &episode.rewards] {
        hash.update(container::to_le_bytes(numbers));
    }
    for frames in episode.obs.frames.values() {
        hash.update(frames.values());
    }
    hex(hash)
}
