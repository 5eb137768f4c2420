//! What archives say of the run that wrote them, whatever their format version.

use super::{Config, FinetuneMethod, Keep};
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

/// The entry that says, where a policy is as it was pretrained although its run was to finetune it,
/// that nothing is missing.
pub(super) const FINETUNED: &str = "finetuned";

/// Refuses a policy that lacks what its finetuning made of it.
pub(super) fn check_finetuned(config: &Config, archive: &Archive) -> Result<()> {
    let method = config.finetune.method;
    if method == FinetuneMethod::NONE || archive.contains("improved/method") {
        return Ok(());
    }
    let part = archive.names().any(|name| name.starts_with("improved/"));
    // Earlier versions did not say that the pretrained policy was the best of the curve.
    let said = archive.contains(FINETUNED) || config.eval.keep == Keep::Best;
    if said && !part {
        return Ok(());
    }
    Err(Error::input(format!(
        "the checkpoint lacks what {} made of the policy: use an undamaged file",
        method.id()
    )))
}

/// Refuses checkpoints that are too old to go on from.
///
/// # Errors
/// Names the version, and what can be done instead.
pub fn check_resumable(archive: &Archive) -> Result<()> {
    if archive.version() >= RESUMABLE {
        return Ok(());
    }
    Err(Error::input(format!(
        "the checkpoint has format version {}, and runs can be resumed from version {RESUMABLE} \
         on: evaluate or finetune its policy with --checkpoint, or run it again",
        archive.version()
    )))
}
