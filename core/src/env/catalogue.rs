//! Every task by name and size, those included that only MuJoCo can play: what configurations and files are checked against,
//! wherever the program runs.

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

/// Sizes of an upstream task.
struct Upstream {
    id: &'static str,
    obs: usize,
    act: usize,
    horizon: usize,
}

/// The tasks whose scenes are others' and need MuJoCo. Horizons are upstream's, in control steps.
const UPSTREAM: [Upstream; 6] = [
    Upstream { id: "metaworld/pick-place", obs: 39, act: 4, horizon: 500 },
    Upstream { id: "metaworld/box-close", obs: 39, act: 4, horizon: 500 },
    Upstream { id: "metaworld/assembly", obs: 39, act: 4, horizon: 500 },
    Upstream { id: "adroit/pen", obs: 45, act: 24, horizon: 200 },
    Upstream { id: "adroit/hammer", obs: 46, act: 26, horizon: 200 },
    Upstream { id: "adroit/door", obs: 39, act: 28, horizon: 200 },
];

/// Every task, probes excepted.
pub fn all() -> Vec<Entry> {
    let lab = tasks::all().iter().map(|info| Entry { spec: lab_spec(info), engines: &[RAPIER, MUJOCO] });
    let upstream = UPSTREAM
        .iter()
        .map(|task| Entry { spec: Spec { id: task.id.into(), obs: task.obs, act: task.act, horizon: task.horizon }, engines: &[MUJOCO] });
    lab.chain(upstream).collect()
}

pub(super) fn lab_spec(info: &Info) -> Spec {
    Spec { id: info.id.into(), obs: info.obs, act: info.act, horizon: info.horizon }
}

/// The task called `id`; `probe/1` to `probe/5` are tasks, too.
///
/// # Errors
/// When there is none; the message suggests the nearest name.
pub fn entry(id: &str) -> Result<Entry> {
    if id.starts_with("probe/") {
        return Ok(Entry { spec: Probe::by_id(id)?.spec().clone(), engines: &[RAPIER] });
    }
    let all = all();
    let unknown = || {
        let near = nearest(id, all.iter().map(|task| task.spec.id.as_str())).unwrap_or_default();
        Error::input(format!("there is no task `{id}`; did you mean `{near}`?"))
    };
    all.iter().find(|task| task.spec.id == id).cloned().ok_or_else(unknown)
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
    Err(Error::input(format!("{id} cannot be played on the engine `{engine}`: set engine to {}", engines.join(" or "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The promise: a mistyped task is answered with the name that was meant, in any suite.
    #[test]
    fn a_mistyped_task_is_answered_with_the_nearest_name() {
        for (typed, meant) in
            [("lab/pickplace", "lab/pick-place"), ("metaworld/boxclose", "metaworld/box-close"), ("adroit/dor", "adroit/door")]
        {
            let sentence = entry(typed).unwrap_err().to_string();
            assert!(sentence.contains(&format!("`{meant}`")), "{sentence}");
        }
    }

    /// The promise: an engine that cannot play a task is refused with the one that can.
    #[test]
    fn an_engine_that_cannot_play_the_task_is_refused() {
        let sentence = checked_engine("adroit/door", RAPIER).unwrap_err().to_string();
        assert!(sentence.contains("mujoco"), "{sentence}");
        checked_engine("adroit/door", MUJOCO).unwrap();
        checked_engine("lab/lift", MUJOCO).unwrap();
        assert!(checked_engine("lab/lift", "bullet").is_err());
    }
}
