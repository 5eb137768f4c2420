//! The tabular theory, measured while somebody watches.

use crate::protocol::{Event, Point};
use protege_core::Result;
use protege_core::theory::{Outcome, Row, Size, Study, StudyConfig};

/// A study at work.
pub struct Measuring {
    study: Study,
    outcomes: Vec<Vec<Vec<Outcome>>>,
}

impl Measuring {
    /// A small problem: a step takes milliseconds.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn new(demos: usize, repeats: usize, seed: u64) -> Result<Self> {
        let size = Size {
            horizon: 5,
            states: 12,
            actions: 8,
        };
        let demos = [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000]
            .into_iter()
            .filter(|&n| n <= demos)
            .collect();
        let study = Study::new(StudyConfig {
            size,
            demos,
            alphas: vec![1.0],
            repeats,
            delta: 0.1,
            seed,
        })?;
        Ok(Self {
            study,
            outcomes: Vec::new(),
        })
    }

    /// Whether all data sets are measured.
    pub fn finished(&self) -> bool {
        self.outcomes.len() >= self.study.config().repeats
    }

    /// Measures one more data set.
    pub fn step(&mut self) {
        if !self.finished() {
            self.outcomes
                .push(self.study.measure(self.outcomes.len() as u64));
        }
    }

    /// The figures so far.
    pub fn report(&self) -> Event {
        let rows = if self.outcomes.is_empty() {
            Vec::new()
        } else {
            self.study.summarise(&self.outcomes)
        };
        Event::Studied {
            progress: (self.outcomes.len(), self.study.config().repeats),
            points: rows.iter().map(point).collect(),
        }
    }
}

fn point(row: &Row) -> Point {
    Point {
        method: serde_json::to_value(row.arm.method)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned))
            .unwrap_or_default(),
        demos: row.demos,
        alpha: row.arm.alpha,
        theorem: row.arm.theorem,
        coverage: row.coverage,
        suboptimality: row.suboptimality,
    }
}
