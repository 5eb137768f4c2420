//! `protege play`: a policy, or the scripted expert, in a window, on film or in a recording.

use crate::cli::answer::{Answer, Output};
use crate::cli::cast::Cast;
use crate::cli::machine::device;
use crate::cli::recording;
use crate::engines::{CATALOG, renderer};
use crate::episode::{Played, Watch};
use crate::film::{self, Camera, Film, Format, Look, Quality, Showing, Window};
use crate::rerun::{Program, Recorder};
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
  protege play --task lab/pick-place                                  \
      the scripted expert, in a window
  protege play --checkpoint runs/first --episodes 3 --out first.gif   \
      a policy, on the starts that it was evaluated on
  protege play --checkpoint runs/first --out frames --size 640x480    PNG files in a folder
  protege play --task metaworld/pick-place --camera corner3 --speed 1 --out expert.mp4
  protege play --checkpoint runs/first --rerun first.rrd              \
      a recording: `rerun first.rrd` shows it

Where there is no display, or with --out, a film is written instead of shown. Pictures are \
drawn in memory (EGL; no GPU needed).
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
    /// A .gif, an .mp4, or a folder for PNG frames [default: a window; <task>.gif where there is no
    /// display and no --rerun]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Record the scene, the joints, pictures, rewards and actions into an .rrd file for Rerun's
    /// viewer
    #[arg(long, value_name = "FILE")]
    rerun: Option<PathBuf>,
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
    let look = Look {
        width,
        height,
        camera: args.camera.clone(),
        quality: Quality::Fine,
    };
    let cast = cast(args)?;
    let mut window = window(args, &cast, &look);
    let wanted = args.out.is_some() || (args.rerun.is_none() && window.is_none());
    let mut reel = wanted.then(|| Reel::of(args, &cast, &look)).transpose()?;
    let mut recorder = args
        .rerun
        .as_ref()
        .map(|file| recording::begin(&cast, file, &look, output))
        .transpose()?;
    let live = window
        .as_mut()
        .map(|window| Ok((camera(args, &cast, &look)?, window)))
        .transpose()?;
    let played = play(
        args,
        &cast,
        Audience {
            live,
            reel: reel.as_mut(),
            recorder: recorder.as_mut(),
        },
        output,
    );
    let played = match recorder {
        Some(recorder) => recording::finish(recorder, played)?,
        None => played?,
    };
    if let Some(reel) = &reel {
        film::write(&reel.film, reel.format, &reel.out)?;
    }
    Ok(tell(&cast, args, reel.as_ref(), &played))
}

/// Who watches.
struct Audience<'a, 'b> {
    live: Option<(Camera<'b>, &'a mut Window)>,
    reel: Option<&'a mut Reel<'b>>,
    recorder: Option<&'a mut Recorder<Program>>,
}

/// Plays all episodes before its audience, until the window is closed where there is one.
fn play(
    args: &Args,
    cast: &Cast,
    mut audience: Audience<'_, '_>,
    output: Output,
) -> Result<Vec<Played>> {
    let mut played = Vec::new();
    for episode in 0..args.episodes {
        if !output.quiet {
            eprintln!("playing episode {} of {} ...", episode + 1, args.episodes);
        }
        let repeat = cast.config.env.action_repeat;
        let mut filming = audience.reel.as_mut().map(|reel| reel.camera.begin(repeat));
        let mut showing = audience
            .live
            .as_mut()
            .map(|(camera, window)| Showing::new(camera.begin(repeat), window, REST_S));
        let mut watchers: Vec<&mut dyn Watch> = Vec::new();
        watchers.extend(filming.as_mut().map(|filming| filming as &mut dyn Watch));
        watchers.extend(showing.as_mut().map(|showing| showing as &mut dyn Watch));
        watchers.extend(
            audience
                .recorder
                .as_mut()
                .map(|recorder| *recorder as &mut dyn Watch),
        );
        let result = cast.play(episode, &mut watchers)?;
        let film = filming.map(|filming| filming.film);
        if let (Some(reel), Some(film)) = (audience.reel.as_mut(), film) {
            reel.append(film);
        }
        if audience
            .live
            .as_ref()
            .is_some_and(|(_, window)| window.is_closed())
        {
            break;
        }
        played.push(result);
    }
    Ok(played)
}

/// A window, where nothing else is asked for and there is a display.
fn window(args: &Args, cast: &Cast, look: &Look) -> Option<Window> {
    if args.out.is_some() || args.rerun.is_some() || !Window::is_possible() {
        return None;
    }
    Window::open(&format!("protege · {}", cast.config.task), look)
        .inspect_err(|error| eprintln!("note: {error}; this time it is done"))
        .ok()
}

fn camera<'a>(args: &Args, cast: &Cast, look: &'a Look) -> Result<Camera<'a>> {
    Ok(Camera {
        draw: renderer(&cast.config.task, look)?,
        look,
        rate: RATE,
        speed: args.speed,
    })
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
        let film = Film {
            width: look.width,
            height: look.height,
            rate: RATE,
            frames: Vec::new(),
        };
        Ok(Self {
            camera,
            film,
            format,
            out,
        })
    }

    fn append(&mut self, mut film: Film) {
        if self.format != Format::Frames {
            film.rest(REST_S);
        }
        self.film.rate = film.rate;
        self.film.frames.append(&mut film.frames);
    }
}

fn tell(cast: &Cast, args: &Args, reel: Option<&Reel>, played: &[Played]) -> Answer {
    let who = cast.who();
    let episode = |p: &Played| json!({ "seed": p.seed, "success": p.success, "steps": p.steps });
    let frames = reel.map(|reel| reel.film.frames.len());
    let json = json!({
        "task": cast.config.task,
        "engine": cast.config.engine,
        "player": who,
        "seed": cast.config.seed,
        "speed": args.speed,
        "episodes": played.iter().map(episode).collect::<Vec<_>>(),
        "frames": frames,
        "out": reel.map(|reel| &reel.out),
        "rerun": args.rerun,
    });
    let line = |(i, p): (usize, &Played)| {
        let end = if p.success { "success" } else { "no success" };
        format!("  episode {:3}  {end}, {} control steps\n", i + 1, p.steps)
    };
    let lines: String = played.iter().enumerate().map(line).collect();
    let film = reel.map(|reel| {
        format!(
            "  film         {}, at {} times its speed\n",
            reel.out.display(),
            args.speed
        )
    });
    let recording = args
        .rerun
        .as_ref()
        .map(|file| format!("  recording    {}\n", file.display()));
    let text = format!(
        "{}, {who}\n{lines}{}{}",
        cast.config.task,
        film.unwrap_or_default(),
        recording.unwrap_or_default()
    );
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
        CATALOG
            .usual_engine(task)
            .clone_into(&mut cast.config.engine);
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
    let unclear = || {
        Error::input(format!(
            "--size {text} is not a width and a height: write them as 480x360"
        ))
    };
    let (width, height) = text.split_once('x').ok_or_else(unclear)?;
    let side = |digits: &str| digits.parse::<usize>().map_err(|_| unclear());
    let (width, height) = (side(width)?, side(height)?);
    protege_core::error::within("--size", width.min(height), 16, 4096)?;
    protege_core::error::within("--size", width.max(height), 16, 4096)?;
    Ok((width, height))
}
