//! The plots of a report, each a function from data to one SVG.

use super::axes::{Axes, decades, extent, padded, spread_out, ticks};
use super::canvas::{
    Anchor, Canvas, GRID, INK, MUTED, PAPER, Pixel, SERIES, Scale, Size, svg, text_width,
};
use super::html::{percent, percent_range, short};
use super::{ActionPlotState, Outcome, SpreadPoint};
use plotters::style::RGBColor;
use protege_core::run::stats::{Curve, CurvePoint, Interval};

/// A row of a dot-and-interval plot.
pub struct Row {
    /// Stands at the left.
    pub name: String,
    /// Dots with their intervals, in one row; the last one's value is written at the right.
    pub marks: Vec<(Outcome, RGBColor)>,
}

/// A line of a learning-curve plot.
pub struct Line {
    /// Stands at the line's end.
    pub name: String,
    /// The color of line and band.
    pub colour: RGBColor,
    /// Thin lines, one a seed; may be empty.
    pub seeds: Vec<Curve>,
    /// The mean over seeds with its interval.
    pub mean: Vec<CurvePoint>,
}

/// Success rates as dots with their 95% intervals, on a scale from 0 to 100%.
pub fn rates(rows: &[Row], width: f64) -> String {
    const ROW: f64 = 34.0;
    let bottom = 8.0 + ROW * rows.len() as f64;
    let widest = rows
        .iter()
        .map(|row| text_width(&row.name))
        .fold(0.0, f64::max);
    let scale = Scale::new(
        0.0..1.0,
        0.0..1.0,
        (widest + 16.0).min(width * 0.5),
        width - 56.0,
        0.0,
        1.0,
    );
    svg(
        Size {
            width,
            height: bottom + 28.0,
        },
        &rates_label(rows),
        |canvas| {
            for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
                let x = scale.pixel(tick, 0.0).0;
                canvas.line([(x, 4.0), (x, bottom)], GRID, 1.0, 1.0);
                canvas.text(
                    &percent(tick),
                    (x, bottom + 15.0),
                    Anchor::Centre,
                    MUTED,
                    false,
                );
            }
            for (i, row) in rows.iter().enumerate() {
                let y = 8.0 + ROW * (i as f64 + 0.5);
                canvas.text(&row.name, (0.0, y), Anchor::Left, INK, false);
                row.marks
                    .iter()
                    .for_each(|(outcome, colour)| mark(canvas, &scale, outcome, y, *colour));
                if let Some((outcome, _)) = row.marks.last() {
                    canvas.text(
                        &percent(outcome.success),
                        (width, y),
                        Anchor::Right,
                        INK,
                        true,
                    );
                }
            }
        },
    )
}

fn mark(canvas: &Canvas, scale: &Scale, outcome: &Outcome, y: f64, colour: RGBColor) {
    let x = |rate: f64| scale.pixel(rate.clamp(0.0, 1.0), 0.0).0;
    canvas.line(
        [(x(outcome.low), y), (x(outcome.high), y)],
        colour,
        7.0,
        0.32,
    );
    canvas.dot((x(outcome.success), y), 8.0, PAPER, 1.0);
    canvas.dot((x(outcome.success), y), 6.5, colour, 1.0);
}

fn rates_label(rows: &[Row]) -> String {
    let one = |o: &Outcome| {
        format!(
            "{} (95% interval {})",
            percent(o.success),
            percent_range(o.low, o.high)
        )
    };
    let row = |r: &Row| {
        format!(
            "{}: {}",
            r.name,
            r.marks
                .iter()
                .map(|m| one(&m.0))
                .collect::<Vec<_>>()
                .join(", then ")
        )
    };
    format!(
        "Success rates. {}.",
        rows.iter().map(row).collect::<Vec<_>>().join("; ")
    )
}

