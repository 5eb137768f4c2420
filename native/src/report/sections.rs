//! The sections of a run's page, from top to bottom.

use super::canvas::{GREY, SERIES, Size};
use super::html::{count, duration, escape, method, percent, percent_range, plural, points, short};
use super::parts::{both, figure, shell, table};
use super::plot::{self, Line, Row};
use super::{Outcome, Report, SeedRow, action_plot, improvement, methods, videos, world};
use protege_core::finetune::best_of_n;
use protege_core::policy::PolicyKind;
use protege_core::pretrain::{bc, post_bc};
use protege_core::run::stats::{
    Curve, area_under, common_grid, curve_over_seeds, difference, mean, steps_to,
};

/// Everything between the page's edges.
pub fn body(report: &Report) -> String {
    let action_plot = report
        .action_plot
        .as_ref()
        .map(action_plot::section)
        .unwrap_or_default();
    let videos = videos::section(&report.videos);
    let world = report
        .world
        .as_ref()
        .map(world::section)
        .unwrap_or_default();
    let improvement = report
        .improvement
        .as_ref()
        .map(improvement::section)
        .unwrap_or_default();
    [
        head(report),
        learning(report),
        videos,
        world,
        improvement,
        action_plot,
        seeds(report),
        losses(report),
        next(report),
        reproduce(report),
    ]
    .concat()
}

/// The learning curve of a run, ready to be drawn under a name.
pub fn line(report: &Report, name: String, colour: usize, with_seeds: bool) -> Line {
    let seeds: Vec<Curve> = report
        .curves
        .iter()
        .map(|c| c.points.clone())
        .filter(|c| !c.is_empty())
        .collect();
    let mean = curve_over_seeds(std::slice::from_ref(&seeds), &common_grid(&seeds), 0);
    let seeds = if with_seeds && seeds.len() > 1 {
        seeds
    } else {
        Vec::new()
    };
    Line {
        name,
        colour: SERIES[colour % SERIES.len()],
        seeds,
        mean,
    }
}

