//! Observations that are images.

use super::Renderer;
use crate::film::{Draw, Look, Quality};
use protege_core::env::{Env, catalogue};
use protege_core::{Error, Result};
use rayon::ThreadPool;
use rayon::prelude::*;
use std::cell::RefCell;
use std::ops::Range;

thread_local! {
    /// The renderer of a thread of an [`Images`]' pool, which draws for nobody else.
    static RENDERER: RefCell<Option<Renderer>> = const { RefCell::new(None) };
}

/// What an observation of images is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Pixels along each side; 84 and 224 are usual.
    pub size: usize,
    /// How many of the newest frames an observation holds.
    pub stack: usize,
    /// The camera's name in the scene; none: the one that the task is usually looked at from.
    pub camera: Option<String>,
}

impl ImageSpec {
    /// Channels, rows and columns of an observation.
    pub fn shape(&self) -> [usize; 3] {
        [3 * self.stack, self.size, self.size]
    }

    fn look(&self) -> Look {
        Look { width: self.size, height: self.size, camera: self.camera.clone(), quality: Quality::Fast }
    }
}

/// The newest frames of several environments of one task, drawn on threads of their own.
pub struct Images {
    task: String,
    spec: ImageSpec,
    /// What an image does not replace of an observation.
    felt: &'static [Range<usize>],
    pool: ThreadPool,
    /// One observation for each environment; empty before its first frame.
    stacks: Vec<Vec<u8>>,
}

impl Images {
    /// Images of `count` environments of the task. No pixel depends on the number of threads.
    ///
    /// # Errors
    /// When the task is not drawn, the size or the stack is out of range, or there are no threads to be had.
    pub fn new(task: &str, spec: ImageSpec, count: usize, threads: usize) -> Result<Self> {
        protege_core::error::within("the size of images", spec.size, 8, 1024)?;
        protege_core::error::within("the stack of images", spec.stack, 1, 16)?;
        let felt = catalogue::proprioception(task).ok_or_else(|| nothing_to_see(task))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        let pool = pool.map_err(|e| Error::failed(format!("there are no threads to draw on: {e}")))?;
        Ok(Self { task: task.to_owned(), spec, felt, pool, stacks: vec![Vec::new(); count] })
    }

    /// What stays of an observation beside its image, as MoDem has it: what the robot feels of itself
    /// ([`catalogue::proprioception`]).
    ///
    /// # Panics
    /// When the observation is another task's.
    pub fn proprioception(&self, observation: &[f32]) -> Vec<f32> {
        catalogue::picked(observation, self.felt)
    }

    /// Forgets the frames of environment `i`, which was reset: its next frame is its first.
    pub fn restart(&mut self, i: usize) {
        self.stacks[i].clear();
    }

    /// Draws every environment once. An observation has [`ImageSpec::shape`]: the oldest frame first, each with its red, its
    /// green and its blue rows, values 0 to 255. A first frame fills the whole stack.
    ///
    /// # Errors
    /// When EGL is missing, or an environment has nothing to see.
    pub fn observe(&mut self, envs: &mut [Box<dyn Env>]) -> Result<&[Vec<u8>]> {
        if envs.len() != self.stacks.len() {
            return Err(Error::input(format!("images of {} environments were asked of {}", self.stacks.len(), envs.len())));
        }
        let (task, spec, stacks) = (&self.task, &self.spec, &mut self.stacks);
        let look = spec.look();
        let draw = |(env, stack): (&mut Box<dyn Env>, &mut Vec<u8>)| push(stack, &planes(&frame(task, &look, &**env)?), spec.stack);
        self.pool.install(|| envs.par_iter_mut().zip(stacks).try_for_each(draw))?;
        Ok(&self.stacks)
    }
}

/// One frame of an environment, by this thread's renderer.
fn frame(task: &str, look: &Look, env: &dyn Env) -> Result<Vec<u8>> {
    let subject = env.subject().ok_or_else(|| nothing_to_see(task))?;
    RENDERER.with_borrow_mut(|slot| {
        let renderer = match slot {
            Some(renderer) => renderer,
            None => slot.insert(Renderer::new(task, look)?),
        };
        renderer.draw(&subject)
    })
}

fn nothing_to_see(task: &str) -> Error {
    Error::input(format!("there is nothing to see in {task}"))
}

/// Pixels of three values as three planes.
fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3).flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied()).collect()
}

/// Puts the frame behind those that there are, of which the oldest goes.
fn push(stack: &mut Vec<u8>, frame: &[u8], length: usize) -> Result<()> {
    if stack.is_empty() {
        *stack = frame.repeat(length);
    } else {
        stack.drain(..frame.len());
        stack.extend_from_slice(frame);
    }
    Ok(())
}
