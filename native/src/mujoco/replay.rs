//! What an upstream suite's recorded episode asks of a simulation that plays it again.

use super::Plant;
use protege_core::{Error, Result};
use std::collections::BTreeMap;

/// An environment that can start from a recorded state.
pub trait Replay {
    /// The name that the record has for the rewards that [`Replay::play`] gives, such as
    /// `reward_dense`.
    fn reward_name(&self) -> &'static str;
    /// Starts from a recorded state, and observes it in 64 bits.
    ///
    /// # Errors
    /// When the record lacks something or something in it has another size.
    fn start(&mut self, init: &Init) -> Result<Vec<f64>>;
    /// Starts as the record began, by a reset of our own rather than from the recorded state, and
    /// observes it; `None` where the record does not have what a reset needs.
    fn reset(&mut self, _init: &Init) -> Result<Option<Vec<f64>>> {
        Ok(None)
    }
    /// Goes on from a state that a simulation was in before it broke.
    ///
    /// # Errors
    /// When the numbers are of another scene.
    fn resume(&mut self, numbers: &[f64]) -> Result<()>;
    /// Plays the `number`-th recorded action, from 1 on, for one control step.
    ///
    /// # Errors
    /// When the action does not fit or the simulation breaks.
    fn play(&mut self, action: &[f64], number: usize) -> Result<Played>;
    /// Observes and judges a state of its own, everything where `qpos` has it and at rest; asked
    /// for after the last action, where the record has such states.
    ///
    /// # Errors
    /// When the numbers do not fit, or the suite's records have no such states.
    fn probe(&mut self, _qpos: &[f64]) -> Result<Played> {
        Err(Error::input(
            "the file has states to be probed, which this suite's records do not have",
        ))
    }
}

/// What a step led to.
#[derive(Default)]
pub struct Played {
    /// The observation.
    pub obs: Vec<f64>,
    /// Whether the success rule holds now.
    pub success: bool,
    /// The upstream reward that the record has.
    pub reward: f64,
    /// What was sent to the actuators in each physics step, where the suite's records have that.
    pub sent: Vec<Vec<f64>>,
}

/// A recorded state, by name: `qpos`, `qvel`, `body_pos` ...
pub struct Init {
    key: String,
    values: BTreeMap<String, Vec<f64>>,
}

impl Init {
    /// The state that the recorded episode `key` has.
    pub fn new(key: &str, values: BTreeMap<String, Vec<f64>>) -> Self {
        Self {
            key: key.to_owned(),
            values,
        }
    }

    /// Everything, by name.
    pub fn values(&self) -> &BTreeMap<String, Vec<f64>> {
        &self.values
    }

    /// `count` numbers called `name`, when they are there.
    ///
    /// # Errors
    /// When there are more or fewer.
    pub fn get(&self, name: &str, count: usize) -> Result<Option<&[f64]>> {
        let Some(found) = self.values.get(name) else {
            return Ok(None);
        };
        if found.len() == count {
            return Ok(Some(found));
        }
        Err(Error::input(format!(
            "`{name}` of `{}` has {} numbers, the task has {count}",
            self.key,
            found.len()
        )))
    }

    /// `N` numbers called `name`.
    ///
    /// # Errors
    /// When they are missing, or there are more or fewer.
    pub fn array<const N: usize>(&self, name: &str) -> Result<[f64; N]> {
        let found = self
            .get(name, N)?
            .and_then(|found| found.first_chunk().copied());
        found.ok_or_else(|| {
            Error::input(format!(
                "the recorded episode `{}` has no `{name}`",
                self.key
            ))
        })
    }

    /// Brings a plant into this state, and computes what follows from it. What the record does not
    /// have stays as it is.
    ///
    /// # Errors
    /// When a size is not the scene's; what was set before stays set then.
    pub fn impose(&self, plant: &mut Plant) -> Result<()> {
        let mut model = plant.model_mut();
        self.copy("body_pos", model.body_pos_mut().as_flattened_mut())?;
        self.copy("body_quat", model.body_quat_mut().as_flattened_mut())?;
        self.copy("site_pos", model.site_pos_mut().as_flattened_mut())?;
        self.copy("qpos", plant.data.qpos_mut())?;
        self.copy("qvel", plant.data.qvel_mut())?;
        self.copy("mocap_pos", plant.data.mocap_pos_mut().as_flattened_mut())?;
        self.copy("mocap_quat", plant.data.mocap_quat_mut().as_flattened_mut())?;
        plant.data.forward();
        Ok(())
    }

    fn copy(&self, name: &str, to: &mut [f64]) -> Result<()> {
        if let Some(found) = self.get(name, to.len())? {
            to.copy_from_slice(found);
        }
        Ok(())
    }
}
