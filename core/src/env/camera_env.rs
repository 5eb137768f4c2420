//! Observations with pictures: proprioception, and the newest frames of cameras.

use super::catalogue::select_ranges;
use super::{Env, Spec, Step, Wrapper, foreign_state};
use crate::obs::{ImageSpec, Images, ObsSpec, Observation};
use crate::{Error, Result};
use std::ops::Range;

/// An environment with cameras: an observation's state is the proprioception (all of it where none
/// is declared), beside the newest frames of each camera. At an episode's start, the first frame
/// fills the whole stack.
pub struct CameraEnv {
    inner: Box<dyn Env>,
    spec: Spec,
    proprio: Vec<Range<usize>>,
    /// The newest frames of each camera.
    stacks: Vec<Images>,
    /// The error of a start's picture, which the next step returns.
    blind: Option<Error>,
}

impl CameraEnv {
    /// `proprio` are the places of the inner observation that stay beside the frames.
    ///
    /// # Errors
    /// When the environment cannot be drawn, or not here.
    pub fn new(
        mut inner: Box<dyn Env>,
        proprio: Vec<Range<usize>>,
        cameras: &[ImageSpec],
    ) -> Result<Self> {
        inner.reset(0);
        for camera in cameras {
            inner.picture(&camera.name, camera.size)?;
        }
        let spec = inner.spec().clone();
        let obs = ObsSpec {
            state: proprio.iter().map(Range::len).sum(),
            cameras: cameras.to_vec(),
            ..spec.obs
        };
        Ok(Self {
            spec: Spec { obs, ..spec },
            inner,
            proprio,
            stacks: cameras.iter().cloned().map(Images::new).collect(),
            blind: None,
        })
    }

    /// Draws the newest frame in place of the oldest.
    fn look(&mut self) -> Result<()> {
        for stack in &mut self.stacks {
            let ImageSpec { name, size, .. } = &stack.camera;
            stack.see(self.inner.picture(name, *size)?);
        }
        Ok(())
    }

    fn see(&self, obs: Observation) -> Observation {
        Observation {
            state: select_ranges(&obs.state, &self.proprio),
            images: self.stacks.clone(),
            ..obs
        }
    }
}

impl Wrapper for CameraEnv {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn set_horizon(&mut self, steps: usize) {
        self.inner.set_horizon(steps);
        self.spec.horizon = self.inner.spec().horizon;
    }

    fn reset(&mut self, seed: u64) -> Observation {
        let obs = self.inner.reset(seed);
        for stack in &mut self.stacks {
            *stack = Images::new(stack.camera.clone());
        }
        // A reset returns no error: this one waits for the next step.
        self.blind = self.look().err();
        for stack in self.stacks.iter_mut().filter(|stack| stack.is_empty()) {
            stack.see(vec![0; stack.camera.frame_len()]);
        }
        self.see(obs)
    }

    fn step(&mut self, action: &[f32]) -> Result<Step> {
        if let Some(error) = self.blind.take() {
            return Err(error);
        }
        let step = self.inner.step(action)?;
        self.look()?;
        Ok(Step {
            obs: self.see(step.obs),
            ..step
        })
    }

    fn save(&self) -> Vec<u8> {
        let stacks: Vec<Vec<u8>> = self.stacks.iter().map(Images::pixels).collect();
        [stacks.concat(), self.inner.save()].concat()
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let len = self
            .stacks
            .iter()
            .map(|stack| stack.camera.stack_len())
            .sum();
        let (mut stacks, rest) = state
            .split_at_checked(len)
            .ok_or_else(|| foreign_state(&self.spec.id))?;
        self.inner.restore(rest)?;
        for stack in &mut self.stacks {
            let (own, others) = stacks.split_at(stack.camera.stack_len());
            *stack = Images::of(stack.camera.clone(), own);
            stacks = others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::CameraEnv;
    use crate::Result;
    use crate::env::{Env, Probe, Step};
    use crate::obs::{DEFAULT_CAMERA, ImageSpec, Images, Observation};

    /// A probe whose frames count what was played: all values are the steps since the start; those
    /// of any other camera than the usual one are 100 more.
    struct Counting(Box<dyn Env>, u8);

    impl crate::env::Wrapper for Counting {
        fn inner(&self) -> &dyn Env {
            &*self.0
        }

        fn inner_mut(&mut self) -> &mut dyn Env {
            &mut *self.0
        }

        fn reset(&mut self, seed: u64) -> Observation {
            self.1 = 0;
            self.0.reset(seed)
        }

        fn step(&mut self, action: &[f32]) -> Result<Step> {
            self.1 += 1;
            self.0.step(action)
        }

        fn picture(&mut self, camera: &str, size: usize) -> Result<Vec<u8>> {
            let others = if camera == DEFAULT_CAMERA { 0 } else { 100 };
            Ok(vec![self.1 + others; 3 * size * size])
        }

        fn save(&self) -> Vec<u8> {
            [&[self.1][..], &self.0.save()].concat()
        }

        fn restore(&mut self, state: &[u8]) -> Result<()> {
            self.1 = state[0];
            self.0.restore(&state[1..])
        }
    }

    fn cameras() -> [ImageSpec; 2] {
        [(DEFAULT_CAMERA, 2, 3), ("wrist", 1, 1)].map(|(name, size, stack)| ImageSpec {
            name: name.into(),
            size,
            stack,
        })
    }

    fn camera_env() -> CameraEnv {
        let counting = Counting(Box::new(Probe::by_id("probe/3").unwrap()), 0);
        let state = std::iter::once(0..1).collect();
        CameraEnv::new(Box::new(counting), state, &cameras()).unwrap()
    }

    /// The first value of each frame of the usual camera, then of the other's.
    fn frames(obs: &Observation) -> Vec<u8> {
        let frames = |images: &Images| -> Vec<u8> {
            let frames = images.frames(0..images.len()).iter();
            frames.map(|frame| frame[0]).collect()
        };
        obs.images.iter().flat_map(frames).collect()
    }

    /// A start is seen as still, then the oldest frame goes for the newest, by every camera; the
    /// state stays beside them.
    #[test]
    fn the_newest_frames_are_seen() {
        let mut env = camera_env();
        let spec = env.spec().obs.clone();
        assert_eq!((spec.state, &spec.cameras[..]), (1, &cameras()[..]));
        let start = env.reset(1);
        assert_eq!((start.spec(), frames(&start)), (spec, vec![0, 0, 0, 100]));
        let step = env.step(&[0.0]).unwrap();
        assert_eq!(
            (step.obs.state.len(), frames(&step.obs)),
            (1, vec![0, 0, 1, 101])
        );
        assert_eq!(step.obs.images[0].newest(), [1; 12]);
        assert_eq!(frames(&env.reset(2)), [0, 0, 0, 100]);
    }

    /// A restored environment has the frames that it had seen; a state without them is refused.
    #[test]
    fn frames_survive_saving() {
        let mut env = camera_env();
        env.reset(1);
        env.step(&[0.0]).unwrap();
        let mut other = camera_env();
        other.restore(&env.save()).unwrap();
        assert_eq!((&other.stacks, other.save()), (&env.stacks, env.save()));
        assert!(other.restore(&[0; 5]).is_err());
    }

    /// Where nothing can be drawn, one sentence says what can.
    #[test]
    fn a_program_that_cannot_draw_says_so() {
        let env = crate::env::make("lab/lift").unwrap();
        let error = CameraEnv::new(env, Vec::new(), &cameras()).err().unwrap();
        let error = error.to_string();
        assert!(error.contains("env.image_size"), "{error}");
    }
}
