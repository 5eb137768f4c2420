//! Files of every format version that was ever written are read, or refused by their version.

use protege::engines::CATALOG;
use protege_core::data::{Archive, Dataset, sha256};
use protege_core::obs::ImageSpec;
use protege_core::run::{Run, saved_config};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Every format version of archives that was ever written.
const VERSIONS: [u32; 3] = [1, 2, 3];

/// The committed files of one format version; the README beside them says how they were made.
fn corpus(version: u32) -> PathBuf {
    let folder = format!("../core/tests/fixtures/version-{version}");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

/// The files of a format version whose names begin with `kind`, of which there must be some.
fn files(version: u32, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(corpus(version)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_kind = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(kind)
    };
    let mut files: Vec<PathBuf> = paths.filter(is_kind).collect();
    files.sort();
    assert!(
        !files.is_empty(),
        "there are no {kind} of version {version}"
    );
    files
}

fn call(arguments: &[&str]) -> Output {
    let mut protege = Command::new(env!("CARGO_BIN_EXE_protege"));
    protege.args(arguments).stdin(Stdio::null());
    protege.output().unwrap()
}

/// Every policy acts as it did: a network of each kind with what each method made of it.
#[test]
fn policies_of_every_version_are_evaluated() {
    for version in VERSIONS {
        for file in files(version, "policy-") {
            let name = file.to_str().unwrap();
            let arguments = ["eval", "--checkpoint", name, "--episodes", "1", "--json"];
            let output = call(&arguments);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{name}: {stderr}");
        }
    }
}

/// Demonstrations stay what they are, pictures and tasks included.
#[test]
fn datasets_of_every_version_are_read() {
    for version in VERSIONS {
        for file in files(version, "demos") {
            let dataset = Dataset::from_bytes(&std::fs::read(&file).unwrap()).unwrap();
            let name = file.file_stem().unwrap().to_str().unwrap();
            let (task, tasks, cameras) = match name {
                "demos-tasks" => ("lab/lift+lab/pick-place", 2, vec![]),
                "demos-pictures" => ("lab/lift", 0, ImageSpec::unnamed(42, 1)),
                _ => ("lab/lift", 0, vec![]),
            };
            let obs = &dataset.meta.obs;
            assert_eq!((&dataset.meta.task[..], obs.tasks), (task, tasks), "{name}");
            let seen = |camera: &ImageSpec| (camera.name.clone(), camera.size);
            assert!(
                obs.cameras.iter().map(seen).eq(cameras.iter().map(seen)),
                "{name}"
            );
            for (place, episode) in dataset.episodes.iter().enumerate() {
                let expected = (tasks > 0).then_some(place);
                assert_eq!(episode.obs.task.map(|task| task.index), expected, "{name}");
            }
        }
    }
}

/// A checkpoint is resumed, or says from which version on checkpoints can be.
#[test]
fn checkpoints_of_every_version_are_resumed_or_refused_by_name() {
    for version in VERSIONS {
        for file in files(version, "checkpoint") {
            let archive = Archive::from_bytes(&std::fs::read(&file).unwrap()).unwrap();
            let device = burn::tensor::Device::flex();
            match Run::load(archive, device) {
                Ok(_) => assert!(version >= 3),
                Err(error) => {
                    let sentence = error.to_string();
                    assert!(version < 3, "{sentence}");
                    assert!(sentence.contains("from version 3 on"), "{sentence}");
                }
            }
        }
    }
}

/// A run whose checkpoints an earlier version wrote says, when it is to go on, which file that is
/// and from which version on runs can be resumed; a later version's files ask for that.
#[test]
fn a_run_of_another_version_says_which_version_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let run = out.to_str().unwrap();
    let tiny = ["--preset", "tiny", "--task", "lab/lift", "--pretrain", "bc"];
    let small = ["--set", "pretrain.bc.updates=1", "--set", "eval.episodes=1"];
    let rest = [
        "--demos",
        "1",
        "--finetune",
        "none",
        "--no-video",
        "--out",
        run,
    ];
    let begun = call(&[&["run"], &tiny[..], &small, &rest].concat());
    assert!(begun.status.success());
    let resumed = || {
        let output = call(&["run", "--resume", run, "--quiet"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        text
    };
    let seed = out.join("seed-0");
    std::fs::remove_file(seed.join("summary.json")).unwrap();
    let checkpoints = seed.join("checkpoints");
    let manifest = |format: u32, state: &[u8]| {
        let (bytes, sha256) = (state.len(), sha256(state));
        format!(
            r#"{{"format":{format},"step":0,"score":null,"rows":{{"metrics.jsonl":0,
            "episodes.jsonl":0}},"files":{{"state.safetensors":{{"bytes":{bytes},
            "sha256":"{sha256}"}}}}}}"#
        )
    };
    for version in [1, 2] {
        let state = std::fs::read(corpus(version).join("checkpoint.safetensors")).unwrap();
        std::fs::remove_dir_all(&checkpoints).unwrap();
        std::fs::create_dir_all(checkpoints.join("001")).unwrap();
        std::fs::write(checkpoints.join("001/state.safetensors"), &state).unwrap();
        std::fs::write(checkpoints.join("001/manifest.json"), manifest(1, &state)).unwrap();
        let text = resumed();
        assert!(text.contains("from version 3 on"), "{text}");
        assert!(text.contains("001/state.safetensors"), "{text}");
    }
    std::fs::write(checkpoints.join("001/manifest.json"), manifest(99, b"")).unwrap();
    let text = resumed();
    assert!(
        text.contains("format version 99") && text.contains("update protege"),
        "{text}"
    );
    let later = r#"{"version": "9.8.7", "seeds": [0], "colour": "red"}"#;
    std::fs::write(out.join("plan.json"), later).unwrap();
    let text = resumed();
    assert!(
        text.contains("plan.json") && text.contains("protege 9.8.7"),
        "{text}"
    );
}

/// A policy can be read without this program: its configuration is JSON in the metadata, its scales
/// are tensors with names, and Python's standard library is enough.
#[test]
fn a_policy_is_readable_from_python() {
    let file = corpus(3).join("policy-flow-none.safetensors");
    let script = r#"
import json, struct, sys
data = open(sys.argv[1], "rb").read()
length = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8 : 8 + length])
values = json.loads(header["__metadata__"]["protege"])["values"]
begin, end = header["policy/obs_scale/low"]["data_offsets"]
low = struct.unpack(f"<{(end - begin) // 4}f", data[8 + length + begin : 8 + length + end])
assert len(low) == values["policy/sizes"]["obs"] == values["policy/reads"]["state"], values
print(values["config"]["task"])
"#;
    let mut python = Command::new("python3");
    let output = python.args(["-c", script]).arg(&file).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "lab/lift");
    let archive = Archive::from_bytes(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(saved_config(&archive, &CATALOG).unwrap().task, "lab/lift");
}
