//! Episodes as bytes.

use super::*;
use crate::obs::{ImageSpec, Images};
use proptest::prelude::*;

fn camera() -> ImageSpec {
    ImageSpec::unnamed(2, 2).remove(0)
}

/// Two frames of one value each, the older first: it was not seen at the decision before.
fn observation(t: u8) -> Observation {
    let frames = [[100 + t; 12], [t; 12]].concat();
    Observation {
        state: vec![f32::from(t)],
        task: None,
        images: vec![Images::of(camera(), &frames)],
    }
}

fn step(t: u8, done: bool) -> Step {
    Step {
        obs: observation(t),
        reward: f32::from(t),
        success: done,
        success_at_end: done,
        terminated: done,
        truncated: false,
        steps: 2,
    }
}

fn shape() -> Shape {
    Shape {
        chunk: 2,
        notes: 1,
        obs: Some(observation(0).spec()),
        horizon: 6,
        rows: Rows { least: 1, most: 4 },
    }
}

fn episode() -> Played {
    let mut played = Played::start(7, Some(&observation(0)));
    for t in 1..=3 {
        let chunk = [f32::from(t), -0.0];
        played.push(&chunk, &[0.5], &[0.25; 3], &step(t, t == 3));
    }
    played
}

/// What is read is what was written, and gives the moments that were played, pictures included.
#[test]
fn episodes_are_read_back() {
    let shape = shape();
    let read = shape.read(&episode().to_bytes().unwrap()).unwrap();
    assert_eq!(read, episode());
    for t in 0..3 {
        let moment = read.moment(usize::from(t), shape.obs.as_ref());
        assert_eq!(moment.obs, observation(t));
        assert_eq!(moment.step, step(t + 1, t == 2));
        assert_eq!(moment.memory, [0.25; 3]);
        assert_eq!(read.notes(usize::from(t)), [0.5]);
    }
    assert_eq!(
        [0, 1, 2, 4, 6].map(|length| read.place(length)),
        [Some(0), None, Some(1), Some(2), None]
    );
    assert_eq!(read.chunks_before(1), [[1.0, -0.0]]);
}

/// An episode of another task or policy is refused: sizes, pictures, length, and where it ends.
#[test]
fn episodes_of_others_are_refused() {
    let bytes = episode().to_bytes().unwrap();
    let others = [
        Shape {
            chunk: 3,
            ..shape()
        },
        Shape {
            notes: 0,
            ..shape()
        },
        Shape {
            obs: None,
            ..shape()
        },
        Shape {
            horizon: 5,
            ..shape()
        },
        Shape {
            obs: Some(ObsSpec::of_state(2)),
            ..shape()
        },
    ];
    for other in others {
        assert!(other.read(&bytes).is_err(), "{other:?}");
    }
    let mut endless = episode();
    endless.decisions[2].terminated = false;
    let mut dead = episode();
    dead.decisions[0].truncated = true;
    let mut infinite = episode();
    infinite.decisions[1].chunk[0] = f32::NAN;
    let mut empty = episode();
    empty.decisions.clear();
    for wrong in [endless, dead, infinite, empty] {
        assert!(shape().read(&wrong.to_bytes().unwrap()).is_err());
    }
    assert!(shape().read(&[&bytes[..], &[0]].concat()).is_err());
}

proptest! {
    /// Damage is noticed or harmless, and never a panic: what is read can be gone through.
    #[test]
    fn damaged_episodes_do_not_panic(at: prop::sample::Index, value: u8, cut: prop::sample::Index) {
        let mut bytes = episode().to_bytes().unwrap();
        let place = at.index(bytes.len());
        bytes[place] = value;
        let shape = shape();
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(read) = shape.read(bytes) {
                for place in 0..read.decisions.len() {
                    read.moment(place, shape.obs.as_ref());
                }
            }
        }
    }

    /// Any bytes are an episode or none.
    #[test]
    fn any_bytes_are_read(bytes: Vec<u8>) {
        let _ = shape().read(&bytes);
    }
}
