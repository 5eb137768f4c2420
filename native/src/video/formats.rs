//! Videos as files.

use super::{Video, gif};
use crate::files::write_atomic;
use protege_core::{Error, Result};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a video is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An animated GIF.
    Gif,
    /// A video for players, made by ffmpeg.
    Mp4,
    /// A folder with a PNG file for each frame.
    Frames,
}

impl Format {
    /// What the name of a file asks for.
    ///
    /// # Errors
    /// When it ends in something else, or ffmpeg is asked for and missing.
    pub fn of(path: &Path) -> Result<Self> {
        match path
            .extension()
            .map(|end| end.to_string_lossy().to_lowercase())
            .as_deref()
        {
            None => Ok(Self::Frames),
            Some("gif") => Ok(Self::Gif),
            Some("mp4") if has_ffmpeg() => Ok(Self::Mp4),
            Some("mp4") => Err(Error::input(
                "an .mp4 is made by ffmpeg, which is not on PATH: install it (Debian: ffmpeg), or \
                 write a .gif",
            )),
            Some(other) => Err(Error::input(format!(
                "a video cannot be written as .{other}: use .gif, .mp4, or a folder's name for PNG \
                 frames"
            ))),
        }
    }
}

/// Writes a video.
///
/// # Errors
/// When the disk or ffmpeg refuses.
pub fn write(video: &Video, format: Format, path: &Path) -> Result<()> {
    match format {
        Format::Gif => write_atomic(path, &gif(video)?),
        Format::Mp4 => mp4(video, path),
        Format::Frames => frames(video, path),
    }
}

fn has_ffmpeg() -> bool {
    Command::new("ffmpeg")
        .arg("-version")
        .output()
        .is_ok_and(|output| output.status.success())
}

/// The bytes of a PNG of one frame.
///
/// # Errors
/// When the frame is not of that width and height.
pub fn png((width, height): (usize, usize), frame: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    let written = encoder.write_header().and_then(|mut writer| {
        writer
            .write_image_data(frame)
            .and_then(|()| writer.finish())
    });
    written.map_err(|e| Error::failed(format!("a PNG could not be written: {e}")))?;
    Ok(bytes)
}

fn frames(video: &Video, folder: &Path) -> Result<()> {
    crate::files::create_folder(folder)?;
    let one = |(i, frame): (usize, &Vec<u8>)| {
        write_atomic(
            &folder.join(format!("{i:04}.png")),
            &png((video.width, video.height), frame)?,
        )
    };
    video.frames.iter().enumerate().try_for_each(one)
}

/// Hands the pixels to ffmpeg, which most players' H.264 comes from.
fn mp4(video: &Video, path: &Path) -> Result<()> {
    let size = format!("{}x{}", video.width, video.height);
    let rate = format!("{:.3}", video.rate);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args([
        "-loglevel",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        &size,
        "-r",
        &rate,
        "-i",
        "-",
    ]);
    // Players want both sides even, and colors at half the resolution.
    ffmpeg
        .args([
            "-vf",
            "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-pix_fmt",
            "yuv420p",
            "-movflags",
            "+faststart",
        ])
        .arg(path);
    let refused = |why: &str| {
        Error::failed(format!(
            "ffmpeg did not write {}: {}",
            path.display(),
            why.trim()
        ))
    };
    let started = ffmpeg
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn();
    let mut child = started.map_err(|e| refused(&e.to_string()))?;
    if let Some(mut input) = child.stdin.take() {
        // Where ffmpeg has given up, it says why.
        video
            .frames
            .iter()
            .try_for_each(|frame| input.write_all(frame))
            .ok();
    }
    let ended = child
        .wait_with_output()
        .map_err(|e| refused(&e.to_string()))?;
    if ended.status.success() {
        Ok(())
    } else {
        Err(refused(&String::from_utf8_lossy(&ended.stderr)))
    }
}
