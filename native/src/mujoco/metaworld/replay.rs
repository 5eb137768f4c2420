//! Upstream's recorded episodes, played again.

use super::{Env, MetaWorld};
use crate::mujoco::trace::{Init, Played, Replay};
use protege_core::Result;
use protege_core::env::checked_action;

impl Replay for MetaWorld {
    fn reward_name(&self) -> &'static str {
        "reward_dense"
    }

    /// Starts from the random vector, then from the recorded state, which must be the same: so what the record does not have
    /// (the solver's starting point) is there, too.
    fn start(&mut self, init: &Init) -> Result<Vec<f64>> {
        MetaWorld::start(self, init.array("rand_vec")?);
        init.impose(&mut self.arm.plant)?;
        self.progress.now = self.frame();
        self.progress.before = self.progress.now;
        Ok(self.observation())
    }

    fn reset(&mut self, init: &Init) -> Result<Option<Vec<f64>>> {
        MetaWorld::start(self, init.array("rand_vec")?);
        Ok(Some(self.observation()))
    }

    fn resume(&mut self, numbers: &[f64]) -> Result<()> {
        self.arm.plant.show(numbers)?;
        self.arm.plant.revert(numbers);
        Ok(())
    }

    fn play(&mut self, action: &[f64]) -> Result<Played> {
        let action: Vec<f32> = action.iter().map(|&a| a as f32).collect();
        let action = checked_action(self.spec(), &action)?;
        self.advance(&action)?;
        Ok(Played { obs: self.observation(), success: self.success(), reward: self.dense_reward() })
    }
}
