//! A world as an environment: the parts of an episode that are the same in all suites.

use super::{
    Env, RewardAfterSuccess, Spec, Step, Subject, checked_action, episode_over, own_success_rule,
    usual_controller,
};
use crate::obs::Observation;
use crate::rng::Rng;
use crate::tasks::ExpertStyle;
use crate::{Result, checksummed};
use serde::{Deserialize, Serialize};

/// A task on an engine, without a notion of an episode: the part in which suites differ.
pub trait World: Send {
    /// Arranges the start that `seed` picks, and gives its state.
    fn start(&mut self, seed: u64) -> Vec<f32>;
    /// Plays an action (as long as the task's, within [-1, 1]) for one control step.
    /// `number` is the step's place in the episode, from 1 on.
    ///
    /// # Errors
    /// When the simulator's state stops being finite.
    fn play(&mut self, action: &[f32], number: usize) -> Result<StepOutcome>;
    /// Controls the robot of the task `id` so from the next start on: [`Env::set_controller`].
    ///
    /// # Errors
    /// When there is no such controller.
    fn set_controller(&mut self, id: &str, controller: &str) -> Result<()> {
        usual_controller(id, controller).map(drop)
    }
    /// Judges success of the task `id` so from now on: [`Env::set_success_rule`].
    ///
    /// # Errors
    /// When there is no such rule.
    fn set_success_rule(&mut self, id: &str, rule: &str) -> Result<()> {
        own_success_rule(id, rule)
    }
    /// The scripted expert's action now, without noise, within [-1, 1]; none where the task has no
    /// such expert.
    fn expert(&self, _style: &ExpertStyle) -> Option<Vec<f32>> {
        None
    }
    /// The state from which a picture of this moment is drawn.
    fn subject(&self) -> Subject<'_>;
    /// Everything needed to go on bit for bit.
    fn save(&self) -> Vec<u8>;
    /// Restores what [`World::save`] wrote for the same task.
    ///
    /// # Errors
    /// When the bytes are damaged; nothing has changed then.
    fn restore(&mut self, state: &[u8]) -> Result<()>;
}

/// Result of a control step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepOutcome {
    /// The state that is observed.
    pub obs: Vec<f32>,
    /// Whether the success rule holds.
    pub success: bool,
}

/// A world as an environment, with a time limit, a sparse reward and noise on the demonstrator's
/// actions.
///
/// The first success ends an episode; the step that succeeds earns 1, every other 0. An episode
/// that plays on ([`Env::set_terminate_on_success`]) reaches its horizon, and earns what its
/// suite's [`RewardAfterSuccess`] says.
pub struct EpisodeEnv<W> {
    spec: Spec,
    reward: RewardAfterSuccess,
    world: W,
    /// Whether the first success ends an episode.
    terminates_on_success: bool,
    progress: Progress,
}

/// State of an episode beside its world's.
#[derive(Clone, Serialize, Deserialize)]
struct Progress {
    /// Control steps since the start.
    steps: usize,
    done: bool,
    style: ExpertStyle,
    /// The noise of the demonstrator's actions.
    noise: Rng,
}

/// The parts of a saved environment.
#[derive(Serialize, Deserialize)]
struct Saved {
    progress: Progress,
    world: Vec<u8>,
}

impl<W: World> EpisodeEnv<W> {
    /// The world as an environment, started from seed 0.
    pub fn of(spec: Spec, reward: RewardAfterSuccess, world: W) -> Self {
        let progress = Progress {
            steps: 0,
            done: false,
            style: ExpertStyle::default(),
            noise: Rng::new(0, "expert", 0),
        };
        let mut env = Self {
            spec,
            reward,
            world,
            terminates_on_success: true,
            progress,
        };
        env.reset(0);
        env
    }

    /// The world.
    pub fn world(&self) -> &W {
        &self.world
    }

    /// The world, for changes of which the environment knows nothing.
    pub fn world_mut(&mut self) -> &mut W {
        &mut self.world
    }
}

impl<W: World> Env for EpisodeEnv<W> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Observation {
        self.progress = Progress {
            steps: 0,
            done: false,
            style: self.progress.style,
            // A stream per episode: its noise does not depend on episodes before.
            noise: Rng::new(seed, "expert", 0),
        };
        self.world.start(seed).into()
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let action = checked_action(&self.spec, action)?;
        if self.progress.done {
            return Err(episode_over(&self.spec.id));
        }
        self.progress.steps += 1;
        let StepOutcome { obs, success } = self.world.play(&action, self.progress.steps)?;
        // A success on the last step terminates: it is no time limit.
        let terminated = success && self.terminates_on_success;
        let truncated = !terminated && self.progress.steps >= self.spec.horizon;
        self.progress.done = terminated || truncated;
        let reward = if self.terminates_on_success {
            f32::from(success)
        } else {
            self.reward.of(success)
        };
        Ok(Step {
            obs: obs.into(),
            reward,
            success,
            success_at_end: success,
            terminated,
            truncated,
            steps: 1,
        })
    }

    fn set_style(&mut self, style: ExpertStyle) -> Result<()> {
        self.progress.style = style.checked()?;
        Ok(())
    }

    fn set_terminate_on_success(&mut self, terminate: bool) {
        self.terminates_on_success = terminate;
    }

    fn set_controller(&mut self, controller: &str) -> Result<()> {
        self.world.set_controller(&self.spec.id, controller)
    }

    fn set_success_rule(&mut self, rule: &str) -> Result<()> {
        self.world.set_success_rule(&self.spec.id, rule)
    }

    fn set_horizon(&mut self, steps: usize) {
        self.spec.horizon = steps.max(1);
    }

    fn expert(&mut self) -> Option<Vec<f32>> {
        let Progress { style, noise, .. } = &mut self.progress;
        let mut action = self.world.expert(style)?;
        if style.noise > 0.0 {
            for a in &mut action {
                *a = (*a + (style.noise * noise.normal()) as f32).clamp(-1.0, 1.0);
            }
        }
        Some(action)
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(self.world.subject())
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved {
            progress: self.progress.clone(),
            world: self.world.save(),
        };
        let body = postcard::to_allocvec(&saved).expect("plain data can be serialised into memory");
        checksummed::pack(&checksummed::digest(self.spec.id.as_bytes()), &body)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let id = &self.spec.id;
        let body = checksummed::unpack(&checksummed::digest(id.as_bytes()), state, id)?;
        let saved: Saved = postcard::from_bytes(body).map_err(|_| checksummed::damaged(id))?;
        // The world first: if it refuses, nothing has changed.
        self.world.restore(&saved.world)?;
        self.progress = saved.progress;
        Ok(())
    }
}
