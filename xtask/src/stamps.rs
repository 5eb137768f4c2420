//! Steps that need not run again: what a step read when it passed is noted in the build folder.

use crate::shell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Whatever a step's outcome depends on, by name: files with hashes of their contents, tools with
/// their versions.
pub type Inputs = BTreeMap<String, String>;

/// What is made by builds and runs within the source folders.
const MADE: [&str; 4] = ["node_modules", "target", "__pycache__", ".DS_Store"];

/// Variables that change what is built or tested, by how their names begin.
const VARIABLES: [&str; 11] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUST_TEST_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "BOLERO_",
    "PROPTEST_",
    "PROTEGE_",
    "CHROMIUM",
];

/// The files of these paths, folders with all that is in them. A path that is not there is an
/// input, too: that it comes into being is a change.
pub fn files(root: &Path, paths: impl IntoIterator<Item = &'static str>) -> Inputs {
    let mut inputs = Inputs::new();
    for path in paths {
        add(root, Path::new(path), &mut inputs);
    }
    inputs
}

fn add(root: &Path, path: &Path, inputs: &mut Inputs) {
    let name = path.to_string_lossy().replace('\\', "/");
    match std::fs::read_dir(root.join(path)) {
        Ok(entries) => {
            let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
            for name in names.filter(|name| !MADE.iter().any(|made| name == made)) {
                add(root, &path.join(name), inputs);
            }
        }
        Err(_) => {
            let content = std::fs::read(root.join(path));
            let hash = content.map_or_else(|_| "missing".to_owned(), |bytes| hash(&bytes));
            inputs.insert(name, hash);
        }
    }
}

/// 64 bits: one change in 10^19 goes unnoticed. That another release of Rust hashes in another way
/// is at worst a run too many.
fn hash(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The compiler, and the variables that it and the tests listen to.
pub fn surroundings() -> Inputs {
    let compiler = shell::output(shell::command("rustc", &["-Vv"])).unwrap_or_default();
    let variables = std::env::vars().filter(|(name, _)| {
        VARIABLES
            .iter()
            .any(|beginning| name.starts_with(beginning))
    });
    let mut inputs: Inputs = variables.collect();
    inputs.insert("the compiler".to_owned(), compiler);
    inputs
}

/// The note that a step passed.
pub struct Stamp(PathBuf);

impl Stamp {
    /// That of a step, in a build folder.
    pub fn new(target: &Path, step: &str) -> Self {
        Self(target.join("xtask-stamps").join(step.replace(' ', "-")))
    }

    /// Whether the step passed with exactly these inputs; if not, why it has to run.
    ///
    /// # Errors
    /// The names of what differs, or that nothing is known.
    pub fn check(&self, inputs: &Inputs) -> Result<(), String> {
        let text = std::fs::read_to_string(&self.0).map_err(|_| "not known to pass".to_owned())?;
        let then: Vec<&str> = text.lines().collect();
        let now = lines(inputs);
        let is_new = |line: &&String| !then.contains(&line.as_str());
        let is_gone = |line: &&&str| !now.iter().any(|other| other == **line);
        let new = now.iter().filter(is_new).map(String::as_str);
        let gone = then.iter().filter(is_gone).copied();
        let mut changed: Vec<&str> = new.chain(gone).filter_map(name).collect();
        changed.sort_unstable();
        changed.dedup();
        match changed[..] {
            [] => Ok(()),
            [one] => Err(format!("{one} changed")),
            [first, ..] => Err(format!("{first} and {} more changed", changed.len() - 1)),
        }
    }

    /// Notes that the step passed. A note that cannot be written costs time, no more.
    pub fn write(&self, inputs: &Inputs) {
        let folder = self.0.parent().map_or(Ok(()), std::fs::create_dir_all);
        let written = folder.and_then(|()| std::fs::write(&self.0, lines(inputs).join("\n")));
        if let Err(error) = written {
            eprintln!("{} cannot be written: {error}.", self.0.display());
        }
    }

    /// Forgets that the step ever passed.
    ///
    /// # Errors
    /// When the note is there and stays, and so would tell of a pass after a failure.
    pub fn remove(&self) -> Result<(), String> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(format!("{} cannot be removed: {error}.", self.0.display()))
            }
            _ => Ok(()),
        }
    }
}

/// One line for each input: value, then name.
fn lines(inputs: &Inputs) -> Vec<String> {
    let line = |(name, value): (&String, &String)| format!("{value:?} {name}");
    inputs.iter().map(line).collect()
}

/// The name in a line.
fn name(line: &str) -> Option<&str> {
    line.rsplit_once("\" ").map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 2] = ["core/src", "Cargo.lock"];

    /// A folder of a few sources, removed when the test is over.
    struct Sources(PathBuf);

    impl Sources {
        fn new(test: &str) -> Self {
            let folder = format!("xtask-{test}-{}", std::process::id());
            let sources = Self(std::env::temp_dir().join(folder));
            for path in [
                "core/src/lib.rs",
                "core/src/nn/adam.rs",
                "Cargo.lock",
                "README.md",
            ] {
                sources.write(path, path);
            }
            sources
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn inputs(&self) -> Inputs {
            files(&self.0, PATHS)
        }

        /// A stamp for what is there now.
        fn stamp(&self) -> Stamp {
            let stamp = Stamp::new(&self.0.join("target"), "a step");
            stamp.write(&self.inputs());
            stamp
        }
    }

    impl Drop for Sources {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// The same contents are the same inputs, whatever the files' times, and whatever else changes.
    #[test]
    fn nothing_runs_again_for_a_change_outside_of_its_inputs() {
        let sources = Sources::new("outside");
        let stamp = sources.stamp();
        sources.write("README.md", "other words");
        sources.write("core/src/node_modules/made.rs", "made");
        sources.write("core/src/lib.rs", "core/src/lib.rs");
        assert_eq!(stamp.check(&sources.inputs()), Ok(()));
    }

    /// A change, a new file and one that is gone are named.
    #[test]
    fn a_change_in_an_input_is_seen_and_named() {
        let sources = Sources::new("inside");
        let stamp = sources.stamp();
        let check = || stamp.check(&sources.inputs()).unwrap_err();
        sources.write("core/src/nn/adam.rs", "a change");
        assert_eq!(check(), "core/src/nn/adam.rs changed");
        sources.write("core/src/nn/new.rs", "a file");
        assert_eq!(check(), "core/src/nn/adam.rs and 1 more changed");
        std::fs::remove_file(sources.0.join("Cargo.lock")).unwrap();
        assert_eq!(check(), "Cargo.lock and 2 more changed");
    }

    /// Tools and variables are inputs, too, and may have values of several lines.
    #[test]
    fn another_version_of_a_tool_is_a_change() {
        let sources = Sources::new("tool");
        let stamp = Stamp::new(&sources.0, "a step");
        let with = |version: &str| Inputs::from([("Node.js".to_owned(), version.to_owned())]);
        stamp.write(&with("v20\nx64"));
        assert_eq!(stamp.check(&with("v20\nx64")), Ok(()));
        let changed = stamp.check(&with("v22\nx64"));
        assert_eq!(changed, Err("Node.js changed".to_owned()));
    }

    /// A step whose stamp was removed, or never written, has to run.
    #[test]
    fn without_a_stamp_a_step_is_not_known_to_pass() {
        let sources = Sources::new("removed");
        let stamp = sources.stamp();
        stamp.remove().unwrap();
        assert!(stamp.check(&sources.inputs()).is_err());
        assert_eq!(stamp.remove(), Ok(()));
    }
}
