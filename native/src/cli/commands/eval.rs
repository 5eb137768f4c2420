//! `protege eval`: how often a policy succeeds.

use crate::cli::answer::{self, Answer, Output};
use crate::cli::helpers::Helpers;
use crate::cli::machine::{cores, device};
use crate::cli::plan::{policy_config, policy_file, read_archive};
use crate::cli::player::Player;
use crate::cli::recording;
use crate::cli::session::results;
use crate::cli::session::seed::watch;
use crate::cli::settings::Settings;
use crate::dashboard::Dashboard;
use crate::engines::inputs;
use crate::report::Outcome;
use crate::rerun::{Program, Recorder};
use crate::terminal;
use crate::video::{Quality, RenderOptions};
use protege_core::run::{Config, EpisodeRecord, Inputs, Purpose, Run};
use protege_core::{Error, Result};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  protege eval --checkpoint runs/first --episodes 500
  protege eval --checkpoint policy.safetensors --task lab/pick-place --seed 7 --json

  protege eval --checkpoint runs/first --to-horizon                        \
      both usual figures: success at any step, and at the last

A policy that best-of-N finetuned is played with its critic. `--seed` picks the starts.";

/// Episodes that are recorded.
const RECORDED: u64 = 3;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The policy: a file, or the folder of a run
    #[arg(long, value_name = "POLICY")]
    checkpoint: PathBuf,
    /// Task [default: the one that the policy learned]
    #[arg(long)]
    task: Option<String>,
    /// Episodes [default: as the policy was evaluated]
    #[arg(long, value_name = "N")]
    episodes: Option<usize>,
    /// Play on after a success, to the horizon, and count also how many episodes end in success
    /// (`eval.to_horizon`)
    #[arg(long)]
    to_horizon: bool,
    /// Seed of the starts and of the policy's noise [default: the policy's own]
    #[arg(long, value_name = "K")]
    seed: Option<u64>,
    /// One setting, such as `env.parallel=10`; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Record the first three episodes into an .rrd file for Rerun's viewer, as `protege play
    /// --rerun` does
    #[arg(long, value_name = "FILE")]
    rerun: Option<PathBuf>,
    /// `cpu`, `wgpu` or `cuda:N`
    #[arg(long, default_value = "cpu")]
    device: String,
    #[command(flatten)]
    helpers: Helpers,
}

/// Evaluates.
///
/// # Errors
/// When the policy cannot be read, does not fit the task, or the simulator fails.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    let policy = read_archive(&policy_file(&args.checkpoint)?)?;
    let trained = policy_config(&policy)?;
    let mut set = args.set.clone();
    set.extend(args.episodes.map(|n| format!("eval.episodes={n}")));
    set.extend(args.to_horizon.then(|| "eval.to_horizon=true".to_owned()));
    let finetune = Some("none".to_owned());
    let settings = Settings {
        task: args.task.clone(),
        seed: args.seed,
        finetune,
        set,
        ..Settings::default()
    };
    let config = settings.resolve(Some(&trained))?;
    let recorded = args
        .rerun
        .as_ref()
        .map(|file| recorded(args, &config, file, output))
        .transpose()?;
    let inputs = Inputs {
        policy: Some(policy),
        ..inputs()
    };
    let notes = protege_core::run::notes(&config, &inputs)?;
    let run = Run::new(config.clone(), inputs, device(&args.device)?)?.with_threads(cores());
    settings.check(run.config(), Purpose::Evaluate)?;
    let help = args.helpers.find(run.config(), &args.device)?;
    let mut run = run.with_help(help);
    for note in &notes {
        terminal::note(&format!("note: {note}"));
    }
    let mut bar = Dashboard::new(!output.quiet);
    let progress = watch(&mut run, &mut bar, |_, _| false)?;
    bar.finish("evaluated");
    let episodes: Vec<EpisodeRecord> = progress.into_iter().flat_map(|p| p.episodes).collect();
    if episodes.is_empty() {
        return Err(Error::failed("the evaluation played no episode"));
    }
    if let Some((player, recorder)) = recorded {
        record(&player, recorder)?;
    }
    let outcome = Outcome::new(
        episodes.iter().filter(|e| e.success).count(),
        episodes.len(),
    );
    let at_end = results::at_end(&episodes.iter().collect::<Vec<_>>());
    let mean = |of: fn(&EpisodeRecord) -> f64| {
        episodes.iter().map(of).sum::<f64>() / episodes.len() as f64
    };
    let mean_return = mean(|e| f64::from(e.episode_return));
    let mean_length = mean(|e| e.length as f64);
    let rate = results::percent(&outcome).trim_start().to_owned();
    let rates = match &at_end {
        Some(at_end) => format!(
            "{rate} at any step, {} at the last step",
            results::percent(at_end).trim_start()
        ),
        None => rate,
    };
    let text = format!(
        "{}: {rates}, {mean_length:.0} control steps an episode\n",
        config.task
    );
    let Outcome {
        success,
        low,
        high,
        episodes,
    } = outcome;
    let json = json!({
        "task": config.task,
        "checkpoint": answer::path(&args.checkpoint),
        "seed": config.seed,
        "success": success,
        "low": low,
        "high": high,
        "episodes": episodes,
        "return": mean_return,
        "length": mean_length,
        "to_horizon": config.eval.to_horizon,
        "success_at_end": at_end,
        "rerun": args.rerun.as_deref().map(answer::path),
        "notes": notes,
    });
    Ok(Answer { json, text })
}

/// Plays the first episodes again before a recorder.
fn record(player: &Player, mut recorder: Recorder<Program>) -> Result<()> {
    let episodes = RECORDED.min(player.config.eval.episodes as u64);
    let played =
        (0..episodes).try_for_each(|episode| player.play(episode, &mut [&mut recorder]).map(drop));
    recording::finish(recorder, played)
}

/// Who is recorded, and by whom; what is missing for that is told before anything is evaluated.
fn recorded(
    args: &Args,
    config: &Config,
    file: &Path,
    output: Output,
) -> Result<(Player, Recorder<Program>)> {
    let mut player = Player::policy(
        &args.checkpoint,
        args.task.as_deref(),
        device(&args.device)?,
    )?;
    player.config.clone_from(config);
    let render_options = RenderOptions {
        width: 480,
        height: 360,
        camera: None,
        quality: Quality::Light,
    };
    let recorder = recording::begin(&player, file, &render_options, output)?;
    Ok((player, recorder))
}