/// Title, headline figures, facts.
fn head(report: &Report) -> String {
    let before = (report.finetune != "none").then_some((
        "before finetuning",
        "before",
        &report.before,
        GREY,
    ));
    let after = if before.is_some() {
        "after finetuning"
    } else {
        "after pretraining"
    };
    let stages: Vec<_> = before
        .into_iter()
        .chain([(after, "after", &report.after, SERIES[0])])
        .collect();
    let figures: Vec<String> = stages
        .iter()
        .map(|(name, class, outcome, _)| headline(class, outcome, name))
        .collect();
    let rows: Vec<Row> = stages
        .iter()
        .map(|(_, class, outcome, colour)| Row {
            name: class.to_string(),
            marks: vec![((*outcome).clone(), *colour)],
        })
        .collect();
    let facts = [
        (
            count(report.demos as u64),
            if report.demos == 1 {
                "demonstration"
            } else {
                "demonstrations"
            },
        ),
        (
            count(report.seeds.len() as u64),
            if report.seeds.len() == 1 {
                "seed"
            } else {
                "seeds"
            },
        ),
        (count(report.env_steps), "environment steps"),
        (count(report.decisions), "decisions"),
        (duration(report.wall_s), "wall time"),
    ];
    let facts: String = facts
        .iter()
        .map(|(value, name)| format!("<div><dt>{name}</dt><dd>{value}</dd></div>"))
        .collect();
    format!(
        r#"<header><p class="over">protege · preset {}</p>
<h1>{}</h1>
<p class="methods">{}</p></header>
<section class="headline"><h2 class="unseen">Success {}</h2>
<div class="figures">{}</div>
<p class="lede">{}</p>
{}
<p class="note">{}</p>
{}<dl class="facts">{facts}</dl></section>"#,
        escape(&report.preset),
        escape(&report.task),
        escape(&methods(report)),
        stages
            .iter()
            .map(|stage| stage.0)
            .collect::<Vec<_>>()
            .join(" and "),
        figures.join(r#"<span class="arrow" aria-hidden="true">→</span>"#),
        escape(&verdict(report)),
        both(|width| plot::rates(&rows, width)),
        escape(&counted(report)),
        notes(report),
    )
}

/// What is to be known of the results.
fn notes(report: &Report) -> String {
    let note = |note: &String| format!("<p class=\"note\">Note: {}.</p>\n", escape(note));
    report.notes.iter().map(note).collect()
}

/// How success is counted, and the rates at the last step where they were measured.
fn counted(report: &Report) -> String {
    let Some(at_end) = &report.at_end else {
        return "Success rate with 95% Wilson interval.".to_string();
    };
    let rate = |o: &Outcome| format!("{} ({})", percent(o.success), percent_range(o.low, o.high));
    let rates = match report.finetune.as_str() {
        "none" => rate(&at_end.after),
        _ => format!(
            "{} before finetuning, {} after",
            rate(&at_end.before),
            rate(&at_end.after)
        ),
    };
    format!(
        "Success at any step, with 95% Wilson interval. Episodes went on to their horizon; success \
         at the last step: {rates}."
    )
}

fn headline(class: &str, outcome: &Outcome, name: &str) -> String {
    let range = percent_range(outcome.low, outcome.high);
    format!(
        "<p class=\"figure {class}\"><span class=\"name\">{name}</span><b>{}</b>\
         <span class=\"range\">{range} · {}</span></p>",
        percent(outcome.success),
        plural(outcome.episodes, "episode")
    )
}

/// What the two rates say together.
fn verdict(report: &Report) -> String {
    if report.finetune == "none" {
        return format!(
            "{} was evaluated as it came out of pretraining; nothing was finetuned.",
            method(&report.pretrain)
        );
    }
    let change = difference(report.before.counts(), report.after.counts());
    let interval = format!(
        "95% interval {} to {}",
        points(change.interval.low),
        points(change.interval.high)
    );
    let change_in_points = format!(
        "{} points",
        points(change.value.abs()).trim_start_matches('+')
    );
    match (change.interval.low > 0.0, change.interval.high < 0.0) {
        (true, _) => format!("Finetuning raised success by {change_in_points} ({interval})."),
        (_, true) => format!("Finetuning lowered success by {change_in_points} ({interval})."),
        _ => format!(
            "Success changed by {} points, which may be chance ({interval}).",
            points(change.value)
        ),
    }
}

fn learning(report: &Report) -> String {
    let curves: Vec<&Curve> = report
        .curves
        .iter()
        .map(|c| &c.points)
        .filter(|c| c.len() > 1)
        .collect();
    let Some(last) = curves
        .iter()
        .filter_map(|c| c.last())
        .map(|p| p.1)
        .reduce(f64::max)
    else {
        return String::new();
    };
    let name = if curves.len() == 1 {
        percent(last)
    } else {
        format!(
            "mean {}",
            percent(mean(
                &curves
                    .iter()
                    .filter_map(|c| c.last())
                    .map(|p| p.1)
                    .collect::<Vec<_>>()
            ))
        )
    };
    let line = line(report, name, 0, true);
    let svg = both(|width| plot::curves(std::slice::from_ref(&line), width));
    let note = if curves.len() == 1 {
        "Success in evaluation episodes; one seed, so no interval over seeds.".to_string()
    } else {
        format!(
            "Success in evaluation episodes: the mean over {}, its 95% bootstrap interval, and \
             every seed. A seed that has ended keeps its result.",
            plural(curves.len(), "seed")
        )
    };
    let areas = mean(&curves.iter().map(|c| area_under(c)).collect::<Vec<_>>());
    let reached: Vec<f64> = curves.iter().filter_map(|c| steps_to(c, 0.8)).collect();
    let threshold = match reached.len() {
        0 => "No seed reached 80%.".to_string(),
        n if n == curves.len() => format!(
            "80% was reached after {} steps on average.",
            short(mean(&reached).round())
        ),
        n => format!("{n} of {} reached 80%.", plural(curves.len(), "seed")),
    };
    format!(
        "<section><h2>Learning</h2>{}<p class=\"note\">Mean success during finetuning: {}. \
         {threshold}</p></section>",
        figure("Success against environment steps", &note, &svg),
        percent(areas)
    )
}

fn seeds(report: &Report) -> String {
    if report.per_seed.is_empty() {
        return String::new();
    }
    let rows: String = report.per_seed.iter().map(seed_row).collect();
    let strips: String = report
        .per_seed
        .iter()
        .filter(|row| !row.outcomes.is_empty())
        .map(strip)
        .collect();
    let strips = if strips.is_empty() {
        String::new()
    } else {
        format!(
            r#"<h3>Evaluation episodes after finetuning</h3>
<p class="note">In the order of their ends, one mark an episode: filled when it succeeded.</p>
{strips}"#
        )
    };
    format!(
        r#"<section><h2>Seeds</h2>{}{strips}</section>"#,
        table(
            "Results by seed",
            "",
            &[
                "seed",
                "before",
                "after",
                "95% interval",
                "episodes",
                "demos",
                "env steps",
                "wall time"
            ],
            &rows
        )
    )
}

fn seed_row(row: &SeedRow) -> String {
    format!(
        r#"<tr><th scope="row">{}</th><td>{}</td><td><b>{}</b></td><td>{}</td>
<td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"#,
        row.seed,
        percent(row.before.success),
        percent(row.after.success),
        percent_range(row.after.low, row.after.high),
        row.after.episodes,
        row.demos,
        count(row.env_steps),
        duration(row.wall_s)
    )
}

/// A seed's evaluation episodes as a row of marks.
fn strip(row: &SeedRow) -> String {
    let marks: String = row
        .outcomes
        .iter()
        .map(|&success| {
            if success {
                "<i class=\"hit\"></i>"
            } else {
                "<i></i>"
            }
        })
        .collect();
    let hits = row.outcomes.iter().filter(|&&success| success).count();
    let text = format!("seed {}: {hits} of {}", row.seed, row.outcomes.len());
    format!(
        "<div class=\"strip\"><span>{text}</span>\
         <div role=\"img\" aria-label=\"{text} episodes succeeded\">{marks}</div></div>"
    )
}

fn losses(report: &Report) -> String {
    let mut names: Vec<&str> = Vec::new();
    for series in report.losses.iter().filter(|s| s.points.len() > 1) {
        if !names.contains(&series.name.as_str()) {
            names.push(&series.name);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let one = |name: &&str| {
        let seeds: Vec<_> = report
            .losses
            .iter()
            .filter(|s| s.name == **name)
            .map(|s| s.points.clone())
            .collect();
        let note = if plot::is_log(&seeds) {
            "logarithmic scale"
        } else {
            ""
        };
        figure(
            name,
            note,
            &plot::loss(
                name,
                &seeds,
                Size {
                    width: 280.0,
                    height: 190.0,
                },
            ),
        )
    };
    let figures: String = names.iter().map(one).collect();
    format!(
        "<section><h2>Losses</h2><p class=\"note\">Against gradient steps, counted from the start \
         of the run; one line a seed.</p>\n\
         <div class=\"multiples\">{figures}</div></section>"
    )
}

/// What to try now, from what the numbers leave open. A command takes the run's own configuration,
/// so that what comes of it differs in one thing.
fn next(report: &Report) -> String {
    let run = |flags: &str, out: &str| {
        format!("protege run --config THIS_RUN/config.toml {flags} --out runs/{out}")
    };
    let pretrain = report.pretrain.as_str();
    let seeds = report.seeds.len();
    let mut steps: Vec<(String, String)> = Vec::new();
    if report.pretrain == PolicyKind::Served.name() {
        return compare_next(steps);
    }
    if report.finetune == "none" {
        let method = best_of_n::METHOD.info.id;
        let command = format!("protege finetune --checkpoint THIS_RUN --finetune {method}");
        steps.push(("Finetune the policy.".into(), command));
    }
    if seeds < 4 {
        steps.push((
            "Repeat it with more seeds: so few leave the interval over seeds open.".into(),
            run("--seeds 4", "four-seeds"),
        ));
    }
    let plain = bc::METHOD.info.id;
    let wider = post_bc::METHOD.info.id;
    let other = if pretrain == plain { wider } else { plain };
    steps.push((
        format!(
            "Change the pretraining alone to {}, to see what it contributes.",
            method(other)
        ),
        run(&format!("--pretrain {other} --seeds {seeds}"), other),
    ));
    if report.after.success > 0.9 && report.demos > 1 {
        let flags = format!("--demos {} --seeds {seeds}", report.demos / 2);
        steps.push((
            "The task is nearly solved: try half the demonstrations.".into(),
            run(&flags, "fewer-demos"),
        ));
    }
    compare_next(steps)
}

/// The list of what to do next, with what can always be done at its end.
fn compare_next(mut steps: Vec<(String, String)>) -> String {
    steps.push((
        "Put the runs beside each other.".into(),
        "protege compare THIS_RUN OTHER_RUN".into(),
    ));
    let items: String = steps
        .iter()
        .map(|(text, command)| format!("<li>{}{}</li>", escape(text), shell(command)))
        .collect();
    format!(r#"<section><h2>What to do next</h2><ul class="next">{items}</ul></section>"#)
}

fn reproduce(report: &Report) -> String {
    format!(
        "<section><h2>Reproduce</h2><p>This command repeats the run:</p>{}\n\
         <details><summary>Resolved configuration</summary>\
         <pre tabindex=\"0\"><code>{}</code></pre></details></section>\n\
         <footer><p>{} · {}</p></footer>",
        shell(&report.command),
        escape(&report.config_toml),
        escape(&report.version),
        escape(&format!(
            "seeds {}",
            report
                .seeds
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ))
    )
}
