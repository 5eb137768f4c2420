//! `protege play`: a policy, or the scripted expert, in a window, as a video or in a recording.

use crate::cli::answer::{self, Answer, Output};
use crate::cli::machine::device;
use crate::cli::player::Player;
use crate::cli::recording;
use crate::engines::{CATALOG, renderer};
use crate::episode::{EpisodeObserver, EpisodeResult};
use crate::files::{check_folder, check_writable, unused};
use crate::rerun::{Program, Recorder};
use crate::terminal::{self, note};
use crate::video::{Camera, Format, Quality, RenderOptions, VideoFile, VideoRecorder, Window};
use protege_core::error::excerpt;
use protege_core::run::{Config, Preset, another_engine};
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

Where there is no display, or with --out, a video is written instead of shown. Pictures are \
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
    /// A .gif, an .mp4, or a folder for PNG frames [default: a window; <task>.gif, or <task>-2.gif
    /// where that exists, where there is no display and no --rerun]
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
    /// Where the policy computes, `cpu`, `wgpu` or `cuda:N` [default: cpu]
    #[arg(long, requires = "checkpoint")]
    device: Option<String>,
}

/// Plays, and shows or records and writes.
///
/// # Errors
/// When there is nothing to draw with, the policy cannot be read, or a file cannot be written.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    protege_core::error::within("--episodes", args.episodes, 1, 1000)?;
    protege_core::error::within("--speed", args.speed, 0.01, 100.0)?;
    let (width, height) = size(&args.size)?;
    let render_options = RenderOptions {
        width,
        height,
        camera: args.camera.clone(),
        quality: Quality::Fine,
    };
    let player = player(args)?;
    let mut window = window(args, &player, &render_options);
    let wanted = args.out.is_some() || (args.rerun.is_none() && window.is_none());
    let mut video_output = wanted
        .then(|| VideoOutput::of(args, &player, &render_options))
        .transpose()?;
    let mut recorder = args
        .rerun
        .as_ref()
        .map(|file| recording::begin(&player, file, &render_options, output))
        .transpose()?;
    let live = window
        .as_mut()
        .map(|window| Ok((camera(args, &player, &render_options)?, window)))
        .transpose()?;
    let played = play(
        args,
        &player,
        Sinks {
            live,
            video_output: video_output.as_mut(),
            recorder: recorder.as_mut(),
        },
        output,
    );
    let played = match recorder {
        Some(recorder) => recording::finish(recorder, played)?,
        None => played?,
    };
    let written = video_output.map(VideoOutput::finish).transpose()?;
    Ok(tell(&player, args, written.as_ref(), &played))
}

/// Who watches.
struct Sinks<'a, 'b> {
    live: Option<(Camera<'b>, &'a mut Window)>,
    video_output: Option<&'a mut VideoOutput<'b>>,
    recorder: Option<&'a mut Recorder<Program>>,
}

/// Plays all episodes before its audience, until the window is closed where there is one.
fn play(
    args: &Args,
    player: &Player,
    mut sinks: Sinks<'_, '_>,
    output: Output,
) -> Result<Vec<EpisodeResult>> {
    let mut played = Vec::new();
    for episode in 0..args.episodes {
        if !output.quiet {
            note(&format!(
                "playing episode {} of {} ...",
                episode + 1,
                args.episodes
            ));
        }
        let repeat = player.config.env.action_repeat;
        let mut video_recorder = sinks
            .video_output
            .as_mut()
            .map(|video_output| video_output.begin(repeat));
        let mut window_observer = sinks
            .live
            .as_mut()
            .map(|(camera, window)| camera.begin(repeat, REST_S, *window));
        let mut observers: Vec<&mut dyn EpisodeObserver> = Vec::new();
        observers.extend(
            video_recorder
                .as_mut()
                .map(|video_recorder| video_recorder as &mut dyn EpisodeObserver),
        );
        observers.extend(
            window_observer
                .as_mut()
                .map(|window_observer| window_observer as &mut dyn EpisodeObserver),
        );
        observers.extend(
            sinks
                .recorder
                .as_mut()
                .map(|recorder| *recorder as &mut dyn EpisodeObserver),
        );
        let result = player.play(episode, &mut observers)?;
        if sinks
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
fn window(args: &Args, player: &Player, render_options: &RenderOptions) -> Option<Window> {
    if args.out.is_some() || args.rerun.is_some() || !Window::is_possible() {
        return None;
    }
    Window::open(&format!("protege · {}", player.config.task), render_options)
        .inspect_err(|error| note(&format!("note: {error}; this time it is done")))
        .ok()
}

fn camera<'a>(
    args: &Args,
    player: &Player,
    render_options: &'a RenderOptions,
) -> Result<Camera<'a>> {
    Ok(Camera {
        draw: renderer(&player.config.task, render_options)?,
        render_options,
        rate: RATE,
        speed: args.speed,
    })
}

