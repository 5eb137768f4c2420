//! One seed's files while it runs: metrics, episodes, TensorBoard events, demonstrations and
//! checkpoints.
//!
//! A checkpoint records how long the line files were when it was made. Resuming cuts them to that
//! length, so a run that was stopped and resumed leaves the same lines as one that was not, but for
//! the time of day (`wall_s`).

use crate::cli::plan::to_json;
use crate::files::checkpoints::{Checkpoints, Content};
use crate::files::jsonl::Jsonl;
use crate::files::metrics::{Line, METRICS, read_metrics};
use crate::files::{create_folder, write_atomic};
use crate::tensorboard::EventFile;
use pollster::block_on;
use protege_core::Result;
use protege_core::data::Archive;
use protege_core::run::{Progress, Run};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EPISODES: &str = "episodes.jsonl";
/// The file of a checkpoint that holds the run.
const STATE: &str = "state.safetensors";
/// The entry of that file that holds the clocks.
const CLOCKS: &str = "clocks";

/// A seed as its newest complete checkpoint left it.
pub struct Saved {
    /// What `Run::load` takes.
    pub archive: Archive,
    /// Rows that the line files had, by file name.
    rows: BTreeMap<String, u64>,
    /// Seconds that the seed has run.
    seed_s: f64,
    /// Seconds that the whole run has taken.
    pub run_s: f64,
    /// What is wrong with newer checkpoints, one sentence each.
    pub passed_over: Vec<String>,
}

/// When checkpoints are made and how many are kept.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointPolicy {
    /// Least time between two checkpoints within a phase.
    pub every: Duration,
    /// Checkpoints kept.
    pub keep_last: usize,
}

/// A clock that goes on where an earlier session left it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    before: f64,
    started: Instant,
}

impl Clock {
    /// A clock that shows `before` seconds now.
    pub fn after(before: f64) -> Self {
        Self {
            before,
            started: Instant::now(),
        }
    }

    /// Seconds, to the millisecond.
    pub fn seconds(&self) -> f64 {
        ((self.before + self.started.elapsed().as_secs_f64()) * 1e3).round() / 1e3
    }
}

/// The files of one seed.
pub struct Journal {
    folder: PathBuf,
    metrics: Jsonl,
    episodes: Jsonl,
    board: EventFile,
    checkpoints: Checkpoints,
    checkpoint_policy: CheckpointPolicy,
    saved: Instant,
    clock: Clock,
    run_clock: Clock,
    step: u64,
}

/// The newest complete checkpoint of a seed; none when nothing was saved yet.
///
/// # Errors
/// When every checkpoint is damaged.
pub fn latest(folder: &Path) -> Result<Option<Saved>> {
    let Some(checkpoint) = Checkpoints::new(folder.join("checkpoints"), 1).latest()? else {
        return Ok(None);
    };
    let archive = Archive::from_bytes(checkpoint.file(STATE)?)?;
    let (seed_s, run_s) = archive.get(CLOCKS)?;
    Ok(Some(Saved {
        archive,
        rows: checkpoint.manifest.rows,
        seed_s,
        run_s,
        passed_over: checkpoint.passed_over,
    }))
}

