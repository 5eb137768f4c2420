//! `protege sweep`: many runs that differ in settings and seeds, on one machine or a cluster.

use crate::cli::answer::{self, Answer, Output};
use crate::cli::shell;
use crate::cli::sweep::plan::{self, Kind, Sweep};
use crate::cli::sweep::submit::{self, Engine, Wishes};
use crate::cli::sweep::{cell, estimate, gather, status, work};
use crate::report::sweep::markdown::Table;
use crate::terminal;
use protege_core::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  protege sweep plan sweep.toml --out runs/sweep       every cell is checked before anything runs
  protege sweep work runs/sweep                        on all cores of this machine
  protege sweep submit runs/sweep --engine slurm -- --partition=short --time=4:00:00
  protege sweep status runs/sweep
  protege sweep gather runs/sweep                      tables, curves and tests on one page

A sweep file (docs/sweeps.md has all of it):
  [base]
  preset = \"tiny\"
  [grid]
  task = [\"lab/lift\", \"lab/pick-place\"]
  pretrain.method = [\"bc\", \"post-bc\"]
  seeds = 4";

/// Arguments of `sweep`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Resolve and check every cell of a sweep file, and write the plan into a folder
    Plan {
        /// The sweep file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The folder for everything [default: runs/<name of the file>]
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Check and count, but write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// Work on the cells that nobody works on, until none is left
    Work {
        /// The folder of a sweep
        #[arg(value_name = "DIR")]
        sweep: PathBuf,
        /// Cells at a time [default: the cores over the sweep's session.threads]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
        jobs: Option<u16>,
        /// Also work on cells that have failed
        #[arg(long)]
        retry: bool,
    },
    /// Work on one cell: begin it, or go on with it
    Cell {
        /// The folder of a sweep
        #[arg(value_name = "DIR")]
        sweep: PathBuf,
        /// The cell's number
        #[arg(long, value_name = "I")]
        index: usize,
        /// Save and stop, with exit code 75, after so many minutes
        #[arg(long, value_name = "M")]
        max_minutes: Option<f64>,
    },
    /// Hand the cells that are not done to a cluster
    Submit {
        /// The folder of a sweep, which all machines of the cluster see
        #[arg(value_name = "DIR")]
        sweep: PathBuf,
        /// What carries the cells out
        #[arg(long)]
        engine: Engine,
        /// Cells at a time at most
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        at_once: Option<u32>,
        /// Write what the engine is handed, but do not begin
        #[arg(long)]
        dry_run: bool,
        /// The engine's own flags, after `--`
        #[arg(last = true, value_name = "FLAGS")]
        flags: Vec<String>,
    },
    /// Show what is done, who is at work, what failed, and the time that is left
    Status {
        /// The folder of a sweep
        #[arg(value_name = "DIR")]
        sweep: PathBuf,
        /// Show it again every so many seconds, until all is done
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
        watch: Option<u32>,
    },
    /// Write what has been found: files of numbers, and one page of tables, curves and tests
    Gather {
        /// The folder of a sweep, or a curves.csv
        #[arg(value_name = "DIR|FILE")]
        sweep: PathBuf,
        /// The folder to write into [default: that of the sweep]
        #[arg(long, value_name = "DIR", conflicts_with = "markdown")]
        out: Option<PathBuf>,
        /// Write nothing, but print tables in Markdown
        #[arg(
            long,
            value_name = "TABLES",
            num_args = 0..=1,
            require_equals = true,
            default_missing_value = "all"
        )]
        markdown: Option<Table>,
    },
}

/// Does what the action says.
///
/// # Errors
/// When the sweep file or a folder is wrong, a cell fails, or somebody asks to stop.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    match &args.action {
        Action::Plan { file, out, dry_run } => plan(file, out.as_deref(), *dry_run),
        Action::Work { sweep, jobs, retry } => {
            let sweep = Sweep::open(sweep)?;
            work::work(&sweep, jobs.map(usize::from), *retry, output)
        }
        Action::Cell {
            sweep,
            index,
            max_minutes,
        } => one_cell(&Sweep::open(sweep)?, *index, *max_minutes, output),
        Action::Submit {
            sweep,
            engine,
            at_once,
            dry_run,
            flags,
        } => {
            let wishes = Wishes {
                at_once: *at_once,
                dry_run: *dry_run,
                flags: flags.clone(),
            };
            submit::submit(&Sweep::open(sweep)?, *engine, &wishes)
        }
        Action::Status { sweep, watch } => show(&Sweep::open(sweep)?, *watch),
        Action::Gather {
            sweep,
            out,
            markdown,
        } => gather::gather(sweep, out.as_deref(), *markdown),
    }
}

fn plan(file: &Path, out: Option<&Path>, dry_run: bool) -> Result<Answer> {
    let (plan, inputs) = plan::make(file)?;
    let usual = || Path::new("runs").join(file.file_stem().unwrap_or_default());
    let out = out.map_or_else(usual, Path::to_owned);
    let of = |kind: Kind| plan.cells.iter().filter(|cell| cell.kind == kind).count();
    let [demos, pretrain, runs] = Kind::ALL.map(of);
    let mut text = format!("{runs} runs");
    if demos > 0 {
        text += &format!(", {demos} recordings of demonstrations");
    }
    if pretrain > 0 {
        text += &format!(", {pretrain} pretrained policies that several of them share");
    }
    let core_seconds = estimate::core_seconds(&plan)?;
    text += &format!(
        "; about {} of one core, within a factor of three\n",
        status::hours(core_seconds)
    );
    let json = json!({
        "core_seconds": core_seconds,
        "cells": plan.cells.len(),
        "runs": runs,
        "demos": demos,
        "pretrain": pretrain,
        "sweep": (!dry_run).then(|| answer::path(&out)),
    });
    if dry_run {
        return Ok(Answer { json, text });
    }
    let sweep = Sweep::begin(&out, plan, file, &inputs)?;
    text += &format!(
        "{}: work on it with `protege sweep work {}`\n",
        terminal::path(&sweep.folder),
        shell::path(&sweep.folder)
    );
    Ok(Answer { json, text })
}

fn one_cell(
    sweep: &Sweep,
    index: usize,
    max_minutes: Option<f64>,
    output: Output,
) -> Result<Answer> {
    sweep.plan.check_version()?;
    let limit = max_minutes
        .map(|minutes| {
            protege_core::error::within("--max-minutes", minutes, 0.0, 1e6)?;
            Ok::<_, Error>(Duration::from_secs_f64(60.0 * minutes))
        })
        .transpose()?;
    cell::run(sweep, index, limit, output)?;
    let name = sweep.cell(index)?.name();
    Ok(Answer {
        json: json!({ "cell": index, "name": name, "folder": answer::path(&sweep.run(index)) }),
        text: format!("cell {index} ({name}) is done\n"),
    })
}

fn show(sweep: &Sweep, watch: Option<u32>) -> Result<Answer> {
    loop {
        let answer = status::status(sweep)?;
        let counts = &answer.json["counts"];
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        let is_over = count("done") + count("failed") == count("cells");
        let Some(seconds) = watch.filter(|_| !is_over) else {
            return Ok(answer);
        };
        terminal::note(&answer.text.lines().collect::<Vec<_>>().join("; "));
        std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    }
}
