//! robomimic's HDF5 files, in and out, as a user meets them. The files of others are h5py's:
//! `fixtures/robomimic/make.py`.

mod common;

use common::drawn::drawn;
use common::{protege, sentence};
use protege::engines::CATALOG;
use protege::robomimic::{Export, Imported, Source, Wishes};
use protege_core::data::{Dataset, Episode};
use protege_core::rng::Rng;
use protege_core::{Error, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/robomimic");
    folder.join(format!("{name}.hdf5"))
}

fn import(path: &Path, task: &str, wishes: &Wishes) -> Result<Imported> {
    Source::open(path, "demos.hdf5")?.import(task, wishes)
}

fn lab(path: &Path) -> Result<Imported> {
    import(path, "lab/lift", &Wishes::default())
}

/// Number `i` of row `t` of demonstration `n`, as make.py says.
fn value(n: usize, t: usize, i: usize) -> f32 {
    ((5 * n + 3 * t + 7 * i) % 17) as f32 / 8.0 - 1.0
}

/// `width` numbers of each of so many moments of demonstration `n`.
fn rows(n: usize, moments: usize, width: usize) -> Vec<f32> {
    let numbers = (0..moments).flat_map(|t| (0..width).map(move |i| value(n, t, i)));
    numbers.collect()
}

/// Fails unless the program refuses these arguments in one line, of which `part` is said.
fn assert_refused(folder: &Path, words: &str, part: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let output = protege(folder, &words).output().unwrap();
    let text = sentence(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains(part) && text.trim_end().lines().count() == 1,
        "{text}"
    );
}

fn export(dataset: &Dataset, path: &Path, valid: Option<f64>) {
    let export = Export::of(dataset, valid).unwrap();
    export.write(std::fs::File::create(path).unwrap()).unwrap();
}

/// What is exported comes back bit for bit: the same dataset, as the same file.
#[test]
fn what_is_exported_comes_back_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let whole = drawn("lab/lift", 13, 39, 4, &[]);
    export(&whole, &path, None);
    let back = lab(&path).unwrap();
    assert_eq!(back.dataset, whole);
    assert_eq!(back.dataset.to_bytes().unwrap(), whole.to_bytes().unwrap());
    assert_eq!((back.recorded, back.successful), (13, 8));
    assert!(back.notes.is_empty(), "{:?}", back.notes);
    // Beside pictures, a state of `lab` has its first four numbers and those of a frame before.
    let state = CATALOG.entry("lab/lift").unwrap().proprioception.unwrap();
    let state = state.iter().map(std::ops::Range::len).sum();
    let seen = drawn("lab/lift", 13, state, 4, &[("default", 5), ("side", 3)]);
    export(&seen, &path, Some(0.25));
    let back = lab(&path).unwrap();
    assert_eq!(back.dataset, seen);
}

/// A share that is kept aside is a list of its own; both together are all, and they are the same
/// ones each time.
#[test]
fn a_share_is_kept_aside_in_a_list_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let whole = drawn("lab/lift", 13, 39, 4, &[]);
    export(&whole, &path, Some(0.25));
    let seeds = |filter: &str| -> Vec<u64> {
        let wishes = Wishes {
            filter: Some(filter.to_owned()),
            ..Wishes::default()
        };
        let found = import(&path, "lab/lift", &wishes).unwrap();
        assert!(found.dataset.meta.demonstrator.contains(filter));
        found.dataset.episodes.iter().map(|e| e.seed).collect()
    };
    let (train, valid) = (seeds("train"), seeds("valid"));
    assert_eq!((train.len(), valid.len()), (10, 3));
    let mut all = [train, valid.clone()].concat();
    all.sort_unstable_by(|a, b| b.cmp(a));
    let own: Vec<u64> = whole.episodes.iter().map(|e| e.seed).collect();
    assert_eq!(all, own);
    // Not simply the first ones.
    assert_ne!(valid, own[..3]);
    export(&whole, &path, Some(0.25));
    assert_eq!(seeds("valid"), valid);
    for share in [0.0, 1.0, -1.0, 0.05, f64::NAN] {
        assert!(Export::of(&whole, Some(share)).is_err(), "{share}");
    }
}