/// Success against environment steps: the mean over seeds, its 95% band, and a thin line for each
/// seed.
pub fn curves(lines: &[Line], width: f64) -> String {
    let size = Size {
        width,
        height: 260.0 + 0.14 * width,
    };
    let steps = lines.iter().flat_map(|l| {
        l.mean
            .iter()
            .map(|p| p.step)
            .chain(l.seeds.iter().flatten().map(|p| p.0))
    });
    let last = steps.filter(|s| s.is_finite()).fold(0.0, f64::max);
    let x = 0.0..if last > 0.0 { last } else { 1.0 };
    let axes = Axes {
        x_ticks: ticks(&x, (size.width / 110.0) as usize),
        x,
        y: 0.0..1.0,
        y_ticks: vec![0.0, 0.25, 0.5, 0.75, 1.0],
        x_label: short,
        y_label: percent,
        x_name: "environment steps",
    };
    let widest = lines
        .iter()
        .map(|l| text_width(&l.name))
        .fold(0.0, f64::max)
        .max(20.0);
    svg(size, &curves_label(lines), |canvas| {
        let scale = axes.draw(canvas, size, (widest + 22.0).min(size.width * 0.42));
        lines
            .iter()
            .for_each(|line| draw_line(canvas, &scale, line));
        let ends: Vec<Pixel> = lines
            .iter()
            .map(|l| {
                l.mean
                    .last()
                    .map_or((0.0, 0.0), |p| scale.pixel(p.step, p.estimate.value))
            })
            .collect();
        let heights = spread_out(
            &ends.iter().map(|p| p.1).collect::<Vec<_>>(),
            19.0,
            size.height - 44.0,
        );
        for ((line, end), y) in lines
            .iter()
            .zip(&ends)
            .zip(heights)
            .filter(|((line, _), _)| !line.mean.is_empty())
        {
            canvas.text(&line.name, (end.0 + 12.0, y), Anchor::Left, INK, true);
        }
    })
}

fn draw_line(canvas: &Canvas, scale: &Scale, line: &Line) {
    let pixels = |value: fn(&CurvePoint) -> f64| {
        line.mean
            .iter()
            .map(|p| scale.pixel(p.step, value(p)))
            .collect::<Vec<_>>()
    };
    if line
        .mean
        .iter()
        .any(|p| p.estimate.interval.high > p.estimate.interval.low)
    {
        let upper = pixels(|p| p.estimate.interval.high);
        let lower = pixels(|p| p.estimate.interval.low);
        canvas.area(
            upper.into_iter().chain(lower.into_iter().rev()),
            line.colour,
            0.16,
        );
    }
    for seed in &line.seeds {
        canvas.line(
            seed.iter().map(|p| scale.pixel(p.0, p.1)),
            line.colour,
            1.0,
            0.4,
        );
    }
    let mean = pixels(|p| p.estimate.value);
    canvas.line(mean.iter().copied(), line.colour, 2.5, 1.0);
    // Few measurements are shown one by one; of many, the last.
    let dots = if mean.len() <= 12 {
        &mean[..]
    } else {
        &mean[mean.len() - 1..]
    };
    for &at in dots {
        canvas.dot(at, 5.5, PAPER, 1.0);
        canvas.dot(at, 4.0, line.colour, 1.0);
    }
}

fn curves_label(lines: &[Line]) -> String {
    let one = |line: &Line| {
        let (Some(first), Some(last)) = (line.mean.first(), line.mean.last()) else {
            return format!("{}: nothing measured", line.name);
        };
        let Interval { low, high } = last.estimate.interval;
        let start = percent(first.estimate.value);
        let end = percent(last.estimate.value);
        let range = if high > low {
            format!(" (95% interval {})", percent_range(low, high))
        } else {
            String::new()
        };
        format!(
            "{}: from {start} at {} steps to {end}{range} at {} steps",
            line.name,
            short(first.step),
            short(last.step)
        )
    };
    format!(
        "Success against environment steps. {}.",
        lines.iter().map(one).collect::<Vec<_>>().join("; ")
    )
}

/// A loss against its steps, one line a seed; on a logarithmic scale where `is_log` says so.
pub fn loss(name: &str, seeds: &[Vec<(f64, f64)>], size: Size) -> String {
    let log = is_log(seeds);
    let height = |value: f64| if log { value.log10() } else { value };
    let seeds: Vec<Vec<(f64, f64)>> = seeds
        .iter()
        .map(|s| {
            s.iter()
                .map(|p| (p.0, height(p.1)))
                .filter(finite)
                .collect()
        })
        .collect();
    let x = padded(
        extent(seeds.iter().flatten().map(|p| p.0).chain([0.0])),
        0.0,
    );
    let y = padded(extent(seeds.iter().flatten().map(|p| p.1)), 0.06);
    let axes = Axes {
        x_ticks: ticks(&x, 4),
        y_ticks: if log { decades(&y) } else { ticks(&y, 4) },
        x,
        y,
        x_label: short,
        y_label: if log {
            |power| short(10f64.powf(power))
        } else {
            short
        },
        x_name: "",
    };
    let last = seeds
        .iter()
        .filter_map(|s| s.last())
        .map(|p| if log { 10f64.powf(p.1) } else { p.1 })
        .collect::<Vec<_>>();
    let ends = last
        .iter()
        .map(|&v| short(v))
        .collect::<Vec<_>>()
        .join(", ");
    svg(
        size,
        &format!(
            "{name} against steps, {} lines ending at {ends}.",
            seeds.len()
        ),
        |canvas| {
            let scale = axes.draw(canvas, size, 14.0);
            for seed in &seeds {
                canvas.line(
                    seed.iter().map(|p| scale.pixel(p.0, p.1)),
                    SERIES[0],
                    1.5,
                    0.75,
                );
            }
        },
    )
}

