//! Cloning with the same noise everywhere: PostBC's simplest rival.

use crate::Result;
use crate::error::within;
use crate::run::config::Preset;
use serde::{Deserialize, Serialize};

/// Settings of cloning with the same noise everywhere: a~ = a + sigma w with w ~ N(0, I), fresh
/// whenever a pair is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SigmaBcConfig {
    /// Standard deviation of the noise, in scaled actions, whose range is [-1, 1]. Default 0.1
    /// (PostBC: 0.1, 0.05 or 0.025 on robomimic, by task and finetuning).
    pub sigma: f64,
}

impl SigmaBcConfig {
    /// The settings of a preset: the same for all.
    pub fn preset(_: Preset) -> Self {
        Self { sigma: 0.1 }
    }

    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        within("pretrain.sigma_bc.sigma", self.sigma, 0.0, 10.0)
    }
}
