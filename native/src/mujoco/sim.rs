//! MuJoCo as a [`Sim`]: the scenes of `core/scenes`, read by the engine whose format they are in.

use super::plant::Plant;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::sim::{Id, Pose, Sim, Vec3};
use protege_core::{Error, Result};

/// One scene in MuJoCo, 64 bits inside.
///
/// MuJoCo's own step computes where things are, then moves them, so that positions lag one step
/// behind the state. Here every step ends with the positions of the state it leads to; physics is
/// the same.
pub struct MujocoSim {
    plant: Plant,
    /// The state as freshly loaded.
    initial: Vec<u8>,
}

impl MujocoSim {
    /// Loads a scene from MJCF text that needs no other file.
    ///
    /// # Errors
    /// When MuJoCo does not accept the text.
    pub fn new(mjcf: &str) -> Result<Self> {
        let mut plant = Plant::from_text(mjcf)?;
        plant.data.step1();
        Ok(Self {
            initial: plant.save(),
            plant,
        })
    }

    fn find(&self, kind: Kind, what: &str, name: &str) -> Result<Id> {
        let id = self.plant.model().name_to_id(kind, name);
        id.map(Id)
            .ok_or_else(|| Error::input(format!("the scene has no {what} called `{name}`")))
    }
}

impl Sim for MujocoSim {
    fn body(&self, name: &str) -> Result<Id> {
        self.find(Kind::mjOBJ_BODY, "body", name)
    }

    fn joint(&self, name: &str) -> Result<Id> {
        self.find(Kind::mjOBJ_JOINT, "joint", name)
    }

    fn site(&self, name: &str) -> Result<Id> {
        self.find(Kind::mjOBJ_SITE, "site", name)
    }

    fn geom(&self, name: &str) -> Result<Id> {
        self.find(Kind::mjOBJ_GEOM, "geom", name)
    }

    fn actuator(&self, name: &str) -> Result<Id> {
        self.find(Kind::mjOBJ_ACTUATOR, "actuator", name)
    }

    fn pose(&self, body: Id) -> Pose {
        Pose {
            position: self.plant.data.xpos()[body.0],
            rotation: self.plant.data.xquat()[body.0],
        }
    }

    fn velocity(&self, body: Id) -> (Vec3, Vec3) {
        let [wx, wy, wz, x, y, z] =
            self.plant
                .data
                .object_velocity(Kind::mjOBJ_BODY, body.0, false);
        ([x, y, z], [wx, wy, wz])
    }

    fn site_position(&self, site: Id) -> Vec3 {
        self.plant.data.site_xpos()[site.0]
    }

    fn joint_position(&self, joint: Id) -> f64 {
        self.plant.data.qpos()[self.plant.model().jnt_qposadr()[joint.0] as usize]
    }

    fn joint_velocity(&self, joint: Id) -> f64 {
        self.plant.data.qvel()[self.plant.model().jnt_dofadr()[joint.0] as usize]
    }

    fn touching(&self, a: Id, b: Id) -> bool {
        let pair = [a.0 as i32, b.0 as i32];
        self.plant.data.contact().iter().any(|contact| {
            contact.dist < 0.0 && (contact.geom == pair || contact.geom == [pair[1], pair[0]])
        })
    }

    fn set_target(&mut self, actuator: Id, target: f64) {
        self.plant.data.ctrl_mut()[actuator.0] = target;
    }

    fn set_pose(&mut self, body: Id, pose: Pose) {
        let model = self.plant.model();
        let mocap = model.body_mocapid()[body.0];
        let first = model.body_jntadr()[body.0];
        let joints = model.body_jntnum()[body.0];
        if mocap >= 0 {
            self.plant.data.mocap_pos_mut()[mocap as usize] = pose.position;
            self.plant.data.mocap_quat_mut()[mocap as usize] = pose.rotation;
        } else if joints > 0 {
            let at = model.jnt_qposadr()[first as usize] as usize;
            let speed = model.jnt_dofadr()[first as usize] as usize;
            self.plant.data.qpos_mut()[at..at + 3].copy_from_slice(&pose.position);
            self.plant.data.qpos_mut()[at + 3..at + 7].copy_from_slice(&pose.rotation);
            self.plant.data.qvel_mut()[speed..speed + 6].fill(0.0);
        } else {
            let mut model = self.plant.model_mut();
            model.body_pos_mut()[body.0] = pose.position;
            model.body_quat_mut()[body.0] = pose.rotation;
        }
        self.plant.data.step1();
    }

    fn timestep(&self) -> f64 {
        self.plant.model().opt().timestep
    }

    fn step(&mut self) {
        self.plant.data.step2();
        self.plant.data.step1();
    }

    fn reset(&mut self) {
        let initial = std::mem::take(&mut self.initial);
        // The state is this scene's own, so it fits.
        self.plant.restore(&initial).ok();
        self.initial = initial;
    }

    fn save(&self) -> Vec<u8> {
        self.plant.save()
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        self.plant.restore(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engines::make;
    use protege_core::env::catalogue::MUJOCO;
    use protege_core::env::{Env, Step};
    use protege_core::tasks::{self, ExpertStyle};

    fn demonstrate(env: &mut dyn Env, seed: u64) -> Vec<Step> {
        env.reset(seed);
        let mut steps: Vec<Step> = Vec::new();
        while !steps.last().is_some_and(Step::done) {
            let action = env.expert().unwrap();
            steps.push(env.step(&action).unwrap());
        }
        steps
    }

    /// The experts solve the same tasks, from the same scene files, on this engine too.
    #[test]
    fn experts_succeed_on_mujoco() {
        for info in tasks::all() {
            let mut env = make(info.id, MUJOCO).unwrap();
            env.set_style(ExpertStyle {
                noise: 0.1,
                ..ExpertStyle::default()
            })
            .unwrap();
            let wins = (0..20)
                .filter(|&seed| {
                    demonstrate(&mut *env, seed)
                        .last()
                        .is_some_and(|step| step.success)
                })
                .count();
            assert!(wins >= 18, "{}: {wins} of 20", info.id);
        }
    }

    /// A restored simulation goes on bit for bit; states of another scene or damaged ones are
    /// refused.
    #[test]
    fn a_restored_simulation_goes_on_bit_for_bit() {
        let mut env = make("lab/assembly", MUJOCO).unwrap();
        env.reset(2);
        let play = |env: &mut dyn Env| {
            let action = env.expert().unwrap();
            env.step(&action).unwrap()
        };
        (0..35).for_each(|_| drop(play(&mut *env)));
        let saved = env.save();
        let mut other = make("lab/assembly", MUJOCO).unwrap();
        other.restore(&saved).unwrap();
        let foreign = make("lab/lift", MUJOCO).unwrap().save();
        assert!(
            other.restore(&foreign).is_err() && other.restore(&saved[..saved.len() - 9]).is_err()
        );
        for _ in 0..30 {
            assert_eq!(play(&mut *env), play(&mut *other));
        }
    }

    /// Physics that stops being finite is an error, not an episode that quietly starts over.
    #[test]
    fn broken_physics_is_seen() {
        let mut sim = MujocoSim::new(tasks::by_id("lab/lift").unwrap().scene).unwrap();
        let object = sim.body("object").unwrap();
        sim.set_pose(
            object,
            Pose {
                position: [0.0, f64::NAN, 0.0],
                rotation: [1.0, 0.0, 0.0, 0.0],
            },
        );
        sim.step();
        assert!(sim.pose(object).position.iter().any(|v| !v.is_finite()));
        sim.reset();
        sim.step();
        assert!(sim.pose(object).position.iter().all(|v| v.is_finite()));
    }
}
