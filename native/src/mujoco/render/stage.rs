//! The scenes as they are drawn, and how a simulation's state is put into them.

use super::super::Plant;
use super::super::suite::{Scene, View};
use super::super::suites;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::mujoco_c::mjtJoint;
use mujoco_rs::prelude::{MjModel, MjvCamera};
use protege_core::Result;
use protege_core::env::Subject;
use protege_core::sim::{Pose, Sim};
use std::sync::Arc;

/// A scene, and where it is usually looked at from.
pub struct Stage {
    /// The scene, put into the state that is shown; no environment's.
    pub plant: Plant,
    /// The usual point of view.
    pub view: View,
    /// Seconds that a control step takes.
    pub control_s: f64,
}

impl View {
    /// The camera there.
    pub fn camera(&self, model: &MjModel) -> MjvCamera {
        let Self {
            point,
            distance,
            azimuth,
            elevation,
        } = *self;
        MjvCamera {
            lookat: point,
            distance,
            azimuth,
            elevation,
            ..MjvCamera::new_free(model)
        }
    }
}

impl Stage {
    /// The stage of the task `id`, with what `prepare` changes in its model.
    ///
    /// # Errors
    /// When there is no such task with pictures, or its scene cannot be had.
    pub fn of(id: &str, prepare: impl FnOnce(&mut MjModel)) -> Result<Self> {
        let suite = suites::of(id)?;
        let plant = match suite.scene(id)? {
            Scene::Text(text) => Plant::from_text_as(&text, prepare)?,
            Scene::File(path) => Plant::from_file_alone(&path, prepare)?,
            Scene::Model(shared, variable) => {
                let mut model = MjModel::clone(&shared);
                prepare(&mut model);
                Plant::from_model(&Arc::new(model), id, variable)?
            }
        };
        Ok(Self {
            plant,
            view: suite.view(id),
            control_s: 1.0 / suite.control_hz(),
        })
    }

    /// Puts everything where the subject has it.
    ///
    /// # Errors
    /// When the subject is another scene's.
    pub fn pose(&mut self, subject: &Subject<'_>) -> Result<()> {
        match subject {
            Subject::Numbers(numbers) => self.plant.pose(numbers),
            Subject::Sim(sim) => {
                (1..self.plant.model().body_mocapid().len())
                    .try_for_each(|body| pose_body(&mut self.plant, *sim, body))?;
                self.plant.see();
                Ok(())
            }
        }
    }
}

/// Puts one body, and the joints that move it, where the simulation has them; what nothing moves
/// stays.
fn pose_body(plant: &mut Plant, sim: &dyn Sim, body: usize) -> Result<()> {
    let model = plant.model();
    let name = model
        .id_to_name(Kind::mjOBJ_BODY, body)
        .unwrap_or_default()
        .to_owned();
    let mocap = model.body_mocapid()[body];
    let parent = model.body_parentid()[body];
    let joints = model.body_jntadr()[body]..model.body_jntadr()[body] + model.body_jntnum()[body];
    let pose = || sim.body(&name).map(|id| sim.pose(id));
    if mocap >= 0 {
        let Pose { position, rotation } = pose()?;
        plant.data.mocap_pos_mut()[mocap as usize] = position;
        plant.data.mocap_quat_mut()[mocap as usize] = rotation;
    } else if joints.is_empty() && parent == 0 {
        let Pose { position, rotation } = pose()?;
        let mut model = plant.model_mut();
        model.body_pos_mut()[body] = position;
        model.body_quat_mut()[body] = rotation;
    }
    for joint in joints {
        let model = plant.model();
        let at = model.jnt_qposadr()[joint as usize] as usize;
        if model.jnt_type()[joint as usize] == mjtJoint::mjJNT_FREE {
            let Pose { position, rotation } = pose()?;
            plant.data.qpos_mut()[at..at + 3].copy_from_slice(&position);
            plant.data.qpos_mut()[at + 3..at + 7].copy_from_slice(&rotation);
        } else {
            let dof = model.jnt_dofadr()[joint as usize] as usize;
            let joint = sim.joint(
                model
                    .id_to_name(Kind::mjOBJ_JOINT, joint as usize)
                    .unwrap_or_default(),
            )?;
            plant.data.qpos_mut()[at] = sim.joint_position(joint);
            plant.data.qvel_mut()[dof] = sim.joint_velocity(joint);
        }
    }
    Ok(())
}
