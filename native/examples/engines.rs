//! The lab's tasks on both engines: how often the expert succeeds, how far the same actions lead
//! apart, and how fast each is.
//!
//!     cargo run --release -p protege --example engines [STARTS]

use protege::engines::make;
use protege_core::Result;
use protege_core::env::catalogue::{MUJOCO, RAPIER};
use protege_core::env::{Env, Step};
use protege_core::tasks::{self, ExpertStyle};
use std::time::Instant;

/// Where the hand and the object are in an observation.
const HAND: std::ops::Range<usize> = 0..3;
const OBJECT: std::ops::Range<usize> = 4..7;

/// An episode: the actions that were played, and what they led to.
struct Played {
    actions: Vec<Vec<f32>>,
    steps: Vec<Step>,
}

fn main() -> Result<()> {
    let starts = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(100);
    println!(
        "| task | expert succeeds: Rapier, MuJoCo | hand apart, median mm | object apart, median \
         mm | same outcome | control steps/s: Rapier, MuJoCo |"
    );
    println!("|---|---|---|---|---|---|");
    for info in tasks::all() {
        compare(info.id, starts)?;
    }
    Ok(())
}

/// The experts of both engines from the same starts; then the actions of Rapier's on MuJoCo.
fn compare(id: &str, starts: u64) -> Result<()> {
    let mut rapier = make(id, RAPIER)?;
    let mut mujoco = make(id, MUJOCO)?;
    let mut wins = [0, 0];
    let mut seconds = [0.0, 0.0];
    let mut steps = [0, 0];
    let mut hand = Vec::new();
    let mut object = Vec::new();
    let mut same = 0;
    for seed in 0..starts {
        let mut episodes = Vec::new();
        for (i, env) in [&mut rapier, &mut mujoco].into_iter().enumerate() {
            let begin = Instant::now();
            let played = demonstrate(&mut **env, seed)?;
            seconds[i] += begin.elapsed().as_secs_f64();
            steps[i] += played.steps.len();
            wins[i] += usize::from(played.steps.last().is_some_and(|step| step.success));
            episodes.push(played);
        }
        let again = replay(&mut *mujoco, seed, &episodes[0].actions)?;
        // Compared where both still play: an engine that succeeds a step sooner stops there.
        let ours = &episodes[0].steps;
        let theirs = &again;
        let last = ours.len().min(theirs.len()) - 1;
        let state = |steps: &[Step]| steps[last].obs.state.clone();
        let our_state = state(ours);
        let their_state = state(theirs);
        hand.push(apart(&our_state[HAND], &their_state[HAND]));
        object.push(apart(&our_state[OBJECT], &their_state[OBJECT]));
        same += usize::from(
            ours.last().map(|step| step.success) == theirs.last().map(|step| step.success),
        );
    }
    let share = |wins: usize| format!("{:.0}%", 100.0 * wins as f64 / starts as f64);
    let speed = |i: usize| format!("{:.1}k", steps[i] as f64 / seconds[i] / 1000.0);
    let wins = [share(wins[0]), share(wins[1])].join(", ");
    let speeds = [speed(0), speed(1)].join(", ");
    println!(
        "| `{id}` | {wins} | {:.1} | {:.1} | {} | {speeds} |",
        median(hand),
        median(object),
        share(same)
    );
    Ok(())
}

fn demonstrate(env: &mut dyn Env, seed: u64) -> Result<Played> {
    env.set_style(ExpertStyle {
        noise: 0.1,
        ..ExpertStyle::default()
    })?;
    env.reset(seed);
    let mut played = Played {
        actions: Vec::new(),
        steps: Vec::new(),
    };
    while !played.steps.last().is_some_and(Step::done) {
        let Some(action) = env.expert() else { break };
        played.steps.push(env.step(&action)?);
        played.actions.push(action);
    }
    Ok(played)
}

fn replay(env: &mut dyn Env, seed: u64, actions: &[Vec<f32>]) -> Result<Vec<Step>> {
    env.reset(seed);
    let mut steps: Vec<Step> = Vec::new();
    for action in actions {
        if steps.last().is_some_and(Step::done) {
            break;
        }
        steps.push(env.step(action)?);
    }
    Ok(steps)
}

/// Millimeters between two places.
fn apart(a: &[f32], b: &[f32]) -> f32 {
    1000.0
        * a.iter()
            .zip(b)
            .map(|(a, b)| (a - b) * (a - b))
            .sum::<f32>()
            .sqrt()
}

fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    values[values.len() / 2]
}
