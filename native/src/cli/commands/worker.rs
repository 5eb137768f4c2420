//! `protege worker`: plays episodes for runs on other machines.

use crate::cli::answer::{Answer, Output};
use crate::cli::machine::cores;
use crate::cli::signals;
use crate::interrupt;
use crate::terminal;
use crate::workers::{Secret, Server};
use protege_core::Result;
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  protege worker                                              for runs on this machine
  protege worker --listen 0.0.0.0:7411 --token-file token     for runs elsewhere that know the token
  protege run --workers hub.example:7411 --token-file token   such a run

The token, of 16 characters or more, is read from --token-file or PROTEGE_TOKEN. What is said is \
authenticated, not encrypted:
in a network that you do not trust, use a tunnel such as `ssh -L`.";

/// Arguments of `worker`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Where to listen; beyond the loopback address only with a token
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7411")]
    listen: String,
    /// The file that holds the token [default: what PROTEGE_TOKEN holds]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Plays until it is stopped.
///
/// # Errors
/// When it cannot be listened there, or the token is missing or too short.
pub fn answer(args: &Args, output: Output) -> Result<Answer> {
    // Shares of episodes that are played at a time, each on one thread.
    let threads = cores();
    let secret = Secret::find(args.token_file.as_deref())?;
    let server = Server::listen(&args.listen, threads, secret)?;
    let address = server.address();
    // Nothing has to be saved: what is begun is played by others.
    signals::listen(|_| interrupt::request())?;
    if !output.quiet {
        terminal::note(&format!(
            "listening at {address}, {threads} shares at a time"
        ));
    }
    server.serve(interrupt::wish());
    let played = server.played();
    Ok(Answer {
        json: json!({ "listened": address.to_string(), "episodes": played }),
        text: format!("{played} episodes played\n"),
    })
}
