//! What every command is asked and what it answers.

use protege_core::Error;
use serde_json::Value;
use std::num::NonZeroUsize;
use std::path::Path;

/// What is shown, and how.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Output {
    /// Print the result as JSON on stdout (an error too, as {"error": "..."}); everything else goes
    /// to stderr
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Cores to use at most; no number depends on it [default: all that the process may use]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// A path as JSON has it. What of it is no text is replaced: JSON holds nothing else.
pub fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// What a command found: for programs, and for people.
pub struct Answer {
    /// What `--json` prints.
    pub json: Value,
    /// What is printed otherwise.
    pub text: String,
}

/// The error that stands for a panic, in this thread or in another.
pub fn bug(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or(panic.downcast_ref::<&str>().copied());
    Error::failed(format!(
        "this is a bug in protege, please report it with the command line: {}",
        text.unwrap_or("no message")
    ))
}
