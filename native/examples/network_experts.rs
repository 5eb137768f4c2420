//! How often an expert network solves its task from random starts:
//! `cargo run --release -p protege --example network_experts -- TASK FILE [STARTS]`.

use protege::engines;
use protege::expert::{ExpertEnv, Network};
use protege_core::env::{Env, Step};
use protege_core::rng::Rng;
use protege_core::run::stats::wilson;
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [task, file, rest @ ..] = arguments.as_slice() else {
        return Err(Error::input("say TASK FILE [STARTS]"));
    };
    let starts: usize = rest
        .first()
        .map_or(Ok(100), |text| text.parse())
        .map_err(|_| Error::input("STARTS is a number"))?;
    let env = engines::make(task, engines::CATALOG.usual_engine(task))?;
    let network = Network::from_bytes(&protege::files::read(Path::new(file))?, file, env.spec())?;
    let mut env = ExpertEnv::new(env, network);
    for noise in [0.0, 0.1] {
        env.set_style(ExpertStyle {
            noise,
            ..ExpertStyle::default()
        })?;
        let solved = (0..starts as u64)
            .map(|start| solve(&mut env, Rng::new(0, "expert-measure", start).bits()));
        let mut steps: Vec<usize> = solved
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flatten()
            .collect();
        steps.sort_unstable();
        let interval = wilson(steps.len(), starts);
        let median = steps.get(steps.len() / 2).copied().unwrap_or_default();
        let solved = steps.len();
        let low = 100.0 * interval.low;
        let high = 100.0 * interval.high;
        println!(
            "{task}, noise {noise}: {solved} of {starts} solved (95% interval {low:.0}% to \
             {high:.0}%), median {median} control steps"
        );
    }
    Ok(())
}

/// The control step of the first success, if there is one.
fn solve(env: &mut ExpertEnv, seed: u64) -> Result<Option<usize>> {
    env.reset(seed);
    let mut passed = 0;
    loop {
        let action = env
            .expert()
            .ok_or_else(|| Error::failed("there is no expert"))?;
        let step = env.step(&action)?;
        passed += step.steps;
        match step {
            Step { success: true, .. } => return Ok(Some(passed)),
            step if step.done() => return Ok(None),
            _ => {}
        }
    }
}
