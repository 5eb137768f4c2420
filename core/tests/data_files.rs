//! Datasets and archives as files: what goes in comes out, and nothing damaged or foreign gets
//! through.

use protege_core::Error;
use protege_core::data::{Archive, CODE_VERSION, Dataset, Episode, Meta};
use protege_core::obs::{ImageSpec, Images, ObsSpec, Observation, TaskLabel};
use protege_core::rng::Rng;
use safetensors::SafeTensors;

fn episode(seed: u64, steps: usize) -> Episode {
    let mut rng = Rng::new(seed, "episode", 0);
    let mut episode = Episode::start(seed, &rng.normals(3).into());
    for _ in 0..steps {
        let action = [rng.range(-1.0, 1.0) as f32, -0.0];
        episode.push(&action, rng.normal() as f32, &rng.normals(3).into());
    }
    Episode {
        success: seed.is_multiple_of(2),
        terminated: seed == 1,
        ..episode
    }
}

fn dataset() -> Dataset {
    let meta = Meta {
        task: "lab/lift".into(),
        engine: "rapier".into(),
        seed: 7,
        code_version: CODE_VERSION.into(),
        obs: ObsSpec::of_state(3),
        act: 2,
        action_repeat: 2,
        controller: String::new(),
        demonstrator: "expert with noise 0.1, \"quoted\"".into(),
    };
    Dataset {
        meta,
        episodes: vec![episode(0, 4), episode(1, 1), episode(2, 6)],
    }
}

fn archive() -> Archive {
    let mut archive = Archive::new();
    archive.put_f32(
        "actor/weight",
        &[2, 3],
        vec![
            -0.0,
            f32::MIN_POSITIVE / 4.0,
            f32::MAX,
            1.0 / 3.0,
            -7.25,
            1e-30,
        ],
    );
    archive.put_f32("step", &[], vec![12.0]);
    archive.put_f32("nothing", &[0, 5], vec![]);
    archive.put_blob("physics", (0..=255).collect());
    archive.put("rng", &Rng::new(3, "policy", 0)).unwrap();
    archive
}

/// The sentence of an error that must be the user's to mend.
fn sentence<T: std::fmt::Debug>(result: protege_core::Result<T>) -> String {
    match result {
        Err(Error::Input(sentence)) => sentence,
        other => panic!("expected an input error, got {other:?}"),
    }
}

/// What is written piece by piece is what the safetensors library writes in one: the same order,
/// the same header, the same bytes.
#[test]
fn a_dataset_is_the_file_that_safetensors_writes() {
    let mut dataset = pictures();
    dataset.episodes.extend(pictures().episodes);
    let bytes = dataset.to_bytes().unwrap();
    let mut pieces = Vec::new();
    dataset.write(&mut pieces).unwrap();
    assert_eq!(pieces, bytes);
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let parts: Vec<_> = tensors.tensors().into_iter().rev().collect();
    let again = safetensors::serialize(parts, metadata.metadata().clone()).unwrap();
    assert_eq!(again, bytes);
}

/// Replaces the only occurrence of `from` by `to`, which must be as long.
fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at: Vec<usize> = (0..=bytes.len() - from.len())
        .filter(|&i| bytes[i..].starts_with(from))
        .collect();
    assert_eq!(at.len(), 1, "{:?}", String::from_utf8_lossy(from));
    let mut bytes = bytes.to_vec();
    bytes[at[0]..at[0] + from.len()].copy_from_slice(to);
    bytes
}

/// A dataset comes back bit for bit, and the same dataset is the same file.
#[test]
fn a_dataset_survives_its_file() {
    let bytes = dataset().to_bytes().unwrap();
    let back = Dataset::from_bytes(&bytes).unwrap();
    assert_eq!(back, dataset());
    let negative_zeros = |d: &Dataset| {
        d.episodes
            .iter()
            .flat_map(|e| &e.actions)
            .filter(|a| a.to_bits() == 1 << 31)
            .count()
    };
    assert_eq!(
        (negative_zeros(&back), negative_zeros(&dataset())),
        (11, 11)
    );
    assert_eq!(back.to_bytes().unwrap(), bytes);
}

