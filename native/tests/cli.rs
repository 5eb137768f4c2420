//! The real program, as a user meets it: files, JSON, sentences and exit codes.

mod common;

use common::{interrupt, protege};
use protege_core::data::Archive;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

/// Everything small: a run takes a few seconds.
const SMALL: [&str; 12] = [
    "demos.count=2",
    "env.parallel=4",
    "policy.hidden=16",
    "pretrain.post_bc.members=3",
    "pretrain.post_bc.updates=20",
    "pretrain.bc.updates=60",
    "finetune.best_of_n.rollouts=6",
    "finetune.best_of_n.rounds=2",
    "finetune.best_of_n.updates=60",
    "finetune.best_of_n.samples=3",
    "eval.episodes=6",
    "eval.curve_episodes=4",
];

fn call(folder: &Path, arguments: &[&str]) -> Output {
    protege(folder, arguments).output().unwrap()
}

/// The arguments of a small run: sizes of methods that it does not use would be refused.
fn small<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let of_another = |pair: &str| {
        let flag = more.iter().position(|flag| *flag == "--pretrain");
        let pretrain = flag.map_or("post-bc", |place| more[place + 1]);
        let post_bc = pair.starts_with("pretrain.post_bc.") && pretrain != "post-bc";
        post_bc || (pair.starts_with("pretrain.bc.") && pretrain == "value-dice")
    };
    let sets = SMALL.iter().filter(|pair| !of_another(pair));
    let sets = sets.flat_map(|pair| ["--set", pair]);
    [command, "--task", "lab/lift", "--preset", "tiny"]
        .into_iter()
        .chain(sets)
        .chain(more.iter().copied())
        .collect()
}

/// The JSON that a call printed; it must have succeeded.
fn answer(folder: &Path, arguments: &[&str]) -> Value {
    let output = call(folder, arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Asserts that a call is refused with exit code 2 and one sentence that names `thing`.
fn assert_refused(folder: &Path, arguments: &[&str], thing: &str) {
    let output = call(folder, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert!(
        text.starts_with("error: ") && text.trim_end().lines().count() == 1,
        "{arguments:?} is answered by {text:?}"
    );
    assert!(
        text.contains(thing),
        "{arguments:?} is answered by {text:?}, which does not name {thing:?}"
    );
}

/// The lines of a file as JSON, without the time of day.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("wall_s");
        value
    };
    text.lines().map(line).collect()
}

/// Whatever name or number is wrong, the answer is exit code 2 and one sentence that names it;
/// where a known name is near, it is suggested.
#[test]
fn wrong_names_and_numbers_are_answered_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let table: [(&[&str], &str); 36] = [
        (&["run", "--task", "lab/pickplace"], "lab/pick-place"),
        (&["run", "--pretrain", "postbc"], "post-bc"),
        (&["run", "--finetune", "bestofn"], "best-of-n"),
        (&["run", "--preset", "tny"], "tiny"),
        (&["run", "--device", "gpu"], "gpu"),
        (
            &["run", "--set", "finetune.best_of_n.smaples=3"],
            "finetune.best_of_n.samples",
        ),
        (&["run", "--set", "demos.count=many"], "demos.count"),
        (&["run", "--set", "demos"], "demos"),
        (&["run", "--demos", "0"], "demos.count"),
        (
            &[
                "run",
                "--set",
                "pretrain.post_bc.members=10000",
                "--set",
                "pretrain.post_bc.hidden=8192",
            ],
            "pretrain.post_bc.members 10000 × pretrain.post_bc.hidden 8192",
        ),
        (&["run", "--seeds", "0"], "--seeds"),
        (&["run", "--sead", "3"], "--seed"),
        (&["run", "--config", "none.toml"], "none.toml"),
        (&["run", "--resume", "nowhere"], "nowhere"),
        (&["finetune"], "--checkpoint"),
        (
            &["finetune", "--checkpoint", "x", "--pretrain", "bc"],
            "--pretrain",
        ),
        (&["pretrain", "--finetune", "none"], "--finetune"),
        (
            &["eval", "--checkpoint", "none.safetensors"],
            "none.safetensors",
        ),
        (&["compare", "nowhere"], "nowhere"),
        (&["bench", "--only", "policy_act"], "policy_act_ms"),
        (&["methods", "bestofn"], "best-of-n"),
        (&["tasks", "--only", "labs"], "labs"),
        (
            &["trace", "--task", "metaworld/boxclose"],
            "metaworld/box-close",
        ),
        (
            &[
                "trace",
                "--fixture",
                "none.safetensors",
                "--key",
                "metaworld/assembly/0",
            ],
            "none.safetensors",
        ),
        (&["trace", "--fixture", "none.safetensors"], "--key"),
        (&["play"], "--task"),
        (&["play", "--task", "lab/lfit"], "lab/lift"),
        (&["play", "--task", "lab/lift", "--size", "480"], "480x360"),
        (&["play", "--task", "lab/lift", "--out", "film.avi"], ".avi"),
        (
            &["play", "--task", "lab/lift", "--episodes", "0"],
            "--episodes",
        ),
        (
            &["play", "--task", "lab/lift", "--rerun", "film.gif"],
            "film.rrd",
        ),
        (&["theory", "--states", "0"], "states"),
        (&["theory", "--demos", "10,3"], "3 after 10"),
        (&["theory", "--demos", "10,x"], "--demos"),
        (&["theory", "--alpha", "0.1,2"], "alpha"),
        (&["theory", "--demos", "1000000000000"], "operations"),
    ];
    for (arguments, thing) in table {
        assert_refused(folder.path(), arguments, thing);
    }
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        0,
        "what is refused leaves no files"
    );
}

