//! A task and an engine make an environment.

use super::{Env, Spec, Step, Subject, checked_action, episode_over};
use crate::rng::Rng;
use crate::seal;
use crate::sim::{RapierSim, Sim};
use crate::tasks::{self, ExpertStyle, Task};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A task of the `lab` suite. The reward is sparse: 1 on the step that succeeds, which ends the
/// episode, else 0. In an episode that plays on, every step on which the success rule holds earns
/// 1.
pub struct LabEnv {
    spec: Spec,
    substeps: usize,
    sim: Box<dyn Sim>,
    task: Box<dyn Task>,
    /// Whether the first success ends an episode.
    ends: bool,
    progress: Progress,
}

/// What the environment itself remembers.
#[derive(Clone, Serialize, Deserialize)]
struct Progress {
    /// Control steps since the start.
    steps: usize,
    over: bool,
    style: ExpertStyle,
    /// The demonstrator's hand trembles from this stream.
    noise: Rng,
}

/// The parts of a saved environment.
#[derive(Serialize, Deserialize)]
struct Saved {
    progress: Progress,
    task: Vec<u8>,
    sim: Vec<u8>,
}

impl LabEnv {
    /// The task `id` on Rapier, started from seed 0.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn new(id: &str) -> Result<Self> {
        let info = tasks::by_id(id)?;
        Self::with_sim(info, Box::new(RapierSim::new(info.scene)?))
    }

    /// The task on any engine that has loaded its scene.
    ///
    /// # Errors
    /// When the engine's scene lacks something that the task needs.
    pub fn with_sim(info: &tasks::Info, sim: Box<dyn Sim>) -> Result<Self> {
        let spec = super::catalogue::lab_spec(info);
        let progress = Progress {
            steps: 0,
            over: false,
            style: ExpertStyle::default(),
            noise: Rng::new(0, "expert", 0),
        };
        let mut env = Self {
            spec,
            substeps: info.substeps,
            task: (info.build)(&*sim)?,
            sim,
            ends: true,
            progress,
        };
        env.reset(0);
        Ok(env)
    }

    /// The simulation, to look at (drawing, analysis).
    pub fn sim(&self) -> &dyn Sim {
        &*self.sim
    }
}

impl Env for LabEnv {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        self.progress = Progress {
            steps: 0,
            over: false,
            style: self.progress.style,
            noise: Rng::new(seed, "expert", 0),
        };
        self.sim.reset();
        self.task
            .start(&mut *self.sim, &mut Rng::new(seed, "start", 0));
        self.task.observe(&*self.sim)
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        let action = checked_action(&self.spec, action)?;
        if self.progress.over {
            return Err(episode_over(&self.spec.id));
        }
        self.task.act(&mut *self.sim, &action);
        (0..self.substeps).for_each(|_| self.sim.step());
        self.progress.steps += 1;
        let obs = self.task.observe(&*self.sim);
        if !obs.iter().all(|v| v.is_finite()) {
            let Spec { id, .. } = &self.spec;
            let steps = self.progress.steps;
            return Err(Error::failed(format!(
                "the simulation of {id} stopped being finite at control step {steps}; reset it"
            )));
        }
        let success = self.task.success(&*self.sim);
        let terminated = success && self.ends;
        let truncated = !terminated && self.progress.steps >= self.spec.horizon;
        self.progress.over = terminated || truncated;
        Ok(Step {
            obs,
            reward: f32::from(success),
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

    fn play_on(&mut self) {
        self.ends = false;
    }

    fn expert(&mut self) -> Option<Vec<f32>> {
        let Progress { style, noise, .. } = &mut self.progress;
        let mut action = self.task.expert(&*self.sim, style);
        if style.noise > 0.0 {
            action
                .iter_mut()
                .for_each(|a| *a = (*a + (style.noise * noise.normal()) as f32).clamp(-1.0, 1.0));
        }
        Some(action)
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Sim(&*self.sim))
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved {
            progress: self.progress.clone(),
            task: self.task.save(),
            sim: self.sim.save(),
        };
        let body = postcard::to_allocvec(&saved).expect("plain data can be serialised into memory");
        seal::seal(&seal::digest(self.spec.id.as_bytes()), &body)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let id = &self.spec.id;
        let body = seal::open(&seal::digest(id.as_bytes()), state, id)?;
        let saved: Saved = postcard::from_bytes(body).map_err(|_| seal::damaged(id))?;
        let before = self.task.save();
        self.task.restore(&saved.task)?;
        if let Err(error) = self.sim.restore(&saved.sim) {
            self.task.restore(&before)?;
            return Err(error);
        }
        self.progress = saved.progress;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
