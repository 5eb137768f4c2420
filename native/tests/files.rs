//! Checkpoints and the files of a run: complete or invisible, and nothing lost.

use proptest::prelude::*;
use protege::files::checkpoints::{Checkpoint, Checkpoints, Content, Extent, FileEntry, Manifest};
use protege::files::jsonl::Jsonl;
use protege::files::{read, write_atomic};
use protege_core::{Error, Result};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// So many rows, all empty.
fn extent(rows: u64) -> Extent {
    let content = Some(FileEntry::of(&b"{}\n".repeat(rows as usize)));
    Extent { rows, content }
}

/// Saves a checkpoint whose state is its step, written ten times.
fn save(checkpoints: &Checkpoints, step: u64, score: Option<f64>) {
    let state = [step as u8; 10];
    let files = BTreeMap::from([("state.safetensors", &state[..])]);
    checkpoints
        .save(&Content {
            step,
            score,
            lines: BTreeMap::from([("metrics.jsonl".into(), extent(step))]),
            files,
        })
        .unwrap();
}

fn steps(folder: &Path) -> Vec<u64> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut steps: Vec<u64> = names
        .map(|name| Checkpoint::open(&folder.join(name)).unwrap().manifest.step)
        .collect();
    steps.sort_unstable();
    steps
}

fn sentence<T: std::fmt::Debug>(result: Result<T>) -> String {
    match result {
        Err(Error::Input(sentence)) => sentence,
        other => panic!("expected an input error, got {other:?}"),
    }
}

/// What was saved comes back, with its step, score and row counts; before the first save there is
/// nothing.
#[test]
fn a_checkpoint_comes_back() {
    let folder = folder();
    let checkpoints = Checkpoints::new(folder.path().join("checkpoints"), 2);
    assert_eq!(checkpoints.latest().unwrap(), None);
    save(&checkpoints, 7, Some(0.5));
    let latest = checkpoints.latest().unwrap().unwrap();
    assert_eq!(
        (
            latest.manifest.step,
            latest.manifest.score,
            latest.manifest.rows["metrics.jsonl"]
        ),
        (7, Some(0.5), 7)
    );
    assert_eq!(latest.file("state.safetensors").unwrap(), [7; 10]);
    assert!(sentence(latest.file("policy.safetensors")).contains("has no policy.safetensors"));
    assert!(latest.folder.ends_with("checkpoints/001"));
}

/// The newest few and the best are kept, and nothing else; the newest of equally good ones is the
/// best.
#[test]
fn the_newest_and_the_best_are_kept() {
    let folder = folder();
    let checkpoints = Checkpoints::new(folder.path(), 2);
    for (step, score) in [
        (1, Some(0.2)),
        (2, Some(0.9)),
        (3, Some(0.9)),
        (4, None),
        (5, Some(0.1)),
        (6, Some(0.3)),
    ] {
        save(&checkpoints, step, score);
    }
    assert_eq!(steps(folder.path()), [3, 5, 6]);
    assert_eq!(checkpoints.latest().unwrap().unwrap().manifest.step, 6);
}

/// Damage done to the newest checkpoint is noticed and named, and the one before it is used.
#[test]
fn a_damaged_checkpoint_is_passed_over_and_named() {
    type Damage = fn(&Path);
    let damages: [(Damage, &str); 6] = [
        (
            |c| fs::write(c.join("state.safetensors"), [0; 10]).unwrap(),
            "state.safetensors does not match its checksum",
        ),
        (
            |c| fs::write(c.join("state.safetensors"), [2; 9]).unwrap(),
            "state.safetensors has 9 bytes instead of 10",
        ),
        (
            |c| fs::remove_file(c.join("state.safetensors")).unwrap(),
            "state.safetensors cannot be read",
        ),
        (
            |c| fs::write(c.join("manifest.json"), "{\"format\": 1").unwrap(),
            "manifest.json is damaged or foreign",
        ),
        (
            |c| fs::write(c.join("manifest.json"), vec![b' '; 2 << 20]).unwrap(),
            "manifest.json is 2097152 bytes long",
        ),
        (
            |c| fs::remove_file(c.join("manifest.json")).unwrap(),
            "manifest.json cannot be read",
        ),
    ];
    for (damage, what) in damages {
        let folder = folder();
        let checkpoints = Checkpoints::new(folder.path(), 2);
        save(&checkpoints, 1, None);
        save(&checkpoints, 2, None);
        damage(&folder.path().join("002"));
        let latest = checkpoints.latest().unwrap().unwrap();
        assert_eq!(latest.manifest.step, 1);
        assert!(
            latest.passed_over[0].contains("002") && latest.passed_over[0].contains(what),
            "{:?}",
            latest.passed_over
        );
        damage(&folder.path().join("001"));
        assert!(sentence(checkpoints.latest()).contains("001"));
    }
}

