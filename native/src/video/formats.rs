//! Videos as files, written frame by frame. A file has its name once it is complete.

use super::{FrameSink, GifWriter, SIZE_FAULT};
use crate::files::{PartialFile, create_folder, partial, put_in_place, write_atomic};
use protege_core::{Error, Result};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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

/// A video that is written while it is drawn: what it holds of it is a frame or two.
pub struct VideoFile {
    path: PathBuf,
    format: Format,
    writer: Writer,
    /// Frames so far.
    frames: u64,
    /// Seconds that they are shown.
    seconds: f64,
}

enum Writer {
    Gif(Box<GifWriter<PartialFile>>),
    Mp4(Mp4),
    Frames(Folder),
}

impl VideoFile {
    /// Begins a video of frames of that width and height; `rate`: how many come in a second, as
    /// long as an episode goes on.
    ///
    /// # Errors
    /// When the disk or ffmpeg refuses.
    pub fn begin(path: &Path, format: Format, size: (usize, usize), rate: f64) -> Result<Self> {
        let writer = match format {
            Format::Gif => {
                let gif = GifWriter::new(PartialFile::begin(path)?, size)?;
                Writer::Gif(Box::new(gif))
            }
            Format::Mp4 => Writer::Mp4(Mp4::begin(path, size, rate)?),
            Format::Frames => Writer::Frames(Folder::begin(path, size)?),
        };
        Ok(Self {
            path: path.into(),
            format,
            writer,
            frames: 0,
            seconds: 0.0,
        })
    }

    /// Completes it; how many frames there are, and for how many seconds they are shown.
    ///
    /// # Errors
    /// When the disk or ffmpeg refuses.
    pub fn finish(self) -> Result<(u64, f64)> {
        match self.writer {
            Writer::Gif(gif) => gif.finish()?.finish()?,
            Writer::Mp4(mp4) => mp4.finish()?,
            Writer::Frames(folder) => folder.finish()?,
        }
        Ok((self.frames, self.seconds))
    }

    /// Where it will be.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is written as.
    pub fn format(&self) -> Format {
        self.format
    }
}

