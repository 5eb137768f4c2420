//! The scenes as they are drawn: which file, which camera, and for our own scenes what makes a
//! picture of them pleasant.

use super::super::{Plant, metaworld};
use crate::wheels;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::mujoco_c::mjtJoint;
use mujoco_rs::prelude::{MjModel, MjvCamera};
use protege_core::env::Subject;
use protege_core::sim::{Pose, Sim};
use protege_core::{Error, Result, tasks};

/// A scene, and where it is usually looked at from.
pub struct Stage {
    /// The scene, put into the state that is shown; no environment's.
    pub plant: Plant,
    /// The usual point of view.
    pub view: View,
    /// Seconds that a control step takes.
    pub control_s: f64,
}

/// Where a scene is looked at from unless a camera is named: at a point, from a distance (m), in a
/// direction (degrees).
pub struct View {
    point: [f64; 3],
    distance: f64,
    azimuth: f64,
    elevation: f64,
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

/// The table of our own scenes: the hand on the left, where it goes on the right.
const TABLE: View = View {
    point: [0.0, 0.695, 0.115],
    distance: 0.75,
    azimuth: 130.0,
    elevation: -25.0,
};
/// The door of Adroit, of which no camera of its own shows all; so for the scenes below.
const DOOR: View = View {
    point: [0.0, 0.1, 0.25],
    distance: 1.7,
    azimuth: 115.0,
    elevation: -25.0,
};
/// The hammer of Adroit, and the nail.
const HAMMER: View = View {
    point: [-0.05, -0.02, 0.14],
    distance: 1.05,
    azimuth: 70.0,
    elevation: -36.0,
};
/// The pen of Adroit in the hand, and the one to follow.
const PEN: View = View {
    point: [0.05, -0.12, 0.2],
    distance: 0.85,
    azimuth: 55.0,
    elevation: -30.0,
};
/// The table of Meta-World with the robot behind.
const SAWYER: View = View {
    point: [0.0, 0.6, 0.1],
    distance: 1.35,
    azimuth: 225.0,
    elevation: -30.0,
};

/// A backdrop and soft light for our own scenes, which have a table in empty space. Nothing of it
/// is a body, so that the scene's state stays what it is.
const DECORATION: &str = r#"
  <visual>
    <headlight ambient="0.42 0.42 0.42" diffuse="0.28 0.28 0.28" specular="0.1 0.1 0.1"/>
    <map znear="0.02" zfar="40" shadowclip="0.6" shadowscale="0.4"/>
    <quality numslices="48" numstacks="24"/>
  </visual>
  <asset>
    <texture type="skybox" builtin="gradient" rgb1="0.93 0.95 0.97" rgb2="0.74 0.78 0.83"
             width="128" height="128"/>
  </asset>
  <worldbody>"#;

/// Physics steps in a control step of the upstream tasks.
const UPSTREAM_SUBSTEPS: f64 = 5.0;

impl Stage {
    /// The stage of the task `id`, with what `prepare` changes in its model.
    ///
    /// # Errors
    /// When there is no such task with pictures, or its scene cannot be had.
    pub fn of(id: &str, prepare: impl FnOnce(&mut MjModel)) -> Result<Self> {
        of(id, prepare)
    }

    /// Puts everything where the subject has it.
    ///
    /// # Errors
    /// When the subject is another scene's.
    pub fn pose(&mut self, subject: &Subject<'_>) -> Result<()> {
        match subject {
            Subject::Numbers(numbers) => self.plant.show(numbers),
            Subject::Sim(sim) => {
                (1..self.plant.model().body_mocapid().len())
                    .try_for_each(|body| pose_body(&mut self.plant, *sim, body))?;
                self.plant.data.forward();
                Ok(())
            }
        }
    }
}

fn of(id: &str, prepare: impl FnOnce(&mut MjModel)) -> Result<Stage> {
    let (folder, view) = match id.split_once('/') {
        Some(("lab", _)) => {
            let scene = tasks::by_id(id)?
                .scene
                .replacen("<worldbody>", DECORATION, 1);
            let plant = Plant::from_text_as(&scene, prepare)?;
            let control_s = plant.model().opt().timestep * tasks::by_id(id)?.substeps as f64;
            return Ok(Stage {
                plant,
                view: TABLE,
                control_s,
            });
        }
        Some(("metaworld", _)) => (wheels::METAWORLD, SAWYER),
        Some(("adroit", "door")) => (wheels::ADROIT, DOOR),
        Some(("adroit", "pen")) => (wheels::ADROIT, PEN),
        Some(("adroit", _)) => (wheels::ADROIT, HAMMER),
        _ => return Err(Error::input(format!("there is nothing to see in {id}"))),
    };
    let path = folder.ensure().map_err(Error::failed)?.join(file(id)?);
    let plant = Plant::from_file_alone(&path, prepare)?;
    let control_s = plant.model().opt().timestep * UPSTREAM_SUBSTEPS;
    Ok(Stage {
        plant,
        view,
        control_s,
    })
}

/// Puts one body, and the joints that move it, where the simulation has them; what nothing moves
/// stays.
fn pose_body(plant: &mut Plant, sim: &dyn Sim, body: usize) -> Result<()> {
    let model = plant.model();
    let name = model
        .id_to_name(Kind::mjOBJ_BODY, body)
        .unwrap_or_default()
        .to_owned();
    let (mocap, parent) = (model.body_mocapid()[body], model.body_parentid()[body]);
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

/// Where in its package an upstream task's scene is.
fn file(id: &str) -> Result<String> {
    if id.starts_with("metaworld/") {
        return metaworld::scene(id);
    }
    let adroit = match id {
        "adroit/pen" => "gymnasium_robotics/envs/assets/adroit_hand/adroit_pen.xml",
        "adroit/hammer" => "gymnasium_robotics/envs/assets/adroit_hand/adroit_hammer.xml",
        "adroit/door" => "gymnasium_robotics/envs/assets/adroit_hand/adroit_door.xml",
        _ => return Err(Error::input(format!("no scene of {id} is known"))),
    };
    Ok(adroit.to_owned())
}
