//! Pictures of a scene without a display: MuJoCo draws into memory, on the first device that EGL
//! offers. Mesa's software device is one, so that no GPU is needed.

mod cull;
mod detail;
mod rendered_env;
mod scenery;
mod stage;

pub use rendered_env::RenderedEnv;

use super::Plant;
use crate::video::{Draw, Quality, REMEDY, RenderOptions};
use cull::Cull;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use mujoco_rs::prelude::{MjModel, MjvCamera};
use mujoco_rs::renderer::{MjRenderer, RendererError};
use protege_core::env::Subject;
use protege_core::error::excerpt;
use protege_core::{Error, Result};
pub use scenery::Solids;
pub use stage::Stage;

/// Draws the scene of one task. It belongs to the thread that made it: each thread makes its own.
pub struct Renderer {
    stage: Stage,
    drawer: MjRenderer,
    /// The camera hangs upside down, as some upstream ones do.
    turned: bool,
    /// What is left out of quick pictures, which have neither shadows nor mirrors.
    cull: Option<Cull>,
}

impl Renderer {
    /// A renderer for the task `id`.
    ///
    /// # Errors
    /// When EGL is missing, the scene cannot be had, or it has no such camera.
    pub fn new(id: &str, render_options: &RenderOptions) -> Result<Self> {
        Self::placed(id, render_options, None)
    }

    /// The same with the camera moved to `at`, in meters.
    pub fn placed(id: &str, render_options: &RenderOptions, at: Option<[f64; 3]>) -> Result<Self> {
        let is_quick = render_options.quality == Quality::Fast;
        Self::detailed(id, render_options, at, !is_quick)
    }

    /// The same with every triangle of every mesh, or with those that can be told apart.
    fn detailed(
        id: &str,
        render_options: &RenderOptions,
        at: Option<[f64; 3]>,
        all_triangles: bool,
    ) -> Result<Self> {
        let mut stage = Stage::of(id, |model| {
            configure(model, render_options);
            if !all_triangles {
                detail::shape(model, render_options.height);
            }
            let camera = render_options
                .camera
                .as_deref()
                .and_then(|name| camera_called(model, name));
            if let Some((camera, at)) = camera.zip(at) {
                model.cam_pos_mut()[camera] = at;
            }
            if let Some(camera) = camera.filter(|_| !all_triangles) {
                detail::reduce(model, camera, render_options.height);
            }
        })?;
        let Stage { plant, view, .. } = &mut stage;
        plant.data.forward();
        let camera = render_options
            .camera
            .as_deref()
            .map(|name| camera(plant.model(), name, id))
            .transpose()?;
        let turned = camera.is_some_and(|at| hangs_upside_down(plant, at));
        let is_quick = render_options.quality == Quality::Fast;
        let aspect = render_options.width as f64 / render_options.height as f64;
        let cull = camera
            .filter(|_| is_quick)
            .and_then(|camera| Cull::new(plant.model(), camera, aspect));
        let camera = camera.map_or_else(|| view.camera(plant.model()), MjvCamera::new_fixed);
        let builder = MjRenderer::builder()
            .width(render_options.width as u32)
            .height(render_options.height as u32)
            .camera(camera);
        let drawer = builder.build(plant.model()).map_err(|e| unavailable(&e))?;
        Ok(Self {
            stage,
            drawer,
            turned,
            cull,
        })
    }
}

impl Draw for Renderer {
    fn draw(&mut self, subject: &Subject<'_>) -> Result<Vec<u8>> {
        self.stage.pose(subject)?;
        let plant = &mut self.stage.plant;
        if let Some(cull) = &self.cull {
            cull.hide(plant);
        }
        let seen = self.drawer.sync_data(&mut plant.data);
        if let Some(cull) = &self.cull {
            cull.show_again(plant);
        }
        let drawn = seen.and_then(|()| self.drawer.render());
        drawn.map_err(|e| Error::failed(format!("a picture could not be drawn: {e}")))?;
        let mut pixels = self.drawer.rgb_flat().unwrap_or_default().to_vec();
        if self.turned {
            pixels.as_chunks_mut::<3>().0.reverse();
        }
        Ok(pixels)
    }

    fn control_s(&self) -> f64 {
        self.stage.control_s
    }
}

/// Sets the model's size of pictures, and what makes them good or quick.
fn configure(model: &mut MjModel, render_options: &RenderOptions) {
    let vis = model.vis_mut();
    vis.global.offwidth = render_options.width as i32;
    vis.global.offheight = render_options.height as i32;
    (vis.quality.shadowsize, vis.quality.offsamples) = match render_options.quality {
        Quality::Fine => (2048, 4),
        Quality::Light => (1024, 4),
        Quality::Fast => (0, 0),
    };
    if render_options.quality != Quality::Fine {
        // A mirror is the whole scene drawn once more.
        model.mat_reflectance_mut().fill(0.0);
    }
}

/// The number of the camera called `name`.
fn camera(model: &MjModel, name: &str, id: &str) -> Result<usize> {
    let names = || {
        let all: Vec<&str> = (0..model.cam_bodyid().len())
            .filter_map(|i| model.id_to_name(Kind::mjOBJ_CAMERA, i))
            .collect();
        if all.is_empty() {
            "it has none with a name: leave --camera out".to_owned()
        } else {
            format!("it has {}", all.join(", "))
        }
    };
    camera_called(model, name).ok_or_else(|| {
        Error::input(format!(
            "the scene of {id} has no camera `{}`: {}",
            excerpt(name),
            names()
        ))
    })
}

/// The number of the camera called `name`, if there is one. The library panics over names that end
/// before their end.
fn camera_called(model: &MjModel, name: &str) -> Option<usize> {
    let is_name = !name.contains('\0');
    is_name.then(|| model.name_to_id(Kind::mjOBJ_CAMERA, name))?
}

/// Whether a camera that stands in the world has its upper side below.
fn hangs_upside_down(plant: &Plant, camera: usize) -> bool {
    let up = plant.data.cam_xmat()[camera][7];
    plant.model().cam_bodyid()[camera] == 0 && up < -0.1
}

/// Why nothing can be drawn here.
fn unavailable(error: &RendererError) -> Error {
    match error {
        RendererError::GlutinError(why) => Error::input(format!(
            "pictures need EGL, which does not work here ({why}): {REMEDY}"
        )),
        other => Error::failed(format!("a picture could not be prepared: {other}")),
    }
}

#[cfg(test)]
mod tests;
