//! Observations with a task label, for a policy that learns several tasks.

use super::{ActionRepeat, CameraEnv, Entry, Env, Spec, Step, Wrapper};
use crate::Result;
use crate::obs::{ImageSpec, Observation, TaskLabel};

/// An environment that labels its observations with the task.
pub(crate) struct LabelledEnv {
    inner: Box<dyn Env>,
    spec: Spec,
    task: TaskLabel,
}

impl LabelledEnv {
    /// Labels them with `task`.
    pub(crate) fn new(inner: Box<dyn Env>, task: TaskLabel) -> Self {
        let mut spec = inner.spec().clone();
        spec.obs.tasks = task.of;
        Self { inner, spec, task }
    }

    fn label(&self, obs: Observation) -> Observation {
        Observation {
            task: Some(self.task),
            ..obs
        }
    }
}

/// Wraps an environment as a run plays it: episodes have the horizon of `entry`, every action is
/// held for `repeat` control steps, and observations have the label of the task, where there are
/// several, and the pictures of cameras.
///
/// # Errors
/// When `repeat` is 0, or no picture can be drawn.
pub fn wrap(
    mut env: Box<dyn Env>,
    entry: &Entry,
    repeat: usize,
    task: Option<TaskLabel>,
    cameras: &[ImageSpec],
) -> Result<Box<dyn Env>> {
    env.set_horizon(entry.spec.horizon);
    // Innermost first: labels and pictures are made once per action, not per control step.
    let repeated = Box::new(ActionRepeat::new(env, repeat)?);
    let labelled: Box<dyn Env> = match task {
        Some(task) => Box::new(LabelledEnv::new(repeated, task)),
        None => repeated,
    };
    if cameras.is_empty() {
        return Ok(labelled);
    }
    let proprioception = match entry.proprioception {
        Some(places) => places.to_vec(),
        None => std::iter::once(0..entry.spec.obs.state).collect(),
    };
    Ok(Box::new(CameraEnv::new(labelled, proprioception, cameras)?))
}

impl Wrapper for LabelledEnv {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn set_horizon(&mut self, steps: usize) {
        self.inner.set_horizon(steps);
        self.spec.horizon = self.inner.spec().horizon;
    }

    fn reset(&mut self, seed: u64) -> Observation {
        let obs = self.inner.reset(seed);
        self.label(obs)
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let step = self.inner.step(action)?;
        Ok(Step {
            obs: self.label(step.obs),
            ..step
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LabelledEnv;
    use crate::env::{Env, Step, make};
    use crate::obs::{Observation, TaskLabel};

    /// Every observation names the task, and nothing else changes.
    #[test]
    fn observations_name_the_task() {
        let task = TaskLabel { index: 1, of: 2 };
        let named = |obs: Observation| Observation {
            task: Some(task),
            ..obs
        };
        let mut plain = make("lab/lift").unwrap();
        let mut labelled = LabelledEnv::new(make("lab/lift").unwrap(), task);
        assert_eq!(labelled.spec().obs.numbers(), 41);
        assert_eq!(labelled.reset(3), named(plain.reset(3)));
        let action = [0.2, -0.4, 0.1, 1.0];
        let step = plain.step(&action).unwrap();
        let expected = Step {
            obs: named(step.obs),
            ..step
        };
        assert_eq!(labelled.step(&action).unwrap(), expected);
    }
}
