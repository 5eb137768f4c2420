//! Recorded episodes of the upstream suites, played again here and compared number by number.

mod broken;

pub use broken::Replayed;

use super::replay::{Init, Played};
use super::suite::MakeReplay;
use super::suites;
use protege_core::error::{excerpt, nearest};
use protege_core::{Error, Result};
use safetensors::{Dtype, SafeTensors};
use serde::Serialize;
use std::collections::BTreeMap;

/// The first steps, which are compared on their own: later, contacts have blown up what was
/// rounded.
const EARLY: usize = 100;

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
}

/// Recorded episodes: a safetensors file with, for each `suite/task/number`, `init/*` (`qpos`,
/// `qvel`, `mocap_pos`, `mocap_quat`, `body_pos`, `body_quat`, `site_pos`, as far as needed),
/// `rand_vec`, `actions` (steps, act), `obs` (steps + 1, obs), `success` (steps) and rewards
/// (steps).
pub struct Records<'a>(SafeTensors<'a>);

impl<'a> Records<'a> {
    /// Reads the bytes of a file called `name`.
    ///
    /// # Errors
    /// When it is damaged or of another kind.
    pub fn new(bytes: &'a [u8], name: &str) -> Result<Self> {
        let file = SafeTensors::deserialize(bytes);
        file.map(Self).map_err(|e| {
            Error::input(format!(
                "{name} is not a safetensors file of recorded episodes: {e}"
            ))
        })
    }

    /// The keys `suite/task/number` of its episodes.
    pub fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self
            .0
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
        let (id, _) = key.rsplit_once('/').ok_or_else(unknown)?;
        let make = maker(id).ok_or_else(|| {
            Error::input(format!(
                "{id} cannot be replayed, only episodes of {}",
                replayed()
            ))
        })?;
        let mut env = make(id)?;
        let record = self.record(key, &actions, env.reward_name())?;
        let init = self.init(key)?;
        let reset = env.reset(&init)?;
        let start = env.start(&init)?;
        let played: Vec<Played> = actions
            .rows()
            .zip(1..)
            .map(|(action, number)| env.play(action, number))
            .collect::<Result<_>>()?;
        record.against(key, reset.as_deref(), &start, &played)
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
        Ok(Record {
            obs,
            success: success.values,
            reward: column(reward, steps)?.map(|found| found.values),
        })
    }

    fn init(&self, key: &str) -> Result<Init> {
        let mut values = BTreeMap::new();
        for name in self.0.names() {
            let Some(own) = name
                .strip_prefix(key)
                .and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            let own = own
                .strip_prefix("init/")
                .or((own == "rand_vec").then_some(own));
            if let (Some(own), Some(found)) = (own, self.numbers(name)?) {
                values.insert(own.to_owned(), found.values);
            }
        }
        Ok(Init::new(key, values))
    }

    /// A tensor of 32-bit or 64-bit numbers with at least one dimension, none of them 0; `None`
    /// when it is not there.
    fn numbers(&self, name: &str) -> Result<Option<Numbers>> {
        let Ok(tensor) = self.0.tensor(name) else {
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

/// A tensor.
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Numbers {
    /// Its rows; there is at least one number.
    fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.values.len() / self.shape[0])
    }
}

/// What upstream saw.
struct Record {
    obs: Numbers,
    success: Vec<f64>,
    reward: Option<Vec<f64>>,
}

impl Record {
    fn against(
        &self,
        key: &str,
        reset: Option<&[f64]>,
        start: &[f64],
        played: &[Played],
    ) -> Result<Comparison> {
        let first = |reset| {
            self.obs
                .rows()
                .next()
                .map(|theirs| largest_error(key, theirs, reset))
                .transpose()
        };
        let seen = std::iter::once(start).chain(played.iter().map(|step| step.obs.as_slice()));
        let pairs = self.obs.rows().zip(seen);
        let errors: Vec<f64> = pairs
            .map(|(theirs, ours)| largest_error(key, theirs, ours))
            .collect::<Result<_>>()?;
        let successes = self.success.iter().zip(played);
        let ours = || played.iter().map(|step| step.reward);
        let reward = self
            .reward
            .as_ref()
            .map(|theirs| largest(theirs.iter().zip(ours()).map(|(a, b)| (a - b).abs())));
        Ok(Comparison {
            key: key.to_owned(),
            steps: played.len(),
            max_abs_error_100: largest(errors.iter().copied().take(EARLY + 1)),
            max_abs_error: largest(errors.iter().copied()),
            success_equal: successes
                .into_iter()
                .all(|(theirs, step)| (*theirs != 0.0) == step.success),
            reset_max_abs_error: reset
                .and_then(|reset| first(reset).transpose())
                .transpose()?,
            reward_max_abs_error: reward,
        })
    }
}

fn largest_error(key: &str, theirs: &[f64], ours: &[f64]) -> Result<f64> {
    if theirs.len() != ours.len() {
        let theirs = theirs.len();
        let ours = ours.len();
        return Err(Error::input(format!(
            "the observations of `{key}` have {theirs} numbers in the file, {ours} here"
        )));
    }
    Ok(largest(theirs.iter().zip(ours).map(|(a, b)| (a - b).abs())))
}

/// The largest of numbers; what is not a number is larger than any.
fn largest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |most, v| {
        if v.is_nan() {
            f64::INFINITY
        } else {
            most.max(v)
        }
    })
}

#[cfg(test)]
mod tests;
