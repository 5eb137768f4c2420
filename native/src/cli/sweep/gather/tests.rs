//! Tests of the tables that the folders of results show.

use super::{csv, markdown};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// The pages of results, and the docs.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = root.join("results").read_dir().unwrap();
    let pages = folders.map(|folder| folder.unwrap().path().join("README.md"));
    pages.filter(|page| page.is_file()).collect()
}

/// The commands that made tables of a page, each with its table.
fn tables(text: &str) -> Vec<(&str, &str)> {
    let parts = text.split("<!-- protege sweep gather ").skip(1);
    parts
        .map(|part| {
            let (command, rest) = part.split_once(" -->\n").unwrap();
            (command, rest.split_once("<!-- end -->").unwrap().0)
        })
        .collect()
}

/// Every generated table of the results is what its command prints from the committed file. With
/// UPDATE_TABLES set, pages are written anew instead.
#[test]
fn tables_of_results_are_those_of_their_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut count = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let mut fresh = text.clone();
        for (command, shown) in tables(&text) {
            let (file, kind) = command.split_once(" --markdown=").unwrap();
            let kind = markdown::Table::from_str(kind, false).unwrap();
            let runs = csv::read(&root.join(file)).unwrap();
            let made = format!("\n{}\n", markdown::tables(&runs, kind));
            count += 1;
            if std::env::var_os("UPDATE_TABLES").is_some() {
                let old = format!("{command} -->\n{shown}<!-- end -->");
                fresh = fresh.replace(&old, &format!("{command} -->\n{made}<!-- end -->"));
            } else {
                assert_eq!(shown, made, "{}: {command}", page.display());
            }
        }
        if fresh != text {
            std::fs::write(&page, fresh).unwrap();
        }
    }
    assert!(count > 5, "there are {count} generated tables");
}

/// What a page shows side by side is in its generated table, too.
#[test]
fn pretrained_rates_are_those_of_their_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let runs = csv::read(&root.join("results/post-bc/curves.csv")).unwrap();
    let made = markdown::tables(&runs, markdown::Table::Episodes);
    let mut count = 0;
    for page in ["results/post-bc/README.md", "docs/evidence.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        let (_, table) = text.split_once("| task | demonstrations | BC |").unwrap();
        let rows = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        for row in rows {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let methods = ["bc", "sigma-bc", "post-bc"].iter().zip(&cells[3..6]);
            for (method, rate) in methods {
                let own = format!("| {} | {method} | none | {} | {rate} |", cells[1], cells[2]);
                assert!(made.contains(&own), "{page}: {own}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 2 * 27);
}
