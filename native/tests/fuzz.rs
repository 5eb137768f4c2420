//! Files of other programs, damaged in every way: they are read, or answered in one sentence. No
//! panic, no end of memory, no end of waiting.
//!
//! An ordinary test that draws 1000 random inputs (at most a second) each time. Longer:
//! `BOLERO_RANDOM_ITERATIONS=1000000 cargo test --release -p protege --test fuzz`.

use protege::robomimic::{Source, Wishes};
use protege_core::Error;
use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The largest piece of memory that was asked for.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, and a note of the largest piece.
struct Noted;

#[allow(unsafe_code, reason = "allocators are unsafe by their nature")]
// SAFETY: every call is handed on as it came.
unsafe impl GlobalAlloc for Noted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LARGEST.fetch_max(size, Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Noted = Noted;

/// What a file of this size may make the program ask for at once: what its best packing can hold,
/// and twice that while a list grows.
fn bound(file: &[u8]) -> usize {
    (1 << 24) + 2 * 1040 * file.len()
}

/// A file of h5py.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/robomimic");
    std::fs::read(folder.join(format!("{name}.hdf5"))).unwrap()
}

/// How a file is damaged: bytes that are overwritten, pieces that are copied elsewhere in it (from,
/// to, length), numbers of 64 bits that are written over others, and the share that is left (of
/// 256).
type Damage = (Vec<(u16, u8)>, Vec<(u16, u16, u8)>, Vec<(u16, u8)>, u8);

/// Numbers that damage length fields most.
const NUMBERS: [u64; 8] = [
    0,
    1,
    u64::MAX,
    u64::MAX - 7,
    i64::MAX as u64,
    1 << 32,
    1 << 20,
    0xffff,
];

fn damaged(valid: &[u8], (bytes, copies, numbers, left): &Damage) -> Vec<u8> {
    let mut file = valid.to_vec();
    for &(place, byte) in bytes {
        let place = usize::from(place) % file.len();
        file[place] = byte;
    }
    for &(from, to, length) in copies {
        let length = usize::from(length).min(file.len() / 2);
        let most = file.len() - length;
        let from = usize::from(from) % most;
        file.copy_within(from..from + length, usize::from(to) % most);
    }
    for &(place, which) in numbers {
        let place = usize::from(place) % (file.len() / 8) * 8;
        let number = NUMBERS[usize::from(which) % NUMBERS.len()];
        file[place..place + 8].copy_from_slice(&number.to_le_bytes());
    }
    if *left < 64 {
        file.truncate(file.len() * usize::from(*left) / 64);
    }
    file
}

/// Imports it all; a refusal is one line that begins with the file's name.
fn import(folder: &Path, file: &[u8], task: &str, wishes: &Wishes) {
    let path = folder.join("demos.hdf5");
    std::fs::write(&path, file).unwrap();
    LARGEST.store(0, Relaxed);
    let read = Source::open(&path, "demos.hdf5");
    let read = read.and_then(|source| source.import(task, wishes));
    let largest = LARGEST.load(Relaxed);
    assert!(largest < bound(file), "{largest} bytes at once");
    match read {
        Ok(found) => found.dataset.check().unwrap(),
        Err(Error::Input(sentence)) => {
            assert!(
                !sentence.contains('\n') && sentence.contains("demos.hdf5"),
                "{sentence}"
            );
        }
        Err(other) => panic!("{other}"),
    }
}

/// The files that are damaged, each with its task: the oldest form of HDF5, the newest, another
/// beginning, another order of bytes; numbers and pictures, packed and not; lists; states.
const FILES: &[(&str, &str)] = &[
    ("lab", "lab/lift"),
    ("latest", "lab/lift"),
    ("strange/userblock", "lab/lift"),
    ("strange/big_endian", "lab/lift"),
    #[cfg(feature = "mujoco")]
    ("low_dim", "robosuite/lift"),
    #[cfg(feature = "mujoco")]
    ("image", "robosuite/lift"),
    // States alone, which are put into the simulator, in scenes of which its text speaks.
    #[cfg(feature = "mujoco")]
    ("states", "robosuite/lift"),
    #[cfg(feature = "mujoco")]
    ("states_door", "robosuite/door"),
];

/// No bytes, however damaged, make the reader of robomimic's files panic, wait or fill the memory.
#[test]
fn a_damaged_file_of_robomimic_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = "robot0_eef_pos,robot0_eef_quat,robot0_gripper_qpos,agentview_image";
    let keys: Vec<String> = keys.split(',').map(str::to_owned).collect();
    let files: Vec<Vec<u8>> = FILES.iter().map(|(name, _)| fixture(name)).collect();
    bolero::check!()
        .with_type::<(u8, bool, Damage)>()
        .for_each(|(which, listed, damage)| {
            let which = usize::from(*which) % files.len();
            let (name, task) = FILES[which];
            let wishes = Wishes {
                filter: listed.then(|| "train".to_owned()),
                keys: (name == "image").then(|| keys.clone()),
                ..Wishes::default()
            };
            let file = damaged(&files[which], damage);
            import(folder.path(), &file, task, &wishes);
        });
}
