//! The section of one task: where each arm ends, how it gets there, and whether they differ.

use super::super::Outcome;
use super::super::canvas::{GREY, SERIES};
use super::super::html::{escape, percent, plural, short};
use super::super::parts::{both, figure, table};
use super::super::plot::{self, Line, Row};
use super::data::{Group, Point, SweepRun, named, values, varying};
use super::markdown::{keeps_another, mean_cell};
use super::{grid, pairs};
use protege_core::run::stats::{common_grid, curve_over_seeds, mean, t_interval};

/// Lines of one plot: as many as there are colors.
const LINES: usize = SERIES.len();
/// Arms that are drawn as rows of one plot; the table has all.
const ROWS: usize = 40;
/// Arms of one plot up to which the seeds are drawn, too.
const WITH_SEEDS: usize = 3;
/// Letters that there is room for beside plots on narrow screens.
const SHORT: usize = 17;
/// A plot of this width is one for narrow screens.
const NARROW: f64 = 500.0;

/// An arm under the name and the number that it has in this section.
pub struct Arm<'a> {
    /// From 1 on.
    pub number: usize,
    /// The values of what differs within the task.
    pub name: String,
    /// Its runs.
    pub group: Group<'a>,
    /// Its place among the colors; the lines of one plot have different ones.
    colour: usize,
    /// Whether names are so long that numbers stand for them where there is little room.
    has_long: bool,
}

impl Arm<'_> {
    /// The name as the head of a table's row.
    pub fn head(&self) -> String {
        let number = match self.has_long {
            true => format!("{} · ", self.number),
            false => String::new(),
        };
        format!(
            "<span class=\"key c{}\">{number}{}</span>",
            self.colour,
            escape(&self.name)
        )
    }
}

/// What stands for arms in a plot: their names by these dimensions, or their numbers where one has
/// more than so many letters.
fn labels(arms: &[&Arm], keys: &[&str], letters: usize) -> Vec<String> {
    let names: Vec<String> = arms.iter().map(|arm| named(&arm.group, keys)).collect();
    match names.iter().all(|name| name.chars().count() <= letters) {
        true => names,
        false => arms.iter().map(|arm| arm.number.to_string()).collect(),
    }
}

/// What the numbers in a plot stand for; nothing where there are none.
fn legend(arms: &[&Arm], labels: &[String]) -> String {
    let is_numbered = arms
        .iter()
        .zip(labels)
        .any(|(arm, label)| *label == arm.number.to_string());
    if !is_numbered {
        return String::new();
    }
    let keys: String = arms.iter().map(|arm| arm.head()).collect();
    format!("<p class=\"legend\">{keys}</p>")
}

/// The section.
pub fn section(task: &str, groups: &[Group]) -> String {
    let arms = arms(groups);
    let parts = [
        leader(&arms),
        rates(&arms),
        curves(&arms),
        figures(&arms),
        grid::section(&arms),
        pairs::section(&arms),
    ];
    format!(
        "<section><h2>{}</h2>{}</section>",
        escape(task),
        parts.concat()
    )
}

fn arms<'a>(groups: &[Group<'a>]) -> Vec<Arm<'a>> {
    let keys = varying(groups);
    let names: Vec<String> = groups.iter().map(|group| named(group, &keys)).collect();
    let has_long = names.iter().any(|name| name.chars().count() > SHORT);
    let arms = groups.iter().zip(names).enumerate();
    let mut arms: Vec<Arm> = arms
        .map(|(i, (group, name))| Arm {
            number: i + 1,
            name,
            group: group.clone(),
            colour: 0,
            has_long,
        })
        .collect();
    let mut colours = vec![0; arms.len()];
    for (_, drawn) in panels(arms.iter().collect()) {
        let places = drawn.iter().enumerate();
        places.for_each(|(place, arm)| colours[arm.number - 1] = place);
    }
    let both = arms.iter_mut().zip(colours);
    both.for_each(|(arm, colour)| arm.colour = colour);
    arms
}

