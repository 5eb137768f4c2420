//! `protege demos --expert` and `--from`, as a user meets them: small files written here.

#![cfg(feature = "mujoco")]

use protege_core::data::Dataset;
use protege_core::obs::ObsSpec;
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

fn write(path: &Path, parts: &[(&str, &[usize], f32)]) {
    let bytes: Vec<Vec<u8>> = parts
        .iter()
        .map(|(_, shape, value)| value.to_le_bytes().repeat(shape.iter().product()))
        .collect();
    let views = parts.iter().zip(&bytes).map(|((name, shape, _), data)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap(),
        )
    });
    std::fs::write(path, serialize(views, None).unwrap()).unwrap();
}

/// An expert that holds every joint still, for a task with these sizes.
fn write_expert(path: &Path, obs: usize, act: usize) {
    let parts: [(&str, &[usize], f32); 6] = [
        ("in_shift", &[obs], 0.0),
        ("in_scale", &[obs], 1.0),
        ("fc_layers.0.weight", &[act, obs], 0.0),
        ("fc_layers.0.bias", &[act], 0.0),
        ("out_shift", &[act], 0.0),
        ("out_scale", &[act], 1.0),
    ];
    write(path, &parts);
}

fn demos(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_protege"))
        .current_dir(folder)
        .args(["demos", "--quiet"])
        .args(arguments)
        .output()
        .unwrap()
}

fn assert_refused(folder: &Path, arguments: &[&str], thing: &str) {
    let output = demos(folder, arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    assert!(
        text.starts_with("error: ") && text.trim_end().lines().count() == 1 && text.contains(thing),
        "{arguments:?}: {text}"
    );
}

/// An expert of another task, one that never succeeds, and a file that is not there are each
/// answered in one sentence; nothing is written.
#[test]
fn an_expert_that_is_no_good_is_answered_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write_expert(&folder.join("still.safetensors"), 39, 4);
    write_expert(&folder.join("pen.safetensors"), 45, 24);
    assert_refused(
        folder,
        &["--task", "adroit/door", "--expert", "pen.safetensors"],
        "another task",
    );
    assert_refused(
        folder,
        &[
            "--task",
            "lab/lift",
            "--demos",
            "1",
            "--expert",
            "still.safetensors",
        ],
        "0 times in 20 attempts",
    );
    assert_refused(
        folder,
        &["--task", "adroit/door", "--expert", "nothing.safetensors"],
        "nothing.safetensors",
    );
    assert_refused(
        folder,
        &["--task", "adroit/door", "--expert", "a", "--from", "b"],
        "--from",
    );
    assert_refused(folder, &["--task", "adroit/door"], "--demos-file");
    assert!(!folder.join("demos.safetensors").exists());
}

/// Recordings become a dataset that the other commands read; one of another suite's task, of
/// another length or a dataset that needs no import is refused with what to do.
#[test]
fn recordings_become_a_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Whatever is observed, the hinge (number 28) is among it: 1.4 rad is open.
    write(
        &folder.join("open.safetensors"),
        &[
            ("demo_0/observations", &[6, 39], 1.4),
            ("demo_0/actions", &[6, 28], 1.2),
        ],
    );
    let whole = [
        "--task",
        "adroit/door",
        "--from",
        "open.safetensors",
        "--trim",
        "--successful-only",
        "--json",
    ];
    let output = demos(folder, &whole);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (
            &answer["episodes"],
            &answer["successful"],
            &answer["replayed"]
        ),
        (&1.into(), &1.into(), &0.into())
    );
    let dataset =
        Dataset::from_bytes(&std::fs::read(folder.join("demos.safetensors")).unwrap()).unwrap();
    dataset
        .check_task("adroit/door", &ObsSpec::of_state(39), 28)
        .unwrap();
    assert_eq!(
        (dataset.episodes[0].len(), dataset.episodes[0].success),
        (1, true)
    );
    assert!(dataset.meta.demonstrator.contains("open.safetensors"));
    assert_refused(
        folder,
        &["--task", "lab/lift", "--from", "open.safetensors"],
        "adroit/door",
    );
    assert_refused(
        folder,
        &["--task", "adroit/hammer", "--from", "open.safetensors"],
        "46",
    );
    assert_refused(
        folder,
        &["--task", "adroit/door", "--from", "demos.safetensors"],
        "--demos-file",
    );
    assert_refused(
        folder,
        &[
            "--task",
            "adroit/door",
            "--from",
            "open.safetensors",
            "--demos",
            "2",
        ],
        "at most 1",
    );
    assert_refused(folder, &["--task", "adroit/door", "--trim"], "--from");
}
