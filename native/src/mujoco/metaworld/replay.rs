//! Upstream's recorded episodes, played again.

use super::SawyerWorld;
use crate::mujoco::replay::{Init, Played, Replay};
use protege_core::env::checked_action;
use protege_core::{Error, Result};

impl Replay for SawyerWorld {
    fn reward_name(&self) -> &'static str {
        "reward_dense"
    }

    /// Starts from the random vector, then from the recorded state, which must be the same: so what
    /// the record does not have (the solver's starting point) is there, too. In some tasks, what
    /// upstream observes first was computed a physics step before the state was recorded; so it is
    /// the random vector's start that is observed.
    fn start(&mut self, init: &Init) -> Result<Vec<f64>> {
        let vector = self.vector(init)?;
        self.start_from(&vector);
        init.impose(&mut self.arm.plant)?;
        Ok(self.observation())
    }

    fn reset(&mut self, init: &Init) -> Result<Option<Vec<f64>>> {
        let vector = self.vector(init)?;
        self.start_from(&vector);
        Ok(Some(self.observation()))
    }

    fn resume(&mut self, numbers: &[f64]) -> Result<()> {
        self.arm.plant.show(numbers)?;
        self.arm.plant.revert(numbers);
        Ok(())
    }

    fn play(&mut self, action: &[f64], number: usize) -> Result<Played> {
        let action: Vec<f32> = action.iter().map(|&a| a as f32).collect();
        let action = checked_action(&self.spec, &action)?;
        self.advance(&action, number)?;
        Ok(Played {
            obs: self.observation(),
            success: self.success(),
            reward: self.dense_reward(),
            ..Played::default()
        })
    }
}

impl SawyerWorld {
    fn vector(&self, init: &Init) -> Result<Vec<f64>> {
        let missing = || {
            Error::input(format!(
                "a recorded episode of {} has no `rand_vec`",
                self.task.id
            ))
        };
        Ok(init
            .get("rand_vec", self.task.low.len())?
            .ok_or_else(missing)?
            .to_vec())
    }
}