/// With `--json` an error, too, is one JSON object on stdout.
#[test]
fn an_error_is_json_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        ["tasks", "--episodes", "0", "--json"],
        ["run", "--demos", "x", "--json"],
    ] {
        let output = call(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(2));
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(
            value["error"].as_str().unwrap().contains(arguments[1]),
            "{value}"
        );
    }
}

/// Damaged, foreign and unfitting files are refused in one sentence that names the file.
#[test]
fn damaged_and_foreign_files_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    answer(
        folder.path(),
        &[
            "demos",
            "--task",
            "lab/lift",
            "--demos",
            "1",
            "--out",
            "good.safetensors",
            "--json",
        ],
    );
    let good = std::fs::read(path("good.safetensors")).unwrap();
    std::fs::write(path("short.safetensors"), &good[..good.len() / 2]).unwrap();
    let mut endless = good.clone();
    let end = endless.len();
    endless[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(path("nan.safetensors"), endless).unwrap();
    std::fs::write(path("foreign.safetensors"), b"PK\x03\x04 something else").unwrap();
    std::fs::write(path("empty.safetensors"), b"").unwrap();
    std::fs::write(path("broken.toml"), "[demos\ncount = 3").unwrap();
    std::fs::write(path("unknown.toml"), "[demos]\ncuont = 3").unwrap();
    for name in [
        "short.safetensors",
        "nan.safetensors",
        "foreign.safetensors",
        "empty.safetensors",
    ] {
        assert_refused(
            folder.path(),
            &["pretrain", "--task", "lab/lift", "--demos-file", name],
            name,
        );
        assert_refused(folder.path(), &["eval", "--checkpoint", name], name);
    }
    // A dataset is no policy, and of one task only.
    assert_refused(
        folder.path(),
        &["eval", "--checkpoint", "good.safetensors"],
        "good.safetensors",
    );
    assert_refused(
        folder.path(),
        &[
            "run",
            "--task",
            "lab/assembly",
            "--demos-file",
            "good.safetensors",
        ],
        "lab/lift",
    );
    assert_refused(
        folder.path(),
        &["run", "--config", "broken.toml"],
        "broken.toml",
    );
    assert_refused(
        folder.path(),
        &["run", "--config", "unknown.toml"],
        "demos.count",
    );
}

/// A trace is one JSON object for each step; with `--json`, a list of the same.
#[test]
fn a_trace_has_a_line_for_each_step() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["trace", "--task", "lab/lift", "--seed", "1", "--steps", "5"];
    let text = call(folder.path(), &arguments).stdout;
    let steps: Vec<Value> = String::from_utf8(text)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(steps.len(), 5);
    for (index, step) in steps.iter().enumerate() {
        assert_eq!(
            (&step["step"], &step["success"], &step["reward"]),
            (&index.into(), &false.into(), &0.0.into()),
            "{step}"
        );
        assert_eq!(
            (
                step["obs"].as_array().unwrap().len(),
                step["action"].as_array().unwrap().len()
            ),
            (39, 4)
        );
    }
    let mut json = arguments.to_vec();
    json.push("--json");
    assert_eq!(answer(folder.path(), &json).as_array().unwrap(), &steps);
}

