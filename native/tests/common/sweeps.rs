//! A sweep of small cells, and what is left of it.

#![allow(dead_code, reason = "not every test uses it")]

use super::protege;
use std::collections::BTreeMap;
use std::path::Path;

/// Two tasks, two methods, three seeds; a cell takes a second.
pub const SPEC: &str = r#"
title = "Two tasks, two methods"
[base]
preset = "tiny"
demos.count = 2
env.parallel = 4
policy = { hidden = 8, layers = 1, inference_steps = 2 }
pretrain.bc = { updates = 60, batch = 8 }
pretrain.post_bc = { members = 2, updates = 20, hidden = 8 }
finetune.method = "best-of-n"
finetune.best_of_n = { rollouts = 6, updates = 100, samples = 2, hidden = 8, layers = 1 }
eval = { episodes = 6, curve_episodes = 2 }
[grid]
task = ["lab/lift", "lab/pick-place"]
pretrain.method = ["bc", "post-bc"]
seeds = 3
[share]
demos = true
[session]
checkpoint_every = 0.0
"#;

/// Plans the sweep into `folder/name`.
pub fn plan(folder: &Path, name: &str, spec: &str) {
    std::fs::write(folder.join(format!("{name}.toml")), spec).unwrap();
    let file = format!("{name}.toml");
    succeeds(folder, &["sweep", "plan", &file, "--out", name]);
}

/// Calls the program, which must succeed; what it prints.
pub fn succeeds(folder: &Path, arguments: &[&str]) -> String {
    let output = protege(folder, arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {text}");
    String::from_utf8(output.stdout).unwrap()
}

/// The JSON that a call prints; it must succeed.
pub fn answer(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let arguments = [&["--json"], arguments].concat();
    serde_json::from_str(&succeeds(folder, &arguments)).unwrap()
}

/// Everything that a sweep is for, but for times: what is gathered, and the files of every cell.
pub fn results(folder: &Path, name: &str) -> BTreeMap<String, Vec<u8>> {
    let sweep = folder.join(name);
    let mut found = BTreeMap::new();
    succeeds(folder, &["sweep", "gather", name]);
    for file in ["summary.csv", "curves.csv", "sweep.html"] {
        found.insert(file.to_owned(), std::fs::read(sweep.join(file)).unwrap());
    }
    for cell in entries(&sweep.join("cells")) {
        let number = cell.file_name().unwrap().to_string_lossy().into_owned();
        let seeds = entries(&cell).into_iter().filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("seed-")
        });
        for seed in seeds {
            for file in ["policy.safetensors", "episodes.jsonl", "demos.safetensors"] {
                let bytes = std::fs::read(seed.join(file)).unwrap();
                found.insert(format!("{number}/{file}"), bytes);
            }
            let metrics = std::fs::read_to_string(seed.join("metrics.jsonl")).unwrap();
            let lines = metrics.lines().map(without_time).collect::<Vec<_>>();
            found.insert(format!("{number}/metrics"), lines.join("\n").into_bytes());
        }
    }
    found
}

fn without_time(line: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
    value.as_object_mut().unwrap().remove("wall_s");
    value.to_string()
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}
