//! `protege play`: a policy, or the scripted expert, in a window or on film.

use super::cast::Cast;
use super::machine::device;
use super::{Answer, Output};
use crate::engines::renderer;
use crate::episode::Played;
use crate::film::{self, Camera, Film, Format, Look, Quality, Window};
use protege_core::env::catalogue;
use protege_core::run::{Config, Preset};
use protege_core::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// Seconds that the end of an episode can be looked at.
const REST_S: f64 = 0.8;
/// Frames a second.
const RATE: f64 = 20.0;

const EXAMPLES: &str = "\
Examples:
  protege play --task lab/pick-place                                  the scripted expert, in a window
  protege play --checkpoint runs/first --episodes 3 --out first.gif   a policy, on the starts that it was evaluated on
  protege play --checkpoint runs/first --out frames --size 640x480    PNG files in a folder
  protege play --task metaworld/pick-place --camera corner3 --speed 1 --out expert.mp4

Where there is no display, or with --out, a film is written instead of shown. Pictures are drawn in memory (EGL; no GPU needed).
MP4 needs ffmpeg. Escape closes the window.";

/// Arguments of `play`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Task [default: the one that the policy learned]
    #[arg(long, required_unless_present = "checkpoint")]
    task: Option<String>,
    /// The policy: a file, or the folder of a run; none: the scripted expert
    #[arg(long, value_name = "POLICY")]
    checkpoint: Option<PathBuf>,
    /// Seed of the starts and of the policy's noise [default: the policy's own, else 0]
    #[arg(long, value_name = "K")]
    seed: Option<u64>,
    /// Episodes, one after the other
    #[arg(long, value_name = "N", default_value_t = 1)]
    episodes: u64,
    /// A .gif, an .mp4, or a folder for PNG frames [default: a window; <task>.gif where there is no display]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Play on after a success, to the horizon
    #[arg(long)]
    to_horizon: bool,
    /// Pixels: width and height
    #[arg(long, value_name = "WxH", default_value = "480x360")]
    size: String,
    /// A camera of the scene, by its name
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// 1 is as fast as it happens; episodes of `lab` last two seconds
    #[arg(long, value_name = "FACTOR", default_value_t = 0.5)]
    speed: f64,
    /// The physics engine [default: the policy's own, else the task's usual one]
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// `cpu`, `wgpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Plays, and shows or films and writes.
///
/// # Errors
/// When there is nothing to draw with, the policy cannot be read, or a file cannot be written.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    protege_core::error::within("--episodes", args.episodes, 1, 1000)?;
    protege_core::error::within("--speed", args.speed, 0.01, 100.0)?;
    let (width, height) = size(&args.size)?;
    let look = Look { width, height, camera: args.camera.clone(), quality: Quality::Fine };
    let cast = cast(args)?;
    if args.out.is_none() && Window::is_possible() {
        match Window::open(&format!("protege · {}", cast.config.task), &look) {
            Ok(window) => return watched(args, &cast, &look, window),
            Err(error) => eprintln!("note: {error}; this time it is done"),
        }
    }
    let mut reel = Reel::of(args, &cast, &look)?;
    let mut played = Vec::new();
    for episode in 0..args.episodes {
        if !output.quiet {
            eprintln!("filming episode {} of {} ...", episode + 1, args.episodes);
        }
        let (film, result) = cast.film(episode, &mut reel.camera)?;
        reel.append(film);
        played.push(result);
    }
    film::write(&reel.film, reel.format, &reel.out)?;
    Ok(tell(&cast, args, Some(&reel), &played))
}

/// Shows the episodes in a window, until it is closed.
fn watched(args: &Args, cast: &Cast, look: &Look, mut window: Window) -> Result<Answer> {
    let mut camera = camera(args, cast, look)?;
    let mut played = Vec::new();
    for episode in 0..args.episodes {
        let result = cast.show(episode, &mut camera, &mut window, REST_S)?;
        if window.is_closed() {
            break;
        }
        played.push(result);
    }
    Ok(tell(cast, args, None, &played))
}

