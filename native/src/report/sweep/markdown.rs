//! The figures of a sweep as tables in Markdown.

use super::data::{Group, Point, SweepRun, groups, short_key, varying};
use protege_core::run::stats::{difference, mean, t_interval, wilson};

/// Which of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Table {
    /// All of them
    All,
    /// Means over the seeds, and each seed's result
    Seeds,
    /// All episodes of all seeds together
    Episodes,
    /// One row a run
    Runs,
}

/// The tables of these runs.
pub fn tables(runs: &[SweepRun], table: Table) -> String {
    let groups = groups(runs);
    match table {
        Table::All => [
            over_seeds(&groups),
            over_episodes(&groups),
            of_runs(&groups),
        ]
        .join("\n"),
        Table::Seeds => over_seeds(&groups),
        Table::Episodes => over_episodes(&groups),
        Table::Runs => of_runs(&groups),
    }
}

/// A column: its name, and what stands in it; none where a group or run has nothing to say.
type Column<'a, T> = (&'a str, &'a dyn Fn(&T) -> Option<String>);

/// A table of those columns in which there is anything.
fn table<T>(rows: &[T], columns: &[Column<T>]) -> String {
    let filled: Vec<&Column<T>> = columns
        .iter()
        .filter(|(_, cell)| rows.iter().any(|row| cell(row).is_some()))
        .collect();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(filled.iter().map(|(name, _)| (*name).to_owned()).collect());
    text += &format!("|{}\n", "---|".repeat(filled.len()));
    for row in rows {
        let cell = |(_, cell): &&Column<T>| cell(row).unwrap_or_else(|| "–".to_owned());
        text += &line(filled.iter().map(cell).collect());
    }
    text
}

/// The columns of the labels: those in which groups differ, and the task.
fn label_columns<'a>(groups: &[Group<'a>]) -> Vec<&'a str> {
    let own = groups.first().map_or(&[][..], |group| group.labels);
    let keys = own.iter().map(|(key, _)| &key[..]);
    let varying = varying(groups);
    keys.filter(|key| *key == "task" || varying.contains(key))
        .collect()
}

fn label(key: &str, labels: &[(String, String)]) -> Option<String> {
    let (_, value) = labels.iter().find(|(own, _)| own == key)?;
    let safe = value.replace('|', "\\|");
    Some(match key {
        "task" => format!("`{safe}`"),
        _ => safe,
    })
}

/// The columns of labels, then the others, as a table.
fn labeled<T>(
    rows: &[T],
    keys: &[&str],
    labels: impl Fn(&T) -> Vec<(String, String)>,
    columns: &[Column<T>],
) -> String {
    let cells: Vec<_> = keys
        .iter()
        .map(|key| {
            let labels = &labels;
            move |row: &T| label(key, &labels(row))
        })
        .collect();
    let own = keys.iter().zip(&cells);
    let mut all: Vec<Column<T>> = own
        .map(|(key, cell)| (short_key(key), cell as &dyn Fn(&T) -> Option<String>))
        .collect();
    all.extend_from_slice(columns);
    table(rows, &all)
}

/// Means over seeds with 95% intervals (t) from three seeds on, and each seed's own.
fn over_seeds(groups: &[Group]) -> String {
    let keys = label_columns(groups);
    let is_apart = keeps_another(groups);
    let columns: [Column<Group>; 8] = [
        ("seeds", &|g| Some(g.runs.len().to_string())),
        ("before", &|g| seeds_cell(g, |r| success(r.before()))),
        ("before any update", &|g| {
            mean_cell(&g.percents(|r| success(r.start())))
        }),
        ("lowest", &|g| {
            mean_cell(&g.percents(|r| success(r.lowest())))
        }),
        ("drop", &drop),
        ("last", &|g| seeds_cell(g, |r| success(r.last()))),
        ("final", &|g| seeds_cell(g, SweepRun::final_success)),
        ("kept", &|g| {
            seeds_cell(g, |r| success(r.kept())).filter(|_| is_apart)
        }),
    ];
    labeled(groups, &keys, |g| g.labels.to_vec(), &columns)
}

/// Whether some run gives another agent than its last as its result; otherwise nobody needs a
/// column for it.
pub fn keeps_another(groups: &[Group]) -> bool {
    let mut runs = groups.iter().flat_map(|group| &group.runs);
    runs.any(|run| run.last().is_some() && run.kept() != run.last())
}

/// `58% ± 17 (44, 66, 58, 66)`: the mean and each seed.
fn seeds_cell(group: &Group, figure: fn(&SweepRun) -> Option<f64>) -> Option<String> {
    let percents = group.percents(figure);
    let each: Vec<String> = percents.iter().map(|value| format!("{value:.0}")).collect();
    let mean = mean_cell(&percents)?;
    Some(match each.len() {
        1 => mean,
        _ => format!("{mean} ({})", each.join(", ")),
    })
}

fn success(point: Option<&Point>) -> Option<f64> {
    Some(point?.success)
}

