//! What a sweep's cells found: gathered while it goes on and at the end, and compared as runs.

mod common;

use common::{protege, sentence};
use serde_json::Value;
use std::path::Path;

/// Two seeds of two small arms.
const SWEEP: &str = r#"
title = "Small"
seeds = 2

[base]
preset = "tiny"
task = "lab/lift"
pretrain.method = "bc"
finetune.method = "none"
demos.count = 2
eval.episodes = 4

[grid]
pretrain.bc.updates = [20, 30]
"#;

fn call(folder: &Path, arguments: &[&str]) -> Value {
    let output = protege(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{}", sentence(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A sweep that has not begun says what is missing; one that is done has a line a run, the same
/// each time; and its cells, which are runs, count as two in a comparison, not as four.
#[test]
fn a_sweep_is_gathered_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("small.toml"), SWEEP).unwrap();
    call(
        folder,
        &["sweep", "plan", "small.toml", "--out", "s", "--json"],
    );
    let begun = call(folder, &["sweep", "gather", "s", "--json"]);
    assert_eq!((&begun["runs"], &begun["planned"]), (&0.into(), &4.into()));
    assert_eq!(begun["unfinished"].as_array().unwrap().len(), 4);
    let page = std::fs::read_to_string(folder.join("s/sweep.html")).unwrap();
    assert!(page.contains("0 of 4 runs finished") && page.contains("updates=30, seed 1"));

    call(
        folder,
        &["sweep", "work", "s", "--jobs", "2", "--quiet", "--json"],
    );
    let whole = call(folder, &["sweep", "gather", "s", "--out", "out", "--json"]);
    assert_eq!(whole["runs"], 4);
    assert_eq!(whole["unfinished"].as_array().unwrap().len(), 0);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let summary = read("out/summary.csv");
    let mut lines = summary.lines();
    assert_eq!(
        lines.next().unwrap(),
        "task,pretrain.bc.updates,seed,before,last,final,kept,episodes,decisions,control_steps"
    );
    let keys: Vec<String> = lines
        .map(|line| line.split(',').take(3).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(
        keys,
        [
            "lab/lift 20 0",
            "lab/lift 20 1",
            "lab/lift 30 0",
            "lab/lift 30 1"
        ]
    );
    assert!(read("out/sweep.html").contains("4 runs, all finished"));
    call(folder, &["sweep", "gather", "s", "--json"]);
    for name in ["summary.csv", "curves.csv", "sweep.html"] {
        assert_eq!(
            read(&format!("s/{name}")),
            read(&format!("out/{name}")),
            "{name}"
        );
    }
    let tables = [
        "sweep",
        "gather",
        "out/curves.csv",
        "--markdown=runs",
        "--json",
    ];
    let tables = call(folder, &tables);
    assert_eq!(tables["markdown"].as_str().unwrap().lines().count(), 6);

    let cells = ["0", "1", "2", "3"].map(|i| format!("s/cells/0000{i}"));
    let cells: Vec<&str> = cells.iter().map(|cell| &cell[..]).collect();
    let compared = call(folder, &[&["compare", "--json"], &cells[..]].concat());
    let runs = compared["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert!(runs.iter().all(|run| run["seeds"] == 2), "{compared}");
    assert_eq!(runs[0]["before"]["episodes"], 8);
    let twice = protege(folder, &["compare", cells[0], cells[0]])
        .output()
        .unwrap();
    assert_eq!(twice.status.code(), Some(2));
    assert!(sentence(&twice).contains("the same configuration with the same seed, 0"));
}
