//! One episode, played as an evaluation would, for those who watch.

use burn::tensor::Device;
use pollster::block_on;
use protege_core::env::{Env, Step};
use protege_core::obs::{ObsBatch, Observation};
use protege_core::rng::Rng;
use protege_core::run::ActingPolicy;
use protege_core::{Error, Result};
use std::collections::VecDeque;

/// Who plays.
pub enum Actor<'a> {
    /// The task's scripted expert.
    Expert,
    /// A policy, on a device.
    Policy(&'a ActingPolicy, Device),
}

/// How an episode went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpisodeResult {
    /// The seed that picked its start.
    pub seed: u64,
    /// Whether the success rule held at any step.
    pub success: bool,
    /// Control steps.
    pub steps: usize,
}

/// What the player decided on, and from what.
pub struct Decision {
    /// What was observed.
    pub obs: Observation,
    /// The noise that was drawn for it; an expert draws none.
    pub noise: Vec<f32>,
    /// The actions that are played next, one after the other.
    pub plan: Vec<f32>,
    /// The actions that are meant to follow, the next one included: where a world model plans anew
    /// for every decision, its whole plan, of which the next action was drawn; elsewhere `plan`
    /// again.
    pub ahead: Vec<f32>,
}

/// A moment of an episode.
pub struct Moment<'a> {
    /// The environment as it is now.
    pub env: &'a dyn Env,
    /// The seed that picked the episode's start.
    pub seed: u64,
    /// Actions played so far.
    pub actions: usize,
    /// Control steps so far.
    pub steps: usize,
    /// What the last action led to; none at the start.
    pub last: Option<&'a Step>,
    /// What the player decided just now; none while it carries out a plan, and at the end.
    pub decision: Option<&'a Decision>,
    /// What is done next; none at the end.
    pub action: Option<&'a [f32]>,
}

/// Somebody who watches an episode: its start, what every action leads to, and its end.
pub trait EpisodeObserver {
    /// Sees a moment.
    ///
    /// # Errors
    /// When it cannot be watched, which ends the episode.
    fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()>;
}

/// Plays the episode that `seed` picks.
///
/// # Errors
/// When there is no expert, something fails to step, or somebody cannot watch.
pub fn play(
    env: &mut dyn Env,
    actor: &Actor<'_>,
    seed: u64,
    observers: &mut [&mut dyn EpisodeObserver],
) -> Result<EpisodeResult> {
    let mut obs = env.reset(seed);
    let mut noise = Rng::new(seed, "policy-noise", 0);
    let mut plan = VecDeque::new();
    let mut played = EpisodeResult {
        seed,
        success: false,
        steps: 0,
    };
    let mut memory = vec![Vec::new()];
    let mut last: Option<Step> = None;
    for actions in 0.. {
        let done = last.as_ref().is_some_and(Step::done);
        let decision = if plan.is_empty() && !done {
            Some(decide(env, actor, obs, &mut memory, &mut noise)?)
        } else {
            None
        };
        plan.extend(decision.iter().flat_map(|decision| &decision.plan));
        let action: Vec<f32> = plan.drain(..env.spec().act.min(plan.len())).collect();
        let next = (!done).then_some(&action[..]);
        let moment = Moment {
            env,
            seed,
            actions,
            steps: played.steps,
            last: last.as_ref(),
            decision: decision.as_ref(),
            action: next,
        };
        observers
            .iter_mut()
            .try_for_each(|observer| observer.on_moment(&moment))?;
        if done {
            break;
        }
        let step = env.step(&action)?;
        played = EpisodeResult {
            success: played.success || step.success,
            steps: played.steps + step.steps,
            ..played
        };
        obs = step.obs.clone();
        last = Some(step);
    }
    Ok(played)
}

fn decide(
    env: &mut dyn Env,
    actor: &Actor<'_>,
    obs: Observation,
    memory: &mut [Vec<f32>],
    rng: &mut Rng,
) -> Result<Decision> {
    match actor {
        Actor::Expert => {
            let plan = env
                .expert()
                .ok_or_else(|| Error::input(format!("{} has no scripted expert", env.spec().id)))?;
            Ok(Decision {
                obs,
                noise: Vec::new(),
                ahead: plan.clone(),
                plan,
            })
        }
        Actor::Policy(acting, device) => {
            let noise = rng.normals(acting.noise_len());
            let batch = ObsBatch::of([&obs]);
            let plan = block_on(acting.act(&batch, memory, noise.clone(), device))?;
            let ahead = acting
                .ahead(memory.first().map_or(&[], Vec::as_slice), &plan)
                .to_vec();
            Ok(Decision {
                obs,
                noise,
                plan,
                ahead,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protege_core::env::make;

    /// Notes for every moment: actions, control steps, whether something was decided, is done next,
    /// and has happened.
    #[derive(Default)]
    struct Notes(Vec<(usize, usize, [bool; 3])>);

    impl EpisodeObserver for Notes {
        fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()> {
            let noted = [
                moment.decision.is_some(),
                moment.action.is_some(),
                moment.last.is_some(),
            ];
            self.0.push((moment.actions, moment.steps, noted));
            Ok(())
        }
    }

    /// Who watches sees the start, every step and the end, each once; nothing is decided at the
    /// end.
    #[test]
    fn every_moment_is_seen_once() {
        let mut notes = Notes::default();
        let mut others = Notes::default();
        let mut env = make("lab/lift").unwrap();
        let played = play(&mut *env, &Actor::Expert, 3, &mut [&mut notes, &mut others]).unwrap();
        assert!(played.success && notes.0 == others.0);
        let moment = |i: usize| (i, i, [i < played.steps, i < played.steps, i > 0]);
        assert_eq!(notes.0, (0..=played.steps).map(moment).collect::<Vec<_>>());
    }
}
