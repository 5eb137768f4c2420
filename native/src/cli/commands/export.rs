//! `protege export`: demonstrations in the format of another program.

use crate::cli::answer::{self, Answer};
use crate::cli::plan::read_dataset;
use crate::files::{check_writable, write_pieces};
use crate::robomimic::Export;
use crate::terminal;
use protege_core::Result;
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  protege export --demos can.safetensors --format robomimic --out can.hdf5
  protege export --demos can.safetensors --format robomimic --valid 0.1 --out can.hdf5
  protege demos --from can.hdf5 --out again.safetensors                    and back";

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The demonstrations: a file of `protege demos`, or a run's `demos.safetensors`
    #[arg(long, value_name = "FILE")]
    demos: PathBuf,
    /// The other program
    #[arg(long, value_enum)]
    format: Format,
    /// A share of the demonstrations, between 0 and 1, that is not learned from: the list `valid`
    /// beside `train`
    #[arg(long, value_name = "SHARE")]
    valid: Option<f64>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// A program whose format can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// robomimic's HDF5
    Robomimic,
}

/// Reads, and writes.
///
/// # Errors
/// When the demonstrations cannot be read or the file cannot be written.
pub fn answer(args: &Args) -> Result<Answer> {
    let Format::Robomimic = args.format;
    check_writable(&args.out)?;
    let dataset = read_dataset(&args.demos)?;
    let export = Export::of(&dataset, args.valid)?;
    let summary = export.summary();
    write_pieces(&args.out, |file| export.write(file))?;
    for note in &summary.notes {
        terminal::note(&format!("note: {note}"));
    }
    let episodes = dataset.episodes.len();
    let steps = dataset.episodes.iter().map(|e| e.len()).sum::<usize>();
    let json = json!({
        "task": dataset.meta.task,
        "episodes": episodes,
        "steps": steps,
        "train": summary.train,
        "valid": summary.valid,
        "obs": summary.keys,
        "notes": summary.notes,
        "file": answer::path(&args.out),
    });
    let text = format!(
        "{episodes} demonstrations of {}, {steps} steps: {}\nobservations: {}\n",
        dataset.meta.task,
        terminal::path(&args.out),
        summary.keys.join(", ")
    );
    Ok(Answer { json, text })
}
