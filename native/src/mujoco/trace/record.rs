//! What upstream saw of an episode, and how far ours is from it.

use super::Comparison;
use crate::mujoco::replay::{Played, Replay};
use protege_core::{Error, Result};
use std::ops::Range;

/// The first steps, which are compared on their own: later, contacts have blown up what was
/// rounded.
const EARLY: usize = 100;

/// A tensor.
pub struct Numbers {
    /// At least one dimension, none of them 0.
    pub shape: Vec<usize>,
    /// Row by row.
    pub values: Vec<f64>,
}

impl Numbers {
    /// Its rows; there is at least one number.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.values.len() / self.shape[0])
    }
}

/// What upstream saw.
pub struct Record {
    /// A row more than actions.
    pub obs: Numbers,
    /// Not 0 where the success rule held, after each action.
    pub success: Vec<f64>,
    /// Of each action.
    pub reward: Option<Vec<f64>>,
    /// What was sent to the actuators.
    pub sent: Option<Sent>,
    /// What was looked at afterwards.
    pub probes: Option<Probes>,
}

/// What was sent to the actuators.
pub struct Sent {
    /// In which control steps, from 0 on.
    pub steps: Range<usize>,
    /// A row for each physics step.
    pub numbers: Numbers,
}

/// States of their own, one a row.
pub struct Probes {
    /// Where everything is.
    pub qpos: Numbers,
    /// What is observed.
    pub obs: Numbers,
    /// Not 0 where the success rule holds.
    pub success: Vec<f64>,
}

impl Record {
    /// What ours makes of the states that were probed.
    pub fn probe(&self, env: &mut dyn Replay) -> Result<Vec<Played>> {
        let rows = self.probes.iter().flat_map(|probes| probes.qpos.rows());
        rows.map(|qpos| env.probe(qpos)).collect()
    }

    /// Compares.
    ///
    /// # Errors
    /// When sizes differ.
    pub fn against(
        &self,
        key: &str,
        reset: Option<&[f64]>,
        start: &[f64],
        played: &[Played],
        probed: &[Played],
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
        let ours = || played.iter().map(|step| step.reward);
        let reward = self
            .reward
            .as_ref()
            .map(|theirs| largest(theirs.iter().zip(ours()).map(|(a, b)| (a - b).abs())));
        let sent = self.sent.as_ref().map(|sent| sent.error(key, played));
        let probes = self.probes.as_ref();
        let probe_error = probes.map(|probes| {
            let pairs = probes.obs.rows().zip(probed);
            let errors = pairs.map(|(theirs, ours)| largest_error(key, theirs, &ours.obs));
            let errors: Vec<f64> = errors.collect::<Result<_>>()?;
            Ok(largest(errors.into_iter()))
        });
        Ok(Comparison {
            key: key.to_owned(),
            steps: played.len(),
            max_abs_error_100: largest(errors.iter().copied().take(EARLY + 1)),
            max_abs_error: largest(errors.iter().copied()),
            success_equal: equal(&self.success, played),
            reset_max_abs_error: reset
                .and_then(|reset| first(reset).transpose())
                .transpose()?,
            reward_max_abs_error: reward,
            ctrl_max_abs_error: sent.transpose()?,
            probe_success_equal: probes.map(|probes| equal(&probes.success, probed)),
            probe_max_abs_error: probe_error.transpose()?,
        })
    }
}

impl Sent {
    fn error(&self, key: &str, played: &[Played]) -> Result<f64> {
        let steps = played.get(self.steps.clone()).unwrap_or_default();
        let ours: Vec<&[f64]> = steps
            .iter()
            .flat_map(|step| &step.sent)
            .map(Vec::as_slice)
            .collect();
        if ours.len() != self.numbers.shape[0] {
            return Err(Error::input(format!(
                "`{key}` has what was sent to the actuators in {} physics steps, not the {} of \
                 control steps {} to {}",
                self.numbers.shape[0],
                ours.len(),
                self.steps.start,
                self.steps.end.saturating_sub(1)
            )));
        }
        let pairs = self.numbers.rows().zip(ours);
        let errors = pairs.map(|(theirs, ours)| largest_error(key, theirs, ours));
        let errors: Vec<f64> = errors.collect::<Result<_>>()?;
        Ok(largest(errors.into_iter()))
    }
}

/// Whether the success rule gave the same everywhere.
fn equal(theirs: &[f64], ours: &[Played]) -> bool {
    let pairs = theirs.iter().zip(ours);
    pairs
        .into_iter()
        .all(|(theirs, ours)| (*theirs != 0.0) == ours.success)
}

fn largest_error(key: &str, theirs: &[f64], ours: &[f64]) -> Result<f64> {
    if theirs.len() != ours.len() {
        let theirs = theirs.len();
        let ours = ours.len();
        return Err(Error::input(format!(
            "a row of `{key}` has {theirs} numbers in the file, {ours} here"
        )));
    }
    Ok(largest(theirs.iter().zip(ours).map(|(a, b)| (a - b).abs())))
}

/// The largest of numbers; what is not a number is larger than any.
pub fn largest(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.fold(0.0, |most, v| {
        if v.is_nan() {
            f64::INFINITY
        } else {
            most.max(v)
        }
    })
}
