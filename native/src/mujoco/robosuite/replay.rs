//! Upstream's recorded episodes, played again.

use super::world::ArmWorld;
use crate::mujoco::replay::{Init, Played, Replay};
use crate::mujoco::robosuite::scene;
use protege_core::{Error, Result};

impl Replay for ArmWorld {
    fn reward_name(&self) -> &'static str {
        "rewards"
    }

    fn start(&mut self, init: &Init) -> Result<Vec<f64>> {
        let qpos = init.need("qpos0")?;
        let qvel = init.need("qvel0")?;
        let mut sizes = Vec::new();
        for row in scene::variable_geoms(&self.spec().id) {
            sizes.extend(init.array::<3>(&format!("model_geom_size/{}", row[0]))?);
        }
        self.start_at(qpos, qvel, &sizes)
    }

    fn resume(&mut self, numbers: &[f64]) -> Result<()> {
        self.plant_mut().show(numbers)?;
        self.plant_mut().revert(numbers);
        Ok(())
    }

    fn play(&mut self, action: &[f64], number: usize) -> Result<Played> {
        let mut sent = Vec::new();
        let obs = self.advance(action, number, |ctrl| sent.push(ctrl.to_vec()))?;
        Ok(Played {
            obs,
            success: self.success(),
            reward: self.reward(),
            sent,
        })
    }

    fn probe(&mut self, qpos: &[f64]) -> Result<Played> {
        let obs = self.look_at(qpos)?;
        Ok(Played {
            obs,
            success: self.success(),
            reward: self.reward(),
            sent: Vec::new(),
        })
    }
}

impl Init {
    /// Numbers of which the scene knows how many there have to be.
    fn need(&self, name: &str) -> Result<&[f64]> {
        let found = self.values().get(name);
        found
            .map(Vec::as_slice)
            .ok_or_else(|| Error::input(format!("a recorded episode of robosuite has no `{name}`")))
    }
}
