//! What a run's folder holds once its seeds are done: the pooled result, and the data of the
//! report.

use super::journal::EPISODES;
use crate::cli::answer;
use crate::cli::finished::{SeedResult, is_finished};
use crate::cli::machine::peak_memory_mb;
use crate::cli::names;
use crate::cli::plan::{Folder, Plan, first_difference, to_toml};
use crate::cli::shell;
use crate::engines::CATALOG;
use crate::files::jsonl::read_lines;
use crate::files::metrics::{Line, METRICS, read_metrics};
use crate::report::videos::Videos;
use crate::report::{ActionPlot, AtEnd, Outcome, Report, SeedCurve, SeedRow, Series};
use crate::terminal;
use protege_core::policy::PolicyKind;
use protege_core::run::stats::{Estimate, Interval, bootstrap, difference, mean};
use protege_core::run::{Config, EpisodeRecord, Phase};
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The report of the seeds of one run, which may lie in several folders, as those of a sweep do.
/// All have finished.
///
/// # Errors
/// When a seed has no result yet, or a file is damaged.
pub fn collect(
    parts: &[(&Folder, &Plan)],
    config: &Config,
    action_plot: Option<ActionPlot>,
    wall_s: f64,
) -> Result<Report> {
    let of_part = |&(folder, plan): &(&'_ Folder, &'_ Plan)| {
        let seeds = plan.seeds.clone().into_iter();
        seeds.map(|seed| (folder.clone(), seed)).collect::<Vec<_>>()
    };
    let mut seeds: Vec<(Folder, u64)> = parts.iter().flat_map(of_part).collect();
    if parts.len() > 1 {
        seeds.sort_by_key(|(_, seed)| *seed);
    }
    let results = seeds
        .iter()
        .map(|(folder, seed)| seed_result(folder, *seed))
        .collect::<Result<Vec<_>>>()?;
    check_pooled(&seeds, &results)?;
    let rows = seeds
        .iter()
        .zip(&results)
        .map(|((folder, _), result)| row(folder, config, result))
        .collect::<Result<Vec<_>>>()?;
    let mut curves = Vec::new();
    let mut losses = Vec::new();
    for (folder, seed) in &seeds {
        let seed = *seed;
        let lines = read_metrics(&folder.seed(seed))?;
        curves.push(SeedCurve {
            seed,
            points: series(&lines, "eval/success"),
        });
        losses.extend(loss_names(&lines).into_iter().map(|name| Series {
            points: loss_series(&lines, &name),
            name,
            seed,
        }));
    }
    let (pretrain, finetune) = names::of(config);
    let commands: Vec<&str> = parts.iter().map(|(_, plan)| &plan.command[..]).collect();
    let mut notes: Vec<String> = Vec::new();
    for note in parts.iter().flat_map(|(_, plan)| &plan.notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    Ok(Report {
        task: config.task.clone(),
        pretrain,
        finetune,
        preset: config.preset.name().to_owned(),
        seeds: seeds.iter().map(|(_, seed)| *seed).collect(),
        demos: rows.iter().map(|row| row.demos).max().unwrap_or_default(),
        before: pool(rows.iter().map(|row| &row.before)),
        after: pool(rows.iter().map(|row| &row.after)),
        at_end: pool_at_end(&rows),
        env_steps: results.iter().map(|result| result.summary.env_steps).sum(),
        decisions: results.iter().map(|result| result.summary.decisions).sum(),
        wall_s,
        curves,
        losses,
        action_plot,
        videos: Videos::None,
        world: None,
        improvement: None,
        per_seed: rows,
        config_toml: to_toml(config)?,
        command: commands.join(" && "),
        version: parts
            .first()
            .map_or_else(String::new, |(_, plan)| plan.version.clone()),
        notes,
    })
}

/// Demonstrations that were learned from: by the run, or by the policy that it began with. Those of
/// a policy that another program serves nobody knows.
fn demos(config: &Config, result: &SeedResult) -> usize {
    match (result.demos, config.policy.kind) {
        (0, PolicyKind::Served) => 0,
        (0, _) => config.demos.count * config.tasks().len(),
        (own, _) => own,
    }
}

/// The first seed of a run that has not finished, in a clause with the remedy; none when all have.
pub fn unfinished(folder: &Folder, plan: &Plan) -> Option<String> {
    let mut seeds = plan.seeds.iter();
    let seed = seeds.find(|&&seed| !is_finished(&folder.seed(seed)))?;
    let shown = terminal::path(&folder.0);
    let named = shell::path(&folder.0);
    Some(format!(
        "seed {seed} of {shown} has not finished; go on with `protege run --resume {named}`"
    ))
}

/// The result of one seed, whose lines are found to be those that it left.
fn seed_result(folder: &Folder, seed: u64) -> Result<SeedResult> {
    let path = folder.seed(seed);
    let shown = terminal::path(&folder.0);
    let named = shell::path(&folder.0);
    let Some(result) = SeedResult::read(&path)? else {
        return Err(Error::input(format!(
            "seed {seed} of {shown} has not finished; go on with `protege run --resume {named}`"
        )));
    };
    if result.summary.seed != seed {
        return Err(Error::input(format!(
            "{}/summary.json is the result of seed {}; put its own back, or remove it and go on \
             with `protege run --resume {named}`",
            path.display(),
            result.summary.seed
        )));
    }
    let mut faults = [METRICS, EPISODES].into_iter();
    match faults.find_map(|name| result.fault(&path, name)) {
        Some(what) => Err(Error::input(format!(
            "{what}; put back what the run wrote, or make it again with `protege run --resume \
             {named}`"
        ))),
        None => Ok(result),
    }
}

/// Refuses to pool seeds that ran with different settings.
fn check_pooled(seeds: &[(Folder, u64)], results: &[SeedResult]) -> Result<()> {
    let mut first: Option<Config> = None;
    for ((folder, _), result) in seeds.iter().zip(results) {
        let Some(saved) = &result.config else {
            continue;
        };
        let mut config = Config::from_saved(saved, &CATALOG)?;
        let seed = config.seed;
        config.seed = 0;
        let Some(first) = &first else {
            first = Some(config);
            continue;
        };
        if let Some((key, own, other)) = first_difference(&config, first) {
            return Err(Error::input(format!(
                "seed {seed} of {} ran with {key} = {own}, another seed with {other}: their \
                 results are not of one run; begin it again in another folder",
                folder.0.display()
            )));
        }
    }
    Ok(())
}

fn row(folder: &Folder, config: &Config, result: &SeedResult) -> Result<SeedRow> {
    let summary = &result.summary;
    let outcome = |found: &Option<protege_core::run::Outcome>| {
        found.as_ref().map_or(Outcome::new(0, 0), |o| {
            Outcome::new(o.successes as usize, o.episodes as usize)
        })
    };
    let before = outcome(&summary.before);
    let after = if summary.after.is_some() {
        outcome(&summary.after)
    } else {
        before.clone()
    };
    let episodes: Vec<EpisodeRecord> = read_lines(&folder.seed(summary.seed).join(EPISODES))?;
    let evaluated: Vec<&EpisodeRecord> = episodes
        .iter()
        .filter(|e| e.phase == Phase::Evaluate)
        .collect();
    let first = &evaluated[..before.episodes.min(evaluated.len())];
    let last = &evaluated[evaluated.len().saturating_sub(after.episodes)..];
    let outcomes = last.iter().map(|e| e.success).collect();
    let at_end = at_end(first)
        .zip(at_end(last))
        .map(|(before, after)| AtEnd { before, after });
    let demos = demos(config, result);
    let wall_s = result.wall_s;
    let env_steps = summary.env_steps;
    Ok(SeedRow {
        seed: summary.seed,
        demos,
        before,
        after,
        at_end,
        env_steps,
        wall_s,
        outcomes,
    })
}

/// Success at the last step, where the episodes went on after a success.
pub fn at_end(episodes: &[&EpisodeRecord]) -> Option<Outcome> {
    let ends: Vec<bool> = episodes
        .iter()
        .map(|e| e.success_at_end)
        .collect::<Option<_>>()?;
    Some(Outcome::new(
        ends.iter().filter(|&&success| success).count(),
        ends.len(),
    ))
}

fn pool_at_end(rows: &[SeedRow]) -> Option<AtEnd> {
    let seeds: Vec<&AtEnd> = rows
        .iter()
        .map(|row| row.at_end.as_ref())
        .collect::<Option<_>>()?;
    Some(AtEnd {
        before: pool(seeds.iter().map(|seed| &seed.before)),
        after: pool(seeds.iter().map(|seed| &seed.after)),
    })
}

/// All episodes together.
fn pool<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Outcome {
    let (successes, episodes) = outcomes
        .map(Outcome::counts)
        .fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
    Outcome::new(successes, episodes)
}

/// One metric over environment steps.
fn series(lines: &[Line], name: &str) -> Vec<(f64, f64)> {
    lines
        .iter()
        .filter_map(|line| Some((line.step as f64, (*line.values.get(name)?)?)))
        .collect()
}

/// One loss over gradient steps: pretraining takes no environment step.
fn loss_series(lines: &[Line], name: &str) -> Vec<(f64, f64)> {
    let point = |line: &Line| {
        Some((
            (*line.values.get("time/updates")?)?,
            (*line.values.get(name)?)?,
        ))
    };
    lines.iter().filter_map(point).collect()
}

fn loss_names(lines: &[Line]) -> BTreeSet<String> {
    lines
        .iter()
        .flat_map(|line| line.values.keys())
        .filter(|name| name.starts_with("loss/"))
        .cloned()
        .collect()
}

/// Seconds that a finished run took.
///
/// # Errors
/// When a summary is damaged.
pub fn wall_s(folder: &Folder, plan: &Plan) -> Result<f64> {
    let mut told = Vec::new();
    for &seed in &plan.seeds {
        let result = SeedResult::read(&folder.seed(seed))?;
        told.extend(result.and_then(|result| result.run_s));
    }
    if let Some(most) = told.into_iter().reduce(f64::max) {
        return Ok(most);
    }
    // Seeds of earlier versions do not say.
    let path = folder.0.join("summary.json");
    if !path.exists() {
        return Ok(0.0);
    }
    let summary: Value = serde_json::from_slice(&crate::files::read(&path)?)
        .map_err(|e| Error::input(format!("{} is damaged: {e}", path.display())))?;
    Ok(summary["wall_s"].as_f64().unwrap_or(0.0))
}

/// What `run --json` prints.
pub fn to_value(report: &Report, page: &std::path::Path) -> Value {
    let before = &report.before;
    let after = &report.after;
    let intervals = [before, after].map(|o| Interval {
        low: o.low,
        high: o.high,
    });
    let over_seeds = |of: fn(&SeedRow) -> f64| {
        let Estimate { value, interval } =
            bootstrap(&[report.per_seed.iter().map(of).collect()], mean, 0);
        json!({ "mean": value, "low": interval.low, "high": interval.high })
    };
    let gain = difference(before.counts(), after.counts());
    let per_seed = |row: &SeedRow| {
        json!({
            "seed": row.seed,
            "before": row.before,
            "after": row.after,
            "env_steps": row.env_steps,
            "wall_s": row.wall_s,
        })
    };
    json!({
        "task": report.task,
        "pretrain": report.pretrain,
        "finetune": report.finetune,
        "preset": report.preset,
        "demos": report.demos,
        "seeds": report.seeds.len(),
        "before": before,
        "after": after,
        "success_at_end": report.at_end,
        "before_over_seeds": over_seeds(|row| row.before.success),
        "after_over_seeds": over_seeds(|row| row.after.success),
        "gain": { "value": gain.value, "low": gain.interval.low, "high": gain.interval.high },
        "apart": intervals[0].apart(&intervals[1]),
        "env_steps": report.env_steps,
        "decisions": report.decisions,
        "wall_s": report.wall_s,
        "peak_memory_mb": peak_memory_mb(),
        "per_seed": report.per_seed.iter().map(per_seed).collect::<Vec<_>>(),
        "notes": report.notes,
        "report": answer::path(page),
    })
}

/// The same for people.
pub fn to_text(report: &Report, page: &std::path::Path) -> String {
    let methods = if report.finetune == "none" {
        report.pretrain.clone()
    } else {
        format!("{}, then {}", report.pretrain, report.finetune)
    };
    let seeds = if report.seeds.len() == 1 {
        "1 seed".to_owned()
    } else {
        format!("{} seeds", report.seeds.len())
    };
    let demos = if report.demos == 0 {
        String::new()
    } else {
        format!(", {} demonstrations each", report.demos)
    };
    let mut text = format!("{}: {methods}; {seeds}{demos}\n", report.task);
    text += &format!("  after pretraining  {}\n", percent(&report.before));
    if report.finetune != "none" {
        let [before, after] = [&report.before, &report.after].map(|o| Interval {
            low: o.low,
            high: o.high,
        });
        let verdict = if before.apart(&after) {
            "the intervals are apart"
        } else {
            "the intervals overlap"
        };
        text += &format!(
            "  after finetuning   {}; {verdict}\n",
            percent(&report.after)
        );
        text += &format!(
            "  practice           {} environment steps, {} decisions\n",
            report.env_steps, report.decisions
        );
    }
    if let Some(AtEnd { before, after }) = &report.at_end {
        let before = if report.finetune == "none" {
            String::new()
        } else {
            format!("{}, then", percent(before))
        };
        text += &format!("  at the last step   {before}{}\n", percent(after));
    }
    for note in &report.notes {
        text += &format!("  note               {note}\n");
    }
    text + &format!("  report             {}\n", terminal::path(page))
}

/// `62.0% (58.1 to 65.8, 600 episodes)`.
pub fn percent(outcome: &Outcome) -> String {
    let Outcome {
        success,
        low,
        high,
        episodes,
    } = outcome;
    format!(
        "{:5.1}% ({:.1} to {:.1}, {episodes} episodes)",
        100.0 * success,
        100.0 * low,
        100.0 * high
    )
}