/// Which arm ends highest.
fn leader(arms: &[Arm]) -> String {
    let best = arms
        .iter()
        .max_by(|a, b| a.group.mean_score().total_cmp(&b.group.mean_score()));
    let Some(best) = best.filter(|_| arms.len() > 1) else {
        return String::new();
    };
    let sentence = format!(
        "Highest at the end: {}, {} over {}.",
        best.name,
        percent(best.group.mean_score()),
        plural(best.group.runs.len(), "seed")
    );
    format!("<p class=\"lede\">{}</p>", escape(&sentence))
}

/// A mean over seeds as a dot with its interval, where there are three.
fn outcome(values: &[f64]) -> Option<Outcome> {
    if values.is_empty() {
        return None;
    }
    let success = mean(values);
    let interval = t_interval(values).filter(|_| values.len() > 2);
    Some(Outcome {
        success,
        low: interval.map_or(success, |found| found.interval.low.max(0.0)),
        high: interval.map_or(success, |found| found.interval.high.min(1.0)),
        episodes: 0,
    })
}

fn rates(arms: &[Arm]) -> String {
    if arms.len() > ROWS {
        return String::new();
    }
    let all: Vec<&Arm> = arms.iter().collect();
    let groups: Vec<Group> = arms.iter().map(|arm| arm.group.clone()).collect();
    let keys = varying(&groups);
    let row = |(arm, name): (&&Arm, &String)| {
        let before: Vec<f64> = arm
            .group
            .runs
            .iter()
            .filter_map(|run| Some(run.before()?.success))
            .collect();
        let marks = [
            outcome(&before).map(|found| (found, GREY)),
            outcome(&arm.group.score_values()).map(|found| (found, SERIES[arm.colour])),
        ];
        Row {
            name: name.clone(),
            marks: marks.into_iter().flatten().collect(),
        }
    };
    figure(
        "Where each ends",
        "Mean over seeds of the final success (the last three points of the curve), with a 95% \
         interval (t) from three seeds on; grey is the pretrained policy.",
        &both(|width| {
            let labels = labels(&all, &keys, if width < NARROW { 21 } else { 48 });
            let rows: Vec<Row> = all.iter().zip(&labels).map(row).collect();
            legend(&all, &labels) + &plot::rates(&rows, width)
        }),
    )
}

fn curves(arms: &[Arm]) -> String {
    let mut panels = panels(arms.iter().collect());
    for (_, arms) in &mut panels {
        arms.retain(|arm| !arm.group.curves().is_empty());
    }
    panels.retain(|(_, arms)| !arms.is_empty());
    let has_seeds = panels.iter().any(|(_, arms)| arms.len() <= WITH_SEEDS);
    let note = format!(
        "The mean over seeds with its 95% bootstrap interval{}. Curves begin with the pretrained \
         policy, or with what learned before any update; environment steps are control steps.",
        if has_seeds {
            "; thin lines are the seeds"
        } else {
            ""
        }
    );
    let mut text = String::new();
    for (i, (heading, arms)) in panels.iter().enumerate() {
        let heading = match &heading[..] {
            "" => "Success in practice".to_owned(),
            heading => format!("Success in practice: {heading}"),
        };
        text += &panel(&heading, if i == 0 { &note } else { "" }, arms);
    }
    text
}

/// Arms in plots of at most as many lines as there are colors, by what differs first.
fn panels<'a, 'b>(arms: Vec<&'a Arm<'b>>) -> Vec<(String, Vec<&'a Arm<'b>>)> {
    if arms.is_empty() {
        return Vec::new();
    }
    if arms.len() <= LINES {
        return vec![(String::new(), arms)];
    }
    let groups: Vec<Group> = arms.iter().map(|arm| arm.group.clone()).collect();
    let keys = varying(&groups);
    let Some(key) = keys.first().filter(|_| keys.len() > 1) else {
        let count = arms.len().div_ceil(LINES);
        let parts = arms.chunks(arms.len().div_ceil(count)).enumerate();
        let one = |(i, part): (usize, &[&'a Arm<'b>])| {
            let name = format!("part {} of {count}", i + 1);
            (name, part.to_vec())
        };
        return parts.map(one).collect();
    };
    let mut all = Vec::new();
    for value in values(&groups, key) {
        let own: Vec<&Arm> = arms
            .iter()
            .copied()
            .filter(|arm| arm.group.label(key) == Some(value))
            .collect();
        let name = own.first().map(|arm| named(&arm.group, &[key]));
        let name = name.unwrap_or_default();
        for (inner, arms) in panels(own) {
            let heading = match &inner[..] {
                "" => name.clone(),
                inner => format!("{name}, {inner}"),
            };
            all.push((heading, arms));
        }
    }
    all
}

