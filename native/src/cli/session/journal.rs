//! One seed's files while it runs: metrics, episodes, TensorBoard events, demonstrations and
//! checkpoints.
//!
//! A checkpoint records how long the line files were when it was made. Resuming cuts them to that
//! length, so a run that was stopped and resumed leaves the same lines as one that was not, but for
//! the time of day (`wall_s`).

use crate::cli::claim::Lock;
use crate::cli::finished::{POLICY, SeedResult};
use crate::cli::plan::to_toml;
use crate::files::checkpoints::{Checkpoint, Checkpoints, Content, Extent, FileEntry};
use crate::files::jsonl::{Jsonl, beginning};
use crate::files::metrics::{Line, METRICS, read_metrics};
use crate::files::{create_subfolder, read, write_atomic};
use crate::tensorboard::EventFile;
use pollster::block_on;
use protege_core::data::Archive;
use protege_core::run::{Config, Progress, Run, check_resumable};
use protege_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One finished episode a line.
pub const EPISODES: &str = "episodes.jsonl";
/// The demonstrations that the seed learned from.
const DEMOS: &str = "demos.safetensors";
/// The settings of the seed.
const CONFIG: &str = "config.toml";
/// The file of a checkpoint that holds the run.
const STATE: &str = "state.safetensors";
/// The entry of that file that holds the clocks.
const CLOCKS: &str = "clocks";

/// A seed as its newest complete checkpoint left it.
pub struct Saved {
    /// What `Run::load` takes.
    pub archive: Archive,
    /// What the line files held.
    metrics: Extent,
    episodes: Extent,
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
    /// Tells whether the run's folder is still there.
    lock: Arc<Lock>,
}

/// The newest complete checkpoint of a seed with the lines that it counts; none when nothing was
/// saved yet.
///
/// # Errors
/// When every checkpoint is damaged.
pub fn latest(folder: &Path) -> Result<Option<Saved>> {
    let checkpoints = Checkpoints::new(folder.join("checkpoints"), 1);
    let has_lines = |checkpoint: &Checkpoint| {
        for name in [METRICS, EPISODES] {
            beginning(&folder.join(name), &extent(checkpoint, name)?)?;
        }
        Ok(())
    };
    let Some(checkpoint) = checkpoints.latest_that(has_lines)? else {
        return Ok(None);
    };
    let named = |e: Error| {
        let shown = checkpoint.folder.join(STATE);
        Error::input(format!("{}: {e}", shown.display()))
    };
    let archive = Archive::from_bytes(checkpoint.file(STATE)?).map_err(named)?;
    check_resumable(&archive).map_err(named)?;
    let (seed_s, run_s) = archive.get(CLOCKS).map_err(named)?;
    Ok(Some(Saved {
        metrics: extent(&checkpoint, METRICS)?,
        episodes: extent(&checkpoint, EPISODES)?,
        archive,
        seed_s,
        run_s,
        passed_over: checkpoint.passed_over,
    }))
}

fn extent(checkpoint: &Checkpoint, name: &str) -> Result<Extent> {
    checkpoint.manifest.extent(name).map_err(Error::input)
}

impl Journal {
    /// The files of a seed that begins.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn begin(
        folder: &Path,
        config: &Config,
        checkpoint_policy: CheckpointPolicy,
        run_clock: Clock,
        lock: Arc<Lock>,
    ) -> Result<Self> {
        lock.check()?;
        create_subfolder(folder)?;
        let metrics = Jsonl::create(&folder.join(METRICS))?;
        let episodes = Jsonl::create(&folder.join(EPISODES))?;
        write_atomic(&folder.join(CONFIG), to_toml(config)?.as_bytes())?;
        Self::with(
            folder,
            (metrics, episodes),
            checkpoint_policy,
            [Clock::after(0.0), run_clock],
            lock,
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
        lock: Arc<Lock>,
    ) -> Result<Self> {
        let metrics = Jsonl::resume(&folder.join(METRICS), &saved.metrics)?;
        let episodes = Jsonl::resume(&folder.join(EPISODES), &saved.episodes)?;
        Self::with(
            folder,
            (metrics, episodes),
            checkpoint_policy,
            [Clock::after(saved.seed_s), run_clock],
            lock,
        )
    }

    fn with(
        folder: &Path,
        (metrics, episodes): (Jsonl, Jsonl),
        checkpoint_policy: CheckpointPolicy,
        [clock, run_clock]: [Clock; 2],
        lock: Arc<Lock>,
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
            lock,
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
        self.lock.check()?;
        self.metrics.sync()?;
        self.episodes.sync()?;
        self.board.flush()?;
        let mut archive = block_on(run.save())?;
        archive.put(CLOCKS, &(self.clock.seconds(), self.run_clock.seconds()))?;
        let state = archive.to_bytes()?;
        let lines = [
            (METRICS.to_owned(), self.metrics.extent()),
            (EPISODES.to_owned(), self.episodes.extent()),
        ]
        .into();
        self.checkpoints.save(&Content {
            step: self.step,
            score,
            lines,
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
        let path = self.folder.join(DEMOS);
        match run.demos() {
            Some(demos) if !path.exists() => write_atomic(&path, &demos.to_bytes()?),
            _ => Ok(()),
        }
    }

    /// Writes the result: the policy and, when everything else is there, the summary.
    ///
    /// # Errors
    /// When the device fails or the disk does not take it.
    pub fn finish(&mut self, run: &Run) -> Result<()> {
        self.lock.check()?;
        let mut written = BTreeMap::new();
        let policy = block_on(run.policy_archive())?;
        written.insert(POLICY, policy.to_bytes()?);
        written.insert(CONFIG, to_toml(run.config())?.into_bytes());
        if let Some(demos) = run.demos() {
            written.insert(DEMOS, demos.to_bytes()?);
        }
        let mut files = BTreeMap::new();
        for (name, bytes) in written {
            self.put(name, &bytes)?;
            files.insert(name.to_owned(), FileEntry::of(&bytes));
        }
        for (name, lines) in [(METRICS, &self.metrics), (EPISODES, &self.episodes)] {
            files.extend(lines.extent().content.map(|entry| (name.to_owned(), entry)));
        }
        let demos = run.demos().map_or(0, |demos| demos.episodes.len());
        let result = SeedResult {
            summary: run.summary(),
            demos,
            wall_s: self.clock.seconds(),
            run_s: Some(self.run_clock.seconds()),
            config: Some(run.config().to_value()),
            files,
        };
        result.write(&self.folder)
    }

    /// Makes a file hold these bytes; one that does already is left alone.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let same = path.is_file() && read(&path).is_ok_and(|held| held == bytes);
        if same {
            Ok(())
        } else {
            write_atomic(&path, bytes)
        }
    }
}
