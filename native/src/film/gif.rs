//! Films as GIF: one palette for the whole film, and of each frame only what has changed since the one before.

use super::Film;
use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use protege_core::{Error, Result};
use std::collections::HashMap;

/// The place in the palette that lets the frame before show through; the others are colours.
const CLEAR: u8 = 255;
/// Pixels that the palette is learned from.
const SAMPLE: usize = 200_000;

/// The film as the bytes of a GIF that plays again and again.
///
/// # Errors
/// When the film has no frame, or frames of another size than it says.
pub fn gif(film: &Film) -> Result<Vec<u8>> {
    let refused = |e: gif::EncodingError| Error::failed(format!("a GIF could not be written: {e}"));
    let side = |n: usize| u16::try_from(n).map_err(|_| Error::input(format!("a GIF is at most 65535 pixels wide and high, not {n}")));
    let (width, height) = (side(film.width)?, side(film.height)?);
    if film.frames.is_empty() || film.frames.iter().any(|frame| frame.len() != 3 * film.width * film.height) {
        return Err(Error::failed("a film without frames of one size cannot be written"));
    }
    let mut palette = Palette::of(film);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &palette.colours()).map_err(refused)?;
    encoder.set_repeat(Repeat::Infinite).map_err(refused)?;
    let delay = (100.0 / film.rate).round().clamp(2.0, 1000.0) as u16;
    let mut before: Option<Vec<u8>> = None;
    for pixels in &film.frames {
        let now = palette.apply(pixels);
        let mut frame = changed(before.as_deref(), &now, film.width);
        frame.delay = delay;
        encoder.write_frame(&frame).map_err(refused)?;
        before = Some(now);
    }
    drop(encoder);
    Ok(bytes)
}

/// The smallest rectangle that holds all that has changed, where the rest of it is clear.
fn changed(before: Option<&[u8]>, now: &[u8], width: usize) -> Frame<'static> {
    let height = now.len() / width;
    let differs = |at: usize| before.is_none_or(|before| before[at] != now[at]);
    let rows = (0..height).filter(|y| (0..width).any(|x| differs(y * width + x)));
    let columns = (0..width).filter(|x| (0..height).any(|y| differs(y * width + x)));
    // A frame has at least one pixel, even where nothing has changed.
    let [(top, bottom), (left, right)] = [ends(rows), ends(columns)].map(Option::unwrap_or_default);
    let value = |at: usize| if differs(at) { now[at] } else { CLEAR };
    let buffer: Vec<u8> = (top..=bottom).flat_map(|y| (left..=right).map(move |x| y * width + x)).map(value).collect();
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

/// The first and the last.
fn ends(mut items: impl Iterator<Item = usize>) -> Option<(usize, usize)> {
    let first = items.next()?;
    Some((first, items.last().unwrap_or(first)))
}

/// The film's colours, and which of them is nearest to each that was asked for.
struct Palette {
    net: NeuQuant,
    nearest: HashMap<[u8; 3], u8>,
}

impl Palette {
    fn of(film: &Film) -> Self {
        let all: usize = film.frames.iter().map(|frame| frame.len() / 3).sum();
        let pixels = film.frames.iter().flat_map(|frame| frame.as_chunks::<3>().0);
        let sample: Vec<u8> = pixels.step_by(all.div_ceil(SAMPLE).max(1)).flat_map(|&[r, g, b]| [r, g, b, 255]).collect();
        Self { net: NeuQuant::new(3, usize::from(CLEAR), &sample), nearest: HashMap::new() }
    }

    /// Three bytes a colour, and three more for the clear one.
    fn colours(&self) -> Vec<u8> {
        let mut colours = self.net.color_map_rgb();
        colours.resize(3 * 256, 0);
        colours
    }

    fn apply(&mut self, pixels: &[u8]) -> Vec<u8> {
        let Self { net, nearest } = self;
        let index = |&[r, g, b]: &[u8; 3]| *nearest.entry([r, g, b]).or_insert_with(|| net.index_of(&[r, g, b, 255]) as u8);
        pixels.as_chunks::<3>().0.iter().map(index).collect()
    }
}