/// `finetune` finetunes a policy that was only pretrained, without being told how; `none` is
/// respected.
#[test]
fn a_pretrained_policy_is_finetuned_unless_none_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let pretrained = answer(
        folder.path(),
        &small("pretrain", &["--no-video", "--out", "cloned", "--json"]),
    );
    assert_eq!(
        (&pretrained["finetune"], &pretrained["env_steps"]),
        (&"none".into(), &0.into()),
        "{pretrained}"
    );
    let finetuned = answer(
        folder.path(),
        &[
            "finetune",
            "--checkpoint",
            "cloned",
            "--no-video",
            "--out",
            "practised",
            "--json",
        ],
    );
    assert_eq!(finetuned["finetune"], "best-of-n");
    assert!(
        finetuned["env_steps"].as_u64() > Some(0) && finetuned["before"] == pretrained["before"],
        "{finetuned}"
    );
    // The report's table has a row for each seed, with the demonstrations of its policy.
    let report = std::fs::read_to_string(folder.path().join("practised/report.html")).unwrap();
    let (_, row) = report.split_once(r#"<tr><th scope="row">0</th>"#).unwrap();
    let cells: Vec<&str> = row.split("</td>").collect();
    let demos = format!("<td>{}", pretrained["demos"]);
    assert_eq!(cells[4].trim(), demos, "{row:.300}");
    let none = answer(
        folder.path(),
        &[
            "run",
            "--checkpoint",
            "cloned",
            "--finetune",
            "none",
            "--no-video",
            "--out",
            "as-it-was",
            "--json",
        ],
    );
    assert_eq!(
        (&none["finetune"], &none["env_steps"]),
        (&"none".into(), &0.into()),
        "{none}"
    );
    assert_refused(
        folder.path(),
        &[
            "finetune",
            "--checkpoint",
            "cloned",
            "--set",
            "policy.chunk=3",
        ],
        "policy.chunk cannot be 3",
    );
}

/// A run writes every file that it should, its JSON has the keys that other programs rely on, its
/// policy can be evaluated and finetuned further, and runs can be compared.
#[test]
fn a_run_writes_everything_and_its_policy_lives_on() {
    let folder = tempfile::tempdir().unwrap();
    let result = answer(
        folder.path(),
        &small("run", &["--seeds", "2", "--out", "first", "--json"]),
    );
    for key in [
        "task",
        "pretrain",
        "finetune",
        "env_steps",
        "decisions",
        "wall_s",
        "report",
        "peak_memory_mb",
        "per_seed",
        "apart",
    ] {
        assert!(!result[key].is_null(), "{key} is missing in {result}");
    }
    assert_eq!(
        (
            &result["seeds"],
            &result["before"]["episodes"],
            &result["after"]["episodes"]
        ),
        (&2.into(), &12.into(), &12.into())
    );
    let first = folder.path().join("first");
    for file in ["config.toml", "plan.json", "summary.json", "report.html"] {
        assert!(first.join(file).is_file(), "{file}");
    }
    for file in [
        "config.toml",
        "metrics.jsonl",
        "episodes.jsonl",
        "summary.json",
        "demos.safetensors",
        "policy.safetensors",
    ] {
        assert!(first.join("seed-1").join(file).is_file(), "{file}");
    }
    assert!(first.join("seed-0/tensorboard").read_dir().unwrap().count() == 1);
    let metrics = lines(&first.join("seed-0/metrics.jsonl"));
    assert!(metrics.iter().all(|line| line["step"].is_u64()));
    assert!(
        metrics
            .iter()
            .filter(|line| line["eval/success"].is_f64())
            .count()
            >= 3
    );
    assert!(
        std::fs::read_to_string(first.join("report.html"))
            .unwrap()
            .contains("PostBC")
    );

    assert_refused(
        folder.path(),
        &small("run", &["--out", "first"]),
        "--resume first",
    );
    let again = answer(folder.path(), &["run", "--resume", "first", "--json"]);
    assert_eq!(
        (&again["after"], &again["env_steps"]),
        (&result["after"], &result["env_steps"]),
        "a finished run stays as it is"
    );
    let measured = answer(folder.path(), &["eval", "--checkpoint", "first", "--json"]);
    assert_eq!(
        measured["success"], result["per_seed"][0]["after"]["success"],
        "a policy file plays as the run did"
    );
    assert!(
        measured["success_at_end"].is_null(),
        "the first success ended every episode: {measured}"
    );
    let whole = answer(
        folder.path(),
        &["eval", "--checkpoint", "first", "--to-horizon", "--json"],
    );
    assert_eq!(
        (&whole["success"], &whole["length"]),
        (&measured["success"], &120.0.into()),
        "{whole}"
    );
    assert!(
        whole["success_at_end"]["success"].as_f64() <= whole["success"].as_f64(),
        "{whole}"
    );
    answer(
        folder.path(),
        &[
            "finetune",
            "--checkpoint",
            "first/seed-1",
            "--no-video",
            "--out",
            "second",
            "--json",
        ],
    );
    let comparison = answer(folder.path(), &["compare", "first", "second", "--json"]);
    assert_eq!(
        (
            comparison["runs"].as_array().unwrap().len(),
            comparison["tests"].as_array().unwrap().len()
        ),
        (2, 1)
    );
    assert!(folder.path().join("compare.html").is_file());
}

