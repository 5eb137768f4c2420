//! Videos as GIF, frame by frame: a palette that serves until a frame has other colors, and of each
//! frame only what has changed since the one before.

use super::palette::Palette;
use super::{FrameSink, SIZE_FAULT};
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use protege_core::{Error, Result};
use std::io::Write;

/// The place in the palette that lets the frame before show through; the others are colors.
const CLEAR: u8 = 255;
/// Of so many pixels one may be far from all colors of a palette that was made for another frame.
const FAR: usize = 5000;

/// A GIF that plays again and again, while it is written.
pub struct GifWriter<W: Write> {
    size: (usize, usize),
    state: State<W>,
    /// Seconds until the next frame.
    seconds: f64,
    /// Hundredths of a second that were written.
    hundredths: u64,
}

/// Before the first frame there is no palette, which a GIF begins with.
enum State<W: Write> {
    Empty(Option<W>),
    Begun(Box<Begun<W>>),
}

struct Begun<W: Write> {
    encoder: Encoder<W>,
    palette: Palette,
    /// Pixels of the palette's own frame that are far from all of its colors.
    far: usize,
    /// Whether the palette is another than the GIF's own: then every frame has to bring it along.
    is_another: bool,
    screen: Screen,
}

/// What is seen.
struct Screen {
    /// The pixels that were last drawn.
    drawn: Vec<u8>,
    /// The colors that they were drawn in.
    shown: Vec<[u8; 3]>,
}