fn camera<'a>(args: &Args, cast: &Cast, look: &'a Look) -> Result<Camera<'a>> {
    Ok(Camera { draw: renderer(&cast.config.task, look)?, look, rate: RATE, speed: args.speed })
}

/// The film of all episodes, and what becomes of it.
struct Reel<'a> {
    camera: Camera<'a>,
    film: Film,
    format: Format,
    out: PathBuf,
}

impl<'a> Reel<'a> {
    fn of(args: &Args, cast: &Cast, look: &'a Look) -> Result<Self> {
        let usual = || PathBuf::from(format!("{}.gif", cast.config.task.replace('/', "-")));
        let out = args.out.clone().unwrap_or_else(usual);
        let format = Format::of(&out)?;
        let camera = camera(args, cast, look)?;
        let film = Film { width: look.width, height: look.height, rate: RATE, frames: Vec::new() };
        Ok(Self { camera, film, format, out })
    }

    fn append(&mut self, mut film: Film) {
        if self.format != Format::Frames {
            film.rest(REST_S);
        }
        self.film.rate = film.rate;
        self.film.frames.append(&mut film.frames);
    }
}

/// What was seen; `reel` is none where it was seen in a window.
fn tell(cast: &Cast, args: &Args, reel: Option<&Reel>, played: &[Played]) -> Answer {
    let who = if cast.acting.is_some() { "policy" } else { "expert" };
    let episode = |p: &Played| json!({ "seed": p.seed, "success": p.success, "steps": p.steps });
    let json = json!({
        "task": cast.config.task, "engine": cast.config.engine, "player": who, "seed": cast.config.seed, "speed": args.speed,
        "episodes": played.iter().map(episode).collect::<Vec<_>>(), "frames": reel.map(|reel| reel.film.frames.len()),
        "out": reel.map(|reel| &reel.out),
    });
    let line = |(i, p): (usize, &Played)| {
        let end = if p.success { "success" } else { "no success" };
        format!("  episode {:3}  {end}, {} control steps\n", i + 1, p.steps)
    };
    let lines: String = played.iter().enumerate().map(line).collect();
    let film = reel.map(|reel| format!("  film         {}, at {} times its speed\n", reel.out.display(), args.speed)).unwrap_or_default();
    let text = format!("{}, {who}\n{lines}{film}", cast.config.task);
    Answer { json, text }
}

/// Who plays what, as the arguments say.
fn cast(args: &Args) -> Result<Cast> {
    let mut cast = match &args.checkpoint {
        Some(path) => Cast::policy(path, args.task.as_deref(), device(&args.device)?)?,
        None => Cast::expert(Config::preset(Preset::Cpu), device("cpu")?),
    };
    if let Some(task) = args.task.as_ref().filter(|_| cast.acting.is_none()) {
        cast.config.task.clone_from(task);
        catalogue::usual_engine(task).clone_into(&mut cast.config.engine);
    }
    if let Some(engine) = &args.engine {
        cast.config.engine.clone_from(engine);
    }
    cast.config.seed = args.seed.unwrap_or(cast.config.seed);
    cast.config.eval.to_horizon |= args.to_horizon;
    Ok(cast)
}

/// `480x360`.
fn size(text: &str) -> Result<(usize, usize)> {
    let unclear = || Error::input(format!("--size {text} is not a width and a height: write them as 480x360"));
    let (width, height) = text.split_once('x').ok_or_else(unclear)?;
    let side = |digits: &str| digits.parse::<usize>().map_err(|_| unclear());
    let (width, height) = (side(width)?, side(height)?);
    protege_core::error::within("--size", width.min(height), 16, 4096)?;
    protege_core::error::within("--size", width.max(height), 16, 4096)?;
    Ok((width, height))
}