/// A run that plays its evaluation episodes to the horizon reports success at any step and at the
/// last step.
#[test]
fn a_run_counts_success_at_the_last_step_where_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let more = [
        "--set",
        "eval.to_horizon=true",
        "--no-companion",
        "--no-video",
        "--out",
        "whole",
        "--json",
    ];
    let result = answer(folder.path(), &small("run", &more));
    for stage in ["before", "after"] {
        let once = &result[stage];
        let at_end = &result["success_at_end"][stage];
        assert!(
            at_end["success"].as_f64() <= once["success"].as_f64()
                && at_end["episodes"] == once["episodes"],
            "{result}"
        );
    }
    let seed = folder.path().join("whole/seed-0");
    let evaluated = |line: &Value| line["phase"] == "evaluate";
    let episodes: Vec<Value> = lines(&seed.join("episodes.jsonl"))
        .into_iter()
        .filter(evaluated)
        .collect();
    assert!(
        !episodes.is_empty()
            && episodes
                .iter()
                .all(|line| line["success_at_end"].is_boolean() && line["length"] == 120)
    );
    assert!(
        lines(&seed.join("metrics.jsonl"))
            .iter()
            .any(|line| line["eval/success_at_end"].is_f64())
    );
    assert!(
        std::fs::read_to_string(folder.path().join("whole/report.html"))
            .unwrap()
            .contains("success at the last step")
    );
}

/// Videos are written as the file's name says, of the expert and of a policy; the report shows some
/// unless it is told not to, and a run's numbers do not depend on it.
#[test]
fn episodes_can_be_watched() {
    let folder = tempfile::tempdir().unwrap();
    let probe = call(
        folder.path(),
        &[
            "play",
            "--task",
            "lab/lift",
            "--size",
            "64x48",
            "--out",
            "expert.gif",
            "--json",
        ],
    );
    if String::from_utf8_lossy(&probe.stderr).contains("apt-get install libegl1") {
        eprintln!("skipped: this machine has no EGL");
        return;
    }
    let expert: Value = serde_json::from_slice(&probe.stdout).unwrap();
    assert_eq!(
        (&expert["player"], &expert["episodes"][0]["success"]),
        (&"expert".into(), &true.into()),
        "{expert}"
    );
    assert!(
        std::fs::read(folder.path().join("expert.gif"))
            .unwrap()
            .starts_with(b"GIF89a")
    );
    let run = |out: &str, more: &[&str]| {
        answer(
            folder.path(),
            &small(
                "run",
                &[&["--no-companion", "--out", out, "--json"], more].concat(),
            ),
        )
    };
    let with = run("with", &[]);
    let without = run("without", &["--no-video"]);
    assert_eq!(
        (&with["before"], &with["after"]),
        (&without["before"], &without["after"])
    );
    let page =
        |out: &str| std::fs::read_to_string(folder.path().join(out).join("report.html")).unwrap();
    assert_eq!(
        page("with")
            .matches("<img src=\"data:image/gif;base64,")
            .count(),
        6
    );
    assert!(page("with").len() < 1_500_000 && !page("without").contains("<img"));
    let policy = [
        "play",
        "--checkpoint",
        "with",
        "--size",
        "64x48",
        "--episodes",
        "2",
        "--out",
        "frames",
        "--json",
    ];
    let played = answer(folder.path(), &policy);
    let files = std::fs::read_dir(folder.path().join("frames"))
        .unwrap()
        .count();
    assert_eq!(
        (&played["player"], played["frames"].as_u64()),
        (&"policy".into(), Some(files as u64)),
        "{played}"
    );
    let seeds: Vec<_> = lines(&folder.path().join("with/seed-0/episodes.jsonl"))
        .iter()
        .map(|line| line["seed"].clone())
        .collect();
    assert!(
        played["episodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|episode| seeds.contains(&episode["seed"])),
        "these are the evaluation's starts"
    );
}

/// Preset, file and flags are read in this order, and `config.toml` alone repeats a run.
#[test]
fn flags_win_over_the_file_and_the_file_over_the_preset() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("mine.toml"),
        "preset = \"tiny\"\n[demos]\ncount = 3\nnoise = 0.05\n",
    )
    .unwrap();
    let more = [
        "--config",
        "mine.toml",
        "--finetune",
        "none",
        "--no-companion",
        "--no-video",
        "--out",
        "first",
    ];
    call(folder.path(), &small("run", &more));
    let written = std::fs::read_to_string(folder.path().join("first/config.toml")).unwrap();
    assert!(
        written.contains("count = 2")
            && written.contains("noise = 0.05")
            && written.contains("method = \"none\""),
        "{written}"
    );
    let repeated = call(
        folder.path(),
        &[
            "run",
            "--config",
            "first/config.toml",
            "--no-companion",
            "--no-video",
            "--out",
            "second",
        ],
    );
    assert_eq!(
        repeated.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&repeated.stderr)
    );
    let metrics = |run: &str| lines(&folder.path().join(run).join("seed-0/metrics.jsonl"));
    assert_eq!(metrics("first"), metrics("second"));
}

