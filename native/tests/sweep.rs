//! Sweeps: however one is carried out, it ends with the same results, and what is wrong with one is
//! said before anything runs.

mod common;

use common::protege;
use common::sweeps::{SPEC, answer, plan, results, succeeds};
use protege::files::seal::{sealed, unsealed};
use protege_core::rng::Rng;
use serde_json::Value;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

/// What a call says that is refused with this exit code.
fn refused(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output: Output = protege(folder, arguments).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    let errors = text.lines().filter(|line| line.starts_with("error: "));
    let [sentence] = errors.collect::<Vec<_>>()[..] else {
        panic!("{arguments:?} is not answered in one sentence: {text}");
    };
    sentence.to_owned()
}

/// The processes of cells at work.
fn processes(folder: &Path, name: &str) -> Vec<i32> {
    let status = answer(folder, &["sweep", "status", name]);
    let running = status["running"].as_array().unwrap();
    let ids = running.iter().map(|row| row["process"].as_i64().unwrap());
    // One that is just being written has none yet.
    ids.filter(|id| *id > 0).map(|id| id as i32).collect()
}

fn send(process: i32, signal: i32) {
    // SAFETY: the number is that of a cell's process, which ends by itself at worst.
    #[allow(unsafe_code, reason = "the standard library cannot do it")]
    unsafe {
        libc::kill(process, signal);
    }
}

/// A sweep whose workers are killed at random ends with the same results, bit for bit, as one that
/// nobody disturbed, and so does one that a SIGTERM stopped.
#[cfg(unix)]
#[test]
fn killed_workers_change_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for name in ["straight", "killed"] {
        plan(folder, name, SPEC);
    }
    succeeds(folder, &["sweep", "work", "straight", "--quiet"]);
    let seed = u64::from(std::process::id());
    println!("kills are drawn from seed {seed}");
    let mut rng = Rng::new(seed, "kills", 0);
    let mut cells = 0;
    let start = || {
        let arguments = ["sweep", "work", "killed", "--quiet", "--jobs", "2"];
        let mut command = protege(folder, &arguments);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let mut worker = start();
    for round in 0.. {
        std::thread::sleep(Duration::from_millis(200 + rng.below(400) as u64));
        if let Some(status) = worker.try_wait().unwrap() {
            assert_eq!(status.code(), Some(0));
            break;
        }
        if cells >= 8 {
            continue;
        }
        // A cell alone, the worker alone (its cells go on), or a stop of everything.
        let victims = processes(folder, "killed");
        match round % 4 {
            0 => {
                worker.kill().unwrap();
                worker.wait().unwrap();
                worker = start();
            }
            1 => {
                send(i32::try_from(worker.id()).unwrap(), libc::SIGTERM);
                assert!(matches!(worker.wait().unwrap().code(), Some(0 | 75)));
                worker = start();
            }
            _ => {
                cells += victims.len();
                victims.into_iter().for_each(|id| send(id, libc::SIGKILL));
            }
        }
    }
    assert_eq!(results(folder, "killed"), results(folder, "straight"));
}

