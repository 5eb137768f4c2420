//! Checkpoints under attack: killed at random moments, and on disks without room.
//!
//! Each test starts this same test program once more, as a child that only saves
//! (`the_child_saves`).

use protege::files::checkpoints::{Checkpoints, Content};
use protege::files::jsonl::{Jsonl, beginning};
use protege_core::data::Archive;
use protege_core::rng::Rng;
use protege_core::{Error, Result};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Tells the child where to save; without it the child's test does nothing.
const FOLDER: &str = "PROTEGE_TEST_SAVE_FOLDER";
/// How many saves the child makes at most.
const SAVES: &str = "PROTEGE_TEST_SAVES";
/// Numbers in a state of about 6 MB.
const NUMBERS: usize = 1_500_000;

/// The state at a step, and how it follows from it alone.
fn state(step: u64) -> Vec<u8> {
    let mut rng = Rng::new(step, "state", 0);
    let first = rng.bits() as u32;
    let mut archive = Archive::new();
    archive.put_f32(
        "replay",
        &[NUMBERS],
        (0..NUMBERS as u32)
            .map(|i| (first.wrapping_add(i) >> 8) as f32)
            .collect(),
    );
    archive.put("rng", &rng).expect("a stream can be written");
    archive.to_bytes().expect("all numbers are finite")
}

/// Goes on from the latest checkpoint, as a run does: one more row, then one more checkpoint, and
/// so on.
fn save_on(folder: &Path, saves: u64) -> Result<()> {
    let checkpoints = Checkpoints::new(folder.join("checkpoints"), 2);
    let path = folder.join("metrics.jsonl");
    let (done, mut metrics) = match checkpoints.latest()? {
        Some(latest) => (
            latest.manifest.step,
            Jsonl::resume(&path, &latest.manifest.extent("metrics.jsonl").unwrap())?,
        ),
        None => (0, Jsonl::create(&path)?),
    };
    for step in done + 1..=done + saves {
        let state = state(step);
        metrics.append(&BTreeMap::from([("step", step)]))?;
        metrics.sync()?;
        let lines = BTreeMap::from([("metrics.jsonl".to_string(), metrics.extent())]);
        checkpoints.save(&Content {
            step,
            score: None,
            lines,
            files: BTreeMap::from([("state.safetensors", &state[..])]),
        })?;
    }
    Ok(())
}

/// The step of the latest checkpoint, after checking that it is exactly what was saved at that
/// step, that none was passed over, and that the metrics hold every row up to it. 0 when there is
/// none yet.
fn verify(folder: &Path) -> u64 {
    let Some(latest) = Checkpoints::new(folder.join("checkpoints"), 2)
        .latest()
        .unwrap()
    else {
        return 0;
    };
    let step = latest.manifest.step;
    assert_eq!(latest.passed_over, Vec::<String>::new());
    assert!(
        latest.file("state.safetensors").unwrap() == state(step),
        "another state than that of step {step}"
    );
    let rows = latest.manifest.rows["metrics.jsonl"] as usize;
    let extent = latest.manifest.extent("metrics.jsonl").unwrap();
    let counted = beginning(&folder.join("metrics.jsonl"), &extent).unwrap();
    let metrics = String::from_utf8(counted).unwrap();
    assert!(
        metrics
            .lines()
            .take(rows)
            .map(String::from)
            .eq((1..=step).map(|s| format!("{{\"step\":{s}}}")))
    );
    step
}

/// This test program as a child that saves into a folder.
fn child(folder: &Path, saves: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command
        .args(["--exact", "the_child_saves", "--nocapture"])
        .env(FOLDER, folder)
        .env(SAVES, saves.to_string());
    command
}

fn hidden(folder: &Path) -> usize {
    let names = std::fs::read_dir(folder.join("checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().file_name());
    names
        .filter(|name| name.to_string_lossy().starts_with('.'))
        .count()
}

/// Not a promise but the child of the tests below; the exit code tells them the kind of an error.
#[test]
fn the_child_saves() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let saves = std::env::var(SAVES)
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(u64::MAX / 2);
    match save_on(Path::new(&folder), saves) {
        Ok(()) => {}
        Err(Error::Failed(sentence)) => {
            eprintln!("{sentence}");
            std::process::exit(11)
        }
        Err(other) => {
            eprintln!("{other}");
            std::process::exit(12)
        }
    }
}

/// `kill -9` at any moment of a save loses at most what was not yet saved (on 20 kills that hit a
/// save): the latest checkpoint is always one that was saved whole, the run goes on from it, and
/// its metrics are those of a run that never stopped.
#[test]
fn a_killed_save_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(0, "kill", 0);
    let mut reached = 0;
    let mut kills = 0;
    let mut interrupted = 0;
    while interrupted < 20 && kills < 100 {
        let mut child = child(folder.path(), u64::MAX / 2)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(30 + rng.below(250) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let step = verify(folder.path());
        assert!(step >= reached, "went back from {reached} to {step}");
        reached = step;
        kills += 1;
        interrupted +=
            usize::from(folder.path().join("checkpoints").exists() && hidden(folder.path()) > 0);
    }
    println!("{reached} saves, {interrupted} of {kills} kills in the middle of one");
    save_on(folder.path(), 1).unwrap();
    assert_eq!(
        (verify(folder.path()), hidden(folder.path())),
        (reached + 1, 0)
    );
}

/// The child, which is expected to fail for want of room; afterwards the checkpoint before it must
/// be there, and nothing else.
fn fails_for_want_of_room(mut child: Command, folder: &Path) {
    let output = child.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(11), "{stderr}");
    assert!(
        stderr.contains("There is no room for")
            && stderr.contains("what was saved before is intact"),
        "{stderr}"
    );
    assert!(verify(folder) > 0);
    assert_eq!(hidden(folder), 0, "an unfinished checkpoint takes up room");
}

/// A full disk is told in a sentence, and costs no checkpoint.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: mounting a small disk needs the rights of root");
        return;
    }
    let result =
        std::panic::catch_unwind(|| fails_for_want_of_room(child(folder.path(), 5), folder.path()));
    Command::new("umount").arg(folder.path()).status().unwrap();
    result.unwrap();
}

/// So is a limit on the size of files, which any user can set.
#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_file_sizes_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    save_on(folder.path(), 1).unwrap();
    let program = std::env::current_exe().unwrap();
    let mut limited = Command::new("sh");
    // Without the trap the system would end the program rather than refuse the write.
    limited
        .args([
            "-c",
            "trap '' XFSZ; ulimit -f 2000; exec \"$0\" --exact the_child_saves --nocapture",
        ])
        .arg(program);
    limited.env(FOLDER, folder.path()).env(SAVES, "1");
    fails_for_want_of_room(limited, folder.path());
}