/// `--pretrain value-dice` alone works: it chooses the kind of policy that the method needs; asking
/// for another is refused.
#[test]
fn the_pretraining_flag_chooses_the_policy_that_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let more = [
        "--pretrain",
        "value-dice",
        "--set",
        "pretrain.value_dice.updates=20",
        "--finetune",
        "none",
        "--no-video",
        "--out",
        "dice",
        "--json",
    ];
    assert_eq!(
        answer(folder.path(), &small("run", &more))["pretrain"],
        "value-dice"
    );
    let written = std::fs::read_to_string(folder.path().join("dice/config.toml")).unwrap();
    assert!(written.contains("kind = \"squashed\""), "{written}");
    assert_refused(
        folder.path(),
        &[
            "run",
            "--pretrain",
            "value-dice",
            "--set",
            "policy.kind=flow",
        ],
        "policy.kind",
    );
}

/// Ctrl-C saves, says how to go on and exits with 75; a killed run goes on from its last
/// checkpoint; either way, the files end up as if nothing had happened.
#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let run = |out: &str| {
        small(
            "run",
            &[
                "--no-companion",
                "--no-video",
                "--checkpoint-every",
                "0",
                "--out",
                out,
            ],
        )
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>()
    };
    let start = |arguments: &[String]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        protege(folder.path(), &arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    assert!(start(&run("whole")).wait().unwrap().success());

    let mut child = start(&run("parts"));
    let checkpoints = folder.path().join("parts/seed-0/checkpoints");
    while child.try_wait().unwrap().is_none() && !checkpoints.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{text}");
    assert!(text.contains("protege run --resume parts"), "{text}");

    assert!(start(&resume("parts")).wait().unwrap().success());
    same_results(folder.path(), "parts");

    // Kills at random moments of a run that saves after every step, until twenty have struck.
    let seed = u64::from(std::process::id());
    println!("kills are drawn from seed {seed}");
    let mut rng = protege_core::rng::Rng::new(seed, "kills", 0);
    let mut kills = 0;
    for i in 0.. {
        if kills >= 20 {
            break;
        }
        let out = format!("killed-{i}");
        let mut child = start(&run(&out));
        while child.try_wait().unwrap().is_none()
            && !folder.path().join(&out).join("seed-0/checkpoints").exists()
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        // Ever longer, so that a busy machine gets on, too.
        for longer in 1.. {
            let micros = rng.uniform() * 100e3 * f64::from(longer);
            std::thread::sleep(Duration::from_micros(micros as u64));
            if child.try_wait().unwrap().is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            child = start(&resume(&out));
        }
        same_results(folder.path(), &out);
    }
}

fn resume(out: &str) -> Vec<String> {
    ["run", "--resume", out].map(str::to_owned).to_vec()
}

