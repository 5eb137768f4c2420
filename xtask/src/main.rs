//! Set-up, tests, the demo and the bench: what the README's commands call.

#[path = "../../native/src/mujoco/adroit/package.rs"]
mod adroit;
#[cfg(target_os = "linux")]
mod attack;
mod demo;
#[allow(
    dead_code,
    reason = "shared with the program, which fetches more than a build needs"
)]
#[path = "../../native/src/downloads.rs"]
mod downloads;
mod lanes;
mod licences;
#[path = "../../native/src/mujoco/metaworld/package.rs"]
mod metaworld;
#[cfg(test)]
mod reasons;
mod rerun;
#[path = "../../native/src/mujoco/robosuite/package.rs"]
mod robosuite;
mod setup;
mod shell;
mod stamps;
mod test;
mod web;

/// It needs Linux's limits and file systems.
#[cfg(not(target_os = "linux"))]
mod attack {
    pub fn main(_: &[String]) -> Result<Result<(), String>, String> {
        Err("`attack` needs Linux.".to_owned())
    }

    pub fn quick() -> Result<(), String> {
        Ok(())
    }
}

use std::process::ExitCode;

/// The subcommands with one line each; the help text and the suggestion on a typing error.
const COMMANDS: [(&str, &str); 8] = [
    (
        "setup [--web]",
        "install what the tests need (with --web also what the web app needs)",
    ),
    (
        "test [--quick] [--all] [--gpu]",
        "set up, then run every check and test whose inputs have changed since it passed (--quick: \
         without wasm and fuzzing; --all: also what has not changed; --gpu: also on GPUs in \
         software, for which all of burn is built twice more)",
    ),
    (
        "demo [ARGS]",
        "build, then run the main job on its defaults; ARGS go to `protege run` and win over the \
         defaults",
    ),
    (
        "web [--build-only] [--webgpu]",
        "build the site into dist/ and serve it (--webgpu: with the program for GPUs, ten minutes \
         more the first time)",
    ),
    (
        "bench [ARGS]",
        "build, then print the speed figures of this machine; ARGS go to `protege bench`",
    ),
    (
        "attack [--quick] [OPTIONS]",
        "build, then attack the program with damaged files, odd settings, kills and the like; \
         docs/reliability.md has the options",
    ),
    (
        "rerun",
        "build the program that `protege play --rerun` writes recordings with",
    ),
    ("help", "this text"),
];

fn main() -> ExitCode {
    heed_interrupts();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = args.split_first() else {
        return wrong_input("Say what to do.");
    };
    let result = match command.as_str() {
        "setup" => flag(rest, "--web").map(setup::everything),
        "test" => flags(rest, ["--quick", "--all", "--gpu"])
            .map(|[quick, all, gpu]| test::run(&test::Choice { quick, all, gpu })),
        "demo" => Ok(demo::demo(rest)),
        "web" => flags(rest, ["--build-only", "--webgpu"])
            .map(|[only_build, webgpu]| web::web(only_build, webgpu)),
        "bench" => Ok(demo::bench(rest)),
        "attack" => attack::main(rest),
        "rerun" => Ok(rerun::build()),
        "help" | "--help" | "-h" => {
            println!("{}", help());
            return ExitCode::SUCCESS;
        }
        other => Err(format!("`{other}` is not a subcommand.")),
    };
    match result {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(sentence)) => {
            eprintln!("{sentence}");
            ExitCode::FAILURE
        }
        Err(sentence) => wrong_input(&sentence),
    }
}

/// A shell that starts a program in the background may have it ignore Ctrl-C, and so its children.
/// The program keeps to that, but tests press Ctrl-C, and it has to be heard.
#[cfg(unix)]
fn heed_interrupts() {
    #[allow(unsafe_code, reason = "the standard library has no signals")]
    // SAFETY: the default action is no function of ours, and no other thread is there yet.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_DFL);
    }
}

/// No such shells.
#[cfg(not(unix))]
fn heed_interrupts() {}

/// True when the arguments are this one flag, false when there are none.
fn flag(args: &[String], name: &str) -> Result<bool, String> {
    match args {
        [] => Ok(false),
        [only] if only == name => Ok(true),
        _ => Err(format!(
            "`{}` is not understood here; the only option is {name}.",
            args.join(" ")
        )),
    }
}

/// Which of these flags the arguments are.
fn flags<const N: usize>(args: &[String], names: [&str; N]) -> Result<[bool; N], String> {
    match args.iter().find(|arg| !names.contains(&arg.as_str())) {
        Some(other) => Err(format!(
            "`{other}` is not understood here; the options are {}.",
            names.join(" and ")
        )),
        None => Ok(names.map(|name| args.iter().any(|arg| arg == name))),
    }
}

fn wrong_input(sentence: &str) -> ExitCode {
    eprintln!("{sentence}\n\n{}", help());
    ExitCode::from(2)
}

fn help() -> String {
    let lines: Vec<String> = COMMANDS
        .iter()
        .map(|(usage, what)| format!("    {usage:<30} {what}"))
        .collect();
    format!(
        "Usage: cargo xtask COMMAND\n\n{}\n\nBuilds go to CARGO_TARGET_DIR (default \
         ~/.cache/protege/target), tools to ~/.cache/protege/tools.",
        lines.join("\n")
    )
}