/// The video of all episodes, while it is written.
struct VideoOutput<'a> {
    camera: Camera<'a>,
    file: VideoFile,
}

/// A video that was written.
struct Written {
    out: PathBuf,
    frames: u64,
    /// Seconds that they are shown; none where they are single pictures.
    seconds: Option<f64>,
}

impl<'a> VideoOutput<'a> {
    fn of(args: &Args, player: &Player, render_options: &'a RenderOptions) -> Result<Self> {
        // A name that nobody chose is none that is taken.
        let usual = || unused(&player.config.task.replace('/', "-"), "gif");
        let out = args.out.clone().unwrap_or_else(usual);
        let format = Format::of(&out)?;
        let camera = camera(args, player, render_options)?;
        match format {
            Format::Gif | Format::Mp4 => check_writable(&out)?,
            Format::Frames => check_folder(&out)?,
        }
        let size = (render_options.width, render_options.height);
        let rate = camera.frame_rate(player.config.env.action_repeat);
        let file = VideoFile::begin(&out, format, size, rate)?;
        Ok(Self { camera, file })
    }

    fn begin(&mut self, action_repeat: usize) -> VideoRecorder<'_> {
        self.camera.begin(action_repeat, REST_S, &mut self.file)
    }

    fn finish(self) -> Result<Written> {
        let out = self.file.path().to_owned();
        let is_timed = self.file.format() != Format::Frames;
        let (frames, seconds) = self.file.finish()?;
        let seconds = is_timed.then_some(seconds);
        Ok(Written {
            out,
            frames,
            seconds,
        })
    }
}

fn tell(
    player: &Player,
    args: &Args,
    written: Option<&Written>,
    played: &[EpisodeResult],
) -> Answer {
    let who = player.who();
    let episode = |p: &EpisodeResult| {
        let seed = p.seed.to_string();
        json!({ "seed": seed, "success": p.success, "steps": p.steps })
    };
    let json = json!({
        "task": player.config.task,
        "engine": player.config.engine,
        "player": who,
        "seed": player.config.seed,
        "speed": args.speed,
        "episodes": played.iter().map(episode).collect::<Vec<_>>(),
        "frames": written.map(|written| written.frames),
        "seconds": written.and_then(|written| written.seconds),
        "out": written.map(|written| answer::path(&written.out)),
        "rerun": args.rerun.as_deref().map(answer::path),
    });
    let line = |(i, p): (usize, &EpisodeResult)| {
        let end = if p.success { "success" } else { "no success" };
        format!("  episode {:3}  {end}, {} control steps\n", i + 1, p.steps)
    };
    let lines: String = played.iter().enumerate().map(line).collect();
    let video = written.map(|written| {
        let how = match written.seconds {
            Some(seconds) => format!("{seconds:.1} s, at {} times its speed", args.speed),
            None => format!("{} frames", written.frames),
        };
        format!("  video        {}, {how}\n", terminal::path(&written.out))
    });
    let recording = args
        .rerun
        .as_ref()
        .map(|file| format!("  recording    {}\n", terminal::path(file)));
    let text = format!(
        "{}, {who}\n{lines}{}{}",
        player.config.task,
        video.unwrap_or_default(),
        recording.unwrap_or_default()
    );
    Answer { json, text }
}

/// Who plays what, as the arguments say.
fn player(args: &Args) -> Result<Player> {
    let device = device(args.device.as_deref().unwrap_or("cpu"))?;
    let mut player = match &args.checkpoint {
        Some(path) => Player::policy(path, args.task.as_deref(), device)?,
        None => Player::expert(Config::preset(Preset::Cpu), device),
    };
    if let Some(task) = args.task.as_ref().filter(|_| player.acting.is_none()) {
        player.config.task.clone_from(task);
        CATALOG
            .usual_engine(task)
            .clone_into(&mut player.config.engine);
    }
    if let Some(engine) = &args.engine {
        let trained = player.acting.is_some().then_some(&player.config.engine);
        let what = "the policy was trained";
        if let Some(note) = trained.and_then(|trained| another_engine(what, trained, engine)) {
            terminal::note(&format!("note: {note}"));
        }
        player.config.engine.clone_from(engine);
    }
    player.config.seed = args.seed.unwrap_or(player.config.seed);
    player.config.eval.to_horizon |= args.to_horizon;
    Ok(player)
}

/// `480x360`.
fn size(text: &str) -> Result<(usize, usize)> {
    let unclear = || {
        Error::input(format!(
            "--size {} is not a width and a height: write them as 480x360",
            excerpt(text)
        ))
    };
    let (width, height) = text.split_once('x').ok_or_else(unclear)?;
    let side = |digits: &str| digits.parse::<usize>().map_err(|_| unclear());
    let width = side(width)?;
    let height = side(height)?;
    protege_core::error::within("--size", width.min(height), 16, 4096)?;
    protege_core::error::within("--size", width.max(height), 16, 4096)?;
    Ok((width, height))
}