/// From the pretrained policy's mean to that of the lowest points.
fn drop(group: &Group) -> Option<String> {
    let lowest = group.percents(|r| success(r.lowest()));
    let before = group.percents(|r| success(r.before()));
    if lowest.is_empty() || before.is_empty() {
        return None;
    }
    Some(signed((mean(&lowest) - mean(&before)).round_ties_even()))
}

/// `+3`, `-12`; there is no -0.
fn signed(value: f64) -> String {
    format!("{:+.0}", value + 0.0)
}

/// `58% ± 17`, and without the interval where there are less than three.
pub fn mean_cell(percents: &[f64]) -> Option<String> {
    if percents.is_empty() {
        return None;
    }
    let middle = format!("{:.0}%", mean(percents));
    let interval = t_interval(percents).filter(|_| percents.len() > 2);
    Some(match interval {
        Some(found) => format!("{middle} ± {:.0}", found.interval.high - found.value),
        None => middle,
    })
}

/// All episodes of all seeds, with Wilson intervals.
fn over_episodes(groups: &[Group]) -> String {
    let keys = label_columns(groups);
    let columns: [Column<Group>; 6] = [
        ("before", &|g| pooled_cell(g.pooled(SweepRun::before))),
        ("kept", &|g| {
            pooled_cell(practiced(g).and(g.pooled(SweepRun::kept)))
        }),
        ("gain", &gain),
        ("area", &area),
        ("steps to 80%, by seed", &|g| steps_cell(&g.steps_to_80())),
        ("control steps per seed", &|g| {
            let steps = practiced(g)?;
            Some(format!("{:.0}k", mean(&steps) / 1000.0))
        }),
    ];
    labeled(groups, &keys, |g| g.labels.to_vec(), &columns)
}

/// Control steps of practice of each run; none without practice.
fn practiced(group: &Group) -> Option<Vec<f64>> {
    let runs = group.runs.iter().filter(|run| run.points.len() > 1);
    let steps: Vec<f64> = runs
        .filter_map(|run| Some(run.control_steps()? as f64))
        .collect();
    (!steps.is_empty()).then_some(steps)
}

fn pooled_cell(counts: Option<(usize, usize)>) -> Option<String> {
    let (successes, episodes) = counts?;
    let found = wilson(successes, episodes);
    let share = 100.0 * successes as f64 / episodes.max(1) as f64;
    let (low, high) = (100.0 * found.low, 100.0 * found.high);
    Some(format!("{share:.1}% [{low:.1}, {high:.1}]"))
}

fn gain(group: &Group) -> Option<String> {
    practiced(group)?;
    let found = difference(
        group.pooled(SweepRun::before)?,
        group.pooled(SweepRun::kept)?,
    );
    let [value, low, high] =
        [found.value, found.interval.low, found.interval.high].map(|v| 100.0 * v + 0.0);
    Some(format!("{value:+.1} [{low:+.1}, {high:+.1}]"))
}

fn area(group: &Group) -> Option<String> {
    let found = group.area()?;
    let [value, low, high] =
        [found.value, found.interval.low, found.interval.high].map(|v| 100.0 * v);
    // Of one seed there is no interval over seeds.
    Some(match group.curves().len() {
        1 => format!("{value:.1}%"),
        _ => format!("{value:.1}% [{low:.1}, {high:.1}]"),
    })
}

fn steps_cell(steps: &[Option<f64>]) -> Option<String> {
    let one = |steps: &Option<f64>| match steps {
        Some(steps) => format!("{:.0}k", steps / 1000.0),
        None => "–".to_owned(),
    };
    let each: Vec<String> = steps.iter().map(one).collect();
    (!each.is_empty()).then(|| each.join(", "))
}

/// One row a run.
fn of_runs(groups: &[Group]) -> String {
    let keys = label_columns(groups);
    let is_apart = keeps_another(groups);
    let runs: Vec<&SweepRun> = groups.iter().flat_map(|group| group.runs.clone()).collect();
    let columns: [Column<&SweepRun>; 9] = [
        ("seed", &|r| Some(r.seed.to_string())),
        ("before", &|r| point_cell(r.before())),
        ("before any update", &|r| point_cell(r.start())),
        ("lowest", &|r| point_cell(r.lowest())),
        ("best", &|r| point_cell(r.best())),
        ("last", &|r| point_cell(r.last())),
        ("final", &|r| {
            Some(format!("{:.0}%", 100.0 * r.final_success()?))
        }),
        ("kept", &|r| point_cell(r.kept()).filter(|_| is_apart)),
        ("decisions", &|r| Some(r.decisions()?.to_string())),
    ];
    labeled(&runs, &keys, |r| r.labels.clone(), &columns)
}

/// `55% [48, 62]`, and without the interval where episodes were not counted.
fn point_cell(point: Option<&Point>) -> Option<String> {
    let Point {
        success, episodes, ..
    } = point?;
    let share = format!("{:.0}%", 100.0 * success);
    let Some(episodes) = episodes.and_then(|n| usize::try_from(n).ok()) else {
        return Some(share);
    };
    let found = wilson((success * episodes as f64).round() as usize, episodes);
    let (low, high) = (100.0 * found.low, 100.0 * found.high);
    Some(format!("{share} [{low:.0}, {high:.0}]"))
}
