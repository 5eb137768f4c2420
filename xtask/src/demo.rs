//! The main job on its defaults, and the speed figures: both are `protege` itself, built and
//! started.

use crate::{setup, shell};

/// What `cargo xtask demo` runs; the user's own arguments win over these.
const DEFAULTS: [(&str, &str); 5] = [
    ("--task", "lab/pick-place"),
    ("--pretrain", "post-bc"),
    ("--finetune", "best-of-n"),
    ("--demos", "10"),
    ("--seeds", "2"),
];

/// Builds `protege` and runs demonstrations, pretraining, finetuning, evaluation and report.
///
/// # Errors
/// One sentence when the build fails or the program cannot be started.
pub fn demo(args: &[String]) -> Result<(), String> {
    protege("run", &with_defaults(args))
}

/// Builds `protege` and measures this machine.
pub fn bench(args: &[String]) -> Result<(), String> {
    protege(
        "bench",
        &args.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

/// The defaults that `args` do not set, then `args`.
fn with_defaults(args: &[String]) -> Vec<&str> {
    let is_set = |flag: &str| args.iter().any(|arg| arg.split('=').next() == Some(flag));
    let defaults = DEFAULTS
        .iter()
        .filter(|(flag, _)| !is_set(flag))
        .flat_map(|&(flag, value)| [flag, value]);
    defaults.chain(args.iter().map(String::as_str)).collect()
}

fn protege(command: &str, args: &[&str]) -> Result<(), String> {
    setup::claim_target()?;
    // Without it nothing is drawn, and MuJoCo's own tasks are not played; the rest works.
    if let Err(why) = setup::ensure(&setup::MUJOCO) {
        eprintln!("{why}");
    }
    eprintln!("Building protege (the first build takes about ten minutes on two cores) ...");
    shell::run(shell::cargo_release(&["build", "--package", "protege"]))?;
    let program = shell::target()
        .join("release")
        .join(format!("protege{}", std::env::consts::EXE_SUFFIX));
    let mut protege = shell::command(program, &[command]);
    protege.args(args);
    // The user's paths are relative to where the user stands.
    if let Ok(here) = std::env::current_dir() {
        protege.current_dir(here);
    }
    shell::replace(protege)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the user says wins, in both spellings, and appears once.
    #[test]
    fn the_users_arguments_win_over_the_defaults() {
        let args = ["--demos=3".to_owned(), "--out".to_owned(), "x".to_owned()];
        let line = with_defaults(&args).join(" ");
        assert_eq!(
            line,
            "--task lab/pick-place --pretrain post-bc --finetune best-of-n --seeds 2 --demos=3 \
             --out x"
        );
    }
}