/// A dataset or an archive that was cut off anywhere, or has bytes added, is refused.
#[test]
fn files_cut_short_are_refused() {
    let set = dataset().to_bytes().unwrap();
    let bag = archive().to_bytes().unwrap();
    (0..set.len()).for_each(|n| drop(sentence(Dataset::from_bytes(&set[..n]))));
    (0..bag.len()).for_each(|n| drop(sentence(Archive::from_bytes(&bag[..n]))));
    assert!(sentence(Dataset::from_bytes(&set[..set.len() - 1])).contains("cut short"));
    assert!(sentence(Dataset::from_bytes(&set[..20])).contains("cut short"));
    assert!(sentence(Archive::from_bytes(&[bag, vec![0]].concat())).contains("bytes added"));
}

/// One flipped bit in the numbers is noticed, and the episode is named.
#[test]
fn a_flipped_bit_names_the_episode() {
    let bytes = dataset().to_bytes().unwrap();
    for index in 0..3 {
        let number = dataset().episodes[index].obs.state[1];
        let flipped = f32::from_bits(number.to_bits() ^ 1);
        let sentence = sentence(Dataset::from_bytes(&patched(
            &bytes,
            &number.to_le_bytes(),
            &flipped.to_le_bytes(),
        )));
        assert!(
            sentence.contains(&format!("episode {index} does not match its checksum")),
            "{sentence}"
        );
    }
}

