//! What stands in the room before the robot and the objects come (`robosuite/models/arenas`).

mod bins;
mod table;

pub use bins::bins;
pub use table::{Moved, Table, pegs, table};

use super::composition::Composition;
use super::part::{Part, color, named};
use mujoco_rs::prelude::MjtGeomBase;
use mujoco_rs::wrappers::mj_editing::MjsBody;
use protege_core::Result;

/// Reads an arena's file; there, two marks that show upstream's viewer where the hands should go
/// are added.
fn read(scene: &Composition, file: &str) -> Result<Part> {
    let mut arena = scene.read(file)?;
    let world = arena.spec.world_body_mut();
    add_mark(world, "left_eef_target", [0.898, 0.420, 0.435])?;
    add_mark(world, "right_eef_target", [0.208, 0.314, 0.439])?;
    arena.recolor(color::ARENA);
    Ok(arena)
}

/// A box and a ball, which nothing touches, below the floor.
fn add_mark(world: &mut MjsBody, name: &str, [red, green, blue]: [f32; 3]) -> Result<()> {
    let mark = named(world.add_body(), name)?.with_mocap(true);
    *mark.pos_mut() = [0.0, 0.0, -1.0];
    let forms = [
        ("box", MjtGeomBase::mjGEOM_BOX, [0.05; 3], 0.5),
        ("sphere", MjtGeomBase::mjGEOM_SPHERE, [0.01, 0.0, 0.0], 0.8),
    ];
    for (form, kind, size, alpha) in forms {
        named(mark.add_geom(), &format!("{name}_{form}"))?
            .with_type(kind)
            .with_size(size)
            .with_rgba([red, green, blue, alpha])
            .with_contype(0)
            .with_conaffinity(0)
            .with_group(2);
    }
    Ok(())
}
