//! Observations with pictures: proprioception, and the newest frames of a camera.

use super::catalogue::{picked, proprioception};
use super::{Env, Spec, Step, Wrapper, foreign_state};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The pictures of an observation: square frames of three colors, the newest `stack` of them. Size
/// 0: none.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, crate::settings::Settings,
)]
pub struct View {
    /// Pixels along each side; 0 is none.
    #[setting(range = 0..=512, value = 0)]
    pub size: usize,
    /// Frames of an observation.
    #[setting(range = 0..=16, value = 0)]
    pub stack: usize,
}
impl View {
    /// Whether there are pictures.
    pub fn is_some(self) -> bool {
        self.size > 0
    }

    /// Values of one frame: the rows of red, of green, of blue.
    pub fn frame(self) -> usize {
        3 * self.size * self.size
    }

    /// Values of all frames of an observation, the oldest first.
    pub fn pixels(self) -> usize {
        self.stack * self.frame()
    }

    /// Colors of all frames.
    pub fn channels(self) -> usize {
        3 * self.stack
    }

    /// The numbers of an observation, and the values of its frames, 0 to 255.
    pub fn split(self, row: &[f32]) -> (&[f32], &[f32]) {
        row.split_at(row.len() - self.pixels())
    }

    /// The newest frame of an observation; none without pictures.
    pub fn newest(self, row: &[f32]) -> Option<Vec<u8>> {
        self.is_some()
            .then(|| bytes(&row[row.len() - self.frame()..]))
    }
}

/// Values 0 to 255 as bytes.
pub fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().map(|&value| value as u8).collect()
}

/// An environment with a camera: an observation is the [`proprioception`] (all numbers where none
/// is declared), then the newest frames, values 0 to 255. At an episode's start, the first frame
/// fills the whole stack.
pub struct Pictured {
    inner: Box<dyn Env>,
    spec: Spec,
    view: View,
    felt: Vec<Range<usize>>,
    /// The newest frames.
    stack: Vec<u8>,
    /// The error of a start's picture, which the next step returns.
    blind: Option<Error>,
}

impl Pictured {
    /// # Errors
    /// When the environment cannot be drawn, or not here.
    pub fn new(mut inner: Box<dyn Env>, view: View) -> Result<Self> {
        inner.reset(0);
        inner.picture(view.size)?;
        let Spec { id, obs, .. } = inner.spec().clone();
        let felt: Vec<Range<usize>> = match proprioception(&id) {
            // Numbers appended to the task's own observation are no state of objects: they say
            // which task it is.
            Some(felt) => felt
                .iter()
                .cloned()
                .chain(std::iter::once(super::spec(&id)?.obs..obs))
                .collect(),
            None => std::iter::once(0..obs).collect(),
        };
        // Pictures travel at the end of a row, as numbers from 0 to 255.
        let obs = felt.iter().map(Range::len).sum::<usize>() + view.pixels();
        Ok(Self {
            spec: Spec {
                obs,
                ..inner.spec().clone()
            },
            inner,
            view,
            felt,
            stack: Vec::new(),
            blind: None,
        })
    }

    /// Draws the newest frame in place of the oldest.
    fn look(&mut self) -> Result<()> {
        let frame = self.inner.picture(self.view.size)?;
        if self.stack.is_empty() {
            self.stack = frame.repeat(self.view.stack);
        } else {
            self.stack.drain(..frame.len());
            self.stack.extend_from_slice(&frame);
        }
        Ok(())
    }

    /// The observation: proprioception, then the stack of frames.
    fn row(&self, obs: &[f32]) -> Vec<f32> {
        let mut row = picked(obs, &self.felt);
        row.extend(self.stack.iter().map(|&value| f32::from(value)));
        row
    }
}

impl Wrapper for Pictured {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn reset(&mut self, seed: u64) -> Vec<f32> {
        let obs = self.inner.reset(seed);
        self.stack.clear();
        // A reset returns no error: this one waits for the next step.
        self.blind = self.look().err();
        self.stack.resize(self.view.pixels(), 0);
        self.row(&obs)
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        if let Some(error) = self.blind.take() {
            return Err(error);
        }
        let step = self.inner.step(action)?;
        self.look()?;
        Ok(Step {
            obs: self.row(&step.obs),
            ..step
        })
    }

    fn save(&self) -> Vec<u8> {
        [&self.stack[..], &self.inner.save()].concat()
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let (stack, rest) = state
            .split_at_checked(self.view.pixels())
            .ok_or_else(|| foreign_state(&self.spec.id))?;
        self.inner.restore(rest)?;
        self.stack = stack.to_vec();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Pictured, View};
    use crate::Result;
    use crate::env::{Env, Probe, Step};

    /// A probe whose frames count what was played: all values are the steps since the start.
    struct Counting(Box<dyn Env>, u8);

    impl crate::env::Wrapper for Counting {
        fn inner(&self) -> &dyn Env {
            &*self.0
        }

        fn inner_mut(&mut self) -> &mut dyn Env {
            &mut *self.0
        }

        fn reset(&mut self, seed: u64) -> Vec<f32> {
            self.1 = 0;
            self.0.reset(seed)
        }

        fn step(&mut self, action: &[f32]) -> Result<Step> {
            self.1 += 1;
            self.0.step(action)
        }

        fn picture(&mut self, size: usize) -> Result<Vec<u8>> {
            Ok(vec![self.1; 3 * size * size])
        }

        fn save(&self) -> Vec<u8> {
            [&[self.1][..], &self.0.save()].concat()
        }

        fn restore(&mut self, state: &[u8]) -> Result<()> {
            self.1 = state[0];
            self.0.restore(&state[1..])
        }
    }

    const VIEW: View = View { size: 2, stack: 3 };

    fn pictured() -> Pictured {
        Pictured::new(
            Box::new(Counting(Box::new(Probe::by_id("probe/3").unwrap()), 0)),
            VIEW,
        )
        .unwrap()
    }

    fn frames(row: &[f32]) -> Vec<f32> {
        VIEW.split(row)
            .1
            .chunks(VIEW.frame())
            .map(|frame| frame[0])
            .collect()
    }

    /// A start is seen as still, then the oldest frame goes for the newest; the numbers stay in
    /// front.
    #[test]
    fn the_newest_frames_are_seen() {
        let mut env = pictured();
        assert_eq!(env.spec().obs, 1 + 3 * 12);
        let start = env.reset(1);
        assert_eq!(frames(&start), [0.0, 0.0, 0.0]);
        let step = env.step(&[0.0]).unwrap();
        assert_eq!(
            (VIEW.split(&step.obs).0.len(), frames(&step.obs)),
            (1, vec![0.0, 0.0, 1.0])
        );
        assert_eq!(VIEW.newest(&step.obs).unwrap(), vec![1; 12]);
        assert_eq!(frames(&env.reset(2)), [0.0, 0.0, 0.0]);
    }

    /// A restored environment has the frames that it had seen; a state without them is refused.
    #[test]
    fn frames_survive_saving() {
        let mut env = pictured();
        env.reset(1);
        env.step(&[0.0]).unwrap();
        let mut other = pictured();
        other.restore(&env.save()).unwrap();
        assert_eq!((&other.stack, other.save()), (&env.stack, env.save()));
        assert!(other.restore(&[0; 5]).is_err());
    }

    /// Where nothing can be drawn, one sentence says what can.
    #[test]
    fn a_program_that_cannot_draw_says_so() {
        let error = Pictured::new(crate::env::make("lab/lift").unwrap(), VIEW)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("env.image_size"), "{error}");
    }
}
