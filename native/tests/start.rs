//! The program starts anywhere: without MuJoCo's library, without a cache, without a home folder,
//! from another place. What needs MuJoCo then says so.
#![cfg(feature = "mujoco")]

use protege::downloads::MUJOCO;
use protege_core::env::catalogue;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What the tasks that need MuJoCo are tried with, as `--task` and `--engine`.
const ON_MUJOCO: [(&str, &str); 3] = [
    ("lab/lift", "mujoco"),
    ("metaworld/reach", "mujoco"),
    ("adroit/pen", "mujoco"),
];

/// The program in a folder, with nothing in its environment but where it finds other programs.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    program_at(Path::new(env!("CARGO_BIN_EXE_protege")), folder, arguments)
}

fn program_at(path: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(path);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// The same of a user whose cache is empty and cannot be filled.
fn without_cache(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(folder, arguments);
    command.env("XDG_CACHE_HOME", folder.join("empty"));
    command.env("PIP_NO_INDEX", "1");
    command
}

/// The same of a user who has the scenes, and not the library.
fn without_library(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = program(folder, arguments);
    for name in ["XDG_CACHE_HOME", "HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("PROTEGE_MUJOCO", folder.join("nowhere"));
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asserts that a call ended well; what it printed.
fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{command:?}: {}",
        stderr(&output)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Asserts that a call is refused in one sentence with `words` and left nothing behind.
fn assert_refused(folder: &Path, mut command: Command, words: &str) {
    let output = command.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{command:?}: {text}");
    assert!(
        text.starts_with("error: ") && text.trim_end().lines().count() == 1,
        "{command:?} is answered by {text:?}"
    );
    assert!(
        text.contains(words) && text.contains("protege doctor --fix"),
        "{command:?} is answered by {text:?}"
    );
    let left: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(left.is_empty(), "{command:?} leaves {left:?}");
}

/// Every command that plays a task, small.
fn commands(task: &'static str, engine: &'static str) -> Vec<Vec<&'static str>> {
    let small = ["--preset", "tiny", "--demos", "1", "--out", "out"];
    let settings = ["--task", task, "--engine", engine];
    let with =
        |command: &'static str, more: &[&'static str]| [&[command][..], &settings, more].concat();
    vec![
        with("run", &small),
        with(
            "run",
            &["--pretrain", "bc", "--finetune", "sac", "--seeds", "2"],
        ),
        with("pretrain", &small),
        with("demos", &["--out", "out.safetensors"]),
        with("play", &["--out", "out.gif"]),
        with("play", &["--out", "frames", "--camera", "none"]),
    ]
}

/// The library that the tests fetched.
fn library() -> PathBuf {
    MUJOCO.fetched().unwrap().join(MUJOCO.proof)
}

/// The system's loader, asked for what the program needs to start, does not name MuJoCo.
#[test]
fn no_library_of_mujocos_is_needed_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(folder.path(), &[]);
    command.env("LD_TRACE_LOADED_OBJECTS", "1");
    let libraries = done(command);
    assert!(
        libraries.contains("libc.so") && !libraries.contains("mujoco"),
        "{libraries}"
    );
}

/// Without a cache, and without anything in the environment, what needs no MuJoCo works.
#[test]
fn what_needs_no_mujoco_works_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let calls: [&[&str]; 5] = [
        &["--version"],
        &["methods"],
        &["tasks", "--only", "lab", "--episodes", "1"],
        &["trace", "--task", "lab/lift", "--steps", "3"],
        &["bench", "--only", "policy_act_ms", "--repeats", "1"],
    ];
    for arguments in calls {
        done(without_cache(folder.path(), arguments));
        done(program(folder.path(), arguments));
    }
    let sizes = ["--task", "lab/lift", "--preset", "tiny", "--demos", "1"];
    let sets = ["pretrain.bc.updates=10", "eval.episodes=2"].map(|set| ["--set", set]);
    let run = [
        &["pretrain", "--pretrain", "bc", "--out", "out", "--quiet"][..],
        &sizes,
        sets.as_flattened(),
    ];
    done(without_cache(folder.path(), &run.concat()));
    assert!(folder.path().join("out/report.html").is_file());
}

/// Every task that is MuJoCo's only is listed with the reason why it cannot be played, and the
/// others are measured.
#[test]
fn every_task_of_mujocos_is_listed_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let list = ["tasks", "--episodes", "1", "--json"];
    for (command, words) in [
        (without_library(folder.path(), &list), "MuJoCo's library"),
        (without_cache(folder.path(), &list), "is not in"),
    ] {
        let rows: Value = serde_json::from_str(&done(command)).unwrap();
        for row in rows.as_array().unwrap() {
            let is_played = row["engines"][0] == catalogue::RAPIER;
            let why = row["note"].as_str().unwrap_or_default();
            assert_eq!(is_played, why.is_empty(), "{row}");
            assert!(
                is_played || why.contains(words) && why.contains("protege doctor --fix"),
                "{row}"
            );
        }
    }
}

/// Whatever command plays a task on MuJoCo says what is missing and what brings it, and leaves
/// nothing behind.
#[test]
fn every_command_that_needs_mujoco_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    for (task, engine) in ON_MUJOCO {
        for arguments in commands(task, engine) {
            let command = without_library(folder.path(), &arguments);
            assert_refused(folder.path(), command, "MuJoCo's library is not at");
            let command = without_cache(folder.path(), &arguments);
            assert_refused(folder.path(), command, "is not ");
        }
        if task != "lab/lift" {
            let trace = ["trace", "--task", task, "--steps", "1"];
            let command = without_library(folder.path(), &trace);
            assert_refused(folder.path(), command, "MuJoCo's library is not at");
        }
    }
    // Pictures of any task are MuJoCo's.
    let play = ["play", "--task", "lab/lift", "--out", "out.gif"];
    assert_refused(
        folder.path(),
        without_library(folder.path(), &play),
        "MuJoCo's library is not at",
    );
}

