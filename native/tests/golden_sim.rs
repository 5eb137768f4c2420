//! The upstream suites, held to numbers that their own code made on the same MuJoCo.
//!
//! `fixtures/sim_traces.safetensors` (another folder: `PROTEGE_FIXTURES`) has episodes of Meta-World 3.1.1 and of
//! gymnasium-robotics 1.4.2 on MuJoCo 3.17.0, played by their Python: for each `suite/task/number` the state after the reset, the
//! actions, observations, successes and rewards. Number 0 is played by the scripted expert, 1 by the same with noise of 0.1.
#![cfg(feature = "mujoco")]

use protege::mujoco::trace::{Records, knows};
use std::path::PathBuf;

fn file() -> Vec<u8> {
    let folder = std::env::var_os("PROTEGE_FIXTURES").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures"));
    std::fs::read(folder.join("sim_traces.safetensors")).unwrap()
}

/// The promise: observations are upstream's to 1e-6 over the first 100 steps and after a reset of our own, and successes at every
/// step.
#[test]
fn episodes_of_upstream_are_the_same_here() {
    let bytes = file();
    let records = Records::new(&bytes, "sim_traces.safetensors").unwrap();
    let keys: Vec<String> = records.keys().into_iter().filter(|key| knows(key)).collect();
    assert!(keys.len() >= 12, "{keys:?}");
    for key in keys {
        let found = records.compare(&key).unwrap();
        assert!(found.max_abs_error_100 <= 1e-6 && found.success_equal, "{found:?}");
        assert!(found.reset_max_abs_error.is_none_or(|error| error <= 1e-6), "{found:?}");
        // Upstream computes part of Meta-World's dense rewards in 32 bits.
        assert!(found.reward_max_abs_error.is_none_or(|error| error <= 1e-6), "{found:?}");
    }
}
