//! The frames of an episode, each stored once, compressed without loss.
//!
//! A camera that stands still sees mostly the same: a frame is kept as its difference from the
//! episode's first one, most of which is zeros, and which LZ4 packs to a small part. Any frame is
//! read back without the others.

use crate::obs::Frame;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// Frames of equal size, in order of time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Frames {
    first: Vec<u8>,
    /// Packed differences.
    later: Vec<Vec<u8>>,
}

impl Frames {
    /// Adds a frame as large as the first.
    ///
    /// # Panics
    /// When it has another size.
    pub fn push(&mut self, frame: &[u8]) {
        if self.first.is_empty() {
            self.first = frame.to_vec();
            return;
        }
        assert_eq!(
            frame.len(),
            self.first.len(),
            "the frames of an episode have one size"
        );
        // XOR: exact, its own inverse, and zero wherever nothing has changed.
        let difference: Vec<u8> = frame
            .iter()
            .zip(&self.first)
            .map(|(new, first)| new ^ first)
            .collect();
        self.later.push(lz4_flex::block::compress(&difference));
    }

    /// Number of frames.
    pub fn len(&self) -> usize {
        usize::from(!self.first.is_empty()) + self.later.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// Values of one frame; 0 where there are none.
    pub fn size(&self) -> usize {
        self.first.len()
    }

    /// Frame `i`.
    ///
    /// # Panics
    /// When there is no such frame.
    pub fn frame(&self, i: usize) -> Vec<u8> {
        if i == 0 {
            return self.first.clone();
        }
        let mut frame = self
            .difference(i)
            .expect("what was packed here, or checked when it was read, unpacks");
        frame
            .iter_mut()
            .zip(&self.first)
            .for_each(|(value, first)| *value ^= first);
        frame
    }

    /// The newest `stack` frames at moment `at`, at the end of `out`, the oldest first. Before the
    /// start everything stood still as in the first frame, and after the end as in the last.
    ///
    /// # Panics
    /// When there are no frames.
    pub(crate) fn stack<'a>(
        &'a self,
        at: usize,
        stack: usize,
        unpacked: &mut Unpacked<'a>,
        out: &mut Vec<Frame>,
    ) {
        // Moments at - stack + 1 to at, held at the first and the last frame.
        out.extend((0..stack).map(|back| {
            let i = (at + back + 1).saturating_sub(stack).min(self.len() - 1);
            unpacked.frame(self, i)
        }));
    }

    /// The values of all frames, one after the other.
    pub fn values(&self) -> Vec<u8> {
        let mut values = Vec::with_capacity(self.len() * self.size());
        (0..self.len()).for_each(|i| values.extend(self.frame(i)));
        values
    }

    fn difference(&self, i: usize) -> Option<Vec<u8>> {
        let difference = lz4_flex::block::decompress(&self.later[i - 1], self.first.len()).ok()?;
        (difference.len() == self.first.len()).then_some(difference)
    }

    /// Whether all of them can be read back, and have `size` values each.
    pub(crate) fn are_sound(&self, size: usize) -> bool {
        let none = self.first.is_empty() && self.later.is_empty();
        none || (self.first.len() == size && (1..self.len()).all(|i| self.difference(i).is_some()))
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        self.first.len()
            + self
                .later
                .iter()
                .map(|frame| frame.len() + size_of::<Vec<u8>>())
                .sum::<usize>()
    }
}

/// The frames that a batch has unpacked so far: one that several of its rows see is unpacked once.
#[derive(Debug, Default)]
pub(crate) struct Unpacked<'a>(BTreeMap<(usize, usize), Frame>, PhantomData<&'a Frames>);

impl<'a> Unpacked<'a> {
    fn frame(&mut self, frames: &'a Frames, i: usize) -> Frame {
        // Where frames lie tells them from others, as all of them are borrowed for as long as this
        // lives.
        let of = std::ptr::from_ref(frames).addr();
        let frame = self.0.entry((of, i));
        frame.or_insert_with(|| Arc::new(frames.frame(i))).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Every frame comes back as it was, in any order, whatever it shows.
    #[test]
    fn every_frame_comes_back_as_it_was() {
        let mut rng = Rng::new(0, "test", 0);
        let noise: Vec<Vec<u8>> = (0..5)
            .map(|_| (0..300).map(|_| rng.below(256) as u8).collect())
            .collect();
        let mut frames = Frames::default();
        noise.iter().for_each(|frame| frames.push(frame));
        assert_eq!((frames.len(), frames.size()), (5, 300));
        assert!(frames.are_sound(300) && !frames.are_sound(299));
        for i in [4, 0, 2, 1, 3] {
            assert_eq!(frames.frame(i), noise[i]);
        }
        let mut unpacked = Unpacked::default();
        let mut stacks = Vec::new();
        frames.stack(1, 3, &mut unpacked, &mut stacks);
        frames.stack(9, 2, &mut unpacked, &mut stacks);
        let shown: Vec<&[u8]> = stacks.iter().map(|frame| &frame[..]).collect();
        assert_eq!(shown, [0, 0, 1, 4, 4].map(|i| &noise[i][..]));
        assert!(
            Arc::ptr_eq(&stacks[0], &stacks[1]) && Arc::ptr_eq(&stacks[3], &stacks[4]),
            "a frame is unpacked once"
        );
    }

    /// What does not change takes next to no room.
    #[test]
    fn what_does_not_change_takes_no_room() {
        let mut frames = Frames::default();
        for t in 0..100 {
            let moving = |i: usize| {
                if (10 * t..10 * t + 50).contains(&i) {
                    200
                } else {
                    (i * 31 % 251) as u8
                }
            };
            frames.push(&(0..12_288).map(moving).collect::<Vec<_>>());
        }
        assert!(frames.bytes() < 100 * 12_288 / 20, "{}", frames.bytes());
    }

    /// Damage in a file is found before anything is read.
    #[test]
    fn damage_is_found() {
        let mut frames = Frames::default();
        (0..3).for_each(|i| frames.push(&[i; 100]));
        assert!(frames.are_sound(100));
        let cut = Frames {
            later: vec![frames.later[0][..2].to_vec()],
            ..frames.clone()
        };
        let without_first = Frames {
            first: Vec::new(),
            ..frames
        };
        assert!(!cut.are_sound(100) && !without_first.are_sound(100));
    }
}
