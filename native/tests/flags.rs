//! Every flag of every command has an effect, or is refused: what the program prints and writes
//! with it is not what it prints and writes without.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::{Command, Stdio};

/// Sizes of networks and lengths of training with which a run takes a second.
const SMALL: &str = "\
preset = \"tiny\"
demos = { count = 2 }
env = { parallel = 4 }
policy = { hidden = 8, layers = 1, inference_steps = 2 }
pretrain = { bc = { updates = 20, batch = 8 }, post_bc = { members = 2, updates = 5, hidden = 8 } }
finetune = { best_of_n = { rollouts = 3, updates = 5, samples = 2, hidden = 8, layers = 1 } }
eval = { episodes = 3, curve_episodes = 2 }
";

/// What a command is called with besides the flag that is tried.
const BASES: &[(&str, &str)] = &[
    (
        "run",
        "--config small.toml --task lab/lift --pretrain bc --finetune none --no-video --out r",
    ),
    (
        "pretrain",
        "--config small.toml --task lab/lift --pretrain bc --no-video --out r",
    ),
    ("finetune", "--checkpoint made/bc --no-video --out r"),
    ("demos", "--task lab/lift --out d.safetensors"),
    (
        "export",
        "--demos made/two.safetensors --format robomimic --out d.hdf5",
    ),
    ("eval", "--checkpoint made/bc"),
    ("play", "--task lab/lift --size 32x32 --out p.gif"),
    ("compare", "made/bc --out c.html"),
    ("tasks", "--only lab --episodes 1"),
    ("trace", "--task lab/lift --steps 5"),
    ("methods", "bc"),
    (
        "theory",
        "--states 3 --actions 2 --horizon 2 --demos 2 --alpha 0.5 --repeats 5 --out t",
    ),
];

/// The value that each flag is tried with, and what it stands beside.
const TRIALS: &[(&str, &str, &str, &str)] = &[
    ("run pretrain", "task", "lab/push", ""),
    ("run pretrain finetune demos", "engine", "mujoco", ""),
    ("run pretrain", "pretrain", "sigma-bc", ""),
    (
        "run",
        "finetune",
        "best-of-n",
        "--set finetune.best_of_n.rollouts=3",
    ),
    ("finetune", "finetune", "none", ""),
    ("run pretrain", "policy", "gaussian", ""),
    ("finetune", "policy", "gaussian", ""),
    ("run pretrain demos", "demos", "3", ""),
    ("finetune", "demos", "3", ""),
    (
        "run pretrain finetune demos eval play trace theory",
        "seed",
        "5",
        "",
    ),
    ("run pretrain finetune", "preset", "cpu", ""),
    ("demos", "preset", "paper", ""),
    ("run pretrain demos", "config", "other.toml", ""),
    ("finetune", "config", "other.toml", ""),
    ("run pretrain finetune eval", "set", "eval.episodes=2", ""),
    ("demos", "set", "demos.noise=0.3", ""),
    ("run pretrain", "demos-file", "made/two.safetensors", ""),
    ("finetune", "demos-file", "made/two.safetensors", ""),
    ("run", "checkpoint", "made/sigma-bc", ""),
    ("finetune eval", "checkpoint", "made/sigma-bc", ""),
    ("finetune", "task", "lab/push", ""),
    ("finetune", "base", "openpi://127.0.0.1:1", ""),
    ("run pretrain finetune", "seeds", "2", ""),
    ("run pretrain finetune", "out", "another", ""),
    ("run pretrain finetune eval bench", "device", "nowhere", ""),
    (
        "run pretrain finetune",
        "checkpoint-every",
        "0",
        "--keep-last 50",
    ),
    (
        "run pretrain finetune",
        "keep-last",
        "1",
        "--checkpoint-every 0",
    ),
    ("run pretrain finetune eval", "workers", "nowhere", ""),
    ("demos", "task", "lab/push", ""),
    ("demos", "finetune", "csil", ""),
    ("demos", "pretrain", "bc", ""),
    ("demos", "policy", "flow", ""),
    ("demos", "expert", "none.safetensors", ""),
    ("demos", "from", "none.safetensors", ""),
    ("demos", "obs", "flat", ""),
    ("demos", "filter", "train", ""),
    ("demos", "successful-only", "", ""),
    ("demos", "trim", "", ""),
    ("demos", "out", "e.safetensors", ""),
    ("export", "demos", "none.safetensors", ""),
    ("export", "format", "another", ""),
    ("export", "valid", "0.5", ""),
    ("export", "out", "e.hdf5", ""),
    ("eval", "task", "lab/push", ""),
    ("eval", "episodes", "2", ""),
    ("eval play tasks", "to-horizon", "", ""),
    ("eval play", "rerun", "x.txt", ""),
    ("play", "task", "lab/push", ""),
    ("play", "checkpoint", "made/bc", ""),
    ("play", "episodes", "2", ""),
    ("play", "out", "q.gif", ""),
    ("play", "size", "48x32", ""),
    ("play", "camera", "nowhere", ""),
    ("play", "speed", "2", ""),
    ("play", "engine", "mujoco", ""),
    ("play", "device", "cpu", ""),
    ("compare", "out", "d.html", ""),
    ("compare", "csv", "c.csv", ""),
    ("tasks", "episodes", "2", ""),
    ("tasks", "noise", "1", ""),
    ("tasks", "only", "lab/lift", ""),
    ("trace", "task", "lab/push", ""),
    ("trace", "steps", "3", ""),
    ("trace", "noise", "0.5", ""),
    ("trace", "fixture", "none.safetensors", "--key lab/lift/0"),
    ("trace", "key", "lab/lift/0", ""),
    ("methods", "docs", "made", ""),
    ("theory", "states", "4", ""),
    ("theory", "actions", "3", ""),
    ("theory", "horizon", "3", ""),
    ("theory", "demos", "3", ""),
    ("theory", "alpha", "0.25", ""),
    ("theory", "repeats", "6", ""),
    ("theory", "delta", "0.2", ""),
    ("theory", "out", "u", ""),
];

