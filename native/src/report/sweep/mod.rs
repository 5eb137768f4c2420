//! The page of a sweep: tables over seeds, learning curves, tests between arms, and what is
//! missing.

mod across;
pub mod data;
mod grid;
pub mod markdown;
mod missing;
mod pairs;
mod task;

use self::data::{Group, Point, SweepRun, groups, values, varying};
use super::html::{escape, json, plural};
use super::page;
use serde::Serialize;

/// All that the page shows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepReport {
    /// What the sweep is about; may be empty.
    pub title: String,
    /// The version of the program that planned it; empty where nobody knows.
    pub version: String,
    /// Runs that were planned.
    pub planned: usize,
    /// Runs that have finished.
    pub runs: Vec<SweepRun>,
    /// Cells that have not.
    pub unfinished: Vec<Unfinished>,
    /// Cells that failed.
    pub failed: Vec<Failed>,
    /// The sweep's file; empty where there is none.
    pub spec: String,
}

/// A cell that has not finished.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unfinished {
    /// Its number.
    pub cell: usize,
    /// Its name.
    pub name: String,
    /// `running`, `begun` or `not begun`.
    pub state: String,
    /// Its newest evaluation.
    pub latest: Option<Point>,
}

/// A cell that failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Failed {
    /// Its number.
    pub cell: usize,
    /// Its name.
    pub name: String,
    /// Its last words.
    pub words: String,
}

impl SweepReport {
    /// Of runs of which no more is known.
    pub fn of_runs(runs: Vec<SweepRun>) -> Self {
        Self {
            title: String::new(),
            version: String::new(),
            planned: runs.len(),
            runs,
            unfinished: Vec::new(),
            failed: Vec::new(),
            spec: String::new(),
        }
    }
}

/// The page.
pub fn render(report: &SweepReport) -> String {
    let groups = groups(&report.runs);
    let tasks = values(&groups, "task");
    let sections: String = match tasks.is_empty() {
        true => task::section("All runs", &groups),
        false => tasks
            .iter()
            .map(|task| task::section(task, &of_task(&groups, task)))
            .collect(),
    };
    let body = [
        head(report, &groups),
        sections,
        across::section(&groups),
        missing::section(report),
        spec(report),
        footer(report),
    ];
    page(title(report), &body.concat(), &json(report))
}

fn of_task<'a>(groups: &[Group<'a>], task: &str) -> Vec<Group<'a>> {
    let own = groups.iter().filter(|group| group.task() == task);
    own.cloned().collect()
}

fn title(report: &SweepReport) -> &str {
    match &report.title[..] {
        "" => "Sweep",
        title => title,
    }
}

fn head(report: &SweepReport, groups: &[Group]) -> String {
    let title = escape(title(report));
    let mut parts = vec![escape(&state(report))];
    if !report.failed.is_empty() {
        let failed = report.failed.len();
        parts.push(format!("<a href=\"#missing\">{failed} failed</a>"));
    }
    let tasks = values(groups, "task").len();
    if tasks > 1 {
        parts.push(plural(tasks, "task"));
    }
    let others = varying(groups).into_iter().filter(|key| *key != "task");
    parts.extend(others.map(|key| escape(&counted(key, values(groups, key).len()))));
    let most = groups.iter().map(|group| group.runs.len()).max();
    parts.push(format!("{} each", plural(most.unwrap_or(0), "seed")));
    format!(
        "<header><p class=\"over\">protege · sweep</p><h1>{title}</h1>\
         <p class=\"methods\">{}</p></header>",
        parts.join("; ")
    )
}

/// `24 runs, all finished`, `4 of 24 runs finished`.
fn state(report: &SweepReport) -> String {
    let SweepReport { planned, runs, .. } = report;
    match runs.len() == *planned {
        true => format!("{}, all finished", plural(*planned, "run")),
        false => format!("{} of {} finished", runs.len(), plural(*planned, "run")),
    }
}

/// How many values a dimension has, in words.
fn counted(key: &str, count: usize) -> String {
    match data::short_key(key) {
        "arm" => plural(count, "arm"),
        "pretrain" => plural(count, "pretraining method"),
        "finetune" => plural(count, "finetuning method"),
        other => format!("{count} values of {other}"),
    }
}

fn spec(report: &SweepReport) -> String {
    match &report.spec[..] {
        "" => String::new(),
        spec => format!(
            "<section><h2>Reproduce</h2><p class=\"note\">The sweep’s file, for <code>protege \
             sweep plan</code>; docs/statistics.md says how each figure of this page is \
             computed.</p><pre tabindex=\"0\"><code>{}</code></pre></section>",
            escape(spec)
        ),
    }
}

fn footer(report: &SweepReport) -> String {
    match &report.version[..] {
        "" => String::new(),
        version => format!("<footer>protege {}</footer>", escape(version)),
    }
}

#[cfg(test)]
mod tests;
