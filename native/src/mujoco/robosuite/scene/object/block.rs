//! Blocks (`BoxObject`), which are drawn in wood.

use super::super::composition::{Composition, Material};
use super::solid::{Contact, FRICTION, Look, Solid};
use super::{RED, add_origin, set_free};
use mujoco_rs::prelude::MjtGeomBase;
use protege_core::Result;

/// A block that lies free.
pub struct Block {
    /// Its name, before `_main`.
    pub name: &'static str,
    /// Half edges, m.
    pub half: [f64; 3],
    /// Its wood.
    pub wood: Material,
}

/// What blocks are like where a task does not say more.
pub const CONTACT: Contact = Contact {
    density: 1000.0,
    friction: FRICTION,
    solimp: [0.9, 0.95, 0.001],
    condim: 3,
};

/// Adds a block.
pub fn block(scene: &mut Composition, block: &Block) -> Result<()> {
    let Block { name, half, wood } = block;
    scene.material(wood)?;
    let body = scene.body(&format!("{name}_main"))?;
    let solid = Solid {
        name: &format!("{name}_g0"),
        kind: MjtGeomBase::mjGEOM_BOX,
        size: *half,
        pos: [0.0; 3],
        quat: Solid::UPRIGHT,
        contact: CONTACT,
        look: Look::of(wood.name),
    };
    solid.add(body)?;
    set_free(body, &format!("{name}_joint0"), 0.0)?;
    add_origin(body, &format!("{name}_default_site"), RED)
}
