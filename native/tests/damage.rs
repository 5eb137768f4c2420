//! Every file of a run's folder, damaged in every way: it is noticed and named, or made again, or
//! nothing depended on it. The numbers of a run never change without a word.

mod common;

use common::{protege, sentence};
use protege_core::data::Archive;
use protege_core::rng::Rng;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;

/// A small run that has everything: demonstrations, a curve, and what finetuning made.
const SMALL: [&str; 30] = [
    "run",
    "--task",
    "lab/lift",
    "--preset",
    "tiny",
    "--pretrain",
    "bc",
    "--demos",
    "2",
    "--set",
    "env.parallel=4",
    "--set",
    "policy.hidden=8",
    "--set",
    "pretrain.bc.updates=40",
    "--set",
    "finetune.best_of_n.rollouts=4",
    "--set",
    "finetune.best_of_n.rounds=1",
    "--set",
    "finetune.best_of_n.updates=40",
    "--set",
    "eval.episodes=4",
    "--set",
    "eval.curve_episodes=2",
    "--no-video",
    "--checkpoint-every",
    "0",
    "--keep-last",
    "4",
];

fn call(folder: &Path, arguments: &[&str]) -> Output {
    protege(folder, arguments).output().unwrap()
}

/// A finished run of this seed.
fn finished(folder: &Path, out: &str, seed: &str) {
    let more = ["--out", out, "--seed", seed, "--quiet"];
    let output = call(folder, &[&SMALL[..], &more].concat());
    assert!(output.status.success(), "{}", sentence(&output));
}

/// Makes a finished run one that was stopped shortly before its end.
fn stop_before_the_end(run: &Path) {
    let seed = run.join("seed-0");
    for name in [
        "summary.json",
        "seed-0/summary.json",
        "seed-0/policy.safetensors",
    ] {
        fs::remove_file(run.join(name)).unwrap();
    }
    fs::remove_file(run.join("report.html")).unwrap();
    let last = checkpoints(&seed).pop().unwrap();
    fs::remove_dir_all(last).unwrap();
}

/// The folders of a seed's checkpoints, in order.
fn checkpoints(seed: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(seed.join("checkpoints")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The files below a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(&file);
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(from.join(&file), target).unwrap();
    }
}

/// What a run found: everything but the time that it took.
fn results(run: &Path) -> Vec<(String, Vec<u8>)> {
    let lines = |name: &str| {
        let text = fs::read_to_string(run.join("seed-0").join(name)).unwrap();
        let rows = text.lines().map(|line| without_time(line).to_string());
        rows.collect::<Vec<_>>().join("\n").into_bytes()
    };
    let file = |name: &str| fs::read(run.join("seed-0").join(name)).unwrap();
    let summary = fs::read_to_string(run.join("summary.json")).unwrap();
    let summary = without_time(&summary);
    let figures = format!(
        "{} {} {}",
        summary["before"], summary["after"], summary["task"]
    );
    vec![
        ("metrics.jsonl".into(), lines("metrics.jsonl")),
        ("episodes.jsonl".into(), lines("episodes.jsonl")),
        ("policy.safetensors".into(), file("policy.safetensors")),
        ("demos.safetensors".into(), file("demos.safetensors")),
        ("summary.json".into(), figures.into_bytes()),
    ]
}

fn without_time(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    value.as_object_mut().unwrap().remove("wall_s");
    value
}

/// The ways to damage a file; a foreign file is that of another run.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Flip(u64),
    Cut,
    Remove,
    Foreign,
}

const DAMAGES: [Damage; 6] = [
    Damage::Flip(0),
    Damage::Flip(1),
    Damage::Flip(2),
    Damage::Cut,
    Damage::Remove,
    Damage::Foreign,
];

