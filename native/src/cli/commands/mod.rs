//! One file per command, named as the command is: its arguments, `Args`, and what it does,
//! `answer`. What commands share lies beside this folder.

pub mod bench;
pub mod compare;
pub mod demos;
pub mod doctor;
pub mod eval;
pub mod export;
pub mod finetune;
pub mod methods;
pub mod play;
pub mod pretrain;
pub mod run;
pub mod sweep;
pub mod tasks;
pub mod theory;
pub mod trace;
pub mod worker;

use super::answer::{Answer, Output};
use clap::Subcommand;
use protege_core::Result;

/// A command and its arguments.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole job: demonstrations, pretraining, finetuning, evaluation, report
    Run(run::Args),
    /// Many runs that differ in settings and seeds, on one machine or a cluster
    Sweep(sweep::Args),
    /// Record demonstrations of the scripted expert into a file
    Demos(demos::Args),
    /// Write demonstrations in the format of another program
    Export(export::Args),
    /// Clone a policy from demonstrations
    Pretrain(pretrain::Args),
    /// Improve a pretrained policy by reinforcement learning
    Finetune(finetune::Args),
    /// Measure how often a policy succeeds
    Eval(eval::Args),
    /// Record a video of a policy, or of the scripted expert
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
    /// Play episodes for runs on other machines
    Worker(worker::Args),
    /// Check what works on this machine, and say what to do about the rest
    Doctor(doctor::Args),
}

/// What a command does, for those who wait.
pub fn doing(command: &Command) -> &'static str {
    match command {
        Command::Run(_) | Command::Pretrain(_) | Command::Finetune(_) => "preparing the run",
        Command::Sweep(_) => "reading the sweep",
        Command::Demos(_) => "preparing to record demonstrations",
        Command::Export(_) => "reading the demonstrations",
        Command::Eval(_) => "preparing to evaluate the policy",
        Command::Play(_) => "preparing to play",
        Command::Compare(_) => "reading the runs and comparing them",
        Command::Tasks(_) => "measuring the expert of every task",
        Command::Trace(_) => "playing the episode",
        Command::Methods(_) => "listing the methods",
        Command::Theory(_) => "preparing the problem",
        Command::Bench(_) => "measuring this machine",
        Command::Worker(_) => "preparing to listen",
        Command::Doctor(_) => "checking what works on this machine",
    }
}

/// Does what a command says.
///
/// # Errors
/// Those of the command.
pub fn answer(command: Command, output: Output) -> Result<Answer> {
    match command {
        Command::Run(args) => run::answer(&args, output),
        Command::Sweep(args) => sweep::answer(&args, output),
        Command::Demos(args) => demos::answer(&args, output),
        Command::Export(args) => export::answer(&args),
        Command::Pretrain(args) => pretrain::answer(&args, output),
        Command::Finetune(args) => finetune::answer(&args, output),
        Command::Eval(args) => eval::answer(&args, output),
        Command::Play(args) => play::answer(&args, output),
        Command::Compare(args) => compare::answer(&args),
        Command::Tasks(args) => tasks::answer(&args, output),
        Command::Trace(args) => trace::answer(&args),
        Command::Methods(args) => methods::answer(&args),
        Command::Theory(args) => theory::answer(&args, output),
        Command::Bench(args) => bench::answer(&args, output),
        Command::Worker(args) => worker::answer(&args, output),
        Command::Doctor(args) => doctor::answer(&args, output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// There is one file or folder per command, and it is called as the command is.
    #[test]
    fn there_is_one_file_per_command() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/cli/commands"));
        let stem = |path: &Path| path.file_stem().unwrap().to_string_lossy().into_owned();
        let entries = folder.read_dir().unwrap();
        let mut files: BTreeSet<String> =
            entries.map(|entry| stem(&entry.unwrap().path())).collect();
        files.remove("mod");
        let program = Command::augment_subcommands(clap::Command::new("protege"));
        let commands = program.get_subcommands();
        let commands: BTreeSet<String> =
            commands.map(|command| command.get_name().into()).collect();
        assert_eq!(files, commands);
    }
}
