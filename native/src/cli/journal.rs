//! One seed's files while it runs: metrics, episodes, TensorBoard events, demonstrations and checkpoints.
//!
//! A checkpoint records how long the line files were when it was made. Resuming cuts them to that length, so a run that was
//! stopped and resumed leaves the same lines as one that was not, but for the time of day (`wall_s`).

use super::plan::{create, to_json};
use crate::files::{self, Checkpoints};
use crate::tensorboard::EventFile;
use pollster::block_on;
use protege_core::data::Archive;
use protege_core::run::{Progress, Run};
use protege_core::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The entry of a checkpoint that says where the files stood.
const ENTRY: &str = "journal";

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

/// Where a seed's files stood when a checkpoint was made.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Position {
    metrics_bytes: u64,
    episodes_bytes: u64,
    /// Seconds that the seed has run.
    pub seed_s: f64,
    /// Seconds that the whole run has taken.
    pub run_s: f64,
}

/// When checkpoints are made and how many are kept.
#[derive(Debug, Clone, Copy)]
pub struct Habit {
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
        Self { before, started: Instant::now() }
    }

    /// Seconds, to the millisecond.
    pub fn seconds(&self) -> f64 {
        ((self.before + self.started.elapsed().as_secs_f64()) * 1e3).round() / 1e3
    }
}

/// The files of one seed.
pub struct Journal {
    folder: PathBuf,
    metrics: Lines,
    episodes: Lines,
    board: EventFile,
    checkpoints: Checkpoints,
    habit: Habit,
    saved: Instant,
    clock: Clock,
    run_clock: Clock,
}

/// The newest complete checkpoint of a seed: the state, and where its files stood. None when there is no checkpoint.
///
/// # Errors
/// When every checkpoint is damaged.
pub fn latest(folder: &Path) -> Result<Option<(Archive, Position)>> {
    let checkpoints = folder.join("checkpoints");
    if !checkpoints.exists() {
        return Ok(None);
    }
    let Some(archive) = Checkpoints::open(&checkpoints, 1)?.latest()? else { return Ok(None) };
    let position = archive.get(ENTRY)?;
    Ok(Some((archive, position)))
}

impl Journal {
    /// Opens the files of a seed; lines beyond `position` are cut off.
    ///
    /// # Errors
    /// When a file cannot be written, or is shorter than the checkpoint says.
    pub fn open(folder: &Path, position: Position, habit: Habit, run_clock: Clock) -> Result<Self> {
        create(folder)?;
        let metrics = Lines::open(folder.join("metrics.jsonl"), position.metrics_bytes)?;
        let episodes = Lines::open(folder.join("episodes.jsonl"), position.episodes_bytes)?;
        let mut board = EventFile::create(&folder.join("tensorboard"), position.seed_s)?;
        for line in read_metrics(folder)? {
            board.write(&line)?;
        }
        let checkpoints = Checkpoints::open(&folder.join("checkpoints"), habit.keep_last)?;
        let (saved, clock) = (Instant::now(), Clock::after(position.seed_s));
        Ok(Self { folder: folder.to_owned(), metrics, episodes, board, checkpoints, habit, saved, clock, run_clock })
    }

    /// Writes what one step of the run gave.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn write(&mut self, progress: &Progress) -> Result<()> {
        for record in &progress.records {
            let values = record.values.iter().map(|(name, &value)| (name.clone(), Some(value).filter(|v| v.is_finite()))).collect();
            let line = Line { step: record.step, wall_s: self.clock.seconds(), values };
            self.metrics.push(&line)?;
            self.board.write(&line)?;
        }
        progress.episodes.iter().try_for_each(|episode| self.episodes.push(episode))
    }

    /// Whether it is time for a checkpoint.
    pub fn due(&self) -> bool {
        self.saved.elapsed() >= self.habit.every
    }

    /// Makes a checkpoint.
    ///
    /// # Errors
    /// When the device fails or the disk does not take it; earlier checkpoints stay as they are.
    pub fn save(&mut self, run: &Run) -> Result<()> {
        self.metrics.sync()?;
        self.episodes.sync()?;
        self.board.flush()?;
        let mut archive = block_on(run.save())?;
        let (seed_s, run_s) = (self.clock.seconds(), self.run_clock.seconds());
        let position = Position { metrics_bytes: self.metrics.bytes, episodes_bytes: self.episodes.bytes, seed_s, run_s };
        archive.put(ENTRY, &position)?;
        self.checkpoints.save(&archive)?;
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
            Some(demos) if !path.exists() => files::write(&path, &demos.to_bytes()?),
            _ => Ok(()),
        }
    }

    /// Writes the result: the policy and the summary.
    ///
    /// # Errors
    /// When the device fails or the disk does not take it.
    pub fn finish(&mut self, run: &Run) -> Result<()> {
        self.save(run)?;
        files::write(&self.folder.join("policy.safetensors"), &block_on(run.policy_archive())?.to_bytes()?)?;
        let demos = run.demos().map_or(0, |demos| demos.episodes.len());
        let result = SeedResult { summary: run.summary(), demos, wall_s: self.clock.seconds() };
        files::write(&self.folder.join("summary.json"), to_json(&result)?.as_bytes())
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

/// The lines of a seed's `metrics.jsonl`.
///
/// # Errors
/// When a line is not one of ours.
pub fn read_metrics(folder: &Path) -> Result<Vec<Line>> {
    read_lines(&folder.join("metrics.jsonl"))
}

/// The lines of a file of JSON objects; none when there is no file. A last line without an end was cut off and does not count.
///
/// # Errors
/// Names the file and the line that cannot be read.
pub fn read_lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = files::read(path)?;
    let whole = bytes.iter().rposition(|&b| b == b'\n').map_or(0, |end| end);
    let lines = bytes[..whole].split(|&b| b == b'\n').enumerate().filter(|(_, line)| !line.is_empty());
    let read = |(i, line)| serde_json::from_slice(line).map_err(|e| damaged_line(path, i, &e));
    lines.map(read).collect()
}

fn damaged_line(path: &Path, index: usize, error: &serde_json::Error) -> Error {
    Error::input(format!("line {} of {} is damaged ({error}); restore the file or start the run again", index + 1, path.display()))
}

/// A file of JSON lines that knows its length.
struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u64,
}

impl Lines {
    /// Opens a file and cuts it to `bytes`.
    fn open(path: PathBuf, bytes: u64) -> Result<Self> {
        let failed = |e: std::io::Error| files::writing(&path, &e);
        let mut file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        let held = file.metadata().map_err(failed)?.len();
        if held < bytes {
            let shown = path.display();
            return Err(Error::input(format!("{shown} is shorter than the checkpoint says ({held} bytes, not {bytes}); restore it or start the run again")));
        }
        file.set_len(bytes).map_err(failed)?;
        file.seek(SeekFrom::Start(bytes)).map_err(failed)?;
        Ok(Self { path, file: BufWriter::new(file), bytes })
    }

    fn push<T: Serialize>(&mut self, value: &T) -> Result<()> {
        let mut line = serde_json::to_vec(value).map_err(|e| Error::failed(format!("a line of {} cannot be made: {e}", self.path.display())))?;
        line.push(b'\n');
        // Whole lines, at once: a reader never waits long, and a full disk is noticed here.
        self.file.write_all(&line).and_then(|()| self.file.flush()).map_err(|e| files::writing(&self.path, &e))?;
        self.bytes += line.len() as u64;
        Ok(())
    }

    /// Waits until the disk has it.
    fn sync(&self) -> Result<()> {
        self.file.get_ref().sync_all().map_err(|e| files::writing(&self.path, &e))
    }
}
