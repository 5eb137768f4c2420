//! Every check and test, one after the other; a failure does not keep the others from running.

use crate::setup::{self, Need};
use crate::{licences, rerun, shell, web};
use std::process::Command;
use std::time::Instant;

/// One step of the test run.
struct Step {
    name: &'static str,
    needs: &'static [Need],
    kind: Kind,
    run: fn() -> Result<(), String>,
}

/// When a step runs.
#[derive(PartialEq)]
enum Kind {
    /// Always.
    Quick,
    /// Without `--quick`.
    Full,
    /// Without `--quick`; skipped, rather than failed, where its needs cannot be had.
    IfPossible,
}

/// In the order of how soon they tell something.
const STEPS: [Step; 12] = [
    Step {
        name: "format",
        needs: &[setup::LINTS],
        kind: Kind::Quick,
        run: format,
    },
    Step {
        name: "licences",
        needs: &[],
        kind: Kind::Quick,
        run: licences::check,
    },
    Step {
        name: "tests",
        needs: &[setup::MUJOCO, setup::SCENES, setup::EGL],
        kind: Kind::Quick,
        run: || release(&["test", "--workspace"]),
    },
    Step {
        name: "lints",
        needs: &[setup::MUJOCO, setup::LINTS],
        kind: Kind::Quick,
        run: lints,
    },
    Step {
        name: "docs",
        needs: &[setup::MUJOCO],
        kind: Kind::Quick,
        run: docs,
    },
    Step {
        name: "fuzzing",
        needs: &[setup::MUJOCO],
        kind: Kind::Full,
        run: fuzz,
    },
    Step {
        name: "recordings",
        needs: &[],
        kind: Kind::Full,
        run: rerun::test,
    },
    Step {
        name: "wasm build",
        needs: &[setup::WASM_TARGET],
        kind: Kind::Full,
        run: || release(&["build", "-p", "protege-core", "--target", WASM]),
    },
    Step {
        name: "wasm tests",
        needs: &[setup::WASM_TARGET, setup::NODE, setup::WASM_RUNNER],
        kind: Kind::Full,
        run: wasm_tests,
    },
    Step {
        name: "wasm lints",
        needs: &[setup::WASM_TARGET],
        kind: Kind::Full,
        run: wasm_lints,
    },
    Step {
        name: "the site in a browser",
        needs: &[
            setup::WASM_TARGET,
            setup::NODE,
            setup::WASM_RUNNER,
            setup::WEB_BUNDLER,
            setup::NPM_PACKAGES,
            setup::CHROMIUM,
        ],
        kind: Kind::Full,
        run: web::test,
    },
    Step {
        name: "GPU tests on a software device",
        needs: &[setup::MUJOCO, setup::LAVAPIPE],
        kind: Kind::IfPossible,
        run: gpu_tests,
    },
];

const WASM: &str = "wasm32-unknown-unknown";

/// Installs what is missing, runs the steps, and prints what each took; the last line is `N passed,
/// N failed`.
///
/// # Errors
/// One sentence when a step failed.
pub fn run(quick: bool) -> Result<(), String> {
    setup::claim_target()?;
    let steps: Vec<&Step> = STEPS
        .iter()
        .filter(|step| !quick || step.kind == Kind::Quick)
        .collect();
    let reports: Vec<(Outcome, String)> = steps.iter().map(|step| report(step)).collect();
    println!();
    for (_, line) in &reports {
        println!("{line}");
    }
    let count = |outcome| reports.iter().filter(|(each, _)| *each == outcome).count();
    println!(
        "\n{} passed, {} failed",
        count(Outcome::Passed),
        count(Outcome::Failed)
    );
    if count(Outcome::Failed) == 0 {
        Ok(())
    } else {
        Err("Not everything passed; the lines above say what.".to_owned())
    }
}

/// How a step ended.
#[derive(PartialEq)]
enum Outcome {
    Passed,
    Failed,
    Skipped,
}

/// Runs one step; how it ended, and its line of the summary.
fn report(step: &Step) -> (Outcome, String) {
    eprintln!("\n== {}", step.name);
    let start = Instant::now();
    let (outcome, word, why) = match step.needs.iter().try_for_each(setup::ensure) {
        Err(missing) if step.kind == Kind::IfPossible => (Outcome::Skipped, "skipped", missing),
        ready => match ready.and_then(|()| (step.run)()) {
            Ok(()) => (Outcome::Passed, "ok", String::new()),
            Err(sentence) => (Outcome::Failed, "FAILED", sentence),
        },
    };
    let line = format!(
        "{word:<7} {:>6.1} s  {:<31} {why}",
        start.elapsed().as_secs_f64(),
        step.name
    );
    eprintln!("{}", line.trim_end());
    (outcome, line.trim_end().to_owned())
}

/// Cargo with the one profile of this workspace.
fn release(args: &[&str]) -> Result<(), String> {
    shell::run(cargo_release(args))
}

fn cargo_release(args: &[&str]) -> Command {
    let (subcommand, rest) = args.split_at(1);
    shell::cargo(&[subcommand, &["--release"], rest].concat())
}

fn format() -> Result<(), String> {
    shell::run(shell::cargo(&["fmt", "--all", "--check"])).and_then(|()| rerun::check_format())
}

/// With every feature: this is where the code for NVIDIA devices is compiled on machines that have
/// none.
fn lints() -> Result<(), String> {
    shell::run(without_llvm(cargo_release(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "--deny",
        "warnings",
    ])))
}

/// The page's own code exists in a browser only, and the program for GPUs with a feature only.
fn wasm_lints() -> Result<(), String> {
    release(&[
        "clippy",
        "-p",
        "protege-web",
        "--features",
        "webgpu",
        "--target",
        WASM,
        "--",
        "--deny",
        "warnings",
    ])
}

fn docs() -> Result<(), String> {
    let mut doc = without_llvm(cargo_release(&[
        "doc",
        "--workspace",
        "--no-deps",
        "--all-features",
    ]));
    doc.env("RUSTDOCFLAGS", "--deny warnings");
    shell::run(doc)
}

/// To link programs for NVIDIA devices, burn's build script fetches a compiled LLVM of hundreds of
/// megabytes; to look at the code it is not needed, and this is how that build script is told so.
fn without_llvm(mut cargo: Command) -> Command {
    cargo.env("DOCS_RS", "1");
    cargo
}

/// The parsers' fuzz tests again, longer than within the ordinary tests.
fn fuzz() -> Result<(), String> {
    let mut test = cargo_release(&["test", "--workspace", "--test", "fuzz"]);
    test.env(
        "BOLERO_RANDOM_ITERATIONS",
        std::env::var("BOLERO_RANDOM_ITERATIONS").unwrap_or_else(|_| "20000".to_owned()),
    );
    shell::run(test)
}

fn wasm_tests() -> Result<(), String> {
    let mut test = cargo_release(&[
        "test",
        "-p",
        "protege-core",
        "--target",
        WASM,
        "--test",
        "same_everywhere",
    ]);
    test.env(
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
        setup::tool("wasm-bindgen-test-runner"),
    );
    shell::run(test)
}

fn gpu_tests() -> Result<(), String> {
    let mut test = cargo_release(&[
        "test",
        "-p",
        "protege",
        "--features",
        "wgpu",
        "--test",
        "wgpu",
    ]);
    if let Some(driver) = setup::lavapipe() {
        test.env("VK_ICD_FILENAMES", driver);
    }
    shell::run(test)
}
