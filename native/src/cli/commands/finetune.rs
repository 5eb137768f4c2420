//! `protege finetune`: a run that begins with a pretrained policy.

use crate::cli::answer::{Answer, Output};
use crate::cli::session::{self, Given, Session};
use crate::cli::settings::Settings;
use protege_core::{Error, Result};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  protege finetune --checkpoint runs/bc --finetune best-of-n --out runs/bc-best-of-n
  protege finetune --checkpoint runs/bc --finetune dsrl --seeds 4     \
      each of the run's four seeds with its own policy
  protege finetune --checkpoint policy.safetensors --set finetune.best_of_n.samples=32 --seeds 3
  protege finetune --base openpi://gpu.example:8000 --finetune csil --task lab/pick-place \
      --demos-file demos.safetensors

Settings that are not given are those that the policy was pretrained with.";

/// Arguments of `finetune`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    mut_arg("pretrain", |arg| arg.hide(true)),
    group(clap::ArgGroup::new("start").required(true).args(["checkpoint", "base", "resume"]))
)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// The pretrained policy: a file, or the folder of a run, whose seeds go on each with their own
    #[arg(long, value_name = "POLICY")]
    checkpoint: Option<PathBuf>,
    /// A policy that another program serves, instead of a pretrained one of ours:
    /// `openpi://host:port`
    #[arg(long, value_name = "ADDRESS")]
    base: Option<String>,
    /// Demonstrations for methods that use them
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    demos_file: Option<PathBuf>,
    #[command(flatten)]
    session: Session,
}

/// Finetunes and evaluates.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    if let Some(path) = &args.session.resume {
        return session::resume(path, &args.session, output);
    }
    if args.settings.pretrain.is_some() {
        return Err(Error::input(
            "finetune begins with a pretrained policy and takes no --pretrain; `protege run` does \
             both",
        ));
    }
    if args.base.is_some() && args.settings.policy.is_some() {
        return Err(Error::input(
            "--base begins with a policy that another program serves, and takes no --policy",
        ));
    }
    let settings = args.base.as_deref().map_or_else(
        || args.settings.clone(),
        |address| args.settings.served(address),
    );
    let given = Given {
        demos_file: args.demos_file.as_deref(),
        checkpoint: args.checkpoint.as_deref(),
    };
    session::begin(&settings, given, &args.session, output)
}
