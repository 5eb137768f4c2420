//! Every task by name and size, those included that only MuJoCo can play: what configurations and
//! files are checked against, wherever the program runs.

mod proprioception;

pub use proprioception::{picked, proprioception};

use super::{Env, Probe, Spec};
use crate::error::nearest;
use crate::tasks::{self, Info};
use crate::{Error, Result};

/// The physics engine that compiles everywhere.
pub const RAPIER: &str = "rapier";
/// The physics engine of the native program.
pub const MUJOCO: &str = "mujoco";

/// A task and the engines that can play it, the usual one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Name and sizes.
    pub spec: Spec,
    /// Engines, the default first.
    pub engines: &'static [&'static str],
}

/// Tasks of an upstream suite, whose scenes are others' and which need MuJoCo. They have the same
/// horizon.
struct Suite {
    name: &'static str,
    /// Control steps.
    horizon: usize,
    /// Name, and the lengths of an observation and an action.
    tasks: &'static [(&'static str, usize, usize)],
}

/// The upstream suites.
const UPSTREAM: [Suite; 2] = [
    Suite {
        name: "metaworld",
        horizon: 500,
        tasks: &[
            ("pick-place", 39, 4),
            ("box-close", 39, 4),
            ("assembly", 39, 4),
            ("basketball", 39, 4),
            ("bin-picking", 39, 4),
            ("button-press", 39, 4),
            ("button-press-topdown", 39, 4),
            ("button-press-topdown-wall", 39, 4),
            ("button-press-wall", 39, 4),
            ("coffee-button", 39, 4),
            ("coffee-pull", 39, 4),
            ("coffee-push", 39, 4),
            ("dial-turn", 39, 4),
            ("disassemble", 39, 4),
            ("door-close", 39, 4),
            ("door-lock", 39, 4),
            ("door-open", 39, 4),
            ("door-unlock", 39, 4),
            ("drawer-close", 39, 4),
            ("drawer-open", 39, 4),
            ("faucet-close", 39, 4),
            ("faucet-open", 39, 4),
            ("hammer", 39, 4),
            ("hand-insert", 39, 4),
            ("handle-press", 39, 4),
            ("handle-press-side", 39, 4),
            ("handle-pull", 39, 4),
            ("handle-pull-side", 39, 4),
            ("lever-pull", 39, 4),
            ("peg-insert-side", 39, 4),
            ("peg-unplug-side", 39, 4),
            ("pick-out-of-hole", 39, 4),
            ("pick-place-wall", 39, 4),
            ("plate-slide", 39, 4),
            ("plate-slide-back", 39, 4),
            ("plate-slide-back-side", 39, 4),
            ("plate-slide-side", 39, 4),
            ("push", 39, 4),
            ("push-back", 39, 4),
            ("push-wall", 39, 4),
            ("reach", 39, 4),
            ("reach-wall", 39, 4),
            ("shelf-place", 39, 4),
            ("soccer", 39, 4),
            ("stick-pull", 39, 4),
            ("stick-push", 39, 4),
            ("sweep", 39, 4),
            ("sweep-into", 39, 4),
            ("window-close", 39, 4),
            ("window-open", 39, 4),
        ],
    },
    Suite {
        name: "adroit",
        horizon: 200,
        tasks: &[("pen", 45, 24), ("hammer", 46, 26), ("door", 39, 28)],
    },
];

/// Every task, probes excepted.
pub fn all() -> Vec<Entry> {
    let lab = tasks::all().iter().map(|info| Entry {
        spec: lab_spec(info),
        engines: &[RAPIER, MUJOCO],
    });
    let upstream = UPSTREAM
        .iter()
        .flat_map(|suite| suite.tasks.iter().map(|task| upstream_entry(suite, *task)));
    lab.chain(upstream).collect()
}

fn upstream_entry(suite: &Suite, (name, obs, act): (&str, usize, usize)) -> Entry {
    let spec = Spec {
        id: format!("{}/{name}", suite.name),
        obs,
        act,
        horizon: suite.horizon,
    };
    Entry {
        spec,
        engines: &[MUJOCO],
    }
}

pub(super) fn lab_spec(info: &Info) -> Spec {
    Spec {
        id: info.id.into(),
        obs: info.obs,
        act: info.act,
        horizon: info.horizon,
    }
}

/// The task called `id`; `probe/1` to `probe/5` are tasks, too.
///
/// # Errors
/// When there is none; the message suggests the nearest name.
pub fn entry(id: &str) -> Result<Entry> {
    if id.starts_with("probe/") {
        return Ok(Entry {
            spec: Probe::by_id(id)?.spec().clone(),
            engines: &[RAPIER],
        });
    }
    let all = all();
    let unknown = || {
        let near = nearest(id, all.iter().map(|task| task.spec.id.as_str())).unwrap_or_default();
        Error::input(format!("there is no task `{id}`; did you mean `{near}`?"))
    };
    all.iter()
        .find(|task| task.spec.id == id)
        .cloned()
        .ok_or_else(unknown)
}

/// The engine that a task is played on unless another is named.
pub fn usual_engine(id: &str) -> &'static str {
    entry(id).map_or(RAPIER, |task| task.engines[0])
}

/// Checks that there is an engine of this name for this task.
///
/// # Errors
/// When there is no such task, or the engine cannot play it.
pub fn checked_engine(id: &str, engine: &str) -> Result<()> {
    let engines = entry(id)?.engines;
    if engines.contains(&engine) {
        return Ok(());
    }
    Err(Error::input(format!(
        "{id} cannot be played on the engine `{engine}`: set engine to {}",
        engines.join(" or ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistyped task is answered with the name that was meant, in any suite.
    #[test]
    fn a_mistyped_task_is_answered_with_the_nearest_name() {
        for (typed, meant) in [
            ("lab/pickplace", "lab/pick-place"),
            ("metaworld/boxclose", "metaworld/box-close"),
            ("adroit/dor", "adroit/door"),
        ] {
            let sentence = entry(typed).unwrap_err().to_string();
            assert!(sentence.contains(&format!("`{meant}`")), "{sentence}");
        }
    }

    /// An engine that cannot play a task is refused with the one that can.
    #[test]
    fn an_engine_that_cannot_play_the_task_is_refused() {
        let sentence = checked_engine("adroit/door", RAPIER)
            .unwrap_err()
            .to_string();
        assert!(sentence.contains("mujoco"), "{sentence}");
        checked_engine("adroit/door", MUJOCO).unwrap();
        checked_engine("lab/lift", MUJOCO).unwrap();
        assert!(checked_engine("lab/lift", "bullet").is_err());
    }
}