fn panel(heading: &str, note: &str, arms: &[&Arm]) -> String {
    let has_seeds = arms.len() <= WITH_SEEDS;
    let line = |(arm, name): (&&Arm, &String)| {
        let seeds = arm.group.curves();
        Line {
            name: name.clone(),
            colour: SERIES[arm.colour],
            mean: curve_over_seeds(std::slice::from_ref(&seeds), &common_grid(&seeds), 0),
            seeds: if has_seeds && seeds.len() > 1 {
                seeds
            } else {
                Vec::new()
            },
        }
    };
    let groups: Vec<Group> = arms.iter().map(|arm| arm.group.clone()).collect();
    let keys = varying(&groups);
    let svg = both(|width| {
        let labels = labels(arms, &keys, if width < NARROW { SHORT } else { 38 });
        let lines: Vec<Line> = arms.iter().zip(&labels).map(line).collect();
        legend(arms, &labels) + &plot::curves(&lines, width)
    });
    figure(heading, note, &svg)
}

/// A figure of a run; none where it has none.
type Figure<'a> = &'a dyn Fn(&SweepRun) -> Option<f64>;

fn figures(arms: &[Arm]) -> String {
    let success = |of: fn(&SweepRun) -> Option<&Point>| {
        move |run: &SweepRun| of(run).map(|point| point.success)
    };
    let columns: [(&str, Figure); 6] = [
        ("before", &success(SweepRun::before)),
        ("before any update", &success(SweepRun::start)),
        ("lowest", &success(SweepRun::lowest)),
        ("last", &success(SweepRun::last)),
        ("final", &SweepRun::final_success),
        ("kept", &success(SweepRun::kept)),
    ];
    let cells = |arm: &Arm, figure: Figure| {
        let runs = arm.group.runs.iter();
        let percents: Vec<f64> = runs.filter_map(|run| Some(100.0 * figure(run)?)).collect();
        let each: Vec<String> = percents.iter().map(|value| format!("{value:.0}")).collect();
        mean_cell(&percents).map(|mean| match each.len() {
            0 | 1 => mean,
            _ => format!("{mean}<br><small>{}</small>", each.join(", ")),
        })
    };
    let groups: Vec<Group> = arms.iter().map(|arm| arm.group.clone()).collect();
    let is_apart = keeps_another(&groups);
    let filled: Vec<_> = columns
        .iter()
        .filter(|(name, _)| *name != "kept" || is_apart)
        .filter(|(_, figure)| arms.iter().any(|arm| cells(arm, figure).is_some()))
        .collect();
    let row = |arm: &Arm| {
        let others = filled.iter().map(|(_, figure)| {
            let cell = cells(arm, figure);
            format!("<td>{}</td>", cell.unwrap_or_else(|| "–".to_owned()))
        });
        let steps: Vec<f64> = arm
            .group
            .runs
            .iter()
            .filter_map(|run| Some(run.control_steps()? as f64))
            .collect();
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td>{}<td>{}</td></tr>",
            arm.head(),
            arm.group.runs.len(),
            others.collect::<String>(),
            short(mean(&steps).round())
        )
    };
    let rows: String = arms.iter().map(row).collect();
    let names = filled.iter().map(|(name, _)| *name);
    let names: Vec<&str> = ["", "seeds"]
        .into_iter()
        .chain(names)
        .chain(["control steps"])
        .collect();
    format!(
        "<h3 class=\"later\">Figures</h3>{}\n<p class=\"note\">Means over seeds with 95% intervals \
         (t) from three seeds on; below them, each seed. Final: the mean of the last three points \
         of the curve. Kept, where it is not the last: the agent that the run gives as its \
         result. Lowest: each seed’s lowest point. Control steps: the mean of the seeds.</p>",
        table("Figures by arm", "sweep", &names, &rows)
    )
}
