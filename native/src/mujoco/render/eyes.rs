//! Eyes for an environment: pictures to learn from.

use super::Renderer;
use crate::film::{Draw, Look, Quality};
use crate::mujoco::suites;
use protege_core::env::{Env, Wrapper};
use protege_core::{Error, Result};
use std::cell::RefCell;

thread_local! {
    /// The renderer of a drawing thread, and what it draws: a task at a size.
    static RENDERER: RefCell<Option<(String, usize, Renderer)>> = const { RefCell::new(None) };
}

/// An environment that can be drawn, from where the papers look: [`NativeSuite::camera`].
///
/// [`NativeSuite::camera`]: crate::mujoco::suite::NativeSuite::camera
pub struct Eyes {
    inner: Box<dyn Env>,
}

impl Eyes {
    /// Opens them. Nothing is drawn before a picture is asked for.
    pub fn new(inner: Box<dyn Env>) -> Self {
        Self { inner }
    }
}

impl Wrapper for Eyes {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    /// Drawn on one of the threads that are kept for work of all kinds: a renderer stays with its
    /// thread, and environments are stepped on threads that come and go.
    fn picture(&mut self, size: usize) -> Result<Vec<u8>> {
        rayon::scope(|_| draw(&mut *self.inner, size))
    }
}

/// The environment as this thread's renderer draws it: three planes.
fn draw(env: &mut dyn Env, size: usize) -> Result<Vec<u8>> {
    let id = env.spec().id.clone();
    let subject = env
        .subject()
        .ok_or_else(|| Error::input(format!("there is nothing to see in {id}")))?;
    RENDERER.with_borrow_mut(|slot| {
        if slot
            .as_ref()
            .is_none_or(|(task, pixels, _)| (task, pixels) != (&id, &size))
        {
            *slot = Some((id.clone(), size, renderer(&id, size)?));
        }
        let Some((_, _, renderer)) = slot else {
            return Err(Error::failed("a renderer was made and is gone"));
        };
        Ok(planes(&renderer.draw(&subject)?))
    })
}

fn renderer(id: &str, size: usize) -> Result<Renderer> {
    let camera = suites::of(id)?.camera(id);
    let look = Look {
        width: size,
        height: size,
        camera: camera.name.map(str::to_owned),
        quality: Quality::Fast,
    };
    Renderer::placed(id, &look, camera.at)
}

/// Pixels of three values as three planes.
fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3)
        .flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied())
        .collect()
}
