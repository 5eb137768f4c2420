//! Demonstrations that others have recorded, as a dataset of ours.
//!
//! The file is a safetensors file of plain arrays, in the manner of DAPG's releases (github.com/aravindr93/hand_dapg):
//! `demo_0/observations` (T, obs) seen before each of `demo_0/actions` (T, act), and so on. Where `demo_0/init/*` gives the
//! start (`qpos`, `qvel` and what the task moves: `door_body_pos`, `board_pos`, `desired_orien`), the actions are played
//! again and the episode is what the simulator shows; so recordings of older simulators become episodes of this one.
//! Without a start the episode is what was recorded, less the last action, whose outcome is not in the file.

use super::{Adroit, Init, shows_success, single};
use crate::files::arrays::{Array, Arrays};
use protege_core::data::{CODE_VERSION, Dataset, Episode, Meta};
use protege_core::env::{Env, Spec, catalogue};
use protege_core::{Error, Result};

/// What is kept of recordings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Choice {
    /// Only episodes that succeed.
    pub successful_only: bool,
    /// Episodes end with their first success, and at the task's horizon at the latest.
    pub trim: bool,
}

/// What an import gives.
pub struct Imported {
    /// The episodes kept.
    pub dataset: Dataset,
    /// Recordings in the file.
    pub recorded: usize,
    /// Of these, how many succeed (within the horizon, when trimmed).
    pub successful: usize,
    /// Of these, how many had a start and were played again.
    pub replayed: usize,
}

/// Imports recordings of the task `id`; `what` names the file in sentences.
///
/// # Errors
/// When the task is not of this suite, the file is no recording of it, or nothing is left to keep.
pub fn import(bytes: &[u8], what: &str, id: &str, choice: Choice) -> Result<Imported> {
    let mut env = Adroit::new(id)?;
    let arrays = Arrays::open(bytes, what)?;
    let names = (0..).map(|i| format!("demo_{i}")).take_while(|demo| arrays.names().iter().any(|name| in_demo(name, demo).is_some()));
    let demos = names.map(|demo| Recording::read(&arrays, &demo, env.spec())).collect::<Result<Vec<_>>>()?;
    if demos.is_empty() {
        return Err(arrays.fault("holds no recorded demonstrations: it has no array `demo_0/observations`"));
    }
    let mut episodes = Vec::new();
    for (i, demo) in demos.iter().enumerate() {
        let played = demo.episode(&mut env, i as u64, choice.trim);
        episodes.push(played.map_err(|e| arrays.fault(format!("cannot be used, because of demo_{i}: {e}")))?);
    }
    let (recorded, successful) = (episodes.len(), episodes.iter().filter(|episode| episode.success).count());
    episodes.retain(|episode| episode.success || !choice.successful_only);
    if episodes.is_empty() {
        return Err(arrays.fault(format!("holds {recorded} demonstrations, none of which succeeds at {id}: leave out --successful-only")));
    }
    let replayed = demos.iter().filter(|demo| demo.init.is_some()).count();
    let dataset = Dataset { meta: meta(env.spec(), describe(what, choice, replayed, recorded)), episodes };
    dataset.check()?;
    Ok(Imported { dataset, recorded, successful, replayed })
}

fn meta(spec: &Spec, demonstrator: String) -> Meta {
    Meta {
        task: spec.id.clone(),
        engine: catalogue::MUJOCO.into(),
        seed: 0,
        code_version: CODE_VERSION.into(),
        obs: spec.obs,
        act: spec.act,
        action_repeat: 1,
        demonstrator,
    }
}

/// The demonstrator's distribution, in words.
fn describe(what: &str, choice: Choice, replayed: usize, recorded: usize) -> String {
    let kept = if choice.successful_only { "successful episodes only" } else { "all episodes" };
    let end = if choice.trim { "cut after the first success or at the horizon" } else { "in full length" };
    format!("imported from {what}, {replayed} of {recorded} played again from their starts, actions clipped to [-1, 1], {kept}, {end}")
}

/// The rest of a name that begins with the demonstration's.
fn in_demo<'n>(name: &'n str, demo: &str) -> Option<&'n str> {
    name.strip_prefix(demo)?.strip_prefix('/')
}

/// One demonstration as the file has it.
struct Recording {
    obs: Array,
    actions: Array,
    init: Option<Init>,
}

impl Recording {
    fn read(arrays: &Arrays, demo: &str, spec: &Spec) -> Result<Self> {
        let (obs, actions) = (arrays.get(&format!("{demo}/observations"))?, arrays.get(&format!("{demo}/actions"))?);
        for (part, array, size) in [("observations", &obs, spec.obs), ("actions", &actions, spec.act)] {
            if array.shape.len() != 2 || array.width() != size {
                let fault = format!("is not of {}: {demo} has {part} of shape {:?}, where rows of {size} are needed", spec.id, array.shape);
                return Err(arrays.fault(fault));
            }
        }
        let (seen, done) = (obs.shape[0], actions.shape[0]);
        if seen != done || done < 2 {
            return Err(arrays
                .fault(format!("is damaged: {demo} has {seen} observations and {done} actions, where as many are needed, at least 2")));
        }
        let prefix = format!("{demo}/init");
        let names = arrays.names().into_iter().filter_map(|name| Some((name, in_demo(name, &prefix)?)));
        let init = names.map(|(name, short)| Ok((short.to_owned(), arrays.get(name)?.numbers))).collect::<Result<Init>>()?;
        Ok(Self { obs, actions, init: (!init.is_empty()).then_some(init) })
    }

    fn episode(&self, env: &mut Adroit, seed: u64, trim: bool) -> Result<Episode> {
        let (id, horizon) = (env.spec().id.clone(), env.spec().horizon);
        let mut seen = self.obs.rows().map(single);
        let first = match &self.init {
            Some(init) => single(&env.start(init)?),
            None => seen.next().ok_or_else(|| Error::input("it has no observations"))?,
        };
        let mut episode = Episode::start(seed, &first);
        for action in self.actions.rows() {
            let action: Vec<f64> = action.iter().map(|a| a.clamp(-1.0, 1.0)).collect();
            let (obs, success) = if self.init.is_some() {
                let (obs, success, _) = env.play(&action)?;
                (single(&obs), success)
            } else {
                let Some(obs) = seen.next() else { break };
                let success = shows_success(&id, &obs)?;
                (obs, success)
            };
            episode.push(&single(&action), f32::from(success), &obs);
            episode.success |= success;
            episode.terminated = trim && success;
            if episode.terminated || trim && episode.len() >= horizon {
                break;
            }
        }
        Ok(episode)
    }
}
