//! Hostile bytes: the parsers of datasets and archives neither panic nor take much more memory than
//! they are given bytes.

use proptest::prelude::*;
use protege_core::data::{Archive, Dataset, Episode, Meta};
use protege_core::obs::ObsSpec;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts what each thread holds.
struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call goes to the system's allocator unchanged; the counters neither allocate nor
// fail.
#[allow(unsafe_code, reason = "only an allocator can count")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Memory that parsing may take for each byte of the file (tables of tiny tensors weigh most), and
/// for messages.
const PER_BYTE: usize = 40;
const FOR_MESSAGES: usize = 1 << 16;

/// Parses the bytes as both kinds of file, and checks the memory that it took.
fn parse(bytes: &[u8]) {
    let start = HELD.get();
    PEAK.set(start);
    let parsed = (
        Dataset::from_bytes(bytes).is_ok(),
        Archive::from_bytes(bytes).is_ok(),
    );
    let taken = (PEAK.get() - start) as usize;
    assert!(
        taken <= PER_BYTE * bytes.len() + FOR_MESSAGES,
        "{taken} bytes of memory for {} bytes, parsed {parsed:?}",
        bytes.len()
    );
}

fn dataset() -> Vec<u8> {
    let mut episode = Episode::start(0, &vec![0.5, 0.25].into());
    (0..5).for_each(|i| episode.push(&[0.1], i as f32, &vec![0.0, i as f32].into()));
    let text = || "x".to_string();
    let meta = Meta {
        task: text(),
        engine: text(),
        seed: 0,
        code_version: text(),
        obs: ObsSpec::of_state(2),
        act: 1,
        action_repeat: 1,
        controller: String::new(),
        demonstrator: text(),
    };
    Dataset {
        meta,
        episodes: vec![episode.clone(), episode],
    }
    .to_bytes()
    .unwrap()
}

fn archive() -> Vec<u8> {
    let mut archive = Archive::new();
    archive.put_f32("weight", &[2, 2], vec![1.0, 2.0, 3.0, 4.0]);
    archive.put_blob("state", vec![1, 2, 3]);
    archive.to_bytes().unwrap()
}

/// A safetensors file with this header and this much data.
fn file(header: &str, data: usize) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        &vec![0; data],
    ]
    .concat()
}

/// A header as ours, with any numbers where numbers stand.
fn header() -> impl Strategy<Value = String> {
    let number = || {
        prop_oneof![
            Just(0u64),
            1u64..9,
            Just(u64::MAX),
            Just(u64::MAX / 4),
            any::<u64>()
        ]
    };
    (number(), number(), number(), number(), number(), 0u64..64).prop_map(
        |(version, obs, act, length, dim, end)| {
            let obs = match version {
                2 => format!(r#"{{"state":{obs},"tasks":{dim},"cameras":[]}}"#),
                _ => obs.to_string(),
            };
            let meta = format!(
                r#"{{"task":"t","engine":"e","seed":0,"code_version":"",
                "obs":{obs},"act":{act},"action_repeat":1,"demonstrator":""}}"#
            );
            let entry = format!(
                r#"{{"seed":0,"length":{length},"success":true,"terminated":false,
                "return":0.0,"sha256":""}}"#
            );
            let ours = format!(
                r#"{{"format":"dataset","version":{version},
                "meta":{meta},"episodes":[{entry}]}}"#
            );
            let tensor = |shape: &str| {
                format!(
                    r#"{{"dtype":"F32","shape":[{shape}],
                "data_offsets":[0,{end}]}}"#
                )
            };
            let rewards = tensor(&format!("{length}"));
            let actions = tensor(&format!("{length},{dim}"));
            format!(
                r#"{{"__metadata__":{{"protege":{ours:?}}},
                "episode_000/rewards":{rewards},"episode_000/actions":{actions}}}"#
            )
        },
    )
}

proptest! {
    /// Any bytes.
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&bytes);
    }

    /// Any text where the header should be.
    #[test]
    fn any_header_is_survived(text in "[\\[\\]{}\",:a-f0-9_]{0,200}", data in 0usize..64) {
        parse(&file(&text, data));
    }

    /// Headers whose sizes lie, up to the largest numbers there are.
    #[test]
    fn lying_headers_are_survived(header in header(), data in 0usize..64) {
        parse(&file(&header, data));
    }

    /// Good files with some bytes changed, cut out or put in.
    #[test]
    fn mutated_files_are_survived(
        which in any::<bool>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6),
    ) {
        let mut bytes = if which { dataset() } else { archive() };
        for (place, byte, edit) in edits {
            let at = place.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, byte),
            }
        }
        parse(&bytes);
    }
}

/// The worst tables for their bytes, and lengths that nothing backs, take no more memory than
/// allowed.
#[test]
fn tables_of_nothing_take_little_memory() {
    let tensors: Vec<String> = (0..2000)
        .map(|i| {
            format!(
                r#""{i}":{{"dtype":"U8","shape":[],"data_offsets":[{i},{}]}}"#,
                i + 1
            )
        })
        .collect();
    let ours = r#"{"format":"archive","version":1,"code_version":"","sha256":""}"#;
    let table = format!(
        r#"{{"__metadata__":{{"protege":{ours:?}}},{}}}"#,
        tensors.join(",")
    );
    parse(&file(&table, 2000));
    parse(&file(
        &format!(
            r#"{{"a":{{"dtype":"U8","shape":[{}0],"data_offsets":[0,0]}}}}"#,
            "0,".repeat(50_000)
        ),
        0,
    ));
    parse(&file(&"[".repeat(100_000), 0));
    parse(&[&(90_000_000u64).to_le_bytes()[..], b"{"].concat());
    parse(&[&u64::MAX.to_le_bytes()[..], b"{"].concat());
}
