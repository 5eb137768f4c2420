//! What settings are said to take of memory is what a run takes, at moderate sizes.

use protege::engines::CATALOG;
use protege_core::run::Config;
use protege_core::run::memory::total;
use std::path::Path;
use std::process::Command;

/// How much more than a run takes an estimate may be, and how much less.
const WITHIN: (f64, f64) = (2.0, 1.2);

/// Settings of all runs: little of everything that takes time.
const SMALL: &[&str] = &[
    "eval.episodes=2",
    "eval.curve_episodes=2",
    "pretrain.bc.updates=2",
    "pretrain.post_bc.updates=2",
    "pretrain.value_dice.updates=2",
];

/// Runs whose weights are large, of networks or of an ensemble: with more updates than a run makes
/// in one step, so that a checkpoint is made in the midst of learning, where most of them is held.
const OF_WEIGHTS: &[&[&str]] = &[
    &[
        "pretrain.method=bc",
        "policy.hidden=2048",
        "policy.layers=4",
        "pretrain.bc.batch=16",
        "pretrain.bc.updates=12",
    ],
    &[
        "pretrain.method=post-bc",
        "pretrain.post_bc.members=40",
        "pretrain.post_bc.hidden=512",
        "pretrain.post_bc.layers=3",
        "pretrain.post_bc.updates=12",
    ],
    &[
        "pretrain.method=bc",
        "policy.encoder=resnet",
        "engine=mujoco",
        "env.image_size=84",
        "pretrain.bc.batch=8",
        "pretrain.bc.updates=12",
    ],
];

/// Runs whose batches are large: all that they hold is there from the first updates on.
const OF_BATCHES: &[&[&str]] = &[
    &[
        "pretrain.method=bc",
        "policy.hidden=512",
        "policy.layers=4",
        "pretrain.bc.batch=16384",
    ],
    &[
        "pretrain.method=bc",
        "policy.kind=flow-transformer",
        "policy.hidden=256",
        "policy.layers=4",
        "pretrain.bc.batch=512",
    ],
    &[
        "pretrain.method=value-dice",
        "pretrain.value_dice.batch=8192",
        "pretrain.value_dice.hidden=256",
        "policy.hidden=256",
    ],
    &[
        "pretrain.method=post-bc",
        "engine=mujoco",
        "env.image_size=84",
        "pretrain.bc.batch=256",
    ],
    &[
        "pretrain.method=bc",
        "policy.encoder=resnet",
        "engine=mujoco",
        "env.image_size=84",
        "pretrain.bc.batch=24",
    ],
    &[
        "pretrain.method=bc",
        "policy.encoder=vit",
        "engine=mujoco",
        "env.image_size=84",
        "pretrain.bc.batch=128",
    ],
];

/// Ways to finetune, after a small policy was cloned.
const FINETUNED: &[&[&str]] = &[
    &[
        "finetune.method=best-of-n",
        "finetune.best_of_n.rollouts=4",
        "finetune.best_of_n.rounds=1",
        "finetune.best_of_n.updates=2",
        "finetune.best_of_n.hidden=256",
        "finetune.best_of_n.batch=16384",
    ],
    &[
        "finetune.method=dsrl",
        "finetune.dsrl.envs=4",
        "finetune.dsrl.learning_starts=40",
        "finetune.dsrl.total_steps=44",
        "finetune.dsrl.critics=10",
        "finetune.dsrl.hidden=512",
        "finetune.dsrl.batch=16",
    ],
    &[
        "finetune.method=td-mpc",
        "finetune.td_mpc.envs=4",
        "finetune.td_mpc.clone_updates=2",
        "finetune.td_mpc.seed_updates=2",
        "finetune.td_mpc.learning_starts=40",
        "finetune.td_mpc.total_steps=44",
        "finetune.td_mpc.utd_ratio=0.1",
        "finetune.td_mpc.batch=4096",
        "finetune.td_mpc.hidden=128",
    ],
    &[
        "finetune.method=td-mpc",
        "engine=mujoco",
        "env.image_size=84",
        "finetune.td_mpc.envs=1",
        "finetune.td_mpc.clone_updates=1",
        "finetune.td_mpc.seed_updates=1",
        "finetune.td_mpc.learning_starts=12",
        "finetune.td_mpc.total_steps=20",
        "finetune.td_mpc.utd_ratio=0.1",
        "finetune.td_mpc.samples=16",
        "finetune.td_mpc.policy_samples=4",
    ],
];

/// The estimate and the measured peak of a run, in bytes; none where the system does not measure.
fn both(folder: &Path, name: &str, settings: &[&str]) -> (f64, Option<f64>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_protege"));
    command.current_dir(folder).args([
        "run",
        "--task",
        "lab/lift",
        "--preset",
        "tiny",
        "--demos",
        "2",
        "--no-video",
        "--no-companion",
        "--checkpoint-every",
        "0",
        "--quiet",
        "--json",
        "--out",
        name,
    ]);
    // A file may have sizes of methods that are not used.
    let small = SMALL.iter().map(|setting| setting.replace('=', " = "));
    let small: Vec<String> = small.collect();
    std::fs::write(folder.join("small.toml"), small.join("\n")).unwrap();
    command.args(["--config", "small.toml"]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{settings:?}: {text}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let written = std::fs::read_to_string(folder.join(name).join("config.toml")).unwrap();
    let written: toml::Value = toml::from_str(&written).unwrap();
    let written = serde_json::to_value(written).unwrap();
    let config = Config::from_saved(&written, &CATALOG).unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let estimate = total(&config, &CATALOG, false, cores).unwrap();
    (
        estimate,
        answer["peak_memory_mb"].as_f64().map(|mb| 1e6 * mb),
    )
}

/// Estimates are neither so low that what is accepted cannot run, nor so high that what could run
/// is refused.
#[test]
fn estimates_are_what_runs_take() {
    let folder = tempfile::tempdir().unwrap();
    let cloned = ["pretrain.method=bc", "policy.hidden=64", "policy.layers=2"];
    let alone = OF_WEIGHTS.iter().chain(OF_BATCHES);
    let alone = alone.map(|run| [*run, &["finetune.method=none"][..]].concat());
    let finetuned = FINETUNED.iter().map(|run| [&cloned[..], *run].concat());
    let mut wrong = Vec::new();
    for (i, settings) in alone.chain(finetuned).enumerate() {
        let (estimate, peak) = both(folder.path(), &i.to_string(), &settings);
        let Some(peak) = peak else { return };
        let ratio = estimate / peak;
        eprintln!(
            "{ratio:.2}: {:.0} of {:.0} MB, {settings:?}",
            estimate / 1e6,
            peak / 1e6
        );
        if ratio > WITHIN.0 || ratio < 1.0 / WITHIN.1 {
            wrong.push((ratio, settings));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
