//! `metrics.jsonl`: one line of figures each time that a run has some.

use super::jsonl::read_lines;
use protege_core::Result;
use protege_core::run::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Its name in a seed's folder.
pub const METRICS: &str = "metrics.jsonl";

/// One line of `metrics.jsonl`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Line {
    /// Environment steps (simulator control steps).
    pub step: u64,
    /// Seconds that the seed has run, all sessions together.
    pub wall_s: f64,
    /// Values by metric name; none for a number that is not finite.
    #[serde(flatten)]
    pub values: BTreeMap<String, Option<f64>>,
}

impl Line {
    /// A record as a line.
    pub fn new(record: &Record, wall_s: f64) -> Self {
        let values = record
            .values
            .iter()
            .map(|(name, &value)| (name.clone(), Some(value).filter(|v| v.is_finite())))
            .collect();
        Self {
            step: record.step,
            wall_s,
            values,
        }
    }
}

/// The lines of a seed's `metrics.jsonl`.
///
/// # Errors
/// When a line is not one of ours.
pub fn read_metrics(folder: &Path) -> Result<Vec<Line>> {
    read_lines(&folder.join(METRICS))
}
