//! The site: its programs compiled, its pages put together, weighed, served and driven in a
//! browser.

use crate::setup::{self, Need};
use crate::shell::{self, WASM};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, SystemTime};

/// What building the site takes.
pub const NEEDS: [Need; 4] = [
    setup::WASM_TARGET,
    setup::NODE,
    setup::WASM_RUNNER,
    setup::NPM_PACKAGES,
];

/// What building the site and driving it in a browser takes.
pub const BROWSER_NEEDS: [Need; 5] = [
    setup::WASM_TARGET,
    setup::NODE,
    setup::WASM_RUNNER,
    setup::NPM_PACKAGES,
    setup::CHROMIUM,
];

/// The folder of the built site.
pub const SITE: &str = "dist";

/// What the site is made of.
const SOURCES: [&str; 6] = [
    "core/src",
    "core/scenes",
    "web",
    "www",
    "Cargo.toml",
    "Cargo.lock",
];

/// How often the sources are looked at while the site is served.
const PAUSE: Duration = Duration::from_millis(500);

/// Builds the site into `dist/`; without `only_build` also serves it, and builds again whenever a
/// file changes. With `webgpu` it has the program for GPUs beside it.
///
/// # Errors
/// One sentence when something is missing or the build fails.
pub fn web(only_build: bool, webgpu: bool) -> Result<(), String> {
    NEEDS.iter().try_for_each(setup::ensure)?;
    let seen = newest();
    build(webgpu)?;
    if only_build {
        return Ok(());
    }
    let server = shell::start(shell::command("node", &["www/serve.mjs", SITE]))?;
    watch(server, seen, webgpu)
}

/// Builds the site anew after every change, until the server ends: by Ctrl-C, which reaches both.
fn watch(mut server: Child, mut seen: SystemTime, webgpu: bool) -> Result<(), String> {
    loop {
        std::thread::sleep(PAUSE);
        if let Ok(Some(status)) = server.try_wait() {
            return Err(format!("The server ended with {status}."));
        }
        let now = newest();
        if now == seen {
            continue;
        }
        seen = now;
        // The site stays as it was until what was written compiles.
        match build(webgpu) {
            Ok(()) => eprintln!("Built anew: load the page again."),
            Err(sentence) => eprintln!("{sentence}"),
        }
    }
}

/// When the sources last changed. A file that is removed changes its folder.
fn newest() -> SystemTime {
    let root = shell::root();
    let times = SOURCES.iter().map(|path| newest_of(&root.join(path)));
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn newest_of(path: &Path) -> SystemTime {
    let time = std::fs::metadata(path).and_then(|data| data.modified());
    let time = time.unwrap_or(SystemTime::UNIX_EPOCH);
    let Ok(entries) = std::fs::read_dir(path) else {
        return time;
    };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let paths = paths.filter(|path| !path.ends_with("node_modules"));
    paths
        .map(|path| newest_of(&path))
        .fold(time, SystemTime::max)
}

/// Compiles the programs and puts the site together.
fn build(webgpu: bool) -> Result<(), String> {
    let folder = shell::target().join("site-programs");
    let mut site = shell::command("node", &["www/site.mjs", SITE]);
    site.arg(programs(&folder, &["app", "worker"], &[])?);
    if webgpu {
        let folder = shell::target().join("site-programs-gpu");
        site.arg(programs(
            &folder,
            &["worker_gpu"],
            &["--features", "webgpu"],
        )?);
    }
    shell::run(site)
}

/// Compiles programs for the browser into a folder, each with the JavaScript that loads it.
fn programs(folder: &Path, names: &[&str], options: &[&str]) -> Result<PathBuf, String> {
    let mut build = shell::cargo_release(&["build", "-p", "protege-web", "--target", WASM]);
    build.args(options);
    for name in names {
        build.args(["--bin", name]);
    }
    shell::run(build)?;
    let compiled = shell::target().join(WASM).join("release");
    for name in names {
        bindgen(&compiled.join(format!("{name}.wasm")), folder)?;
    }
    Ok(folder.to_owned())
}

/// Writes NAME.js and NAME_bg.wasm, without what is for debuggers: the names of functions alone are
/// a tenth of what a visitor would have to load.
fn bindgen(program: &Path, folder: &Path) -> Result<(), String> {
    let mut bindgen = shell::command(
        setup::tool("wasm-bindgen"),
        &[
            "--target",
            "web",
            "--no-typescript",
            "--remove-name-section",
            "--remove-producers-section",
        ],
    );
    bindgen.arg("--out-dir").arg(folder).arg(program);
    shell::run(bindgen)
}

/// Builds the site, and checks its size over the wire.
///
/// # Errors
/// One sentence when the build fails or the site is too heavy.
pub fn weigh() -> Result<(), String> {
    web(true, false)?;
    shell::run(shell::command("node", &["www/weigh.mjs", SITE]))
}

/// Tests the 3D view alone.
///
/// # Errors
/// One sentence when a test fails.
pub fn test_view() -> Result<(), String> {
    shell::run(shell::command("npm", &["test", "--prefix", "www"]))
}

/// Drives the site in a browser: every promise to a visitor.
///
/// # Errors
/// One sentence when a test fails.
pub fn test() -> Result<(), String> {
    drive("www/test/all.mjs")
}

/// Builds the site with its program for GPUs, and drives that.
///
/// # Errors
/// One sentence when the build or a test fails.
pub fn test_gpu() -> Result<(), String> {
    web(true, true)?;
    drive("www/test/webgpu.test.mjs")
}

/// Runs a file of tests against the built site.
fn drive(file: &str) -> Result<(), String> {
    let mut tests = shell::command("node", &["--test", file]);
    tests
        .env("SITE", shell::root().join(SITE))
        .env("SCREENSHOTS", shell::target().join("screenshots"));
    shell::run(tests)
}