/// What cells share is made once, and changes none of their results.
#[test]
fn sharing_changes_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let spec = SPEC
        .replace(r#"["lab/lift", "lab/pick-place"]"#, r#"["lab/lift"]"#)
        .replace(r#"finetune.method = "best-of-n""#, "")
        .replace(
            "seeds = 3",
            "seeds = [4]\nfinetune.method = [\"best-of-n\", \"none\"]",
        )
        .replace(
            r#"pretrain.method = ["bc", "post-bc"]"#,
            r#"pretrain.method = ["bc"]"#,
        )
        .replace(
            "pretrain.post_bc = { members = 2, updates = 20, hidden = 8 }",
            "",
        );
    let alone = spec.replace("demos = true", "");
    let shared = spec.replace("demos = true", "demos = true\npretrain = true");
    plan(folder, "alone", &alone);
    plan(folder, "shared", &shared);
    // What was played after pretraining, episode by episode: weights that differ play otherwise.
    let outcomes = |name: &str| {
        succeeds(folder, &["sweep", "work", name, "--quiet"]);
        let cells = std::fs::read_dir(folder.join(name).join("cells")).unwrap();
        let mut found = Vec::new();
        for cell in cells {
            let seed = cell.unwrap().path().join("seed-4");
            let text = std::fs::read_to_string(seed.join("summary.json")).unwrap();
            let summary: Value = serde_json::from_str(&text).unwrap();
            let row =
                ["finetune", "before", "after", "env_steps"].map(|key| summary[key].to_string());
            let episodes = std::fs::read_to_string(seed.join("episodes.jsonl")).unwrap();
            let played = episodes.lines().filter(|line| !line.contains("\"demos\""));
            let played: Vec<String> = played.map(str::to_owned).collect();
            found.push((row, played));
        }
        found
    };
    let alone = outcomes("alone");
    let shared = outcomes("shared");
    assert_eq!((alone.len(), shared.len()), (2, 3));
    for (row, played) in &alone {
        assert!(played.len() >= 6, "{row:?}");
        let same = shared.iter().find(|(other, _)| other == row);
        let (_, others) = same.unwrap_or_else(|| panic!("{row:?} is not among those that share"));
        assert_eq!(others, played, "{row:?}");
    }
}

/// Cells that fail do not keep the others from being worked on; what they say is told, and they are
/// tried again when that is asked for.
#[test]
fn a_cell_that_fails_keeps_no_other_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let spec = SPEC.replace("seeds = 3", "seeds = 1");
    plan(folder, "sweep", &spec);
    // Cells 0 and 1 record demonstrations; what cell 3 would make is in the way.
    let in_the_way = folder.join("sweep/cells/00003");
    std::fs::write(&in_the_way, "").unwrap();
    let sentence = refused(folder, &["sweep", "work", "sweep", "--quiet"], 1);
    assert!(sentence.contains("1 of 6 cells failed"), "{sentence}");
    assert!(sentence.contains("is no folder"), "{sentence}");
    let status = answer(folder, &["sweep", "status", "sweep"]);
    assert_eq!(status["counts"]["done"], 5);
    assert_eq!(status["counts"]["failed"], 1);
    assert_eq!(status["failed"][0]["cell"], 3);
    // It is not tried again unasked.
    refused(folder, &["sweep", "work", "sweep", "--quiet"], 1);
    std::fs::remove_file(&in_the_way).unwrap();
    succeeds(folder, &["sweep", "work", "sweep", "--retry", "--quiet"]);
    let status = answer(folder, &["sweep", "status", "sweep"]);
    assert_eq!(status["counts"]["done"], 6);
}

/// Without room on the disk, cells fail with a sentence; with room again, the sweep ends with the
/// results of one that always had it.
#[cfg(unix)]
#[test]
fn a_disk_that_is_full_in_the_middle_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let spec = SPEC.replace("seeds = 3", "seeds = 1");
    for name in ["roomy", "full"] {
        plan(folder, name, &spec);
    }
    succeeds(folder, &["sweep", "work", "roomy", "--quiet"]);
    let mut limited = std::process::Command::new("sh");
    let script = "ulimit -f 24; exec \"$0\" sweep work full --quiet";
    let limited = limited
        .args(["-c", script, env!("CARGO_BIN_EXE_protege")])
        .current_dir(folder);
    let output = limited.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("There is no room for"), "{text}");
    succeeds(folder, &["sweep", "work", "full", "--retry", "--quiet"]);
    assert_eq!(results(folder, "full"), results(folder, "roomy"));
}

/// A cell stops when its time is over, says so by its exit code, and goes on; it waits for those
/// that it begins with, and for whoever is at work on it.
#[test]
fn a_cell_stops_at_its_time_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    plan(folder, "sweep", &SPEC.replace("seeds = 3", "seeds = 1"));
    let cell = |index: &'static str| ["sweep", "cell", "sweep", "--index", index, "--quiet"];
    let sentence = refused(folder, &cell("2"), 75);
    assert!(sentence.contains("cell 0"), "{sentence}");
    succeeds(folder, &cell("0"));
    let briefly = [&cell("2")[..], &["--max-minutes", "0"]].concat();
    let sentence = refused(folder, &briefly, 75);
    assert!(sentence.contains("saved"), "{sentence}");
    let status = answer(folder, &["sweep", "status", "sweep"]);
    assert_eq!(status["counts"]["stopped"], 1);
    succeeds(folder, &cell("2"));
    // What is done is done.
    succeeds(folder, &cell("2"));
    let sentence = refused(folder, &cell("6"), 2);
    assert!(sentence.contains("0 to 5"), "{sentence}");
}