/// Flags that another test tries, and which.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "run pretrain finetune",
        "resume",
        "cli.rs: an interrupted run goes on",
    ),
    (
        "run pretrain finetune",
        "no-companion",
        "leaves out what would not be there otherwise",
    ),
    (
        "run pretrain finetune",
        "no-video",
        "leaves out what would not be there otherwise",
    ),
    ("bench", "only repeats", "times are never equal"),
    ("doctor", "out fix policy", "served.rs and start.rs"),
    ("run pretrain finetune eval", "token-file", "workers.rs"),
    ("worker", "listen threads token-file", "workers.rs"),
];

/// A call in a folder of its own: the exit code, the answer without times, and the files.
fn seen(made: &Path, arguments: &[String]) -> (Option<i32>, Value, BTreeMap<String, u64>) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("small.toml", SMALL);
    let other = SMALL.replace("episodes = 3", "episodes = 4");
    file("other.toml", &other.replace("count = 2", "noise = 0.5"));
    std::os::unix::fs::symlink(made, folder.path().join("made")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_protege"));
    command.current_dir(folder.path()).stdin(Stdio::null());
    let output = command.args(arguments).arg("--json").output().unwrap();
    let mut answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    without_times(&mut answer);
    let mut files = BTreeMap::new();
    list(folder.path(), "", &mut files);
    (output.status.code(), answer, files)
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            entries.retain(|name, _| !["wall_s", "peak_memory_mb", "seconds"].contains(&&name[..]));
            entries.values_mut().for_each(without_times);
        }
        Value::Array(entries) => entries.iter_mut().for_each(without_times),
        _ => {}
    }
}

