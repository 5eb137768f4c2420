//! Environments around environments.

use super::{Env, Spec, Step, Subject};
use crate::obs::Observation;
use crate::tasks::ExpertStyle;
use crate::{Error, Result};

/// An environment around another one, to which it forwards whatever it does not override. Every
/// wrapper is an [`Env`], whose methods these are.
pub trait Wrapper: Send {
    /// The environment inside.
    fn inner(&self) -> &dyn Env;
    /// The environment inside, to be played.
    fn inner_mut(&mut self) -> &mut dyn Env;
    /// [`Env::spec`].
    fn spec(&self) -> &Spec {
        self.inner().spec()
    }
    /// [`Env::reset`].
    fn reset(&mut self, seed: u64) -> Observation {
        self.inner_mut().reset(seed)
    }
    /// [`Env::step`].
    fn step(&mut self, action: &[f32]) -> Result<Step> {
        self.inner_mut().step(action)
    }
    /// [`Env::set_style`].
    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        self.inner_mut().set_style(style)
    }
    /// [`Env::set_controller`].
    fn set_controller(&mut self, controller: &str) -> Result<()> {
        self.inner_mut().set_controller(controller)
    }
    /// [`Env::set_success_rule`].
    fn set_success_rule(&mut self, rule: &str) -> Result<()> {
        self.inner_mut().set_success_rule(rule)
    }
    /// [`Env::set_horizon`].
    fn set_horizon(&mut self, steps: usize) {
        self.inner_mut().set_horizon(steps);
    }
    /// [`Env::expert`].
    fn expert(&mut self) -> Option<Vec<f32>> {
        self.inner_mut().expert()
    }
    /// [`Env::picture`].
    fn picture(&mut self, camera: &str, size: usize) -> Result<Vec<u8>> {
        self.inner_mut().picture(camera, size)
    }
    /// [`Env::save`].
    fn save(&self) -> Vec<u8> {
        self.inner().save()
    }
    /// [`Env::restore`].
    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.inner_mut().restore(state)
    }
}

impl<W: Wrapper> Env for W {
    fn spec(&self) -> &Spec {
        Wrapper::spec(self)
    }

    fn reset(&mut self, seed: u64) -> Observation {
        Wrapper::reset(self, seed)
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        Wrapper::step(self, action)
    }

    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        Wrapper::set_style(self, style)
    }

    fn set_terminate_on_success(&mut self, terminate: bool) {
        self.inner_mut().set_terminate_on_success(terminate);
    }

    fn set_controller(&mut self, controller: &str) -> Result<()> {
        Wrapper::set_controller(self, controller)
    }

    fn set_success_rule(&mut self, rule: &str) -> Result<()> {
        Wrapper::set_success_rule(self, rule)
    }

    fn expert(&mut self) -> Option<Vec<f32>> {
        Wrapper::expert(self)
    }

    fn set_horizon(&mut self, steps: usize) {
        Wrapper::set_horizon(self, steps);
    }

    fn subject(&self) -> Option<Subject<'_>> {
        self.inner().subject()
    }

    fn picture(&mut self, camera: &str, size: usize) -> Result<Vec<u8>> {
        Wrapper::picture(self, camera, size)
    }

    fn save(&self) -> Vec<u8> {
        Wrapper::save(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        Wrapper::restore(self, state)
    }
}

/// Plays every action `times` times and sums the rewards; stops early at the end of the episode.
/// The horizon counts its own steps.
pub(crate) struct ActionRepeat {
    inner: Box<dyn Env>,
    spec: Spec,
    times: usize,
}

impl ActionRepeat {
    /// # Errors
    /// When `times` is 0.
    pub(crate) fn new(inner: Box<dyn Env>, times: usize) -> Result<Self> {
        let times = positive("an action is repeated", times)?;
        let horizon = actions(inner.spec().horizon, times);
        Ok(Self {
            spec: Spec {
                horizon,
                ..inner.spec().clone()
            },
            inner,
            times,
        })
    }
}

impl Wrapper for ActionRepeat {
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
        self.spec.horizon = actions(steps, self.times);
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        play(&mut *self.inner, std::iter::repeat_n(action, self.times))
    }
}

/// Actions of an episode of so many control steps; the last may be held for fewer.
fn actions(steps: usize, times: usize) -> usize {
    steps.div_ceil(times)
}

/// Takes chunks of `length` actions, one after the other in a flat slice (`length * act` numbers),
/// plays them and sums the rewards; stops early at the end of the episode. `spec()` is the inner
/// environment's: its `act` stays the length of one action, and its `horizon` counts single
/// actions.
pub(crate) struct ChunkEnv {
    inner: Box<dyn Env>,
    length: usize,
}

impl ChunkEnv {
    /// # Errors
    /// When `length` is 0.
    pub(crate) fn new(inner: Box<dyn Env>, length: usize) -> Result<Self> {
        Ok(Self {
            inner,
            length: positive("a chunk is played", length)?,
        })
    }
}

impl Wrapper for ChunkEnv {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn step(&mut self, chunk: &[f32]) -> Result<Step> {
        let Spec { id, act, .. } = self.inner.spec();
        let wanted = self.length * act;
        let act = *act;
        if chunk.len() != wanted {
            return Err(Error::input(format!(
                "a chunk for {id} has {wanted} numbers, not {}; check the policy's chunk length",
                chunk.len()
            )));
        }
        play(&mut *self.inner, chunk.chunks(act))
    }

    /// The expert's next action, once per place in the chunk: a state-feedback expert has no plan
    /// to show.
    fn expert(&mut self) -> Option<Vec<f32>> {
        self.inner.expert().map(|action| action.repeat(self.length))
    }
}

/// Plays the actions until the episode ends or none is left; the result is the last step's, with
/// the rewards summed.
fn play<'a>(env: &mut dyn Env, mut actions: impl Iterator<Item = &'a [f32]>) -> Result<Step> {
    let nothing = || Error::input("a chunk without actions was played; give it at least one");
    let mut step = env.step(actions.next().ok_or_else(nothing)?)?;
    for action in actions {
        if step.done() {
            break;
        }
        let next = env.step(action)?;
        // Rewards and steps add up, a success at any step counts, the rest is the last step's.
        let reward = step.reward + next.reward;
        let steps = step.steps + next.steps;
        step = Step {
            reward,
            success: step.success || next.success,
            steps,
            ..next
        };
    }
    Ok(step)
}

fn positive(what: &str, n: usize) -> Result<usize> {
    if n == 0 {
        Err(Error::input(format!("{what} 0 times; use at least 1")))
    } else {
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use crate::env::{ActionRepeat, ChunkEnv, Env, Step, make};

    /// A repeated action and a chunk of equal actions are the single actions one by one.
    #[test]
    fn repeats_and_chunks_equal_single_steps() {
        let action = [0.4, 0.2, -0.3, 1.0];
        let mut single = make("lab/lift").unwrap();
        let mut repeated = ActionRepeat::new(make("lab/lift").unwrap(), 3).unwrap();
        let mut chunked = ChunkEnv::new(make("lab/lift").unwrap(), 3).unwrap();
        single.reset(4);
        repeated.reset(4);
        chunked.reset(4);
        single.step(&action).unwrap();
        single.step(&action).unwrap();
        let last = Step {
            steps: 3,
            ..single.step(&action).unwrap()
        };
        assert_eq!(repeated.step(&action).unwrap(), last);
        assert_eq!(chunked.step(&action.repeat(3)).unwrap(), last);
        assert_eq!(
            (repeated.spec().horizon, chunked.spec().act),
            (single.spec().horizon.div_ceil(3), 4)
        );
    }
}