/// Whichever byte of a manifest is changed, cut off or lost, its checkpoint is passed over.
#[test]
fn every_change_of_a_manifest_is_noticed() {
    let folder = folder();
    let checkpoints = Checkpoints::new(folder.path(), 2);
    save(&checkpoints, 1, Some(0.25));
    save(&checkpoints, 2, Some(0.5));
    let path = folder.path().join("002/manifest.json");
    let whole = fs::read(&path).unwrap();
    let passed_over = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let latest = checkpoints.latest().unwrap().unwrap();
        (latest.manifest.step, latest.passed_over.len()) == (1, 1)
    };
    for place in 0..whole.len() {
        let mut changed = whole.clone();
        changed[place] ^= 1 << (place % 8);
        assert!(passed_over(&changed), "byte {place} was changed");
        assert!(passed_over(&whole[..place]), "cut at byte {place}");
        changed.copy_from_slice(&whole);
        changed.remove(place);
        assert!(passed_over(&changed), "byte {place} was lost");
    }
}

/// A manifest that does not say what a file of lines held is no license to empty it.
#[test]
fn a_manifest_that_lacks_a_name_is_refused() {
    let text = r#"{"format":1,"step":0,"score":null,"rows":{"metrics.jsonl":3},"files":{}}"#;
    let manifest = Manifest::parse(text.as_bytes()).unwrap();
    let rows = |name| manifest.extent(name).map(|extent| extent.rows);
    assert_eq!(rows("metrics.jsonl"), Ok(3), "format 1 is read");
    assert!(
        rows("episodes.jsonl")
            .unwrap_err()
            .contains("episodes.jsonl")
    );
    let later = text.replace("\"format\":1", "\"format\":2");
    let refused = Manifest::parse(later.as_bytes()).unwrap_err();
    assert!(refused.contains("has lost its checksum"), "{refused}");
}

/// Many that write one file at the same time leave one of the contents, whole, and nothing beside
/// it.
#[test]
fn writes_at_the_same_time_never_mix() {
    let folder = folder();
    let path = folder.path().join("demos.safetensors");
    let contents: Vec<Vec<u8>> = (0..8).map(|i| vec![i as u8; 100_000 + i]).collect();
    std::thread::scope(|scope| {
        for content in &contents {
            let path = &path;
            scope.spawn(move || (0..10).for_each(|_| write_atomic(path, content).unwrap()));
        }
    });
    assert!(contents.contains(&read(&path).unwrap()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// What a killed save or a killed removal left behind is not taken for a checkpoint, and is gone
/// after the next save.
#[test]
fn leftovers_are_ignored_and_cleaned() {
    let folder = folder();
    let checkpoints = Checkpoints::new(folder.path(), 3);
    for leftover in [".unfinished-001", ".unfinished-old-007"] {
        fs::create_dir(folder.path().join(leftover)).unwrap();
        fs::write(
            folder.path().join(leftover).join("state.safetensors"),
            "half",
        )
        .unwrap();
    }
    assert_eq!(checkpoints.latest().unwrap(), None);
    save(&checkpoints, 1, None);
    assert_eq!(steps(folder.path()), [1]);
}

/// A manifest cannot make the program read outside of its folder.
#[test]
fn a_manifest_stays_in_its_folder() {
    for name in ["../secret", "/etc/passwd", "a\\\\b", "..", ""] {
        let text = format!(
            r#"{{"format":1,"step":0,"score":null,"rows":{{}},
                "files":{{"{name}":{{"bytes":1,"sha256":""}}}}}}"#
        );
        assert!(
            Manifest::parse(text.as_bytes())
                .unwrap_err()
                .contains("not in the folder")
        );
    }
}

proptest! {
    /// No text makes reading a manifest panic, near-manifests included.
    #[test]
    fn any_manifest_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "[\\[\\]{}\",:a-f0-9_.-]{0,200}",
    ) {
        let _ = Manifest::parse(&bytes);
        let _ = Manifest::parse(text.as_bytes());
        let near = format!(
            r#"{{"format":1,"step":0,"score":null,"rows":{{}},"files":{{{text}}}}}"#
        );
        let _ = Manifest::parse(near.as_bytes());
    }
}

