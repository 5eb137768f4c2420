//! What a camera sees: stacks of frames.

use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

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

/// The rows of red, of green, of blue, 0 to 255.
pub type Frame = Arc<Vec<u8>>;

/// Stacks of frames from one camera, one after the other. Frames are shared: one that several
/// stacks have lies in memory once, and picking, joining and moving stacks copies none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Plain", into = "Plain")]
pub struct Images {
    /// Where they are from.
    pub camera: ImageSpec,
    /// Of every stack its frames, the oldest first.
    frames: Vec<Frame>,
    /// By how much each stack is moved.
    shifts: Vec<Shift>,
}

/// How far a picture is moved down and to the right, in pixels; edge pixels are repeated where
/// something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Shift {
    down: isize,
    right: isize,
}

/// Sides of a picture are so many times as long as a random shift is at most.
const SHIFTED: usize = 21;

impl Shift {
    /// Anything within `reach` pixels along each side.
    fn random(reach: usize, rng: &mut Rng) -> Self {
        let mut by = || rng.below(2 * reach + 1) as isize - reach as isize;
        let (down, right) = (by(), by());
        Self { down, right }
    }

    /// The row of a frame of `size` x `size` from which row `y` is, once it is moved.
    pub(crate) fn row(self, y: usize, size: usize) -> usize {
        within(y, self.down, size)
    }

    /// The column from which column `x` is.
    pub(crate) fn column(self, x: usize, size: usize) -> usize {
        within(x, self.right, size)
    }
}

/// Clamped coordinates repeat the edge pixels.
fn within(at: usize, by: isize, size: usize) -> usize {
    (at as isize - by).clamp(0, size as isize - 1) as usize
}

/// Images as they are saved: all values of all stacks.
#[derive(Serialize, Deserialize)]
struct Plain {
    camera: ImageSpec,
    pixels: Vec<u8>,
}

impl From<Plain> for Images {
    fn from(plain: Plain) -> Self {
        Self::of(plain.camera, &plain.pixels)
    }
}

impl From<Images> for Plain {
    fn from(images: Images) -> Self {
        let pixels = images.pixels();
        let camera = images.camera;
        Self { camera, pixels }
    }
}

impl Images {
    /// None yet.
    pub fn new(camera: ImageSpec) -> Self {
        Self {
            camera,
            frames: Vec::new(),
            shifts: Vec::new(),
        }
    }

    /// Stacks from all of their values, one after the other.
    pub fn of(camera: ImageSpec, pixels: &[u8]) -> Self {
        // What comes from a file may say any size: it is checked later.
        let size = camera.size;
        let frame_len = 3usize.saturating_mul(size).saturating_mul(size).max(1);
        let frames = pixels.chunks(frame_len);
        let frames: Vec<Frame> = frames.map(|frame| Arc::new(frame.to_vec())).collect();
        let stacks = frames.len() / camera.stack.max(1);
        Self {
            camera,
            frames,
            shifts: vec![Shift::default(); stacks],
        }
    }

    /// How many stacks there are.
    pub fn len(&self) -> usize {
        self.shifts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Frames of these stacks, as they were before any shift.
    pub fn frames(&self, rows: Range<usize>) -> &[Frame] {
        let stack = self.camera.stack;
        &self.frames[rows.start * stack..rows.end * stack]
    }

    /// How a stack is moved.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn shift(&self, row: usize) -> Shift {
        self.shifts[row]
    }

    /// The values of all stacks, moved as they are.
    pub fn pixels(&self) -> Vec<u8> {
        let size = self.camera.size;
        let mut pixels = Vec::with_capacity(self.frames.iter().map(|frame| frame.len()).sum());
        for (i, frame) in self.frames.iter().enumerate() {
            let shift = self.shifts.get(i / self.camera.stack.max(1));
            match shift.filter(|shift| **shift != Shift::default()) {
                None => pixels.extend_from_slice(frame),
                Some(shift) => push_shifted(frame, size, *shift, &mut pixels),
            }
        }
        pixels
    }

    /// The newest frame of the last stack.
    ///
    /// # Panics
    /// When there is none.
    pub fn newest(&self) -> &[u8] {
        self.frames.last().expect("a stack has a frame")
    }

