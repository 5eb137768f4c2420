//! Many observations, field by field.

use super::{Frame, ImageSpec, Images, ObsSpec, Observation, TaskLabel};
use crate::rng::Rng;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// N observations of one spec, one row each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ObsBatch {
    rows: usize,
    /// Numbers of a state.
    width: usize,
    /// How many tasks are told apart.
    of: usize,
    state: Vec<f32>,
    /// One for each row, where tasks are told apart.
    tasks: Vec<usize>,
    images: Vec<Images>,
}

impl ObsBatch {
    /// No rows yet.
    pub fn new(spec: &ObsSpec) -> Self {
        Self {
            width: spec.state,
            of: spec.tasks,
            images: spec.cameras.iter().cloned().map(Images::new).collect(),
            ..Self::default()
        }
    }

    /// Observations of one spec, which is the first one's.
    pub fn of<'a>(observations: impl IntoIterator<Item = &'a Observation>) -> Self {
        let mut observations = observations.into_iter().peekable();
        let first = observations.peek();
        let mut batch = first.map_or_else(Self::default, |first| Self::new(&first.spec()));
        observations.for_each(|obs| batch.push(obs));
        batch
    }

    /// States alone: `values` is N x `width`, row-major.
    pub fn of_states(values: Vec<f32>, width: usize) -> Self {
        Self {
            rows: values.len() / width,
            width,
            state: values,
            ..Self::default()
        }
    }

    /// Rows, N.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What every row is made of.
    pub fn spec(&self) -> ObsSpec {
        ObsSpec {
            state: self.width,
            tasks: self.of,
            cameras: self
                .images
                .iter()
                .map(|images| images.camera.clone())
                .collect(),
        }
    }

    /// Adds an observation, which may have cameras beside those of the batch.
    ///
    /// # Panics
    /// When it lacks one.
    pub fn push(&mut self, obs: &Observation) {
        self.push_fields(&obs.state, obs.task, |camera, out| {
            let stack = obs.images.iter().find(|stack| stack.camera == *camera);
            let stack = stack.expect("a camera of the spec was seen");
            out.extend_from_slice(stack.frames(0..1));
        });
    }

    /// Adds a row from its fields: `see` puts the frames of a camera's stack at the end of the
    /// list that it is given.
    ///
    /// # Panics
    /// When the fields are not those of the batch.
    pub fn push_fields(
        &mut self,
        state: &[f32],
        task: Option<TaskLabel>,
        mut see: impl FnMut(&ImageSpec, &mut Vec<Frame>),
    ) {
        assert_eq!(
            (state.len(), task.map_or(0, |task| task.of)),
            (self.width, self.of),
            "the rows of a batch have the same fields"
        );
        self.rows += 1;
        self.state.extend_from_slice(state);
        self.tasks.extend(task.map(|task| task.index));
        for images in &mut self.images {
            images.push(&mut see);
        }
    }

    /// Puts an observation into row `i`.
    ///
    /// # Panics
    /// When there is no such row, or its fields are others.
    pub fn set(&mut self, i: usize, obs: &Observation) {
        self.state[i * self.width..(i + 1) * self.width].copy_from_slice(&obs.state);
        if let (Some(own), Some(task)) = (self.tasks.get_mut(i), obs.task) {
            *own = task.index;
        }
        for (own, new) in self.images.iter_mut().zip(&obs.images) {
            own.set(i, new);
        }
    }

    /// The observation in row `i`.
    pub(crate) fn row(&self, i: usize) -> Observation {
        let task = self
            .tasks
            .get(i)
            .map(|&index| TaskLabel { index, of: self.of });
        Observation {
            state: self.state(i).to_vec(),
            task,
            images: self
                .images
                .iter()
                .map(|images| images.select(&[i]))
                .collect(),
        }
    }

    /// The same without pictures, and in front of each state its row of `values`, N x `width`.
    pub(crate) fn with_in_front(&self, values: &[f32], width: usize) -> Self {
        let rows = values.chunks(width).enumerate();
        let state = rows.flat_map(|(i, row)| row.iter().chain(self.state(i)).copied());
        Self {
            width: width + self.width,
            state: state.collect(),
            tasks: self.tasks.clone(),
            images: Vec::new(),
            ..*self
        }
    }

    /// The state in row `i`.
    pub fn state(&self, i: usize) -> &[f32] {
        &self.state[i * self.width..(i + 1) * self.width]
    }

    /// What the cameras saw, N stacks each.
    pub fn images(&self) -> &[Images] {
        &self.images
    }

    /// The same, without the other fields.
    pub(crate) fn into_images(self) -> Vec<Images> {
        self.images
    }

    /// What these cameras saw.
    ///
    /// # Panics
    /// When one of them is not the batch's.
    pub(crate) fn seen_by(&self, cameras: &[ImageSpec]) -> impl Iterator<Item = &Images> {
        cameras.iter().map(|camera| {
            let own = self.images.iter().find(|images| images.camera == *camera);
            own.expect("whoever reads a camera is given what it sees")
        })
    }

    /// Moves the pictures of each row at random, by the draws of a generator of its own: see
    /// [`Images::shift_randomly`].
    pub(crate) fn shift_each(&mut self, rng: impl Fn(usize) -> Rng) {
        let mut rngs: Vec<Rng> = (0..self.rows).map(rng).collect();
        for images in &mut self.images {
            images.shift_each(&mut rngs);
        }
    }

    /// The rows at these places, in this order.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut state = Vec::with_capacity(indices.len() * self.width);
        for &i in indices {
            state.extend_from_slice(self.state(i));
        }
        let tasks = indices.iter().filter_map(|&i| self.tasks.get(i));
        let images = self.images.iter().map(|images| images.select(indices));
        Self {
            rows: indices.len(),
            state,
            tasks: tasks.copied().collect(),
            images: images.collect(),
            ..*self
        }
    }

    /// Every row `count` times, one after the other.
    #[must_use]
    pub fn repeat(&self, count: usize) -> Self {
        let indices = (0..self.rows).flat_map(|i| std::iter::repeat_n(i, count));
        self.select(&indices.collect::<Vec<_>>())
    }

    /// Some rows in a sequence.
    #[must_use]
    pub fn slice(&self, rows: Range<usize>) -> Self {
        let mut slice = Self::new(&self.spec());
        slice.append(self, rows);
        slice
    }

    /// Adds some rows of another batch of the same spec.
    pub fn append(&mut self, other: &Self, rows: Range<usize>) {
        self.rows += rows.len();
        let states = rows.start * self.width..rows.end * self.width;
        self.state.extend_from_slice(&other.state[states]);
        if self.of > 0 {
            self.tasks.extend_from_slice(&other.tasks[rows.clone()]);
        }
        for (own, other) in self.images.iter_mut().zip(&other.images) {
            own.append(other, rows.clone());
        }
    }

    /// How many numbers a network reads of each row.
    pub(crate) fn numbers_width(&self) -> usize {
        self.width + self.of
    }

    /// The numbers that a network reads: N x (state + tasks), the state, then the task as a one-hot
    /// vector.
    pub fn numbers(&self) -> Vec<f32> {
        if self.of == 0 {
            return self.state.clone();
        }
        let one_hot = |task: usize| (0..self.of).map(move |i| f32::from(u8::from(i == task)));
        let rows = self.tasks.iter().enumerate();
        rows.flat_map(|(i, &task)| self.state(i).iter().copied().chain(one_hot(task)))
            .collect()
    }

    /// Every picture moved a little: see [`Images::shift_randomly`].
    pub fn shift_randomly(&mut self, rng: &mut crate::rng::Rng) {
        self.images
            .iter_mut()
            .for_each(|images| images.shift_randomly(rng));
    }

    /// Whether its fields have as many rows as it says, and it is of this spec: for what comes from
    /// a file.
    pub(crate) fn is_sound(&self, spec: &ObsSpec) -> bool {
        let fields = Some(self.state.len()) == self.rows.checked_mul(self.width)
            && self.tasks.len() == if self.of > 0 { self.rows } else { 0 }
            && self.tasks.iter().all(|&task| task < self.of);
        let seen = |images: &Images| images.are_sound(self.rows);
        self.spec() == *spec && fields && self.images.iter().all(seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row `i` of a state of two numbers, one of three tasks, and two cameras.
    fn row(i: u8) -> Observation {
        let stack = |name: &str, size: usize, stack: usize| {
            let camera = ImageSpec {
                name: name.into(),
                size,
                stack,
            };
            let pixels = vec![i; camera.stack_len()];
            Images::of(camera, &pixels)
        };
        Observation {
            state: vec![f32::from(i), -f32::from(i)],
            task: Some(TaskLabel {
                index: usize::from(i) % 3,
                of: 3,
            }),
            images: vec![stack("front", 2, 1), stack("wrist", 1, 2)],
        }
    }

    fn batch(rows: &[u8]) -> ObsBatch {
        let rows: Vec<Observation> = rows.iter().map(|&i| row(i)).collect();
        ObsBatch::of(&rows)
    }

    /// Rows are picked, repeated, cut out, put together and replaced with all of their fields.
    #[test]
    fn the_fields_of_a_row_stay_together() {
        let all = batch(&[0, 1, 2, 3, 4]);
        assert_eq!(all.spec(), row(0).spec());
        assert!(all.is_sound(&row(0).spec()));
        assert_eq!(all.select(&[3, 1, 3]), batch(&[3, 1, 3]));
        assert_eq!(all.slice(1..3).repeat(2), batch(&[1, 1, 2, 2]));
        let mut joined = batch(&[7]);
        joined.append(&all, 3..5);
        joined.set(0, &row(4));
        assert_eq!(joined, batch(&[4, 3, 4]));
    }

    /// A network reads the state, then which task it is.
    #[test]
    fn numbers_are_the_state_and_a_one_hot_task() {
        let numbers = batch(&[4, 2]).numbers();
        assert_eq!(
            numbers,
            [4.0, -4.0, 0.0, 1.0, 0.0, 2.0, -2.0, 0.0, 0.0, 1.0]
        );
        let state = ObsBatch::of_states(vec![1.0, 2.0], 1);
        assert_eq!((state.len(), state.numbers()), (2, vec![1.0, 2.0]));
    }

    /// A batch of fewer cameras picks its own.
    #[test]
    fn a_batch_takes_the_cameras_that_it_knows() {
        let mut spec = row(0).spec();
        spec.cameras.remove(0);
        let mut batch = ObsBatch::new(&spec);
        batch.push(&row(5));
        assert_eq!(batch.images().len(), 1);
        let mut seen = batch.seen_by(&spec.cameras);
        assert_eq!(seen.next().unwrap().newest(), [5; 3]);
    }
}
