//! A table (`TableArena`), and one with two pegs on it (`PegsArena`).

use super::super::composition::Composition;
use super::super::damaged;
use super::super::part::Part;
use mujoco_rs::wrappers::mj_editing::MjsGeom;
use protege_core::Result;

/// How far the legs stand inside the edges, m; along an edge of no more than twice that, in the
/// middle.
const INSET: f64 = 0.1;
/// Thickness of the legs, m (a radius).
const LEG: f64 = 0.025;

/// A camera that a task puts elsewhere.
pub struct Moved {
    /// Its name.
    pub name: &'static str,
    /// Where it is put, m.
    pub pos: [f64; 3],
    /// How it is turned there (w, x, y, z).
    pub quat: [f64; 4],
}

/// A table as a task has it.
pub struct Table {
    /// Half the edges of its top, m.
    pub half: [f64; 3],
    /// The middle of its upper side, m.
    pub top: [f64; 3],
    /// Cameras that the task moves.
    pub cameras: &'static [Moved],
}

impl Table {
    /// The usual one, of 0.8 m by 0.8 m, 5 cm thick, in the middle of the room; `height` of its
    /// upper side, m.
    pub const fn usual(height: f64) -> Self {
        Self {
            half: [0.8 / 2.0, 0.8 / 2.0, 0.05 / 2.0],
            top: [0.0, 0.0, height],
            cameras: &[],
        }
    }
}

/// Adds a table.
pub fn table(scene: &mut Composition, table: &Table) -> Result<()> {
    add(scene, "arenas/table_arena.xml", table)
}

/// Adds a table with a square and a round peg.
pub fn pegs(scene: &mut Composition, table: &Table) -> Result<()> {
    add(scene, "arenas/pegs_arena.xml", table)
}

fn add(scene: &mut Composition, file: &str, table: &Table) -> Result<()> {
    let mut arena = super::read(scene, file)?;
    let [x, y, z] = table.top;
    let half = table.half;
    *arena.body("table")?.pos_mut() = [x, y, -half[2] + z];
    *geom(&mut arena, "table_collision")?.size_mut() = half;
    *geom(&mut arena, "table_collision")?.friction_mut() = [1.0, 5e-3, 1e-4];
    *geom(&mut arena, "table_visual")?.size_mut() = half;
    let top = arena.spec.site_mut("table_top");
    let top = top.ok_or_else(|| damaged(&arena.file, "there is no site `table_top`"))?;
    *top.pos_mut() = [0.0, 0.0, half[2]];
    let half_leg = (z - half[2]) / 2.0;
    let inside = |side: f64, half: f64| {
        if half > 2.0 * INSET {
            side * half - side * INSET
        } else {
            0.0
        }
    };
    for (i, [x, y]) in [[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]]
        .into_iter()
        .enumerate()
    {
        let leg = geom(&mut arena, &format!("table_leg{}_visual", i + 1))?;
        *leg.pos_mut() = [inside(x, half[0]), inside(y, half[1]), -half_leg];
        *leg.size_mut() = [LEG, half_leg, 0.0];
    }
    for moved in table.cameras {
        let camera = arena.spec.camera_mut(moved.name);
        let why = || format!("there is no camera `{}`", moved.name);
        let camera = camera.ok_or_else(|| damaged(&arena.file, why()))?;
        *camera.pos_mut() = moved.pos;
        *camera.quat_mut() = moved.quat;
    }
    scene.attach("world", &mut arena, "")
}

fn geom<'a>(arena: &'a mut Part, name: &str) -> Result<&'a mut MjsGeom> {
    let geom = arena.spec.geom_mut(name);
    geom.ok_or_else(|| damaged(&arena.file, format!("there is no geom `{name}`")))
}
