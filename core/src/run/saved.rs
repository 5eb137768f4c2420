//! What archives say of the run that wrote them, whatever their format version.

use super::Config;
use crate::data::Archive;
use crate::env::Catalog;
use crate::{Error, Result};

/// The first format version of checkpoints that a run can go on from. In earlier ones the state of
/// learners is encoded in ways that no reader is left of; their policies are read.
const RESUMABLE: u32 = 2;

/// The configuration that a policy or a checkpoint was written with. In archives of version 1 it
/// is JSON in a blob.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn saved_config(archive: &Archive, catalog: &Catalog) -> Result<Config> {
    if archive.version() > 1 {
        return Config::from_saved(&archive.value("config")?, catalog);
    }
    let text: String = archive.get("config")?;
    let value = serde_json::from_str(&text).map_err(|error| {
        Error::input(format!(
            "the saved configuration is no JSON ({error}): use an undamaged file"
        ))
    })?;
    Config::from_saved(&value, catalog)
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
