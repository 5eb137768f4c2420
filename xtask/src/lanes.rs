//! Tests in several programs, two at a time: many programs end with one long test, or wait for what
//! they have started, and leave cores idle. Those that mostly wait run beside the others.

use crate::shell;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Programs that run at a time.
const LANES: usize = 2;

/// Programs that wait for others' daemons most of their time.
const WAITING: [&str; 1] = ["native/tests/slurm.rs"];

/// A program, and its name in what is said of it.
pub type Named = (String, Command);

/// Builds the tests of a `cargo test` command and runs them all, then those in docs.
///
/// # Errors
/// One sentence that names what failed.
pub fn cargo_test(cargo_test: impl Fn(&[&str]) -> Command) -> Result<(), String> {
    let build = || build(cargo_test(&["--no-run", "--message-format=json"]));
    let mut built = build()?;
    if !built.succeeded && built.messages.iter().any(is_of_the_linker) {
        // A build that was killed can leave parts that do not link, which cargo takes for whole.
        forget_parts();
        built = build()?;
    }
    if !built.succeeded {
        return Err("The tests could not be built.".to_owned());
    }
    let programs = programs(&built.messages);
    if programs.is_empty() {
        return Err("cargo named no test program.".to_owned());
    }
    run(programs)?;
    shell::run(cargo_test(&["--doc"]))
}

/// A build, and what cargo says of it.
struct Built {
    succeeded: bool,
    messages: Vec<Value>,
}

/// Builds, and shows what the compiler says.
fn build(mut build: Command) -> Result<Built, String> {
    let output = build.stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cargo could not be started: {error}."))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let messages: Vec<Value> = messages.collect();
    for message in &messages {
        if let Some(words) = message["message"]["rendered"].as_str() {
            eprint!("{words}");
        }
    }
    Ok(Built {
        succeeded: output.status.success(),
        messages,
    })
}

/// Whether a message of the compiler is that parts could not be linked.
fn is_of_the_linker(message: &Value) -> bool {
    let words = message["message"]["message"].as_str();
    words.is_some_and(|words| words.starts_with("linking with"))
}

/// Removes what incremental builds keep of crates, if there is any.
fn forget_parts() {
    let folder = shell::target().join("release/incremental");
    if std::fs::remove_dir_all(folder).is_ok() {
        eprintln!("(Once more, without what earlier builds have left.)");
    }
}

/// Runs programs in their order, also after one has failed.
///
/// # Errors
/// One sentence with the names of those that did not exit with 0.
pub fn run(programs: Vec<Named>) -> Result<(), String> {
    let is_waiting = |(name, _): &Named| WAITING.contains(&&name[..]);
    let (waiting, others): (Vec<_>, Vec<_>) = programs.into_iter().partition(is_waiting);
    let queues = [waiting, others].map(|programs| Mutex::new(programs.into_iter()));
    let failed = Mutex::new(Vec::new());
    let lane = |queue: &Mutex<std::vec::IntoIter<Named>>| {
        loop {
            let next = lock(queue).next();
            let Some((name, command)) = next else { return };
            if !passes(&name, command) {
                lock(&failed).push(name);
            }
        }
    };
    let [waiting, others] = &queues;
    std::thread::scope(|scope| {
        scope.spawn(|| lane(waiting));
        for _ in 0..LANES {
            scope.spawn(|| lane(others));
        }
    });
    let mut failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    failed.sort_unstable();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(format!("Tests failed in {}.", failed.join(", "))),
    }
}

/// Whether all of its tests pass. What it says is shown at its end, lest two be mixed.
fn passes(name: &str, mut command: Command) -> bool {
    match command.output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            println!("-- {name}\n{}", String::from_utf8_lossy(&said));
            output.status.success()
        }
        Err(error) => {
            println!("-- {name}\nIt could not be started: {error}.");
            false
        }
    }
}

/// The test programs among what cargo says that it has built, largest first: a long one that begins
/// last would run alone.
fn programs(messages: &[Value]) -> Vec<Named> {
    let mut programs: Vec<(u64, Named)> = messages.iter().filter_map(program).collect();
    programs.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    programs.into_iter().map(|(_, program)| program).collect()
}

/// One of them, started as cargo would, and its size.
fn program(artifact: &Value) -> Option<(u64, Named)> {
    if artifact["profile"]["test"] != Value::Bool(true) {
        return None;
    }
    let file = artifact["executable"].as_str()?;
    let package = Path::new(artifact["manifest_path"].as_str()?).parent()?;
    let source = Path::new(artifact["target"]["src_path"].as_str()?);
    let name = source.strip_prefix(shell::root()).unwrap_or(source);
    let mut command = Command::new(file);
    command.current_dir(package);
    command.env("CARGO_MANIFEST_DIR", package);
    let size = std::fs::metadata(file).map_or(0, |data| data.len());
    Some((size, (name.display().to_string(), command)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test programs are told from other programs and libraries, and named by their sources.
    #[test]
    fn test_programs_are_found_in_what_cargo_says() {
        let artifact = |test: bool, executable: Value| {
            let source = shell::root().join("core/tests/fuzz.rs");
            serde_json::json!({
                "reason": "compiler-artifact",
                "manifest_path": "/clone/core/Cargo.toml",
                "target": { "src_path": source },
                "profile": { "test": test },
                "executable": executable,
            })
        };
        let messages = [
            artifact(true, "/build/fuzz-1".into()),
            artifact(false, "/build/protege".into()),
            artifact(true, Value::Null),
            serde_json::json!({ "reason": "build-finished" }),
        ];
        let found = programs(&messages);
        let [(name, command)] = &found[..] else {
            panic!("one of them is a test program");
        };
        assert_eq!(name, "core/tests/fuzz.rs");
        assert_eq!(command.get_program(), "/build/fuzz-1");
        assert_eq!(command.get_current_dir(), Some(Path::new("/clone/core")));
    }

    /// Only where parts do not link may those of earlier builds be to blame.
    #[test]
    fn a_message_of_the_linker_is_told_from_others() {
        let message = |words: &str| {
            serde_json::json!({
                "reason": "compiler-message",
                "message": { "message": words, "rendered": words },
            })
        };
        assert!(is_of_the_linker(&message(
            "linking with `cc` failed: exit status: 1"
        )));
        assert!(!is_of_the_linker(&message("mismatched types")));
        assert!(!is_of_the_linker(
            &serde_json::json!({ "reason": "build-finished" })
        ));
    }

    /// One that fails does not keep the others from running, and is named.
    #[test]
    fn all_that_fail_are_named() {
        let programs = ["there is no such program", "false", "true"];
        let named = programs.map(|name| (name.to_owned(), Command::new(name)));
        let sentence = run(named.into()).unwrap_err();
        assert_eq!(sentence, "Tests failed in false, there is no such program.");
    }
}
