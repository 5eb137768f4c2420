//! `protege tasks`: what there is to learn, and how often the scripted expert succeeds.

use super::{Answer, machine};
use protege_core::env::{Env, LabEnv};
use protege_core::rng::Rng;
use protege_core::run::stats::wilson;
use protege_core::tasks::{self, ExpertStyle, Info};
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
}

/// Lists and measures.
///
/// # Errors
/// When a number is out of range or a simulator fails.
pub fn answer(args: &Args) -> Result<Answer> {
    protege_core::error::within("--episodes", args.episodes, 1, 1_000_000)?;
    protege_core::error::within("--noise", args.noise, 0.0, 10.0)?;
    let mut text = format!("{:18}{:>5}{:>5}{:>9}  expert succeeds\n", "task", "obs", "act", "horizon");
    let mut rows = Vec::new();
    for info in tasks::all() {
        let successes = measure(info, args)?;
        rows.push(row(info, args, successes));
        let interval = wilson(successes, args.episodes);
        text += &format!(
            "{:18}{:5}{:5}{:9}  {:.1}% ({:.1} to {:.1}, {} episodes)\n",
            info.id,
            info.obs,
            info.act,
            info.horizon,
            100.0 * successes as f64 / args.episodes as f64,
            100.0 * interval.low,
            100.0 * interval.high,
            args.episodes
        );
    }
    Ok(Answer { json: Value::Array(rows), text })
}

fn row(info: &Info, args: &Args, successes: usize) -> Value {
    let interval = wilson(successes, args.episodes);
    json!({
        "id": info.id, "engines": ["rapier"], "obs": info.obs, "act": info.act, "horizon": info.horizon,
        "expert_success": successes as f64 / args.episodes as f64,
        "expert_low": interval.low, "expert_high": interval.high, "expert_episodes": args.episodes, "expert_noise": args.noise,
    })
}

/// Successes of the expert, on all cores.
fn measure(info: &Info, args: &Args) -> Result<usize> {
    let episodes = Mutex::new(0..args.episodes as u64);
    let next = || episodes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).next();
    let work = || -> Result<usize> {
        let mut env = LabEnv::new(info.id)?;
        let mut successes = 0;
        while let Some(episode) = next() {
            successes += usize::from(succeeds(&mut env, Rng::new(0, "expert-measure", episode).bits(), args.noise)?);
        }
        Ok(successes)
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..machine::cores()).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| Err(super::bug(&*panic)))).sum()
    })
}

fn succeeds(env: &mut LabEnv, seed: u64, noise: f64) -> Result<bool> {
    env.set_style(ExpertStyle { noise, ..ExpertStyle::default() })?;
    env.reset(seed);
    loop {
        let action = env.expert().ok_or_else(|| Error::failed(format!("{} has no expert", env.spec().id)))?;
        let step = env.step(&action)?;
        if step.done() {
            return Ok(step.success);
        }
    }
}
