//! The suite `lab`: our own table-top tasks, on any engine that loads their scenes.

use super::suite::{Entry, MUJOCO, RAPIER};
use super::{Env, EpisodeEnv, Spec, StepOutcome, Subject, Suite, World};
use crate::obs::ObsSpec;
use crate::rng::Rng;
use crate::sim::{RapierSim, Sim};
use crate::tasks::{self, ExpertStyle, Task};
use crate::{Error, Result, checksummed};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The suite `lab`. A program that has MuJoCo, too, has a suite around this one.
pub struct Lab;

/// The hand and the gripper's opening, now and one control step earlier: what MoDem keeps of
/// Meta-World's observations (facebookresearch/modem, `envs/`), after which these are laid out.
const HAND: &[Range<usize>] = &[0..4, 18..22];

impl Suite for Lab {
    fn name(&self) -> &'static str {
        "lab"
    }

    fn tasks(&self) -> Vec<Entry> {
        let entry = |info: &tasks::Info| Entry {
            spec: spec(info),
            engines: &[RAPIER, MUJOCO],
            about: info.about,
            expert_success: Some(info.expert_success),
            proprioception: Some(HAND),
        };
        tasks::all().iter().map(entry).collect()
    }

    fn control_hz(&self) -> f64 {
        80.0
    }

    /// 20 decisions a second, as in robomimic.
    fn action_repeat(&self) -> usize {
        4
    }

    fn make(&self, id: &str, engine: &str) -> Result<Box<dyn Env>> {
        if engine != RAPIER {
            return Err(Error::input(format!(
                "{id} on the engine `{engine}` needs the native program: this one has only Rapier"
            )));
        }
        Ok(Box::new(LabEnv::new(id)?))
    }
}

fn spec(info: &tasks::Info) -> Spec {
    Spec {
        id: info.id.into(),
        obs: ObsSpec::of_state(info.obs),
        act: info.act,
        horizon: info.horizon,
    }
}

/// A task of the suite `lab` on an engine.
pub type LabEnv = EpisodeEnv<LabWorld>;

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
        let world = LabWorld {
            id: info.id,
            substeps: info.substeps,
            task: (info.build)(&*sim)?,
            sim,
        };
        Ok(EpisodeEnv::of(spec(info), Lab.reward(), world))
    }

    /// The simulation, for drawing and analysis.
    pub fn sim(&self) -> &dyn Sim {
        &*self.world().sim
    }
}

/// A task's rules over a simulation.
pub struct LabWorld {
    id: &'static str,
    substeps: usize,
    sim: Box<dyn Sim>,
    task: Box<dyn Task>,
}

/// The parts of a saved world.
#[derive(Serialize, Deserialize)]
struct Saved {
    task: Vec<u8>,
    sim: Vec<u8>,
}

impl World for LabWorld {
    fn start(&mut self, seed: u64) -> Vec<f32> {
        self.sim.reset();
        self.task
            .start(&mut *self.sim, &mut Rng::new(seed, "start", 0));
        self.task.observe(&*self.sim)
    }

    fn play(&mut self, action: &[f32], number: usize) -> Result<StepOutcome> {
        self.task.act(&mut *self.sim, action);
        (0..self.substeps).for_each(|_| self.sim.step());
        let obs = self.task.observe(&*self.sim);
        // Tested here, where the whole state passes: a diverged simulation must not go on.
        if !obs.iter().all(|v| v.is_finite()) {
            return Err(Error::failed(format!(
                "the simulation of {} stopped being finite at control step {number}; reset it",
                self.id
            )));
        }
        let success = self.task.success(&*self.sim);
        Ok(StepOutcome { obs, success })
    }

    fn expert(&self, style: &ExpertStyle) -> Option<Vec<f32>> {
        Some(self.task.expert(&*self.sim, style))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Sim(&*self.sim)
    }

    fn save(&self) -> Vec<u8> {
        let saved = Saved {
            task: self.task.save(),
            sim: self.sim.save(),
        };
        postcard::to_allocvec(&saved).expect("plain data can be serialised into memory")
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let saved: Saved =
            postcard::from_bytes(state).map_err(|_| checksummed::damaged(self.id))?;
        // Both parts or none: what fits the task may still not fit the engine.
        let before = self.task.save();
        self.task.restore(&saved.task)?;
        if let Err(error) = self.sim.restore(&saved.sim) {
            self.task.restore(&before)?;
            return Err(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
