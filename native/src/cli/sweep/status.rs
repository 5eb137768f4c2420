//! Where a sweep stands: what is done, who is at work, what failed, and the time that is left.

use super::plan::{Kind, Sweep};
use crate::cli::answer::Answer;
use crate::files::lease::{End, Record, State, look};
use crate::files::metrics::read_metrics;
use crate::terminal;
use protege_core::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// Cells of each kind that are shown by name.
const SHOWN: usize = 20;

/// Where one cell stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It has left all that it is to leave, in so many seconds; none: nobody counted them.
    Done(Option<f64>),
    /// Somebody is at work on it.
    Running(Record),
    /// It was begun and goes on when somebody takes it up.
    Stopped,
    /// It failed, and why.
    Failed(String),
    /// Nobody has begun it.
    Waiting,
}

/// Where every cell stands.
///
/// # Errors
/// When the sweep's folder cannot be read.
pub fn standings(sweep: &Sweep) -> Result<Vec<Standing>> {
    (0..sweep.plan.cells.len())
        .map(|index| standing(sweep, index))
        .collect()
}

fn standing(sweep: &Sweep, index: usize) -> Result<Standing> {
    let state = look(&sweep.lease(index))?;
    if sweep.is_done(index) {
        let State::Ended(Record {
            end: Some(End::Done { seconds }),
            ..
        }) = state
        else {
            return Ok(Standing::Done(None));
        };
        return Ok(Standing::Done(Some(seconds)));
    }
    Ok(match state {
        State::Held(record) => Standing::Running(record),
        State::Ended(Record {
            end: Some(End::Failed { words }),
            ..
        }) => Standing::Failed(words),
        State::Ended(_) => Standing::Stopped,
        State::Free if sweep.run(index).exists() => Standing::Stopped,
        State::Free => Standing::Waiting,
    })
}

/// The answer of `protege sweep status`.
///
/// # Errors
/// When the sweep's folder cannot be read.
pub fn status(sweep: &Sweep) -> Result<Answer> {
    let standings = standings(sweep)?;
    let count = |is: fn(&Standing) -> bool| standings.iter().filter(|s| is(s)).count();
    let done = count(|s| matches!(s, Standing::Done(_)));
    let running = count(|s| matches!(s, Standing::Running(_)));
    let stopped = count(|s| matches!(s, Standing::Stopped));
    let failed = count(|s| matches!(s, Standing::Failed(_)));
    let waiting = count(|s| matches!(s, Standing::Waiting));
    let all = standings.len();
    let left = Left::of(sweep, &standings);
    let mut text = format!("{}\n", terminal::sentence(&title(sweep)));
    text += &format!(
        "  {done} of {all} cells done, {running} running, {stopped} begun and waiting, {waiting} \
         not begun, {failed} failed\n"
    );
    if let Some(Left { core_seconds, rate }) = &left {
        let at_work = running.max(1) as f64;
        text += &format!(
            "  about {} of work left: {} with {} at a time ({rate:.1} cells an hour each)\n",
            hours(*core_seconds),
            hours(core_seconds / at_work),
            running.max(1)
        );
    }
    let mut at_work = Vec::new();
    let mut failures = Vec::new();
    for (index, standing) in standings.iter().enumerate() {
        let name = sweep.plan.cells[index].name();
        match standing {
            Standing::Running(record) => {
                let row = running_row(sweep, index, record);
                if at_work.len() < SHOWN {
                    text += &format!(
                        "  cell {index} ({name}) on {}, process {}: {}{}\n",
                        terminal::sentence(&record.host),
                        record.pid,
                        hours(row["seconds"].as_f64().unwrap_or(0.0)),
                        progress(&row)
                    );
                }
                at_work.push(row);
            }
            Standing::Failed(words) => {
                if failures.len() < SHOWN {
                    text += &format!("  cell {index} ({name}) failed: {words}\n");
                }
                failures.push(json!({ "cell": index, "name": name, "words": words }));
            }
            _ => {}
        }
    }
    for (kind, more) in [("running", at_work.len()), ("failed", failures.len())] {
        if more > SHOWN {
            text += &format!("  and {} more {kind}\n", more - SHOWN);
        }
    }
    let slowest = slowest(sweep, &standings);
    if let Some((index, seconds)) = slowest {
        let name = sweep.plan.cells[index].name();
        text += &format!("  slowest: cell {index} ({name}), {}\n", hours(seconds));
    }
    let counts = json!({
        "cells": all, "done": done, "running": running, "stopped": stopped, "failed": failed,
        "waiting": waiting,
    });
    Ok(Answer {
        json: json!({
            "counts": counts,
            "core_seconds_left": left.as_ref().map(|left| left.core_seconds),
            "cells_per_hour_each": left.as_ref().map(|left| left.rate),
            "running": at_work,
            "failed": failures,
            "slowest": slowest.map(|(cell, seconds)| json!({ "cell": cell, "seconds": seconds })),
        }),
        text,
    })
}