impl Damage {
    fn inflict(self, path: &Path, foreign: &Path) {
        let mut bytes = fs::read(path).unwrap();
        match self {
            Self::Flip(n) if !bytes.is_empty() => {
                let mut rng = Rng::new(n, "flip", bytes.len() as u64);
                let bit = rng.below(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                fs::write(path, bytes).unwrap();
            }
            Self::Flip(_) => fs::write(path, "x").unwrap(),
            Self::Cut => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
            Self::Remove => fs::remove_file(path).unwrap(),
            // What the other run lacks may be anything.
            Self::Foreign => fs::write(path, fs::read(foreign).unwrap_or_default()).unwrap(),
        }
    }
}

/// A finished run, one that was stopped, one of another seed, and what the first two find.
struct Runs {
    folder: tempfile::TempDir,
}

impl Runs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        finished(folder.path(), "whole", "0");
        finished(folder.path(), "other", "5");
        let other = folder.path().join("other");
        fs::rename(other.join("seed-5"), other.join("seed-0")).unwrap();
        copy(&folder.path().join("whole"), &folder.path().join("stopped"));
        stop_before_the_end(&folder.path().join("stopped"));
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Tries every damage to every file of the run `from` on a copy, on two threads.
fn try_all(runs: &Runs, from: &str, check: impl Fn(&Path, &str) + Sync) {
    let whole = runs.path(from);
    let all: Vec<(PathBuf, Damage)> = files(&whole)
        .into_iter()
        .flat_map(|file| DAMAGES.map(|damage| (file.clone(), damage)))
        .collect();
    let queue = Mutex::new(all.into_iter());
    let work = || {
        loop {
            let next = queue.lock().unwrap().next();
            let Some((file, damage)) = next else { break };
            let copied = tempfile::tempdir().unwrap();
            let run = copied.path().join("run");
            copy(&whole, &run);
            damage.inflict(&run.join(&file), &runs.path("other").join(&file));
            check(copied.path(), &format!("{} {damage:?}", file.display()));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
}

/// The name of the file that a case damages.
fn damaged(case: &str) -> &str {
    let path = case.split(' ').next().unwrap();
    path.rsplit('/').next().unwrap()
}

/// A refusal is one sentence that names the file and ends with exit code 2.
fn assert_named(output: &Output, case: &str) {
    let text = sentence(output);
    assert_eq!(output.status.code(), Some(2), "{case}: {text}");
    let error = text.lines().last().unwrap_or_default();
    assert!(error.starts_with("error: "), "{case}: {text}");
    let name = damaged(case);
    // Where the seed's summary is missing, the seed has not finished.
    let named = error.contains(name) || (name == "summary.json" && error.contains("not finished"));
    assert!(named, "{case} is answered by {text}");
}

/// Whatever is done to whichever file of a finished run, `compare` shows the same figures, or
/// refuses and names the file; `--resume` leaves the same results, or does likewise.
#[test]
fn no_damage_to_a_finished_run_passes() {
    let runs = Runs::new();
    let figures = |folder: &Path| {
        let output = call(folder, &["compare", "run", "--json"]);
        let value: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (value["runs"].clone(), output)
    };
    let undamaged = tempfile::tempdir().unwrap();
    copy(&runs.path("whole"), &undamaged.path().join("run"));
    let expected = figures(undamaged.path()).0;
    assert!(expected.is_array());
    let found = results(&runs.path("whole"));
    try_all(&runs, "whole", |folder, case| {
        let (shown, output) = figures(folder);
        if output.status.success() {
            assert_eq!(shown, expected, "{case}");
        } else {
            assert_named(&output, case);
        }
        let output = call(folder, &["run", "--resume", "run", "--quiet"]);
        if output.status.success() {
            let now = results(&folder.join("run"));
            assert!(now == found, "{case}: {}", sentence(&output));
        } else {
            assert_named(&output, case);
        }
    });
}

/// Whatever is done to whichever file of a run that was stopped, it goes on to the results of the
/// run that was not, or is refused by a sentence that names the file.
#[test]
fn no_damage_to_a_stopped_run_passes() {
    let runs = Runs::new();
    let found = results(&runs.path("whole"));
    try_all(&runs, "stopped", |folder, case| {
        let output = call(folder, &["run", "--resume", "run", "--quiet"]);
        if output.status.success() {
            let now = results(&folder.join("run"));
            assert!(now == found, "{case}: {}", sentence(&output));
        } else {
            assert_named(&output, case);
        }
    });
}

/// What happens to a run when one of its files is gone: the file, what `compare` does, what
/// `--resume` does.
#[test]
fn what_is_missing_is_made_again_or_named() {
    let runs = Runs::new();
    let newest = checkpoints(&runs.path("whole/seed-0")).pop().unwrap();
    let newest = newest.strip_prefix(runs.path("whole")).unwrap();
    let state = newest.join("state.safetensors").display().to_string();
    let manifest = newest.join("manifest.json").display().to_string();
    let table = [
        ("plan.json", 2, 2),
        ("config.toml", 2, 2),
        ("lock", 0, 0),
        ("summary.json", 0, 0),
        ("report.html", 0, 0),
        ("seed-0/config.toml", 0, 0),
        ("seed-0/metrics.jsonl", 2, 2),
        ("seed-0/episodes.jsonl", 2, 2),
        ("seed-0/demos.safetensors", 0, 0),
        ("seed-0/policy.safetensors", 0, 0),
        ("seed-0/summary.json", 2, 0),
        (&state, 0, 0),
        (&manifest, 0, 0),
    ];
    let found = results(&runs.path("whole"));
    for (file, compared, resumed) in table {
        let copied = tempfile::tempdir().unwrap();
        let run = copied.path().join("run");
        copy(&runs.path("whole"), &run);
        fs::remove_file(run.join(file)).unwrap();
        let compare = call(copied.path(), &["compare", "run"]);
        assert_eq!(
            compare.status.code(),
            Some(compared),
            "{file}: {}",
            sentence(&compare)
        );
        let resume = call(copied.path(), &["run", "--resume", "run", "--quiet"]);
        assert_eq!(
            resume.status.code(),
            Some(resumed),
            "{file}: {}",
            sentence(&resume)
        );
        if resumed == 0 {
            assert!(results(&run) == found, "{file}");
        }
    }
}

/// A result that is gone and that no checkpoint can restore is named, rather than made anew in
/// hours; removing the seed's folder is the remedy.
#[test]
fn a_result_without_a_checkpoint_is_not_made_anew_unasked() {
    let runs = Runs::new();
    let seed = runs.path("whole/seed-0");
    let found = results(&runs.path("whole"));
    fs::remove_dir_all(seed.join("checkpoints")).unwrap();
    fs::remove_file(seed.join("policy.safetensors")).unwrap();
    let resume = || call(runs.folder.path(), &["run", "--resume", "whole", "--quiet"]);
    let refused = resume();
    let text = sentence(&refused);
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(text.contains("policy.safetensors is missing") && text.contains("no checkpoint"));
    fs::remove_dir_all(seed).unwrap();
    assert!(resume().status.success());
    assert!(results(&runs.path("whole")) == found);
}

/// Demonstrations and policies that a run was given are missed, whatever became of them, rather
/// than made up for or replaced by others.
#[test]
fn what_a_run_was_given_is_missed() {
    let runs = Runs::new();
    let finetune = ["finetune", "--checkpoint", "whole/seed-0", "--no-video"];
    check_given(&runs, &finetune, "with-policy");
    let demos = ["--demos-file", "whole/seed-0/demos.safetensors"];
    check_given(&runs, &[&SMALL[..], &demos].concat(), "with-demos");
}

/// Begins a run, and damages what it was given.
fn check_given(runs: &Runs, arguments: &[&str], out: &str) {
    let folder = runs.folder.path();
    let output = call(folder, &[arguments, &["--quiet", "--out", out]].concat());
    assert!(output.status.success(), "{}", sentence(&output));
    let run = runs.path(out);
    fs::remove_dir_all(run.join("seed-0")).unwrap();
    let inputs = run.join("inputs");
    for file in files(&inputs) {
        let path = inputs.join(&file);
        let whole = fs::read(&path).unwrap();
        for damage in DAMAGES {
            damage.inflict(&path, &runs.path("other/seed-0").join(&file));
            let output = call(folder, &["run", "--resume", out, "--quiet"]);
            assert_named(&output, &format!("{} {damage:?}", file.display()));
            fs::write(&path, &whole).unwrap();
        }
    }
    // What it was not given is not taken.
    fs::write(inputs.join("policy-0.safetensors"), "another").unwrap();
    let output = call(folder, &["run", "--resume", out, "--quiet"]);
    assert!(output.status.success(), "{}", sentence(&output));
}

/// Where every checkpoint is damaged, a sentence names them and says what can be done.
#[test]
fn a_run_whose_checkpoints_are_all_damaged_says_so() {
    let runs = Runs::new();
    let held = checkpoints(&runs.path("stopped/seed-0"));
    for checkpoint in &held {
        let state = checkpoint.join("state.safetensors");
        let bytes = fs::read(&state).unwrap();
        fs::write(state, &bytes[..bytes.len() - 1]).unwrap();
    }
    let output = call(runs.folder.path(), &["run", "--resume", "stopped"]);
    let text = sentence(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    for checkpoint in &held {
        let name = checkpoint.file_name().unwrap().to_str().unwrap();
        assert!(
            text.contains(&format!("checkpoints/{name} cannot be used")),
            "{text}"
        );
    }
    assert!(text.contains("begin another run"), "{text}");
}

/// The plan of a run as an earlier version would have written it.
fn earlier_plan(run: &Path) -> Value {
    let mut plan: Value =
        serde_json::from_slice(&fs::read(run.join("plan.json")).unwrap()).unwrap();
    let entries = plan.as_object_mut().unwrap();
    for key in ["checksum", "config", "inputs"] {
        entries.remove(key).unwrap();
    }
    plan
}

/// Also where the plan of an earlier version does not say what the run began with, a checkpoint of
/// other settings is not gone on with, and seeds of different settings are not pooled.
#[test]
fn seeds_of_different_settings_are_not_pooled() {
    let runs = Runs::new();
    let refused = |run: &str, seeds: &[u64], now: &str| {
        let folder = runs.path(run);
        let mut plan = earlier_plan(&folder);
        plan["seeds"] = seeds.into();
        fs::write(folder.join("plan.json"), plan.to_string()).unwrap();
        let path = folder.join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("count = 2", "count = 3")).unwrap();
        let output = call(runs.folder.path(), &["run", "--resume", run, "--quiet"]);
        let answer = sentence(&output);
        assert_eq!(output.status.code(), Some(2), "{answer}");
        assert!(
            answer.contains(now) && answer.contains("demos.count = "),
            "{answer}"
        );
    };
    refused("stopped", &[0], "stopped/seed-0 are of a run with");
    refused("whole", &[0, 1], "seed 1 of whole ran with");
}

/// A plan that makes no sense is refused in a sentence, whether it has a checksum or, like those of
/// earlier versions, none; one without anything that came with the checksum is read.
#[test]
fn a_plan_that_makes_no_sense_is_refused() {
    let runs = Runs::new();
    let path = runs.path("whole/plan.json");
    let plan = earlier_plan(&runs.path("whole"));
    let resume = |plan: &Value| {
        fs::write(&path, plan.to_string()).unwrap();
        call(runs.folder.path(), &["run", "--resume", "whole", "--quiet"])
    };
    assert!(
        resume(&plan).status.success(),
        "a plan of an earlier version"
    );
    let many: Vec<u64> = (0..20_000).collect();
    let table = [
        ("seeds", Value::from(Vec::<u64>::new()), "names 0 seeds"),
        ("seeds", Value::from(vec![0, 0]), "a seed twice"),
        ("seeds", Value::from(many), "names 20000 seeds"),
        ("seeds", Value::from("x"), "plan.json"),
        ("device", Value::from("toaster"), "toaster"),
        ("keep_last", Value::from(0), "keep-last"),
        ("checkpoint_every", Value::from(-1), "checkpoint-every"),
        ("colour", Value::from(1), "colour"),
    ];
    for (key, value, thing) in table {
        let mut changed = plan.clone();
        changed[key] = value;
        let output = resume(&changed);
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(2), "{key}: {text}");
        assert!(text.contains(thing), "{key}: {text}");
    }
}

/// A setting that was edited since the run began is named with both values, whichever it is and
/// wherever the run stands; put back, the run goes on.
#[test]
fn an_edited_configuration_is_refused() {
    let runs = Runs::new();
    let edits = [
        ("count = 2", "count = 3", "demos.count = 3", "with 2"),
        ("seed = 0", "seed = 1", "seed = 1", "with 0"),
        (
            "lab/lift",
            "lab/pick-place",
            "task = \"lab/pick-place\"",
            "lab/lift",
        ),
        (
            "\"best-of-n\"",
            "\"none\"",
            "finetune.method = \"none\"",
            "best-of-n",
        ),
        (
            "rollouts = 4",
            "rollouts = 5",
            "finetune.best_of_n.rollouts = 5",
            "with 4",
        ),
    ];
    for run in ["whole", "stopped"] {
        let path = runs.path(run).join("config.toml");
        let text = fs::read_to_string(&path).unwrap();
        for (before, after, now, then) in edits {
            let edited = text.replace(before, after);
            assert_ne!(edited, text, "{before}");
            fs::write(&path, edited).unwrap();
            for command in [&["run", "--resume", run][..], &["compare", run]] {
                let output = call(runs.folder.path(), command);
                let answer = sentence(&output);
                assert_eq!(output.status.code(), Some(2), "{answer}");
                assert!(answer.contains(now) && answer.contains(then), "{answer}");
            }
        }
        fs::write(&path, text).unwrap();
    }
    let output = call(
        runs.folder.path(),
        &["run", "--resume", "stopped", "--quiet"],
    );
    assert!(output.status.success(), "{}", sentence(&output));
    assert!(results(&runs.path("stopped")) == results(&runs.path("whole")));
}

/// Runs that have not finished are left out of a comparison, with a note; where none has, it is
/// refused.
#[test]
fn what_has_not_finished_is_left_out_of_a_comparison() {
    let runs = Runs::new();
    let compared = call(
        runs.folder.path(),
        &["compare", "whole", "stopped", "--json"],
    );
    let text = sentence(&compared);
    assert!(compared.status.success(), "{text}");
    assert!(
        text.contains("seed 0 of stopped has not finished"),
        "{text}"
    );
    let value: Value = serde_json::from_slice(&compared.stdout).unwrap();
    assert_eq!(value["runs"].as_array().unwrap().len(), 1);
    assert_eq!(value["left_out"].as_array().unwrap().len(), 1);
    let refused = call(runs.folder.path(), &["compare", "stopped"]);
    assert_eq!(refused.status.code(), Some(2), "{}", sentence(&refused));
}

/// A finetuned policy that has lost what finetuning made, or the name of who made it, is refused
/// rather than evaluated as it was before.
#[test]
fn a_policy_that_lost_its_finetuning_is_refused() {
    let runs = Runs::new();
    let path = runs.path("whole/seed-0/policy.safetensors");
    let whole = Archive::from_bytes(&fs::read(&path).unwrap()).unwrap();
    let without = |prefix: &str| {
        let mut left = Archive::new();
        for name in whole.names().filter(|name| !name.starts_with(prefix)) {
            match (whole.get_f32(name), whole.blob(name)) {
                (Ok((shape, numbers)), _) => left.put_f32(name, shape, numbers.to_vec()),
                (_, Ok(blob)) => left.put_blob(name, blob.to_vec()),
                _ => left
                    .put_value(name, &whole.value::<Value>(name).unwrap())
                    .unwrap(),
            }
        }
        fs::write(runs.path("left.safetensors"), left.to_bytes().unwrap()).unwrap();
        call(
            runs.folder.path(),
            &["eval", "--checkpoint", "left.safetensors", "--quiet"],
        )
    };
    assert!(without("nothing").status.success());
    for prefix in ["improved/method", "improved/"] {
        let output = without(prefix);
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(2), "{prefix}: {text}");
        assert!(
            text.contains("lacks what best-of-n made"),
            "{prefix}: {text}"
        );
    }
}
