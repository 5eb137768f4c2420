//! Episodes as moving pictures: played, drawn, and written as GIF, PNG frames or, where ffmpeg is at hand, MP4.

mod formats;
mod gif;
mod palette;

pub use formats::{Format, png, write};
pub use gif::gif;

use burn::tensor::Device;
use pollster::block_on;
use protege_core::env::{Env, Subject};
use protege_core::rng::Rng;
use protege_core::run::Acting;
use protege_core::{Error, Result};
use std::collections::VecDeque;

/// What brings EGL, with a device in software, to Debian.
pub const REMEDY: &str = "apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri";

/// How much trouble is taken over a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// For people: sharp shadows, mirrors and smooth edges.
    Fine,
    /// For people, in little time: soft shadows and smooth edges.
    Light,
    /// For learning: nothing that costs time.
    Fast,
}

/// What pictures are to be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// A camera of the scene; none: the one that the task is usually looked at from.
    pub camera: Option<String>,
    /// How good they are.
    pub quality: Quality,
}

/// Something that draws the scene of a task.
pub trait Draw {
    /// One picture: rows from the top, three bytes (red, green, blue) a pixel.
    ///
    /// # Errors
    /// When the subject is another scene's, or drawing fails.
    fn draw(&mut self, subject: &Subject<'_>) -> Result<Vec<u8>>;

    /// Seconds that one control step of the task takes.
    fn control_s(&self) -> f64;
}

/// A film of one episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Frames a second.
    pub rate: f64,
    /// Frames, each as [`Draw::draw`] gives it.
    pub frames: Vec<Vec<u8>>,
}

impl Film {
    /// Lets the last frame stay for so many seconds more.
    pub fn rest(&mut self, seconds: f64) {
        if let Some(last) = self.frames.last().cloned() {
            self.frames.extend(std::iter::repeat_n(last, (seconds * self.rate).round() as usize));
        }
    }
}

/// How an episode went.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Played {
    /// The seed that picked its start.
    pub seed: u64,
    /// Whether it ended in success.
    pub success: bool,
    /// Control steps.
    pub steps: usize,
}

/// Who plays.
pub enum Player<'a> {
    /// The task's scripted expert.
    Expert,
    /// A policy, on a device.
    Policy(&'a Acting, Device),
}

/// How an episode becomes a film.
pub struct Camera<'a> {
    /// Draws the frames.
    pub draw: Box<dyn Draw>,
    /// What they are like.
    pub look: &'a Look,
    /// Frames a second, about.
    pub rate: f64,
    /// 1 is as fast as it happens.
    pub speed: f64,
}

/// Plays the episode that `seed` picks, as an evaluation would, and films it.
///
/// # Errors
/// When there is no expert or nothing to see, or something fails to step or to be drawn.
pub fn record(env: &mut dyn Env, player: &Player<'_>, seed: u64, camera: &mut Camera<'_>, action_repeat: usize) -> Result<(Film, Played)> {
    let control_s = camera.draw.control_s() * action_repeat as f64;
    // As many steps for a frame as come nearest to the wanted rate.
    let stride = (camera.speed / (control_s * camera.rate)).round().max(1.0);
    let rate = camera.speed / (control_s * stride);
    let mut film = Film { width: camera.look.width, height: camera.look.height, rate, frames: Vec::new() };
    let (mut obs, mut noise, mut plan) = (env.reset(seed), Rng::new(seed, "policy-noise", 0), VecDeque::new());
    let mut memory = vec![Vec::new()];
    film.frames.push(shot(env, camera)?);
    for taken in 1.. {
        if plan.is_empty() {
            plan = decide(env, player, &obs, &mut memory, &mut noise)?.into();
        }
        let action: Vec<f32> = plan.drain(..env.spec().act.min(plan.len())).collect();
        let step = env.step(&action)?;
        if step.done() || taken % stride as usize == 0 {
            film.frames.push(shot(env, camera)?);
        }
        if step.done() {
            return Ok((film, Played { seed, success: step.success, steps: taken }));
        }
        obs = step.obs;
    }
    Err(Error::failed("an episode had no end"))
}

/// The actions that are played next, one after the other.
fn decide(env: &mut dyn Env, player: &Player<'_>, obs: &[f32], memory: &mut [Vec<f32>], noise: &mut Rng) -> Result<Vec<f32>> {
    match player {
        Player::Expert => env.expert().ok_or_else(|| Error::input(format!("{} has no scripted expert", env.spec().id))),
        Player::Policy(acting, device) => block_on(acting.act(obs, memory, noise.normals(acting.noise_len()), device)),
    }
}

fn shot(env: &dyn Env, camera: &mut Camera<'_>) -> Result<Vec<u8>> {
    let subject = env.subject().ok_or_else(|| Error::input(format!("there is nothing to see in {}", env.spec().id)))?;
    camera.draw.draw(&subject)
}
