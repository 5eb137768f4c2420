//! Recorded episodes of the upstream suites, played again here and compared number by number.

mod broken;
mod record;

pub use broken::Replayed;

use super::replay::{Init, Played};
use super::suite::MakeReplay;
use super::suites;
use protege_core::error::{excerpt, nearest};
use protege_core::{Error, Result};
use record::{Numbers, Probes, Record, Sent};
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What a record has of its start beside `init/*`.
const STARTS: [&str; 3] = ["rand_vec", "qpos0", "qvel0"];
/// Sizes of all geoms in this episode, whose names the file's metadata have.
const GEOM_SIZES: &str = "model_geom_size";

/// Whether this program can replay the suite of a key.
pub fn knows(key: &str) -> bool {
    maker(key).is_some()
}

/// What replays the suite of a task or key.
fn maker(key: &str) -> Option<MakeReplay> {
    let (name, _) = key.split_once('/')?;
    let suite = suites::ALL.iter().find(|suite| suite.name() == name)?;
    suite.replay()
}

/// The names of the suites that can be replayed.
fn replayed() -> String {
    let able = suites::ALL.iter().filter(|suite| suite.replay().is_some());
    let names: Vec<&str> = able.map(|suite| suite.name()).collect();
    names.join(" or ")
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// `suite/task/number`.
    pub key: String,
    /// Control steps that were replayed.
    pub steps: usize,
    /// The largest error of any number observed up to step 100, the first observation included.
    pub max_abs_error_100: f64,
    /// The same over all steps.
    pub max_abs_error: f64,
    /// Whether success is equal at every step.
    pub success_equal: bool,
    /// The largest error of the first observation after a reset of our own, where the record has
    /// what that needs.
    pub reset_max_abs_error: Option<f64>,
    /// The largest error of the upstream reward, where the record has it.
    pub reward_max_abs_error: Option<f64>,
    /// The largest error of what was sent to the actuators in any physics step, where the record
    /// has it.
    pub ctrl_max_abs_error: Option<f64>,
    /// Whether the success rule gives the same in the states that were probed, where the record has
    /// some.
    pub probe_success_equal: Option<bool>,
    /// The largest error of what is observed there.
    pub probe_max_abs_error: Option<f64>,
}

/// Recorded episodes: a safetensors file with, for each `suite/task/number`, `init/*` (`qpos`,
/// `qvel`, `mocap_pos`, `mocap_quat`, `body_pos`, `body_quat`, `site_pos`, as far as needed),
/// `rand_vec` or `qpos0` and `qvel0`, `actions` (steps, act), `obs` (steps + 1, obs), `success`
/// (steps) and rewards (steps).
///
/// Of robosuite also `model_geom_size` (geoms, 3) of this episode, the geoms' names in the
/// metadata's JSON `protege` under `names/task/geom`; `ctrl_20_29`, what the actuators got in each
/// physics step of those control steps; and `probe_qpos`, `probe_obs` and `probe_success`, states
/// that were looked at after the last action.
pub struct Records<'a> {
    file: SafeTensors<'a>,
    /// What the metadata say.
    about: Value,
}

impl<'a> Records<'a> {
    /// Reads the bytes of a file called `name`.
    ///
    /// # Errors
    /// When it is damaged or of another kind.
    pub fn new(bytes: &'a [u8], name: &str) -> Result<Self> {
        let damaged = |e| {
            Error::input(format!(
                "{name} is not a safetensors file of recorded episodes: {e}"
            ))
        };
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let about = header.metadata().as_ref();
        let about = about.and_then(|about| serde_json::from_str(about.get("protege")?).ok());
        Ok(Self {
            file,
            about: about.unwrap_or_default(),
        })
    }