/// Whether values span so much, all above zero, that a logarithmic scale shows more.
pub fn is_log(seeds: &[Vec<(f64, f64)>]) -> bool {
    let values = extent(seeds.iter().flatten().map(|p| p.1));
    values.start > 0.0 && values.end / values.start > 30.0
}

/// The actions that BC and PostBC draw at one state, and the demonstrator's; both axes span
/// `window` around `center`.
pub fn actions(state: &ActionPlotState, center: [f64; 2], window: f64, label: &str) -> String {
    const SIDE: f64 = 240.0;
    let half = window / 2.0;
    let scale = Scale::new(
        center[0] - half..center[0] + half,
        center[1] - half..center[1] + half,
        0.0,
        SIDE,
        0.0,
        SIDE,
    );
    svg(
        Size {
            width: SIDE,
            height: SIDE,
        },
        label,
        |canvas| {
            let origin = scale.pixel(0.0, 0.0);
            canvas.line([(0.0, origin.1), (SIDE, origin.1)], GRID, 1.0, 1.0);
            canvas.line([(origin.0, 0.0), (origin.0, SIDE)], GRID, 1.0, 1.0);
            // The narrow cloud goes on top of the wide one.
            for (cloud, colour) in [(&state.post_bc, SERIES[0]), (&state.bc, SERIES[1])] {
                for action in cloud.iter().filter(|a| a.iter().all(|v| v.is_finite())) {
                    canvas.dot(
                        scale.pixel(action[0].into(), action[1].into()),
                        2.6,
                        colour,
                        0.55,
                    );
                }
            }
            cross_hairs(
                canvas,
                scale.pixel(state.demo[0].into(), state.demo[1].into()),
            );
        },
    )
}

/// The demonstrator's action: cross hairs, open in the middle so that the cloud beneath stays
/// visible.
fn cross_hairs(canvas: &Canvas, (x, y): Pixel) {
    for (colour, near, far, width) in [(PAPER, 5.0, 15.0, 5.0), (INK, 5.0, 15.0, 2.25)] {
        for (dx, dy) in [(1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0)] {
            canvas.line(
                [(x + near * dx, y + near * dy), (x + far * dx, y + far * dy)],
                colour,
                width,
                1.0,
            );
        }
    }
}

/// The spread of both policies' actions along a demonstration.
pub fn spread(points: &[SpreadPoint], label: &str, width: f64) -> String {
    let size = Size {
        width,
        height: 240.0 + 0.03 * width,
    };
    let highest = points
        .iter()
        .map(|p| p.bc.max(p.post_bc))
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max);
    let x = padded(extent(points.iter().map(|p| p.step)), 0.0);
    let y = 0.0..if highest > 0.0 { highest * 1.08 } else { 1.0 };
    let axes = Axes {
        x_ticks: ticks(&x, (size.width / 110.0) as usize),
        y_ticks: ticks(&y, 4),
        x,
        y,
        x_label: short,
        y_label: short,
        x_name: "step of the demonstration",
    };
    svg(size, label, |canvas| {
        let scale = axes.draw(canvas, size, 76.0);
        let line = |value: fn(&SpreadPoint) -> f64| {
            points
                .iter()
                .map(|p| scale.pixel(p.step, value(p)))
                .collect::<Vec<_>>()
        };
        let bc = line(|p| p.bc);
        let post_bc = line(|p| p.post_bc);
        canvas.area(
            post_bc.iter().chain(bc.iter().rev()).copied(),
            SERIES[0],
            0.14,
        );
        canvas.line(post_bc.iter().copied(), SERIES[0], 2.5, 1.0);
        canvas.line(bc.iter().copied(), SERIES[1], 2.5, 1.0);
        let ends: Vec<Pixel> = [&post_bc, &bc]
            .iter()
            .filter_map(|l| l.last())
            .copied()
            .collect();
        let heights = spread_out(
            &ends.iter().map(|p| p.1).collect::<Vec<_>>(),
            19.0,
            size.height - 44.0,
        );
        for ((name, end), y) in ["PostBC", "BC"].iter().zip(&ends).zip(heights) {
            canvas.text(name, (end.0 + 10.0, y), Anchor::Left, INK, true);
        }
    })
}

fn finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}
