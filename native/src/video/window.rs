//! A window in which an episode is watched while it is played.

use super::{RenderOptions, VideoRecorder};
use crate::episode::{EpisodeObserver, Moment};
use minifb::{Key, WindowOptions};
use protege_core::{Error, Result};

/// A window on the display that `DISPLAY` names (X11; Wayland desktops have one, too).
pub struct Window {
    window: minifb::Window,
    render_options: RenderOptions,
}

impl Window {
    /// Whether there is a display to open one on.
    pub fn is_possible() -> bool {
        std::env::var_os("DISPLAY").is_some_and(|name| !name.is_empty())
    }

    /// Opens it, as large as the pictures.
    ///
    /// # Errors
    /// When the display cannot be reached.
    pub fn open(title: &str, render_options: &RenderOptions) -> Result<Self> {
        let window = minifb::Window::new(
            title,
            render_options.width,
            render_options.height,
            WindowOptions::default(),
        );
        let window = window.map_err(|e| {
            Error::failed(format!(
                "no window could be opened ({e}): write a video with --out FILE"
            ))
        })?;
        Ok(Self {
            window,
            render_options: render_options.clone(),
        })
    }

    /// Whether the person has closed it, or pressed Escape.
    pub fn is_closed(&self) -> bool {
        !self.window.is_open() || self.window.is_key_down(Key::Escape)
    }

    /// Shows a frame until the next is due, at `rate` frames a second.
    fn show(&mut self, frame: &[u8], rate: f64) -> Result<()> {
        let (pixels, _) = frame.as_chunks::<3>();
        let packed: Vec<u32> = pixels
            .iter()
            .map(|&[r, g, b]| u32::from_be_bytes([0, r, g, b]))
            .collect();
        self.window.set_target_fps(rate.round().max(1.0) as usize);
        let shown = self.window.update_with_buffer(
            &packed,
            self.render_options.width,
            self.render_options.height,
        );
        shown.map_err(|e| {
            Error::failed(format!(
                "the window could not be drawn ({e}): write a video with --out FILE"
            ))
        })
    }
}

/// An episode on its way into a window.
pub struct WindowObserver<'a> {
    video_recorder: VideoRecorder<'a>,
    window: &'a mut Window,
    rest_s: f64,
}

impl<'a> WindowObserver<'a> {
    /// Shows what is recorded, and its last frame for `rest_s` seconds.
    pub fn new(video_recorder: VideoRecorder<'a>, window: &'a mut Window, rest_s: f64) -> Self {
        Self {
            video_recorder,
            window,
            rest_s,
        }
    }
}

impl EpisodeObserver for WindowObserver<'_> {
    fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()> {
        if self.window.is_closed() {
            return Ok(());
        }
        self.video_recorder.on_moment(moment)?;
        if moment.action.is_none() {
            self.video_recorder.video.rest(self.rest_s);
        }
        let rate = self.video_recorder.video.rate;
        self.video_recorder
            .video
            .frames
            .drain(..)
            .try_for_each(|frame| self.window.show(&frame, rate))
    }
}