/// A sweep file, and a part of the sentence that refuses it.
const WRONG: &[(&str, &str, &str)] = &[
    ("an empty list", "task = []", "grid.task is an empty list"),
    ("no list", "task = \"lab/lift\"", "not a list of values"),
    ("nothing to sweep", "", "a single cell"),
    (
        "a key that is none",
        "finetun.method = [\"dsrl\"]",
        "did you mean finetune",
    ),
    (
        "a task that is none",
        "task = [\"lab/lift\", \"lab/lif\"]",
        "lab/lif",
    ),
    ("a value twice", "demos.count = [2, 2]", "has 2 twice"),
    (
        "a value out of range",
        "demos.count = [2, 0]",
        "demos.count is 0",
    ),
    (
        "a setting without effect",
        "pretrain.post_bc.alpha = [0.5, 1.0]\npretrain.method = [\"bc\"]",
        "has no effect",
    ),
    ("the seed as a setting", "seed = [1, 2]", "seeds = "),
    (
        "no seeds",
        "seeds = 0\ntask = [\"lab/lift\", \"lab/push\"]",
        "seeds = 0",
    ),
    ("a seed twice", "seeds = [1, 1]", "different seeds"),
    (
        "a table that is none",
        "seeds = 2\n[gird]\ntask = []",
        "did you mean `grid`",
    ),
    (
        "a condition of another value",
        "task = [\"lab/lift\"]\nseeds = 2\n[[skip]]\ntask = \"lab/push\"",
        "which no cell has",
    ),
    (
        "a condition of no dimension",
        "seeds = 2\n[[skip]]\ntask = \"lab/lift\"",
        "no dimension",
    ),
    (
        "nothing left",
        "task = [\"lab/lift\"]\nseeds = 2\n[[skip]]\ntask = \"lab/lift\"",
        "leaves out every cell",
    ),
    (
        "an arm without a name",
        "seeds = 2\n[[arm]]\ndemos.count = 3",
        "no name",
    ),
    (
        "arms of one name",
        "[[arm]]\nname = \"a\"\ndemos.count = 3\n[[arm]]\nname = \"a\"",
        "two arms are called a",
    ),
    (
        "equal arms",
        "[[arm]]\nname = \"a\"\n[[arm]]\nname = \"b\"",
        "are the same run",
    ),
    (
        "a file that is not there",
        "inputs.demos_file = [\"a.safetensors\", \"b.safetensors\"]",
        "a.safetensors cannot be read",
    ),
    (
        "files of one name",
        "inputs.demos_file = [\"a/d.safetensors\", \"b/d.safetensors\"]",
        "two files with one name",
    ),
    (
        "an input that is none",
        "inputs.demo_file = [\"a\", \"b\"]",
        "demos_file",
    ),
    (
        "a session that is none",
        "seeds = 2\n[session]\nthread = 2",
        "thread",
    ),
    (
        "no threads",
        "seeds = 2\n[session]\nthreads = 0",
        "session.threads is 0",
    ),
    (
        "a device that is none",
        "seeds = 2\n[session]\ndevice = \"tpu\"",
        "tpu",
    ),
];

/// Whatever is wrong with a sweep file is told in one sentence that names the file, before there is
/// a folder.
#[test]
fn what_is_wrong_with_a_sweep_file_is_told_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (what, grid, part) in WRONG {
        let text = format!("[base]\npreset = \"tiny\"\n[grid]\n{grid}\n");
        std::fs::write(folder.join("wrong.toml"), text).unwrap();
        let sentence = refused(
            folder,
            &["sweep", "plan", "wrong.toml", "--out", "sweep"],
            2,
        );
        assert!(sentence.contains(part), "{what}: {sentence}");
        assert!(sentence.contains("wrong.toml"), "{what}: {sentence}");
        assert!(!folder.join("sweep").exists(), "{what}");
    }
}

/// A sweep's folder is planned once, holds together, and is gone on with by the version that
/// planned it.
#[test]
fn a_changed_plan_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    plan(folder, "sweep", SPEC);
    let sentence = refused(
        folder,
        &["sweep", "plan", "sweep.toml", "--out", "sweep"],
        2,
    );
    assert!(sentence.contains("already holds a sweep"), "{sentence}");
    let path = folder.join("sweep/sweep.json");
    let whole = std::fs::read(&path).unwrap();
    let text = String::from_utf8(unsealed(&whole).1).unwrap();
    let trial = |from: &str, to: &str, action: &str| {
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, sealed(&text.replace(from, to))).unwrap();
        refused(folder, &["sweep", action, "sweep"], 2)
    };
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let sentence = trial(&version, "\"version\": \"0.0.7\"", "work");
    assert!(sentence.contains("protege 0.0.7"), "{sentence}");
    let sentence = trial("\"format\": 1", "\"format\": 2", "status");
    assert!(sentence.contains("does not know"), "{sentence}");
    let sentence = trial("\"demos\": 0", "\"demos\": 17", "status");
    assert!(sentence.contains("does not fit"), "{sentence}");
    // Without the new checksum, any change is noticed.
    std::fs::write(
        &path,
        String::from_utf8(whole)
            .unwrap()
            .replace("\"seed\": 2", "\"seed\": 3"),
    )
    .unwrap();
    let sentence = refused(folder, &["sweep", "status", "sweep"], 2);
    assert!(sentence.contains("was changed"), "{sentence}");
    let sentence = refused(folder, &["sweep", "status", "nowhere"], 2);
    assert!(sentence.contains("holds no sweep"), "{sentence}");
}

