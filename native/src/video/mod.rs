//! Episodes as moving pictures: played, drawn, and shown in a window, or written as GIF, PNG frames
//! or, where ffmpeg is at hand, MP4.

mod formats;
mod gif;
mod palette;
mod window;

pub use formats::{Format, png, write};
pub use gif::gif;
pub use window::{Window, WindowObserver};

use crate::episode::{EpisodeObserver, Moment};
use protege_core::env::{Env, Subject};
use protege_core::{Error, Result};

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
pub struct RenderOptions {
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

/// A video of one episode.
#[derive(Debug, Clone, PartialEq)]
pub struct Video {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Frames a second.
    pub rate: f64,
    /// Frames, each as [`Draw::draw`] gives it.
    pub frames: Vec<Vec<u8>>,
}

impl Video {
    /// Lets the last frame stay for so many seconds more.
    pub fn rest(&mut self, seconds: f64) {
        if let Some(last) = self.frames.last().cloned() {
            self.frames.extend(std::iter::repeat_n(
                last,
                (seconds * self.rate).round() as usize,
            ));
        }
    }
}

/// How an episode becomes a video.
pub struct Camera<'a> {
    /// Draws the frames.
    pub draw: Box<dyn Draw>,
    /// What they are like.
    pub render_options: &'a RenderOptions,
    /// Frames a second, about.
    pub rate: f64,
    /// 1 is as fast as it happens.
    pub speed: f64,
}

impl Camera<'_> {
    /// A video of no frames yet, of an episode whose actions are held for `action_repeat` control
    /// steps each.
    pub fn begin(&mut self, action_repeat: usize) -> VideoRecorder<'_> {
        let control_s = self.draw.control_s() * action_repeat as f64;
        // As many actions for a frame as come nearest to the wanted rate.
        let stride = (self.speed / (control_s * self.rate)).round().max(1.0);
        let video = Video {
            width: self.render_options.width,
            height: self.render_options.height,
            rate: self.speed / (control_s * stride),
            frames: Vec::new(),
        };
        VideoRecorder {
            draw: &mut *self.draw,
            stride: stride as usize,
            video,
        }
    }
}

/// A video that is being made.
pub struct VideoRecorder<'a> {
    draw: &'a mut dyn Draw,
    /// Actions from frame to frame.
    stride: usize,
    /// What there is so far.
    pub video: Video,
}

impl EpisodeObserver for VideoRecorder<'_> {
    fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()> {
        if moment.action.is_none() || moment.actions.is_multiple_of(self.stride) {
            self.video.frames.push(shot(moment.env, self.draw)?);
        }
        Ok(())
    }
}

/// A picture of the environment as it is now.
///
/// # Errors
/// When there is nothing to see, or it cannot be drawn.
pub fn shot(env: &dyn Env, draw: &mut dyn Draw) -> Result<Vec<u8>> {
    let subject = env
        .subject()
        .ok_or_else(|| Error::input(format!("there is nothing to see in {}", env.spec().id)))?;
    draw.draw(&subject)
}
