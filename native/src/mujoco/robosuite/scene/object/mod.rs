//! Objects: some have a file in the package, others are made of numbers.

mod block;
mod file;
mod frame;
mod solid;
mod stand;
mod wrench;

pub use block::{Block, block};
pub use file::{door, seen, solid};
pub use frame::frame;
pub use stand::stand;
pub use wrench::wrench;

use super::composition::Material;
use super::part::named;
use mujoco_rs::prelude::{MjtGeomBase, MjtJoint};
use mujoco_rs::wrappers::mj_editing::MjsBody;
use protege_core::Result;

/// Lets a body move freely; `damping` in N s/m and N m s/rad.
fn set_free(body: &mut MjsBody, joint: &str, damping: f64) -> Result<()> {
    let joint = named(body.add_joint(), joint)?;
    joint.set_type(MjtJoint::mjJNT_FREE);
    joint.damping_mut()[0] = damping;
    Ok(())
}

/// A ball of 2 mm that marks a place on an object.
fn add_site(body: &mut MjsBody, name: &str, pos: [f64; 3], rgba: [f32; 4]) -> Result<()> {
    named(body.add_site(), name)?
        .with_type(MjtGeomBase::mjGEOM_SPHERE)
        .with_pos(pos)
        .with_rgba(rgba)
        .size_mut()[0] = 0.002;
    Ok(())
}

/// The mark that every object has at its origin.
fn add_origin(body: &mut MjsBody, name: &str, rgba: [f32; 4]) -> Result<()> {
    named(body.add_site(), name)?
        .with_type(MjtGeomBase::mjGEOM_SPHERE)
        .with_size([0.002; 3])
        .with_rgba(rgba);
    Ok(())
}

/// A mark's color.
const RED: [f32; 4] = [1.0, 0.0, 0.0, 1.0];
/// The color of a mark that is not seen.
const UNSEEN: [f32; 4] = [1.0, 0.0, 0.0, 0.0];
/// Contacts that hardly give (MuJoCo's `solimp`): those of tool-hang.
const STIFF: [f64; 3] = [0.998, 0.998, 0.001];

/// The materials of tool-hang.
const BRASS: Material = Material {
    name: "brass",
    picture: "brass-ambra.png",
    repeat: 3.0,
};
const CERAMIC: Material = Material {
    name: "ceramic",
    picture: "ceramic.png",
    repeat: 3.0,
};
const STEEL: Material = Material {
    name: "steel",
    picture: "steel-scratched.png",
    repeat: 3.0,
};
