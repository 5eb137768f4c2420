//! Cloning with the same noise everywhere: PostBC's simplest rival.

use crate::settings::Settings;
use serde::{Deserialize, Serialize};

/// Settings of cloning with the same noise everywhere: a~ = a + sigma w with w ~ N(0, I), fresh
/// whenever a pair is used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Settings)]
#[serde(deny_unknown_fields)]
pub struct SigmaBcConfig {
    /// Standard deviation of the noise, in scaled actions, whose range is [-1, 1].
    #[setting(
        range = 0.0..=10.0, value = 0.1,
        source = "PostBC: 0.1, 0.05 or 0.025 on robomimic, by task and finetuning"
    )]
    pub sigma: f64,
}
