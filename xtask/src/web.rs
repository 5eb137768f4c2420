//! The site: built by Trunk, served, weighed and driven in a browser.

use crate::setup::{self, Need};
use crate::shell;
use std::path::PathBuf;
use std::process::Command;

/// What building the site takes.
pub const BUILD: [Need; 5] = [setup::WASM_TARGET, setup::NODE, setup::WASM_RUNNER, setup::WEB_BUNDLER, setup::NPM_PACKAGES];

/// Builds the site into `dist/`; without `only_build` also serves it, and builds again whenever a file changes.
///
/// # Errors
/// One sentence when something is missing or the build fails.
pub fn web(only_build: bool) -> Result<(), String> {
    BUILD.iter().try_for_each(setup::ensure)?;
    if only_build {
        return build();
    }
    shell::replace(trunk(&["serve", "--release", "--offline", "--open=false"])?)
}

/// Builds the site into `dist/`.
///
/// # Errors
/// As [`web`].
pub fn build() -> Result<(), String> {
    shell::run(trunk(&["build", "--release", "--offline"])?)
}

/// Checks the wire size of the site, then drives it in a browser: every promise to a visitor.
///
/// # Errors
/// One sentence when the site is too heavy or a test fails.
pub fn test() -> Result<(), String> {
    build()?;
    shell::run(shell::command("node", &["www/weigh.mjs", "dist"]))?;
    let mut tests = shell::command("node", &["--test", "--test-concurrency=1", "www/view/test/", "www/test/"]);
    tests.env("SITE", shell::root().join("dist")).env("SCREENSHOTS", shell::target().join("screenshots"));
    shell::run(tests)
}

/// Trunk, which finds the tools that it needs on its path and fetches nothing.
fn trunk(args: &[&str]) -> Result<Command, String> {
    let mut trunk = shell::command(setup::tool("trunk"), args);
    let tools: Option<PathBuf> = setup::tool("trunk").parent().map(PathBuf::from);
    let own = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&own)));
    let path = path.map_err(|error| format!("the PATH cannot be extended ({error}): remove what is wrong with it."))?;
    trunk.env("PATH", path).env("CARGO_TARGET_DIR", shell::target());
    Ok(trunk)
}
