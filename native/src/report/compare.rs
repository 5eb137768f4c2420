//! The page that puts several runs beside each other.

use super::canvas::{GREY, SERIES};
use super::html::{count, duration, escape, json, percent, percent_range, plural, points, short};
use super::parts::{self, both, figure, shell};
use super::plot::{self, Line, Row};
use super::sections::line;
use super::videos::Videos;
use super::{Outcome, Report, methods, page};
use protege_core::run::stats::{
    EXACT_RANK_TEST, Estimate, area_under, bootstrap, difference, iqm, mean,
    probability_of_improvement, rank_test, steps_to,
};

/// A run under the name it has on this page.
struct Entry<'a> {
    name: String,
    colour: usize,
    report: &'a Report,
}

/// The page of several runs: for each task, success rates, learning curves, a table, and a test of
/// every pair.
pub fn render(reports: &[Report]) -> String {
    let names = names(reports);
    let mut tasks: Vec<&str> = Vec::new();
    for report in reports {
        if !tasks.contains(&report.task.as_str()) {
            tasks.push(&report.task);
        }
    }
    let sections: String = tasks
        .iter()
        .map(|task| section(task, &entries(reports, &names, task)))
        .collect();
    let title = format!("{} compared", plural(reports.len(), "run"));
    let head =
        format!(r#"<header><p class="over">protege · comparison</p><h1>{title}</h1></header>"#);
    // Losses and action plots are not shown here; each run's own page has them.
    let data: Vec<Report> = reports
        .iter()
        .map(|report| Report {
            losses: Vec::new(),
            action_plot: None,
            videos: Videos::None,
            ..report.clone()
        })
        .collect();
    page(
        &title,
        &format!("{head}{sections}{}", commands(reports, &names)),
        &json(&data),
    )
}

/// A name for each run: its methods, and what else it takes to tell it from the others.
fn names(reports: &[Report]) -> Vec<String> {
    let base = |r: &Report| methods(r);
    let with_demos = |r: &Report| format!("{}, {}", methods(r), plural(r.demos, "demo"));
    let twins = |of: &dyn Fn(&Report) -> String, r: &Report| {
        reports
            .iter()
            .filter(|o| o.task == r.task && of(o) == of(r))
            .count()
            > 1
    };
    let mut names: Vec<String> = Vec::new();
    for (i, report) in reports.iter().enumerate() {
        let name = if twins(&base, report) {
            with_demos(report)
        } else {
            base(report)
        };
        names.push(if twins(&with_demos, report) {
            format!("{name} ({})", i + 1)
        } else {
            name
        });
    }
    names
}

fn entries<'a>(reports: &'a [Report], names: &[String], task: &str) -> Vec<Entry<'a>> {
    let of_task = reports
        .iter()
        .zip(names)
        .filter(|(report, _)| report.task == task)
        .enumerate();
    of_task
        .map(|(colour, (report, name))| Entry {
            name: name.clone(),
            colour,
            report,
        })
        .collect()
}

fn section(task: &str, entries: &[Entry]) -> String {
    let parts = [
        leader(entries),
        rates(entries),
        curves(entries),
        table(entries),
        tests(entries),
    ]
    .concat();
    format!("<section><h2>{}</h2>{parts}</section>", escape(task))
}

