//! The command line: one file per command, and what they share.
//!
//! A command is a function from its arguments to an [`Answer`]. Only this file prints results and
//! chooses exit codes: 0 done, 2 the input is wrong, 1 anything else.

mod bench;
mod cast;
mod compare;
mod demos;
mod doctor;
mod eval;
mod films;
mod finetune;
mod improvement;
pub mod journal;
mod machine;
mod methods;
mod names;
mod nan_state;
pub mod plan;
mod play;
mod portrait;
mod pretrain;
mod recording;
mod results;
mod run;
mod seed;
mod settings;
mod tables;
mod tasks;
mod theory;
mod trace;
mod world;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use protege_core::{Error, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

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
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole job: demonstrations, pretraining, finetuning, evaluation, report
    Run(run::Args),
    /// Record demonstrations of the scripted expert into a file
    Demos(demos::Args),
    /// Clone a policy from demonstrations
    Pretrain(pretrain::Args),
    /// Improve a pretrained policy by reinforcement learning
    Finetune(finetune::Args),
    /// Measure how often a policy succeeds
    Eval(eval::Args),
    /// Film a policy, or the scripted expert
    Play(play::Args),
    /// Put several runs side by side on one HTML page
    Compare(compare::Args),
    /// List the tasks, with sizes and the scripted expert's measured success
    Tasks(tasks::Args),
    /// Play the expert step by step, or replay an upstream suite's recorded episode and compare
    Trace(trace::Args),
    /// List the methods, with their presets and settings
    Methods(methods::Args),
    /// Measure what PostBC promises, exactly, on a random tabular problem
    Theory(theory::Args),
    /// Measure the speed of this machine
    Bench(bench::Args),
    /// Check what works on this machine, and say what to do about the rest
    Doctor(doctor::Args),
}

/// What a command found: for programs, and for people.
pub struct Answer {
    /// What `--json` prints.
    pub json: Value,
    /// What is printed otherwise.
    pub text: String,
}

/// The program.
pub fn main() -> ExitCode {
    let json = std::env::args().any(|argument| argument == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, json),
    };
    let _threads = machine::share_work(0);
    match catch_unwind(AssertUnwindSafe(|| answer(cli))) {
        Ok(Ok(answer)) if json => print(&format!("{:#}\n", answer.json)),
        Ok(Ok(answer)) => print(&answer.text),
        Ok(Err(error)) => return fail(&error, json),
        Err(panic) => return fail(&bug(&*panic), json),
    }
    ExitCode::SUCCESS
}

fn answer(cli: Cli) -> Result<Answer> {
    let output = cli.output;
    match cli.command {
        Command::Run(args) => run::answer(&args, output),
        Command::Demos(args) => demos::answer(&args, output),
        Command::Pretrain(args) => pretrain::answer(&args, output),
        Command::Finetune(args) => finetune::answer(&args, output),
        Command::Eval(args) => eval::answer(&args, output),
        Command::Play(args) => play::answer(&args, output),
        Command::Compare(args) => compare::answer(&args),
        Command::Tasks(args) => tasks::answer(&args),
        Command::Trace(args) => trace::answer(&args),
        Command::Methods(args) => methods::answer(&args),
        Command::Theory(args) => theory::answer(&args, output),
        Command::Bench(args) => bench::answer(&args, output),
        Command::Doctor(args) => doctor::answer(&args),
    }
}

/// Prints what clap has to say: help and version are no errors, the rest is wrong input.
fn refuse(error: &clap::Error, json: bool) -> ExitCode {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // A reader that went away cannot be told.
        error.print().ok();
        return ExitCode::SUCCESS;
    }
    fail(&Error::input(sentence(&error.to_string())), json)
}

/// Clap's message as one sentence: what is wrong, and its tip if there is one.
fn sentence(message: &str) -> String {
    let paragraphs = message
        .split("\n\n")
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let told: Vec<String> = paragraphs
        .enumerate()
        .filter(|(i, text)| *i == 0 || text.starts_with("tip:"))
        .map(|(_, text)| text)
        .collect();
    format!(
        "{}; see --help",
        told.join("; ").trim_start_matches("error: ")
    )
}

fn fail(error: &Error, json: bool) -> ExitCode {
    if json {
        print(&format!("{}\n", json!({ "error": error.to_string() })));
    }
    eprintln!("error: {error}");
    ExitCode::from(if matches!(error, Error::Input(_)) {
        2
    } else {
        1
    })
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
