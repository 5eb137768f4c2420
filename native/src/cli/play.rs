//! `protege play`: films of a policy, or of the scripted expert.

use super::machine::device;
use super::plan::{policy_config, policy_file, read_archive};
use super::{Answer, Output};
use crate::engines::{inputs, renderer};
use crate::film::{self, Camera, Film, Format, Look, Played, Player, Quality};
use burn::tensor::Device;
use protege_core::env::{ActionRepeat, catalogue};
use protege_core::rng::Rng;
use protege_core::run::{Acting, Config, FinetuneMethod, Inputs, Preset, Run};
use protege_core::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Seconds that the end of an episode can be looked at.
const REST_S: f64 = 0.8;
/// Frames a second.
const RATE: f64 = 20.0;

const EXAMPLES: &str = "\
Examples:
  protege play --task lab/pick-place                                  the scripted expert, as lab-pick-place.gif
  protege play --checkpoint runs/first --episodes 3 --out first.gif   a policy, on the starts that it was evaluated on
  protege play --checkpoint runs/first --out frames --size 640x480    PNG files in a folder
  protege play --task metaworld/pick-place --camera corner3 --speed 1 --out expert.mp4

There is no window: films are drawn in memory (EGL; no display and no GPU needed) and written to a file. MP4 needs ffmpeg.";

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
    /// A .gif, an .mp4, or a folder for PNG frames [default: <task>.gif]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
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

/// Plays, films and writes.
///
/// # Errors
/// When there is nothing to draw with, the policy cannot be read, or the file cannot be written.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    protege_core::error::within("--episodes", args.episodes, 1, 1000)?;
    protege_core::error::within("--speed", args.speed, 0.01, 100.0)?;
    let (width, height) = size(&args.size)?;
    let look = Look { width, height, camera: args.camera.clone(), quality: Quality::Fine };
    let cast = Cast::of(args)?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.gif", cast.config.task.replace('/', "-"))));
    let format = Format::of(&out)?;
    let mut camera = Camera { draw: renderer(&cast.config.task, &look)?, look: &look, rate: RATE, speed: args.speed };
    let (mut whole, mut played): (Option<Film>, Vec<Played>) = (None, Vec::new());
    for episode in 0..args.episodes {
        if !output.quiet {
            eprintln!("filming episode {} of {} ...", episode + 1, args.episodes);
        }
        let (mut film, result) = cast.film(episode, &mut camera)?;
        if format != Format::Frames {
            film.rest(REST_S);
        }
        match whole.as_mut() {
            Some(whole) => whole.frames.append(&mut film.frames),
            None => whole = Some(film),
        }
        played.push(result);
    }
    let film = whole.ok_or_else(|| Error::failed("no episode was filmed"))?;
    film::write(&film, format, &out)?;
    Ok(tell(&cast, args, &film, &played, &out))
}

fn tell(cast: &Cast, args: &Args, film: &Film, played: &[Played], out: &Path) -> Answer {
    let who = if cast.acting.is_some() { "policy" } else { "expert" };
    let episode = |p: &Played| json!({ "seed": p.seed, "success": p.success, "steps": p.steps });
    let json = json!({
        "task": cast.config.task, "engine": cast.config.engine, "player": who, "seed": cast.config.seed, "speed": args.speed,
        "episodes": played.iter().map(episode).collect::<Vec<_>>(), "frames": film.frames.len(), "out": out,
    });
    let line = |(i, p): (usize, &Played)| {
        let end = if p.success { "success" } else { "no success" };
        format!("  episode {:3}  {end} after {} control steps\n", i + 1, p.steps)
    };
    let lines: String = played.iter().enumerate().map(line).collect();
    let text = format!("{}, {who}, at {} times its speed\n{lines}  film         {}\n", cast.config.task, args.speed, out.display());
    Answer { json, text }
}

/// Who plays what.
pub struct Cast {
    /// The settings; those of the policy, where there is one.
    pub config: Config,
    /// The policy; none: the expert plays.
    pub acting: Option<Acting>,
    device: Device,
}

impl Cast {
    fn of(args: &Args) -> Result<Self> {
        let mut cast = match &args.checkpoint {
            Some(path) => Self::policy(path, args.task.as_deref(), device(&args.device)?)?,
            None => Self { config: Config::preset(Preset::Cpu), acting: None, device: device("cpu")? },
        };
        if let Some(task) = args.task.as_ref().filter(|_| cast.acting.is_none()) {
            cast.config.task.clone_from(task);
            catalogue::usual_engine(task).clone_into(&mut cast.config.engine);
        }
        if let Some(engine) = &args.engine {
            cast.config.engine.clone_from(engine);
        }
        cast.config.seed = args.seed.unwrap_or(cast.config.seed);
        Ok(cast)
    }

    /// The policy in a file or in the folder of a run.
    ///
    /// # Errors
    /// When it cannot be read, or is for another task.
    pub fn policy(path: &Path, task: Option<&str>, device: Device) -> Result<Self> {
        let policy = read_archive(&policy_file(path)?)?;
        let trained = policy_config(&policy)?;
        let mut config = trained.clone();
        // What finetuning made comes with the policy and is not to be made again.
        config.finetune.method = FinetuneMethod::None;
        if let Some(task) = task {
            task.clone_into(&mut config.task);
        }
        let run = Run::new(config, Inputs { policy: Some(policy), ..inputs() }, device)?;
        let (device, acting) = (run.device(), run.acting());
        Ok(Self { config: Config { task: run.config().task.clone(), ..trained }, acting, device })
    }

    /// The same without what finetuning made.
    pub fn pretrained(&self) -> Self {
        let acting = self.acting.as_ref().map(Acting::pretrained);
        Self { config: self.config.clone(), acting, device: self.device.clone() }
    }

    /// Control steps of the longest episode.
    ///
    /// # Errors
    /// When there is no such task.
    pub fn horizon(&self) -> Result<usize> {
        Ok(protege_core::env::spec(&self.config.task)?.horizon)
    }

    /// Films the `episode`-th of the starts that an evaluation plays.
    ///
    /// # Errors
    /// As [`film::record`].
    pub fn film(&self, episode: u64, camera: &mut Camera<'_>) -> Result<(Film, Played)> {
        let Config { task, engine, seed, env, .. } = &self.config;
        // Demonstrations hold each action, too, where a policy does.
        let mut stage = ActionRepeat::new(crate::engines::make(task, engine)?, env.action_repeat)?;
        let start = Rng::new(*seed, "eval", episode).bits();
        let player = match &self.acting {
            Some(acting) => Player::Policy(acting, self.device.clone()),
            None => Player::Expert,
        };
        film::record(&mut stage, &player, start, camera, env.action_repeat)
    }
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
