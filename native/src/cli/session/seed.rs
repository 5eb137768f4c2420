//! Drives runs to their end: one with a journal, or one that is only looked at.

use super::journal::{CheckpointPolicy, Clock, Journal, latest};
use crate::cli::machine::Stop;
use crate::cli::plan::{Folder, to_toml};
use crate::dashboard::Dashboard;
use crate::files::write_atomic;
use crate::terminal::note;
use burn::tensor::Device;
use pollster::block_on;
use protege_core::run::{Config, Phase, Progress, Run};
use protege_core::{Error, Result};
use std::path::Path;

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
    /// When the configuration cannot work, or the seed's files cannot be used.
    pub fn open(
        folder: &Folder,
        config: &Config,
        seed: u64,
        device: Device,
        checkpoint_policy: CheckpointPolicy,
        run_clock: Clock,
    ) -> Result<Self> {
        let path = folder.seed(seed);
        let Some(saved) = latest(&path)? else {
            let config = Config {
                seed,
                ..config.clone()
            };
            let run = Run::new(config, folder.given(seed)?, device)?;
            let journal = Journal::begin(&path, checkpoint_policy, run_clock)?;
            write_atomic(&path.join("config.toml"), to_toml(run.config())?.as_bytes())?;
            return Ok(Self { run, journal });
        };
        saved
            .passed_over
            .iter()
            .for_each(|sentence| note(&format!("note: {sentence}")));
        let journal = Journal::resume(&path, &saved, checkpoint_policy, run_clock)?;
        Ok(Self {
            run: Run::load_with(saved.archive, device, crate::engines::services())?,
            journal,
        })
    }

    /// Plays environments on so many threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self {
            run: self.run.with_threads(threads),
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

/// Whether a seed's result is there already.
pub fn is_finished(folder: &Path) -> bool {
    folder.join("summary.json").exists()
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
