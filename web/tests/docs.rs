//! What the docs say of the page, of its methods, tasks and numbers, is what rows and page have.

use protege_core::settings::Field;
use protege_core::{finetune, pretrain, tasks};
use protege_web::Choice;
use protege_web::choice::{ALPHA, DEMOS, MEMBERS};
use std::path::PathBuf;

/// Docs that have a table of the element's attributes.
const TABLES: [&str; 2] = ["docs/browser.md", "www/npm/README.md"];

fn text(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The row of a table that begins with this name.
fn row(path: &str, name: &str) -> String {
    let begin = format!("| `{name}` |");
    let found = text(path)
        .lines()
        .find(|line| line.starts_with(&begin))
        .map(str::to_owned);
    found.unwrap_or_else(|| panic!("{path} has no row of {name}"))
}

fn list<'a>(ids: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = ids.map(|id| format!("`{id}`")).collect();
    quoted.join(", ")
}

/// Every table offers the tasks and methods that the page has, in their order, and no others.
#[test]
fn tables_offer_what_the_page_has() {
    let pretrainers = pretrain::INFOS.into_iter().filter(|info| info.on_page);
    let finetuners = finetune::INFOS.into_iter().filter(|info| info.on_page);
    let offers = [
        ("task", list(tasks::all().iter().map(|task| task.id))),
        ("pretrain", list(pretrainers.map(|info| info.id))),
        ("finetune", list(finetuners.map(|info| info.id))),
    ];
    for path in TABLES {
        for (name, ids) in &offers {
            let row = row(path, name);
            assert!(
                row.contains(&format!("{ids} |")),
                "{path}: {row} is not {ids}"
            );
        }
    }
}

/// What holds where an attribute is left out stands last in its row.
#[test]
fn tables_have_the_defaults() {
    let Choice {
        task,
        pretrain,
        finetune,
        demos,
        alpha,
        members,
        seed,
        speed,
        device: _,
    } = Choice::default();
    let defaults = [
        ("task", format!("`{task}`")),
        ("pretrain", format!("`{pretrain}`")),
        ("finetune", format!("`{finetune}`")),
        ("demos", demos.to_string()),
        ("alpha", alpha.to_string()),
        ("members", members.to_string()),
        ("seed", seed.to_string()),
        ("speed", speed.to_string()),
    ];
    for path in TABLES {
        for (name, value) in &defaults {
            let row = row(path, name);
            assert!(
                row.ends_with(&format!("| {value} |")),
                "{path}: {row} is not {value}"
            );
        }
    }
}

/// Ranges are those that the page checks: both ends fit, and what lies beyond does not.
#[test]
fn tables_have_the_ranges() {
    let least = |field: &Field| field.least();
    let ranges = [
        ("demos", least(&DEMOS), 200.0),
        ("alpha", least(&ALPHA), 10.0),
        ("members", least(&MEMBERS), 100.0),
        ("speed", 0.1, 8.0),
    ];
    let choice = Choice::default();
    for (name, low, high) in ranges {
        for path in TABLES {
            let row = row(path, name);
            assert!(row.contains(&format!("{low} to {high} |")), "{path}: {row}");
        }
        for (value, fits) in [
            (low, true),
            (high, true),
            (high + 1.0, false),
            (low - 1.0, false),
        ] {
            let text = value.to_string();
            assert_eq!(choice.with(name, &text).is_ok(), fits, "{name}={text}");
        }
    }
    let lanes = ["bc"; 5].join(",");
    assert!(choice.with("pretrain", &lanes[..11]).is_ok());
    assert!(
        choice.with("pretrain", &lanes).is_err(),
        "at most four lanes, as the tables say"
    );
}

/// The poster says what each task is, before anything is loaded.
#[test]
fn the_poster_knows_every_task() {
    let poster = text("www/protege-poster.js");
    for task in tasks::all() {
        assert!(
            poster.contains(&format!("'{}':", task.id)),
            "the poster has no {}",
            task.id
        );
    }
    let types = text("www/protege-demo.d.ts");
    let ids: Vec<String> = tasks::all()
        .iter()
        .map(|task| format!("'{}'", task.id))
        .collect();
    assert!(types.contains(&format!("task?: {};", ids.join(" | "))));
}
