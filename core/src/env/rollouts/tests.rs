//! The promises of rollouts.

use super::*;
use crate::env::{Spec, episode_over};
use crate::obs::ObsSpec;

/// An episode of six steps. The success rule holds after the steps that its task's name has digits
/// for.
struct Blinking {
    spec: Spec,
    steps: usize,
    terminates_on_success: bool,
    done: bool,
}

impl Env for Blinking {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, _: u64) -> Observation {
        self.steps = 0;
        self.done = false;
        vec![0.0].into()
    }

    fn step(&mut self, _: &[f32]) -> Result<Step> {
        if self.done {
            return Err(episode_over(&self.spec.id));
        }
        self.steps += 1;
        let success = self.spec.id.contains(&self.steps.to_string());
        let terminated = success && self.terminates_on_success;
        let truncated = !terminated && self.steps == self.spec.horizon;
        self.done = terminated || truncated;
        let obs = vec![self.steps as f32].into();
        let reward = f32::from(success);
        Ok(Step {
            obs,
            reward,
            success,
            success_at_end: success,
            terminated,
            truncated,
            steps: 1,
        })
    }

    fn set_terminate_on_success(&mut self, terminate: bool) {
        self.terminates_on_success = terminate;
    }

    fn set_horizon(&mut self, steps: usize) {
        self.spec.horizon = steps;
    }

    fn expert(&mut self) -> Option<Vec<f32>> {
        None
    }

    fn save(&self) -> Vec<u8> {
        vec![self.steps as u8]
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.steps = usize::from(state[0]);
        Ok(())
    }
}

fn spec(id: &str) -> Spec {
    Spec {
        id: id.into(),
        obs: ObsSpec::of_state(1),
        act: 1,
        horizon: 6,
    }
}

fn blinking(id: &str, _: &str) -> Result<Box<dyn Env>> {
    Ok(Box::new(Blinking {
        spec: spec(id),
        steps: 0,
        terminates_on_success: true,
        done: false,
    }))
}

/// How one environment of a task is played.
fn rollout_spec(task: &str, to_horizon: bool, chunk: usize) -> RolloutSpec {
    let task = Entry {
        spec: spec(task),
        engines: &[],
        about: "",
        expert_success: None,
        proprioception: None,
    };
    RolloutSpec {
        task,
        engine: String::new(),
        make: blinking,
        controller: String::new(),
        success_rule: String::new(),
        action_repeat: 1,
        chunk,
        label: None,
        cameras: Vec::new(),
        to_horizon,
        parallel: 1,
        seed: 0,
        threads: 1,
    }
}

/// The time limit of a spec is that of its episodes, shorter or longer than the task's own, also
/// where actions are repeated, and also after loading.
#[test]
fn episodes_have_the_time_limit_of_the_spec() {
    for limit in [1, 4, 6, 9] {
        for (repeat, chunk) in [(1, 1), (1, 3), (2, 2), (4, 1)] {
            let mut spec = RolloutSpec {
                action_repeat: repeat,
                ..rollout_spec("none", true, chunk)
            };
            spec.task.spec.horizon = limit;
            let (finished, _, _) = episode_of(&spec);
            let case = (limit, repeat, chunk);
            assert_eq!(finished.length, limit as u64, "{case:?}");
        }
    }
}

/// One episode, saved and loaded after every chunk.
fn episode(task: &str, to_horizon: bool, chunk: usize) -> (FinishedEpisode, u64, u64) {
    episode_of(&rollout_spec(task, to_horizon, chunk))
}

fn episode_of(spec: &RolloutSpec) -> (FinishedEpisode, u64, u64) {
    let chunk = spec.chunk;
    let mut rollouts = Rollouts::new(spec, "eval", 0, 1).unwrap();
    loop {
        rollouts.observe();
        let (_, finished) = rollouts.play(&vec![0.0; chunk], chunk).unwrap();
        if let Some(finished) = finished.into_iter().next() {
            return (finished, rollouts.successes(), rollouts.successes_at_end());
        }
        rollouts = Rollouts::load(spec, &rollouts.save().unwrap()).unwrap();
    }
}

/// Success at any step and success at the last step are told apart, wherever in a chunk they fall;
/// where the first success ends an episode they are the same.
#[test]
fn success_at_any_step_and_at_the_last_are_told_apart() {
    for chunk in 1..=7 {
        for (task, once, at_end, earned) in [
            ("2", 1, 0, 1.0),
            ("36", 1, 1, 2.0),
            ("6", 1, 1, 1.0),
            ("0", 0, 0, 0.0),
        ] {
            let (played, any, last) = episode(task, true, chunk);
            assert_eq!(
                (any, last),
                (once, at_end),
                "success after steps {task}, chunks of {chunk}"
            );
            assert_eq!(
                (played.success, played.success_at_end),
                (once == 1, at_end == 1)
            );
            assert_eq!((played.length, played.episode_return), (6, earned));
            let (ended, any, last) = episode(task, false, chunk);
            assert_eq!((any, last, ended.episode_return), (once, once, once as f32));
        }
    }
}

/// Noise counts as drawn once its decision is played: where nobody decided, because a policy was
/// not there, the decision is made later with the same noise, saved and loaded or not.
#[test]
fn noise_of_a_decision_that_was_not_made_is_drawn_again() {
    let spec = rollout_spec("0", true, 1);
    let noises = |given_up: &[usize], saved: bool| {
        let mut rollouts = Rollouts::new(&spec, "eval", 0, 1).unwrap();
        let mut noises = Vec::new();
        for t in 0..5 {
            if given_up.contains(&t) {
                rollouts.observe();
                rollouts.noise(3);
            }
            if saved {
                rollouts = Rollouts::load(&spec, &rollouts.save().unwrap()).unwrap();
            }
            rollouts.observe();
            // Some decide in two steps.
            noises.push([rollouts.noise(2), rollouts.noise(1)]);
            rollouts.play(&[0.0], 1).unwrap();
        }
        noises
    };
    let whole = noises(&[], false);
    for saved in [false, true] {
        assert_eq!(noises(&[0, 2, 3], saved), whole);
    }
    let mut all: Vec<f32> = whole.iter().flatten().flatten().copied().collect();
    all.sort_by(f32::total_cmp);
    all.dedup();
    assert_eq!(all.len(), 15, "every number is drawn once");
}
