//! The section over all tasks, as rliable aggregates them.

use super::super::html::{escape, percent, percent_range};
use super::super::parts::table;
use super::data::{Group, named, values, varying};
use super::pairs::chance_cell;
use protege_core::run::stats::{
    Estimate, bootstrap, iqm, mean, probability_of_improvement_over_tasks,
};

/// Pairs that are shown.
const PAIRS: usize = 60;

/// An arm on every task.
struct Arm<'a> {
    name: String,
    /// The dimensions but the task.
    labels: Vec<&'a (String, String)>,
    /// One list of scores a task.
    scores: Vec<Vec<f64>>,
}

/// The section; nothing where there is one task, or no arm has them all.
pub fn section(groups: &[Group]) -> String {
    let tasks = values(groups, "task");
    let arms = arms(groups, &tasks);
    if tasks.len() < 2 || arms.is_empty() {
        return String::new();
    }
    let rows: String = arms.iter().map(row).collect();
    let columns = ["", "interquartile mean", "mean"];
    format!(
        "<section><h2>Over all tasks</h2>{}\n<p class=\"note\">Final success of all seeds of all \
         {} tasks, for arms that have every task: the interquartile mean drops the lowest and the \
         highest quarter of the runs. Intervals are 95% stratified bootstrap: seeds are drawn \
         within their task.</p>{}</section>",
        table("Aggregates over tasks", "sweep", &columns, &rows),
        tasks.len(),
        improvements(&arms)
    )
}

fn arms<'a>(groups: &[Group<'a>], tasks: &[&str]) -> Vec<Arm<'a>> {
    let keys: Vec<&str> = varying(groups)
        .into_iter()
        .filter(|key| *key != "task")
        .collect();
    let mut arms: Vec<Arm> = Vec::new();
    for group in groups {
        let labels: Vec<_> = group
            .labels
            .iter()
            .filter(|(key, _)| key != "task")
            .collect();
        let scores = group.score_values();
        if scores.is_empty() {
            continue;
        }
        match arms.iter_mut().find(|arm| arm.labels == labels) {
            Some(arm) => arm.scores.push(scores),
            None => arms.push(Arm {
                name: named(group, &keys),
                labels,
                scores: vec![scores],
            }),
        }
    }
    // Groups are in the order of the tasks, so that lists belong together by their places.
    arms.retain(|arm| arm.scores.len() == tasks.len());
    arms
}

fn row(arm: &Arm) -> String {
    let [middle, all] = [iqm, mean].map(|statistic| bootstrap(&arm.scores, statistic, 0));
    format!(
        "<tr><th scope=\"row\">{}</th><td><b>{}</b></td><td>{}</td></tr>",
        escape(&arm.name),
        cell(&middle),
        cell(&all)
    )
}

fn cell(found: &Estimate) -> String {
    format!(
        "{} <small>{}</small>",
        percent(found.value),
        percent_range(found.interval.low, found.interval.high)
    )
}

fn improvements(arms: &[Arm]) -> String {
    let pairs: Vec<(&Arm, &Arm)> = arms
        .iter()
        .enumerate()
        .flat_map(|(i, a)| arms[i + 1..].iter().map(move |b| (a, b)))
        .filter(|(a, b)| differ_once(a, b))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    let rows: String = pairs.iter().take(PAIRS).map(|(a, b)| pair(a, b)).collect();
    let more = match pairs.len().saturating_sub(PAIRS) {
        0 => String::new(),
        more => format!("<p class=\"note\">And {more} more pairs, which are not shown.</p>"),
    };
    let columns = ["second against first", "probability of improvement"];
    format!(
        "<h3 class=\"later\">Probability of improvement</h3>{}{more}\n<p class=\"note\">How often a \
         seed of the second ends above one of the first on the same task, averaged over the tasks \
         (Agarwal et al. 2021), with its 95% stratified bootstrap interval. An interval that \
         contains 50% leaves it open.</p>",
        table(
            "Probability of improvement over tasks",
            "sweep",
            &columns,
            &rows
        )
    )
}

fn differ_once(a: &Arm, b: &Arm) -> bool {
    let pairs = a.labels.iter().zip(&b.labels);
    pairs.filter(|(a, b)| a != b).count() == 1
}

fn pair(a: &Arm, b: &Arm) -> String {
    let tasks: Vec<(Vec<f64>, Vec<f64>)> = a
        .scores
        .iter()
        .cloned()
        .zip(b.scores.iter().cloned())
        .collect();
    let chance = probability_of_improvement_over_tasks(&tasks, 0);
    format!(
        "<tr><th scope=\"row\">{}<br>{}</th><td>{}</td></tr>",
        escape(&a.name),
        escape(&b.name),
        chance_cell(&chance)
    )
}
