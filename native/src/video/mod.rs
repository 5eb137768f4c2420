//! Episodes as moving pictures: played, drawn, and shown in a window, or written as GIF, PNG frames
//! or, where ffmpeg is at hand, MP4.

mod formats;
mod gif;
mod palette;
mod window;

pub use formats::{Format, VideoFile, png};
pub use gif::{GifWriter, still};
pub use window::Window;

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

/// Takes the frames of a video as they are drawn.
pub trait FrameSink {
    /// A frame, as [`Draw::draw`] gives it, and for how many seconds it is shown.
    ///
    /// # Errors
    /// When it cannot be shown or written.
    fn frame(&mut self, pixels: &[u8], seconds: f64) -> Result<()>;
}

/// What is wrong with frames of several sizes.
const SIZE_FAULT: &str = "a video without frames of one size cannot be written";

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
    /// Actions from frame to frame, of an episode whose actions are held for `action_repeat`
    /// control steps each: as many as come nearest to the wanted rate.
    fn stride(&self, action_repeat: usize) -> usize {
        let action_s = self.draw.control_s() * action_repeat as f64;
        (self.speed / (action_s * self.rate)).round().max(1.0) as usize
    }

    /// Frames a second, as long as an episode goes on.
    pub fn frame_rate(&self, action_repeat: usize) -> f64 {
        let steps = (self.stride(action_repeat) * action_repeat) as f64;
        self.speed / (self.draw.control_s() * steps)
    }

    /// Records an episode, whose actions are held for `action_repeat` control steps each; its end
    /// is shown for `rest_s` seconds.
    pub fn begin<'b>(
        &'b mut self,
        action_repeat: usize,
        rest_s: f64,
        sink: &'b mut dyn FrameSink,
    ) -> VideoRecorder<'b> {
        VideoRecorder {
            stride: self.stride(action_repeat),
            step_s: self.draw.control_s() / self.speed,
            draw: &mut *self.draw,
            rest_s,
            pending: None,
            sink,
        }
    }
}

/// An episode on its way into a video. A frame is handed over once the next is there, which says
/// for how long it is shown.
pub struct VideoRecorder<'a> {
    draw: &'a mut dyn Draw,
    /// Actions from frame to frame.
    stride: usize,
    /// Seconds that a control step is shown.
    step_s: f64,
    rest_s: f64,
    /// The newest frame, and the control steps before it.
    pending: Option<(Vec<u8>, usize)>,
    sink: &'a mut dyn FrameSink,
}

impl EpisodeObserver for VideoRecorder<'_> {
    fn on_moment(&mut self, moment: &Moment<'_>) -> Result<()> {
        let is_last = moment.action.is_none();
        if !is_last && !moment.actions.is_multiple_of(self.stride) {
            return Ok(());
        }
        let now = shot(moment.env, self.draw)?;
        if let Some((before, steps)) = self.pending.take() {
            let seconds = (moment.steps - steps) as f64 * self.step_s;
            self.sink.frame(&before, seconds)?;
        }
        if is_last {
            return self.sink.frame(&now, self.rest_s);
        }
        self.pending = Some((now, moment.steps));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::episode::{Actor, play};
    use protege_core::env::catalogue::CORE;
    use protege_core::env::{make, wrap};

    const SIZE: (usize, usize) = (4, 4);
    const REST_S: f64 = 0.8;

    /// Frames that differ.
    struct Plain(u8);

    impl Draw for Plain {
        fn draw(&mut self, _: &Subject<'_>) -> Result<Vec<u8>> {
            self.0 = self.0.wrapping_add(1);
            Ok(vec![self.0; 3 * SIZE.0 * SIZE.1])
        }

        fn control_s(&self) -> f64 {
            1.0 / 80.0
        }
    }

    /// The hundredths that the frames of a GIF are shown.
    fn delays(bytes: &[u8]) -> Vec<u64> {
        let mut decoder = ::gif::DecodeOptions::new().read_info(bytes).unwrap();
        let mut delays = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            delays.push(u64::from(frame.delay));
        }
        delays
    }

    /// A GIF of episodes lasts as long as they did, over the speed, and as long as their ends are
    /// shown, whatever the actions are held for; and no browser slows it down, as all do below two
    /// hundredths a frame.
    #[test]
    fn a_video_has_the_speed_that_is_asked_for() {
        let render_options = RenderOptions {
            width: SIZE.0,
            height: SIZE.1,
            camera: None,
            quality: Quality::Fast,
        };
        let entry = CORE.entry("lab/lift").unwrap();
        for repeat in [1, 2, 3, 4, 5, 7, 30] {
            for speed in [0.1, 0.5, 1.0, 2.0, 10.0] {
                for rate in [12.0, 20.0] {
                    let mut camera = Camera {
                        draw: Box::new(Plain(0)),
                        render_options: &render_options,
                        rate,
                        speed,
                    };
                    let mut gif = GifWriter::new(Vec::new(), SIZE).unwrap();
                    let mut wanted = 0.0;
                    for seed in 0..3 {
                        let inner = make("lab/lift").unwrap();
                        let mut env = wrap(inner, &entry, repeat, None, &[]).unwrap();
                        let mut recorder = camera.begin(repeat, REST_S, &mut gif);
                        let actor = Actor::Expert;
                        let played = play(&mut *env, &actor, seed, &mut [&mut recorder]).unwrap();
                        wanted += played.steps as f64 / 80.0 / speed + REST_S;
                    }
                    let delays = delays(&gif.finish().unwrap());
                    let off = delays.iter().sum::<u64>() as f64 - 100.0 * wanted;
                    let name = (repeat, speed, rate);
                    assert!(off.abs() <= 1.0, "{name:?}: {off}");
                    // The last one of an episode may come soon after the one before.
                    let short = delays.iter().filter(|&&delay| delay < 2).count();
                    assert!(short <= 3, "{name:?}: {delays:?}");
                }
            }
        }
    }
}
