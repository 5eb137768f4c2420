//! Commands that the docs show are commands that the program takes.

mod common;

use common::{protege, sentence};
use std::path::{Path, PathBuf};

/// The commands that begin a run or record demonstrations, and the page of each.
fn documented() -> Vec<(String, Vec<String>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut pages = vec![root.join("README.md")];
    for folder in ["docs", "docs/methods"] {
        let entries = root.join(folder).read_dir().unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        pages.extend(paths.filter(|path| path.extension().is_some_and(|kind| kind == "md")));
    }
    pages.iter().flat_map(commands).collect()
}

fn commands(page: &PathBuf) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(page).unwrap();
    let shown = text
        .lines()
        .filter_map(|line| line.strip_prefix("    protege "));
    // What a command does stands beside it, at some distance.
    let bare = shown.map(|line| line.split("  ").next().unwrap_or_default());
    let bare = bare.map(|line| line.split(" # ").next().unwrap_or_default());
    let begins = |line: &&str| {
        let command = line.split(' ').next().unwrap_or_default();
        ["run", "pretrain", "demos"].contains(&command)
    };
    let words = |line: &str| {
        line.replace('\'', "")
            .split(' ')
            .map(str::to_owned)
            .collect()
    };
    let name = page.display().to_string();
    let found = bare.filter(begins);
    found.map(|line| (name.clone(), words(line))).collect()
}

/// The same with an output that cannot be: whatever else is wrong is said before that is.
fn without_output(words: Vec<String>) -> Vec<String> {
    let mut arguments = Vec::new();
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        if word == "--out" {
            rest.next();
        } else {
            arguments.push(word);
        }
    }
    let nowhere = ["--out", "/dev/null/nowhere", "--quiet"];
    arguments.extend(nowhere.map(str::to_owned));
    arguments
}

/// Every command that the docs show has settings that go together and act; only the files that it
/// reads may be missing here.
#[test]
fn every_documented_command_is_taken() {
    let all = documented();
    assert!(all.len() > 50, "the docs show {} commands", all.len());
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (page, words) in all {
        // Those that go on with a run of theirs are tried where there is one.
        if words.iter().any(|word| word == "--resume") {
            continue;
        }
        let shown = words.join(" ");
        let arguments = without_output(words);
        let output = protege(folder.path(), &arguments).output().unwrap();
        let text = sentence(&output);
        let missing = text.contains("No such file") && !text.contains("/dev/null");
        if !missing && !text.contains("/dev/null/nowhere") {
            wrong.push(format!("{page}: {shown}: {text}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The sweeps of the results are sweeps that can be planned; only networks that demonstrate may be
/// missing here.
#[test]
fn the_sweeps_of_the_results_can_be_planned() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let folders = results.read_dir().unwrap();
    let folders = folders.map(|folder| folder.unwrap().path());
    let inside = folders.filter(|path| path.is_dir()).flat_map(|folder| {
        let files = folder.read_dir().unwrap();
        files.map(|file| file.unwrap().path()).collect::<Vec<_>>()
    });
    let sweeps: Vec<PathBuf> = inside
        .filter(|path| path.extension().is_some_and(|kind| kind == "toml"))
        .collect();
    assert!(sweeps.len() > 5, "{sweeps:?}");
    let folder = tempfile::tempdir().unwrap();
    for sweep in sweeps {
        let arguments = ["sweep", "plan", sweep.to_str().unwrap(), "--dry-run"];
        let output = protege(folder.path(), &arguments).output().unwrap();
        let text = sentence(&output);
        let is_missing = text.contains("expert_door") && text.contains("No such file");
        assert!(
            output.status.success() || is_missing,
            "{}: {text}",
            sweep.display()
        );
    }
}

/// The sweep file that the docs show can be planned.
#[test]
fn the_sweep_of_the_docs_can_be_planned() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sweeps.md");
    let text = std::fs::read_to_string(page).unwrap();
    let shown = text.split("```toml\n").nth(1).unwrap();
    let shown = shown.split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("sweep.toml"), shown).unwrap();
    let arguments = ["sweep", "plan", "sweep.toml", "--out", "runs/sweep"];
    let output = protege(folder.path(), &arguments).output().unwrap();
    assert!(output.status.success(), "{}", sentence(&output));
    assert!(folder.path().join("runs/sweep/sweep.json").exists());
}
