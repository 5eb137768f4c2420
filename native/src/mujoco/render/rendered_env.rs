//! A rendered environment: pictures to learn from.

use super::Renderer;
use crate::mujoco::suites;
use crate::video::{Draw, Quality, RenderOptions};
use protege_core::env::{Env, Wrapper};
use protege_core::obs::DEFAULT_CAMERA;
use protege_core::{Error, Result};
use std::cell::RefCell;

/// The renderers of a drawing thread for the task that it drew last, by camera and size.
#[derive(Default)]
struct Renderers {
    task: String,
    cameras: Vec<(String, usize, Renderer)>,
}

thread_local! {
    static RENDERERS: RefCell<Renderers> = RefCell::default();
}

/// An environment that can be drawn, from its scene's cameras and from where the papers look:
/// `NativeSuite::camera`.
pub struct RenderedEnv {
    inner: Box<dyn Env>,
}

impl RenderedEnv {
    /// Nothing is drawn before a picture is asked for.
    pub fn new(inner: Box<dyn Env>) -> Self {
        Self { inner }
    }
}

impl Wrapper for RenderedEnv {
    fn inner(&self) -> &dyn Env {
        &*self.inner
    }

    fn inner_mut(&mut self) -> &mut dyn Env {
        &mut *self.inner
    }

    /// Drawn on one of the threads that are kept for work of all kinds: a renderer stays with its
    /// thread, and environments are stepped on threads that come and go.
    fn picture(&mut self, camera: &str, size: usize) -> Result<Vec<u8>> {
        rayon::scope(|_| draw(&mut *self.inner, camera, size))
    }
}

/// The environment as this thread's renderer draws it: three planes.
fn draw(env: &mut dyn Env, camera: &str, size: usize) -> Result<Vec<u8>> {
    let id = &env.spec().id;
    let subject = env
        .subject()
        .ok_or_else(|| Error::input(format!("there is nothing to see in {id}")))?;
    RENDERERS.with_borrow_mut(|renderers| {
        if renderers.task != *id {
            renderers.task.clone_from(id);
            renderers.cameras.clear();
        }
        let mut known = renderers.cameras.iter();
        let place = known.position(|(name, pixels, _)| (&name[..], *pixels) == (camera, size));
        let place = place.unwrap_or(renderers.cameras.len());
        if place == renderers.cameras.len() {
            let new = renderer(id, camera, size)?;
            renderers.cameras.push((camera.to_owned(), size, new));
        }
        Ok(planes(&renderers.cameras[place].2.draw(&subject)?))
    })
}

fn renderer(id: &str, camera: &str, size: usize) -> Result<Renderer> {
    let (name, at) = match camera {
        DEFAULT_CAMERA => {
            let suites_own = suites::of(id)?.camera(id);
            (suites_own.name.map(str::to_owned), suites_own.at)
        }
        named => (Some(named.to_owned()), None),
    };
    let render_options = RenderOptions {
        width: size,
        height: size,
        camera: name,
        quality: Quality::Fast,
    };
    Renderer::placed(id, &render_options, at)
}

/// Pixels of three values as three planes.
fn planes(pixels: &[u8]) -> Vec<u8> {
    (0..3)
        .flat_map(|channel| pixels.iter().skip(channel).step_by(3).copied())
        .collect()
}
