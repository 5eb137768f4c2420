//! Videos as GIF: one palette for the whole video, and of each frame only what has changed since
//! the one before.

use super::Video;
use super::palette::Palette;
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use protege_core::{Error, Result};

/// The place in the palette that lets the frame before show through; the others are colors.
const CLEAR: u8 = 255;

/// The video as the bytes of a GIF that plays again and again.
///
/// # Errors
/// When the video has no frame, or frames of another size than it says.
pub fn gif(video: &Video) -> Result<Vec<u8>> {
    let refused = |e: gif::EncodingError| Error::failed(format!("a GIF could not be written: {e}"));
    let side = |n: usize| {
        u16::try_from(n).map_err(|_| {
            Error::input(format!(
                "a GIF is at most 65535 pixels wide and high, not {n}"
            ))
        })
    };
    let width = side(video.width)?;
    let height = side(video.height)?;
    if video.frames.is_empty()
        || video
            .frames
            .iter()
            .any(|frame| frame.len() != 3 * video.width * video.height)
    {
        return Err(Error::failed(
            "a video without frames of one size cannot be written",
        ));
    }
    let mut palette = Palette::of(&video.frames, usize::from(CLEAR));
    let mut colours = palette.colours.as_flattened().to_vec();
    colours.resize(3 * 256, 0);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height, &colours).map_err(refused)?;
    encoder.set_repeat(Repeat::Infinite).map_err(refused)?;
    let delay = (100.0 / video.rate).round().clamp(2.0, 1000.0) as u16;
    let mut before: Option<Vec<u8>> = None;
    for pixels in &video.frames {
        let now = palette.apply(pixels);
        let mut frame = changed(before.as_deref(), &now, video.width);
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

/// The first and the last.
fn ends(mut items: impl Iterator<Item = usize>) -> Option<(usize, usize)> {
    let first = items.next()?;
    Some((first, items.last().unwrap_or(first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GIF that is read again shows every frame as it was, within the palette's accuracy, and a
    /// small thing keeps its color before a large background.
    #[test]
    fn a_gif_shows_what_was_recorded() {
        let width = 40;
        let height = 30;
        let frame = |at: usize| -> Vec<u8> {
            let pixel = |i: usize| {
                if i == at {
                    [20, 230, 60]
                } else {
                    [(i / width * 8) as u8, 180, (i % width * 6) as u8]
                }
            };
            (0..width * height).flat_map(pixel).collect()
        };
        let video = Video {
            width,
            height,
            rate: 20.0,
            frames: vec![frame(5), frame(5), frame(600)],
        };
        let bytes = gif(&video).unwrap();
        let mut options = ::gif::DecodeOptions::new();
        options.set_color_output(::gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(&bytes[..]).unwrap();
        let mut screen = vec![[0; 4]; width * height];
        for wanted in &video.frames {
            let frame = decoder.read_next_frame().unwrap().unwrap();
            assert_eq!(frame.delay, 5);
            for (i, &pixel) in frame
                .buffer
                .as_chunks::<4>()
                .0
                .iter()
                .enumerate()
                .filter(|(_, pixel)| pixel[3] > 0)
            {
                let x = i % usize::from(frame.width);
                let y = i / usize::from(frame.width);
                screen[(y + usize::from(frame.top)) * width + x + usize::from(frame.left)] = pixel;
            }
            let worst = screen
                .iter()
                .zip(wanted.as_chunks::<3>().0)
                .flat_map(|(a, b)| (0..3).map(move |c| a[c].abs_diff(b[c])))
                .max();
            assert!(worst < Some(16), "{worst:?}");
        }
        assert!(
            gif(&Video {
                frames: vec![],
                ..video.clone()
            })
            .is_err()
                && gif(&Video { width: 41, ..video }).is_err()
        );
    }
}
