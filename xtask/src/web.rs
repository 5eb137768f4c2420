//! The site: built by Trunk, served, weighed and driven in a browser.

use crate::setup::{self, Need};
use crate::shell;
use std::path::PathBuf;
use std::process::Command;

/// What building the site takes.
pub const BUILD: [Need; 5] = [
    setup::WASM_TARGET,
    setup::NODE,
    setup::WASM_RUNNER,
    setup::WEB_BUNDLER,
    setup::NPM_PACKAGES,
];

/// Builds the site into `dist/`; without `only_build` also serves it, and builds again whenever a
/// file changes. With `webgpu` it has the program for GPUs beside it.
///
/// # Errors
/// One sentence when something is missing or the build fails.
pub fn web(only_build: bool, webgpu: bool) -> Result<(), String> {
    BUILD.iter().try_for_each(setup::ensure)?;
    let gpu = if webgpu { Some(worker_gpu()?) } else { None };
    let mut trunk = trunk(if only_build {
        &["build", "--release", "--offline"]
    } else {
        &["serve", "--release", "--offline", "--open=false"]
    })?;
    // www/site.mjs puts what is there into the site.
    trunk.envs(gpu.map(|folder| ("WORKER_GPU", folder)));
    if only_build {
        shell::run(trunk)
    } else {
        shell::replace(trunk)
    }
}

/// Builds the worker that learns on GPUs; the folder that it is then in.
fn worker_gpu() -> Result<PathBuf, String> {
    const WASM: &str = "wasm32-unknown-unknown";
    let build = [
        "build",
        "--release",
        "-p",
        "protege-web",
        "--bin",
        "worker_gpu",
        "--features",
        "webgpu",
        "--target",
        WASM,
    ];
    shell::run(shell::cargo(&build))?;
    let folder = shell::target().join("worker_gpu");
    let program = shell::target()
        .join(WASM)
        .join("release")
        .join("worker_gpu.wasm");
    let mut bindgen = shell::command(
        setup::tool("wasm-bindgen"),
        &[
            "--target",
            "web",
            "--no-typescript",
            "--remove-name-section",
        ],
    );
    bindgen.arg("--out-dir").arg(&folder).arg(program);
    shell::run(bindgen)?;
    Ok(folder)
}

/// Checks the wire size of the site, then drives it, the program for GPUs included, in a browser:
/// every promise to a visitor.
///
/// # Errors
/// One sentence when the site is too heavy or a test fails.
pub fn test() -> Result<(), String> {
    web(true, true)?;
    shell::run(shell::command("node", &["www/weigh.mjs", "dist"]))?;
    let mut tests = shell::command("node", &["--test", "--test-concurrency=1"]);
    tests
        .args(test_files("www/view/test")?)
        .args(test_files("www/test")?);
    tests
        .env("SITE", shell::root().join("dist"))
        .env("SCREENSHOTS", shell::target().join("screenshots"));
    shell::run(tests)
}

/// The test files of a folder, in order. (Given a folder, some versions of Node run everything in
/// it as tests.)
fn test_files(folder: &str) -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(shell::root().join(folder))
        .map_err(|error| format!("{folder} cannot be read: {error}."))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    Ok(files)
}

/// Trunk, which finds the tools that it needs on its path and fetches nothing.
fn trunk(args: &[&str]) -> Result<Command, String> {
    let mut trunk = shell::command(setup::tool("trunk"), args);
    let tools: Option<PathBuf> = setup::tool("trunk").parent().map(PathBuf::from);
    let own = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&own)));
    let path = path.map_err(|error| {
        format!("the PATH cannot be extended ({error}): remove what is wrong with it.")
    })?;
    trunk
        .env("PATH", path)
        .env("CARGO_TARGET_DIR", shell::target());
    Ok(trunk)
}
