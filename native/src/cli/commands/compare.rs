//! `protege compare`: several runs on one page.

use crate::cli::answer::{self, Answer};
use crate::cli::plan::{Folder, Plan};
use crate::cli::session::results;
use crate::files::{check_writable, destination};
use crate::report::{Report, compare};
use crate::terminal;
use protege_core::run::Config;
use protege_core::run::stats::{
    area_under, bootstrap, difference, mean, probability_of_improvement, steps_to,
};
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  protege compare runs/bc runs/post-bc
  protege compare runs/* --out all.html --csv curves.csv --json
  protege compare runs/seed-*            \
      runs of one seed each that differ in it alone count as one";

/// Arguments of `compare`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Folders of runs; those that have not finished are left out
    #[arg(required = true, value_name = "DIR")]
    runs: Vec<PathBuf>,
    /// The page to write [default: compare.html, or compare-2.html where that exists]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also write every point of every learning curve into this file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Reads the runs and writes the page.
///
/// # Errors
/// When a folder holds no run, none has finished, or the page cannot be written.
pub fn answer(args: &Args) -> Result<Answer> {
    let usual = || crate::files::unused("compare", "html");
    let out = args.out.clone().unwrap_or_else(usual);
    let files = std::iter::once(&out).chain(&args.csv);
    let files: Vec<PathBuf> = files
        .map(|path| check_writable(path).and_then(|()| destination(path)))
        .collect::<Result<_>>()?;
    if files.len() == 2 && files[0] == files[1] {
        return Err(Error::input(
            "--out and --csv name the same file: give each one of its own",
        ));
    }
    let mut runs = Vec::new();
    let mut left_out = Vec::new();
    for path in &args.runs {
        match read(path)? {
            Found::Run(run) => runs.push(*run),
            Found::Unfinished(why) => left_out.push(why),
        }
    }
    let mut names = Vec::new();
    let mut reports = Vec::new();
    for parts in pooled(runs)? {
        names.push(name(&parts));
        reports.push(report(&parts)?);
    }
    if reports.is_empty() {
        return Err(Error::input(left_out.join("; ")));
    }
    for why in &left_out {
        terminal::note(&format!("note: left out: {why}"));
    }
    crate::files::write_atomic(&out, compare::render(&reports).as_bytes())?;
    if let Some(path) = &args.csv {
        crate::files::write_atomic(path, curves(&reports).as_bytes())?;
    }
    let pairs = (0..reports.len()).flat_map(|a| (a + 1..reports.len()).map(move |b| (a, b)));
    let same_task = pairs.filter(|&(a, b)| reports[a].task == reports[b].task);
    let tests: Vec<Value> = same_task
        .map(|(a, b)| test((&names[a], &reports[a]), (&names[b], &reports[b])))
        .collect();
    let runs: Vec<Value> = names
        .iter()
        .zip(&reports)
        .map(|(name, report)| row(name, report))
        .collect();
    let mut text: String = names
        .iter()
        .zip(&reports)
        .map(|(name, report)| line(name, report))
        .collect();
    text += &format!("page: {}\n", terminal::path(&out));
    Ok(Answer {
        json: json!({
            "runs": runs,
            "tests": tests,
            "left_out": left_out,
            "report": answer::path(&out),
        }),
        text,
    })
}

/// The learning curves as comma-separated values, one point a line.
fn curves(reports: &[Report]) -> String {
    let mut text = String::from("task,pretrain,finetune,demos,seed,env_steps,success\n");
    for Report {
        task,
        pretrain,
        finetune,
        demos,
        curves,
        ..
    } in reports
    {
        for (seed, (step, success)) in curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| (curve.seed, *point)))
        {
            text += &format!("{task},{pretrain},{finetune},{demos},{seed},{step},{success}\n");
        }
    }
    text
}

/// A run that has finished.
struct Finished {
    /// Its folder, as it was named.
    path: PathBuf,
    folder: Folder,
    plan: Plan,
    config: Config,
}

impl Finished {
    /// What runs that differ in their seed alone have in common; none where it has several seeds.
    fn pool(&self) -> Option<String> {
        let mut config = self.config.clone();
        config.seed = 0;
        let is_single = self.plan.seeds.len() == 1;
        is_single.then(|| format!("{} {}", self.plan.version, config.to_value()))
    }
}

/// What a folder holds.
enum Found {
    Run(Box<Finished>),
    /// A run that goes on, or may; what is missing.
    Unfinished(String),
}

fn read(path: &Path) -> Result<Found> {
    let (folder, plan, config) = Folder::open(path)?;
    if let Some(why) = results::unfinished(&folder, &plan) {
        return Ok(Found::Unfinished(why));
    }
    Ok(Found::Run(Box::new(Finished {
        path: path.to_owned(),
        folder,
        plan,
        config,
    })))
}

/// Runs of a single seed that differ in it alone, as those of a sweep do, are one run of all their
/// seeds.
fn pooled(runs: Vec<Finished>) -> Result<Vec<Vec<Finished>>> {
    let mut all: Vec<Vec<Finished>> = Vec::new();
    for run in runs {
        let pool = run.pool();
        let mut own = all.iter_mut();
        match own.find(|parts| pool.is_some() && parts[0].pool() == pool) {
            Some(parts) => parts.push(run),
            None => all.push(vec![run]),
        }
    }
    all.iter().try_for_each(|parts| refuse_twice(parts))?;
    Ok(all)
}

/// One seed counts once.
fn refuse_twice(parts: &[Finished]) -> Result<()> {
    for (i, run) in parts.iter().enumerate() {
        let earlier = parts[..i].iter();
        if let Some(twin) = earlier.into_iter().find(|o| o.plan.seeds == run.plan.seeds) {
            return Err(Error::input(format!(
                "{} and {} are the same configuration with the same seed, {}, which would count \
                 twice: name one of them",
                terminal::path(&twin.path),
                terminal::path(&run.path),
                run.plan.seeds[0]
            )));
        }
    }
    Ok(())
}

/// The folder, and how many more are part of it.
fn name(parts: &[Finished]) -> String {
    let first = terminal::path(&parts[0].path);
    match parts.len() {
        1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}

fn report(parts: &[Finished]) -> Result<Report> {
    let mut wall_s = 0.0;
    for part in parts {
        wall_s += results::wall_s(&part.folder, &part.plan)?;
    }
    let folders: Vec<(&Folder, &Plan)> = parts.iter().map(|p| (&p.folder, &p.plan)).collect();
    let report = results::collect(&folders, &parts[0].config, None, wall_s)?;
    // Losses are on each run's own page.
    Ok(Report {
        losses: Vec::new(),
        ..report
    })
}

fn row(name: &str, report: &Report) -> Value {
    let Report {
        task,
        pretrain,
        finetune,
        demos,
        seeds,
        before,
        after,
        env_steps,
        ..
    } = report;
    json!({
        "run": name,
        "task": task,
        "pretrain": pretrain,
        "finetune": finetune,
        "demos": demos,
        "seeds": seeds.len(),
        "before": before,
        "after": after,
        "env_steps": env_steps,
        "area_under_curve": over_seeds(report, area_under),
        "steps_to_80": steps_to_80(report),
    })
}

/// A figure of every seed's learning curve: its mean with its 95% bootstrap interval.
fn over_seeds(report: &Report, figure: fn(&[(f64, f64)]) -> f64) -> Value {
    let values: Vec<f64> = report
        .curves
        .iter()
        .filter(|curve| !curve.points.is_empty())
        .map(|curve| figure(&curve.points))
        .collect();
    if values.is_empty() {
        Value::Null
    } else {
        json!(bootstrap(&[values], mean, 0))
    }
}

/// Environment steps until each seed first reached 80%; none for a seed that never did.
fn steps_to_80(report: &Report) -> Vec<Option<f64>> {
    report
        .curves
        .iter()
        .map(|curve| steps_to(&curve.points, 0.8))
        .collect()
}

/// Whether b ends higher than a: over episodes, and over seeds.
fn test(a: (&str, &Report), b: (&str, &Report)) -> Value {
    let gain = difference(a.1.after.counts(), b.1.after.counts());
    let seeds = |report: &Report| {
        report
            .per_seed
            .iter()
            .map(|row| row.after.success)
            .collect::<Vec<_>>()
    };
    let wins = probability_of_improvement(&seeds(a.1), &seeds(b.1), 0);
    json!({
        "a": a.0,
        "b": b.0,
        "difference": gain,
        "differs": !gain.interval.contains(0.0),
        "probability_of_improvement": wins,
    })
}

fn line(name: &str, report: &Report) -> String {
    format!(
        "{name}: {}, {} then {}: {} -> {}\n",
        report.task,
        report.pretrain,
        report.finetune,
        results::percent(&report.before),
        results::percent(&report.after)
    )
}
