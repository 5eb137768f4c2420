//! The program that writes recordings for Rerun's viewer. It is no member of the workspace
//! (`rerun/Cargo.toml` says why), but is built into the same folder, so that `protege` finds it
//! beside itself.

use crate::{setup, shell};

/// Where it is.
pub const MANIFEST: &str = "rerun/Cargo.toml";

/// Builds it.
///
/// # Errors
/// One sentence when the build fails.
pub fn build() -> Result<(), String> {
    setup::claim_target()?;
    eprintln!("Building protege-rerun (the first build takes about ten minutes on two cores) ...");
    shell::run(cargo(&["build", "--release"]))?;
    eprintln!(
        "Now `protege play --rerun FILE.rrd` records; `pip install rerun-sdk==0.36.3` brings the \
         viewer, `rerun FILE.rrd`."
    );
    Ok(())
}

/// Reads recordings back with Rerun's own decoder. Without optimizations: the tests take no time,
/// and compiling 250 crates does.
///
/// # Errors
/// One sentence when a test fails.
pub fn test() -> Result<(), String> {
    shell::run(cargo(&["test"]))
}

/// Whether it is formatted.
///
/// # Errors
/// One sentence when it is not.
pub fn check_format() -> Result<(), String> {
    shell::run(shell::cargo(&[
        "fmt",
        "--manifest-path",
        MANIFEST,
        "--check",
    ]))
}

fn cargo(subcommand: &[&str]) -> std::process::Command {
    let rest = ["--locked", "--manifest-path", MANIFEST];
    shell::cargo(&[subcommand, &rest].concat())
}
