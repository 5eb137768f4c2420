//! What archives say of the run that wrote them, whatever their format version.

use super::Config;
use crate::data::Archive;
use crate::env::Catalog;
use crate::{Error, Result};

/// The first format version of checkpoints that a run can go on from. In earlier ones the state of
/// learners and environments is encoded in ways that no reader is left of; their policies are read.
const RESUMABLE: u32 = 3;

/// The configuration that a policy or a checkpoint was written with.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn saved_config(archive: &Archive, catalog: &Catalog) -> Result<Config> {
    Config::from_saved(&archive.config()?, catalog)
}

/// Refuses checkpoints that are too old to go on from.
///
/// # Errors
/// Names the version, and what can be done instead.
pub(super) fn check_resumable(archive: &Archive) -> Result<()> {
    if archive.version() >= RESUMABLE {
        return Ok(());
    }
    Err(Error::input(format!(
        "the checkpoint has format version {}, and runs can be resumed from version {RESUMABLE} \
         on: evaluate or finetune its policy with --checkpoint, or run it again",
        archive.version()
    )))
}
