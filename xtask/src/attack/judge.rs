//! What counts as a failure, whatever was tried.

use super::program::Outcome;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Words of a program that fell.
const FALLEN: [&str; 4] = [
    "this is a bug",
    "panicked",
    "RUST_BACKTRACE",
    "memory allocation of",
];

/// What is wrong with the way a call ended.
pub fn faults(outcome: &Outcome) -> Vec<String> {
    let mut faults = Vec::new();
    if outcome.hung {
        let seconds = outcome.seconds;
        return vec![format!("it had not ended after {seconds:.0} s")];
    }
    match (outcome.code, outcome.signal) {
        (Some(0..=2), _) => {}
        // Stopped and saved, as it was asked to.
        (Some(75), _) if !outcome.sent.is_empty() => {}
        (Some(code), _) => faults.push(format!("exit code {code}")),
        (None, Some(signal)) if outcome.sent.contains(&signal) => {}
        (None, signal) => faults.push(format!("ended by signal {}", signal.unwrap_or(0))),
    }
    let stderr = outcome.stderr.as_deref().unwrap_or_default();
    for text in [&outcome.stdout, stderr] {
        let word = FALLEN.iter().find(|word| text.contains(**word));
        faults.extend(word.map(|word| format!("it says `{word}`")));
        let raw = text.chars().find(|c| is_raw(*c));
        faults.extend(raw.map(|c| format!("the control character {c:?} in its output")));
    }
    let [used, allowed] = outcome.memory;
    if used > allowed {
        faults.push(format!("{used} MB of memory, more than {allowed}"));
    }
    faults.extend(sentences(outcome));
    faults
}

/// A character that does something to a terminal.
fn is_raw(c: char) -> bool {
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

/// Exactly one sentence explains an end that is no success, and none one that is.
fn sentences(outcome: &Outcome) -> Option<String> {
    let stderr = outcome.stderr.as_deref()?;
    let count = stderr
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    match outcome.code {
        Some(0) if count > 0 => Some("exit code 0 with an error".to_owned()),
        // What it found is its answer.
        Some(1) if outcome.command == "doctor" && count == 0 => None,
        // A second Ctrl-C ends the program at once.
        Some(1) if outcome.sent.len() > 1 && count == 0 => None,
        Some(1..) if count != 1 => Some(format!("{count} lines begin with `error: `")),
        _ => None,
    }
}

/// All paths in a folder.
pub fn paths(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// What a refused call left behind.
pub fn leftovers(outcome: &Outcome, before: &BTreeSet<PathBuf>, folder: &Path) -> Option<String> {
    if outcome.code != Some(2) {
        return None;
    }
    let now = paths(folder);
    let mut new = now.difference(before);
    // The lock of a folder holds nothing.
    let left = new.find(|path| path.file_name().is_none_or(|name| name != "lock"))?;
    let left = left.strip_prefix(folder).unwrap_or(left);
    Some(format!("refused, it left {} behind", left.display()))
}
