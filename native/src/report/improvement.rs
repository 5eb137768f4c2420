//! The section on a small policy that learns beside the pretrained one: whether it began where that
//! stood, and what it was rewarded for.

use super::Series;
use super::canvas::Size;
use super::html::{escape, percent, points, short};
use super::parts::{figure, table, thin};
use super::plot;
use serde::{Deserialize, Serialize};

/// A learned reward that varies less than this in practice, per unit, teaches nothing: alpha log q
/// / log p was the same everywhere.
const CONSTANT: f64 = 0.02;

/// What is known of the improvement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Improvement {
    /// One row a seed.
    pub starts: Vec<Start>,
    /// Figures while learning, one a metric and seed, over environment steps.
    pub monitors: Vec<Series>,
}

/// Where a seed began, and how low it fell: success rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The seed.
    pub seed: u64,
    /// Of the pretrained policy.
    pub base: f64,
    /// Of both together, before any update.
    pub start: f64,
    /// At the lowest point of the learning curve, this one included.
    pub lowest: f64,
}

impl Improvement {
    /// The standard deviation of the learned reward in practice at the end, over the seeds the
    /// smallest; none where no reward is learned.
    pub fn least_spread(&self) -> Option<f64> {
        let ends = self
            .monitors
            .iter()
            .filter(|series| series.name == "reward/std")
            .filter_map(|series| series.points.last());
        ends.map(|point| point.1).reduce(f64::min)
    }
}

/// The section.
pub fn section(improvement: &Improvement) -> String {
    let row = |Start {
                   seed,
                   base,
                   start,
                   lowest,
               }: &Start| {
        let cells = [
            seed.to_string(),
            percent(*base),
            percent(*start),
            percent(*lowest),
            points((lowest - base).min(0.0)),
        ];
        format!(
            "<tr>{}</tr>",
            cells
                .map(|cell| format!("<td>{}</td>", escape(&cell)))
                .concat()
        )
    };
    let rows: String = improvement.starts.iter().map(row).collect();
    let columns = [
        "seed",
        "pretrained policy",
        "both, before any update",
        "lowest point",
        "largest drop",
    ];
    let mut names: Vec<&str> = improvement
        .monitors
        .iter()
        .map(|series| series.name.as_str())
        .collect();
    names.dedup();
    names.sort_unstable();
    names.dedup();
    let one = |name: &&str| {
        let own = improvement
            .monitors
            .iter()
            .filter(|series| series.name == **name && series.points.len() > 1);
        let seeds: Vec<_> = own.map(|series| thin(&series.points)).collect();
        if seeds.is_empty() {
            String::new()
        } else {
            figure(
                name,
                "",
                &plot::loss(
                    name,
                    &seeds,
                    Size {
                        width: 280.0,
                        height: 190.0,
                    },
                ),
            )
        }
    };
    let figures: String = names.iter().map(one).collect();
    format!(
        "<section><h2>Improvement</h2>{}<p class=\"note\">{}</p>\
         <div class=\"multiples\">{figures}</div></section>",
        table("Where each seed began", "", &columns, &rows),
        escape(&verdict(improvement)),
    )
}

/// What the spread of the learned reward says.
fn verdict(improvement: &Improvement) -> String {
    match improvement.least_spread() {
        None => "Against environment steps; one line a seed.".to_owned(),
        Some(spread) if spread < CONSTANT => format!(
            "The learned reward is all but constant in practice (standard deviation {}): it \
             teaches nothing. Raise finetune.csil.actor.variance_floor, or demos.noise. Against \
             environment steps; one line a seed.",
            short(spread)
        ),
        Some(spread) => format!(
            "The learned reward varies in practice, with a standard deviation of {} at the end. \
             Against environment steps; one line a seed.",
            short(spread)
        ),
    }
}
