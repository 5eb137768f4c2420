//! Observations that say which task it is, where one policy learns several.

use super::{ActionRepeat, Entry, Env, Pictured, Spec, Step, View, Wrapper};
use crate::Result;

/// An environment at whose observations the same numbers end.
pub struct Labelled {
    inner: Box<dyn Env>,
    spec: Spec,
    label: Vec<f32>,
}

impl Labelled {
    /// `label` are those numbers.
    pub fn new(inner: Box<dyn Env>, label: Vec<f32>) -> Self {
        let spec = Spec {
            obs: inner.spec().obs + label.len(),
            ..inner.spec().clone()
        };
        Self { inner, spec, label }
    }
}

/// An environment of `task` as a run plays it: every action held for `repeat` control steps,
/// observations that end in `label`, and in what `view` shows.
///
/// # Errors
/// When `repeat` is 0, or nothing can be seen.
pub fn dressed(
    env: Box<dyn Env>,
    task: &Entry,
    repeat: usize,
    label: &[f32],
    view: View,
) -> Result<Box<dyn Env>> {
    let repeated = Box::new(ActionRepeat::new(env, repeat)?);
    let labelled: Box<dyn Env> = if label.is_empty() {
        repeated
    } else {
        Box::new(Labelled::new(repeated, label.to_vec()))
    };
    if !view.is_some() {
        return Ok(labelled);
    }
    // The label is no state of the task's objects: it stays beside the pictures.
    let label = task.spec.obs..task.spec.obs + label.len();
    let felt = match task.proprioception {
        Some(own) => own.iter().cloned().chain([label]).collect(),
        None => std::iter::once(0..label.end).collect(),
    };
    Ok(Box::new(Pictured::new(labelled, felt, view)?))
}

impl Wrapper for Labelled {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        [self.inner.reset(seed), self.label.clone()].concat()
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let step = self.inner.step(action)?;
        Ok(Step {
            obs: [&step.obs[..], &self.label].concat(),
            ..step
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::env::{Env, Labelled, Step, make};

    /// Every observation ends in the label, and nothing else changes.
    #[test]
    fn observations_end_in_the_label() {
        let (mut plain, mut labelled) = (
            make("lab/lift").unwrap(),
            Labelled::new(make("lab/lift").unwrap(), vec![0.0, 1.0]),
        );
        assert_eq!(labelled.spec().obs, 41);
        assert_eq!(
            labelled.reset(3),
            [&plain.reset(3)[..], &[0.0, 1.0]].concat()
        );
        let action = [0.2, -0.4, 0.1, 1.0];
        let (step, other) = (
            plain.step(&action).unwrap(),
            labelled.step(&action).unwrap(),
        );
        assert_eq!(other.obs, [&step.obs[..], &[0.0, 1.0]].concat());
        assert_eq!(
            Step {
                obs: step.obs.clone(),
                ..other
            },
            step
        );
    }
}
