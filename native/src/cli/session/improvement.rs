//! What the metrics of a run say of a small policy that learned beside the pretrained one.

use crate::cli::plan::{Folder, Plan};
use crate::files::metrics::{Line, read_metrics};
use crate::report::Series;
use crate::report::improvement::{Improvement, Start};
use protege_core::Result;

/// The figures that the report shows.
const MONITORS: [&str; 7] = [
    "policy/kl",
    "reward/clipped",
    "reward/demos",
    "reward/failures",
    "reward/practice",
    "reward/std",
    "reward/successes",
];

/// Of all seeds of a run.
///
/// # Errors
/// When a seed's metrics cannot be read.
pub fn of_run(folder: &Folder, plan: &Plan) -> Result<Improvement> {
    let mut improvement = Improvement {
        starts: Vec::new(),
        monitors: Vec::new(),
    };
    for &seed in &plan.seeds {
        let lines = read_metrics(&folder.seed(seed))?;
        improvement.starts.extend(start(seed, &lines));
        improvement.monitors.extend(MONITORS.map(|name| Series {
            name: name.to_owned(),
            seed,
            points: series(&lines, name),
        }));
    }
    Ok(improvement)
}

/// The evaluations of a seed: the first is the pretrained policy's, the second that of both
/// together before any update.
fn start(seed: u64, lines: &[Line]) -> Option<Start> {
    let evaluations: Vec<f64> = series(lines, "eval/success")
        .into_iter()
        .map(|point| point.1)
        .collect();
    let (&base, later) = evaluations.split_first()?;
    let lowest = later.iter().copied().reduce(f64::min)?;
    Some(Start {
        seed,
        base,
        start: later[0],
        lowest,
    })
}

/// A metric over environment steps.
fn series(lines: &[Line], name: &str) -> Vec<(f64, f64)> {
    let point = |line: &Line| Some((line.step as f64, (*line.values.get(name)?)?));
    lines.iter().filter_map(point).collect()
}
