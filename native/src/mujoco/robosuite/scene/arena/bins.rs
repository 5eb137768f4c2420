//! Two bins side by side (`BinsArena`), which stand where their file says.

use super::super::composition::Composition;
use protege_core::Result;

/// Adds the bins.
pub fn bins(scene: &mut Composition) -> Result<()> {
    let mut arena = super::read(scene, "arenas/bins_arena.xml")?;
    scene.attach("world", &mut arena, "")
}