    /// The keys `suite/task/number` of its episodes.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .file
            .names()
            .iter()
            .filter_map(|name| Some(name.strip_suffix("/actions")?.to_owned()))
            .collect();
        keys.sort();
        keys
    }

    /// Replays an episode and compares.
    ///
    /// # Errors
    /// When the file has no such episode, it is incomplete, or the simulation fails.
    pub fn compare(&self, key: &str) -> Result<Comparison> {
        let unknown = || {
            let near = nearest(key, self.keys().into_iter()).unwrap_or_default();
            Error::input(format!(
                "there is no recorded episode `{}`; did you mean `{}`?",
                excerpt(key),
                excerpt(&near)
            ))
        };
        let actions = self
            .numbers(&format!("{key}/actions"))?
            .ok_or_else(unknown)?;
        if let Some(at) = actions.values.iter().position(|v| !v.is_finite()) {
            let row = at * actions.shape[0] / actions.values.len();
            return Err(Error::input(format!(
                "`{key}/actions` has {} in row {row}: no robot can be sent that",
                actions.values[at]
            )));
        }
        let (id, _) = key.rsplit_once('/').ok_or_else(unknown)?;
        let make = maker(id).ok_or_else(|| {
            Error::input(format!(
                "{id} cannot be replayed, only episodes of {}",
                replayed()
            ))
        })?;
        let mut env = make(id)?;
        let record = self.record(key, &actions, env.reward_name())?;
        let init = self.init(key, id)?;
        let reset = env.reset(&init)?;
        let start = env.start(&init)?;
        let played: Vec<Played> = actions
            .rows()
            .zip(1..)
            .map(|(action, number)| env.play(action, number))
            .collect::<Result<_>>()?;
        let probed = record.probe(&mut *env)?;
        record.against(key, reset.as_deref(), &start, &played, &probed)
    }

    fn record(&self, key: &str, actions: &Numbers, reward: &str) -> Result<Record> {
        let steps = actions.shape[0];
        let column = |name: &str, rows: usize| -> Result<Option<Numbers>> {
            let name = format!("{key}/{name}");
            let Some(found) = self.numbers(&name)? else {
                return Ok(None);
            };
            let fits = found.shape.first() == Some(&rows);
            if fits {
                Ok(Some(found))
            } else {
                Err(Error::input(format!(
                    "`{name}` has the shape {:?}, not {rows} rows",
                    found.shape
                )))
            }
        };
        let missing =
            |name: &str| Error::input(format!("the recorded episode `{key}` has no `{name}`"));
        let obs = column("obs", steps + 1)?.ok_or_else(|| missing("obs"))?;
        let success = column("success", steps)?.ok_or_else(|| missing("success"))?;
        let probes = match self.numbers(&format!("{key}/probe_qpos"))? {
            None => None,
            Some(qpos) => {
                let count = qpos.shape[0];
                let needed = |name: &str| column(name, count)?.ok_or_else(|| missing(name));
                Some(Probes {
                    obs: needed("probe_obs")?,
                    success: needed("probe_success")?.values,
                    qpos,
                })
            }
        };
        Ok(Record {
            obs,
            success: success.values,
            reward: column(reward, steps)?.map(|found| found.values),
            sent: self.sent(key)?,
            probes,
        })
    }

    /// What a record has under `ctrl_FIRST_LAST`; nothing where the episode ended before.
    fn sent(&self, key: &str) -> Result<Option<Sent>> {
        for name in self.file.names() {
            let own = name
                .strip_prefix(key)
                .and_then(|own| own.strip_prefix("/ctrl_"));
            let Some((first, last)) = own.and_then(|own| own.split_once('_')) else {
                continue;
            };
            let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) else {
                continue;
            };
            let is_empty = |view: safetensors::tensor::TensorView| view.data().is_empty();
            if self.file.tensor(name).is_ok_and(is_empty) {
                return Ok(None);
            }
            let numbers = self.numbers(name)?;
            return Ok(numbers.map(|numbers| Sent {
                steps: first..last.saturating_add(1),
                numbers,
            }));
        }
        Ok(None)
    }

    fn init(&self, key: &str, id: &str) -> Result<Init> {
        let mut values = BTreeMap::new();
        for name in self.file.names() {
            let Some(own) = name
                .strip_prefix(key)
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            if own == GEOM_SIZES {
                self.read_sizes(name, id, &mut values)?;
            }
            let own = own
                .strip_prefix("init/")
                .or(STARTS.contains(&own).then_some(own));
            if let Some(own) = own
                && let Some(found) = self.numbers(name)?
            {
                values.insert(own.to_owned(), found.values);
            }
        }
        Ok(Init::new(key, values))
    }

    /// The sizes of geoms, by name: `model_geom_size/NAME`.
    fn read_sizes(
        &self,
        tensor: &str,
        id: &str,
        values: &mut BTreeMap<String, Vec<f64>>,
    ) -> Result<()> {
        let Some(sizes) = self.numbers(tensor)? else {
            return Ok(());
        };
        let task = id.rsplit('/').next().unwrap_or_default();
        let names = self.about["names"][task]["geom"].as_array();
        let names = names.filter(|names| names.len() == sizes.shape[0]);
        let names = names.ok_or_else(|| {
            Error::input(format!(
                "`{tensor}` has {} sizes, whose names the file's metadata `protege` do not have \
                 under names/{task}/geom",
                sizes.shape[0]
            ))
        })?;
        for (name, size) in names.iter().zip(sizes.rows()) {
            if let Some(name) = name.as_str().filter(|name| !name.is_empty()) {
                values.insert(format!("{GEOM_SIZES}/{name}"), size.to_vec());
            }
        }
        Ok(())
    }

    /// A tensor of 32-bit or 64-bit numbers with at least one dimension, none of them 0; `None`
    /// when it is not there.
    fn numbers(&self, name: &str) -> Result<Option<Numbers>> {
        let Ok(tensor) = self.file.tensor(name) else {
            return Ok(None);
        };
        let data = tensor.data();
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F64 => data
                .as_chunks()
                .0
                .iter()
                .map(|&chunk| f64::from_le_bytes(chunk))
                .collect(),
            Dtype::F32 => data
                .as_chunks()
                .0
                .iter()
                .map(|&chunk| f64::from(f32::from_le_bytes(chunk)))
                .collect(),
            other => {
                return Err(Error::input(format!(
                    "`{name}` holds {other:?}, not numbers of 32 or 64 bits"
                )));
            }
        };
        if values.is_empty() || tensor.shape().is_empty() {
            return Err(Error::input(format!("`{name}` is empty or no list")));
        }
        Ok(Some(Numbers {
            shape: tensor.shape().to_vec(),
            values,
        }))
    }
}

#[cfg(test)]
mod tests;
