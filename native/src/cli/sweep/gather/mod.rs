//! `protege sweep gather`: what a sweep has found, as files of numbers and on one page.
//!
//! Everything but `times.csv` depends on the cells' results alone: no time of day, no machine and
//! no folder stands in it, so that a sweep that was killed, or carried out elsewhere, leaves the
//! same bytes.

mod collect;
mod csv;
mod times;

use super::plan::Sweep;
use crate::cli::answer::{self, Answer};
use crate::files::{create_folder, write_atomic};
use crate::report::sweep::data::SweepRun;
use crate::report::sweep::{self, SweepReport, markdown};
use crate::terminal;
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The page's name.
const PAGE: &str = "sweep.html";

/// Gathers what is at `source`, the folder of a sweep or a `curves.csv`, into `out`, else into the
/// sweep's folder; or prints its tables.
///
/// # Errors
/// When there is no sweep, a file is damaged, or the disk refuses.
pub fn gather(
    source: &Path,
    out: Option<&Path>,
    tables: Option<markdown::Table>,
) -> Result<Answer> {
    let is_file = source.is_file();
    if let Some(table) = tables {
        let runs = match is_file {
            true => csv::read(source)?,
            false => collect::collect(&Sweep::open(source)?)?.0.runs,
        };
        return Ok(printed(&runs, table));
    }
    if !is_file {
        let sweep = Sweep::open(source)?;
        return write(&sweep, out.unwrap_or(&sweep.folder));
    }
    let Some(out) = out else {
        return Err(Error::input(format!(
            "{} is a file and no sweep's folder: say --markdown for its tables, or --out DIR for \
             its page",
            terminal::path(source)
        )));
    };
    let report = SweepReport::of_runs(csv::read(source)?);
    create_folder(out)?;
    write_page(out, &report)?;
    Ok(said(out, &report))
}

fn printed(runs: &[SweepRun], table: markdown::Table) -> Answer {
    let text = markdown::tables(runs, table);
    Answer {
        json: json!({ "markdown": text }),
        text,
    }
}

fn write(sweep: &Sweep, out: &Path) -> Result<Answer> {
    let (report, standings) = collect::collect(sweep)?;
    create_folder(out)?;
    let files = [
        ("summary.csv", csv::summary(&report.runs)),
        ("curves.csv", csv::curves(&report.runs)),
        ("times.csv", times::times(sweep, &standings)?),
    ];
    for (name, text) in files {
        write_atomic(&out.join(name), text.as_bytes())?;
    }
    write_page(out, &report)?;
    Ok(said(out, &report))
}

fn write_page(out: &Path, report: &SweepReport) -> Result<()> {
    write_atomic(&out.join(PAGE), sweep::render(report).as_bytes())
}

/// What was gathered, and what is missing.
fn said(out: &Path, report: &SweepReport) -> Answer {
    let SweepReport {
        planned,
        runs,
        unfinished,
        failed,
        ..
    } = report;
    let mut text = format!("{} of {planned} runs have finished\n", runs.len());
    if !unfinished.is_empty() {
        text += &format!("  missing: {} cells have not finished\n", unfinished.len());
    }
    for sweep::Failed { cell, name, words } in failed.iter().take(5) {
        text += &format!("  missing: cell {cell} ({name}) failed: {words}\n");
    }
    if failed.len() > 5 {
        text += &format!("  and {} more that failed\n", failed.len() - 5);
    }
    let page = out.join(PAGE);
    text += &format!("page: {}\n", terminal::path(&page));
    let missing: Vec<Value> = unfinished
        .iter()
        .map(|u| json!({ "cell": u.cell, "name": u.name, "state": u.state }))
        .collect();
    let failures: Vec<Value> = failed
        .iter()
        .map(|f| json!({ "cell": f.cell, "name": f.name, "words": f.words }))
        .collect();
    Answer {
        json: json!({
            "runs": runs.len(),
            "planned": planned,
            "unfinished": missing,
            "failed": failures,
            "folder": answer::path(out),
            "report": answer::path(&page),
        }),
        text,
    }
}

#[cfg(test)]
mod tests;
