//! Upstream's recorded episodes, played again.

use super::HandWorld;
use crate::mujoco::replay::{Init, Played, Replay};
use protege_core::Result;

impl Replay for HandWorld {
    fn reward_name(&self) -> &'static str {
        "reward_dense"
    }

    fn start(&mut self, init: &Init) -> Result<Vec<f64>> {
        self.start_from(init.values())
    }

    fn resume(&mut self, numbers: &[f64]) -> Result<()> {
        self.hand.plant.show(numbers)?;
        self.hand.plant.revert(numbers);
        Ok(())
    }

    fn play(&mut self, action: &[f64], number: usize) -> Result<Played> {
        let obs = self.advance(action, number)?;
        Ok(Played {
            obs,
            success: self.verdict.success,
            reward: self.verdict.dense,
            ..Played::default()
        })
    }
}
