//! Parts of scenes: files of the package, read and changed as upstream does
//! (`robosuite/models/base.py`).

use super::damaged;
use mujoco_rs::prelude::{MjSpec, SpecElement, SpecItem};
use mujoco_rs::wrappers::mj_editing::{MjsBody, MjsJoint};
use protege_core::{Error, Result};
use std::path::PathBuf;

/// The colors of what collides, by what it belongs to (`robosuite/utils/mjcf_utils.py`).
pub mod color {
    /// The arm.
    pub const ROBOT: [f32; 4] = [0.0, 0.5, 0.0, 1.0];
    /// What the arm stands on.
    pub const MOUNT: [f32; 4] = [0.5, 0.5, 0.0, 1.0];
    /// The gripper.
    pub const GRIPPER: [f32; 4] = [0.0, 0.0, 0.5, 1.0];
    /// Objects.
    pub const OBJECT: [f32; 4] = [0.5, 0.0, 0.0, 1.0];
    /// Tables, bins and pegs.
    pub const ARENA: [f32; 4] = [0.5, 0.5, 0.0, 1.0];
}

/// The group of geoms that collide and are not drawn.
pub const SOLID: i32 = 0;
/// The group of geoms that are drawn and do not collide.
pub const SEEN: i32 = 1;

/// A file of the package.
pub struct Part {
    /// Where it is, for sentences.
    pub file: PathBuf,
    /// What it says.
    pub spec: MjSpec,
}

impl Part {
    /// Reads a part. Upstream merges all parts into one file, so that the conventions of
    /// `base.xml` hold for each: angles in radians, and only what collides has mass.
    pub fn read(file: PathBuf) -> Result<Self> {
        // The library panics over names that are not text.
        std::fs::read_to_string(&file).map_err(|e| damaged(&file, e))?;
        let mut spec = MjSpec::from_xml(&file).map_err(|e| damaged(&file, e))?;
        let conventions = spec.compiler_mut();
        conventions.set_degree(false);
        *conventions.inertiagrouprange_mut() = [SOLID, SOLID];
        Ok(Self { file, spec })
    }

    /// The body called `name`.
    pub fn body(&mut self, name: &str) -> Result<&mut MjsBody> {
        let body = self.spec.body_mut(name);
        body.ok_or_else(|| damaged(&self.file, format!("there is no body `{name}`")))
    }

    /// The joint called `name`.
    pub fn joint(&mut self, name: &str) -> Result<&mut MjsJoint> {
        let joint = self.spec.joint_mut(name);
        joint.ok_or_else(|| damaged(&self.file, format!("there is no joint `{name}`")))
    }

    /// Gives geoms without a name one, each kind counted in the file's order (`MujocoXMLModel`).
    pub fn name_geoms(&mut self) -> Result<()> {
        let mut solids = 0;
        let mut seen = 0;
        for geom in self.spec.geom_iter_mut() {
            if !geom.name().is_empty() {
                continue;
            }
            let (count, kind) = if geom.group() == SEEN {
                (&mut seen, "vis")
            } else {
                (&mut solids, "col")
            };
            named(geom, &format!("g{count}_{kind}"))?;
            *count += 1;
        }
        Ok(())
    }

    /// Gives everything that collides a color, and no material (`recolor_collision_geoms`).
    pub fn recolor(&mut self, color: [f32; 4]) {
        let geoms = self.spec.geom_iter_mut();
        for geom in geoms.filter(|geom| geom.group() == SOLID) {
            *geom.rgba_mut() = color;
            geom.set_material("");
        }
    }
}

/// Gives something its name, which is nothing else's.
pub fn named<'a, T: SpecItem>(item: &'a mut T, name: &str) -> Result<&'a mut T> {
    let taken = |e| Error::failed(format!("a scene of robosuite cannot have `{name}`: {e}"));
    item.set_name(name).map_err(taken)?;
    Ok(item)
}
