//! Recordings for Rerun's viewer: who plays what, into which file.

use super::answer::Output;
use super::cast::Cast;
use crate::engines::{renderer, scenery};
use crate::film::{Draw, Look};
use crate::rerun::{Program, Recorder};
use protege_core::Result;
use std::path::Path;

/// Begins a recording of what a cast plays; it ends with [`finish`].
///
/// # Errors
/// When the program that writes it is missing, there is nothing to see in the task, or it has no
/// such camera.
pub fn begin(cast: &Cast, file: &Path, look: &Look, output: Output) -> Result<Recorder<Program>> {
    let program = Program::start(file)?;
    let scenery = scenery(&cast.config.task)?;
    let camera = camera(cast, look, output)?.map(|draw| (draw, look));
    Recorder::new(
        program,
        &format!("{}, {}", cast.config.task, cast.who()),
        scenery,
        camera,
    )
}

/// What draws the pictures; none, said in a line, where this machine cannot draw. A camera that was
/// named must be there.
fn camera(cast: &Cast, look: &Look, output: Output) -> Result<Option<Box<dyn Draw>>> {
    match renderer(&cast.config.task, look) {
        Ok(draw) => Ok(Some(draw)),
        Err(why) if look.camera.is_some() => Err(why),
        Err(why) => {
            if !output.quiet {
                eprintln!("the recording has no pictures: {why}");
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
