//! The frames of an episode, each stored once, compressed without loss.
//!
//! A camera that stands still sees mostly the same: a frame is kept as its difference from the
//! episode's first one, most of which is zeros, and which LZ4 packs to a small part. Any frame is
//! read back without the others.

use crate::env::View;
use crate::rng::Rng;
use serde::{Deserialize, Serialize};

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

    /// Frame `i` at the end of `out`.
    ///
    /// # Panics
    /// When there is no such frame.
    pub fn copy(&self, i: usize, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.first);
        if i > 0 {
            let difference = self
                .difference(i)
                .expect("what was packed here, or checked when it was read, unpacks");
            out[start..]
                .iter_mut()
                .zip(difference)
                .for_each(|(value, change)| *value ^= change);
        }
    }

    /// The newest `stack` frames at moment `at`, at the end of `out`, the oldest first. Before the
    /// start everything stood still as in the first frame, and after the end as in the last.
    ///
    /// # Panics
    /// When there are no frames.
    pub fn stack(&self, at: usize, stack: usize, out: &mut Vec<u8>) {
        // Moments at - stack + 1 to at, held at the first and the last frame.
        (0..stack).for_each(|back| {
            self.copy(
                (at + back + 1).saturating_sub(stack).min(self.len() - 1),
                out,
            )
        });
    }

    /// The stacks at all moments, one after the other; none without frames.
    pub fn stacked(&self, stack: usize) -> Vec<u8> {
        let mut out = Vec::new();
        (0..self.len()).for_each(|at| self.stack(at, stack, &mut out));
        out
    }

    /// The values of all frames, one after the other.
    pub fn values(&self) -> Vec<u8> {
        let mut values = Vec::with_capacity(self.len() * self.size());
        (0..self.len()).for_each(|i| self.copy(i, &mut values));
        values
    }

    fn difference(&self, i: usize) -> Option<Vec<u8>> {
        let difference = lz4_flex::block::decompress(&self.later[i - 1], self.first.len()).ok()?;
        (difference.len() == self.first.len()).then_some(difference)
    }

    /// Whether all of them can be read back, and have `size` values each.
    pub fn are_sound(&self, size: usize) -> bool {
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

/// Shifts pictures of `view`, where there are any, by up to 1 of 21 pixels (MoDem: 4 of 84, 10 of
/// 224): see `shifted`.
pub fn shifted_a_little(pixels: Vec<u8>, view: View, rng: &mut Rng) -> Vec<u8> {
    if view.is_some() {
        shifted(pixels, view, view.size / 21, rng)
    } else {
        pixels
    }
}

/// Random shift (Yarats et al. 2021): every picture moved by up to `reach` pixels along each side,
/// its edge pixels repeated where something is missing, so that what is learned does not depend on
/// the exact position. The frames of one picture move together.
fn shifted(mut pixels: Vec<u8>, view: View, reach: usize, rng: &mut Rng) -> Vec<u8> {
    let mut still = vec![0; view.pixels()];
    for picture in pixels.chunks_mut(view.pixels().max(1)) {
        still.copy_from_slice(picture);
        let mut by = || rng.below(2 * reach + 1) as isize - reach as isize;
        shift(&still, picture, view.size, (by(), by()));
    }
    pixels
}

/// Planes of `size` x `size` moved down and to the right by `by` pixels.
fn shift(from: &[u8], to: &mut [u8], size: usize, (down, right): (isize, isize)) {
    // Clamped coordinates repeat the edge pixels.
    let within = |at: usize, by: isize| (at as isize - by).clamp(0, size as isize - 1) as usize;
    for (from, to) in from.chunks(size * size).zip(to.chunks_mut(size * size)) {
        for (y, row) in to.chunks_mut(size).enumerate() {
            let source = &from[within(y, down) * size..][..size];
            row.iter_mut()
                .enumerate()
                .for_each(|(x, value)| *value = source[within(x, right)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let mut out = vec![7];
            frames.copy(i, &mut out);
            assert_eq!((out[0], &out[1..]), (7, &noise[i][..]));
        }
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

    /// A picture moves as a whole, its frames together, its edges drawn out, and no further than it
    /// may; without reach it stays as it is.
    #[test]
    fn a_picture_moves_as_a_whole() {
        let view = View { size: 4, stack: 2 };
        let pictures: Vec<u8> = (0..2 * view.pixels())
            .map(|i| (i % 16 + 16 * (i / 96)) as u8)
            .collect();
        let mut rng = Rng::new(1, "test", 0);
        assert_eq!(shifted(pictures.clone(), view, 0, &mut rng), pictures);
        let mut places = std::collections::BTreeSet::new();
        for _ in 0..200 {
            for (moved, still) in shifted(pictures.clone(), view, 1, &mut rng)
                .chunks(96)
                .zip(pictures.chunks(96))
            {
                let planes: Vec<&[u8]> = moved.chunks(16).collect();
                assert!(
                    planes.iter().all(|plane| *plane == planes[0]),
                    "all frames and colours move together"
                );
                // Inside, where no edge was drawn out, the numbers say by how much.
                places.insert(i32::from(planes[0][5]) - i32::from(still[5]));
                assert!(planes[0].iter().all(|value| still[..16].contains(value)));
            }
        }
        assert_eq!(
            places.into_iter().collect::<Vec<_>>(),
            [-5, -4, -3, -1, 0, 1, 3, 4, 5]
        );
    }
}
