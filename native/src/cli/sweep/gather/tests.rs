//! Tests of the tables that the folders of results show.

use super::{csv, markdown};
use crate::report::sweep::data::SweepRun;
use clap::ValueEnum;
use protege_core::run::stats::{Estimate, sign_flip_test, t_interval};
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
    let page = std::fs::read_to_string(root.join("results/post-bc/README.md")).unwrap();
    let mut count = 0;
    for row in table_under(&page, "## Pretrained\n") {
        let methods = ["bc", "sigma-bc", "post-bc"].iter().zip(&row[2..5]);
        for (method, rate) in methods {
            let own = format!("| {} | {method} | none | {} | {rate} |", row[0], row[1]);
            assert!(made.contains(&own), "{own}");
            count += 1;
        }
    }
    assert_eq!(count, 27);
}

/// The rows of the first table under a heading, without its head, each as its cells.
fn table_under(text: &str, heading: &str) -> Vec<Vec<String>> {
    let (_, below) = text.split_once(heading).unwrap();
    let table = below.lines().skip_while(|line| !line.starts_with('|'));
    let rows = table.take_while(|line| line.starts_with('|')).skip(2);
    let cells = |row: &str| -> Vec<String> {
        let inside = row.trim_matches('|').split('|');
        inside.map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// The runs of these labels, by seed.
fn runs_of<'a>(runs: &'a [SweepRun], labels: &[(&str, &str)]) -> Vec<&'a SweepRun> {
    let has = |run: &SweepRun, (key, value): &(&str, &str)| {
        run.labels
            .contains(&((*key).to_owned(), (*value).to_owned()))
    };
    let mut found: Vec<&SweepRun> = runs
        .iter()
        .filter(|run| labels.iter().all(|label| has(run, label)))
        .collect();
    found.sort_by_key(|run| run.seed);
    found
}

fn percent(rates: impl Iterator<Item = Option<f64>>) -> Vec<f64> {
    rates.map(|rate| 100.0 * rate.unwrap()).collect()
}

fn before(runs: &[&SweepRun]) -> Vec<f64> {
    percent(
        runs.iter()
            .map(|run| run.before().map(|point| point.success)),
    )
}

fn finals(runs: &[&SweepRun]) -> Vec<f64> {
    percent(runs.iter().map(|run| run.final_success()))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// With the minus sign that pages have.
fn written(text: &str) -> String {
    text.replace('-', "−")
}

/// The differences of pairs, and their mean with its interval, of so many decimals.
fn differences(own: &[f64], other: &[f64], decimals: usize) -> (Vec<f64>, String) {
    let pairs: Vec<f64> = own.iter().zip(other).map(|(a, b)| a - b).collect();
    let Estimate { value, interval } = t_interval(&pairs).unwrap();
    let half = interval.high - value;
    let shown = format!("{value:+.1} ± {half:.decimals$}");
    (pairs, written(&shown))
}

/// The points of a file of results, and the evidence.
fn results_and_evidence(file: &str) -> (Vec<SweepRun>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let runs = csv::read(&root.join(file)).unwrap();
    let evidence = std::fs::read_to_string(root.join("docs/evidence.md")).unwrap();
    (runs, evidence)
}

/// The evidence's table of pretrained success has the means, paired differences and p of its file.
#[test]
fn pretrained_differences_are_those_of_their_file() {
    let (runs, evidence) = results_and_evidence("results/post-bc/pretrained.csv");
    let table = table_under(&evidence, "### Pretrained success");
    assert_eq!(table.len(), 6);
    for row in table {
        let name = row[0].replace("σ-BC, sigma ", "sigma-");
        let arm = name.replace("PostBC, alpha ", "alpha-").replace("BC", "bc");
        let tasks = ["lab/pick-place", "lab/assembly"];
        for (task, shown) in tasks.into_iter().zip(row[1..].chunks(3)) {
            let rates = |arm| before(&runs_of(&runs, &[("task", task), ("arm", arm)]));
            let (own, bc) = (rates(arm.as_str()), rates("bc"));
            let mut made = vec![format!("{:.1}%", mean(&own))];
            if arm != "bc" {
                made.push(differences(&own, &bc, 1).1);
                made.push(format!("{:.2}", sign_flip_test(&own, &bc)));
            }
            made.resize(3, String::new());
            assert_eq!(shown, made, "{task} {arm}");
        }
    }
}

/// The evidence's table of DSRL has the means and paired differences of its file.
#[test]
fn differences_after_dsrl_are_those_of_their_file() {
    let (runs, evidence) = results_and_evidence("results/post-bc/curves.csv");
    let table = table_under(&evidence, "### Finetuning");
    assert_eq!(table.len(), 6);
    for row in table {
        let (task, demos) = row[0].split_once(", ").unwrap();
        let of = |pretrain| {
            let labels = [
                ("task", task.trim_matches('`')),
                ("demos", demos),
                ("pretrain", pretrain),
                ("finetune", "dsrl"),
            ];
            runs_of(&runs, &labels)
        };
        let (bc, post_bc) = (of("bc"), of("post-bc"));
        let rates = [before(&bc), finals(&bc), before(&post_bc), finals(&post_bc)];
        let mut made: Vec<String> = rates.iter().map(|r| format!("{:.0}%", mean(r))).collect();
        let (pairs, shown) = differences(&rates[3], &rates[1], 0);
        let each: Vec<String> = pairs.iter().map(|pair| format!("{pair:+.0}")).collect();
        made.push(written(&each.join(", ")));
        made.push(shown);
        assert_eq!(row[1..], made, "{}", row[0]);
    }
}
