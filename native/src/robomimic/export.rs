//! A dataset of ours as a file of robomimic.

use super::env_args;
use super::marks::{self, Mark};
use super::names::{self, OBJECT};
use super::older::{self, Place};
use super::writer::{Address, Attribute, Element, Writer};
use protege_core::data::{Dataset, Episode, Meta};
use protege_core::obs::ImageSpec;
use protege_core::rng::Rng;
use protege_core::{Error, Result};
use serde_json::Value;
use std::io::{self, Seek, Write};

/// What an export gives beside the file.
#[derive(Debug, Default, PartialEq)]
pub struct Exported {
    /// Demonstrations in the list `train`.
    pub train: usize,
    /// Demonstrations in the list `valid`; 0: there is no such list.
    pub valid: usize,
    /// The keys of observations, in the order of our state.
    pub keys: Vec<String>,
    /// What is to be said of it.
    pub notes: Vec<String>,
}

/// What is to be written, checked.
pub struct Export<'a> {
    dataset: &'a Dataset,
    /// What is written of the environment.
    args: Value,
    /// Places of the demonstrations to learn from, and of those that are kept aside.
    train: Vec<usize>,
    valid: Vec<usize>,
}

impl<'a> Export<'a> {
    /// Looks at a dataset; a share of `valid` is kept aside in a list of its own.
    ///
    /// # Errors
    /// When the dataset has several tasks, or the share leaves one list without demonstrations.
    pub fn of(dataset: &'a Dataset, valid: Option<f64>) -> Result<Self> {
        if dataset.meta.obs.tasks > 0 {
            return Err(Error::input(
                "the dataset has several tasks, which a file of robomimic has not: export one \
                 that was recorded for a single task",
            ));
        }
        let Meta {
            task, controller, ..
        } = &dataset.meta;
        let args = env_args::written(task, controller)?;
        let count = dataset.episodes.len();
        let mut order: Vec<usize> = (0..count).collect();
        let aside = match valid {
            None => 0,
            Some(share) => aside(count, share)?,
        };
        // Which ones, a stream of its own says: robomimic/scripts/split_train_val.py draws as well.
        if aside > 0 {
            Rng::new(dataset.meta.seed, "valid", 0).shuffle(&mut order);
        }
        let mut train = order.split_off(aside);
        let mut valid = order;
        train.sort_unstable();
        valid.sort_unstable();
        Ok(Self {
            dataset,
            args,
            train,
            valid,
        })
    }

    /// What there is to say of it.
    pub fn summary(&self) -> Exported {
        let Meta {
            task,
            obs,
            action_repeat,
            ..
        } = &self.dataset.meta;
        let keys = names::keys(task, obs.state).into_iter().map(|key| key.name);
        let pictures = obs
            .cameras
            .iter()
            .map(|camera| names::image_key(&camera.name));
        let mut notes = vec![
            "the file has no simulator states and no model_file, which datasets do not keep: \
             robomimic's train.py needs neither, its playback of states does"
                .to_owned(),
        ];
        if !names::is_robosuite(task) {
            notes.push(format!(
                "robomimic cannot make {task}: set experiment.rollout.enabled to false"
            ));
        }
        if *action_repeat > 1 {
            notes.push(format!(
                "each action was held for {action_repeat} control steps: the file has one row for \
                 each action"
            ));
        }
        Exported {
            train: self.train.len(),
            valid: self.valid.len(),
            keys: keys.chain(pictures).collect(),
            notes,
        }
    }

    /// Writes it, piece by piece.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: impl Write + Seek) -> io::Result<()> {
        let Dataset { meta, episodes } = self.dataset;
        let mut writer = Writer::begin(out)?;
        let version = self.args["env_version"].as_str().unwrap_or_default();
        let order = older::places(&meta.task, version);
        let mut demos = Vec::new();
        for (i, episode) in episodes.iter().enumerate() {
            demos.push((name(i), demo(&mut writer, meta, episode, order.as_deref())?));
        }
        let total = episodes.iter().map(Episode::len).sum::<usize>();
        let args = format!("{:#}", self.args);
        let mark = marks::text(meta)?;
        let attributes = [
            ("total", Attribute::Count(total as u64)),
            ("env_args", Attribute::Text(&args)),
            (marks::NAME, Attribute::Text(&mark)),
        ];
        let data = writer.group(demos, &attributes)?;
        let mut masks = Vec::new();
        for (list, places) in [("train", &self.train), ("valid", &self.valid)] {
            let names: Vec<String> = places.iter().map(|&i| name(i)).collect();
            if !names.is_empty() {
                masks.push((list.to_owned(), writer.names(&names)?));
            }
        }
        let masks = writer.group(masks, &[])?;
        let members = vec![("data".to_owned(), data), ("mask".to_owned(), masks)];
        let root = writer.group(members, &[])?;
        writer.finish(root)
    }
}

