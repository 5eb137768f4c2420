//! What the cells of a sweep have left, read from their folders.

use crate::cli::finished::SeedResult;
use crate::cli::sweep::plan::{Kind, PlannedCell, Sweep};
use crate::cli::sweep::status::{Standing, standings};
use crate::files::metrics::{Line, METRICS, read_metrics};
use crate::report::sweep::data::{Point, PointKind, SweepRun};
use crate::report::sweep::{Failed, SweepReport, Unfinished};
use protege_core::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// All that is there.
///
/// # Errors
/// When a file is damaged, or not what the run left.
pub fn collect(sweep: &Sweep) -> Result<(SweepReport, Vec<Standing>)> {
    let standings = standings(sweep)?;
    let mut report = SweepReport {
        title: sweep.plan.title.clone(),
        version: sweep.plan.version.clone(),
        planned: 0,
        runs: Vec::new(),
        unfinished: Vec::new(),
        failed: Vec::new(),
        spec: spec(sweep)?,
    };
    let places = places(sweep);
    let mut runs = Vec::new();
    for (index, (cell, standing)) in sweep.plan.cells.iter().zip(&standings).enumerate() {
        report.planned += usize::from(cell.kind == Kind::Run);
        let name = cell.name();
        match standing {
            Standing::Done(_) if cell.kind == Kind::Run => {
                runs.push((places[index], run(sweep, index)?));
            }
            Standing::Done(_) => {}
            Standing::Failed(words) => report.failed.push(Failed {
                cell: index,
                name,
                words: without_folder(sweep, words),
            }),
            Standing::Running(_) | Standing::Stopped | Standing::Waiting => {
                report.unfinished.push(Unfinished {
                    cell: index,
                    name,
                    state: state(standing).to_owned(),
                    latest: latest(sweep, index),
                });
            }
        }
    }
    runs.sort_by_key(|(place, run)| (*place, run.seed));
    report.runs = runs.into_iter().map(|(_, run)| run).collect();
    Ok((report, standings))
}

/// The sweep's file, as it was given.
fn spec(sweep: &Sweep) -> Result<String> {
    let bytes = crate::files::read(&sweep.folder.join("sweep.toml"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where the sweep lies says nothing about its results.
fn without_folder(sweep: &Sweep, words: &str) -> String {
    let folder = format!("{}/", crate::terminal::path(&sweep.folder));
    words.replace(&folder, "")
}

fn state(standing: &Standing) -> &'static str {
    match standing {
        Standing::Running(_) => "running",
        Standing::Stopped => "begun",
        _ => "not begun",
    }
}

/// The newest evaluation of a run that has not finished.
fn latest(sweep: &Sweep, index: usize) -> Option<Point> {
    // A line may be half written at this moment.
    let lines = read_metrics(&sweep.seed(index)).unwrap_or_default();
    points(&lines).pop()
}

/// The place of each cell's combination in the grid: cells are planned seed by seed, but the seeds
/// of a combination belong together.
fn places(sweep: &Sweep) -> Vec<usize> {
    let mut first = BTreeMap::new();
    let cells = sweep.plan.cells.iter().enumerate();
    cells
        .map(|(i, cell)| *first.entry(labels(cell, "")).or_insert(i))
        .collect()
}

/// A cell's labels as text; the task is always among them.
fn labels(cell: &PlannedCell, task: &str) -> Vec<(String, String)> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut labels: Vec<(String, String)> = cell
        .labels
        .iter()
        .map(|(key, value)| (key.clone(), text(value)))
        .collect();
    if !task.is_empty() && !labels.iter().any(|(key, _)| key == "task") {
        labels.insert(0, ("task".to_owned(), task.to_owned()));
    }
    labels
}

/// A run that has finished, whose lines are found to be those that it left.
fn run(sweep: &Sweep, index: usize) -> Result<SweepRun> {
    let cell = sweep.cell(index)?;
    let folder = sweep.seed(index);
    let damaged = |what: String| {
        Error::input(format!(
            "cell {index} ({}): {what}; put back what the run wrote, or remove its folder in cells \
             and work on it again",
            cell.name()
        ))
    };
    let Some(result) = SeedResult::read(&folder)? else {
        return Err(damaged("its seed has no summary.json".to_owned()));
    };
    if let Some(what) = result.fault(&folder, METRICS) {
        return Err(damaged(what));
    }
    let mut points = points(&read_metrics(&folder)?);
    let keeps_best = sweep.plan.config(cell)?.eval.keep == protege_core::run::Keep::Best;
    if let Some(last) = points.iter_mut().skip(1).next_back()
        && keeps_best
    {
        last.kind = PointKind::Kept;
    }
    Ok(SweepRun {
        labels: labels(cell, &result.summary.task),
        seed: cell.seed,
        points,
    })
}

/// The evaluations: the first is that of the pretrained policy.
fn points(lines: &[Line]) -> Vec<Point> {
    let value = |line: &Line, name: &str| line.values.get(name).copied().flatten();
    let count = |line: &Line, name: &str| value(line, name).map(|count| count as u64);
    let evaluations = lines
        .iter()
        .filter_map(|line| Some((line, value(line, "eval/success")?)));
    let point = |(i, (line, success)): (usize, (&Line, f64))| Point {
        kind: if i == 0 {
            PointKind::Before
        } else {
            PointKind::Curve
        },
        decisions: count(line, "time/decisions"),
        control_steps: Some(line.step),
        success,
        episodes: count(line, "eval/episodes"),
    };
    evaluations.enumerate().map(point).collect()
}
