//! Runs that begin at the same time, in folders of every kind: each gets a folder of its own, or is
//! refused and leaves nothing.

mod common;

use common::{protege, sentence};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// As little as a run can be.
const MICRO: [&str; 19] = [
    "run",
    "--task",
    "lab/lift",
    "--preset",
    "tiny",
    "--pretrain",
    "bc",
    "--finetune",
    "none",
    "--demos",
    "1",
    "--set",
    "policy.hidden=8",
    "--set",
    "pretrain.bc.updates=10",
    "--set",
    "eval.episodes=1",
    "--no-video",
    "--quiet",
];

/// The program, whose answer nobody reads.
fn silent(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = protege(folder, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn micro(folder: &Path, seed: u64, more: &[&str]) -> Command {
    let seed = seed.to_string();
    silent(folder, &[&MICRO, &["--seed", &seed][..], more].concat())
}

/// Runs with the seeds 0, 1, ..., all started at once.
fn at_once(folder: &Path, runs: u64, more: &[&str]) -> Vec<Output> {
    let started = (0..runs).map(|seed| micro(folder, seed, more).spawn().unwrap());
    let children: Vec<_> = started.collect();
    let outputs = children.into_iter().map(|child| child.wait_with_output());
    outputs.map(Result::unwrap).collect()
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The names in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The seed of the only run in a folder, whose plan, configuration, seeds and summary agree.
fn only_seed(folder: &Path) -> u64 {
    let plan = json(folder.join("plan.json"));
    let seed = plan["seeds"][0].as_u64().unwrap();
    let config = fs::read_to_string(folder.join("config.toml")).unwrap();
    assert!(config.contains(&format!("\nseed = {seed}\n")), "{config}");
    let held = format!("seed-{seed}");
    let seeds: Vec<String> = names(folder)
        .into_iter()
        .filter(|name| name.starts_with("seed-"))
        .collect();
    assert_eq!(seeds, [&held[..]]);
    let summary = json(folder.join("summary.json"));
    assert_eq!(summary["per_seed"][0]["seed"], seed);
    assert_eq!(json(folder.join(held).join("summary.json"))["seed"], seed);
    seed
}

/// Runs without --out that begin at the same time have a folder each, with its own plan,
/// configuration and results.
#[test]
fn runs_without_a_folder_get_one_each() {
    let folder = tempfile::tempdir().unwrap();
    for output in at_once(folder.path(), 8, &[]) {
        assert!(output.status.success(), "{}", sentence(&output));
    }
    let runs = folder.path().join("runs");
    let seeds: BTreeSet<u64> = names(&runs)
        .iter()
        .map(|name| only_seed(&runs.join(name)))
        .collect();
    assert_eq!(seeds, (0..8).collect());
}

/// Of runs that want one folder at the same time, new or empty, one gets it; the others are refused
/// and leave nothing in it.
#[test]
fn one_of_many_gets_a_folder_that_all_want() {
    for made_before in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let wanted = folder.path().join("deep/wanted");
        if made_before {
            fs::create_dir_all(&wanted).unwrap();
        }
        let outputs = at_once(folder.path(), 8, &["--out", "deep/wanted"]);
        let codes: Vec<_> = outputs.iter().map(|output| output.status.code()).collect();
        let winner = codes.iter().position(|code| *code == Some(0)).unwrap();
        for (seed, output) in outputs.iter().enumerate() {
            let text = sentence(output);
            let refused = text.contains("another protege is at work in deep/wanted")
                || text.contains("deep/wanted already holds a run");
            let ends_well = seed == winner || (codes[seed] == Some(2) && refused);
            assert!(ends_well, "{codes:?}: {text}");
        }
        assert_eq!(only_seed(&wanted), winner as u64);
        let expected = [
            "config.toml",
            "lock",
            "plan.json",
            "report.html",
            &format!("seed-{winner}"),
            "summary.json",
        ];
        assert_eq!(names(&wanted), expected.map(str::to_owned).into());
    }
}

/// A folder that holds something else is refused, and so is a file; neither is touched.
#[test]
fn what_holds_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let used = folder.path().join("used");
    fs::create_dir(&used).unwrap();
    fs::write(used.join("config.toml"), "mine").unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    for (out, thing) in [
        ("used", "holds config.toml, but no run"),
        ("file", "no folder"),
    ] {
        let output = micro(folder.path(), 0, &["--out", out]).output().unwrap();
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(thing), "{text}");
    }
    assert_eq!(names(&used), ["config.toml".to_owned()].into());
    assert_eq!(fs::read(used.join("config.toml")).unwrap(), b"mine");
    assert_eq!(fs::read(folder.path().join("file")).unwrap(), b"mine");
}

/// What a beginning that was killed left behind does not keep the same command from beginning anew.
#[test]
fn a_beginning_that_was_killed_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    fs::create_dir_all(out.join("inputs")).unwrap();
    for name in ["lock", "config.toml", ".plan.json.partial"] {
        fs::write(out.join(name), "half").unwrap();
    }
    fs::write(out.join("inputs/policy-3.safetensors"), "half").unwrap();
    let output = micro(folder.path(), 3, &["--out", "out"]).output().unwrap();
    assert!(output.status.success(), "{}", sentence(&output));
    assert_eq!(only_seed(&out), 3);
    assert!(!out.join("inputs").exists() && !out.join(".plan.json.partial").exists());
}

/// A beginning for which there is no room leaves nothing, or what was there before.
#[test]
#[cfg(target_os = "linux")]
fn a_beginning_without_room_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for out in ["new/deep", "empty"] {
        let run = micro(folder.path(), 0, &["--out", out]);
        let mut limited = Command::new("sh");
        // Without the trap the system would end the program rather than refuse the write.
        limited.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\""]);
        limited.arg(run.get_program()).args(run.get_args());
        let output = limited.current_dir(folder.path()).output().unwrap();
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("There is no room for"), "{text}");
        assert_eq!(names(folder.path()), ["empty".to_owned()].into());
        assert!(names(&folder.path().join("empty")).is_empty());
    }
}

/// A run whose folder is removed, moved, or replaced by another while it is at work ends with a
/// sentence, and makes no other folder; where it was moved to, it goes on.
#[test]
fn a_run_ends_when_its_folder_goes_away() {
    for change in ["removed", "moved", "replaced"] {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("here");
        let more = [
            "--out",
            "here",
            "--checkpoint-every",
            "0",
            "--set",
            "pretrain.bc.updates=2000",
        ];
        let child = micro(folder.path(), 0, &more).spawn().unwrap();
        while !here.join("seed-0/checkpoints/003").exists() {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let there = folder.path().join("there");
        fs::rename(&here, &there).unwrap();
        match change {
            "removed" => fs::remove_dir_all(&there).unwrap(),
            "replaced" => fs::create_dir(&here).unwrap(),
            _ => {}
        }
        let output = child.wait_with_output().unwrap();
        let text = sentence(&output);
        assert_eq!(output.status.code(), Some(1), "{change}: {text}");
        assert!(
            text.contains("here was moved or removed"),
            "{change}: {text}"
        );
        match change {
            "replaced" => assert!(names(&here).is_empty(), "{:?}", names(&here)),
            _ => assert!(!here.exists(), "{change}"),
        }
        if change == "moved" {
            let resume = ["run", "--resume", "there", "--quiet"];
            let output = silent(folder.path(), &resume).output().unwrap();
            assert!(output.status.success(), "{}", sentence(&output));
            assert_eq!(only_seed(&there), 0);
        }
    }
}
