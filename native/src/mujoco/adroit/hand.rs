//! The hand in its scene: what the tasks have in common (the constructors of
//! gymnasium_robotics/envs/adroit_hand/*.py).

use super::super::plant::Plant;
use super::Init;
use super::package::PACKAGE;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::prelude::MjModel;
use protege_core::{Error, Result};

/// Physics steps (2 ms) per control step.
const FRAME_SKIP: usize = 5;

/// Actuators whose sensitivity upstream sets when it makes an environment: first, last, gain. The
/// bias is minus the gain.
const GAINS: [(&str, &str, f64); 2] = [("A_WRJ1", "A_WRJ0", 10.0), ("A_FFJ3", "A_THJ0", 1.0)];

/// Where in the package the scene of the task `id` is.
pub fn file(id: &str) -> String {
    let task = id.rsplit('/').next().unwrap_or_default();
    format!("gymnasium_robotics/envs/assets/adroit_hand/adroit_{task}.xml")
}

/// A loaded scene, and how actions drive it.
pub struct Hand {
    /// The scene.
    pub plant: Plant,
    /// Of each actuator's range: the middle and half the width, rad (m for the arm's slide).
    ranges: Vec<(f64, f64)>,
    /// The state as freshly loaded, as the plant's numbers.
    initial: Vec<f64>,
}

impl Hand {
    /// Loads the scene of the task `id`.
    ///
    /// # Errors
    /// When the scene was not fetched, or is not as expected.
    pub fn load(id: &str) -> Result<Self> {
        let folder = PACKAGE.fetched().map_err(Error::input)?;
        let plant = Plant::from_file(&folder.join(file(id)), sensitise)?;
        GAINS
            .iter()
            .flat_map(|(first, last, _)| [first, last])
            .try_for_each(|name| find(&plant, Kind::mjOBJ_ACTUATOR, name).map(drop))?;
        let ranges = plant
            .model()
            .actuator_ctrlrange()
            .iter()
            .map(|[low, high]| ((low + high) / 2.0, 0.5 * (high - low)))
            .collect();
        Ok(Self {
            initial: plant.numbers(),
            plant,
            ranges,
        })
    }

    /// Puts everything back to where the scene's file has it, what earlier starts have moved
    /// included. What follows from it (where sites are, what touches) is computed once the start is
    /// complete.
    pub fn begin(&mut self) {
        self.plant.revert(&self.initial);
    }

    /// Plays an action, clipped to [-1, 1], for one control step. As upstream, positions of bodies
    /// and sites then lag one physics step behind the joints: MuJoCo computes them before it moves.
    pub fn step(&mut self, action: &[f64]) {
        for ((ctrl, (mean, half)), a) in self
            .plant
            .data
            .ctrl_mut()
            .iter_mut()
            .zip(&self.ranges)
            .zip(action)
        {
            *ctrl = mean + a.clamp(-1.0, 1.0) * half;
        }
        (0..FRAME_SKIP).for_each(|_| self.plant.data.step());
    }

    /// Puts joints, and the places of bodies and sites where given.
    ///
    /// # Errors
    /// When joints are missing, or a length differs from the scene's.
    pub fn place(&mut self, init: &Init) -> Result<()> {
        let needed = |name: &str| {
            init.get(name)
                .ok_or_else(|| Error::input(format!("the start lacks {name}")))
        };
        copy("qpos", needed("qpos")?, self.plant.data.qpos_mut())?;
        copy("qvel", needed("qvel")?, self.plant.data.qvel_mut())?;
        let mut model = self.plant.model_mut();
        init.get("body_pos").map_or(Ok(()), |from| {
            copy("body_pos", from, model.body_pos_mut().as_flattened_mut())
        })?;
        init.get("body_quat").map_or(Ok(()), |from| {
            copy("body_quat", from, model.body_quat_mut().as_flattened_mut())
        })?;
        init.get("site_pos").map_or(Ok(()), |from| {
            copy("site_pos", from, model.site_pos_mut().as_flattened_mut())
        })
    }
}

/// Sets the position gains of actuators and the biases that belong to them. A scene that lacks one
/// is refused when it has been loaded.
fn sensitise(model: &mut MjModel) {
    for (first, last, gain) in GAINS {
        let number = |name| model.name_to_id(Kind::mjOBJ_ACTUATOR, name);
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            continue;
        };
        // SAFETY: numbers are changed, no size and no address.
        #[allow(
            unsafe_code,
            reason = "the library cannot know which numbers are sizes"
        )]
        let gains = unsafe { model.actuator_gainprm_mut() };
        gains[first..=last]
            .iter_mut()
            .for_each(|gains| gains[..3].copy_from_slice(&[gain, 0.0, 0.0]));
        model.actuator_biasprm_mut()[first..=last]
            .iter_mut()
            .for_each(|bias| bias[..3].copy_from_slice(&[0.0, -gain, 0.0]));
    }
}

/// Puts what the task moves from start to start, unless the start has already put everything of
/// that kind (`whole`).
///
/// # Errors
/// When the start has neither, or a length differs from the scene's.
pub fn moved(init: &Init, name: &str, whole: &str, to: &mut [f64]) -> Result<()> {
    match init.get(name) {
        Some(from) => copy(name, from, to),
        None if init.contains_key(whole) => Ok(()),
        None => Err(Error::input(format!("the start lacks {name}"))),
    }
}

/// Copies what a start names.
///
/// # Errors
/// When the lengths differ.
fn copy(name: &str, from: &[f64], to: &mut [f64]) -> Result<()> {
    if from.len() != to.len() {
        return Err(Error::input(format!(
            "the start has {} numbers in {name}, but the scene has {}",
            from.len(),
            to.len()
        )));
    }
    to.copy_from_slice(from);
    Ok(())
}

/// The index of a thing in the scene.
///
/// # Errors
/// When there is none of this name.
pub fn find(plant: &Plant, kind: Kind, name: &str) -> Result<usize> {
    plant.model().name_to_id(kind, name).ok_or_else(|| {
        Error::failed(format!(
            "the scene of adroit has no `{name}`: it is of another version"
        ))
    })
}

/// The index of a body.
///
/// # Errors
/// When there is none of this name.
pub fn body(plant: &Plant, name: &str) -> Result<usize> {
    find(plant, Kind::mjOBJ_BODY, name)
}

/// The index of a site.
///
/// # Errors
/// When there is none of this name.
pub fn site(plant: &Plant, name: &str) -> Result<usize> {
    find(plant, Kind::mjOBJ_SITE, name)
}