    /// The stacks at these places, in this order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut selected = Self::new(self.camera.clone());
        indices
            .iter()
            .for_each(|&i| selected.append(self, i..i + 1));
        selected
    }

    /// Adds some stacks of another batch of the same camera.
    pub(super) fn append(&mut self, other: &Self, rows: Range<usize>) {
        self.frames.extend_from_slice(other.frames(rows.clone()));
        self.shifts.extend_from_slice(&other.shifts[rows]);
    }

    /// Adds the stack whose frames `see` puts at the end of a list.
    ///
    /// # Panics
    /// When they are not as many and as large as the camera's.
    pub(super) fn push(&mut self, see: impl FnOnce(&ImageSpec, &mut Vec<Frame>)) {
        see(&self.camera, &mut self.frames);
        self.shifts.push(Shift::default());
        assert!(
            self.is_sound(self.shifts.len()),
            "a row has one stack from each camera"
        );
    }

    /// Puts the only stack of `other` in place of one.
    pub(super) fn set(&mut self, row: usize, other: &Self) {
        let stack = self.camera.stack;
        self.frames[row * stack..(row + 1) * stack].clone_from_slice(other.frames(0..1));
        self.shifts[row] = other.shifts[0];
    }

    /// Of one stack: takes `frame` as the newest, in place of the oldest; the first fills the stack.
    pub(crate) fn see(&mut self, frame: Vec<u8>) {
        let frame = Arc::new(frame);
        if self.frames.is_empty() {
            self.frames = vec![frame; self.camera.stack];
            self.shifts = vec![Shift::default()];
        } else {
            self.frames.remove(0);
            self.frames.push(frame);
        }
    }

    /// Whether it has so many stacks, each of whose last frames is as large as the camera says.
    fn is_sound(&self, rows: usize) -> bool {
        let last = self.frames.len().saturating_sub(self.camera.stack);
        let frame_len = self.camera.frame_len();
        Some(self.frames.len()) == self.camera.stack.checked_mul(rows)
            && self.frames[last..]
                .iter()
                .all(|frame| frame.len() == frame_len)
    }

    /// The same of every stack: for what comes from a file.
    pub(super) fn are_sound(&self, rows: usize) -> bool {
        let frame_len = self.camera.frame_len();
        self.is_sound(rows) && self.frames.iter().all(|frame| frame.len() == frame_len)
    }

    /// Random shift (Yarats et al. 2021): every stack moved by up to 1 of 21 pixels along each side
    /// (MoDem: 4 of 84, 10 of 224), its edge pixels repeated where something is missing, so that
    /// what is learned does not depend on the exact position. The frames of a stack move together,
    /// once they are read: here it is only noted by how much.
    pub fn shift_randomly(&mut self, rng: &mut Rng) {
        self.shift_within(self.camera.size / SHIFTED, rng);
    }

    /// The same with any reach.
    pub(crate) fn shift_within(&mut self, reach: usize, rng: &mut Rng) {
        for shift in &mut self.shifts {
            *shift = Shift::random(reach, rng);
        }
    }

    /// The same with a generator for each stack.
    pub(super) fn shift_each(&mut self, rngs: &mut [Rng]) {
        let reach = self.camera.size / SHIFTED;
        for (shift, rng) in self.shifts.iter_mut().zip(rngs) {
            *shift = Shift::random(reach, rng);
        }
    }
}

/// A frame's planes of `size` x `size`, moved, at the end of `out`.
fn push_shifted(frame: &[u8], size: usize, shift: Shift, out: &mut Vec<u8>) {
    for plane in frame.chunks(size * size) {
        for y in 0..size {
            let source = &plane[shift.row(y, size) * size..][..size];
            out.extend((0..size).map(|x| source[shift.column(x, size)]));
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
        let still = Images::of(camera, &pixels.collect::<Vec<u8>>());
        let before = still.pixels();
        let mut rng = Rng::new(1, "test", 0);
        let mut moved = still.clone();
        moved.shift_within(0, &mut rng);
        assert_eq!(moved, still);
        let mut places = BTreeSet::new();
        for _ in 0..200 {
            let mut moved = still.clone();
            moved.shift_within(1, &mut rng);
            for (moved, still) in moved.pixels().chunks(96).zip(before.chunks(96)) {
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
