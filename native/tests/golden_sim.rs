//! The upstream suites, held to numbers that their own code made on the same MuJoCo.
//!
//! The files `fixtures/*_traces.safetensors` (another folder: `PROTEGE_FIXTURES`) have episodes of
//! Meta-World 3.1.1, gymnasium-robotics 1.4.2 and robosuite 1.5.2 on MuJoCo 3.17.0, played by their
//! Python: for each `suite/task/number` the state after the reset, the actions, observations,
//! successes and rewards. In the first two suites, number 0 is played by the scripted expert, 1 by
//! the same with noise of 0.1; in robosuite, both by a hand that grasps, with noise.
#![cfg(feature = "mujoco")]

use protege::mujoco::trace::{Records, knows};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The files of recorded episodes.
fn files() -> Vec<PathBuf> {
    let folder = std::env::var_os("PROTEGE_FIXTURES").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    let all = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().ends_with("_traces.safetensors"))
        .collect()
}

/// Observations are upstream's to 1e-6 over the first 100 steps and after a reset of our own, and
/// successes at every step. So are, where the file has them, what the motors got, and observations
/// and successes in states of their own; and robosuite's observations to the end.
#[test]
fn episodes_of_upstream_are_the_same_here() {
    let mut count = 0;
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        let records = Records::new(&bytes, &path.to_string_lossy()).unwrap();
        let keys: Vec<String> = records
            .keys()
            .into_iter()
            .filter(|key| knows(key))
            .collect();
        count += keys.len();
        for key in keys {
            let found = records.compare(&key).unwrap();
            assert!(
                found.max_abs_error_100 <= 1e-6 && found.success_equal,
                "{found:?}"
            );
            assert!(
                found.reset_max_abs_error.is_none_or(|error| error <= 1e-6),
                "{found:?}"
            );
            // Upstream computes this one's dense reward, which goes up to 10, in 32 bits.
            let bound = if key.starts_with("metaworld/dial-turn/") {
                5e-6
            } else {
                1e-6
            };
            assert!(
                found
                    .reward_max_abs_error
                    .is_none_or(|error| error <= bound),
                "{found:?}"
            );
            let others = [found.ctrl_max_abs_error, found.probe_max_abs_error];
            assert!(
                others.into_iter().flatten().all(|error| error <= 1e-6)
                    && found.probe_success_equal != Some(false),
                "{found:?}"
            );
            if key.starts_with("robosuite/") {
                assert!(found.max_abs_error <= 1e-6, "{found:?}");
                assert!(found.ctrl_max_abs_error.is_some(), "{found:?}");
                assert!(found.probe_success_equal.is_some(), "{found:?}");
            }
        }
    }
    assert!(count >= 74, "only {count} episodes");
}

/// The success rule of every task of robosuite is held to upstream's both where it holds and where
/// it does not: among states of their own, and within episodes.
#[test]
fn every_rule_of_robosuite_is_seen_to_hold_and_not_to_hold() {
    let mut outcomes: BTreeMap<String, [[usize; 2]; 2]> = BTreeMap::new();
    for path in files() {
        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        for (name, view) in file.tensors() {
            let kinds = ["/success", "/probe_success"];
            let kind = kinds.iter().position(|kind| name.ends_with(kind));
            let task = name.splitn(3, '/').take(2).collect::<Vec<_>>().join("/");
            let (Some(kind), true) = (kind, task.starts_with("robosuite/")) else {
                continue;
            };
            let flags = view.data().as_chunks().0.iter();
            for &flag in flags {
                let holds = f64::from_le_bytes(flag) != 0.0;
                outcomes.entry(task.clone()).or_default()[kind][usize::from(holds)] += 1;
            }
        }
    }
    assert_eq!(outcomes.len(), 6);
    for (task, [episodes, probes]) in outcomes {
        assert!(
            episodes.iter().all(|count| *count >= 20),
            "{task}: {episodes:?}"
        );
        assert!(
            probes.iter().all(|count| *count >= 20),
            "{task}: {probes:?}"
        );
    }
}
