//! Upstream's recorded episodes, played again.

use super::starts::joined;
use super::world::{ArmWorld, Start};
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
        let fixture = match self.fixture() {
            None => None,
            Some((body, _)) => Some(init.fixture(body, self.plant().model().nbody() as usize)?),
        };
        self.start_at(&Start {
            qpos,
            qvel,
            sizes: &sizes,
            fixture,
        })
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
    /// Where one of `bodies` bodies is in its parent: x, y, z, and w, x, y, z.
    fn fixture(&self, body: usize, bodies: usize) -> Result<[f64; 7]> {
        let missing =
            || Error::input("a recorded episode has no `init/body_pos` or no `init/body_quat`");
        let places = self.get("body_pos", 3 * bodies)?.ok_or_else(missing)?;
        let turns = self.get("body_quat", 4 * bodies)?.ok_or_else(missing)?;
        let place = places.as_chunks().0[body];
        let turn = turns.as_chunks().0[body];
        Ok(joined(place, turn))
    }

    /// Numbers of which the scene knows how many there have to be.
    fn need(&self, name: &str) -> Result<&[f64]> {
        let found = self.values().get(name);
        found
            .map(Vec::as_slice)
            .ok_or_else(|| Error::input(format!("a recorded episode of robosuite has no `{name}`")))
    }
}
