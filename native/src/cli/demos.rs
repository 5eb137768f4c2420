//! `protege demos`: demonstrations into a file.

use super::machine::device;
use super::seed::watch;
use super::settings::Settings;
use super::{Answer, Output};
use crate::dashboard::Dashboard;
use crate::engines::inputs;
use protege_core::run::Run;
use protege_core::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  protege demos --task lab/assembly --demos 20 --out assembly.safetensors
  protege demos --demos 50 --set demos.noise=0.2 --out noisy.safetensors
  protege run --demos-file noisy.safetensors                              learn from them";

/// Arguments of `demos`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    settings: Settings,
    /// The file to write
    #[arg(long, value_name = "FILE", default_value = "demos.safetensors")]
    out: PathBuf,
}

/// Records and writes.
///
/// # Errors
/// When a setting is wrong, the expert fails or the file cannot be written.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    let config = args.settings.resolve(None)?;
    let mut run = Run::new(config.clone(), inputs(), device("cpu")?)?;
    let mut bar = Dashboard::new(!output.quiet);
    watch(&mut run, &mut bar, |run, _| run.demos().is_some())?;
    bar.finish("demonstrations recorded");
    let demos = run.demos().ok_or_else(|| Error::failed("the run ended without demonstrations"))?;
    crate::files::write_atomic(&args.out, &demos.to_bytes()?)?;
    let (episodes, steps) = (demos.episodes.len(), demos.episodes.iter().map(|e| e.len()).sum::<usize>());
    let json = json!({ "task": config.task, "seed": config.seed, "episodes": episodes, "steps": steps, "demos_file": args.out });
    let text = format!("{episodes} demonstrations of {}, {steps} steps: {}\n", config.task, args.out.display());
    Ok(Answer { json, text })
}