fn title(sweep: &Sweep) -> String {
    match &sweep.plan.title[..] {
        "" => sweep.folder.to_string_lossy().into_owned(),
        title => title.to_owned(),
    }
}

/// Work that is left, as far as cells that are done tell.
struct Left {
    core_seconds: f64,
    /// Cells that one process does in an hour.
    rate: f64,
}

impl Left {
    /// None where nothing is left, or nothing is done that would tell.
    fn of(sweep: &Sweep, standings: &[Standing]) -> Option<Self> {
        // Cells that differ in their seed alone take about as long.
        let mut known: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        let mut of_kind: BTreeMap<Kind, Vec<f64>> = BTreeMap::new();
        for (cell, standing) in sweep.plan.cells.iter().zip(standings) {
            if let Standing::Done(Some(seconds)) = standing {
                known.entry(cell.config).or_default().push(*seconds);
                of_kind.entry(cell.kind).or_default().push(*seconds);
            }
        }
        let mean = |values: &Vec<f64>| protege_core::run::stats::mean(values);
        let runs = of_kind.get(&Kind::Run).map(mean)?;
        let mut core_seconds = 0.0;
        for (index, (cell, standing)) in sweep.plan.cells.iter().zip(standings).enumerate() {
            let own = known.get(&cell.config).or_else(|| of_kind.get(&cell.kind));
            let expected = own.map_or(runs, mean);
            core_seconds += match standing {
                Standing::Done(_) | Standing::Failed(_) => 0.0,
                Standing::Waiting => expected,
                Standing::Running(_) | Standing::Stopped => {
                    (expected - spent(sweep, index)).max(0.0)
                }
            };
        }
        let rate = 3600.0 / runs.max(1e-3);
        (core_seconds > 0.0).then_some(Self { core_seconds, rate })
    }
}

/// Seconds that a run has taken, by its last line of metrics.
fn spent(sweep: &Sweep, index: usize) -> f64 {
    let lines = read_metrics(&sweep.seed(index)).unwrap_or_default();
    lines.last().map_or(0.0, |line| line.wall_s)
}

fn running_row(sweep: &Sweep, index: usize, record: &Record) -> Value {
    let lines = read_metrics(&sweep.seed(index)).unwrap_or_default();
    let success = lines
        .iter()
        .rev()
        .find_map(|line| line.values.get("eval/success"));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let seconds = now
        .map_or(0, |now| now.as_secs())
        .saturating_sub(record.since);
    json!({
        "cell": index,
        "name": sweep.plan.cells[index].name(),
        "host": record.host,
        "process": record.pid,
        "seconds": seconds,
        "env_steps": lines.last().map(|line| line.step),
        "success": success,
    })
}

/// `, 4000 steps, success 62%`, as far as there is anything to say.
fn progress(row: &Value) -> String {
    let mut text = String::new();
    if let Some(steps) = row["env_steps"].as_u64().filter(|steps| *steps > 0) {
        text += &format!(", {steps} environment steps");
    }
    if let Some(success) = row["success"].as_f64() {
        text += &format!(", success {:.0}%", 100.0 * success);
    }
    text
}

fn slowest(sweep: &Sweep, standings: &[Standing]) -> Option<(usize, f64)> {
    let seconds = standings
        .iter()
        .enumerate()
        .filter_map(|(index, standing)| {
            let is_run = sweep.plan.cells[index].kind == Kind::Run;
            match standing {
                Standing::Done(Some(seconds)) if is_run => Some((index, *seconds)),
                _ => None,
            }
        });
    seconds.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// A time in words: `40 s`, `12 min`, `3.5 h`.
pub fn hours(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