impl<W: Write> GifWriter<W> {
    /// Before the first frame.
    ///
    /// # Errors
    /// When a GIF cannot be so large.
    pub fn new(writer: W, size: (usize, usize)) -> Result<Self> {
        let largest = size.0.max(size.1);
        if largest > usize::from(u16::MAX) {
            return Err(Error::input(format!(
                "a GIF is at most 65535 pixels wide and high, not {largest}"
            )));
        }
        Ok(Self {
            size,
            state: State::Empty(Some(writer)),
            seconds: 0.0,
            hundredths: 0,
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When there was no frame, or it cannot be written.
    pub fn finish(self) -> Result<W> {
        match self.state {
            State::Begun(begun) => begun.encoder.into_inner().map_err(refused),
            State::Empty(_) => Err(Error::failed("a video without frames cannot be written")),
        }
    }

    fn begun(&mut self, pixels: &[u8]) -> Result<&mut Begun<W>> {
        if let State::Empty(writer) = &mut self.state {
            let writer = writer.take().ok_or_else(|| Error::failed(SIZE_FAULT))?;
            self.state = State::Begun(Box::new(begin(writer, self.size, pixels)?));
        }
        match &mut self.state {
            State::Begun(begun) => Ok(begun),
            State::Empty(_) => Err(Error::failed(SIZE_FAULT)),
        }
    }
}

impl<W: Write> FrameSink for GifWriter<W> {
    /// A GIF counts hundredths of a second: what is rounded off a frame is made up for by the next.
    fn frame(&mut self, pixels: &[u8], seconds: f64) -> Result<()> {
        let (width, height) = self.size;
        if pixels.len() != 3 * width * height {
            return Err(Error::failed(SIZE_FAULT));
        }
        self.seconds += seconds;
        let until = (100.0 * self.seconds).round() as u64;
        let mut left = until.saturating_sub(self.hundredths);
        self.hundredths = self.hundredths.max(until);
        let begun = self.begun(pixels)?;
        let mut frame = begun.frame(pixels, width);
        // A frame that stays longer than a GIF can say is followed by others in which nothing
        // changes.
        loop {
            frame.delay = left.min(u64::from(u16::MAX)) as u16;
            left -= u64::from(frame.delay);
            begun.encoder.write_frame(&frame).map_err(refused)?;
            if left == 0 {
                return Ok(());
            }
            frame = unchanged();
        }
    }
}

impl<W: Write> Begun<W> {
    /// The frame that makes the screen show these pixels.
    fn frame(&mut self, pixels: &[u8], width: usize) -> Frame<'static> {
        let mut now = self.palette.apply(pixels);
        let allowed = 2 * self.far + now.len().div_ceil(FAR);
        if self.palette.far(pixels, &now) > allowed {
            self.palette = Palette::of(pixels, usize::from(CLEAR));
            now = self.palette.apply(pixels);
            self.far = self.palette.far(pixels, &now);
            self.is_another = true;
        }
        let differs = self.screen.show(pixels, &now, &self.palette.colours);
        let value = |at: usize| if differs[at] { now[at] } else { CLEAR };
        Frame {
            palette: self.is_another.then(|| self.palette.padded()),
            ..changed(&differs, width, value)
        }
    }
}

impl Screen {
    /// Shows pixels by the places of their colors; which of them are drawn anew. A pixel is left
    /// where it is the same as before, or would look the same.
    fn show(&mut self, pixels: &[u8], places: &[u8], colours: &[[u8; 3]]) -> Vec<bool> {
        let is_first = self.shown.is_empty();
        if is_first {
            self.drawn = pixels.to_vec();
            self.shown = places.iter().map(|&i| colours[usize::from(i)]).collect();
            return vec![true; places.len()];
        }
        let (drawn, _) = self.drawn.as_chunks_mut::<3>();
        let (pixels, _) = pixels.as_chunks::<3>();
        let mut differs = vec![false; places.len()];
        for (at, &place) in places.iter().enumerate() {
            let colour = colours[usize::from(place)];
            if drawn[at] != pixels[at] && self.shown[at] != colour {
                differs[at] = true;
                drawn[at] = pixels[at];
                self.shown[at] = colour;
            }
        }
        differs
    }
}

fn begin<W: Write>(writer: W, size: (usize, usize), pixels: &[u8]) -> Result<Begun<W>> {
    let mut palette = Palette::of(pixels, usize::from(CLEAR));
    let places = palette.apply(pixels);
    let far = palette.far(pixels, &places);
    let (width, height) = size;
    let encoder = Encoder::new(writer, width as u16, height as u16, &palette.padded());
    let mut encoder = encoder.map_err(refused)?;
    encoder.set_repeat(Repeat::Infinite).map_err(refused)?;
    Ok(Begun {
        encoder,
        palette,
        far,
        is_another: false,
        screen: Screen {
            drawn: Vec::new(),
            shown: Vec::new(),
        },
    })
}

fn refused(error: gif::EncodingError) -> Error {
    Error::failed(format!("a GIF could not be written: {error}"))
}

/// The smallest rectangle that holds all that has changed.
fn changed(differs: &[bool], width: usize, value: impl Fn(usize) -> u8) -> Frame<'static> {
    let height = differs.len() / width;
    let rows = (0..height).filter(|y| (0..width).any(|x| differs[y * width + x]));
    let columns = (0..width).filter(|x| (0..height).any(|y| differs[y * width + x]));
    // A frame has at least one pixel, even where nothing has changed.
    let [(top, bottom), (left, right)] = [ends(rows), ends(columns)].map(Option::unwrap_or_default);
    let buffer: Vec<u8> = (top..=bottom)
        .flat_map(|y| (left..=right).map(move |x| y * width + x))
        .map(value)
        .collect();
    Frame {
        left: left as u16,
        top: top as u16,
        width: (right - left + 1) as u16,
        height: (bottom - top + 1) as u16,
        dispose: DisposalMethod::Keep,
        transparent: Some(CLEAR),
        buffer: buffer.into(),
        ..Frame::default()
    }
}

/// A frame of one pixel that lets the one before show through.
fn unchanged() -> Frame<'static> {
    changed(&[false], 1, |_| CLEAR)
}

/// The first and the last.
fn ends(mut items: impl Iterator<Item = usize>) -> Option<(usize, usize)> {
    let first = items.next()?;
    Some((first, items.last().unwrap_or(first)))
}

