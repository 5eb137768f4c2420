//! What a camera sees: stacks of frames.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The camera that a task's suite has for learning.
pub const DEFAULT_CAMERA: &str = "default";

/// How a camera is seen: square frames of three colors, the newest `stack` of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// The camera's name.
    pub name: String,
    /// Pixels along each side.
    pub size: usize,
    /// Frames of an observation.
    pub stack: usize,
}

impl ImageSpec {
    /// Pixels along each side at most.
    pub(crate) const LARGEST: usize = 512;
    /// Frames of an observation at most.
    pub(crate) const LONGEST: usize = 16;

    /// The one camera of files that name none, which are of an earlier version; of size 0: none.
    pub fn unnamed(size: usize, stack: usize) -> Vec<Self> {
        let name = DEFAULT_CAMERA.to_owned();
        let camera = Self { name, size, stack };
        (size > 0).then_some(camera).into_iter().collect()
    }

    /// Whether a file may ask for it: at least `smallest` pixels along each side.
    pub fn is_possible(&self, smallest: usize) -> bool {
        (smallest..=Self::LARGEST).contains(&self.size) && (1..=Self::LONGEST).contains(&self.stack)
    }

    /// Bytes of one frame.
    pub fn frame_len(&self) -> usize {
        3 * self.size * self.size
    }

    /// Bytes of all frames of an observation.
    pub fn stack_len(&self) -> usize {
        self.stack * self.frame_len()
    }

    /// Colors of all frames of an observation.
    pub(crate) fn channels(&self) -> usize {
        3 * self.stack
    }
}

/// Stacks of frames from one camera, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Images {
    /// Where they are from.
    pub camera: ImageSpec,
    /// Of every stack its frames, the oldest first; of every frame the rows of red, of green, of
    /// blue, 0 to 255.
    pub pixels: Vec<u8>,
}

impl Images {
    /// None yet.
    pub fn new(camera: ImageSpec) -> Self {
        Self {
            camera,
            pixels: Vec::new(),
        }
    }

    /// How many stacks there are.
    pub fn len(&self) -> usize {
        self.pixels.len() / self.camera.stack_len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// These stacks, one after the other.
    pub fn stacks(&self, rows: Range<usize>) -> &[u8] {
        let len = self.camera.stack_len();
        &self.pixels[rows.start * len..rows.end * len]
    }

    /// The newest frame of the last stack.
    ///
    /// # Panics
    /// When there is none.
    pub fn newest(&self) -> &[u8] {
        &self.pixels[self.pixels.len() - self.camera.frame_len()..]
    }

    /// The stacks at these places, in this order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut selected = Self::new(self.camera.clone());
        selected
            .pixels
            .reserve_exact(indices.len() * self.camera.stack_len());
        let stacks = indices.iter().map(|&i| self.stacks(i..i + 1));
        stacks.for_each(|stack| selected.pixels.extend_from_slice(stack));
        selected
    }

    /// Random shift (Yarats et al. 2021): every stack moved by up to 1 of 21 pixels along each side
    /// (MoDem: 4 of 84, 10 of 224), its edge pixels repeated where something is missing, so that
    /// what is learned does not depend on the exact position. The frames of a stack move together.
    pub(crate) fn shift_randomly(&mut self, rng: &mut Rng) {
        self.shift_within(self.camera.size / 21, rng);
    }

    fn shift_within(&mut self, reach: usize, rng: &mut Rng) {
        let len = self.camera.stack_len();
        let mut still = vec![0; len];
        for stack in self.pixels.chunks_mut(len) {
            still.copy_from_slice(stack);
            let mut by = || rng.below(2 * reach + 1) as isize - reach as isize;
            shift(&still, stack, self.camera.size, (by(), by()));
        }
    }
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
    use std::collections::BTreeSet;

    /// A picture moves as a whole, its frames together, its edges drawn out, and no further than it
    /// may; without reach it stays as it is.
    #[test]
    fn a_picture_moves_as_a_whole() {
        let camera = ImageSpec {
            name: DEFAULT_CAMERA.into(),
            size: 4,
            stack: 2,
        };
        let pixels = (0..2 * camera.stack_len()).map(|i| (i % 16 + 16 * (i / 96)) as u8);
        let still = Images {
            pixels: pixels.collect(),
            camera,
        };
        let mut rng = Rng::new(1, "test", 0);
        let mut moved = still.clone();
        moved.shift_within(0, &mut rng);
        assert_eq!(moved, still);
        let mut places = BTreeSet::new();
        for _ in 0..200 {
            let mut moved = still.clone();
            moved.shift_within(1, &mut rng);
            for (moved, still) in moved.pixels.chunks(96).zip(still.pixels.chunks(96)) {
                let planes: Vec<&[u8]> = moved.chunks(16).collect();
                assert!(
                    planes.iter().all(|plane| *plane == planes[0]),
                    "all frames and colors move together"
                );
                // Inside, where no edge was drawn out, the numbers say by how much.
                places.insert(i32::from(planes[0][5]) - i32::from(still[5]));
                assert!(planes[0].iter().all(|value| still[..16].contains(value)));
            }
        }
        let places: Vec<i32> = places.into_iter().collect();
        assert_eq!(places, [-5, -4, -3, -1, 0, 1, 3, 4, 5]);
    }
}
