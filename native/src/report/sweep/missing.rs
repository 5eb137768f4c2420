//! The section on cells that have left no result.

use super::super::html::{count, escape, percent, plural};
use super::super::parts::table;
use super::{Failed, Point, SweepReport, Unfinished};

/// Rows of each table: a sweep may have very many cells.
const ROWS: usize = 500;

/// The section; nothing where all cells are done.
pub fn section(report: &SweepReport) -> String {
    let SweepReport {
        unfinished, failed, ..
    } = report;
    if unfinished.is_empty() && failed.is_empty() {
        return String::new();
    }
    let mut text = String::from("<section id=\"missing\"><h2>Missing</h2>");
    if !failed.is_empty() {
        let rows: String = failed.iter().take(ROWS).map(failure).collect();
        text += &format!(
            "<p>{} failed; <code>protege sweep work --retry</code> tries again.</p>{}{}",
            plural(failed.len(), "cell"),
            table(
                "Cells that failed",
                "sweep",
                &["cell", "number", "last words"],
                &rows
            ),
            more(failed.len())
        );
    }
    if !unfinished.is_empty() {
        let rows: String = unfinished.iter().take(ROWS).map(row).collect();
        text += &format!(
            "<p class=\"take\">{} not finished; figures, curves and tests above leave them \
             out.</p>{}{}",
            match unfinished.len() {
                1 => "1 cell has".to_owned(),
                n => format!("{} have", plural(n, "cell")),
            },
            table(
                "Cells that have not finished",
                "sweep",
                &["cell", "number", "state", "latest success", "control steps"],
                &rows
            ),
            more(unfinished.len())
        );
    }
    text + "</section>"
}

fn more(cells: usize) -> String {
    match cells.saturating_sub(ROWS) {
        0 => String::new(),
        more => format!("<p class=\"note\">And {more} more.</p>"),
    }
}

fn failure(failed: &Failed) -> String {
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"words\">{}</td></tr>",
        escape(&failed.name),
        failed.cell,
        escape(&failed.words)
    )
}

fn row(cell: &Unfinished) -> String {
    let latest = |of: fn(&Point) -> Option<String>| {
        let told = cell.latest.as_ref().and_then(of);
        told.unwrap_or_else(|| "–".to_owned())
    };
    format!(
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(&cell.name),
        cell.cell,
        escape(&cell.state),
        latest(|point| Some(percent(point.success))),
        latest(|point| point.control_steps.map(count)),
    )
}