/// Which run ends highest.
fn leader(entries: &[Entry]) -> String {
    let Some(best) = entries
        .iter()
        .max_by(|a, b| a.report.after.success.total_cmp(&b.report.after.success))
    else {
        return String::new();
    };
    let Outcome {
        success,
        low,
        high,
        episodes,
    } = &best.report.after;
    let rate = percent(*success);
    let range = percent_range(*low, *high);
    let sentence = format!(
        "Highest success: {} with {rate} (95% interval {range}, {}).",
        best.name,
        plural(*episodes, "episode")
    );
    format!(r#"<p class="lede">{}</p>"#, escape(&sentence))
}

fn rates(entries: &[Entry]) -> String {
    let mark = |e: &Entry| {
        vec![
            (e.report.before.clone(), GREY),
            (e.report.after.clone(), SERIES[e.colour % SERIES.len()]),
        ]
    };
    let rows: Vec<Row> = entries
        .iter()
        .map(|e| Row {
            name: e.name.clone(),
            marks: mark(e),
        })
        .collect();
    figure(
        "Success before and after finetuning",
        "With 95% Wilson intervals; grey is before.",
        &both(|width| plot::rates(&rows, width)),
    )
}

fn curves(entries: &[Entry]) -> String {
    let lines: Vec<Line> = entries
        .iter()
        .map(|e| line(e.report, e.name.clone(), e.colour, false))
        .filter(|l| !l.mean.is_empty())
        .collect();
    if lines.is_empty() {
        return String::new();
    }
    let note = "The mean over seeds and its 95% bootstrap interval.";
    figure(
        "Success against environment steps",
        note,
        &both(|width| plot::curves(&lines, width)),
    )
}

fn table(entries: &[Entry]) -> String {
    let rows: String = entries.iter().map(row).collect();
    let columns = [
        "run",
        "demos",
        "seeds",
        "before",
        "after",
        "IQM over seeds",
        "mean in training",
        "steps to 80%",
        "env steps",
        "wall time",
    ];
    format!(
        "<h3 class=\"later\">Figures</h3>{}\n\
         <p class=\"note\">IQM: the interquartile mean of the seeds’ success after finetuning, \
         with its 95% bootstrap interval.\n\
         Mean in training: the area under the learning curve.</p>",
        parts::table("Figures by run", "", &columns, &rows)
    )
}

fn row(entry: &Entry) -> String {
    let report = entry.report;
    let curves = || {
        report
            .curves
            .iter()
            .map(|c| &c.points)
            .filter(|c| !c.is_empty())
    };
    let reached: Vec<f64> = curves().filter_map(|c| steps_to(c, 0.8)).collect();
    let steps = if reached.len() < curves().count() || reached.is_empty() {
        "–".to_string()
    } else {
        short(mean(&reached).round())
    };
    let area = if curves().count() == 0 {
        "–".to_string()
    } else {
        percent(mean(&curves().map(|c| area_under(c)).collect::<Vec<_>>()))
    };
    format!(
        "<tr><th scope=\"row\"><span class=\"key c{}\">{}</span></th><td>{}</td><td>{}</td>\
         <td>{}</td><td><b>{}</b></td>\n\
         <td>{}</td><td>{area}</td><td>{steps}</td><td>{}</td><td>{}</td></tr>",
        entry.colour % SERIES.len(),
        escape(&entry.name),
        report.demos,
        report.seeds.len(),
        percent(report.before.success),
        percent(report.after.success),
        over_seeds(&bootstrap(&[scores(report)], iqm, 0)),
        count(report.env_steps),
        duration(report.wall_s)
    )
}

fn over_seeds(estimate: &Estimate) -> String {
    format!(
        "{} <small>{}</small>",
        percent(estimate.value),
        percent_range(estimate.interval.low, estimate.interval.high)
    )
}

/// Each seed's success after finetuning.
fn scores(report: &Report) -> Vec<f64> {
    report
        .per_seed
        .iter()
        .map(|row| row.after.success)
        .collect()
}

fn tests(entries: &[Entry]) -> String {
    let pairs = entries
        .iter()
        .enumerate()
        .flat_map(|(i, a)| entries[i + 1..].iter().map(move |b| (a, b)));
    let rows: String = pairs.map(|(a, b)| pair(a, b)).collect();
    if rows.is_empty() {
        return String::new();
    }
    let columns = [
        "second against first",
        "difference in points",
        "probability of improvement",
        "p over seeds",
        "verdict",
    ];
    format!(
        "<h3 class=\"later\">Is the difference real?</h3>{}\n\
         <p class=\"note\">Difference: success after finetuning over all episodes, with Newcombe’s \
         95% interval. Probability of improvement:\n\
         how often a seed of the second run beats one of the first, with its 95% bootstrap \
         interval. p: Mann-Whitney test over seeds, exact up to {EXACT_RANK_TEST} of both runs\n\
         together; it needs at least four seeds a side to go below 0.05. The tests are not \
         corrected for their number.</p>",
        parts::table("Tests of every pair", "tests", &columns, &rows)
    )
}

fn pair(a: &Entry, b: &Entry) -> String {
    let change = difference(a.report.after.counts(), b.report.after.counts());
    let chance = probability_of_improvement(&scores(a.report), &scores(b.report), 0);
    let by_episodes = !change.interval.contains(0.0);
    let p = rank_test(&scores(a.report), &scores(b.report));
    let better = if change.value > 0.0 { b } else { a };
    let verdict = match (by_episodes, p <= 0.05) {
        (true, true) => format!("{} is better", better.name),
        (true, false) => format!("{} leads, but seeds are few or vary", better.name),
        _ => "not decided".to_string(),
    };
    format!(
        "<tr><th scope=\"row\"><span class=\"key c{}\">{}</span>\
         <br><span class=\"key c{}\">{}</span></th>\n\
         <td><b>{}</b> <small>{} to {}</small></td><td>{}</td><td>{p:.3}</td>\
         <td class=\"words\">{}</td></tr>",
        a.colour % SERIES.len(),
        escape(&a.name),
        b.colour % SERIES.len(),
        escape(&b.name),
        points(change.value),
        points(change.interval.low),
        points(change.interval.high),
        over_seeds(&chance),
        escape(&verdict)
    )
}

fn commands(reports: &[Report], names: &[String]) -> String {
    let one = |(report, name): (&Report, &String)| {
        format!(
            "<li>{}, preset {}{}</li>",
            escape(name),
            escape(&report.preset),
            shell(&report.command)
        )
    };
    let items: String = reports.iter().zip(names).map(one).collect();
    format!(r#"<section><h2>Reproduce</h2><ul class="next">{items}</ul></section>"#)
}
