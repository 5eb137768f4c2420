//! What critics say of a state lies where returns lie, in every task and from three demonstrations:
//! no number that they read is blown up.

#![cfg(feature = "mujoco")]

use burn::tensor::Device;
use mimalloc::MiMalloc;
use pollster::block_on;
use protege::engines::{CATALOG, make, services};
use protege_core::data::{CODE_VERSION, Dataset, Episode, Meta};
use protege_core::env::Entry;
use protege_core::rng::Rng;
use protege_core::run::{Config, Inputs, Run};
use serde_json::{Value, json};
use std::sync::Mutex;

/// The program's allocator: learning takes memory and gives it back all the time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Tasks whose demonstrations vary least in some number, which practice changes most.
const HARDEST: [&str; 3] = [
    "metaworld/stick-push",
    "metaworld/coffee-push",
    "lab/assembly",
];
/// By how much an estimate may miss what can be earned: critics begin with random weights.
const SLACK: f64 = 0.5;

/// A run of seconds, from three demonstrations.
fn config(task: &str, finetune: &str, settings: &[(&str, Value)]) -> Config {
    let common = [
        ("preset", json!("tiny")),
        ("task", json!(task)),
        ("pretrain.method", json!("bc")),
        ("finetune.method", json!(finetune)),
        ("demos.count", json!(3)),
        ("policy.hidden", json!(32)),
        ("pretrain.bc.updates", json!(100)),
        ("env.parallel", json!(4)),
        ("eval.episodes", json!(1)),
        ("eval.curve_episodes", json!(1)),
    ];
    let all = common.iter().chain(settings);
    let all: Vec<_> = all
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    Config::resolve(&all, &CATALOG).unwrap()
}

/// Small settings of a method, and what its values can be.
fn method(name: &str) -> (Vec<(&'static str, Value)>, [f64; 2]) {
    // Success earns 1 and ends an episode.
    let sparse = [0.0, 1.0];
    match name {
        "best-of-n" => (
            vec![
                ("finetune.best_of_n.rollouts", json!(4)),
                ("finetune.best_of_n.updates", json!(200)),
                ("finetune.best_of_n.batch", json!(64)),
                ("finetune.best_of_n.hidden", json!(32)),
            ],
            sparse,
        ),
        "dsrl" => (
            vec![
                ("finetune.dsrl.total_steps", json!(400)),
                ("finetune.dsrl.learning_starts", json!(200)),
                ("finetune.dsrl.hidden", json!(32)),
                ("finetune.dsrl.batch", json!(64)),
                ("finetune.dsrl.utd_ratio", json!(2)),
                ("finetune.dsrl.noise_utd_ratio", json!(1)),
            ],
            sparse,
        ),
        "td-mpc" => (
            vec![
                ("finetune.td_mpc.total_steps", json!(500)),
                ("finetune.td_mpc.clone_updates", json!(50)),
                ("finetune.td_mpc.learning_starts", json!(300)),
                ("finetune.td_mpc.seed_updates", json!(50)),
                ("finetune.td_mpc.utd_ratio", json!(0.5)),
            ],
            sparse,
        ),
        "csil" => {
            // The learned reward has bounds of its own, and is earned in every decision.
            let settings = vec![
                ("finetune.csil.total_steps", json!(500)),
                ("finetune.csil.learning_starts", json!(300)),
            ];
            let csil = config("lab/lift", name, &settings).finetune.csil;
            // A log-likelihood ratio: of the least variance and a uniform prior.
            let variance = csil.actor.variance_floor;
            let most = csil.reward_scale * (2.0 / variance.sqrt()).ln();
            let low = (csil.least_reward - most) / (1.0 - csil.gamma);
            (settings, [low, most / (1.0 - csil.gamma)])
        }
        "xqc" | "rlpd" | "sac" => {
            let key =
                |setting: &str| -> &'static str { format!("finetune.{name}.{setting}").leak() };
            let settings = vec![
                (key("total_steps"), json!(600)),
                (key("learning_starts"), json!(300)),
                (key("actor.clone_updates"), json!(200)),
            ];
            (settings, sparse)
        }
        other => panic!("{other} has no case here"),
    }
}

/// Demonstrations by random actions, for tasks without an expert.
fn aimless(task: &Entry) -> Dataset {
    let mut env = make(&task.spec.id, task.engines[0]).unwrap();
    let play = |seed: u64| {
        let mut rng = Rng::new(seed, "test", 0);
        let mut episode = Episode::start(seed, &env.reset(seed));
        for _ in 0..40 {
            let action: Vec<f32> = rng.normals(task.spec.act);
            let action: Vec<f32> = action.iter().map(|a| (0.3 * a).clamp(-1.0, 1.0)).collect();
            let step = env.step(&action).unwrap();
            episode.push(&action, step.reward, &step.obs);
        }
        episode
    };
    Dataset {
        episodes: (0..3).map(play).collect(),
        meta: Meta {
            task: task.spec.id.clone(),
            engine: task.engines[0].into(),
            seed: 0,
            code_version: CODE_VERSION.into(),
            obs: task.spec.obs.clone(),
            act: task.spec.act,
            action_repeat: 1,
            controller: String::new(),
            demonstrator: "random actions".into(),
        },
    }
}

/// The values and losses of critics in a run of a task, and what of them cannot be.
fn impossible(task: &Entry, name: &str) -> Vec<String> {
    let (settings, [low, high]) = method(name);
    let config = config(&task.spec.id, name, &settings);
    let inputs = Inputs {
        demos: task.expert_success.is_none().then(|| aimless(task)),
        services: services(),
        ..Inputs::default()
    };
    let mut run = Run::new(config, inputs, Device::flex()).unwrap();
    let mut faults = Vec::new();
    let mut values = 0;
    // Half a range off in every one of ten critics.
    let most_loss = 10.0 * (high - low).powi(2);
    loop {
        let progress = block_on(run.step()).unwrap();
        for (key, value) in progress.records.iter().flat_map(|record| &record.values) {
            let sound = match key.as_str() {
                "policy/value" => (low - SLACK..=high + SLACK).contains(value),
                "loss/q" | "loss/value" | "loss/critic" => (0.0..=most_loss).contains(value),
                _ => continue,
            };
            values += usize::from(key == "policy/value");
            if !sound {
                faults.push(format!("{} with {name}: {key} is {value}", task.spec.id));
            }
        }
        if progress.finished {
            assert!(
                values > 0,
                "{name} said nothing of values in {}",
                task.spec.id
            );
            return faults;
        }
    }
}

/// Runs them on all cores, and gives what cannot be.
fn all_faults(runs: Vec<(Entry, &str)>) -> Vec<String> {
    let queue = Mutex::new(runs.into_iter());
    let faults = Mutex::new(Vec::new());
    let work = || {
        loop {
            let next = queue.lock().unwrap().next();
            let Some((task, name)) = next else { return };
            let found = impossible(&task, name);
            faults.lock().unwrap().extend(found);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    faults.into_inner().unwrap()
}

/// Every task of every suite, with the critics that have no normalization of their own.
#[test]
fn values_lie_where_returns_lie_in_every_task() {
    let runs = CATALOG.all().into_iter().map(|task| (task, "best-of-n"));
    let faults = all_faults(runs.collect());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every method that says what it expects, where scaling has most to do.
#[test]
fn values_lie_where_returns_lie_with_every_method() {
    let mut runs = Vec::new();
    for name in ["dsrl", "td-mpc", "csil", "xqc", "rlpd", "sac"] {
        for task in HARDEST {
            runs.push((CATALOG.entry(task).unwrap(), name));
        }
    }
    let faults = all_faults(runs);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
