//! The result of a seed that has finished, and whether its files are still those that it left.

use crate::files::checkpoints::FileEntry;
use crate::files::seal::{Seal, sealed, unsealed};
use crate::files::{read, write_atomic};
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file with which a seed has finished.
const SUMMARY: &str = "summary.json";
/// The policy of a seed that has finished.
pub const POLICY: &str = "policy.safetensors";

/// The result of one seed; `summary.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeedResult {
    /// What the run itself says.
    #[serde(flatten)]
    pub summary: protege_core::run::Summary,
    /// Demonstrations it learned from.
    pub demos: usize,
    /// Seconds.
    pub wall_s: f64,
    /// Seconds that the whole run had taken by then; none: an earlier version did not say.
    #[serde(default)]
    pub run_s: Option<f64>,
    /// The configuration; none: an earlier version did not say.
    #[serde(default)]
    pub config: Option<Value>,
    /// Size and checksum of each file of the seed; empty: an earlier version did not say.
    #[serde(default)]
    pub files: BTreeMap<String, FileEntry>,
}

impl SeedResult {
    /// Writes it. The seed has finished then, so it comes after everything else.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::failed(format!("a result cannot be written as JSON: {e}")))?;
        write_atomic(&folder.join(SUMMARY), sealed(&text).as_bytes())
    }

    /// The result in a seed's folder; none where the seed has not finished.
    ///
    /// # Errors
    /// When it is damaged.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(SUMMARY);
        if !path.exists() {
            return Ok(None);
        }
        let (seal, text) = unsealed(&read(&path)?);
        let damaged = |why: String| {
            Error::input(format!(
                "{} is damaged ({why}); restore it, or write it again with `protege run --resume`",
                path.display()
            ))
        };
        if seal == Seal::Broken {
            return Err(damaged("it does not match its checksum".to_owned()));
        }
        let result: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        // Both came with the checksum.
        if seal == Seal::Missing && (result.config.is_some() || !result.files.is_empty()) {
            return Err(damaged("it has lost its checksum".to_owned()));
        }
        Ok(Some(result))
    }

    /// What is wrong with the files of the seed, a clause each.
    pub fn faults(&self, folder: &Path) -> Vec<String> {
        let policy = folder.join(POLICY);
        if self.files.is_empty() && !policy.exists() {
            return vec![format!("{} is missing", policy.display())];
        }
        let names = self.files.keys();
        names.filter_map(|name| self.fault(folder, name)).collect()
    }

    /// What is wrong with a file of the seed, in a clause; none where nothing is, or an earlier
    /// version did not say what it held.
    pub fn fault(&self, folder: &Path, name: &str) -> Option<String> {
        let entry = self.files.get(name)?;
        let path = folder.join(name);
        if !path.exists() {
            return Some(format!("{} is missing", path.display()));
        }
        match read(&path) {
            Ok(bytes) if entry.fits(&bytes) => None,
            Ok(_) => Some(format!(
                "{} is not what the run left (its checksum does not fit)",
                path.display()
            )),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Whether a seed has a result, damaged or not.
pub fn is_finished(folder: &Path) -> bool {
    folder.join(SUMMARY).exists()
}

/// The policy in a seed's folder, found to be the one that the run left; none where there is none.
///
/// # Errors
/// When it is another one.
pub fn policy_in(folder: &Path) -> Result<Option<PathBuf>> {
    let path = folder.join(POLICY);
    if !path.exists() {
        return Ok(None);
    }
    let fault = SeedResult::read(folder)?.and_then(|result| result.fault(folder, POLICY));
    fault.map_or(Ok(Some(path.clone())), |what| {
        Err(Error::input(format!(
            "{what}; make it again with `protege run --resume`, or name the file {} itself",
            path.display()
        )))
    })
}
