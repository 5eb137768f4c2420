//! How often and how fast robosuite's scripted experts succeed, in one style and in many, with and
//! without noise.
//!
//!     cargo run --release -p protege --example robosuite_experts [STARTS] [TASK]

use protege::engines::make;
use protege_core::Result;
use protege_core::env::Env;
use protege_core::env::catalogue::MUJOCO;
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;

const TASKS: [&str; 5] = ["lift", "can", "square", "stack", "tool-hang"];
/// Whether styles are drawn, and the noise.
const MANNERS: [(bool, f64); 4] = [(false, 0.0), (false, 0.1), (true, 0.0), (true, 0.1)];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let starts = args
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(200);
    let only = args.next();
    println!("| task | styles | noise | success of {starts} | median steps | longest | failed |");
    println!("|---|---|---|---|---|---|---|");
    let chosen = TASKS
        .iter()
        .filter(|task| only.as_ref().is_none_or(|only| only == *task));
    for task in chosen {
        for (varied, noise) in MANNERS {
            measure(task, varied, noise, starts)?;
        }
    }
    Ok(())
}

/// Plays all starts in one manner and prints how they ended.
fn measure(task: &str, varied: bool, noise: f64, starts: u64) -> Result<()> {
    let mut env = make(&format!("robosuite/{task}"), MUJOCO)?;
    let mut lengths = Vec::new();
    let mut failed = Vec::new();
    for seed in 0..starts {
        let style = if varied {
            ExpertStyle::sample(&mut Rng::new(seed, "style", 0))
        } else {
            ExpertStyle::default()
        };
        env.set_style(ExpertStyle { noise, ..style })?;
        match episode(&mut *env, seed)? {
            Some(length) => lengths.push(length),
            None => failed.push(seed),
        }
    }
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or(0);
    let longest = lengths.last().copied().unwrap_or(0);
    let styles = if varied { "varied" } else { "one" };
    let solved = lengths.len();
    println!("| {task} | {styles} | {noise} | {solved} | {median} | {longest} | {failed:?} |");
    Ok(())
}

/// The length of the expert's episode, if it succeeds.
fn episode(env: &mut dyn Env, seed: u64) -> Result<Option<usize>> {
    env.reset(seed);
    for steps in 1.. {
        let action = env.expert().unwrap_or_default();
        let step = env.step(&action)?;
        if step.done() {
            return Ok(step.success.then_some(steps));
        }
    }
    Ok(None)
}