/// A number that is not finite, a wrong length and a wrong outcome are noticed in the file, and the
/// episode is named.
#[test]
fn faults_in_the_file_name_the_episode() {
    let bytes = dataset().to_bytes().unwrap();
    let reward = dataset().episodes[2].rewards[5].to_le_bytes();
    let fault = |from: &[u8], to: &[u8]| sentence(Dataset::from_bytes(&patched(&bytes, from, to)));
    assert!(
        fault(&reward, &f32::NAN.to_le_bytes())
            .contains("episode 2 has rewards that are no good: the tensor holds NaN at position 5")
    );
    assert!(
        fault(br#"\"length\":4"#, br#"\"length\":5"#)
            .contains("episode 0 has rewards of shape [4] where the header says [5]")
    );
    assert!(
        fault(br#"\"seed\":1,"#, br#"\"seed\":3,"#)
            .contains("episode 1 does not match its checksum")
    );
    assert!(
        fault(b"episode_001/rewards", b"episode_009/rewards").contains("episode 1 has no rewards")
    );
    assert!(fault(br#"\"version\":2"#, br#"\"version\":9"#).contains("update protege"));
}

/// An episode of the second of three tasks, seen by two cameras; every number and value of moment
/// `t` is `t`.
fn pictures() -> Dataset {
    let cameras = [("front", 2, 2), ("wrist", 1, 1)].map(|(name, size, stack)| ImageSpec {
        name: name.into(),
        size,
        stack,
    });
    let seen = |t: u8| {
        let stack = |camera: &ImageSpec| Images::of(camera.clone(), &vec![t; camera.stack_len()]);
        Observation {
            state: vec![f32::from(t)],
            task: Some(TaskLabel { index: 1, of: 3 }),
            images: cameras.iter().map(stack).collect(),
        }
    };
    let mut episode = Episode::start(0, &seen(0));
    (1..4).for_each(|t| episode.push(&[0.0, 0.5], 0.0, &seen(t)));
    Dataset {
        meta: Meta {
            obs: seen(0).spec(),
            ..dataset().meta
        },
        episodes: vec![episode],
    }
}

/// The task's place among others, and what each camera saw, come back, frame by frame: how many are
/// looked at together is the reader's business.
#[test]
fn every_field_of_an_observation_survives_its_file() {
    let whole = pictures();
    let bytes = whole.to_bytes().unwrap();
    let back = Dataset::from_bytes(&bytes).unwrap();
    assert_eq!(back, whole);
    let mut spec = whole.meta.obs.clone();
    spec.cameras = vec![ImageSpec {
        stack: 3,
        ..spec.cameras[0].clone()
    }];
    back.check_task("lab/lift", &spec, 2).unwrap();
    let read = back.episodes[0].obs.batch(&spec, [1, 9]);
    let newest: Vec<u8> = read.images()[0]
        .pixels()
        .chunks(12)
        .map(|frame| frame[0])
        .collect();
    assert_eq!(
        (newest, read.state(1)),
        (vec![0, 0, 1, 3, 3, 3], &[3.0][..])
    );
    let of_task = |index| {
        back.of_task(Some(TaskLabel { index, of: 3 }))
            .episodes
            .len()
    };
    assert_eq!([0, 1, 2].map(of_task), [0, 1, 0]);
    spec.cameras[0].name = "side".into();
    assert!(sentence(back.check_task("lab/lift", &spec, 2)).contains("camera side"));
    let misread = patched(
        &bytes,
        b"episode_000/images/wrist",
        b"episode_000/images/fist2",
    );
    assert!(sentence(Dataset::from_bytes(&misread)).contains("has no images/wrist"));
}

/// A dataset that would be refused later is refused when it is written, and the episode is named.
#[test]
fn faults_are_caught_before_writing() {
    let fault = |spoil: fn(&mut Dataset)| {
        let mut dataset = dataset();
        spoil(&mut dataset);
        sentence(dataset.to_bytes())
    };
    assert!(
        fault(|d| d.episodes[1].actions[0] = 1.5)
            .contains("episode 1 has the action 1.5 at step 0")
    );
    assert!(
        fault(|d| d.episodes[2].obs.state[3] = f32::INFINITY)
            .contains("episode 2 holds inf in state at step 1")
    );
    assert!(
        fault(|d| d.episodes[0].obs.state.truncate(3))
            .contains("episode 0 has observations or actions that do not fit its 4 steps")
    );
    assert!(
        fault(|d| d.episodes.push(Episode::start(0, &vec![0.0; 3].into())))
            .contains("episode 3 has no steps")
    );
    assert!(fault(|d| d.episodes.clear()).contains("holds no episodes"));
    assert!(fault(|d| d.meta.obs.state = 0).contains("no numbers"));
    assert!(fault(|d| d.meta.action_repeat = 0).contains("held for 0 control steps"));
}

/// Files of other programs, and ours of another kind, are told apart in one sentence with a remedy.
#[test]
fn foreign_files_are_named() {
    let foreign_tensors = safetensors_of_another_program();
    let files: [(&[u8], &str); 7] = [
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n\0\0\0\0\0\0\0\0", "is an HDF5 file"),
        (b"task,reward\nlift,1\n", "is not a file of this program"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff{}", "damaged header"),
        (
            b"\xff\xff\xff\x00\0\0\0\0{}",
            "is cut short inside its header",
        ),
        (&foreign_tensors, "is a safetensors file of another program"),
        (
            &archive().to_bytes().unwrap(),
            "is a protege file of another kind (\"archive\")",
        ),
    ];
    for (bytes, what) in files {
        let sentence = sentence(Dataset::from_bytes(bytes));
        assert!(
            sentence.contains(what)
                && sentence.ends_with("; record it again with `protege demos`."),
            "{sentence}"
        );
    }
    assert!(
        sentence(Archive::from_bytes(&dataset().to_bytes().unwrap()))
            .contains("another kind (\"dataset\")")
    );
}

fn safetensors_of_another_program() -> Vec<u8> {
    let header = br#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}  "#;
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_slice(),
        &[0; 4],
    ]
    .concat()
}

/// Demonstrations of another task or of other sizes are not trained on; another code version is
/// no hindrance.
#[test]
fn a_dataset_knows_its_task() {
    let dataset = dataset();
    let check = |task: &str, obs: usize| dataset.check_task(task, &ObsSpec::of_state(obs), 2);
    check("lab/lift", 3).unwrap();
    assert!(sentence(check("lab/door", 3)).contains("shows lab/lift, not lab/door"));
    assert!(
        sentence(check("lab/lift", 4))
            .contains("3 observed numbers and 2 actions, but the task has 4 and 2")
    );
    let old = Dataset {
        meta: Meta {
            code_version: "0.0.0".into(),
            ..dataset.meta.clone()
        },
        ..dataset
    };
    assert!(Dataset::from_bytes(&old.to_bytes().unwrap()).is_ok());
}

/// Parts of a dataset are its episodes in the asked order, and too many are refused.
#[test]
fn parts_of_a_dataset_are_its_episodes() {
    let dataset = dataset();
    assert_eq!(dataset.take(2).unwrap().episodes, dataset.episodes[..2]);
    assert_eq!(
        dataset.subset(&[2, 0]).unwrap().episodes,
        [episode(2, 6), episode(0, 4)]
    );
    assert!(sentence(dataset.take(4)).contains("holds 3 episodes, but 4 are asked for"));
    assert!(sentence(dataset.subset(&[3])).contains("no episode 3"));
}

/// An archive comes back bit for bit, denormal numbers and negative zero included, and the same
/// archive is the same file.
#[test]
fn an_archive_survives_its_file() {
    let bytes = archive().to_bytes().unwrap();
    let mut back = Archive::from_bytes(&bytes).unwrap();
    assert_eq!(back, archive());
    assert_eq!(back.to_bytes().unwrap(), bytes);
    let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let (shape, numbers) = back.take_f32("actor/weight").unwrap();
    assert_eq!(
        (shape, bits(&numbers)),
        (
            vec![2, 3],
            bits(archive().get_f32("actor/weight").unwrap().1)
        )
    );
    assert_eq!(back.get::<Rng>("rng").unwrap(), Rng::new(3, "policy", 0));
    assert_eq!(
        back.blob("physics").unwrap(),
        (0..=255).collect::<Vec<u8>>()
    );
}

/// What an archive does not hold is an error that names it.
#[test]
fn what_an_archive_lacks_is_named() {
    let mut archive = archive();
    assert!(sentence(archive.get_f32("critic/weight").map(|_| ())).contains("critic/weight"));
    assert!(sentence(archive.take_f32("physics")).contains("physics"));
    assert!(sentence(archive.blob("step").map(|_| ())).contains("step"));
    assert!(
        sentence(archive.get::<u8>("physics")).contains("physics"),
        "bytes left over are not a u8"
    );
}

/// Numbers that are not finite are refused on the way in, naming the tensor, and never written
/// either, so that a diverged run cannot push its last good checkpoint out.
#[test]
fn non_finite_weights_are_refused_by_name() {
    let mut archive = archive();
    archive.put_f32("critic", &[2], vec![0.123_456_79, 1.0]);
    let bytes = archive.to_bytes().unwrap();
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let bytes = patched(&bytes, &0.123_456_79f32.to_le_bytes(), &bad.to_le_bytes());
        assert!(sentence(Archive::from_bytes(&bytes)).contains("the tensor \"critic\" holds"));
        archive.put_f32("critic", &[1], vec![bad]);
        assert!(matches!(archive.to_bytes(), Err(Error::Failed(s)) if s.contains("\"critic\"")));
    }
    archive.put_f32("critic", &[3], vec![0.0]);
    assert!(matches!(archive.to_bytes(), Err(Error::Failed(s)) if s.contains("[3]")));
}

/// One flipped bit anywhere behind an archive's header is noticed.
#[test]
fn a_flipped_bit_spoils_an_archive() {
    let bytes = archive().to_bytes().unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for i in 8 + header..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[i] ^= 1 << (i % 8);
        sentence(Archive::from_bytes(&bytes));
    }
}
