//! Drives runs to their end: one with a journal, or one that is only looked at.

use super::journal::{CheckpointPolicy, Clock, Journal, latest};
use crate::cli::machine::Stop;
use crate::cli::plan::{Work, first_difference};
use crate::dashboard::Dashboard;
use crate::files::metrics::METRICS;
use crate::terminal::note;
use burn::tensor::Device;
use pollster::block_on;
use protege_core::play::Elsewhere;
use protege_core::run::{Config, Phase, Progress, Run};
use protege_core::{Error, Result};
use std::path::Path;
use std::sync::Arc;

/// How a seed's session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// There is nothing more to do.
    Finished,
    /// It was asked to stop, and saved a checkpoint.
    Stopped,
}

/// A seed to be driven: where it lives, and where it stands.
pub struct Seed {
    run: Run,
    journal: Journal,
}

impl Seed {
    /// The seed as its newest checkpoint left it, or from the start.
    ///
    /// # Errors
    /// When the configuration cannot work or is not that of the checkpoint, or the seed's files
    /// cannot be used.
    pub fn open(
        work: &Work,
        seed: u64,
        device: Device,
        checkpoint_policy: CheckpointPolicy,
        run_clock: Clock,
    ) -> Result<Self> {
        let Work {
            folder,
            plan,
            config,
            lock,
        } = work;
        let config = Config {
            seed,
            ..config.clone()
        };
        let lock = Arc::clone(lock);
        let path = folder.seed(seed);
        let Some(mut saved) = latest(&path)? else {
            if has_lines(&path) {
                note(&format!(
                    "note: seed {seed} has no checkpoint and begins again"
                ));
            }
            let run = Run::new(config, folder.given(plan, seed)?, device)?;
            let journal = Journal::begin(&path, run.config(), checkpoint_policy, run_clock, lock)?;
            return Ok(Self { run, journal });
        };
        saved
            .passed_over
            .iter()
            .for_each(|sentence| note(&format!("note: {sentence}; the one before it is used")));
        let archive = std::mem::take(&mut saved.archive);
        let run = Run::load_with(archive, device, crate::engines::services())?;
        // Some of the settings of a given policy take the place of the run's.
        if !folder.was_given_policy(plan, seed) {
            check_config(&config, run.config(), &path)?;
        }
        let journal = Journal::resume(&path, &saved, checkpoint_policy, run_clock, lock)?;
        Ok(Self { run, journal })
    }

    /// Plays environments on so many threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self {
            run: self.run.with_threads(threads),
            ..self
        }
    }

    /// Has others play, too.
    #[must_use]
    pub fn with_help(self, help: Option<Arc<dyn Elsewhere>>) -> Self {
        Self {
            run: self.run.with_help(help),
            ..self
        }
    }

    /// Steps until the end, or until somebody wishes to stop.
    ///
    /// # Errors
    /// When a step fails or the disk is full; the newest checkpoint stays. Where whoever serves the
    /// policy fails, a checkpoint is made first.
    pub fn drive(&mut self, bar: &mut Dashboard, stop: &Stop) -> Result<SessionEnd> {
        let mut show = Show::default();
        loop {
            let progress = match block_on(self.run.step()) {
                Err(Error::Unserved(why)) => return self.unserved(why, stop),
                progress => progress?,
            };
            self.journal.write(&progress)?;
            show.progress(bar, &progress);
            let phase_over = progress.done >= progress.total;
            if phase_over {
                self.journal.keep_demos(&self.run)?;
            }
            if phase_over || self.journal.due() || stop.requested() {
                self.journal.save(&self.run, success(&progress))?;
            }
            if progress.finished {
                self.journal.finish(&self.run)?;
                return Ok(SessionEnd::Finished);
            }
            if stop.requested() {
                return Ok(SessionEnd::Stopped);
            }
        }
    }

    /// Saves the run as it was before it asked in vain for what a served policy would do.
    fn unserved(&mut self, why: String, stop: &Stop) -> Result<SessionEnd> {
        let saved = self.journal.save(&self.run, None);
        saved.map_err(|e| Error::failed(format!("{why}; nor can a checkpoint be saved: {e}")))?;
        if stop.requested() {
            return Ok(SessionEnd::Stopped);
        }
        Err(Error::Unserved(why))
    }
}

/// The success rate that a step measured, if it did.
fn success(progress: &Progress) -> Option<f64> {
    progress
        .records
        .iter()
        .rev()
        .find_map(|record| record.values.get("eval/success"))
        .copied()
}

/// Whether a seed has begun to write its metrics.
fn has_lines(folder: &Path) -> bool {
    let metadata = std::fs::metadata(folder.join(METRICS));
    metadata.is_ok_and(|metadata| metadata.len() > 0)
}

/// Refuses a checkpoint of a run with other settings.
fn check_config(wanted: &Config, saved: &Config, folder: &Path) -> Result<()> {
    let Some((key, wanted, saved)) = first_difference(wanted, saved) else {
        return Ok(());
    };
    Err(Error::input(format!(
        "the checkpoints in {} are of a run with {key} = {saved}, and this one has {wanted}: put \
         its own back, or begin another run",
        folder.display()
    )))
}

/// Steps a run that leaves no files until `until` is satisfied or the run is over.
pub fn watch(
    run: &mut Run,
    bar: &mut Dashboard,
    until: impl Fn(&Run, &Progress) -> bool,
) -> Result<Vec<Progress>> {
    let mut show = Show::default();
    let mut all = Vec::new();
    loop {
        let progress = block_on(run.step())?;
        show.progress(bar, &progress);
        let done = progress.finished || until(run, &progress);
        all.push(progress);
        if done {
            return Ok(all);
        }
    }
}

/// What the progress bar of a run shows.
#[derive(Default)]
struct Show {
    phase: Option<Phase>,
    note: String,
}

impl Show {
    /// Shows one step.
    fn progress(&mut self, bar: &mut Dashboard, progress: &Progress) {
        if let Some(success) = success(progress) {
            self.note = format!("success {:.0}%", 100.0 * success);
        }
        if self.phase.replace(progress.phase) != Some(progress.phase) {
            bar.phase(progress.phase.name(), progress.total);
        }
        bar.advance(progress.done, &self.note);
    }
}
