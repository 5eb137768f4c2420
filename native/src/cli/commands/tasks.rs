//! `protege tasks`: what there is to learn, and how often the scripted expert succeeds.

use crate::cli::answer::{Answer, Output, bug};
use crate::cli::machine;
use crate::cli::session::results::percent;
use crate::dashboard::Dashboard;
use crate::engines;
use crate::report::Outcome;
use crate::terminal::sentence;
use protege_core::env::{Entry, Env, Spec};
use protege_core::error::excerpt;
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::sync::Mutex;

/// Arguments of `tasks`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Random starts on which the expert is measured, now
    #[arg(long, value_name = "N", default_value_t = 100)]
    episodes: usize,
    /// Standard deviation of Gaussian noise on the expert's actions
    #[arg(long, value_name = "STD", default_value_t = 0.0)]
    noise: f64,
    /// Play on after a success, to the horizon, and count also how many episodes end in success
    #[arg(long)]
    to_horizon: bool,
    /// Only the tasks of one suite, or one task
    #[arg(long, value_name = "SUITE", default_value = "")]
    only: String,
}

/// How the expert did, or why that is not known.
enum Expert {
    /// So many successes at any step, and so many at the last.
    Succeeded(usize, usize),
    /// What is missing.
    Unknown(String),
}

/// Lists and measures. A task that cannot be played here is listed with the reason.
///
/// # Errors
/// When a number is out of range or a simulator fails.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    protege_core::error::within("--episodes", args.episodes, 1, 1_000_000)?;
    protege_core::error::within("--noise", args.noise, 0.0, 10.0)?;
    let mut text = format!(
        "{:36}{:>5}{:>5}{:>9}  {:16}expert succeeds\n",
        "task", "obs", "act", "horizon", "engines"
    );
    let mut rows = Vec::new();
    let tasks = chosen(&args.only)?;
    let mut bar = Dashboard::new(!output.quiet);
    bar.phase("tasks", tasks.len() as u64);
    for (done, task) in (1..).zip(&tasks) {
        let expert = measure(task, args)?;
        text += &line(task, args, &expert);
        rows.push(row(task, args, &expert));
        bar.advance(done, &task.spec.id);
    }
    bar.finish("measured");
    Ok(Answer {
        json: Value::Array(rows),
        text,
    })
}

fn chosen(only: &str) -> Result<Vec<Entry>> {
    let fits = |id: &str| {
        only.is_empty()
            || id == only
            || id
                .strip_prefix(only)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let tasks: Vec<Entry> = engines::CATALOG
        .all()
        .into_iter()
        .filter(|task| fits(&task.spec.id))
        .collect();
    if tasks.is_empty() {
        Err(Error::input(format!(
            "--only {} is no suite and no task; try lab",
            excerpt(only)
        )))
    } else {
        Ok(tasks)
    }
}

fn line(task: &Entry, args: &Args, expert: &Expert) -> String {
    let Spec {
        id,
        obs,
        act,
        horizon,
    } = &task.spec;
    let obs = obs.state;
    let expert_success = match expert {
        Expert::Unknown(why) => format!("- ({})", sentence(why)),
        Expert::Succeeded(once, _) if !args.to_horizon => {
            percent(&Outcome::new(*once, args.episodes))
                .trim_start()
                .to_owned()
        }
        Expert::Succeeded(once, at_end) => {
            let [once, at_end] = [once, at_end].map(|&n| {
                percent(&Outcome::new(n, args.episodes))
                    .trim_start()
                    .to_owned()
            });
            format!("{once} at any step, {at_end} at the last step")
        }
    };
    format!(
        "{id:36}{obs:5}{act:5}{horizon:9}  {:16}{expert_success}\n",
        task.engines.join(", ")
    )
}

fn row(task: &Entry, args: &Args, expert: &Expert) -> Value {
    let Spec {
        id,
        obs,
        act,
        horizon,
    } = &task.spec;
    let obs = obs.state;
    let mut row = json!({
        "id": id,
        "about": task.about,
        "engines": task.engines,
        "obs": obs,
        "act": act,
        "horizon": horizon,
        "expert_success": null,
        "expert_low": null,
        "expert_high": null,
        "expert_episodes": args.episodes,
        "expert_noise": args.noise,
        "expert_success_at_end": null,
    });
    match expert {
        Expert::Unknown(why) => row["note"] = json!(why),
        Expert::Succeeded(once, at_end) => {
            let Outcome {
                success, low, high, ..
            } = Outcome::new(*once, args.episodes);
            row["expert_success"] = json!(success);
            row["expert_low"] = json!(low);
            row["expert_high"] = json!(high);
            row["expert_success_at_end"] = json!(
                args.to_horizon
                    .then(|| Outcome::new(*at_end, args.episodes))
            );
        }
    }
    row
}

/// Successes of the expert on the task's usual engine, on all cores.
fn measure(task: &Entry, args: &Args) -> Result<Expert> {
    let make = || engines::make(&task.spec.id, task.engines[0]);
    match make().map(|mut env| env.expert()) {
        Err(error) => return Ok(Expert::Unknown(error.to_string())),
        Ok(None) => return Ok(Expert::Unknown("no scripted expert".to_owned())),
        Ok(Some(_)) => {}
    }
    let episodes = Mutex::new(0..args.episodes as u64);
    let next = || {
        episodes
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .next()
    };
    let work = || -> Result<(usize, usize)> {
        let mut env = make()?;
        if args.to_horizon {
            env.set_terminate_on_success(false);
        }
        let mut successes = (0, 0);
        while let Some(episode) = next() {
            let (once, at_end) = succeeds(
                &mut *env,
                Rng::new(0, "expert-measure", episode).bits(),
                args.noise,
            )?;
            successes = (
                successes.0 + usize::from(once),
                successes.1 + usize::from(at_end),
            );
        }
        Ok(successes)
    };
    let sum = |a: (usize, usize), b: Result<(usize, usize)>| b.map(|b| (a.0 + b.0, a.1 + b.1));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..machine::cores()).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| Err(bug(&*panic))))
            .try_fold((0, 0), sum)
    })
    .map(|(once, at_end)| Expert::Succeeded(once, at_end))
}

/// Whether the expert succeeds at any step of its episode, and at the last.
fn succeeds(env: &mut dyn Env, seed: u64, noise: f64) -> Result<(bool, bool)> {
    let mut once = false;
    env.set_style(ExpertStyle {
        noise,
        ..ExpertStyle::default()
    })?;
    env.reset(seed);
    loop {
        let action = env
            .expert()
            .ok_or_else(|| Error::failed(format!("{} has no expert", env.spec().id)))?;
        let step = env.step(&action)?;
        once |= step.success;
        if step.done() {
            return Ok((once, step.success_at_end));
        }
    }
}
