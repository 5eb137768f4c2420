//! Upstream's recorded episodes, played again.

use super::Adroit;
use crate::mujoco::trace::{Init, Played, Replay};
use protege_core::Result;

impl Replay for Adroit {
    fn reward_name(&self) -> &'static str {
        "reward_dense"
    }

    fn start(&mut self, init: &Init) -> Result<Vec<f64>> {
        Adroit::start(self, init.values())
    }

    fn resume(&mut self, numbers: &[f64]) -> Result<()> {
        self.hand.plant.show(numbers)?;
        self.hand.plant.revert(numbers);
        Ok(())
    }

    fn play(&mut self, action: &[f64]) -> Result<Played> {
        let (obs, success, reward) = Adroit::play(self, action)?;
        Ok(Played {
            obs,
            success,
            reward,
        })
    }
}
