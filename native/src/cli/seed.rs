//! Drives runs to their end: one with a journal, or one that is only looked at.

use super::journal::{Clock, Habit, Journal, Position, latest};
use super::machine::Stop;
use super::plan::Folder;
use crate::dashboard::Dashboard;
use burn::tensor::Device;
use pollster::block_on;
use protege_core::Result;
use protege_core::run::{Config, Phase, Progress, Run};
use std::path::Path;

/// How a seed's session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
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
    pub fn open(folder: &Folder, config: &Config, seed: u64, device: Device, habit: Habit, run_clock: Clock) -> Result<Self> {
        let path = folder.seed(seed);
        let (run, position) = match latest(&path)? {
            Some((archive, position)) => (Run::load(&archive, device)?, position),
            None => (Run::new(Config { seed, ..config.clone() }, folder.given()?, device)?, Position::default()),
        };
        let journal = Journal::open(&path, position, habit, run_clock)?;
        crate::files::write(&path.join("config.toml"), super::plan::to_toml(run.config())?.as_bytes())?;
        Ok(Self { run, journal })
    }

    /// Steps until the end, or until somebody wishes to stop.
    ///
    /// # Errors
    /// When a step fails or the disk is full; the newest checkpoint stays.
    pub fn drive(&mut self, bar: &mut Dashboard, stop: &Stop) -> Result<Ended> {
        let mut show = Show::default();
        loop {
            let progress = block_on(self.run.step())?;
            self.journal.write(&progress)?;
            let new_phase = show.progress(bar, &progress);
            if progress.finished {
                self.journal.keep_demos(&self.run)?;
                self.journal.finish(&self.run)?;
                return Ok(Ended::Finished);
            }
            if new_phase {
                self.journal.keep_demos(&self.run)?;
            }
            if stop.wished() {
                self.journal.save(&self.run)?;
                return Ok(Ended::Stopped);
            }
            if new_phase || self.journal.due() {
                self.journal.save(&self.run)?;
            }
        }
    }
}

/// Whether a seed's result is there already.
pub fn is_finished(folder: &Path) -> bool {
    folder.join("summary.json").exists()
}

/// Steps a run that leaves no files until `until` is satisfied or the run is over.
///
/// # Errors
/// When a step fails.
pub fn watch(run: &mut Run, bar: &mut Dashboard, until: impl Fn(&Run, &Progress) -> bool) -> Result<Vec<Progress>> {
    let (mut show, mut all) = (Show::default(), Vec::new());
    loop {
        let progress = block_on(run.step())?;
        show.progress(bar, &progress);
        let over = progress.finished || until(run, &progress);
        all.push(progress);
        if over {
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
    /// Shows one step; says whether it began a new phase.
    fn progress(&mut self, bar: &mut Dashboard, progress: &Progress) -> bool {
        let success = progress.records.iter().rev().find_map(|record| record.values.get("eval/success"));
        if let Some(success) = success {
            self.note = format!("success {:.0}%", 100.0 * success);
        }
        let new = self.phase.replace(progress.phase) != Some(progress.phase);
        if new {
            bar.phase(progress.phase.name(), progress.total);
        }
        bar.advance(progress.done, &self.note);
        new
    }
}