impl Journal {
    /// The files of a seed that begins.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn begin(
        folder: &Path,
        checkpoint_policy: CheckpointPolicy,
        run_clock: Clock,
    ) -> Result<Self> {
        create_folder(folder)?;
        let metrics = Jsonl::create(&folder.join(METRICS))?;
        let episodes = Jsonl::create(&folder.join(EPISODES))?;
        Self::with(
            folder,
            (metrics, episodes),
            checkpoint_policy,
            Clock::after(0.0),
            run_clock,
        )
    }

    /// The files of a seed that goes on; lines beyond the checkpoint are cut off.
    ///
    /// # Errors
    /// When a file cannot be written, or has fewer lines than the checkpoint says.
    pub fn resume(
        folder: &Path,
        saved: &Saved,
        checkpoint_policy: CheckpointPolicy,
        run_clock: Clock,
    ) -> Result<Self> {
        let open = |name: &str| {
            Jsonl::resume(
                &folder.join(name),
                saved.rows.get(name).copied().unwrap_or(0),
            )
        };
        Self::with(
            folder,
            (open(METRICS)?, open(EPISODES)?),
            checkpoint_policy,
            Clock::after(saved.seed_s),
            run_clock,
        )
    }

    fn with(
        folder: &Path,
        (metrics, episodes): (Jsonl, Jsonl),
        checkpoint_policy: CheckpointPolicy,
        clock: Clock,
        run_clock: Clock,
    ) -> Result<Self> {
        let mut board = EventFile::create(&folder.join("tensorboard"), clock.seconds())?;
        let lines = read_metrics(folder)?;
        lines.iter().try_for_each(|line| board.write(line))?;
        let step = lines.last().map_or(0, |line| line.step);
        let checkpoints = Checkpoints::new(folder.join("checkpoints"), checkpoint_policy.keep_last);
        let saved = Instant::now();
        Ok(Self {
            folder: folder.to_owned(),
            metrics,
            episodes,
            board,
            checkpoints,
            checkpoint_policy,
            saved,
            clock,
            run_clock,
            step,
        })
    }

    /// Writes what one step of the run gave.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, progress: &Progress) -> Result<()> {
        for record in &progress.records {
            let line = Line::new(record, self.clock.seconds());
            self.metrics.append(&line)?;
            self.board.write(&line)?;
            self.step = record.step;
        }
        progress
            .episodes
            .iter()
            .try_for_each(|episode| self.episodes.append(episode))
    }

    /// Whether it is time for a checkpoint.
    pub fn due(&self) -> bool {
        self.saved.elapsed() >= self.checkpoint_policy.every
    }

    /// Makes a checkpoint. `score` is the success rate of the policy, where it was measured just
    /// now.
    ///
    /// # Errors
    /// When the device fails or the disk does not take it; earlier checkpoints stay as they are.
    pub fn save(&mut self, run: &Run, score: Option<f64>) -> Result<()> {
        self.metrics.sync()?;
        self.episodes.sync()?;
        self.board.flush()?;
        let mut archive = block_on(run.save())?;
        archive.put(CLOCKS, &(self.clock.seconds(), self.run_clock.seconds()))?;
        let state = archive.to_bytes()?;
        let rows = [
            (METRICS.to_owned(), self.metrics.rows()),
            (EPISODES.to_owned(), self.episodes.rows()),
        ]
        .into();
        self.checkpoints.save(&Content {
            step: self.step,
            score,
            rows,
            files: [(STATE, &state[..])].into(),
        })?;
        self.saved = Instant::now();
        Ok(())
    }

    /// Writes the demonstrations beside the metrics, once.
    ///
    /// # Errors
    /// When the disk does not take them.
    pub fn keep_demos(&self, run: &Run) -> Result<()> {
        let path = self.folder.join("demos.safetensors");
        match run.demos() {
            Some(demos) if !path.exists() => write_atomic(&path, &demos.to_bytes()?),
            _ => Ok(()),
        }
    }

    /// Writes the result: the policy and the summary.
    ///
    /// # Errors
    /// When the device fails or the disk does not take it.
    pub fn finish(&mut self, run: &Run) -> Result<()> {
        write_atomic(
            &self.folder.join("policy.safetensors"),
            &block_on(run.policy_archive())?.to_bytes()?,
        )?;
        let demos = run.demos().map_or(0, |demos| demos.episodes.len());
        let result = SeedResult {
            summary: run.summary(),
            demos,
            wall_s: self.clock.seconds(),
        };
        write_atomic(
            &self.folder.join("summary.json"),
            to_json(&result)?.as_bytes(),
        )
    }
}

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
}
