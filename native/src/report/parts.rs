//! Parts of pages that several sections are made of.

use super::html::escape;

/// Points of a loss curve that are drawn: more cannot be told apart.
const LOSS_POINTS: usize = 240;

/// A plot twice, for wide screens and paper and for narrow ones; the style sheet shows one of them.
/// `draw` takes the width in pixels.
pub fn both(draw: impl Fn(f64) -> String) -> String {
    format!(
        r#"<div class="wide">{}</div><div class="narrow">{}</div>"#,
        draw(880.0),
        draw(400.0)
    )
}

/// A plot with its heading and a line of explanation.
pub fn figure(heading: &str, note: &str, svg: &str) -> String {
    let note = if note.is_empty() {
        String::new()
    } else {
        format!(r#"<p class="note">{}</p>"#, escape(note))
    };
    format!(
        r#"<figure><figcaption><h3>{}</h3>{note}</figcaption>{svg}</figure>"#,
        escape(heading)
    )
}

/// A table that scrolls by itself where the screen is narrow. `label` says what it holds; `rows` is
/// already HTML.
pub fn table(label: &str, class: &str, columns: &[&str], rows: &str) -> String {
    let columns: String = columns
        .iter()
        .map(|name| format!(r#"<th scope="col">{name}</th>"#))
        .collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\
         <table class=\"{class}\">\n\
         <thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

/// At most [`LOSS_POINTS`] points: means over neighbors.
pub fn thin(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let width = points.len().div_ceil(LOSS_POINTS).max(1);
    let middle = |chunk: &[(f64, f64)]| {
        let n = chunk.len() as f64;
        (
            chunk.iter().map(|p| p.0).sum::<f64>() / n,
            chunk.iter().map(|p| p.1).sum::<f64>() / n,
        )
    };
    points.chunks(width).map(middle).collect()
}

/// A command line to copy.
pub fn shell(command: &str) -> String {
    // A line breaks before an option, never inside one.
    let parts: Vec<String> = command.split(" --").map(escape).collect();
    format!(
        r#"<pre class="shell" tabindex="0"><code><span>{}</span></code></pre>"#,
        parts.join("</span> <span>--")
    )
}