/// Metrics, episodes, the policy and the whole last state (weights, optimizers, replay) of `run`
/// are those of the run `whole`.
fn same_results(folder: &Path, run: &str) {
    let seed = |run: &str| folder.join(run).join("seed-0");
    for file in ["metrics.jsonl", "episodes.jsonl"] {
        assert_eq!(
            lines(&seed("whole").join(file)),
            lines(&seed(run).join(file)),
            "{file} of {run}"
        );
    }
    let number = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .parse::<u32>()
            .ok()
    };
    let checkpoints = |run: &str| {
        std::fs::read_dir(seed(run).join("checkpoints"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
    };
    let state = |run: &str| {
        let file = checkpoints(run)
            .max_by_key(number)
            .unwrap()
            .join("state.safetensors");
        Archive::from_bytes(&std::fs::read(file).unwrap()).unwrap()
    };
    let [whole, parts] = ["whole", run].map(state);
    assert!(
        whole.names().eq(parts.names()),
        "the last states hold different things"
    );
    // The time that was spent is all that may differ.
    for name in whole.names().filter(|name| *name != "clocks") {
        assert!(
            whole.get_f32(name).ok() == parts.get_f32(name).ok()
                && whole.blob(name).ok() == parts.blob(name).ok(),
            "{name} differs"
        );
    }
    let policy = |run: &str| std::fs::read(seed(run).join("policy.safetensors")).unwrap();
    assert!(policy("whole") == policy(run), "the policies differ");
}

/// The lists have the keys that other programs rely on, and the expert's success is measured.
#[test]
fn the_lists_have_their_keys() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = answer(folder.path(), &["tasks", "--episodes", "5", "--json"]);
    for task in tasks.as_array().unwrap() {
        let keys = ["id", "engines", "obs", "act", "horizon", "expert_success"];
        // What cannot be measured here says why.
        let known = |key: &&str| {
            !task[key].is_null() || (*key == "expert_success" && task["note"].is_string())
        };
        assert!(
            keys.iter().all(known)
                && (task["note"].is_string() || task["expert_success"].as_f64() > Some(0.5)),
            "{task}"
        );
    }
    let lab = answer(
        folder.path(),
        &["tasks", "--episodes", "1", "--only", "lab", "--json"],
    );
    assert!(
        lab.as_array()
            .unwrap()
            .iter()
            .all(|task| task["engines"] == serde_json::json!(["rapier", "mujoco"])),
        "{lab}"
    );
    let methods = answer(folder.path(), &["methods", "--json"]);
    let ids: Vec<&str> = methods
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        ids,
        [
            "bc",
            "sigma-bc",
            "post-bc",
            "value-dice",
            "best-of-n",
            "dsrl",
            "dppo",
            "td-mpc",
            "csil",
            "xqc",
            "rlpd",
            "sac",
            "none"
        ]
    );
    let doctor = answer(folder.path(), &["doctor", "--json"]);
    assert!(doctor.as_array().unwrap().iter().all(|check| {
        ["name", "ok", "detail", "remedy"]
            .iter()
            .all(|key| !check[key].is_null())
    }));
    let bench = answer(
        folder.path(),
        &[
            "bench",
            "--only",
            "policy_act_ms",
            "--repeats",
            "1",
            "--json",
        ],
    );
    let row = &bench["rows"][0];
    assert!(
        row["value"].as_f64() > Some(0.0)
            && !row["size"].is_null()
            && row["higher_is_better"] == false,
        "{bench}"
    );
}

/// `theory` leaves a page and its numbers, the same ones each time; the JSON holds a row for every
/// number of demonstrations, method and alpha.
#[test]
fn theory_leaves_a_page_and_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let small = [
        "theory",
        "--states",
        "4",
        "--actions",
        "3",
        "--horizon",
        "2",
        "--demos",
        "1,10",
        "--alpha",
        "0.01,0.1,1",
        "--repeats",
        "9",
    ];
    let study = |out: &str| {
        answer(
            folder.path(),
            &[&small[..], &["--out", out, "--json"]].concat(),
        )
    };
    let first = study("a/b");
    let again = study("c");
    assert_eq!(
        (&first["rows"], &first["finding"]),
        (&again["rows"], &again["finding"])
    );
    assert_eq!(first["rows"].as_array().unwrap().len(), 2 * (3 + 2 * 3));
    let table = std::fs::read_to_string(folder.path().join("a/b/theory.csv")).unwrap();
    assert_eq!(table.lines().count(), 1 + 18);
    assert!(table.lines().all(|line| line.split(',').count() == 7));
    let page = std::fs::read_to_string(folder.path().join("c/theory.html")).unwrap();
    assert!(
        page.contains(
            first["finding"]
                .as_str()
                .unwrap()
                .split('’')
                .next()
                .unwrap()
        )
    );
}
