//! protege: the command line.

// Shader types of the optional GPU backends nest deeply.
#![recursion_limit = "256"]

mod cli;
mod dashboard;
mod files;
mod report;
mod tensorboard;

fn main() -> std::process::ExitCode {
    cli::main()
}