/// The newest form of HDF5 is read as the oldest: groups and attributes of any number, chunks,
/// filters, numbers of 32 bits.
#[test]
fn the_newest_form_of_hdf5_is_read_as_the_oldest() {
    let found = lab(&fixture("latest")).unwrap().dataset;
    assert_eq!(found.episodes.len(), 10);
    for (n, episode) in found.episodes.iter().enumerate() {
        assert_eq!(episode.obs.state, rows(n, 3, 39), "{n}");
        assert_eq!(episode.actions, rows(n, 2, 4), "{n}");
    }
    let plain = lab(&fixture("lab")).unwrap().dataset;
    let episode = &plain.episodes[2];
    assert_eq!((episode.len(), episode.success), (6, true));
    assert_eq!(episode.rewards, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(episode.obs.state, rows(2, 7, 39));
    assert_eq!(plain.meta.task, "lab/lift");
    assert!(
        plain
            .meta
            .demonstrator
            .contains("demos.hdf5 (lab/lift, 0.1.0)")
    );
}

/// What HDF5 can hold and such a file should not is answered in one sentence that names the file
/// and the place, or read if it can be.
#[test]
fn strange_files_are_answered_in_one_sentence() {
    let table: &[(&str, &[&str])] = &[
        ("soft_cycle", &["data/demo_0/obs/flat"]),
        ("group_circle", &["data/demo_0/obs/flat"]),
        ("external_link", &["data/demo_0/actions"]),
        ("virtual", &["data/demo_0/actions", "other files"]),
        ("external_storage", &["data/demo_0/actions", "external"]),
        ("bad_name", &["data"]),
        ("sparse", &["data/demo_0/obs/flat", "can hold"]),
        ("compound", &["data/demo_0/actions", "no numbers"]),
        ("texts", &["data/demo_0/actions", "no numbers"]),
        ("references", &["data/demo_0/actions", "no numbers"]),
        ("vlen", &["data/demo_0/actions", "no numbers"]),
        ("scalar", &["data/demo_0/actions", "shape []"]),
        ("nothing", &["data/demo_0/actions", "shape []"]),
        ("half", &["data/demo_0/actions", "no numbers"]),
        ("hdf5_2", &["data/demo_0/obs/flat", "layout version"]),
        ("big_endian", &[]),
        ("userblock", &[]),
        ("named_type", &[]),
    ];
    for (name, words) in table {
        let answer = lab(&fixture(&format!("strange/{name}")));
        if words.is_empty() {
            assert_eq!(answer.unwrap().dataset.episodes.len(), 1, "{name}");
            continue;
        }
        let Err(Error::Input(sentence)) = answer else {
            panic!("{name}: {answer:?}");
        };
        assert!(
            sentence.starts_with("demos.hdf5 ") && !sentence.contains('\n'),
            "{name}: {sentence}"
        );
        let found = words.iter().all(|word| sentence.contains(word));
        assert!(found, "{name}: {sentence}");
    }
}

/// A demonstration as a file has it: arrays by name, shapes and numbers.
type Arrays = Vec<(&'static str, Vec<u64>, Vec<f64>)>;

/// Three actions of `lab/lift`, the last of which succeeds.
fn whole() -> Arrays {
    vec![
        ("actions", vec![3, 4], vec![0.5; 12]),
        ("rewards", vec![3], vec![0.0, 0.0, 1.0]),
        ("dones", vec![3], vec![0.0, 0.0, 1.0]),
        ("obs/flat", vec![3, 39], vec![0.25; 117]),
        ("next_obs/flat", vec![3, 39], vec![0.25; 117]),
    ]
}

/// Other arrays instead of some, or besides.
fn with(changes: Arrays) -> Arrays {
    let mut all = whole();
    for change in changes {
        all.retain(|(name, ..)| *name != change.0);
        all.push(change);
    }
    all
}

fn without(names: &[&str]) -> Arrays {
    let mut all = whole();
    all.retain(|(name, ..)| !names.contains(name));
    all
}

/// Writes a file with these demonstrations, by the crate that also reads.
fn write(path: &Path, args: Option<&str>, demos: &[(&str, Arrays)], samples: i64) {
    use hdf5_pure::{AttrValue, FileBuilder};
    let mut file = FileBuilder::new();
    let mut data = file.create_group("data");
    if let Some(args) = args {
        data.set_attr("env_args", AttrValue::VarLenString(args.to_owned()));
    }
    for (name, arrays) in demos {
        let mut demo = data.create_group(name);
        demo.set_attr("num_samples", AttrValue::I64(samples));
        for group in ["", "obs/", "next_obs/"] {
            let mut inner = demo.create_group(group.trim_end_matches('/'));
            let mut any = false;
            for (name, shape, numbers) in arrays {
                let Some(short) = name.strip_prefix(group) else {
                    continue;
                };
                if short.contains('/') {
                    continue;
                }
                any = true;
                let target = if group.is_empty() {
                    &mut demo
                } else {
                    &mut inner
                };
                let array = target.create_dataset(short);
                array.with_f64_data(numbers).with_shape(shape);
            }
            if any && !group.is_empty() {
                demo.add_group(inner.finish());
            }
        }
        data.add_group(demo.finish());
    }
    file.add_group(data.finish());
    std::fs::write(path, file.finish().unwrap()).unwrap();
}

const LAB: &str = r#"{"env_name": "lab/lift", "type": 2, "env_kwargs": {}}"#;

/// Every fault of a demonstration is answered in one sentence that names the file, the
/// demonstration and its part.
#[test]
fn a_fault_is_named_with_file_demonstration_and_part() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let spoiled = |name, width: usize, value: f64| {
        let mut numbers = vec![0.5; 3 * width];
        numbers[width] = value;
        let shape = if width == 1 {
            vec![3]
        } else {
            vec![3, width as u64]
        };
        with(vec![(name, shape, numbers)])
    };
    let table: Vec<(Arrays, &[&str])> = vec![
        (without(&["actions"]), &["data/demo_1/actions", "not there"]),
        (without(&["obs/flat"]), &["data/demo_1/obs", "not there"]),
        (
            without(&["rewards", "dones"]),
            &["data/demo_1/rewards", "nor is `dones`"],
        ),
        (
            with(vec![("next_obs/other", vec![3, 39], vec![0.0; 117])])
                .into_iter()
                .filter(|(name, ..)| *name != "next_obs/flat")
                .collect(),
            &["data/demo_1/next_obs/flat", "not there"],
        ),
        (
            with(vec![("actions", vec![3, 5], vec![0.5; 15])]),
            &["data/demo_1/actions", "[3, 5]", "rows of 4"],
        ),
        (
            with(vec![("actions", vec![12], vec![0.5; 12])]),
            &["data/demo_1/actions", "[12]"],
        ),
        (
            with(vec![("rewards", vec![2], vec![0.0; 2])]),
            &["data/demo_1/rewards", "[2]", "3 actions"],
        ),
        (
            with(vec![("obs/flat", vec![2, 39], vec![0.5; 78])]),
            &["data/demo_1/obs/flat", "[2, 39]", "3 rows of 39"],
        ),
        (
            with(vec![("next_obs/flat", vec![3, 38], vec![0.5; 114])]),
            &["data/demo_1/next_obs/flat", "[3, 38]"],
        ),
        (
            spoiled("actions", 4, f64::NAN),
            &["demo_1/actions", "NaN in row 1"],
        ),
        (
            spoiled("obs/flat", 39, f64::INFINITY),
            &["obs/flat", "inf in row 1"],
        ),
        (spoiled("rewards", 1, 1e300), &["demo_1/rewards", "row 1"]),
    ];
    for (arrays, words) in table {
        let demos = [("demo_0", whole()), ("demo_1", arrays)];
        write(&path, Some(LAB), &demos, 3);
        let answer = lab(&path);
        let Err(Error::Input(sentence)) = answer else {
            panic!("{words:?}: {answer:?}");
        };
        let found = words.iter().all(|word| sentence.contains(word));
        assert!(
            found && sentence.starts_with("demos.hdf5 ") && !sentence.contains('\n'),
            "{words:?}: {sentence}"
        );
    }
    write(&path, Some(LAB), &[("demo_0", whole())], 2);
    let sentence = lab(&path).unwrap_err().to_string();
    assert!(sentence.contains("data/demo_0/@num_samples"), "{sentence}");
}

/// Faults of the file as a whole: none of robomimic's, another task, odd names, no text.
#[test]
fn a_file_of_another_kind_is_refused_by_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let refused = |args: Option<&str>, name: &str, task: &str| {
        write(&path, args, &[(name, whole())], 3);
        let wishes = Wishes::default();
        import(&path, task, &wishes).unwrap_err().to_string()
    };
    let sentence = refused(Some(LAB), "demo_0", "lab/door");
    assert!(
        sentence.contains("lab/lift") && sentence.contains("not lab/door"),
        "{sentence}"
    );
    let other = r#"{"env_name": "TwoArmTransport", "env_kwargs": {}}"#;
    let sentence = refused(Some(other), "demo_0", "lab/lift");
    assert!(sentence.contains("TwoArmTransport"), "{sentence}");
    let sentence = refused(Some("{"), "demo_0", "lab/lift");
    assert!(sentence.contains("data/@env_args"), "{sentence}");
    for odd in ["demo", "demo_x", "demo_-1", "episode_0"] {
        let sentence = refused(Some(LAB), odd, "lab/lift");
        assert!(sentence.contains(&format!("data/{odd}")), "{sentence}");
    }
    write(&path, None, &[("demo_0", whole())], 3);
    let nameless = Source::open(&path, "demos.hdf5").unwrap();
    let sentence = nameless.task().unwrap_err().to_string();
    assert!(sentence.contains("--task"), "{sentence}");
    // With a task it is taken, and that is told.
    let found = lab(&path).unwrap();
    assert!(found.notes[0].contains("env_args"), "{:?}", found.notes);
    write(&path, Some(other), &[("demo_0", whole())], 3);
    let unknown = Source::open(&path, "demos.hdf5").unwrap();
    let sentence = unknown.task().unwrap_err().to_string();
    assert!(sentence.contains("TwoArmTransport"), "{sentence}");
    hdf5_pure::FileBuilder::new().write(&path).unwrap();
    let sentence = lab(&path).unwrap_err().to_string();
    assert!(sentence.contains("none of robomimic"), "{sentence}");
    for bytes in [&b""[..], b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", &[0; 4096]] {
        std::fs::write(&path, bytes).unwrap();
        let sentence = lab(&path).unwrap_err().to_string();
        assert!(sentence.starts_with("demos.hdf5 "), "{sentence}");
    }
}

