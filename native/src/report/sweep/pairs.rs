//! Whether arms differ: tests over seeds, of every two arms that differ in one setting.

use super::super::html::{escape, percent, percent_range, points, short};
use super::super::parts::table;
use super::data::Group;
use super::task::Arm;
use protege_core::run::stats::{
    EXACT_SIGN_FLIPS, Estimate, mean, paired_difference, probability_of_improvement,
    sign_flip_test, steps_to_plateau,
};

/// Tests of one task that are shown; `summary.csv` has what all of them are made of.
const PAIRS: usize = 60;

/// The section; nothing where there are no two arms.
pub fn section(arms: &[Arm]) -> String {
    let pairs: Vec<(&Arm, &Arm)> = arms
        .iter()
        .enumerate()
        .flat_map(|(i, a)| arms[i + 1..].iter().map(move |b| (a, b)))
        .filter(|(a, b)| differ_once(&a.group, &b.group))
        .collect();
    if pairs.is_empty() {
        return String::new();
    }
    let rows: String = pairs.iter().take(PAIRS).map(|(a, b)| row(a, b)).collect();
    let columns = [
        "second against first",
        "difference in points",
        "p",
        "probability of improvement",
        "first reaches the second’s final",
        "second reaches the first’s final",
        "verdict",
    ];
    let more = match pairs.len().saturating_sub(PAIRS) {
        0 => String::new(),
        more => format!("<p class=\"note\">And {more} more pairs, which are not shown.</p>"),
    };
    format!(
        "<h3 class=\"later\">Do they differ?</h3>{}{more}\n<p class=\"note\">Pairs that differ in \
         one setting, by final success. Difference: the mean over seeds that both have, paired, \
         with its 95% bootstrap interval. p: sign-flip permutation test of the pairs, two-sided, \
         exact up to {EXACT_SIGN_FLIPS}; below 0.05 takes six pairs or more. Probability of \
         improvement: how often a seed of the second ends above one of the first, with its 95% \
         bootstrap interval. Reaches: the median of the control steps until a seed’s curve reaches \
         the other arm’s mean final, and how many do. The tests are not corrected for their \
         number.</p>",
        table("Tests between arms", "tests sweep", &columns, &rows)
    )
}

/// Whether two groups differ in exactly one dimension.
pub fn differ_once(a: &Group, b: &Group) -> bool {
    let pairs = a.labels.iter().zip(b.labels);
    pairs.filter(|(a, b)| a != b).count() == 1
}

/// The scores of the seeds that both have.
pub fn paired(a: &Group, b: &Group) -> (Vec<f64>, Vec<f64>) {
    let others = b.scores();
    let both = a.scores().into_iter().filter_map(|(seed, own)| {
        let other = others.iter().find(|(other, _)| *other == seed)?;
        Some((own, other.1))
    });
    both.unzip()
}

fn row(a: &Arm, b: &Arm) -> String {
    let (of_a, of_b) = paired(&a.group, &b.group);
    let chance = probability_of_improvement(&a.group.score_values(), &b.group.score_values(), 0);
    let (difference, p) = match of_a.len() {
        0 => ("–".to_owned(), None),
        n => {
            let found = paired_difference(&of_a, &of_b, 0);
            let p = sign_flip_test(&of_a, &of_b);
            (in_points(&found, n), Some(p))
        }
    };
    format!(
        "<tr><th scope=\"row\">{}<br>{}</th><td>{difference}</td><td>{}</td><td>{}</td>\
         <td>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
        a.head(),
        b.head(),
        p.map_or_else(|| "–".to_owned(), |p| format!("{p:.3}")),
        chance_cell(&chance),
        reached(&a.group, &b.group),
        reached(&b.group, &a.group),
        escape(&verdict(a, b, p, of_a.len(), mean(&of_b) - mean(&of_a)))
    )
}

fn in_points(found: &Estimate, n: usize) -> String {
    let value = points(found.value);
    match n {
        1 => format!("<b>{value}</b>"),
        _ => format!(
            "<b>{value}</b> <small>{} to {}</small>",
            points(found.interval.low),
            points(found.interval.high)
        ),
    }
}

/// A probability with its interval.
pub fn chance_cell(chance: &Estimate) -> String {
    format!(
        "{} <small>{}</small>",
        percent(chance.value),
        percent_range(chance.interval.low, chance.interval.high)
    )
}

/// When the runs of an arm reach where the other ends.
fn reached(arm: &Group, rival: &Group) -> String {
    let curves = arm.curves();
    if curves.is_empty() || rival.score_values().is_empty() {
        return "–".to_owned();
    }
    let found = steps_to_plateau(&curves, rival.mean_score());
    let count = found.runs.iter().flatten().count();
    let median = found
        .median
        .map_or_else(|| "–".to_owned(), |m| short(m.round()));
    format!("{median} <small>{count} of {}</small>", curves.len())
}

fn verdict(a: &Arm, b: &Arm, p: Option<f64>, pairs: usize, difference: f64) -> String {
    let better = if difference > 0.0 { b } else { a };
    match p {
        None => "no seed in common".to_owned(),
        Some(p) if p <= 0.05 => format!("{} ends higher", better.name),
        Some(_) if pairs < 6 => "too few seeds to decide".to_owned(),
        Some(_) => "not decided".to_owned(),
    }
}
