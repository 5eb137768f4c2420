//! A window in which an episode is watched while it is played.

use super::{Filming, Look};
use crate::episode::{Moment, Watch};
use minifb::{Key, WindowOptions};
use protege_core::{Error, Result};

/// A window on the display that `DISPLAY` names (X11; Wayland desktops have one, too).
pub struct Window {
    window: minifb::Window,
    look: Look,
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
    pub fn open(title: &str, look: &Look) -> Result<Self> {
        let window = minifb::Window::new(title, look.width, look.height, WindowOptions::default());
        let window = window.map_err(|e| {
            Error::failed(format!(
                "no window could be opened ({e}): write a film with --out FILE"
            ))
        })?;
        Ok(Self {
            window,
            look: look.clone(),
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
        let shown = self
            .window
            .update_with_buffer(&packed, self.look.width, self.look.height);
        shown.map_err(|e| {
            Error::failed(format!(
                "the window could not be drawn ({e}): write a film with --out FILE"
            ))
        })
    }
}

/// An episode on its way into a window.
pub struct Showing<'a> {
    filming: Filming<'a>,
    window: &'a mut Window,
    rest_s: f64,
}

impl<'a> Showing<'a> {
    /// Shows what is filmed, and its last frame for `rest_s` seconds.
    pub fn new(filming: Filming<'a>, window: &'a mut Window, rest_s: f64) -> Self {
        Self {
            filming,
            window,
            rest_s,
        }
    }
}

impl Watch for Showing<'_> {
    fn see(&mut self, moment: &Moment<'_>) -> Result<()> {
        if self.window.is_closed() {
            return Ok(());
        }
        self.filming.see(moment)?;
        if moment.action.is_none() {
            self.filming.film.rest(self.rest_s);
        }
        let rate = self.filming.film.rate;
        self.filming
            .film
            .frames
            .drain(..)
            .try_for_each(|frame| self.window.show(&frame, rate))
    }
}