/// How many of so many demonstrations a share keeps aside: rounded down, as robomimic does.
fn aside(count: usize, share: f64) -> Result<usize> {
    if !(share > 0.0 && share < 1.0) {
        return Err(Error::input(format!(
            "--valid is {share}, but must lie between 0 and 1"
        )));
    }
    let aside = (share * count as f64) as usize;
    if aside == 0 {
        return Err(Error::input(format!(
            "--valid {share} of {count} demonstrations is less than one: leave it out, or give {}",
            1.0 / count as f64
        )));
    }
    Ok(aside)
}

fn name(i: usize) -> String {
    format!("demo_{i}")
}

/// Writes a demonstration.
fn demo<W: Write + Seek>(
    writer: &mut Writer<W>,
    meta: &Meta,
    episode: &Episode,
    order: Option<&[Place]>,
) -> io::Result<Address> {
    let steps = episode.len();
    let done = |step: usize| i64::from(step + 1 == steps || episode.rewards[step] > 0.0);
    let dones = (0..steps).map(|step| done(step).to_le_bytes());
    let members = vec![
        (
            "actions".to_owned(),
            writer.numbers(meta.act, &episode.actions)?,
        ),
        (
            "dones".to_owned(),
            writer.array(Element::I64, &[steps], dones)?,
        ),
        ("rewards".to_owned(), writer.numbers(0, &episode.rewards)?),
        ("obs".to_owned(), seen(writer, meta, episode, 0, order)?),
        (
            "next_obs".to_owned(),
            seen(writer, meta, episode, 1, order)?,
        ),
    ];
    let mark = marks::text(&Mark::of(episode))?;
    let attributes = [
        ("num_samples", Attribute::Count(steps as u64)),
        (marks::NAME, Attribute::Short(&mark)),
    ];
    writer.group(members, &attributes)
}

/// Writes what was observed from the moment `first` on, as many moments as there are actions; the
/// numbers of `object` in another order where the file's version has it.
fn seen<W: Write + Seek>(
    writer: &mut Writer<W>,
    meta: &Meta,
    episode: &Episode,
    first: usize,
    order: Option<&[Place]>,
) -> io::Result<Address> {
    let moments = first..first + episode.len();
    let width = meta.obs.state;
    let mut members = Vec::new();
    let mut place = 0;
    for key in names::keys(&meta.task, width) {
        let states = moments.clone().map(|t| episode.obs.state_at(t));
        let part = states.flat_map(|state| &state[place..place + key.width]);
        let mut part: Vec<f32> = part.copied().collect();
        if let Some(order) = order.filter(|order| key.name == OBJECT && key.width == order.len()) {
            part.chunks_mut(key.width)
                .for_each(|row| older::put_back(row, order));
        }
        place += key.width;
        members.push((key.name, writer.numbers(key.width, &part)?));
    }
    for ImageSpec { name, size, .. } in &meta.obs.cameras {
        let frames = &episode.obs.frames[name];
        let shape = [moments.len(), *size, *size, 3];
        let pictures = moments.clone().map(|t| picture(frames, t));
        let written = writer.array(Element::U8, &shape, pictures)?;
        members.push((names::image_key(name), written));
    }
    writer.group(members, &[])
}

/// A frame with its colors pixel by pixel.
fn picture(frames: &protege_core::data::Frames, moment: usize) -> Vec<u8> {
    let planes = frames.frame(moment);
    let plane = planes.len() / 3;
    let pixels = (0..plane).flat_map(|at| [0, 1, 2].map(|color| planes[color * plane + at]));
    pixels.collect()
}