/// A GIF of one frame.
///
/// # Errors
/// When the frame is not of that width and height.
pub fn still(size: (usize, usize), frame: &[u8]) -> Result<Vec<u8>> {
    let mut gif = GifWriter::new(Vec::new(), size)?;
    gif.frame(frame, 0.0)?;
    gif.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 40;
    const HEIGHT: usize = 30;

    fn written(frames: &[(Vec<u8>, f64)]) -> Vec<u8> {
        let mut gif = GifWriter::new(Vec::new(), (WIDTH, HEIGHT)).unwrap();
        for (frame, seconds) in frames {
            gif.frame(frame, *seconds).unwrap();
        }
        gif.finish().unwrap()
    }

    /// The screen after every frame, and the frame's delay.
    fn screens(bytes: &[u8]) -> Vec<(Vec<[u8; 4]>, u16)> {
        let mut options = ::gif::DecodeOptions::new();
        options.set_color_output(::gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes).unwrap();
        let mut screen = vec![[0; 4]; WIDTH * HEIGHT];
        let mut all = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            let (pixels, _) = frame.buffer.as_chunks::<4>();
            for (i, &pixel) in pixels.iter().enumerate().filter(|(_, pixel)| pixel[3] > 0) {
                let x = i % usize::from(frame.width) + usize::from(frame.left);
                let y = i / usize::from(frame.width) + usize::from(frame.top);
                screen[y * WIDTH + x] = pixel;
            }
            all.push((screen.clone(), frame.delay));
        }
        all
    }

    /// A small thing at a place before a large background, whose colors are those of `scene`.
    fn picture(scene: u8, at: usize) -> Vec<u8> {
        let pixel = |i: usize| {
            if i == at {
                [20, 230, 60]
            } else {
                [(i / WIDTH * 8) as u8, 180 - scene, (i % WIDTH * 6) as u8]
            }
        };
        (0..WIDTH * HEIGHT).flat_map(pixel).collect()
    }

    fn worst(screen: &[[u8; 4]], wanted: &[u8]) -> Option<u8> {
        let pixels = screen.iter().zip(wanted.as_chunks::<3>().0);
        let far = pixels.flat_map(|(a, b)| (0..3).map(move |c| a[c].abs_diff(b[c])));
        far.max()
    }

    /// A GIF that is read again shows every frame as it was, within the palette's accuracy: a small
    /// thing keeps its color before a large background, and a scene of other colors has its own.
    #[test]
    fn a_gif_shows_what_was_recorded() {
        let places = [(0, 5), (0, 5), (0, 600), (150, 600), (150, 7), (0, 7)];
        let frames = places.map(|(scene, at)| (picture(scene, at), 0.05));
        let read = screens(&written(&frames));
        assert_eq!(read.len(), frames.len());
        for ((screen, delay), (wanted, _)) in read.iter().zip(&frames) {
            assert_eq!(*delay, 5);
            assert!(
                worst(screen, wanted) < Some(16),
                "{:?}",
                worst(screen, wanted)
            );
        }
        let mut small = GifWriter::new(Vec::new(), (WIDTH + 1, HEIGHT)).unwrap();
        assert!(small.frame(&frames[0].0, 0.1).is_err());
        assert!(small.finish().is_err(), "no frame");
        assert!(GifWriter::new(Vec::new(), (70_000, 1)).is_err());
    }

    /// Delays are whole hundredths, and together as long as the frames were to be shown, however
    /// short or long each is.
    #[test]
    fn delays_add_up_to_the_time_that_is_shown() {
        for seconds in [0.0375, 1.0 / 15.0, 0.041_666, 0.025, 0.0875, 800.0] {
            let frames: Vec<_> = (0..40).map(|i| (picture(0, i), seconds)).collect();
            let read = screens(&written(&frames));
            let sum: u64 = read.iter().map(|(_, delay)| u64::from(*delay)).sum();
            let off = sum as f64 - 100.0 * 40.0 * seconds;
            assert!(off.abs() <= 1.0, "{seconds}: {off}");
            assert!(worst(&read[read.len() - 1].0, &frames[39].0) < Some(16));
        }
    }
}
