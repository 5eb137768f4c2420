//! The command line: `commands/`, one file each, and what they share: `session/`, how a run is
//! carried out, and files by topic.
//!
//! A command is a function from its arguments to an `Answer`. Only this file prints results and
//! chooses exit codes: 0 done, 2 the input is wrong, 1 anything else (`doctor`, too, when
//! something is missing).

mod answer;
mod commands;
mod machine;
mod names;
mod plan;
mod player;
mod recording;
mod session;
mod settings;
mod tables;

use answer::{Answer, Output, bug};
use clap::Parser;
use clap::error::ErrorKind;
use commands::Command;
use protege_core::Error;
use serde_json::json;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

const EXAMPLES: &str = "\
Examples:
  protege run --task lab/pick-place --demos 10 --seeds 3 --out runs/first    \
      the whole job, with a report at the end
  protege run --resume runs/first                                            \
      go on after Ctrl-C or a power cut
  protege tasks                                                              what there is to learn
  protege compare runs/first runs/second                                     two runs side by side

Exit codes: 0 done; 2 the input is wrong; 1 anything else, an interruption included.";

/// Pretrain robot policies from a few demonstrations so that reinforcement learning can finish the
/// job, and finish it.
#[derive(Debug, Parser)]
#[command(name = "protege", version, after_help = EXAMPLES, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    output: Output,
}

/// The program; its exit code.
pub fn main() -> u8 {
    let json = std::env::args().any(|argument| argument == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, json),
    };
    let _threads = machine::share_work(0);
    let exit_code: fn(&Answer) -> u8 = match cli.command {
        Command::Doctor(_) => commands::doctor::exit_code,
        _ => |_| 0,
    };
    let answered = catch_unwind(AssertUnwindSafe(|| {
        commands::answer(cli.command, cli.output)
    }));
    let answer = match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return fail(&error, json),
        Err(panic) => return fail(&bug(&*panic), json),
    };
    if json {
        print(&format!("{:#}\n", answer.json));
    } else {
        print(&answer.text);
    }
    exit_code(&answer)
}

/// Prints what clap has to say: help and version are no errors, the rest is wrong input.
fn refuse(error: &clap::Error, json: bool) -> u8 {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A reader that went away cannot be told.
        error.print().ok();
        return 0;
    }
    fail(&Error::input(sentence(&error.to_string())), json)
}

/// Clap's message as one sentence: what is wrong, and its tip if there is one.
fn sentence(message: &str) -> String {
    let paragraphs = message
        .split("\n\n")
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<String> = paragraphs
        .enumerate()
        .filter(|(i, text)| *i == 0 || text.starts_with("tip:"))
        .map(|(_, text)| text)
        .collect();
    format!(
        "{}; see --help",
        lines.join("; ").trim_start_matches("error: ")
    )
}

fn fail(error: &Error, json: bool) -> u8 {
    if json {
        print(&format!("{}\n", json!({ "error": error.to_string() })));
    }
    eprintln!("error: {error}");
    match error {
        Error::Input(_) => 2,
        _ => 1,
    }
}

/// Writes to stdout. A reader that went away (`protege tasks | head`) is no error.
fn print(text: &str) {
    std::io::stdout().write_all(text.as_bytes()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    /// The arguments of all commands are consistent (clap checks names, conflicts and groups).
    #[test]
    fn the_arguments_of_all_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    /// A wrong flag is answered in one line.
    #[test]
    fn a_wrong_flag_is_answered_in_one_line() {
        let refused = |arguments: &[&str]| {
            sentence(
                &Cli::try_parse_from(arguments)
                    .map(|_| ())
                    .unwrap_err()
                    .to_string(),
            )
        };
        let unknown = refused(&["protege", "run", "--sead", "1"]);
        assert!(
            unknown.contains("--sead") && unknown.contains("--seed") && !unknown.contains('\n'),
            "{unknown}"
        );
        let missing = refused(&["protege", "finetune"]);
        assert!(
            missing.contains("--checkpoint") && !missing.contains('\n'),
            "{missing}"
        );
    }
}
