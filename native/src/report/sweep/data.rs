//! The runs of a sweep as plain data, and the figures of each.

use protege_core::run::stats::{self, Curve, area_under, final_success, mean, steps_to};
use serde::{Deserialize, Serialize};

/// What an evaluation measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PointKind {
    /// The pretrained policy.
    Before,
    /// What learned, as it was at that step.
    Curve,
    /// What the run gave as its result, where that is not the last point.
    Kept,
}

impl PointKind {
    /// All, in the order of a run.
    pub const ALL: [Self; 3] = [Self::Before, Self::Curve, Self::Kept];

    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Curve => "curve",
            Self::Kept => "kept",
        }
    }
}

/// One evaluation of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// What it measured.
    pub kind: PointKind,
    /// Decisions of practice by then; none where nobody counted them.
    pub decisions: Option<u64>,
    /// Control steps of practice by then; none where nobody counted them.
    pub control_steps: Option<u64>,
    /// Successes over episodes.
    pub success: f64,
    /// Episodes; none where nobody wrote them down.
    pub episodes: Option<u64>,
}

/// One run that has finished.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepRun {
    /// Dimension and value, as results are grouped by; all runs have the same dimensions.
    pub labels: Vec<(String, String)>,
    /// The seed.
    pub seed: u64,
    /// Every evaluation, in order.
    pub points: Vec<Point>,
}

impl SweepRun {
    /// The evaluations of one kind.
    fn of(&self, kind: PointKind) -> impl DoubleEndedIterator<Item = &Point> {
        self.points.iter().filter(move |point| point.kind == kind)
    }

    /// The pretrained policy.
    pub fn before(&self) -> Option<&Point> {
        self.of(PointKind::Before).next()
    }

    /// What learned, before any update; none where the curve begins later.
    pub fn start(&self) -> Option<&Point> {
        self.of(PointKind::Curve)
            .find(|point| point.control_steps == Some(0))
    }

    /// The lowest point of the curve.
    pub fn lowest(&self) -> Option<&Point> {
        self.of(PointKind::Curve)
            .min_by(|a, b| a.success.total_cmp(&b.success))
    }

    /// The highest point of the curve, of equal ones the first.
    pub fn best(&self) -> Option<&Point> {
        self.of(PointKind::Curve)
            .rev()
            .max_by(|a, b| a.success.total_cmp(&b.success))
    }

    /// The last point of the curve.
    pub fn last(&self) -> Option<&Point> {
        self.of(PointKind::Curve).next_back()
    }

    /// The agent that the run ends with: the one that was chosen, else the last, else the
    /// pretrained policy.
    pub fn kept(&self) -> Option<&Point> {
        let chosen = self.of(PointKind::Kept).next();
        chosen.or_else(|| self.last()).or_else(|| self.before())
    }

    /// The mean of the last three points of the curve; none without a curve.
    pub fn final_success(&self) -> Option<f64> {
        let curve = self.of(PointKind::Curve).map(|point| (0.0, point.success));
        final_success(&curve.collect::<Vec<_>>())
    }

    /// What arms are compared by: where the curve ends, or the pretrained policy where there is no
    /// practice.
    pub fn score(&self) -> Option<f64> {
        self.final_success().or_else(|| Some(self.kept()?.success))
    }

    /// Success over control steps: it begins with what learned, or else with the pretrained policy.
    pub fn curve(&self) -> Curve {
        let begins = self.start().is_none();
        let before = self.before().filter(|_| begins);
        let points = before.into_iter().chain(self.of(PointKind::Curve));
        points
            .filter_map(|point| Some((point.control_steps? as f64, point.success)))
            .collect()
    }

    /// Control steps of practice, as far as they were counted.
    pub fn control_steps(&self) -> Option<u64> {
        self.points.iter().filter_map(|p| p.control_steps).max()
    }

    /// Decisions of practice, as far as they were counted.
    pub fn decisions(&self) -> Option<u64> {
        self.points.iter().filter_map(|p| p.decisions).max()
    }
}

/// Runs that differ in their seed alone.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// Dimension and value.
    pub labels: &'a [(String, String)],
    /// Its runs, by seed.
    pub runs: Vec<&'a SweepRun>,
}

