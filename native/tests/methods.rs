//! Whoever adds a method is told here what else names it: docs, the page, what others embed.

use protege_core::method::MethodInfo;
use protege_core::{finetune, pretrain};
use std::path::PathBuf;
use std::process::Command;

/// The text of a file of the repository.
fn text(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every method, without "none".
fn methods() -> Vec<&'static MethodInfo> {
    let pretraining = pretrain::METHODS.map(|row| row.info);
    let finetuning = finetune::METHODS.map(|row| row.info);
    pretraining.into_iter().chain(finetuning).collect()
}

/// The names that the page offers for a stage, in code: `bc`, `sigma-bc`.
fn offered(infos: &[&MethodInfo], quote: char, between: &str) -> String {
    let offered = infos.iter().filter(|info| info.on_page);
    let names: Vec<String> = offered
        .map(|info| format!("{quote}{}{quote}", info.id))
        .collect();
    names.join(between)
}

/// Names are unique, and of a form that flags, keys and file names can take.
#[test]
fn names_are_unique_and_plain() {
    let mut names: Vec<&str> = methods().iter().map(|info| info.id).collect();
    let plain = |name: &&str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    assert!(names.iter().all(plain), "{names:?}");
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

/// Every method has a page of docs, which names it in its title and links its paper.
#[test]
fn every_method_has_a_page() {
    for info in methods() {
        let page = format!("docs/methods/{}.md", info.id);
        let contents = text(&page);
        let title = contents.lines().next().unwrap_or_default();
        assert!(
            title.contains(&format!("(`{}`)", info.id)),
            "{page}: {title}"
        );
        let link = info.paper.as_ref().map(|paper| paper.link);
        assert!(
            link.is_some_and(|link| contents.contains(link)),
            "{page}: {link:?}"
        );
    }
}

/// The README's table of what there is today has every method.
#[test]
fn the_readme_lists_every_method() {
    let readme = text("README.md");
    for info in methods() {
        let listed = readme
            .lines()
            .any(|line| line.starts_with("| ") && line.contains(info.label));
        assert!(
            listed,
            "README.md has no {} in its table of today",
            info.label
        );
    }
}

/// The docs of the page have every method that it offers, in the order of the rows.
#[test]
fn the_docs_of_the_page_list_what_it_offers() {
    let docs = text("docs/browser.md");
    for (attribute, infos) in [
        ("pretrain", &pretrain::INFOS[..]),
        ("finetune", &finetune::INFOS),
    ] {
        let row = docs
            .lines()
            .find(|line| line.starts_with(&format!("| `{attribute}` |")))
            .unwrap_or_default();
        let expected = offered(infos, '`', ", ");
        assert!(
            row.contains(&expected),
            "docs/browser.md: {row} lacks {expected}"
        );
    }
}

/// The types of the element that others embed offer what the page does.
#[test]
fn the_types_of_the_element_list_what_the_page_offers() {
    let expected = format!("finetune?: {};", offered(&finetune::INFOS, '\'', " | "));
    let types = text("www/protege-demo.d.ts");
    assert!(
        types.contains(&expected),
        "www/protege-demo.d.ts lacks {expected}"
    );
}

/// What the element says of methods before anything is loaded is what their rows say.
#[test]
fn the_page_names_methods_as_their_rows_do() {
    let program = Command::new(env!("CARGO_BIN_EXE_protege"))
        .args(["methods", "--for-page"])
        .output()
        .unwrap();
    let written = String::from_utf8(program.stdout).unwrap();
    assert!(
        written == text("www/methods.js"),
        "www/methods.js is old: write it anew with `protege methods --for-page > www/methods.js`"
    );
}