/// Every file by its path; of those that hold no times a number that stands for what they hold.
fn list(folder: &Path, path: &str, files: &mut BTreeMap<String, u64>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{path}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            list(&entry.path(), &name, files);
        }
        if !kind.is_file() {
            continue;
        }
        let telling = name.ends_with("config.toml") || name.ends_with(".gif");
        let bytes = std::fs::read(entry.path()).unwrap();
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        // TensorBoard's files have the time in their names.
        if !name.contains("tensorboard") {
            files.insert(name, if telling { hasher.finish() } else { 0 });
        }
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// The base of a command with a flag, which replaces one that is there.
fn with(command: &str, base: &str, flag: &str, value: &str, beside: &str) -> Vec<String> {
    let mut arguments = vec![command.to_owned()];
    let flag = format!("--{flag}");
    let mut rest = words(base).into_iter();
    while let Some(word) = rest.next() {
        if word == flag {
            rest.next();
        } else {
            arguments.push(word);
        }
    }
    arguments.extend(words(beside));
    arguments.push(flag);
    arguments.extend(words(value));
    arguments
}

/// What the calls need: policies of two kinds of pretraining, and demonstrations.
fn made() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.toml"), SMALL).unwrap();
    let call = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_protege"));
        command.current_dir(folder.path()).stdin(Stdio::null());
        let output = command.args(words(arguments)).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments}: {text}");
    };
    for method in ["bc", "sigma-bc"] {
        call(&format!(
            "pretrain --config small.toml --task lab/lift --pretrain {method} --no-video \
             --out {method}"
        ));
    }
    call("demos --task lab/lift --demos 2 --set demos.noise=0 --out two.safetensors");
    folder
}

/// The flags that the help of a command lists, but for those that all commands have.
fn flags(command: &str) -> BTreeSet<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_protege"));
    let output = program.args([command, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let lines = help.lines().map(str::trim_start);
    let names = lines.filter_map(|line| {
        let rest = line
            .split_once("--")
            .filter(|(short, _)| short.len() < 5)?
            .1;
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        Some(rest[..end.unwrap_or(rest.len())].to_owned())
    });
    let general = ["help", "json", "quiet", "threads", "version", ""];
    names.filter(|name| !general.contains(&&name[..])).collect()
}

/// Every flag that the help lists has a trial; a flag that is added is tried, or this fails.
#[test]
fn every_flag_has_a_trial() {
    let commands: Vec<&str> = BASES.iter().map(|(command, _)| *command).collect();
    let mut untried = Vec::new();
    for command in commands.into_iter().chain(["bench", "doctor", "worker"]) {
        for flag in flags(command) {
            let trials = TRIALS.iter().map(|(commands, flags, ..)| (commands, flags));
            let elsewhere = ELSEWHERE
                .iter()
                .map(|(commands, flags, _)| (commands, flags));
            let mut all = trials.chain(elsewhere);
            let names = |list: &str, name: &str| list.split(' ').any(|word| word == name);
            if !all.any(|(commands, flags)| names(commands, command) && names(flags, &flag)) {
                untried.push(format!("{command} --{flag}"));
            }
        }
    }
    assert!(untried.is_empty(), "{untried:?}");
}

/// A flag changes what is printed or written, or is refused; without it, nothing changes from one
/// call to the next.
#[test]
fn every_flag_has_an_effect_or_is_refused() {
    let made = made();
    let mut idle = Vec::new();
    for (command, base) in BASES {
        let plain = |beside: &str| {
            let mut arguments = vec![(*command).to_owned()];
            arguments.extend(words(base));
            arguments.extend(words(beside));
            seen(made.path(), &arguments)
        };
        let once = plain("");
        assert_eq!(once, plain(""), "{command}");
        assert_eq!(once.0, Some(0), "{command}: {}", once.1);
        for (commands, flag, value, beside) in TRIALS {
            if !commands.split(' ').any(|name| name == *command) {
                continue;
            }
            let without = if beside.is_empty() {
                once.clone()
            } else {
                plain(beside)
            };
            let arguments = with(command, base, flag, value, beside);
            if seen(made.path(), &arguments) == without {
                idle.push(arguments.join(" "));
            }
        }
    }
    assert!(
        idle.is_empty(),
        "without effect, and not refused: {idle:#?}"
    );
}