/// A file whose end is missing is refused, wherever it was cut.
#[test]
fn a_file_whose_end_is_missing_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    for name in ["lab", "latest", "strange/userblock"] {
        let bytes = std::fs::read(fixture(name)).unwrap();
        let few = [1, 2, 7, 50, 500, 2000];
        let shares = (1..24).map(|share| share * bytes.len() / 32);
        for cut in few.into_iter().chain(shares) {
            std::fs::write(&path, &bytes[..bytes.len() - cut]).unwrap();
            let sentence = lab(&path).unwrap_err().to_string();
            let left = format!(
                "demos.hdf5 is cut short: it has {} bytes",
                bytes.len() - cut
            );
            assert!(sentence.starts_with(&left), "{name}, {cut}: {sentence}");
        }
        // More than the file says is none of its business.
        std::fs::write(&path, [&bytes[..], &[7; 100]].concat()).unwrap();
        assert!(lab(&path).is_ok(), "{name}");
    }
}

/// An attribute that is there but of a type that is not read is named, not passed over.
#[test]
fn an_attribute_that_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let bytes = std::fs::read(fixture("lab")).unwrap();
    // The heap in which texts of any length lie: without it `env_args` has no value.
    let heaps = bytes.windows(4).enumerate();
    let heaps: Vec<usize> = heaps
        .filter(|(_, four)| *four == b"GCOL")
        .map(|(at, _)| at)
        .collect();
    assert!(!heaps.is_empty());
    let mut spoiled = bytes.clone();
    heaps.iter().for_each(|&at| spoiled[at..at + 4].fill(b'x'));
    std::fs::write(&path, spoiled).unwrap();
    let source = Source::open(&path, "demos.hdf5");
    let sentence = source.err().unwrap().to_string();
    assert!(
        sentence.contains("data/@env_args` is there, but cannot be read"),
        "{sentence}"
    );
}