/// Ten thousand cells are planned, looked at and handed over; arrays are as large as a cluster
/// takes them.
#[test]
fn ten_thousand_cells_are_planned_and_handed_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let counts: Vec<String> = (1..=100).map(|count| count.to_string()).collect();
    let spec = format!(
        "[base]\npreset = \"tiny\"\n[grid]\ntask = [\"lab/lift\"]\ndemos.count = [{}]\n\
         env.parallel = [10, 20, 30, 40, 50]\nseeds = 20\n",
        counts.join(", ")
    );
    plan(folder, "sweep", &spec);
    let status = answer(folder, &["sweep", "status", "sweep"]);
    assert_eq!(status["counts"]["waiting"], 10_000);
    let submit = ["sweep", "submit", "sweep", "--engine", "slurm", "--dry-run"];
    let handed = answer(folder, &submit);
    assert_eq!(handed["cells"], 10_000);
    assert_eq!(handed["commands"].as_array().unwrap().len(), 10);
}

/// What clusters are handed: a script of each, which names program, sweep and cells.
#[test]
fn engines_are_handed_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    plan(folder, "sweep", &SPEC.replace("seeds = 3", "seeds = 1"));
    succeeds(
        folder,
        &["sweep", "cell", "sweep", "--index", "0", "--quiet"],
    );
    let submit = |engine: &str, flags: &[&str]| {
        let arguments = ["sweep", "submit", "sweep", "--engine", engine, "--dry-run"];
        answer(folder, &[&arguments[..], flags].concat())
    };
    let read =
        |name: &str| std::fs::read_to_string(folder.join("sweep/submit").join(name)).unwrap();
    let sweep = folder.canonicalize().unwrap().join("sweep");
    let sweep = sweep.to_string_lossy();

    let slurm = submit("slurm", &["--at-once", "3"]);
    let commands: Vec<&str> = slurm["commands"]
        .as_array()
        .unwrap()
        .iter()
        .map(|command| command.as_str().unwrap())
        .collect();
    assert!(commands[0].contains("--array=0-0%3"), "{commands:?}");
    assert!(commands[1].contains("--array=0-3%3"), "{commands:?}");
    assert!(
        commands[1].contains("--dependency=afterany:JOB1"),
        "{commands:?}"
    );
    assert_eq!(read("demos-0.cells"), "1\n");
    assert_eq!(read("run-0.cells"), "2\n3\n4\n5\n");
    assert!(read("slurm.sh").contains(&format!("sweep cell {sweep} --index")));

    submit("ray", &[]);
    let script = read("ray_driver.py");
    assert!(script.contains(&format!("SWEEP = \"{sweep}\"")), "{script}");
    assert!(
        script.contains("CELLS = [[1,[]],[2,[0]],[3,[0]],[4,[1]],[5,[1]]]"),
        "{script}"
    );

    submit("kubernetes", &["--", "image=me/protege:1", "claim=data"]);
    let job = read("kubernetes.yaml");
    for part in [
        "completions: 5",
        "image: me/protege:1",
        "claimName: data",
        &sweep,
    ] {
        assert!(job.contains(part), "{part}: {job}");
    }
    assert!(!job.contains('@'), "{job}");
    let arguments = ["sweep", "submit", "sweep", "--engine", "kubernetes"];
    let sentence = refused(folder, &arguments, 2);
    assert!(sentence.contains("image=NAME"), "{sentence}");
}

/// On a Ray cluster of this machine, a sweep ends with the results that it has without one. Needs
/// `ray` (the package `ray[default]`) in the path.
#[test]
#[ignore = "it needs Ray, which is large"]
fn a_sweep_on_ray_has_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let ray = |arguments: &[&str]| {
        let mut command = std::process::Command::new("ray");
        assert!(command.args(arguments).status().unwrap().success());
    };
    let spec = SPEC.replace("seeds = 3", "seeds = 1");
    for name in ["straight", "on-ray"] {
        plan(folder, name, &spec);
    }
    succeeds(folder, &["sweep", "work", "straight", "--quiet"]);
    // Its workers have ports from 10002 on.
    ray(&[
        "start",
        "--head",
        "--port=6399",
        "--num-cpus=2",
        "--disable-usage-stats",
    ]);
    let address = "http://127.0.0.1:8265";
    let flags = ["--engine", "ray", "--", "--address", address];
    let submit = [&["sweep", "submit", "on-ray"][..], &flags].concat();
    let submitted = protege(folder, &submit).output().unwrap();
    ray(&["stop"]);
    let text = String::from_utf8_lossy(&submitted.stderr);
    assert!(submitted.status.success(), "{text}");
    assert_eq!(results(folder, "on-ray"), results(folder, "straight"));
}
