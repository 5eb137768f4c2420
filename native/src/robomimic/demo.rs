//! One demonstration of a file of robomimic as an episode.
//!
//! `actions` (T, act), `obs/KEY` (T, ...) seen before each, `next_obs/KEY` (T, ...) seen after
//! each, `rewards` (T), of the state after the action, `dones` (T), `states` (T, ...) before each.
//! So an episode has T+1 observations where there is `next_obs`; without, it ends before the last
//! action, whose outcome is not in the file. Where there are no observations they are made of the
//! states.

use super::hdf5::{Array, Attributes, Node};
use super::marks::Mark;
use super::observations::{Budget, Parts, Seen, needed};
use crate::recordings::States;
use protege_core::Result;
use protege_core::data::{Episode, History};

/// What no number of a simulator's state exceeds (MuJoCo's `mjMAXVAL`).
const MOST: f64 = 1e10;

/// How demonstrations become episodes.
pub struct Rules {
    /// Length of an action.
    pub act: usize,
    /// The least reward of a success: [`super::env_args::EnvArgs::least_success`].
    pub least_success: f32,
    /// Episodes end with their first success, and after so many steps; none: in full length.
    pub trim: Option<usize>,
}

/// What demonstrations show.
pub enum Shown {
    /// What was observed: these parts of it.
    Observations(Parts),
    /// States of the simulator, into which this task can be put.
    States(Box<dyn States>),
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

/// What happened in a demonstration, as far as it is kept.
struct Course {
    obs: History,
    /// After which actions the task was done.
    succeeds: Vec<bool>,
    /// What was earned, where the file says.
    rewards: Option<Vec<f32>>,
    /// Whether the outcome of the last action is not in the file.
    shortened: bool,
}

/// Reads a demonstration; its number becomes the episode's seed.
///
/// # Errors
/// Names the part that is missing, of another shape, or no good.
pub fn read(
    demo: &Node,
    number: u64,
    shown: &mut Shown,
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
    let course = match shown {
        Shown::Observations(parts) => observed(demo, steps, parts, rules, budget)?,
        Shown::States(task) => replayed(demo, steps, &attributes, &mut **task, rules, budget)?,
    };
    let kept = course.succeeds.len();
    budget.take(4 * kept * (rules.act + 1), demo)?;
    let (actions, clipped) = played(&actions, kept)?;
    let succeeds = course.succeeds.contains(&true);
    let mut episode = Episode {
        seed: number,
        obs: course.obs,
        actions,
        rewards: course.succeeds.iter().map(|&s| f32::from(s)).collect(),
        success: succeeds,
        terminated: rules.trim.is_some() && succeeds,
        ..Episode::default()
    };
    if let (Some(mark), Some(rewards)) = (mark, course.rewards) {
        episode.seed = mark.seed;
        episode.rewards = rewards;
        if kept == steps {
            episode.success = mark.success;
            episode.terminated = mark.terminated;
        }
    }
    Ok(Recorded {
        episode,
        clipped,
        shortened: course.shortened,
    })
}

/// The course of a demonstration with observations.
fn observed(
    demo: &Node,
    steps: usize,
    parts: &Parts,
    rules: &Rules,
    budget: &mut Budget,
) -> Result<Course> {
    let obs = demo.group("obs")?;
    let obs = obs.ok_or_else(|| demo.fault("obs", "is not there: observations are missing"))?;
    let next = demo.group("next_obs")?;
    let shortened = next.is_none();
    let known = steps - usize::from(shortened);
    if known == 0 {
        let fault = "is not there, without which one action says nothing";
        return Err(demo.fault("next_obs", fault));
    }
    let Rewards {
        mut recorded,
        mut succeeds,
    } = rewards(demo, steps, rules)?;
    let kept = kept(&succeeds[..known], rules.trim);
    recorded.truncate(kept);
    succeeds.truncate(kept);
    let seen = Seen {
        demo,
        obs: &obs,
        next: next.as_ref(),
        steps,
        moments: kept + 1,
    };
    Ok(Course {
        obs: seen.read(parts, budget)?,
        succeeds,
        rewards: Some(recorded),
        shortened,
    })
}

/// The course of a demonstration with states: what the task shows in them, one after the other.
fn replayed(
    demo: &Node,
    steps: usize,
    attributes: &Attributes,
    task: &mut dyn States,
    rules: &Rules,
    budget: &mut Budget,
) -> Result<Course> {
    let states = needed(demo, "states")?;
    states.check_numbers()?;
    if states.shape.len() != 2 || states.rows() != steps || steps < 2 {
        return Err(states.fault(format!(
            "has the shape {:?}, with {steps} actions: a row for each is needed, at least 2",
            states.shape
        )));
    }
    let model = attributes.text("model_file")?;
    let mut obs = History::default();
    let mut succeeds = Vec::new();
    states.numbers(0..steps, |row, state| {
        let unfit = |why: String| states.fault(format!("is no good in row {row}: it {why}"));
        if let Some(number) = state.iter().find(|number| number.abs() > MOST) {
            return Err(unfit(format!("has {number}, where no simulator gets")));
        }
        let shown = if row == 0 {
            task.begin(state, model)
        } else {
            let shown = task.next(state);
            shown.map(|shown| {
                succeeds.push(shown.success);
                shown.obs
            })
        };
        let shown = shown.map_err(|error| unfit(error.to_string()))?;
        if !shown.iter().all(|number| number.is_finite()) {
            return Err(unfit("shows what is not finite".to_owned()));
        }
        budget.take(4 * shown.len(), demo)?;
        obs.width = shown.len();
        obs.push(&shown.into());
        Ok(())
    })?;
    let kept = kept(&succeeds, rules.trim);
    succeeds.truncate(kept);
    obs.state.truncate((kept + 1) * obs.width);
    Ok(Course {
        obs,
        succeeds,
        rewards: None,
        shortened: true,
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
        Ok(())
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
    let (recorded, least) = match column(demo, "rewards", steps)? {
        Some(rewards) => (rewards, rules.least_success),
        None => {
            let dones = column(demo, "dones", steps)?.ok_or_else(|| {
                demo.fault(
                    "rewards",
                    "is not there, nor is `dones`: nothing says what succeeds",
                )
            })?;
            (dones, f32::MIN_POSITIVE)
        }
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
    array.numbers(0..steps, |_, row| {
        numbers.push(row[0] as f32);
        Ok(())
    })?;
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
