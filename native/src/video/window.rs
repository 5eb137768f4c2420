//! A window in which an episode is watched while it is played.

use super::{FrameSink, RenderOptions};
use minifb::{Key, WindowOptions};
use protege_core::{Error, Result};
use std::time::{Duration, Instant};

/// How often it is looked whether the person has closed the window.
const GLANCE: Duration = Duration::from_millis(50);

/// A window on the display that `DISPLAY` names (X11; Wayland desktops have one, too).
pub struct Window {
    window: minifb::Window,
    render_options: RenderOptions,
    /// When the next frame is due.
    due: Instant,
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
        let mut opened = Self {
            window,
            render_options: render_options.clone(),
            due: Instant::now(),
        };
        // Its own clock knows whole frames a second alone.
        opened.window.set_target_fps(0);
        Ok(opened)
    }

    /// Whether the person has closed it, or pressed Escape.
    pub fn is_closed(&self) -> bool {
        !self.window.is_open() || self.window.is_key_down(Key::Escape)
    }

    /// Waits until a frame was shown long enough, and lets the person close the window meanwhile.
    fn wait(&mut self) {
        while let Some(left) = self.due.checked_duration_since(Instant::now()) {
            if self.is_closed() {
                return;
            }
            std::thread::sleep(left.min(GLANCE));
            self.window.update();
        }
    }
}

impl FrameSink for Window {
    fn frame(&mut self, pixels: &[u8], seconds: f64) -> Result<()> {
        if self.is_closed() {
            return Ok(());
        }
        let (pixels, _) = pixels.as_chunks::<3>();
        let packed: Vec<u32> = pixels
            .iter()
            .map(|&[r, g, b]| u32::from_be_bytes([0, r, g, b]))
            .collect();
        let shown = self.window.update_with_buffer(
            &packed,
            self.render_options.width,
            self.render_options.height,
        );
        shown.map_err(|e| {
            Error::failed(format!(
                "the window could not be drawn ({e}): write a video with --out FILE"
            ))
        })?;
        // What drawing took is made up for, unless it took longer than what is shown.
        self.due = self.due.max(Instant::now()) + Duration::from_secs_f64(seconds);
        self.wait();
        Ok(())
    }
}
