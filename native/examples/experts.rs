//! How often and how fast scripted experts succeed, in one style and in many, with and without
//! noise.
//!
//!     cargo run --release -p protege --example experts [STARTS] [SUITE or TASK]

use protege::engines::{CATALOG, make};
use protege_core::env::{Entry, Env};
use protege_core::rng::Rng;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result};

/// Whether styles are drawn, and the noise.
const MANNERS: [(bool, f64); 4] = [(false, 0.0), (false, 0.1), (true, 0.0), (true, 0.1)];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let starts = args.next().map_or(Ok(200), |text| text.parse());
    let starts = starts.map_err(|_| Error::input("the first argument is the number of starts"))?;
    let wanted = args.next().unwrap_or("lab".to_owned());
    println!("| task | styles | noise | success of {starts} | median steps | longest | failed |");
    println!("|---|---|---|---|---|---|---|");
    for task in CATALOG.all() {
        let id = &task.spec.id;
        let is_wanted = *id == wanted || id.starts_with(&format!("{wanted}/"));
        if is_wanted && task.expert_success.is_some() {
            for (varied, noise) in MANNERS {
                measure(&task, varied, noise, starts)?;
            }
        }
    }
    Ok(())
}

/// Plays all starts in one manner and prints how they ended.
fn measure(task: &Entry, varied: bool, noise: f64, starts: u64) -> Result<()> {
    let id = &task.spec.id;
    let mut env = make(id, task.engines[0])?;
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
    println!("| {id} | {styles} | {noise} | {solved} | {median} | {longest} | {failed:?} |");
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
