//! `protege run`: the whole job over several seeds, with a report at the end.

use crate::cli::answer::{Answer, Output};
use crate::cli::session::{self, Given, Session};
use crate::cli::settings::Settings;
use protege_core::Result;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  protege run --demos 10 --seeds 3                                    \
      the defaults: lab/pick-place, PostBC, then best-of-N
  protege run --task lab/lift --pretrain bc --preset tiny --out runs/quick
  protege run --set pretrain.post_bc.alpha=0.5 --set finetune.best_of_n.samples=32
  protege run --config runs/quick/config.toml --seeds 5               \
      the same again, with more seeds
  protege run --resume runs/quick                                     go on after an interruption

A run's folder holds config.toml, summary.json and report.html, and for each seed seed-K/ with \
metrics.jsonl, episodes.jsonl,
demos.safetensors, policy.safetensors, checkpoints/ and tensorboard/. A run that was stopped \
and resumed leaves the same
numbers as one that was not; only wall_s differs.";

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    pub settings: Settings,
    /// Demonstrations from this file instead of the scripted expert; with `--demos N`, N of them
    /// drawn at random
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub demos_file: Option<PathBuf>,
    /// A pretrained policy (a file, or the folder of a run, whose seeds go on each with their own):
    /// pretraining is skipped
    #[arg(long, value_name = "POLICY", conflicts_with = "resume")]
    pub checkpoint: Option<PathBuf>,
    #[command(flatten)]
    pub session: Session,
}

/// Runs, or resumes, and reports.
///
/// # Errors
/// When the input is wrong, a step fails, or Ctrl-C stopped it.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    if let Some(path) = &args.session.resume {
        return session::resume(path, &args.session, output);
    }
    let given = Given {
        demos_file: args.demos_file.as_deref(),
        checkpoint: args.checkpoint.as_deref(),
    };
    session::begin(&args.settings, given, &args.session, output)
}
