//! Recordings for Rerun's viewer: who plays what, into which file.

use super::answer::Output;
use super::player::Player;
use crate::engines::{renderer, scenery};
use crate::rerun::{Program, Recorder};
use crate::terminal::note;
use crate::video::{Draw, RenderOptions};
use protege_core::Result;
use std::path::Path;

/// Begins a recording of what a player plays; it ends with [`finish`].
///
/// # Errors
/// When the program that writes it is missing, there is nothing to see in the task, or it has no
/// such camera.
pub fn begin(
    player: &Player,
    file: &Path,
    render_options: &RenderOptions,
    output: Output,
) -> Result<Recorder<Program>> {
    let program = Program::start(file)?;
    let scenery = scenery(&player.config.task)?;
    let camera = camera(player, render_options, output)?.map(|draw| (draw, render_options));
    Recorder::new(
        program,
        &format!("{}, {}", player.config.task, player.who()),
        scenery,
        camera,
    )
}

/// What draws the pictures; none, said in a line, where this machine cannot draw. A camera that was
/// named must be there.
fn camera(
    player: &Player,
    render_options: &RenderOptions,
    output: Output,
) -> Result<Option<Box<dyn Draw>>> {
    match renderer(&player.config.task, render_options) {
        Ok(draw) => Ok(Some(draw)),
        Err(why) if render_options.camera.is_some() => Err(why),
        Err(why) => {
            if !output.quiet {
                note(&format!("the recording has no pictures: {why}"));
            }
            Ok(None)
        }
    }
}

/// Ends a recording. What the program says of its failure comes before what was seen of it.
///
/// # Errors
/// Those of playing, and when the file could not be written.
pub fn finish<T>(recorder: Recorder<Program>, played: Result<T>) -> Result<T> {
    recorder.into_inner().finish()?;
    played
}