/// What has the name of a demonstration is one: an array is named, and so is the type of elements
/// that are no numbers.
#[test]
fn an_array_in_the_place_of_a_demonstration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let mut file = hdf5_pure::FileBuilder::new();
    let mut data = file.create_group("data");
    data.set_attr(
        "env_args",
        hdf5_pure::AttrValue::VarLenString(LAB.to_owned()),
    );
    let demo = data.create_group("demo_0");
    data.add_group(demo.finish());
    data.create_dataset("demo_1").with_f64_data(&[0.0; 3]);
    file.add_group(data.finish());
    std::fs::write(&path, file.finish().unwrap()).unwrap();
    let sentence = lab(&path).unwrap_err().to_string();
    assert!(sentence.contains("`data/demo_1` is an array"), "{sentence}");
    let sentence = lab(&fixture("strange/half")).unwrap_err().to_string();
    assert!(sentence.contains("the type f16,"), "{sentence}");
}

/// Shaped rewards tell a success by reaching 1, sparse ones by not being 0; without rewards `dones`
/// tell it. Trimmed episodes end with it, and only then for good.
#[test]
fn rewards_or_dones_tell_what_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demos.hdf5");
    let shaped = LAB.replace("{}", r#"{"reward_shaping": true}"#);
    let take = |args: &str, arrays: Arrays, trim: bool| {
        write(&path, Some(args), &[("demo_0", arrays)], 3);
        let wishes = Wishes {
            trim,
            ..Wishes::default()
        };
        let found = import(&path, "lab/lift", &wishes).unwrap();
        let episode = found.dataset.episodes[0].clone();
        (episode.rewards, episode.success, episode.terminated)
    };
    let rising = || with(vec![("rewards", vec![3], vec![0.3, 1.0, 1.0])]);
    assert_eq!(take(LAB, rising(), false), (vec![1.0; 3], true, false));
    assert_eq!(take(LAB, rising(), true), (vec![1.0], true, true));
    assert_eq!(take(&shaped, rising(), true), (vec![0.0, 1.0], true, true));
    let low = || with(vec![("rewards", vec![3], vec![0.3, 0.6, 0.9])]);
    assert_eq!(take(&shaped, low(), true), (vec![0.0; 3], false, false));
    let by_dones = without(&["rewards"]);
    assert_eq!(take(LAB, by_dones, true), (vec![0.0, 0.0, 1.0], true, true));
}

