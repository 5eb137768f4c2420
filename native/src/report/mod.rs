//! Reports: one self-contained HTML page per run, and one that compares several.
//!
//! A page needs no network and no other file: styles and plots are inside, and so are the numbers,
//! as JSON in the element `report-data`. Everything here is plain data in and a string out.

mod action_plot;
mod axes;
mod canvas;
pub mod compare;
mod html;
pub mod improvement;
mod loglog;
mod parts;
mod plot;
mod sections;
pub mod sweep;
pub mod theory;
pub mod videos;
pub mod world;

use html::{escape, method};
use protege_core::run::stats::{Curve, wilson};
use serde::{Deserialize, Serialize};

/// All that the page of a run shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// `suite/name`.
    pub task: String,
    /// Pretraining method (`bc`, `post-bc`, ...).
    pub pretrain: String,
    /// Finetuning method, or `none`.
    pub finetune: String,
    /// The preset that the configuration started from.
    pub preset: String,
    /// Every seed of the run.
    pub seeds: Vec<u64>,
    /// Demonstrations per seed.
    pub demos: usize,
    /// Success after pretraining, over all seeds.
    pub before: Outcome,
    /// Success after finetuning, over all seeds.
    pub after: Outcome,
    /// The same counted at the last step of episodes that go on after a success; none where the
    /// first success ends them.
    #[serde(default)]
    pub at_end: Option<AtEnd>,
    /// Simulator control steps spent on finetuning, over all seeds.
    pub env_steps: u64,
    /// What the agent chose in them: action chunks.
    pub decisions: u64,
    /// Seconds from start to end.
    pub wall_s: f64,
    /// Success during finetuning.
    pub curves: Vec<SeedCurve>,
    /// Losses of all stages, named as in the metrics (`loss/actor`).
    pub losses: Vec<Series>,
    /// Where BC and PostBC put their actions; absent when it was not measured.
    #[serde(rename = "portrait")]
    pub action_plot: Option<ActionPlot>,
    /// How good the world model is; absent where there is none.
    #[serde(default)]
    pub world: Option<world::World>,
    /// Where a small policy that learns beside the pretrained one began, and its rewards; absent
    /// where there is none.
    #[serde(default)]
    pub improvement: Option<improvement::Improvement>,
    /// Videos of episodes; pictures are no numbers, so the page's data leaves them out.
    #[serde(skip)]
    pub videos: videos::Videos,
    /// One row a seed.
    pub per_seed: Vec<SeedRow>,
    /// The resolved configuration.
    pub config_toml: String,
    /// The command line that repeats the run.
    pub command: String,
    /// The program's version, and whatever else names the software.
    pub version: String,
    /// What is to be known of the results, in sentences.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// A success rate with its 95% Wilson interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Successes over episodes, in [0, 1].
    pub success: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Episodes.
    pub episodes: usize,
}

impl Outcome {
    /// The outcome of `episodes` episodes of which `successes` succeeded.
    pub fn new(successes: usize, episodes: usize) -> Self {
        let interval = wilson(successes, episodes);
        Self {
            success: successes as f64 / episodes.max(1) as f64,
            low: interval.low,
            high: interval.high,
            episodes,
        }
    }

    /// (successes, episodes).
    pub fn counts(&self) -> (usize, usize) {
        (
            (self.success * self.episodes as f64).round() as usize,
            self.episodes,
        )
    }
}

/// How often episodes that were played on to the horizon ended in success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AtEnd {
    /// After pretraining.
    pub before: Outcome,
    /// After finetuning.
    pub after: Outcome,
}

/// One seed's learning curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedCurve {
    /// The seed.
    pub seed: u64,
    /// (environment steps, success in [0, 1]), steps ascending.
    pub points: Curve,
}

/// A named series of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// The metric's name.
    pub name: String,
    /// The seed.
    pub seed: u64,
    /// (step, value), steps ascending.
    pub points: Vec<(f64, f64)>,
}

/// The actions of BC and PostBC, both trained on the same demonstrations, at the same states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionPlot {
    /// The names of the two action components shown.
    pub axes: [String; 2],
    /// A few states, from those in the demonstrations to those far away.
    pub states: Vec<ActionPlotState>,
    /// The spread of the actions along a demonstration.
    pub spread: Vec<SpreadPoint>,
}

/// Sampled actions at one state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionPlotState {
    /// Says in a few words what state it is.
    pub label: String,
    /// The demonstrator's action.
    pub demo: [f32; 2],
    /// Actions drawn from the policy of plain behavioral cloning.
    pub bc: Vec<[f32; 2]>,
    /// Actions drawn from the policy of posterior behavioral cloning.
    pub post_bc: Vec<[f32; 2]>,
}

/// The standard deviation of both policies' actions at one step of a demonstration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpreadPoint {
    /// Step of the demonstration.
    pub step: f64,
    /// Of plain behavioral cloning.
    pub bc: f64,
    /// Of posterior behavioral cloning.
    pub post_bc: f64,
}

/// One seed's results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedRow {
    /// The seed.
    pub seed: u64,
    /// Demonstrations that it, or the policy that it began with, learned from.
    pub demos: usize,
    /// Success after pretraining.
    pub before: Outcome,
    /// Success after finetuning.
    pub after: Outcome,
    /// Both at the last step, where episodes go on after a success.
    #[serde(default)]
    pub at_end: Option<AtEnd>,
    /// Simulator control steps spent on finetuning.
    pub env_steps: u64,
    /// Seconds.
    pub wall_s: f64,
    /// Whether each evaluation episode after finetuning succeeded, in the order of their ends; may
    /// be empty.
    #[serde(default)]
    pub outcomes: Vec<bool>,
}

/// The page of one run. Loss curves are thinned to what can be seen; the run's metrics hold every
/// point.
pub fn render(report: &Report) -> String {
    let title = format!("{}: {}", report.task, methods(report));
    let losses = report
        .losses
        .iter()
        .map(|series| Series {
            points: parts::thin(&series.points),
            ..series.clone()
        })
        .collect();
    let report = Report {
        losses,
        ..report.clone()
    };
    page(&title, &sections::body(&report), &html::json(&report))
}

/// `PostBC → DSRL`.
fn methods(report: &Report) -> String {
    if report.finetune == "none" {
        return format!("{}, no finetuning", method(&report.pretrain));
    }
    format!(
        "{} → {}",
        method(&report.pretrain),
        method(&report.finetune)
    )
}

/// A whole page around a body. `body` and `data` are already safe, `title` is not.
fn page(title: &str, body: &str, data: &str) -> String {
    format!(
        include_str!("page.html"),
        title = escape(title),
        style = include_str!("style.css"),
        body = body,
        data = data
    )
}

#[cfg(test)]
mod tests;