impl Group<'_> {
    /// The task.
    pub fn task(&self) -> &str {
        self.label("task").unwrap_or_default()
    }

    /// The value of a dimension.
    pub fn label(&self, key: &str) -> Option<&str> {
        let mut labels = self.labels.iter();
        labels
            .find(|(own, _)| own == key)
            .map(|(_, value)| &value[..])
    }

    /// A figure of each run that has it, in percent.
    pub fn percents(&self, figure: fn(&SweepRun) -> Option<f64>) -> Vec<f64> {
        let runs = self.runs.iter();
        runs.filter_map(|run| Some(100.0 * figure(run)?)).collect()
    }

    /// The score of each run that has one, with its seed.
    pub fn scores(&self) -> Vec<(u64, f64)> {
        let runs = self.runs.iter();
        runs.filter_map(|run| Some((run.seed, run.score()?)))
            .collect()
    }

    /// The scores alone.
    pub fn score_values(&self) -> Vec<f64> {
        self.scores().into_iter().map(|(_, score)| score).collect()
    }

    /// The mean score; 0 of none.
    pub fn mean_score(&self) -> f64 {
        mean(&self.score_values())
    }

    /// The curves of the runs that have one.
    pub fn curves(&self) -> Vec<Curve> {
        let curves = self.runs.iter().map(|run| run.curve());
        curves.filter(|curve| curve.len() > 1).collect()
    }

    /// Successes and episodes of one point of each run, together; none where one of them was not
    /// counted.
    pub fn pooled(&self, point: fn(&SweepRun) -> Option<&Point>) -> Option<(usize, usize)> {
        let mut sum = (0, 0);
        for run in &self.runs {
            let point = point(run)?;
            let episodes = point.episodes?;
            sum.0 += (point.success * episodes as f64).round() as usize;
            sum.1 += usize::try_from(episodes).ok()?;
        }
        Some(sum)
    }

    /// The mean success in training, with its bootstrap interval over seeds; none without curves.
    pub fn area(&self) -> Option<stats::Estimate> {
        let curves = self.curves();
        let areas: Vec<f64> = curves.iter().map(|curve| area_under(curve)).collect();
        (!areas.is_empty()).then(|| stats::bootstrap(&[areas], mean, 0))
    }

    /// Control steps until each run's curve first reached 80%; none for one that never did.
    pub fn steps_to_80(&self) -> Vec<Option<f64>> {
        self.curves().iter().map(|c| steps_to(c, 0.8)).collect()
    }
}

/// The groups, in the order in which the runs name them first.
pub fn groups(runs: &[SweepRun]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group> = Vec::new();
    for run in runs {
        // Runs of a group mostly stand together.
        let mut latest_first = groups.iter_mut().rev();
        match latest_first.find(|group| group.labels == run.labels) {
            Some(group) => group.runs.push(run),
            None => groups.push(Group {
                labels: &run.labels,
                runs: vec![run],
            }),
        }
    }
    for group in &mut groups {
        group.runs.sort_by_key(|run| run.seed);
    }
    groups
}

/// The values of a dimension, in the order in which the groups name them first.
pub fn values<'a>(groups: &[Group<'a>], key: &str) -> Vec<&'a str> {
    let mut values = Vec::new();
    for group in groups {
        let found = group.labels.iter().find(|(own, _)| own == key);
        if let Some((_, value)) = found
            && !values.contains(&&value[..])
        {
            values.push(&value[..]);
        }
    }
    values
}

/// The dimensions in which the groups differ.
pub fn varying<'a>(groups: &[Group<'a>]) -> Vec<&'a str> {
    let all = groups.first().map_or(&[][..], |group| group.labels);
    let keys = all.iter().map(|(key, _)| &key[..]);
    keys.filter(|key| values(groups, key).len() > 1).collect()
}

/// A dimension as people call it: `pretrain` for `pretrain.method`, and of a setting its last word.
pub fn short_key(key: &str) -> &str {
    let key = key.strip_suffix(".method").unwrap_or(key);
    key.rsplit('.').next().unwrap_or(key)
}

/// A group in words, by these dimensions: `BC, magnitude 1.5`.
pub fn named(group: &Group, keys: &[&str]) -> String {
    let word = |key: &&str| {
        let value = group.label(key)?;
        let is_number = value.parse::<f64>().is_ok() || ["true", "false"].contains(&value);
        Some(match is_number {
            true => format!("{} {value}", short_key(key)),
            false => crate::report::html::method(value).to_owned(),
        })
    };
    let words: Vec<String> = keys.iter().filter_map(word).collect();
    match words.is_empty() {
        true => "all runs".to_owned(),
        false => words.join(", "),
    }
}
