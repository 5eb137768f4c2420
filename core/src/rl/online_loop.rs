//! When a learner that practices updates, is evaluated and is done, and what it counts for that.

use crate::env::FinishedEpisode;
use serde::{Deserialize, Serialize};

/// Losses are read back and recorded every so many gradient steps: reading waits for the device.
pub(crate) const RECORD_EVERY: usize = 50;

/// Counted in decisions of all environments together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Schedule {
    /// Decisions of practice.
    pub(crate) total_steps: usize,
    /// Decisions that pay for no update.
    pub(crate) learning_starts: usize,
    /// Updates per decision afterwards.
    pub(crate) utd_ratio: f64,
    /// Decisions between two points of the learning curve.
    pub(crate) eval_every: usize,
}

/// Where an online learner stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OnlineLoop {
    /// Decisions of all environments.
    decisions: usize,
    /// Points of the learning curve so far.
    evaluations: usize,
    /// Practice episodes since the last of them: successes, and all.
    episodes: (u64, u64),
}

impl OnlineLoop {
    /// Decisions of all environments so far.
    pub(crate) fn decisions(&self) -> usize {
        self.decisions
    }

    /// Counts decisions, and the practice episodes that ended with them.
    pub(crate) fn practiced(&mut self, decisions: usize, finished: &[FinishedEpisode]) {
        self.decisions += decisions;
        self.episodes.0 += finished.iter().filter(|episode| episode.success).count() as u64;
        self.episodes.1 += finished.len() as u64;
    }

    /// Updates that the decisions so far pay for.
    pub(crate) fn updates_owed(&self, schedule: &Schedule) -> usize {
        let later = self.decisions.saturating_sub(schedule.learning_starts);
        // A ratio such as 10 / 3 has no exact float: a hair below a whole number counts as it.
        (later as f64 * schedule.utd_ratio + 1e-6) as usize
    }

    /// Whether all decisions were made.
    pub(crate) fn is_done(&self, schedule: &Schedule) -> bool {
        self.decisions >= schedule.total_steps
    }

    /// Whether a point of the learning curve is due. The first one is before any decision.
    pub(crate) fn evaluation_due(&self, schedule: &Schedule) -> bool {
        self.evaluations < self.points(schedule)
    }

    /// Leaves out the points of the learning curve that are due.
    pub(crate) fn skip_evaluations(&mut self, schedule: &Schedule) {
        self.evaluations = self.points(schedule);
    }

    /// Counts a point of the learning curve: the share of practice episodes since the last one that
    /// succeeded, if there were any.
    pub(crate) fn evaluated(&mut self) -> Option<f64> {
        self.evaluations += 1;
        let (successes, all) = std::mem::take(&mut self.episodes);
        (all > 0).then(|| successes as f64 / all as f64)
    }

    /// Decisions made, and all that there are to make.
    pub(crate) fn progress(&self, schedule: &Schedule) -> (usize, usize) {
        (
            self.decisions.min(schedule.total_steps),
            schedule.total_steps,
        )
    }

    /// Points of the learning curve up to now.
    fn points(&self, schedule: &Schedule) -> usize {
        1 + self.decisions / schedule.eval_every
    }
}

/// Whether losses are recorded when `before` updates become `after`.
pub(crate) fn recording_due(before: usize, after: usize) -> bool {
    before / RECORD_EVERY != after / RECORD_EVERY
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        total_steps: 100,
        learning_starts: 20,
        utd_ratio: 10.0 / 3.0,
        eval_every: 40,
    };

    fn finished(success: bool) -> FinishedEpisode {
        FinishedEpisode {
            seed: 0,
            success,
            success_at_end: success,
            episode_return: 0.0,
            length: 1,
        }
    }

    /// Decisions after the start pay for updates, in whole ones.
    #[test]
    fn decisions_pay_for_updates() {
        let mut online = OnlineLoop::default();
        let mut owed = |decisions: usize| {
            online.practiced(decisions, &[]);
            online.updates_owed(&SCHEDULE)
        };
        assert_eq!([20, 1, 1, 1, 27].map(&mut owed), [0, 3, 6, 10, 100]);
    }

    /// Points of the learning curve come before the first decision and whenever so many were made;
    /// each tells how practice went since the last one.
    #[test]
    fn points_of_the_curve_are_due_one_after_the_other() {
        let mut online = OnlineLoop::default();
        assert!(online.evaluation_due(&SCHEDULE));
        assert_eq!(online.evaluated(), None);
        online.practiced(39, &[finished(true), finished(false)]);
        assert!(!online.evaluation_due(&SCHEDULE));
        online.practiced(1, &[finished(false), finished(false)]);
        assert!(online.evaluation_due(&SCHEDULE) && !online.is_done(&SCHEDULE));
        assert_eq!(online.evaluated(), Some(0.25));
        assert!(!online.evaluation_due(&SCHEDULE));
        online.practiced(60, &[]);
        assert!(online.is_done(&SCHEDULE) && online.evaluation_due(&SCHEDULE));
        online.skip_evaluations(&SCHEDULE);
        assert!(!online.evaluation_due(&SCHEDULE));
        assert_eq!(online.progress(&SCHEDULE), (100, 100));
    }

    /// Of updates that come a few at a time, those that pass a multiple are recorded.
    #[test]
    fn losses_are_recorded_once_in_so_many_updates() {
        let due = |before: usize| recording_due(before, before + 10);
        assert_eq!(
            [30, 40, 41, 50, 95].map(due),
            [false, true, true, false, true]
        );
    }
}
