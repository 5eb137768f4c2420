//! Whatever steps outside of the compiler's rules says why, and promises have tests.

use crate::shell;
use std::path::{Path, PathBuf};

/// Lines above an `unsafe` within which its reason stands.
const NEAR: usize = 9;

/// Every `.rs` file of ours, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let folders = ["core", "native", "web", "xtask", "rerun"];
    let mut open: Vec<PathBuf> = folders.map(|name| shell::root().join(name)).to_vec();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let is_made = path.ends_with("target") || path.ends_with("node_modules");
            let entries = std::fs::read_dir(&path).into_iter().flatten();
            open.extend(entries.flatten().map(|e| e.path()).filter(|_| !is_made));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// Where in a file something begins, for people.
fn at(path: &Path, line: usize) -> String {
    format!("{}:{}", path.display(), line + 1)
}

/// The line without its comment; of one that only holds text, nothing.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

/// Whether a line begins something unsafe.
fn is_unsafe(line: &str) -> bool {
    let words = ["unsafe {", "unsafe impl", "unsafe fn"];
    let Some(at) = words.iter().find_map(|word| code(line).find(word)) else {
        return false;
    };
    // In a text, an odd number of quotes comes before it.
    line[..at].matches('"').count().is_multiple_of(2)
}

/// No `unsafe` lacks the reason why it is sound.
#[test]
fn whatever_is_unsafe_says_why_it_is_sound() {
    let mut count = 0;
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_unsafe(line)) {
            let near = &lines[index.saturating_sub(NEAR)..=index];
            let is_reason = |line: &&str| line.contains("SAFETY:") || line.contains("# Safety");
            assert!(near.iter().any(is_reason), "{}: {line}", at(&path, index));
            count += 1;
        }
    }
    assert!(count > 10, "only {count} were found");
}

/// No lint is silenced without a reason.
#[test]
fn whatever_silences_a_lint_says_why() {
    let mut count = 0;
    for (path, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            let attribute = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
            if !attribute.iter().any(|begin| line.trim().starts_with(begin)) {
                continue;
            }
            let rest = text.lines().skip(index);
            let mut whole = String::new();
            for part in rest {
                whole += part;
                if part.trim_end().ends_with(")]") {
                    break;
                }
            }
            assert!(whole.contains("reason = "), "{}: {line}", at(&path, index));
            count += 1;
        }
    }
    assert!(count > 10, "only {count} were found");
}

/// Every test that the page of promises names exists.
#[test]
fn every_promise_has_the_test_that_it_names() {
    let page = shell::root().join("docs/reliability.md");
    let page = std::fs::read_to_string(page).unwrap();
    let texts: Vec<String> = sources().into_iter().map(|(_, text)| text).collect();
    let words = page.split('`').skip(1).step_by(2);
    let is_test = |word: &&str| {
        let plain = word
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        plain && word.matches('_').count() > 2
    };
    let names: Vec<&str> = words.filter(is_test).collect();
    assert!(names.len() > 20, "only {} are named", names.len());
    for name in names {
        let function = format!("fn {name}(");
        assert!(texts.iter().any(|text| text.contains(&function)), "{name}");
    }
}