/// A file that is not MuJoCo's library, or half of it, is refused in a sentence; a pipe is not
/// waited for.
#[test]
fn what_is_not_the_library_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir().unwrap();
    let whole = std::fs::read(library()).unwrap();
    let own = std::fs::read("/proc/self/exe").unwrap();
    let contents: [(&str, &[u8]); 6] = [
        ("empty", b""),
        (
            "text",
            b"not a library, but long enough to have the head of one, were it one\n",
        ),
        ("head", &whole[..64]),
        ("half", &whole[..whole.len() / 2]),
        ("but-a-byte", &whole[..whole.len() - 1]),
        ("a-program", &own),
    ];
    for (name, bytes) in contents {
        std::fs::write(there.path().join(name), bytes).unwrap();
    }
    let pipe = there.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    std::fs::create_dir(there.path().join("folder")).unwrap();
    let names = contents.map(|(name, _)| name);
    for name in names.into_iter().chain(["pipe", "folder", "nothing"]) {
        let arguments = ["demos", "--task", "lab/lift", "--engine", "mujoco"];
        let mut command = without_library(folder.path(), &arguments);
        command.env("PROTEGE_MUJOCO", there.path().join(name));
        assert_refused(folder.path(), command, name);
    }
}

/// The library is found by its name, by its folder, and beside the program, wherever both are.
#[test]
fn the_program_and_the_library_work_from_any_place() {
    let folder = tempfile::tempdir().unwrap();
    let bin = tempfile::tempdir().unwrap();
    let demos = ["demos", "--task", "lab/lift", "--engine", "mujoco"];
    let demos = [&demos[..], &["--demos", "1"]].concat();
    for named in [library(), library().parent().unwrap().to_owned()] {
        let mut command = without_cache(folder.path(), &demos);
        command.env("PROTEGE_MUJOCO", named);
        done(command);
    }
    let copy = bin.path().join("protege");
    std::fs::copy(env!("CARGO_BIN_EXE_protege"), &copy).unwrap();
    std::fs::copy(library(), bin.path().join(library().file_name().unwrap())).unwrap();
    let mut command = program_at(&copy, folder.path(), &demos);
    command.env("XDG_CACHE_HOME", folder.path().join("empty"));
    done(command);
}

/// What could not be fetched is said, makes the exit code 1, and leaves nothing half done; without
/// `--fix`, it is no fault.
#[test]
fn doctor_says_what_it_could_not_fetch() {
    let folder = tempfile::tempdir().unwrap();
    let doctor = |more: &[&str]| {
        let arguments = [&["doctor", "--json", "--out", "."][..], more].concat();
        let output = without_cache(folder.path(), &arguments).output().unwrap();
        let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = checks.as_array().unwrap().clone();
        (output.status.code(), checks)
    };
    let answered = doctor(&[]);
    assert_eq!(answered.0, Some(0), "{:?}", answered.1);
    let answered = doctor(&["--fix"]);
    assert_eq!(answered.0, Some(1), "{:?}", answered.1);
    let missing = answered.1.iter().filter(|check| {
        let detail = check["detail"].as_str().unwrap();
        check["ok"] == false && detail.contains("could not be fetched")
    });
    assert_eq!(missing.count(), 4, "{:?}", answered.1);
    let wheels = folder.path().join("empty/protege/wheels");
    let left: Vec<_> = std::fs::read_dir(wheels).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// A damaged file of a package is found and named by `doctor`.
#[test]
fn doctor_finds_a_damaged_file_of_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let wheels = cache.join("protege/wheels");
    std::fs::create_dir_all(&wheels).unwrap();
    let real = protege::downloads::cache()
        .unwrap()
        .join("wheels/metaworld-3.1.1");
    let copied = Command::new("cp").arg("-r").arg(real).arg(&wheels).status();
    assert!(copied.unwrap().success());
    let check = || {
        let mut command = program(folder.path(), &["doctor", "--json"]);
        command.env("XDG_CACHE_HOME", &cache);
        let checks: Value = serde_json::from_str(&done(command)).unwrap();
        let named = |check: &&Value| check["name"] == "metaworld 3.1.1";
        checks
            .as_array()
            .unwrap()
            .iter()
            .find(named)
            .unwrap()
            .clone()
    };
    assert_eq!(check()["ok"], true);
    let file = wheels.join("metaworld-3.1.1/metaworld/assets/sawyer_xyz/sawyer_reach_v3.xml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, &text[..text.len() - 9]).unwrap();
    let damaged = check();
    assert_eq!(damaged["ok"], false);
    assert!(
        damaged["detail"]
            .as_str()
            .unwrap()
            .contains("sawyer_reach_v3"),
        "{damaged}"
    );
    assert_eq!(damaged["remedy"], "protege doctor --fix");
}

/// Without HOME the system's word counts, and a relative cache would be another one wherever the
/// program starts: neither makes folders where the program stands.
#[test]
fn no_cache_is_made_where_the_program_stands() {
    let folder = tempfile::tempdir().unwrap();
    for value in ["", "here", "./here"] {
        let mut command = program(folder.path(), &["doctor"]);
        command.env("HOME", value).env("XDG_CACHE_HOME", value);
        command.output().unwrap();
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert!(left.is_empty(), "{value:?} leaves {left:?}");
    }
}
