//! `protege theory`: what PostBC promises, measured exactly on problems small enough for it.

use crate::cli::answer::{self, Answer, Output, bug};
use crate::cli::machine;
use crate::cli::shell::command_line;
use crate::dashboard::Dashboard;
use crate::files::place::folder_alone;
use crate::files::{check_writable, create_folder, write_atomic};
use crate::report::theory::{Theory, finding, render};
use crate::terminal;
use protege_core::Result;
use protege_core::theory::{Outcome, Row, Size, Study, StudyConfig, matched};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Mutex;

const EXAMPLES: &str = "\
Examples:
  protege theory
  protege theory --states 30 --actions 16 --horizon 10 --demos 1,10,100,1000 --out runs/larger
  protege theory --seed 3 --json";

/// Arguments of `theory`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// States of the random problem, one of them the lost one
    #[arg(long, value_name = "S", default_value_t = 12)]
    states: usize,
    /// Actions, half of them good
    #[arg(long, value_name = "A", default_value_t = 8)]
    actions: usize,
    /// Steps of an episode
    #[arg(long, value_name = "H", default_value_t = 5)]
    horizon: usize,
    /// Numbers of demonstrations, ascending
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "1,3,10,30,100,300,1000,3000,10000"
    )]
    demos: Vec<usize>,
    /// Alphas to be tried beside the theorem's, ascending
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "0.0001,0.0003,0.001,0.003,0.01,0.03,0.1,0.3,1"
    )]
    alpha: Vec<f64>,
    /// Independent data sets
    #[arg(long, value_name = "N", default_value_t = 200)]
    repeats: usize,
    /// Share of the data sets that may have less coverage than what is reported
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    delta: f64,
    /// Seed of the problem and of the demonstrations
    #[arg(long, value_name = "K", default_value_t = 0)]
    seed: u64,
    /// Folder for theory.html and theory.csv
    #[arg(long, value_name = "DIR", default_value = "runs/theory")]
    out: PathBuf,
}

/// Measures, and writes the page and the numbers.
///
/// # Errors
/// When a number is out of range, or the folder cannot be written.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    let study = Study::new(args.config())?;
    create_folder(&args.out)?;
    let page = args.out.join("theory.html");
    let table = args.out.join("theory.csv");
    check_writable(&page)?;
    check_writable(&table)?;
    let rows = study.summarise(&measure(&study, output)?);
    let matched = matched(&rows);
    let version = format!("protege {}", env!("CARGO_PKG_VERSION"));
    let theory = Theory {
        config: study.config().clone(),
        rows,
        matched,
        command: command_line(),
        version,
    };
    // Both files are of one study, whoever writes here at the same time.
    let _alone = folder_alone(&args.out);
    write_atomic(&page, render(&theory).as_bytes())?;
    write_atomic(&table, csv(&theory.rows).as_bytes())?;
    let sentence = finding(&theory);
    let text = format!(
        "{}{sentence}\npage: {}\nnumbers: {}\n",
        lines(&theory),
        terminal::path(&page),
        terminal::path(&table)
    );
    let Theory {
        config,
        rows,
        matched,
        ..
    } = theory;
    Ok(Answer {
        json: json!({
            "config": config,
            "rows": rows,
            "matched": matched,
            "finding": sentence,
            "report": answer::path(&page),
            "csv": answer::path(&table),
        }),
        text,
    })
}

impl Args {
    fn config(&self) -> StudyConfig {
        let size = Size {
            horizon: self.horizon,
            states: self.states,
            actions: self.actions,
        };
        let demos = self.demos.clone();
        let alphas = self.alpha.clone();
        StudyConfig {
            size,
            demos,
            alphas,
            repeats: self.repeats,
            delta: self.delta,
            seed: self.seed,
        }
    }
}

/// Every data set, on all cores.
fn measure(study: &Study, output: Output) -> Result<Vec<Vec<Vec<Outcome>>>> {
    let repeats = study.config().repeats;
    let mut bar = Dashboard::new(!output.quiet);
    bar.phase("theory", repeats as u64);
    // The next data set, the outcomes so far, and the bar: each is held for a moment only.
    let shared = Mutex::new((0..repeats, vec![Vec::new(); repeats], bar));
    let lock = || {
        shared
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    };
    let work = || {
        while let Some(i) = { lock().0.next() } {
            let outcome = study.measure(i as u64);
            let mut shared = lock();
            shared.1[i] = outcome;
            let begun = repeats - shared.0.len();
            shared.2.advance(begun as u64, "");
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..machine::cores()).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().map_err(|panic| bug(&*panic)))
    })?;
    let (_, outcomes, mut bar) = shared
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    bar.finish("measured");
    Ok(outcomes)
}

/// Every row as comma-separated values.
fn csv(rows: &[Row]) -> String {
    let mut text =
        String::from("demos,method,alpha,theorem,coverage,suboptimality,standard_error\n");
    for Row {
        demos,
        arm,
        coverage,
        suboptimality,
        standard_error,
    } in rows
    {
        let method = arm.method.name();
        text += &format!(
            "{demos},{method},{},{},{coverage},{suboptimality},{standard_error}\n",
            arm.alpha, arm.theorem
        );
    }
    text
}

/// A table of the theorem's settings for a terminal.
fn lines(theory: &Theory) -> String {
    let mut text = format!(
        "{:>8}  {:14}{:>9}{:>12}{:>16}\n",
        "demos", "method", "alpha", "coverage", "suboptimality"
    );
    for row in theory.rows.iter().filter(|row| row.arm.theorem) {
        let method = row.arm.method.name();
        text += &format!(
            "{:>8}  {method:14}{:>9.4}{:>12.2e}{:>16.2e}\n",
            row.demos, row.arm.alpha, row.coverage, row.suboptimality
        );
    }
    text
}
