//! The suite `adroit` against traces of the public implementation: gymnasium-robotics 1.4.2 on MuJoCo 3.17.0.
//! `$PROTEGE_FIXTURES` names another folder with a `sim_traces.safetensors`.

#![cfg(feature = "mujoco")]

use protege::mujoco::adroit::{Adroit, Init};
use safetensors::SafeTensors;
use std::path::PathBuf;

const TASKS: [&str; 3] = ["adroit/pen", "adroit/hammer", "adroit/door"];
/// Traces of a task: the expert's, and the same with noise on its actions.
const TRACES: [usize; 2] = [0, 1];

fn fixture() -> Vec<u8> {
    let own = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let folder = std::env::var_os("PROTEGE_FIXTURES").map_or_else(own, PathBuf::from);
    std::fs::read(folder.join("sim_traces.safetensors")).unwrap()
}

/// A tensor, as rows; `None` when there is none of this name.
fn rows(tensors: &SafeTensors, name: &str) -> Option<Vec<Vec<f64>>> {
    let view = tensors.tensor(name).ok()?;
    let numbers: Vec<f64> = match view.dtype() {
        safetensors::Dtype::F64 => view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
        _ => view.data().as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect(),
    };
    let width: usize = view.shape()[1..].iter().product();
    Some(numbers.chunks(width).map(<[f64]>::to_vec).collect())
}

fn init(tensors: &SafeTensors, trace: &str) -> Init {
    let prefix = format!("{trace}/init/");
    let names = tensors.names().into_iter().filter_map(|name| Some((name, name.strip_prefix(&prefix)?)));
    names.map(|(name, short)| (short.to_owned(), rows(tensors, name).unwrap().concat())).collect()
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// The promise: from the same start, the same actions give upstream's observations (to 1e-6 over the first 100 steps), its
/// success on every step, and its dense reward where the trace has it. `--nocapture` shows the errors.
#[test]
fn traces_of_the_public_implementation_are_reproduced() {
    let bytes = fixture();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    for (task, trace) in TASKS.iter().flat_map(|task| TRACES.map(|j| (task, format!("{task}/{j}")))) {
        let part = |name: &str| rows(&tensors, &format!("{trace}/{name}"));
        let (actions, obs, success) = (part("actions").unwrap(), part("obs").unwrap(), part("success").unwrap());
        let dense = part("reward_dense");
        let mut env = Adroit::new(task).unwrap();
        let (mut early, mut late, mut paid): (f64, f64, f64) = (0.0, 0.0, 0.0);
        early = early.max(largest_difference(&env.start(&init(&tensors, &trace)).unwrap(), &obs[0]));
        for (t, action) in actions.iter().enumerate() {
            let (seen, done, reward) = env.play(action).unwrap();
            let error = largest_difference(&seen, &obs[t + 1]);
            if t < 100 {
                early = early.max(error)
            } else {
                late = late.max(error)
            }
            assert_eq!(done, success[t][0] > 0.5, "{trace}: success at step {t}");
            paid = dense.as_ref().map_or(paid, |dense| paid.max((reward - dense[t][0]).abs()));
        }
        println!("{trace}: observations differ by {early:.1e} within 100 steps, {late:.1e} later, dense rewards by {paid:.1e}");
        assert!(early <= 1e-6, "{trace}: {early:e}");
        assert!(paid <= 1e-6, "{trace}: {paid:e}");
    }
}
