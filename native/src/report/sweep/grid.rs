//! The best cell of a grid of settings next to all of the grid: the best of many is high by luck,
//! too.

use super::super::html::{escape, percent};
use super::super::parts::table;
use super::data::{Group, named, varying};
use super::task::Arm;
use protege_core::run::stats::mean;
use std::collections::BTreeMap;

/// The section; nothing where no setting is tuned.
pub fn section(arms: &[Arm]) -> String {
    let groups: Vec<Group> = arms.iter().map(|arm| arm.group.clone()).collect();
    let keys = varying(&groups);
    let (tuned, subject): (Vec<&str>, Vec<&str>) = keys.iter().partition(|key| is_tuned(key));
    if tuned.is_empty() {
        return String::new();
    }
    // By name, in the order of the arms.
    let mut subjects: Vec<(String, Vec<&Group>)> = Vec::new();
    for group in &groups {
        let name = named(group, &subject);
        match subjects.iter_mut().find(|(own, _)| *own == name) {
            Some((_, cells)) => cells.push(group),
            None => subjects.push((name, vec![group])),
        }
    }
    subjects.retain(|(_, cells)| cells.len() > 1);
    if subjects.is_empty() {
        return String::new();
    }
    let rows: String = subjects
        .iter()
        .map(|(name, cells)| row(name, cells, &tuned))
        .collect();
    let columns = [
        "",
        "settings tried",
        "best of the grid",
        "chosen by the other seeds",
        "mean of the grid",
        "lowest of the grid",
        "which is best",
    ];
    format!(
        "<h3 class=\"later\">The best of the grid, and all of it</h3>{}\n<p class=\"note\">Mean \
         final success over seeds. <b>The best of the grid was chosen on the seeds that it is \
         reported on, so it is biased upward</b>, the more so the more settings were tried and the \
         fewer the seeds. Chosen by the other seeds: each seed counts with the settings that are \
         best on all others, which has no such bias. To report a tuned result, run the chosen \
         settings on new seeds.</p>",
        table("The best of the grid", "tests sweep", &columns, &rows)
    )
}

/// Settings of methods and policies are tuned; methods, arms, tasks and demonstrations are what is
/// compared.
fn is_tuned(key: &str) -> bool {
    let groups = ["finetune.", "pretrain.", "policy."];
    let is_subject = key.ends_with(".method") || key == "policy.kind" || key == "pretrain.tasks";
    groups.iter().any(|group| key.starts_with(group)) && !is_subject
}

fn row(name: &str, cells: &[&Group], tuned: &[&str]) -> String {
    let means: Vec<f64> = cells.iter().map(|cell| cell.mean_score()).collect();
    let by_mean = |a: &&&Group, b: &&&Group| a.mean_score().total_cmp(&b.mean_score());
    // Of equal ones the first.
    let best = cells.iter().rev().max_by(by_mean);
    let lowest = means.iter().copied().fold(f64::INFINITY, f64::min);
    let others = chosen_by_others(cells);
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td><b>{}</b></td><td>{}</td><td>{}</td>\
         <td>{}</td><td class=\"words\">{}</td></tr>",
        escape(name),
        cells.len(),
        percent(best.map_or(0.0, |cell| cell.mean_score())),
        others.map_or_else(|| "–".to_owned(), percent),
        percent(mean(&means)),
        percent(lowest),
        escape(&best.map_or_else(String::new, |cell| named(cell, tuned)))
    )
}

/// The mean over seeds of the score that the settings have which are best on the other seeds; none
/// where there are no two seeds that all cells have.
fn chosen_by_others(cells: &[&Group]) -> Option<f64> {
    let scores: Vec<BTreeMap<u64, f64>> = cells
        .iter()
        .map(|cell| cell.scores().into_iter().collect())
        .collect();
    let first = scores.first()?;
    let common: Vec<u64> = first
        .keys()
        .copied()
        .filter(|seed| scores.iter().all(|own| own.contains_key(seed)))
        .collect();
    if common.len() < 2 {
        return None;
    }
    let without = |own: &BTreeMap<u64, f64>, left_out: u64| -> f64 {
        let others = common.iter().filter(|seed| **seed != left_out);
        others.map(|seed| own[seed]).sum()
    };
    let held_out = |&seed: &u64| {
        let chosen = scores
            .iter()
            .rev()
            .max_by(|a, b| without(a, seed).total_cmp(&without(b, seed)));
        chosen.map_or(0.0, |own| own[&seed])
    };
    Some(mean(&common.iter().map(held_out).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::super::data::{Point, PointKind, SweepRun, groups};
    use super::*;

    fn run(magnitude: &str, seed: u64, success: f64) -> SweepRun {
        let key = "finetune.dsrl.magnitude".to_owned();
        SweepRun {
            labels: vec![(key, magnitude.to_owned())],
            seed,
            points: vec![Point {
                kind: PointKind::Curve,
                decisions: None,
                control_steps: Some(10),
                success,
                episodes: None,
            }],
        }
    }

    /// Each seed counts with what is best on the others: here never with its own luck.
    #[test]
    fn settings_are_chosen_by_the_other_seeds() {
        let runs = [
            run("1", 0, 0.9),
            run("1", 1, 0.1),
            run("2", 0, 0.4),
            run("2", 1, 0.5),
        ];
        let groups = groups(&runs);
        let cells: Vec<&Group> = groups.iter().collect();
        // Without seed 0 the second is best and has 0.4 there; without seed 1 the first, with 0.1.
        assert_eq!(chosen_by_others(&cells), Some(0.25));
        assert_eq!(chosen_by_others(&cells[..0]), None);
        let html = row("DSRL", &cells, &["finetune.dsrl.magnitude"]);
        assert!(
            html.contains("<b>50%</b>") && html.contains("magnitude 1"),
            "{html}"
        );
    }

    /// What is compared is not tuned.
    #[test]
    fn methods_are_not_tuned() {
        let tuned = [
            "finetune.dsrl.magnitude",
            "pretrain.bc.updates",
            "policy.chunk",
        ];
        assert!(tuned.into_iter().all(is_tuned));
        let compared = ["task", "arm", "pretrain.method", "finetune", "demos.count"];
        assert!(!compared.into_iter().any(is_tuned));
    }
}
