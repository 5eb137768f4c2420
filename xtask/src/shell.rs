//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What programs for browsers are compiled for.
pub const WASM: &str = "wasm32-unknown-unknown";

/// The root of the workspace. Asked at run time: a build folder shared by two clones may hold the
/// other one's xtask.
pub fn root() -> PathBuf {
    let xtask = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from("xtask"), PathBuf::from);
    xtask
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Where builds and tools live, outside of any clone: `~/.cache/protege`. Of a user without a home
/// folder, they live in the clone.
pub fn cache() -> PathBuf {
    crate::downloads::cache().unwrap_or_else(|_| root().join("target"))
}

/// Where cargo builds: the user's CARGO_TARGET_DIR, else a folder that all clones share.
pub fn target() -> PathBuf {
    let folder =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from);
    std::path::absolute(&folder).unwrap_or(folder)
}

/// A program, to be run in the root of the workspace.
pub fn command(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Cargo with these arguments, building into [`target`].
pub fn cargo(args: &[&str]) -> Command {
    let mut cargo = command(
        std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
        args,
    );
    cargo.env("CARGO_TARGET_DIR", target());
    cargo
}

/// Cargo with the one profile of this workspace.
pub fn cargo_release(args: &[&str]) -> Command {
    let (subcommand, rest) = args.split_at(1);
    cargo(&[subcommand, &["--release"], rest].concat())
}

/// The same for what is built only to be tested: of a crate that changed, only what differs is
/// compiled again, which after a line of core takes half a minute in place of five. Programs are
/// some 5% slower by it, so what people use and measure is built without.
pub fn cargo_incremental(args: &[&str]) -> Command {
    let mut cargo = cargo_release(args);
    cargo.env("CARGO_INCREMENTAL", "1");
    cargo
}

/// Shows the command, runs it, and waits.
///
/// # Errors
/// One sentence when it cannot be started or does not exit with 0.
pub fn run(mut command: Command) -> Result<(), String> {
    let line = line(&command);
    eprintln!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{line}` ended with {status}.")),
        Err(error) => Err(format!("`{line}` could not be started: {error}.")),
    }
}

/// Shows the command and starts it.
///
/// # Errors
/// One sentence when it cannot be started.
pub fn start(mut command: Command) -> Result<Child, String> {
    let line = line(&command);
    eprintln!("$ {line}");
    let started = command.spawn();
    started.map_err(|error| format!("`{line}` could not be started: {error}."))
}

/// Runs the command and returns what it printed on stdout.
///
/// # Errors
/// One sentence when it cannot be started or does not exit with 0.
pub fn output(mut command: Command) -> Result<String, String> {
    let line = line(&command);
    match command.stderr(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => Err(format!("`{line}` ended with {}.", output.status)),
        Err(error) => Err(format!("`{line}` could not be started: {error}.")),
    }
}

/// Runs the command in place of this process, so that Ctrl-C reaches it alone and the exit code is
/// its own.
///
/// # Errors
/// One sentence when it cannot be started.
#[cfg(unix)]
pub fn replace(mut command: Command) -> Result<(), String> {
    use std::os::unix::process::CommandExt;
    let line = line(&command);
    Err(format!(
        "`{line}` could not be started: {}.",
        command.exec()
    ))
}

/// Runs the command; other systems cannot replace a process.
#[cfg(not(unix))]
pub fn replace(command: Command) -> Result<(), String> {
    run(command)
}

fn line(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
