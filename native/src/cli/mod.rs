//! The command line: `commands/`, one file each, and what they share: `session/`, how a run is
//! carried out, and files by topic.
//!
//! A command is a function from its arguments to an `Answer`. Only this file prints results and
//! chooses exit codes: 0 done, 2 the input is wrong, 75 stopped and saved, 1 anything else
//! (`doctor`, too, when something is missing).

mod answer;
mod claim;
mod commands;
mod finished;
mod helpers;
pub mod machine;
mod names;
mod plan;
mod player;
mod recording;
mod session;
mod settings;
mod shell;
mod signals;
mod sweep;
mod tables;

use crate::terminal::{self, SignOfLife, last_words};
use answer::{Answer, Output, bug};
use clap::Parser;
use clap::error::{ContextValue, ErrorKind};
use commands::Command;
use protege_core::Error;
use protege_core::error::excerpt;
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

Exit codes: 0 done; 2 the input is wrong; 75 stopped, what was begun is saved and goes on; 1 all
else.";

/// The exit code of what was stopped and can go on: `EX_TEMPFAIL` of sysexits.h, by which
/// schedulers tell it from a failure.
pub const STOPPED: u8 = 75;

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
    signals::refuse_large_files();
    let json = std::env::args_os().any(|argument| argument == "--json");
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, json),
    };
    machine::use_cores(cli.output.threads);
    let _threads = machine::share_work(machine::cores());
    let exit_code: fn(&Answer) -> u8 = match cli.command {
        Command::Doctor(_) => commands::doctor::exit_code,
        _ => |_| 0,
    };
    let sign_of_life = (!cli.output.quiet).then(|| SignOfLife::of(commands::doing(&cli.command)));
    let answered = catch_unwind(AssertUnwindSafe(|| {
        commands::answer(cli.command, cli.output)
    }));
    drop(sign_of_life);
    let answer = match answered {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return fail(&error, json),
        Err(panic) => return fail(&bug(&*panic), json),
    };
    let code = if json {
        print(&format!("{:#}\n", answer.json))
    } else {
        print(&answer.text)
    };
    code.max(exit_code(&answer))
}

/// Ends the program at once. Everything must have been written.
pub fn end(code: u8) -> ! {
    // Mesa's software device still has threads of its own now, and crashes now and then when the
    // handlers of a process that ends take away what they use.
    //
    // SAFETY: `_exit` only ends the process.
    #[allow(
        unsafe_code,
        reason = "the standard library's exit runs these handlers"
    )]
    unsafe {
        libc::_exit(i32::from(code))
    }
}

/// Prints what clap has to say: help and version are no errors, the rest is wrong input.
fn refuse(error: &clap::Error, json: bool) -> u8 {
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let printed = error.print().and_then(|()| std::io::stdout().flush());
        return printed_or_not(terminal::unless_gone(printed));
    }
    let sentence = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            "no command is given, such as `protege run`; see --help".to_owned()
        }
        ErrorKind::InvalidUtf8 => not_text(),
        _ => refusal(error),
    };
    fail(&Error::input(sentence), json)
}

/// Says that an argument is no text which must be one.
fn not_text() -> String {
    let arguments = std::env::args_os().filter(|argument| argument.to_str().is_none());
    let shown: Vec<String> = arguments
        .map(|argument| format!("`{}`", excerpt(&argument.to_string_lossy())))
        .collect();
    format!(
        "an argument is not UTF-8 that must be a text: {}; see --help",
        shown.join(" or ")
    )
}

/// Clap's error as one sentence. What was typed is shown as it may stand in one.
fn refusal(error: &clap::Error) -> String {
    let mut message = error.to_string();
    for (_, value) in error.context() {
        if let ContextValue::String(typed) = value {
            message = message.replace(typed.as_str(), &excerpt(typed));
        }
    }
    sentence(&message)
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

/// Says what went wrong; the exit code.
fn fail(error: &Error, json: bool) -> u8 {
    let sentence = terminal::sentence(&error.to_string());
    if json {
        // It is told on stderr, too.
        terminal::answer(&format!("{}\n", json!({ "error": sentence }))).ok();
    }
    last_words(&format!("error: {sentence}"));
    match error {
        Error::Input(_) => 2,
        Error::Stopped(_) => STOPPED,
        _ => 1,
    }
}

/// Prints an answer; the exit code.
fn print(text: &str) -> u8 {
    printed_or_not(terminal::answer(text))
}

fn printed_or_not(printed: std::io::Result<()>) -> u8 {
    let Err(why) = printed else {
        return 0;
    };
    last_words(&format!(
        "error: the answer cannot be written to stdout ({why}): make room, or send it elsewhere"
    ));
    1
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
            let parsed = Cli::try_parse_from(arguments);
            refusal(&parsed.map(|_| ()).unwrap_err())
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