impl FrameSink for VideoFile {
    fn frame(&mut self, pixels: &[u8], seconds: f64) -> Result<()> {
        match &mut self.writer {
            Writer::Gif(gif) => gif.frame(pixels, seconds)?,
            Writer::Mp4(mp4) => mp4.frame(pixels, seconds)?,
            Writer::Frames(folder) => folder.frame(pixels, seconds)?,
        }
        self.frames += 1;
        self.seconds += seconds;
        Ok(())
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

/// A folder of PNG files, written beside its place.
struct Folder {
    path: PathBuf,
    temporary: PathBuf,
    size: (usize, usize),
    frames: usize,
}

impl Folder {
    fn begin(path: &Path, size: (usize, usize)) -> Result<Self> {
        if path.exists() && !path.is_dir() {
            return Err(Error::input(format!(
                "{} is a file, where a folder for PNG frames is wanted: name another, or end the \
                 name in .gif or .mp4",
                path.display()
            )));
        }
        let temporary = partial(path);
        let folder = Self {
            path: path.into(),
            temporary,
            size,
            frames: 0,
        };
        // A killed program has left it.
        let _ = std::fs::remove_dir_all(&folder.temporary);
        create_folder(&folder.temporary)?;
        Ok(folder)
    }

    /// Where there is such a folder, the frames join what else it holds; those of a longer video
    /// that was there go.
    fn finish(self) -> Result<()> {
        if !self.path.exists() {
            return put_in_place(&self.temporary, &self.path);
        }
        for i in 0..self.frames {
            put_in_place(&self.temporary.join(name(i)), &self.path.join(name(i)))?;
        }
        let old = (self.frames..).map(|i| self.path.join(name(i)));
        for path in old.take_while(|path| path.is_file()) {
            let gone = std::fs::remove_file(&path);
            gone.map_err(|e| {
                Error::failed(format!(
                    "{} of an earlier video cannot be removed ({e})",
                    path.display()
                ))
            })?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever is complete is no longer there.
        let _ = std::fs::remove_dir_all(&self.temporary);
    }
}

impl FrameSink for Folder {
    fn frame(&mut self, pixels: &[u8], _: f64) -> Result<()> {
        let path = self.temporary.join(name(self.frames));
        write_atomic(&path, &png(self.size, pixels)?)?;
        self.frames += 1;
        Ok(())
    }
}

fn name(frame: usize) -> String {
    format!("{frame:04}.png")
}

/// Pixels on their way through ffmpeg, which most players' H.264 comes from.
struct Mp4 {
    path: PathBuf,
    temporary: PathBuf,
    ffmpeg: Child,
    size: (usize, usize),
    rate: f64,
    /// Seconds until the next frame.
    seconds: f64,
    /// Frames that ffmpeg was given.
    given: u64,
}

impl Mp4 {
    fn begin(path: &Path, size: (usize, usize), rate: f64) -> Result<Self> {
        let temporary = partial(path);
        let shown = format!("{}x{}", size.0, size.1);
        let per_second = format!("{rate:.9}");
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-loglevel", "error", "-y", "-f", "rawvideo"]);
        ffmpeg.args(["-pix_fmt", "rgb24", "-s", &shown, "-r", &per_second]);
        // Players want both sides even, and colors at half the resolution.
        ffmpeg.args(["-i", "-", "-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2"]);
        ffmpeg.args([
            "-pix_fmt",
            "yuv420p",
            "-movflags",
            "+faststart",
            "-f",
            "mp4",
        ]);
        // It begins with a dot, or with the name of a folder: an option it is not.
        ffmpeg.arg(&temporary);
        let started = ffmpeg
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn();
        let ffmpeg = started.map_err(|e| refused(path, &e.to_string()))?;
        Ok(Self {
            path: path.into(),
            temporary,
            ffmpeg,
            size,
            rate,
            seconds: 0.0,
            given: 0,
        })
    }

    /// Waits for ffmpeg; where it has given up, it says why.
    fn wait(&mut self) -> Result<()> {
        drop(self.ffmpeg.stdin.take());
        let mut why = String::new();
        if let Some(mut stderr) = self.ffmpeg.stderr.take() {
            stderr.read_to_string(&mut why).ok();
        }
        let ended = self.ffmpeg.wait();
        match ended {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(refused(&self.path, &why)),
            Err(e) => Err(refused(&self.path, &e.to_string())),
        }
    }

    fn finish(mut self) -> Result<()> {
        self.wait()?;
        put_in_place(&self.temporary, &self.path)
    }
}

impl Drop for Mp4 {
    fn drop(&mut self) {
        // Nothing waits for what is not finished, and what is finished has ended.
        let _ = self.ffmpeg.kill();
        let _ = self.ffmpeg.wait();
        let _ = std::fs::remove_file(&self.temporary);
    }
}

impl FrameSink for Mp4 {
    /// Frames come at one rate: one that is shown longer comes several times.
    fn frame(&mut self, pixels: &[u8], seconds: f64) -> Result<()> {
        if pixels.len() != 3 * self.size.0 * self.size.1 {
            return Err(Error::failed(SIZE_FAULT));
        }
        self.seconds += seconds;
        let until = (self.rate * self.seconds).round() as u64;
        while self.given < until {
            let input = self.ffmpeg.stdin.as_mut();
            let written = input.is_some_and(|input| input.write_all(pixels).is_ok());
            if !written {
                self.wait()?;
                return Err(refused(&self.path, "it stopped before the end"));
            }
            self.given += 1;
        }
        Ok(())
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::failed(format!(
        "ffmpeg did not write {}: {}",
        path.display(),
        why.trim()
    ))
}
