//! `protege trace`: an episode step by step, or a recorded one of an upstream suite compared with
//! ours.

use crate::cli::answer::Answer;
use crate::engines::{self, CATALOG};
use protege_core::tasks::ExpertStyle;
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  protege trace --task metaworld/assembly --seed 3                           \
      the expert's episode, a line for each step
  protege trace --fixture sim_traces.safetensors --key metaworld/assembly/0  \
      an episode of upstream's, replayed and compared
  protege trace --fixture nan-state.safetensors --key adroit/pen/0           \
      what a run left whose simulation broke, played again";

/// Arguments of `trace`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Play the expert on this task, `suite/name`
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "fixture",
        conflicts_with = "fixture"
    )]
    task: Option<String>,
    /// The start that is played
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        conflicts_with = "fixture"
    )]
    seed: u64,
    /// Control steps at most [default: to the end of the episode]
    #[arg(long, value_name = "N", conflicts_with = "fixture")]
    steps: Option<usize>,
    /// Standard deviation of Gaussian noise on the expert's actions
    #[arg(
        long,
        value_name = "STD",
        default_value_t = 0.0,
        conflicts_with = "fixture"
    )]
    noise: f64,
    /// A safetensors file of recorded episodes
    #[arg(long, value_name = "FILE", requires = "key")]
    fixture: Option<PathBuf>,
    /// The recorded episode, `suite/task/number`
    #[arg(
        long,
        value_name = "KEY",
        requires = "fixture",
        conflicts_with = "task"
    )]
    key: Option<String>,
}

/// Plays, or replays and compares.
///
/// # Errors
/// When the task or the episode is unknown, the file is damaged, or the simulator fails.
pub fn answer(args: &Args) -> Result<Answer> {
    match (&args.fixture, &args.key, &args.task) {
        (Some(fixture), Some(key), _) => compare(fixture, key),
        (_, _, Some(task)) => play(task, args),
        _ => Err(Error::input(
            "name a --task to play, or a --fixture with a --key to replay",
        )),
    }
}

#[cfg(feature = "mujoco")]
fn compare(fixture: &Path, key: &str) -> Result<Answer> {
    let name = protege_core::error::excerpt(key);
    let bytes = crate::files::read(fixture)?;
    let records = crate::mujoco::trace::Records::new(&bytes, &fixture.display().to_string())?;
    if let Some(replayed) = records.replay(key)? {
        let end = replayed
            .broke
            .clone()
            .unwrap_or_else(|| "it stayed finite this time".to_owned());
        let text = format!(
            "{name}, {} actions from the last finite state: {end}\n",
            replayed.steps
        );
        return Ok(Answer {
            json: json!(replayed),
            text,
        });
    }
    let found = records.compare(key)?;
    let error = |error: Option<f64>| {
        error.map_or("not recorded".to_owned(), |error| format!("{error:.1e}"))
    };
    let mut text = format!(
        "{name}, {} steps\n\
         largest error of an observation  {:.1e} \
         (to step 100: {:.1e}; after a reset of our own: {})\n\
         largest error of the reward      {}\n\
         success                          {}\n",
        found.steps,
        found.max_abs_error,
        found.max_abs_error_100,
        error(found.reset_max_abs_error),
        error(found.reward_max_abs_error),
        if found.success_equal {
            "equal at every step"
        } else {
            "DIFFERENT"
        },
    );
    if let Some(sent) = found.ctrl_max_abs_error {
        text += &format!("largest error of what motors got   {sent:.1e}\n");
    }
    if let Some(equal) = found.probe_success_equal {
        let verdict = if equal { "equal" } else { "DIFFERENT" };
        let probed = error(found.probe_max_abs_error);
        text += &format!("in states of their own             {probed}, success {verdict}\n");
    }
    Ok(Answer {
        json: json!(found),
        text,
    })
}

#[cfg(not(feature = "mujoco"))]
fn compare(fixture: &Path, _key: &str) -> Result<Answer> {
    let file = fixture.display();
    Err(Error::input(format!(
        "{file} was recorded on MuJoCo: this program was built without it; build it with \
         `--features mujoco`"
    )))
}

/// The expert's episode. Where upstream goes on after a success, so does it here.
fn play(task: &str, args: &Args) -> Result<Answer> {
    let mut env = engines::make(task, CATALOG.entry(task)?.engines[0])?;
    if CATALOG.suite(task)?.continues_after_success() {
        env.set_terminate_on_success(false);
    }
    env.set_style(ExpertStyle {
        noise: args.noise,
        ..ExpertStyle::default()
    })?;
    let mut obs = env.reset(args.seed).state;
    let mut lines = Vec::new();
    while lines.len() < args.steps.unwrap_or(usize::MAX) {
        let action = env.expert().ok_or_else(|| {
            Error::input(format!("{task} has no scripted expert; name another task"))
        })?;
        let step = env.step(&action)?;
        let index = lines.len();
        lines.push(json!({
            "step": index,
            "obs": obs,
            "action": action,
            "reward": step.reward,
            "success": step.success,
        }));
        if step.done() {
            break;
        }
        obs = step.obs.state;
    }
    let text = lines.iter().map(|line| format!("{line}\n")).collect();
    Ok(Answer {
        json: Value::Array(lines),
        text,
    })
}
