//! Every check and test, step by step; a failure does not keep the others from running, and
//! what passed with the same inputs before does not run again.
//!
//! Cargo compiles a dependency once for each set of features that anybody asks for, and burn takes
//! a quarter of an hour. So the native tests are built with one set of features, none, the lints
//! and the docs are checked with one, everything, and the tests in WebAssembly use what the site is
//! built from. Tests on GPUs need other sets, natively and in the browser, and run when asked for.

use crate::setup::{self, Need};
use crate::shell::{self, WASM, cargo_incremental, cargo_release};
use crate::stamps::{self, Inputs, Stamp};
use crate::{attack, lanes, licences, rerun, web};
use std::process::Command;
use std::time::Instant;

/// One step of the test run.
struct Step {
    name: &'static str,
    kind: Kind,
    needs: &'static [Need],
    /// The files and folders that its outcome depends on, beside [`ALWAYS`].
    reads: &'static [&'static [&'static str]],
    /// The folder that it makes for later steps.
    makes: Option<&'static str>,
    run: fn() -> Result<(), String>,
}

/// When a step runs.
#[derive(PartialEq)]
enum Kind {
    /// Always.
    Quick,
    /// Without `--quick`.
    Full,
    /// With `--gpu`; skipped, rather than failed, where its needs cannot be had.
    Gpu,
}

/// What every step depends on: the commands of the steps, and how cargo builds.
const ALWAYS: [&str; 5] = [
    "xtask/src",
    ".cargo/config.toml",
    "rust-toolchain.toml",
    "Cargo.toml",
    "Cargo.lock",
];
const MANIFESTS: &[&str] = &[
    "core/Cargo.toml",
    "core/derive/Cargo.toml",
    "native/Cargo.toml",
    "web/Cargo.toml",
    "xtask/Cargo.toml",
];
const CORE: &[&str] = &["core/src", "core/derive/src", "core/scenes"];
/// Tests and examples included.
const EVERYTHING: &[&str] = &["core", "native", "web", "xtask"];
/// What else some test may look at, to compare it with the code.
const PROSE: &[&str] = &["docs", "README.md", "www"];
const RERUN: &[&str] = &["rerun", "native/src/rerun"];
const SITE: &[&str] = &["web", "www", "LICENSE-MIT", "LICENSE-APACHE"];

/// In the order of how soon they tell something; but what runs the native program comes before the
/// lints, whose environment (see [`without_llvm`]) has cargo build parts of it again.
const STEPS: [Step; 15] = [
    Step {
        name: "format",
        kind: Kind::Quick,
        needs: &[setup::LINTS],
        reads: &[EVERYTHING, RERUN, &["rustfmt.toml"]],
        makes: None,
        run: format,
    },
    Step {
        name: "licences",
        kind: Kind::Quick,
        needs: &[],
        reads: &[MANIFESTS, &["rerun/Cargo.toml", "rerun/Cargo.lock"]],
        makes: None,
        run: licences::check,
    },
    Step {
        name: "tests",
        kind: Kind::Quick,
        needs: &[
            setup::MUJOCO,
            setup::SCENES,
            setup::EGL,
            setup::H5PY,
            setup::SLURM,
        ],
        reads: &[EVERYTHING, PROSE],
        makes: None,
        run: || lanes::cargo_test(native_tests),
    },
    Step {
        name: "attacks",
        kind: Kind::Full,
        needs: &[setup::MUJOCO],
        reads: &[MANIFESTS, CORE, &["native/src"]],
        makes: None,
        run: attack::quick,
    },
    Step {
        name: "fuzzing",
        kind: Kind::Full,
        needs: &[],
        reads: &[
            MANIFESTS,
            CORE,
            &["core/tests/fuzz.rs", "native/src", "native/tests/fuzz.rs"],
            &["native/tests/fixtures/robomimic"],
        ],
        makes: None,
        run: fuzz,
    },
    Step {
        name: "lints",
        kind: Kind::Quick,
        needs: &[setup::LINTS],
        reads: &[EVERYTHING],
        makes: None,
        run: lints,
    },
    Step {
        name: "docs",
        kind: Kind::Quick,
        needs: &[],
        reads: &[EVERYTHING],
        makes: None,
        run: docs,
    },
    Step {
        name: "recordings",
        kind: Kind::Full,
        needs: &[],
        reads: &[RERUN],
        makes: None,
        run: rerun::test,
    },
    Step {
        name: "wasm tests",
        kind: Kind::Full,
        needs: &[setup::WASM_TARGET, setup::NODE, setup::WASM_RUNNER],
        reads: &[MANIFESTS, CORE, &["core/tests/same_everywhere.rs"]],
        makes: None,
        run: wasm_tests,
    },
    Step {
        name: "wasm lints",
        kind: Kind::Full,
        needs: &[setup::WASM_TARGET, setup::LINTS],
        reads: &[MANIFESTS, CORE, &["web"]],
        makes: None,
        run: || wasm_lints(&[]),
    },
    Step {
        name: "the site",
        kind: Kind::Full,
        needs: &web::NEEDS,
        reads: &[MANIFESTS, CORE, SITE],
        makes: Some(web::SITE),
        run: web::weigh,
    },
    Step {
        name: "the 3D view in a browser",
        kind: Kind::Full,
        needs: &[setup::NODE, setup::NPM_PACKAGES, setup::CHROMIUM],
        reads: &[&["www/view", "www/package-lock.json", "core/scenes"]],
        makes: None,
        run: web::test_view,
    },
    Step {
        name: "the site in a browser",
        kind: Kind::Full,
        needs: &[setup::NODE, setup::NPM_PACKAGES, setup::CHROMIUM],
        reads: &[&[
            web::SITE,
            "www/test",
            "www/serve.mjs",
            "www/package-lock.json",
            "www/protege-demo.d.ts",
            "www/embed.js",
            "www/npm/README.md",
            "docs/browser.md",
        ]],
        makes: None,
        run: web::test,
    },
    Step {
        name: "GPU tests on a software device",
        kind: Kind::Gpu,
        needs: &[setup::LAVAPIPE],
        reads: &[MANIFESTS, CORE, &["native/tests/wgpu.rs"]],
        makes: None,
        run: gpu_tests,
    },
    Step {
        name: "the site on a software device",
        kind: Kind::Gpu,
        needs: &web::BROWSER_NEEDS,
        reads: &[MANIFESTS, CORE, SITE],
        makes: None,
        run: || wasm_lints(&["--features", "webgpu"]).and_then(|()| web::test_gpu()),
    },
];

/// Which steps run.
pub struct Choice {
    /// Only those that are quick.
    pub quick: bool,
    /// Also those that passed before.
    pub all: bool,
    /// Also those on GPUs in software.
    pub gpu: bool,
}

/// Installs what is missing, runs the steps, and prints what each took; the last line is `N passed,
/// N failed`.
///
/// # Errors
/// One sentence when a step failed.
pub fn run(choice: &Choice) -> Result<(), String> {
    setup::claim_target()?;
    let steps = STEPS.iter().filter(|step| match step.kind {
        Kind::Quick => true,
        Kind::Full => !choice.quick,
        Kind::Gpu => choice.gpu,
    });
    let reports: Vec<(Outcome, String)> = steps.map(|step| report(step, choice.all)).collect();
    println!();
    for (_, line) in &reports {
        println!("{line}");
    }
    let count = |wanted: fn(&Outcome) -> bool| {
        let outcomes = reports.iter().map(|(outcome, _)| outcome);
        outcomes.filter(|outcome| wanted(outcome)).count()
    };
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let passed = count(|outcome| matches!(outcome, Outcome::Passed | Outcome::Unchanged));
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 {
        Ok(())
    } else {
        Err("Not everything passed; the lines above say what.".to_owned())
    }
}

/// How a step ended.
#[derive(Debug, PartialEq)]
enum Outcome {
    Passed,
    /// It passed before, with exactly these inputs.
    Unchanged,
    /// Why.
    Failed(String),
    /// Why.
    Skipped(String),
}

/// Runs one step; how it ended, and its line of the summary.
fn report(step: &Step, all: bool) -> (Outcome, String) {
    eprintln!("\n== {}", step.name);
    let start = Instant::now();
    let stamp = Stamp::new(&shell::target(), step.name);
    let outcome = outcome(step, &stamp, all);
    let (word, why) = match &outcome {
        Outcome::Passed => ("ok", ""),
        Outcome::Unchanged => ("unchanged", ""),
        Outcome::Failed(why) => ("FAILED", why.as_str()),
        Outcome::Skipped(why) => ("skipped", why.as_str()),
    };
    let seconds = start.elapsed().as_secs_f64();
    let line = format!("{word:<9} {seconds:>6.1} s  {:<31} {why}", step.name);
    eprintln!("{}", line.trim_end());
    (outcome, line.trim_end().to_owned())
}

/// Runs a step unless its stamp says that it would pass.
fn outcome(step: &Step, stamp: &Stamp, all: bool) -> Outcome {
    match stamp.check(&inputs_and_result(step)) {
        Ok(()) if !all => return Outcome::Unchanged,
        Ok(()) => {}
        Err(why) => eprintln!("({why})"),
    }
    if let Err(why) = stamp.remove() {
        return Outcome::Failed(why);
    }
    if let Err(missing) = step.needs.iter().try_for_each(setup::ensure) {
        return match step.kind {
            Kind::Gpu => Outcome::Skipped(missing),
            _ => Outcome::Failed(missing),
        };
    }
    let before = inputs(step);
    if let Err(sentence) = (step.run)() {
        return Outcome::Failed(sentence);
    }
    // What was edited meanwhile may or may not have been part of it.
    if inputs(step) == before {
        stamp.write(&inputs_and_result(step));
    }
    Outcome::Passed
}

/// Whatever the outcome of a step depends on.
fn inputs(step: &Step) -> Inputs {
    let paths = step.reads.iter().copied().flatten().copied();
    let mut inputs = stamps::files(&shell::root(), ALWAYS.into_iter().chain(paths));
    inputs.extend(stamps::surroundings());
    for need in step.needs {
        let (name, version) = setup::found(need);
        inputs.insert(name.to_owned(), version);
    }
    inputs
}

/// The same, and what the step has made, which later steps may rely on only while it is there.
fn inputs_and_result(step: &Step) -> Inputs {
    let mut inputs = inputs(step);
    inputs.extend(stamps::files(&shell::root(), step.makes));
    inputs
}

fn format() -> Result<(), String> {
    shell::run(shell::cargo(&["fmt", "--all", "--check"])).and_then(|()| rerun::check_format())
}

/// All packages, whichever tests are wanted: which features a dependency has is decided by the
/// packages that are chosen.
fn native_tests(wanted: &[&str]) -> Command {
    let mut test = cargo_incremental(&["test", "--workspace"]);
    test.args(wanted);
    test
}

/// With every feature: this is where the code for NVIDIA devices is compiled on machines that have
/// none.
fn lints() -> Result<(), String> {
    shell::run(without_llvm(cargo_incremental(&[
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
fn wasm_lints(features: &[&str]) -> Result<(), String> {
    let mut clippy = cargo_release(&["clippy", "-p", "protege-web", "--target", WASM]);
    clippy.args(features).args(["--", "--deny", "warnings"]);
    shell::run(clippy)
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
    let mut test = native_tests(&["--test", "fuzz"]);
    if std::env::var_os("BOLERO_RANDOM_ITERATIONS").is_none() {
        test.env("BOLERO_RANDOM_ITERATIONS", "20000");
    }
    shell::run(test)
}

/// With the page's features, so that core is compiled for the site, too.
fn wasm_tests() -> Result<(), String> {
    let mut test = cargo_release(&[
        "test",
        "-p",
        "protege-core",
        "-p",
        "protege-web",
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
    // Kernels by themselves, and whole runs.
    let mut test = native_tests(&["--features", "protege/wgpu", "--lib", "--test", "wgpu"]);
    test.args(["--", "--ignored"]);
    if let Some(driver) = setup::lavapipe() {
        test.env("VK_ICD_FILENAMES", driver);
    }
    shell::run(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step of nothing but its outcome, with a stamp of its own.
    fn try_out(name: &str, run: fn() -> Result<(), String>) -> (Step, Stamp) {
        let step = Step {
            name: "a step",
            kind: Kind::Quick,
            needs: &[],
            reads: &[],
            makes: None,
            run,
        };
        let folder = format!("xtask-{name}-{}", std::process::id());
        let stamp = Stamp::new(&std::env::temp_dir().join(folder), step.name);
        (step, stamp)
    }

    /// What passed is not run again, unless everything is asked for.
    #[test]
    fn a_step_that_passed_is_unchanged_until_all_is_asked_for() {
        let (step, stamp) = try_out("passes", || Ok(()));
        assert_eq!(outcome(&step, &stamp, false), Outcome::Passed);
        assert_eq!(outcome(&step, &stamp, false), Outcome::Unchanged);
        assert_eq!(outcome(&step, &stamp, true), Outcome::Passed);
        stamp.remove().unwrap();
    }

    /// A step that fails is run again the next time, also when it passed before.
    #[test]
    fn a_failure_leaves_no_stamp() {
        let (step, stamp) = try_out("fails", || Err("no".to_owned()));
        stamp.write(&inputs(&step));
        let failed = Outcome::Failed("no".to_owned());
        assert_eq!(outcome(&step, &stamp, true), failed);
        assert!(stamp.check(&inputs(&step)).is_err());
        assert_eq!(outcome(&step, &stamp, false), failed);
    }

    /// A crate that joins the workspace has to be named in the table, and in [`CORE`] when core is
    /// built from it.
    #[test]
    fn every_crate_of_the_workspace_is_read() {
        let manifest = std::fs::read_to_string(shell::root().join("Cargo.toml")).unwrap();
        let quoted = |line: &str| -> Vec<String> {
            let words = line.split('"').skip(1).step_by(2);
            words.map(str::to_owned).collect()
        };
        let members = manifest.lines().find(|line| line.starts_with("members"));
        for member in quoted(members.unwrap()) {
            let is_read = EVERYTHING.iter().any(|path| member.starts_with(path));
            assert!(is_read, "{member}");
            let its_manifest = format!("{member}/Cargo.toml");
            assert!(MANIFESTS.contains(&its_manifest.as_str()), "{its_manifest}");
        }
        for line in manifest.lines().filter(|line| line.contains("path = \"")) {
            let folder = quoted(line).pop().unwrap();
            let is_read = CORE.iter().any(|path| path.starts_with(&folder));
            assert!(is_read, "core may be built from {folder}");
        }
    }

    /// Every path of the table is there, but for what is made or optional: a name that is wrong
    /// would let a change go unnoticed.
    #[test]
    fn what_a_step_reads_exists() {
        let optional = ["rust-toolchain.toml", web::SITE];
        for step in &STEPS {
            for path in step.reads.iter().copied().flatten() {
                let exists = shell::root().join(path).exists();
                assert!(exists || optional.contains(path), "{}: {path}", step.name);
            }
        }
    }
}
