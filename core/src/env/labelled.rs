//! Observations with a task label, for a policy that learns several tasks.

use super::{ActionRepeat, Env, Pictured, Spec, Step, View, Wrapper};
use crate::Result;

/// An environment that appends a label to its observations.
pub struct Labelled {
    inner: Box<dyn Env>,
    spec: Spec,
    label: Vec<f32>,
}

impl Labelled {
    /// Appends `label`.
    pub fn new(inner: Box<dyn Env>, label: Vec<f32>) -> Self {
        let spec = Spec {
            obs: inner.spec().obs + label.len(),
            ..inner.spec().clone()
        };
        Self { inner, spec, label }
    }
}

/// Wraps an environment as a run plays it: every action is held for `repeat` control steps, and
/// observations end in `label` and in the pictures of `view`.
///
/// # Errors
/// When `repeat` is 0, or no picture can be drawn.
pub fn dressed(
    env: Box<dyn Env>,
    repeat: usize,
    label: &[f32],
    view: View,
) -> Result<Box<dyn Env>> {
    // Innermost first: labels and pictures are made once per action, not per control step.
    let repeated = Box::new(ActionRepeat::new(env, repeat)?);
    let labelled: Box<dyn Env> = if label.is_empty() {
        repeated
    } else {
        Box::new(Labelled::new(repeated, label.to_vec()))
    };
    Ok(if view.is_some() {
        Box::new(Pictured::new(labelled, view)?)
    } else {
        labelled
    })
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
