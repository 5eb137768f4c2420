//! How often and how fast the scripted experts succeed: 200 random starts per task and style.
//!
//! `cargo run --release -p protege-core --example experts`

use protege_core::env::{Env, LabEnv};
use protege_core::rng::Rng;
use protege_core::tasks::{self, ExpertStyle};

const STARTS: u64 = 200;

fn main() -> protege_core::Result<()> {
    println!(
        "| task | style | success of {STARTS} | median steps | longest |\n|---|---|---|---|---|"
    );
    for task in tasks::all() {
        for (name, varied, noise) in [
            ("default", false, 0.0),
            ("default", false, 0.1),
            ("varied", true, 0.0),
            ("varied", true, 0.1),
        ] {
            let mut lengths = successes(task.id, varied, noise)?;
            lengths.sort_unstable();
            let median = lengths.get(lengths.len() / 2);
            let longest = lengths.last();
            let show = |steps: Option<&usize>| steps.map_or("-".into(), ToString::to_string);
            println!(
                "| {} | {name}, noise {noise} | {} | {} | {} |",
                task.id,
                lengths.len(),
                show(median),
                show(longest)
            );
        }
    }
    Ok(())
}

/// The lengths (control steps) of the successful episodes.
fn successes(id: &str, varied: bool, noise: f64) -> protege_core::Result<Vec<usize>> {
    let mut env = LabEnv::new(id)?;
    let mut lengths = Vec::new();
    for seed in 0..STARTS {
        let style = if varied {
            ExpertStyle::sample(&mut Rng::new(seed, "style", 0))
        } else {
            ExpertStyle::default()
        };
        env.set_style(ExpertStyle { noise, ..style })?;
        lengths.extend(episode(&mut env, seed)?);
    }
    Ok(lengths)
}

/// The length of the expert's episode, if it succeeds.
fn episode(env: &mut LabEnv, seed: u64) -> protege_core::Result<Option<usize>> {
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