/// An atomic write replaces the whole file and leaves nothing beside it; a refused one leaves the
/// file as it was.
#[test]
fn an_atomic_write_is_all_or_nothing() {
    let folder = folder();
    let path = folder.path().join("summary.json");
    write_atomic(&path, b"a longer first version").unwrap();
    write_atomic(&path, b"second").unwrap();
    assert_eq!(read(&path).unwrap(), b"second");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let missing = folder.path().join("missing/summary.json");
    assert!(matches!(
        write_atomic(&missing, b"x"),
        Err(Error::Failed(s)) if s.contains("missing/summary.json")
    ));
}

/// Two that write a file at the same time leave what one of them wrote, whole, and nothing else.
#[test]
fn a_file_that_two_write_is_whole() {
    let folder = folder();
    let path = folder.path().join("page.html");
    let write = &|byte: u8| {
        let bytes = vec![byte; 1000 * usize::from(byte)];
        (0..50).for_each(|_| write_atomic(&path, &bytes).unwrap());
    };
    std::thread::scope(|scope| {
        for byte in [1, 2, 3] {
            scope.spawn(move || write(byte));
        }
    });
    let bytes = read(&path).unwrap();
    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
    assert_eq!(bytes.len(), 1000 * usize::from(bytes[0]));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A file that is written again keeps its permissions, names may be as long as the disk takes, and
/// a leftover of a killed write is used up.
#[test]
#[cfg(unix)]
fn a_file_is_written_whatever_its_name() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let path = folder.path().join("n".repeat(255));
    fs::write(
        folder.path().join(format!(".{}.partial", "n".repeat(200))),
        "left",
    )
    .unwrap();
    write_atomic(&path, b"first").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    write_atomic(&path, b"second").unwrap();
    assert_eq!(read(&path).unwrap(), b"second");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A path that holds no plain file is the user's to mend, and never read without end.
#[test]
fn only_plain_files_are_read() {
    let folder = folder();
    assert!(sentence(read(&folder.path().join("nothing"))).contains("nothing cannot be read"));
    assert!(sentence(read(folder.path())).contains("is not a plain file"));
    if cfg!(unix) {
        assert!(sentence(read(Path::new("/dev/zero"))).contains("is not a plain file"));
    }
}

/// Rows after the checkpoint and a torn last one are dropped, so that the file of a resumed run is
/// that of one that never stopped.
#[test]
fn resumed_rows_equal_uninterrupted_ones() {
    let folder = folder();
    let whole = folder.path().join("whole.jsonl");
    let resumed = folder.path().join("resumed.jsonl");
    let write = |mut rows: Jsonl, numbers: std::ops::Range<u64>| {
        numbers.for_each(|n| rows.append(&BTreeMap::from([("step", n)])).unwrap());
        rows.sync().unwrap();
        rows.extent().rows
    };
    assert_eq!(write(Jsonl::create(&whole).unwrap(), 0..9), 9);
    write(Jsonl::create(&resumed).unwrap(), 0..6);
    let torn = [read(&resumed).unwrap(), b"{\"step\": 6".to_vec()].concat();
    fs::write(&resumed, torn).unwrap();
    let four = read(&resumed)
        .unwrap()
        .split_inclusive(|&b| b == b'\n')
        .take(4)
        .collect::<Vec<_>>()
        .concat();
    let extent = |rows, held: &[u8]| Extent {
        rows,
        content: Some(FileEntry::of(held)),
    };
    let resume = |rows, held: &[u8]| Jsonl::resume(&resumed, &extent(rows, held));
    assert_eq!(write(resume(4, &four).unwrap(), 4..9), 9);
    assert_eq!(read(&resumed).unwrap(), read(&whole).unwrap());
    assert!(sentence(resume(10, b"")).contains("has 9 whole lines, but had 10"));
    assert!(sentence(resume(4, b"others")).contains("the first 4 lines of"));
    assert_eq!(resume(0, b"").unwrap().extent(), extent(0, b""));
    assert!(read(&resumed).unwrap().is_empty());
}
