//! One demonstration of a file of robomimic as an episode.
//!
//! `actions` (T, act), `obs/KEY` (T, ...) seen before each, `next_obs/KEY` (T, ...) seen after
//! each, `rewards` (T), of the state after the action, `dones` (T). So an episode has T+1
//! observations where there is `next_obs`; without, it ends before the last action, whose outcome
//! is not in the file.

use super::hdf5::{Array, Node};
use super::marks::Mark;
use super::observations::{Budget, Parts, Seen, needed};
use protege_core::Result;
use protege_core::data::Episode;

/// How demonstrations become episodes.
pub struct Rules {
    /// Length of an action.
    pub act: usize,
    /// Whether rewards are shaped: [`super::env_args::EnvArgs::is_shaped`].
    pub shaped: bool,
    /// Episodes end with their first success, and after so many steps; none: in full length.
    pub trim: Option<usize>,
}

/// A demonstration that was read.
pub struct Recorded {
    /// The episode.
    pub episode: Episode,
    /// Numbers of its actions that lay outside [-1, 1].
    pub clipped: usize,
    /// Whether its last action was left out, since its outcome is not in the file.
    pub shortened: bool,
}

/// Reads a demonstration; its number becomes the episode's seed.
///
/// # Errors
/// Names the part that is missing, of another shape, or no good.
pub fn read(
    demo: &Node,
    number: u64,
    parts: &Parts,
    rules: &Rules,
    budget: &mut Budget,
) -> Result<Recorded> {
    let actions = needed(demo, "actions")?;
    let steps = check_actions(&actions, rules.act)?;
    let attributes = demo.attributes()?;
    if let Some(said) = attributes.count("num_samples")?
        && said != steps as u64
    {
        return Err(demo.fault("@num_samples", format!("is {said}, with {steps} actions")));
    }
    let mark = Mark::of_demo(demo, &attributes)?;
    let Some(obs) = demo.group("obs")? else {
        return Err(demo.fault("obs", "is not there: its observations are missing"));
    };
    let next = demo.group("next_obs")?;
    let shortened = next.is_none();
    let known = steps - usize::from(shortened);
    if known == 0 {
        return Err(demo.fault(
            "next_obs",
            "is not there, without which one action says nothing",
        ));
    }
    let rewards = rewards(demo, steps, rules)?;
    let kept = kept(&rewards.succeeds[..known], rules.trim);
    let succeeds = rewards.succeeds[..kept].contains(&true);
    let seen = Seen {
        demo,
        obs: &obs,
        next: next.as_ref(),
        steps,
        moments: kept + 1,
    };
    let obs = seen.read(parts, budget)?;
    budget.take(4 * kept * (rules.act + 1), demo)?;
    let (actions, clipped) = played(&actions, kept)?;
    let mut episode = Episode {
        seed: number,
        obs,
        actions,
        rewards: rewards.succeeds[..kept]
            .iter()
            .map(|&s| f32::from(s))
            .collect(),
        success: succeeds,
        terminated: rules.trim.is_some() && succeeds,
        ..Episode::default()
    };
    if let Some(mark) = mark {
        episode.seed = mark.seed;
        episode.rewards = rewards.recorded[..kept].to_vec();
        episode.success |= mark.success && kept == known;
        episode.terminated |= mark.terminated && kept == known;
    }
    Ok(Recorded {
        episode,
        clipped,
        shortened,
    })
}

/// How many actions there are, each of this length.
fn check_actions(actions: &Array, act: usize) -> Result<usize> {
    actions.check_numbers()?;
    if actions.shape.len() != 2 || actions.width() != act {
        return Err(actions.fault(format!(
            "has the shape {:?}, where rows of {act} numbers are needed",
            actions.shape
        )));
    }
    match actions.rows() {
        0 => Err(actions.fault("has no rows")),
        steps => Ok(steps),
    }
}

/// The first actions, cut to [-1, 1], and how many of their numbers had to be.
fn played(actions: &Array, kept: usize) -> Result<(Vec<f32>, usize)> {
    let mut played = Vec::with_capacity(kept * actions.width());
    let mut clipped = 0;
    actions.numbers(0..kept, |_, action| {
        clipped += action.iter().filter(|number| number.abs() > 1.0).count();
        played.extend(action.iter().map(|&number| number.clamp(-1.0, 1.0) as f32));
    })?;
    Ok((played, clipped))
}

/// What was earned, and after which actions the task was done.
struct Rewards {
    recorded: Vec<f32>,
    succeeds: Vec<bool>,
}

/// From `rewards`, else from `dones`.
fn rewards(demo: &Node, steps: usize, rules: &Rules) -> Result<Rewards> {
    // A sparse reward is 1 in a state of success, else 0; a shaped one is 1 at most, in a state of
    // success (robosuite/environments/manipulation/lift.py, reward; times `reward_scale`, 1).
    let least = if rules.shaped {
        1.0 - 1e-6
    } else {
        f32::MIN_POSITIVE
    };
    let recorded = match column(demo, "rewards", steps)? {
        Some(rewards) => rewards,
        None => column(demo, "dones", steps)?.ok_or_else(|| {
            demo.fault(
                "rewards",
                "is not there, nor is `dones`: nothing says what succeeds",
            )
        })?,
    };
    let succeeds = recorded.iter().map(|&reward| reward >= least).collect();
    Ok(Rewards { recorded, succeeds })
}

/// An array with one number for each action; none where there is no such array.
fn column(demo: &Node, name: &str, steps: usize) -> Result<Option<Vec<f32>>> {
    let Some(array) = demo.array(name)? else {
        return Ok(None);
    };
    if array.rows() != steps || array.width() != 1 || array.shape.is_empty() {
        return Err(array.fault(format!(
            "has the shape {:?}, with {steps} actions",
            array.shape
        )));
    }
    let mut numbers = Vec::new();
    array.numbers(0..steps, |_, row| numbers.push(row[0] as f32))?;
    Ok(Some(numbers))
}

/// Steps that are kept.
fn kept(succeeds: &[bool], trim: Option<usize>) -> usize {
    let Some(horizon) = trim else {
        return succeeds.len();
    };
    let first = succeeds.iter().position(|&success| success);
    let end = first.map_or(succeeds.len(), |step| step + 1);
    end.min(horizon)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Trimmed episodes end with the first success, and at the horizon at the latest.
    #[test]
    fn what_is_kept_ends_with_the_first_success() {
        let succeeds = [false, false, true, true];
        assert_eq!(kept(&succeeds, None), 4);
        assert_eq!(kept(&succeeds, Some(10)), 3);
        assert_eq!(kept(&succeeds, Some(2)), 2);
        assert_eq!(kept(&[false; 5], Some(10)), 5);
    }
}
