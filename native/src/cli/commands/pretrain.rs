//! `protege pretrain`: a run that ends before finetuning.

use crate::cli::answer::{Answer, Output};
use crate::cli::session::{self, Given, Session};
use crate::cli::settings::Settings;
use protege_core::{Error, Result};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  protege pretrain --pretrain bc --demos-file demos.safetensors --out runs/bc
  protege pretrain --task lab/lift --demos 20 --seeds 3
  protege finetune --checkpoint runs/bc                                   what comes next

The policy is seed-K/policy.safetensors in the run's folder; `--checkpoint` takes that file \
or the folder.";

/// Arguments of `pretrain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES, mut_arg("finetune", |arg| arg.hide(true)))]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// Demonstrations from this file instead of the scripted expert
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    demos_file: Option<PathBuf>,
    #[command(flatten)]
    session: Session,
}

/// Clones and evaluates.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    if let Some(path) = &args.session.resume {
        return session::resume(path, &args.session, output);
    }
    if args.settings.finetune.is_some() {
        return Err(Error::input(
            "pretrain ends before finetuning and takes no --finetune; `protege run` does both",
        ));
    }
    let settings = args.settings.before_finetuning();
    let given = Given {
        demos_file: args.demos_file.as_deref(),
        checkpoint: None,
    };
    session::begin(&settings, given, &args.session, output)
}
