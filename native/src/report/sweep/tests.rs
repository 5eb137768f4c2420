//! Tests of a sweep's page.

use super::data::{Point, PointKind, SweepRun};
use super::*;

fn run(task: &str, arm: &str, seed: u64, end: f64) -> SweepRun {
    let point = |kind, step, success| Point {
        kind,
        decisions: Some(step / 4),
        control_steps: Some(step),
        success,
        episodes: Some(50),
    };
    SweepRun {
        labels: [("task", task), ("arm", arm)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        seed,
        points: vec![
            point(PointKind::Before, 0, 0.2),
            point(PointKind::Curve, 4000, end / 2.0),
            point(PointKind::Curve, 8000, end),
        ],
    }
}

fn report() -> SweepReport {
    let mut runs = Vec::new();
    for task in ["lab/lift", "lab/assembly"] {
        for (arm, gain) in [("plain", 0.0), ("with <more> settings", 0.3)] {
            runs.extend((0..4).map(|seed| run(task, arm, seed, 0.4 + gain + 0.05 * seed as f64)));
        }
    }
    SweepReport {
        title: "A <title>".to_owned(),
        planned: 18,
        unfinished: vec![Unfinished {
            cell: 16,
            name: "lab/lift, late, seed 4".to_owned(),
            state: "running".to_owned(),
            latest: runs[0].points.last().cloned(),
        }],
        failed: vec![Failed {
            cell: 17,
            name: "lab/lift, bad, seed 4".to_owned(),
            words: "there is no <script>alert(1)</script> & no \"expert\"".to_owned(),
        }],
        spec: "[grid]\nseeds = 4 # <b>".to_owned(),
        ..SweepReport::of_runs(runs)
    }
}

/// The page has every arm of every task, names what is missing, and nothing in it becomes markup.
#[test]
fn a_page_holds_every_cell() {
    let page = render(&report());
    for words in [
        "<h1>A &lt;title&gt;</h1>",
        "16 of 18 runs finished",
        "<a href=\"#missing\">1 failed</a>; 2 tasks; 2 arms; 4 seeds each",
        "<h2>lab/lift</h2>",
        "<h2>lab/assembly</h2>",
        "with &lt;more&gt; settings",
        "lab/lift, late, seed 4",
        "lab/lift, bad, seed 4",
        "there is no &lt;script&gt;alert(1)&lt;/script&gt; &amp; no &quot;expert&quot;",
        "seeds = 4 # &lt;b&gt;",
        "Over all tasks",
        "Probability of improvement",
    ] {
        assert!(page.contains(words), "the page lacks {words:?}");
    }
    assert!(!page.contains("<script>alert") && !page.contains("<more>"));
    assert_eq!(
        page.matches("<h3 class=\"later\">Do they differ?</h3>")
            .count(),
        2
    );
    assert_eq!(render(&report()), page, "a page is the same each time");
}

/// Where all is done nothing is missing, and a page of nothing is a page.
#[test]
fn pages_of_all_and_of_nothing() {
    let whole = SweepReport::of_runs(report().runs);
    assert!(!render(&whole).contains("<h2>Missing</h2>"));
    assert!(render(&whole).contains("16 runs, all finished"));
    assert!(render(&SweepReport::of_runs(Vec::new())).contains("<h1>Sweep</h1>"));
}

/// The tables show the seeds' values, and columns without content are left out.
#[test]
fn tables_show_means_and_seeds() {
    let text = markdown::tables(&report().runs, markdown::Table::Seeds);
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "| task | arm | seeds | before | lowest | drop | last | final |"
    );
    assert_eq!(
        lines.nth(1).unwrap(),
        "| `lab/lift` | plain | 4 | 20% ± 0 (20, 20, 20, 20) | 24% ± 5 | +4 | 48% ± 10 (40, 45, 50, \
         55) | 36% ± 8 (30, 34, 38, 41) |"
    );
}

/// The lines of one plot have different colors, however large the grid.
#[test]
fn lines_of_one_plot_have_colors_of_their_own() {
    let mut runs = Vec::new();
    for (i, arm) in ["a", "b", "c", "d", "e", "f", "g"].iter().enumerate() {
        runs.push(run("lab/lift", arm, 0, 0.3 + 0.05 * i as f64));
    }
    let page = render(&SweepReport::of_runs(runs));
    assert!(page.contains("part 1 of 2") && page.contains("part 2 of 2"));
    for (place, arm) in ["a", "b", "c", "d"].iter().enumerate() {
        assert!(page.contains(&format!("<span class=\"key c{place}\">{arm}</span>")));
    }
    assert!(page.contains("<span class=\"key c0\">e</span>"));
}
