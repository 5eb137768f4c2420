//! The section on the world model: what it predicted along an episode, against what happened.

use super::axes::{Axes, extent, padded, spread_out, ticks};
use super::canvas::{Anchor, INK, Pixel, SERIES, Size, svg};
use super::html::{escape, percent, short};
use super::parts::{both, figure};
use protege_core::finetune::Quality;
use serde::{Deserialize, Serialize};

/// What is known of a world model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Along an evaluation episode that its planner played.
    pub quality: Quality,
    /// Whether that episode succeeded.
    pub success: bool,
    /// Share of the decisions of practice in which the planner's own samples won over those that
    /// policies proposed.
    pub planner_share: Option<f64>,
}

/// The section.
pub fn section(world: &World) -> String {
    let Quality {
        rewards,
        values,
        consistency,
    } = &world.quality;
    let end = if world.success {
        "a success"
    } else {
        "a failure"
    };
    let share = world.planner_share.map(|share| {
        format!(
            " In practice, {} of the decisions were the planner's own samples, the others had been \
             proposed by a policy.",
            percent(share)
        )
    });
    let note = format!(
        "Along the first evaluation episode, which ended in {end}.{}",
        share.unwrap_or_default()
    );
    let pair = |name: &str, series: &[Vec<f32>; 2]| {
        both(|width| lines(name, ["predicted", "real"], series, "decision", 0, width))
    };
    let ahead = [consistency.clone(), Vec::new()];
    let figures = [
        figure(
            "Value",
            "What was still to be earned, discounted: the critics' word, and what came.",
            &pair("Value", values),
        ),
        figure("Reward", "", &pair("Reward", rewards)),
        figure(
            "Error of the predicted latent state",
            "Mean squared error, by the number of decisions ahead.",
            &both(|width| {
                lines(
                    "Latent error",
                    ["error", ""],
                    &ahead,
                    "decisions ahead",
                    1,
                    width,
                )
            }),
        ),
    ];
    format!(
        r#"<section><h2>World model</h2><p class="note">{}</p>{}</section>"#,
        escape(&note),
        figures.concat()
    )
}

/// Up to two lines over `first`, `first + 1`, ...; an empty one is left out.
fn lines(
    label: &str,
    names: [&str; 2],
    series: &[Vec<f32>; 2],
    x_name: &'static str,
    first: usize,
    width: f64,
) -> String {
    let size = Size {
        width,
        height: 200.0 + 0.03 * width,
    };
    let shown: Vec<(usize, &Vec<f32>)> = series
        .iter()
        .enumerate()
        .filter(|(_, values)| !values.is_empty())
        .collect();
    let longest = shown
        .iter()
        .map(|(_, values)| values.len())
        .max()
        .unwrap_or(1);
    let x = padded(first as f64..(first + longest.max(2) - 1) as f64, 0.0);
    let y = padded(
        extent(
            shown
                .iter()
                .flat_map(|(_, values)| values.iter().map(|&v| f64::from(v)))
                .chain([0.0]),
        ),
        0.06,
    );
    let axes = Axes {
        x_ticks: ticks(&x, (width / 110.0) as usize),
        y_ticks: ticks(&y, 4),
        x,
        y,
        x_label: short,
        y_label: short,
        x_name,
    };
    let parts: Vec<String> = shown
        .iter()
        .map(|(i, values)| {
            format!(
                "{} ends at {}",
                names[*i],
                short(values.last().copied().unwrap_or(0.0).into())
            )
        })
        .collect();
    svg(size, &format!("{label}: {}.", parts.join(", ")), |canvas| {
        let scale = axes.draw(canvas, size, 92.0);
        let mut ends: Vec<Pixel> = Vec::new();
        for (i, values) in &shown {
            let pixels: Vec<Pixel> = values
                .iter()
                .enumerate()
                .map(|(t, &v)| scale.pixel((first + t) as f64, v.into()))
                .collect();
            ends.extend(pixels.last());
            canvas.line(pixels, SERIES[*i], 2.5, 1.0);
        }
        let heights = spread_out(
            &ends.iter().map(|p| p.1).collect::<Vec<_>>(),
            19.0,
            size.height - 44.0,
        );
        for (((i, _), end), y) in shown.iter().zip(&ends).zip(heights) {
            canvas.text(names[*i], (end.0 + 10.0, y), Anchor::Left, INK, true);
        }
    })
}
