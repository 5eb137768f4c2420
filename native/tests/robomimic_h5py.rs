//! robomimic's HDF5 files beside h5py, which robomimic itself reads and writes them with.
//! `cargo xtask setup` installs it.

mod common;

use common::drawn::drawn;
use protege::downloads::cache;
use protege::robomimic::{Export, Source, Wishes};
use protege_core::data::Dataset;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// More episodes than a node of a group's tree has room for.
const MANY: u64 = 300;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path)
}

/// What a script of Python prints that h5py is there for.
fn python(script: &str, arguments: &[&Path]) -> String {
    let packages = cache().unwrap().join("tools/python");
    assert!(
        packages.join("h5py").exists(),
        "h5py is missing: `cargo xtask setup` installs it"
    );
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages);
    let output = command.arg(here(script)).args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// h5py finds in an export what robomimic looks for, with its types, and every number bit for bit;
/// of robosuite's tasks under robosuite's names, with pictures as rows of pixels.
#[test]
fn h5py_finds_in_an_export_what_robomimic_looks_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("demos.hdf5");
    let ours = folder.path().join("demos.safetensors");
    let agents = [("agentview", 5), ("robot0_eye_in_hand", 4)];
    let table: [(Dataset, f64, &str); 4] = [
        (drawn("lab/lift", MANY, 39, 4, &[]), 0.0, "lab/lift"),
        (
            drawn("metaworld/door-open", MANY, 39, 4, &[("corner2", 6)]),
            0.1,
            "metaworld/door-open",
        ),
        (
            drawn("robosuite/can", MANY, 23, 7, &[]),
            0.1,
            "PickPlaceCan",
        ),
        (
            drawn("robosuite/square", MANY, 9, 7, &agents),
            0.5,
            "NutAssemblySquare",
        ),
    ];
    for (dataset, valid, name) in table {
        let export = Export::of(&dataset, (valid > 0.0).then_some(valid)).unwrap();
        export.write(std::fs::File::create(&file).unwrap()).unwrap();
        std::fs::write(&ours, dataset.to_bytes().unwrap()).unwrap();
        let valid = valid.to_string();
        let printed = python("robomimic_h5py.py", &[&file, &ours, Path::new(&valid)]);
        let found: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            (&found["task"], &found["demos"]),
            (&name.into(), &300.into()),
            "{found}"
        );
        assert_eq!(
            serde_json::json!(export.summary().keys.len()),
            found["obs"].as_array().unwrap().len()
        );
    }
}

/// The committed files of h5py are those that their script makes today: both are read alike.
#[test]
fn the_committed_files_are_those_that_their_script_makes() {
    let folder = tempfile::tempdir().unwrap();
    python("fixtures/robomimic/make.py", &[folder.path()]);
    for name in ["lab", "latest", "strange/userblock", "strange/big_endian"] {
        let read = |folder: &Path| {
            let path = folder.join(format!("{name}.hdf5"));
            let source = Source::open(&path, "demos.hdf5").unwrap();
            let found = source.import("lab/lift", &Wishes::default());
            found.unwrap().dataset
        };
        let committed = read(&here("fixtures/robomimic"));
        assert_eq!(read(folder.path()), committed, "{name}");
    }
}

/// A type that is nested as deep as HDF5 takes it is refused like any other, on the small stack of
/// a test's thread, too.
#[test]
fn a_type_that_is_nested_without_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let script = "fixtures/robomimic/make.py";
    python(script, &[folder.path(), Path::new("--nested")]);
    let source = Source::open(&folder.path().join("nested.hdf5"), "demos.hdf5").unwrap();
    let found = source.import("lab/lift", &Wishes::default());
    let sentence = found.unwrap_err().to_string();
    assert!(sentence.contains("data/demo_0/actions"), "{sentence}");
    assert!(sentence.contains("no numbers"), "{sentence}");
}