/// The answer of a command that has to succeed.
fn answer(folder: &Path, words: &str) -> Value {
    let words: Vec<&str> = words.split(' ').chain(["--json", "--quiet"]).collect();
    let output = protege(folder, &words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", sentence(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `protege demos --from` takes the task from the file, `pretrain` learns from what it writes,
/// `eval` plays it, and `export` writes it again; the answers say what was done.
#[test]
fn a_file_of_others_is_learned_from_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let call = |words: &str| answer(folder, words);
    std::fs::copy(fixture("lab"), folder.join("theirs.h5")).unwrap();
    let answer = call("demos --from theirs.h5 --demos 2 --out ours.safetensors");
    assert_eq!(
        (&answer["task"], &answer["episodes"], &answer["recorded"]),
        (&"lab/lift".into(), &2.into(), &3.into())
    );
    call(
        "pretrain --task lab/lift --preset tiny --pretrain bc --set pretrain.bc.updates=5 \
         --demos-file ours.safetensors --no-video --out run",
    );
    let answer = call("eval --checkpoint run --episodes 2");
    assert_eq!(answer["episodes"], 2);
    let answer = call("export --demos ours.safetensors --format robomimic --out again.hdf5");
    assert_eq!(
        (&answer["episodes"], &answer["train"], &answer["obs"]),
        (&2.into(), &2.into(), &serde_json::json!(["flat"]))
    );
    call("demos --from again.hdf5 --out same.safetensors");
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    assert_eq!(read("same.safetensors"), read("ours.safetensors"));
    let refused = |words: &str, part: &str| assert_refused(folder, words, part);
    refused(
        "demos --from theirs.h5 --task lab/door",
        "theirs.h5 shows lab/lift",
    );
    refused("demos --from theirs.h5 --filter best", "it has none");
    refused("demos --from theirs.h5 --obs nothing", "it has flat");
    refused("demos --from theirs.h5 --demos 4", "at most 3");
    refused("demos --from ours.safetensors --filter best", "--filter");
    refused("demos --from nowhere.hdf5", "nowhere.hdf5");
    refused(
        "export --demos theirs.h5 --format robomimic --out x.hdf5",
        "HDF5",
    );
    assert!(!folder.join("demos.safetensors").exists());
}

/// robosuite's tasks need MuJoCo.
#[cfg(feature = "mujoco")]
mod robosuite {
    use super::*;
    use safetensors::SafeTensors;

    /// The usual four keys become the state, in their order and in the order of the demonstrations'
    /// numbers; actions are clipped and that is told; lists, trimming and successes choose.
    #[test]
    fn robomimics_own_files_become_demonstrations() {
        let path = fixture("low_dim");
        let source = Source::open(&path, "low_dim.hdf5").unwrap();
        assert_eq!(source.task().unwrap(), "robosuite/lift");
        let take = |wishes: Wishes| source.import("robosuite/lift", &wishes).unwrap();
        let all = take(Wishes::default());
        let episodes = &all.dataset.episodes;
        let seeds: Vec<u64> = episodes.iter().map(|e| e.seed).collect();
        let lengths: Vec<usize> = episodes.iter().map(Episode::len).collect();
        assert_eq!((seeds, lengths), (vec![0, 1, 2, 10], vec![4, 3, 5, 2]));
        let widths = [3, 4, 2, 10];
        let state = |n: usize, t: usize| widths.map(|width| rows_at(n, t, width)).concat();
        let whole: Vec<f32> = (0..=5).flat_map(|t| state(2, t)).collect();
        assert_eq!(episodes[2].obs.state, whole);
        assert_eq!(episodes[2].actions, rows(2, 5, 7));
        assert_eq!(episodes[0].actions[13], 1.0);
        assert!(all.notes[0].ends_with("clipped: 1"), "{:?}", all.notes);
        assert_eq!(episodes[0].rewards, [0.0, 0.0, 1.0, 1.0]);
        let successes: Vec<bool> = episodes.iter().map(|e| e.success).collect();
        assert_eq!(successes, [true, false, true, true]);
        let words = &all.dataset.meta.demonstrator;
        assert!(
            words.contains("low_dim.hdf5 (Lift, robosuite 1.5.1)"),
            "{words}"
        );
        let some = take(Wishes {
            filter: Some("train".to_owned()),
            successful_only: true,
            trim: true,
            count: Some(2),
            keys: None,
        });
        let some = some.dataset.episodes;
        let kept: Vec<_> = some
            .iter()
            .map(|e| (e.seed, e.len(), e.terminated))
            .collect();
        assert_eq!(kept, [(0, 3, true), (2, 5, true)]);
        let unknown = Wishes {
            filter: Some("better".to_owned()),
            ..Wishes::default()
        };
        let sentence = source.import("robosuite/lift", &unknown).unwrap_err();
        let sentence = sentence.to_string();
        assert!(
            sentence.contains("no filter better: it has train, valid"),
            "{sentence}"
        );
        let sentence = source
            .import("robosuite/can", &Wishes::default())
            .unwrap_err();
        let sentence = sentence.to_string();
        assert!(
            sentence.contains("shows Lift (robosuite/lift), not robosuite/can"),
            "{sentence}"
        );
    }

    /// `width` numbers of moment `t` of demonstration `n`.
    fn rows_at(n: usize, t: usize, width: usize) -> Vec<f32> {
        (0..width).map(|i| value(n, t, i)).collect()
    }

    /// Robosuite 1.4 observes the way from the hand to the cube with the other sign; what is
    /// learned from its files has today's.
    #[test]
    fn what_older_versions_observe_is_put_into_todays_order() {
        let found = import(&fixture("image"), "robosuite/lift", &Wishes::default()).unwrap();
        let state = &found.dataset.episodes[1].obs.state;
        let [arm, cube, way] = [9, 7, 3];
        for (t, row) in state.chunks_exact(arm + cube + way).enumerate() {
            let theirs = rows_at(1, t, cube + way);
            let (same, turned) = theirs.split_at(cube);
            assert_eq!(row[arm..arm + cube], *same, "{t}");
            let turned: Vec<f32> = turned.iter().map(|v| -v).collect();
            assert_eq!(row[arm + cube..], turned, "{t}");
        }
        let told = found.notes.join(" ");
        assert!(told.contains("the order of robosuite 1.4.1"), "{told}");
    }

    /// Pictures become those of cameras, pixel for pixel, beside proprioception; without `next_obs`
    /// the last action is left out; an older controller is told.
    #[test]
    fn pictures_become_those_of_cameras() {
        let arm = ["robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos"];
        let keys = [&arm[..], &["agentview_image", "robot0_eye_in_hand_image"]].concat();
        let take = |keys: &[&str]| {
            let keys = keys.iter().map(|&key| key.to_owned()).collect();
            let wishes = Wishes {
                keys: Some(keys),
                ..Wishes::default()
            };
            import(&fixture("image"), "robosuite/lift", &wishes)
        };
        let found = take(&keys).unwrap();
        let told = found.notes.join(" ");
        for part in [
            "version=1.4",
            "no next_obs",
            "env.image_size=8",
            "agentview",
        ] {
            assert!(told.contains(part), "{part}: {told}");
        }
        let meta = &found.dataset.meta;
        let names: Vec<&str> = meta.obs.cameras.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(
            (meta.obs.state, names),
            (9, vec!["agentview", "robot0_eye_in_hand"])
        );
        let lengths: Vec<usize> = found.dataset.episodes.iter().map(Episode::len).collect();
        assert_eq!(lengths, [2, 3]);
        for camera in ["agentview", "robot0_eye_in_hand"] {
            let values = found.dataset.episodes[1].obs.frames[camera].values();
            let (n, mut place) = (1, 0);
            for t in 0..4 {
                for color in 0..3 {
                    for y in 0..8 {
                        for x in 0..8 {
                            let wanted = (20 * n + 10 * t + 3 * y + 5 * x + 70 * color) % 256;
                            assert_eq!(usize::from(values[place]), wanted, "{camera} {t} {color}");
                            place += 1;
                        }
                    }
                }
            }
        }
        let refused = |keys: &[&str], part: &str| {
            let sentence = take(keys).unwrap_err().to_string();
            assert!(sentence.contains(part), "{sentence}");
        };
        refused(&arm, "9 numbers together, where robosuite/lift has 19");
        refused(&["object", "agentview_image"], "has 9 beside pictures");
        refused(
            &["eef_pos"],
            "obs/eef_pos` is not there: it has agentview_image, object",
        );
    }

    /// Without observations they are made of states, in the scene that the file speaks of; a file
    /// that does not say how large the cube is, is refused.
    #[test]
    fn states_alone_need_what_the_file_says_of_the_scene() {
        let sentence = import(&fixture("raw"), "robosuite/lift", &Wishes::default());
        let sentence = sentence.unwrap_err().to_string();
        assert!(
            sentence.contains("data/demo_1/states") && sentence.contains("cube_g0"),
            "{sentence}"
        );
    }

    /// A part of upstream's recorded episodes, as numbers of 64 bits.
    struct Traces(Vec<u8>);

    impl Traces {
        /// The file that has the task.
        fn of(task: &str, number: usize) -> Self {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
            let name = match (task, number) {
                ("robosuite/door", _) => "robosuite_door_traces.safetensors",
                (_, 2) => "robosuite_goals_traces.safetensors",
                _ => "robosuite_traces.safetensors",
            };
            Self(std::fs::read(folder.join(name)).unwrap())
        }

        fn numbers(&self, name: &str) -> Vec<f64> {
            let tensors = SafeTensors::deserialize(&self.0).unwrap();
            let view = tensors.tensor(name).unwrap();
            let chunks = view.data().as_chunks().0.iter();
            chunks.map(|&bytes| f64::from_le_bytes(bytes)).collect()
        }

        /// The number of a thing of a task's scene.
        fn place(&self, task: &str, kind: &str, name: &str) -> usize {
            let (_, metadata) = SafeTensors::read_metadata(&self.0).unwrap();
            let text = &metadata.metadata().as_ref().unwrap()["protege"];
            let all: Value = serde_json::from_str(text).unwrap();
            let names = all["names"][task][kind].as_array().unwrap();
            names.iter().position(|found| found == name).unwrap()
        }

        /// What recordings say of a scene that differs from episode to episode.
        fn scene(&self, key: &str) -> String {
            let row = |name: &str, place: usize, width: usize| -> String {
                let numbers = self.numbers(&format!("{key}/{name}"));
                let row = numbers[width * place..][..width].iter();
                row.map(f64::to_string).collect::<Vec<_>>().join(" ")
            };
            if key.starts_with("robosuite/lift/") {
                let size = row("model_geom_size", self.place("lift", "geom", "cube_g0"), 3);
                return format!("<mujoco><geom name='cube_g0' size='{size}'/></mujoco>");
            }
            if key.starts_with("robosuite/door/") {
                let body = self.place("door", "body", "Door_main");
                let pos = row("init/body_pos", body, 3);
                let quat = row("init/body_quat", body, 4);
                return format!("<body name='Door_main' pos='{pos}' quat='{quat}'></body>");
            }
            "<mujoco/>".to_owned()
        }
    }

    /// Writes a file as robosuite's own recorder does, of one demonstration: states alone.
    fn write_states(path: &Path, env: &str, scene: &str, states: &[f64], width: usize) {
        let mut file = hdf5_pure::FileBuilder::new();
        let mut data = file.create_group("data");
        let text = |text: &str| hdf5_pure::AttrValue::VarLenString(text.to_owned());
        data.set_attr("env", text(env));
        data.set_attr("repository_version", text("1.5.2"));
        let info = r#"{"robots": ["Panda"], "control_freq": 20}"#;
        data.set_attr("env_info", text(info));
        let mut demo = data.create_group("demo_1");
        demo.set_attr("model_file", text(scene));
        let rows = states.len() / width;
        let actions = vec![0.5; rows * 7];
        let actions = (&actions[..], 7);
        for (name, (numbers, width)) in [("actions", actions), ("states", (states, width))] {
            let array = demo.create_dataset(name).with_f64_data(numbers);
            array.with_shape(&[rows as u64, width as u64]);
        }
        data.add_group(demo.finish());
        file.add_group(data.finish());
        std::fs::write(path, file.finish().unwrap()).unwrap();
    }

    /// In states that robosuite's own Python was put into, what it observed there is observed, and
    /// the same ones are successes.
    #[test]
    fn states_show_what_robosuite_observed_in_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demos.hdf5");
        for (task, env, number) in [
            ("robosuite/lift", "Lift", 0),
            ("robosuite/can", "PickPlaceCan", 0),
            ("robosuite/square", "NutAssemblySquare", 0),
            ("robosuite/square", "NutAssemblySquare", 2),
            ("robosuite/stack", "Stack", 0),
            ("robosuite/stack", "Stack", 2),
            ("robosuite/tool-hang", "ToolHang", 2),
            ("robosuite/door", "Door", 0),
        ] {
            let traces = Traces::of(task, number);
            let key = format!("{task}/{number}");
            let get = |name: &str| traces.numbers(&format!("{key}/{name}"));
            let (joints, speeds) = (get("qpos0").len(), get("qvel0").len());
            let places = get("probe_qpos");
            let moments = places.len() / joints;
            let mut states = Vec::new();
            for qpos in places.chunks(joints) {
                states.push(0.0);
                states.extend(qpos);
                states.extend(vec![0.0; speeds]);
            }
            let scene = traces.scene(&key);
            write_states(&path, env, &scene, &states, 1 + joints + speeds);
            let found = import(&path, task, &Wishes::default()).unwrap();
            assert_eq!((found.replayed, found.dataset.episodes.len()), (1, 1));
            let episode = &found.dataset.episodes[0];
            assert_eq!(episode.len(), moments - 1);
            let theirs = get("probe_obs");
            let width = theirs.len() / moments;
            assert_eq!(width, episode.obs.width);
            // What is seen from the hand is where objects were one observation before, of which
            // the first has none here.
            for place in width..theirs.len() {
                let (own, theirs) = (f64::from(episode.obs.state[place]), theirs[place]);
                let apart = (own - theirs).abs();
                assert!(
                    apart < 1e-6 * (1.0 + theirs.abs()),
                    "{task} {place}: {own} {theirs}"
                );
            }
            let success: Vec<f32> = get("probe_success").iter().map(|&s| s as f32).collect();
            assert_eq!(episode.rewards, success[1..], "{task}");
            let reached = success[1..].iter().sum::<f32>() as usize;
            assert!((10..moments - 10).contains(&reached), "{task}: {reached}");
        }
    }

    /// Demonstrations of `lift`, each of three actions, of a file with these `env_args`.
    fn write_lift(path: &Path, args: &Value) {
        let row = |name, width: usize| {
            let numbers = (0..3 * width).map(|i| (i % 7) as f64 / 8.0);
            (name, vec![3, width as u64], numbers.collect())
        };
        let mut arrays = vec![row("actions", 7), ("rewards", vec![3], vec![0.0, 0.0, 1.0])];
        for (name, next, width) in [
            ("obs/robot0_eef_pos", "next_obs/robot0_eef_pos", 3),
            ("obs/robot0_eef_quat", "next_obs/robot0_eef_quat", 4),
            ("obs/robot0_gripper_qpos", "next_obs/robot0_gripper_qpos", 2),
            ("obs/object", "next_obs/object", 10),
        ] {
            arrays.extend([row(name, width), row(next, width)]);
        }
        let demos = [("demo_0", arrays.clone()), ("demo_1", arrays)];
        write(path, Some(&args.to_string()), &demos, 3);
    }

    /// What files of robosuite 1.4.1 say, with other settings of the controller.
    fn args_of(version: Option<&str>, changes: &Value) -> Value {
        let mut configs = serde_json::json!({"type": "OSC_POSE", "kp": 150, "damping": 1});
        for (key, value) in changes.as_object().unwrap() {
            configs[key] = value.clone();
        }
        let kwargs = serde_json::json!({"robots": ["Panda"], "controller_configs": configs});
        let mut args = serde_json::json!({"env_name": "Lift", "type": 1, "env_kwargs": kwargs});
        if let Some(version) = version {
            args["env_version"] = version.into();
        }
        args
    }

    /// The controller that a recording had is that of its demonstrations, of runs that learn from
    /// them, of the policies that they make, and of the file that is written again. It can be set
    /// by hand, and files without one have the usual one.
    #[test]
    fn the_controller_of_a_recording_goes_with_what_is_learned_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let call = |words: &str| answer(folder, words);
        let meta = |name: &str| {
            let bytes = std::fs::read(folder.join(name)).unwrap();
            Dataset::from_bytes(&bytes).unwrap().meta
        };
        let file = folder.join("theirs.hdf5");
        write_lift(
            &file,
            &args_of(Some("1.4.1"), &serde_json::json!({"kp": 100})),
        );
        let answer = call("demos --from theirs.hdf5 --out ours.safetensors");
        let told = answer["notes"].to_string();
        assert!(told.contains("version=1.4 kp=100"), "{told}");
        assert_eq!(meta("ours.safetensors").controller, "version=1.4 kp=100");
        let tiny = "--task robosuite/lift --preset tiny --pretrain bc --finetune none --set \
                    pretrain.bc.updates=5 --set env.horizon=4 --set eval.episodes=2 --no-video";
        call(&format!(
            "run {tiny} --demos-file ours.safetensors --out run"
        ));
        let config = |run: &str| std::fs::read_to_string(folder.join(run)).unwrap();
        let line = "controller = \"version=1.4 kp=100\"";
        assert!(config("run/config.toml").contains(line));
        assert!(config("run/seed-0/config.toml").contains(line));
        call("eval --checkpoint run --episodes 2");
        call("export --demos ours.safetensors --format robomimic --out again.hdf5");
        call("demos --from again.hdf5 --out same.safetensors");
        let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
        assert_eq!(read("same.safetensors"), read("ours.safetensors"));
        // By hand, over what the demonstrations say.
        let answer = call(&format!(
            "run {tiny} --demos-file ours.safetensors --set env.controller=version=1.5 --out usual"
        ));
        let told = answer["notes"].to_string();
        assert!(
            told.contains("recorded under the controller `version=1.4 kp=100`"),
            "{told}"
        );
        assert!(config("usual/config.toml").contains("controller = \"version=1.5\""));
        let words = "eval --checkpoint usual --episodes 2 --set env.controller=kp=300";
        let words: Vec<&str> = words.split(' ').collect();
        let told = sentence(&protege(folder, &words).output().unwrap());
        assert!(
            told.contains(
                "trained under the usual controller, but this plays under the controller `kp=300`"
            ),
            "{told}"
        );
        write_lift(&file, &args_of(None, &serde_json::json!({})));
        call("demos --from theirs.hdf5 --out nameless.safetensors");
        assert_eq!(meta("nameless.safetensors").controller, "version=1.4");
        let refused = |words: &str, part: &str| assert_refused(folder, words, part);
        refused(
            &format!("run {tiny} --set env.controller=kp=-5 --out none"),
            "env.controller has kp=-5",
        );
        refused(
            "run --preset tiny --set env.controller=kp=5 --out none",
            "leave env.controller empty",
        );
        for (change, part) in [
            (serde_json::json!({"kp": -5}), "`kp` has the number -5"),
            (serde_json::json!({"kp": 1e308}), "0 to 10000"),
            (serde_json::json!({"damping_ratio": -1}), "`damping_ratio`"),
            (serde_json::json!({"control_delta": false}), "absolute"),
            (serde_json::json!({"stiffness": 1}), "`stiffness`"),
        ] {
            write_lift(&file, &args_of(Some("1.4.1"), &change));
            refused("demos --from theirs.hdf5 --out none.safetensors", part);
        }
    }

    /// How the environments of a run were controlled.
    static TOLD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

    /// An environment that takes note of it.
    struct Noted(Box<dyn protege_core::env::Env>);

    impl protege_core::env::Wrapper for Noted {
        fn inner(&self) -> &dyn protege_core::env::Env {
            &*self.0
        }

        fn inner_mut(&mut self) -> &mut dyn protege_core::env::Env {
            &mut *self.0
        }

        fn set_controller(&mut self, controller: &str) -> Result<()> {
            TOLD.lock().unwrap().push(controller.to_owned());
            self.0.set_controller(controller)
        }
    }

    /// Every environment of a run is controlled as its demonstrations were recorded, and so is
    /// every one in which its policy is evaluated.
    #[test]
    fn every_environment_has_the_controller_of_the_demonstrations() {
        use protege_core::data::Archive;
        use protege_core::run::{Config, Inputs, Run, Services, saved_config};
        let mut dataset = drawn("robosuite/lift", 3, 19, 7, &[]);
        dataset.meta.controller = "version=1.4".to_owned();
        let services = Services {
            make: |id, engine| Ok(Box::new(Noted(protege::engines::make(id, engine)?))),
            ..protege::engines::services()
        };
        let settings = [
            ("preset", serde_json::json!("tiny")),
            ("task", serde_json::json!("robosuite/lift")),
            ("pretrain.method", serde_json::json!("bc")),
            ("finetune.method", serde_json::json!("none")),
            ("pretrain.bc.updates", serde_json::json!(2)),
            ("env.horizon", serde_json::json!(3)),
            ("eval.episodes", serde_json::json!(2)),
        ];
        let settings = settings.map(|(key, value)| (key.to_owned(), value));
        let config = Config::resolve(&settings, &CATALOG).unwrap();
        let play = |config: Config, demos: Option<Dataset>, policy: Option<Archive>| {
            TOLD.lock().unwrap().clear();
            let inputs = Inputs {
                demos,
                policy,
                services: services.clone(),
            };
            let mut run = Run::new(config, inputs, burn::tensor::Device::flex()).unwrap();
            while !pollster::block_on(run.step()).unwrap().finished {}
            let told = std::mem::take(&mut *TOLD.lock().unwrap());
            assert!(told.len() >= 3, "{told:?}");
            assert!(told.iter().all(|words| words == "version=1.4"), "{told:?}");
            pollster::block_on(run.policy_archive()).unwrap()
        };
        let archive = play(config, Some(dataset), None);
        let trained = saved_config(&archive, &CATALOG).unwrap();
        assert_eq!(trained.env.controller, "version=1.4");
        play(trained, None, Some(archive));
    }

    /// The state's keys in another order are refused, since numbers would mean something else;
    /// other keys are told.
    #[test]
    fn keys_in_another_order_are_refused() {
        let take = |keys: &str| {
            let keys = keys.split(',').map(str::to_owned).collect();
            let wishes = Wishes {
                keys: Some(keys),
                ..Wishes::default()
            };
            import(&fixture("low_dim"), "robosuite/lift", &wishes)
        };
        let usual = "robot0_eef_pos,robot0_eef_quat,robot0_gripper_qpos,object";
        assert!(take(usual).is_ok());
        let sentence = take("object,robot0_eef_pos,robot0_eef_quat,robot0_gripper_qpos");
        let sentence = sentence.unwrap_err().to_string();
        assert!(sentence.contains(usual), "{sentence}");
        let twice = take("robot0_eef_pos,robot0_eef_pos,robot0_eef_pos,object").unwrap();
        let told = twice.notes.join(" ");
        assert!(told.contains("sees other numbers in the task"), "{told}");
    }

    /// States of another scene, or that no simulator is in, are refused with the row.
    #[test]
    fn states_that_no_simulator_is_in_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demos.hdf5");
        let refused = |states: &[f64], width, part: &str| {
            write_states(&path, "PickPlaceCan", "<mujoco/>", states, width);
            let found = import(&path, "robosuite/can", &Wishes::default());
            let sentence = found.unwrap_err().to_string();
            assert!(
                sentence.contains("data/demo_1/states") && sentence.contains(part),
                "{sentence}"
            );
        };
        refused(&[0.5; 2 * 32], 32, "row 0: it has 32 numbers");
        refused(&[0.5; 71], 71, "at least 2");
        let mut states = vec![0.5; 3 * 71];
        states[80] = 1e11;
        refused(&states, 71, "row 1: it has 100000000000");
    }

    /// Whatever numbers states are made of, they are looked at or refused.
    #[test]
    fn states_of_any_numbers_are_looked_at_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demos.hdf5");
        let mut rng = Rng::new(1, "test", 0);
        let mut looked_at = 0;
        for _ in 0..20 {
            let power = rng.range(-3.0, 10.0);
            let states: Vec<f64> = (0..5 * 71)
                .map(|_| rng.range(-1.0, 1.0) * 10_f64.powf(power))
                .collect();
            write_states(&path, "PickPlaceCan", "<mujoco/>", &states, 71);
            match import(&path, "robosuite/can", &Wishes::default()) {
                Ok(found) => looked_at += found.replayed,
                Err(Error::Input(sentence)) => assert!(!sentence.contains('\n'), "{sentence}"),
                Err(other) => panic!("{other}"),
            }
        }
        assert!(looked_at > 0);
    }
}
