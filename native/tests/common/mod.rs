//! How tests call the program.

#![allow(dead_code, reason = "not every test uses all of it")]

pub mod drawn;
pub mod sweeps;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The program with these arguments, in this folder.
pub fn protege<S: AsRef<OsStr>>(folder: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_protege"));
    command.current_dir(folder).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// What it printed for people.
pub fn sentence(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Sends the signal of Ctrl-C.
pub fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status();
    assert!(sent.unwrap().success());
}
