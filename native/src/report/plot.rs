//! The plots of a report, each a function from data to one SVG.

use super::canvas::{Anchor, Canvas, GREY, GRID, INK, MUTED, PAPER, Pixel, SERIES, Scale, Size, svg, text_width};
use super::html::{percent, percent_range, short};
use super::{Outcome, PortraitState, SpreadPoint};
use plotters::style::RGBColor;
use protege_core::run::stats::{Curve, CurvePoint, Interval};
use std::ops::Range;

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
    /// The colour of line and band.
    pub colour: RGBColor,
    /// Thin lines, one a seed; may be empty.
    pub seeds: Vec<Curve>,
    /// The mean over seeds with its interval.
    pub mean: Vec<CurvePoint>,
}

/// A box of data with labelled axes.
struct Axes {
    x: Range<f64>,
    y: Range<f64>,
    x_ticks: Vec<f64>,
    y_ticks: Vec<f64>,
    x_label: fn(f64) -> String,
    y_label: fn(f64) -> String,
    x_name: &'static str,
}

/// Success rates as dots with their 95% intervals, on a scale from 0 to 100%.
pub fn rates(rows: &[Row], width: f64) -> String {
    const ROW: f64 = 34.0;
    let bottom = 8.0 + ROW * rows.len() as f64;
    let widest = rows.iter().map(|row| text_width(&row.name)).fold(0.0, f64::max);
    let scale = Scale::new(0.0..1.0, 0.0..1.0, (widest + 16.0).min(width * 0.5), width - 56.0, 0.0, 1.0);
    svg(Size { width, height: bottom + 28.0 }, &rates_label(rows), |canvas| {
        for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
            let x = scale.pixel(tick, 0.0).0;
            canvas.line([(x, 4.0), (x, bottom)], GRID, 1.0, 1.0);
            canvas.text(&percent(tick), (x, bottom + 15.0), Anchor::Centre, MUTED, false);
        }
        for (i, row) in rows.iter().enumerate() {
            let y = 8.0 + ROW * (i as f64 + 0.5);
            canvas.text(&row.name, (0.0, y), Anchor::Left, INK, false);
            row.marks.iter().for_each(|(outcome, colour)| mark(canvas, &scale, outcome, y, *colour));
            if let Some((outcome, _)) = row.marks.last() {
                canvas.text(&percent(outcome.success), (width, y), Anchor::Right, INK, true);
            }
        }
    })
}

fn mark(canvas: &Canvas, scale: &Scale, outcome: &Outcome, y: f64, colour: RGBColor) {
    let x = |rate: f64| scale.pixel(rate.clamp(0.0, 1.0), 0.0).0;
    canvas.line([(x(outcome.low), y), (x(outcome.high), y)], colour, 7.0, 0.32);
    canvas.dot((x(outcome.success), y), 8.0, PAPER, 1.0);
    canvas.dot((x(outcome.success), y), 6.5, colour, 1.0);
}

fn rates_label(rows: &[Row]) -> String {
    let one = |o: &Outcome| format!("{} (95% interval {})", percent(o.success), percent_range(o.low, o.high));
    let row = |r: &Row| format!("{}: {}", r.name, r.marks.iter().map(|m| one(&m.0)).collect::<Vec<_>>().join(", then "));
    format!("Success rates. {}.", rows.iter().map(row).collect::<Vec<_>>().join("; "))
}

/// Success against environment steps: the mean over seeds, its 95% band, and a thin line for each seed.
pub fn curves(lines: &[Line], width: f64) -> String {
    let size = Size { width, height: 260.0 + 0.14 * width };
    let steps = lines.iter().flat_map(|l| l.mean.iter().map(|p| p.step).chain(l.seeds.iter().flatten().map(|p| p.0)));
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
    let widest = lines.iter().map(|l| text_width(&l.name)).fold(0.0, f64::max).max(20.0);
    svg(size, &curves_label(lines), |canvas| {
        let scale = axes.draw(canvas, size, (widest + 22.0).min(size.width * 0.42));
        lines.iter().for_each(|line| draw_line(canvas, &scale, line));
        let ends: Vec<Pixel> = lines.iter().map(|l| l.mean.last().map_or((0.0, 0.0), |p| scale.pixel(p.step, p.estimate.value))).collect();
        let heights = spread_out(&ends.iter().map(|p| p.1).collect::<Vec<_>>(), 19.0, size.height - 44.0);
        for ((line, end), y) in lines.iter().zip(&ends).zip(heights).filter(|((line, _), _)| !line.mean.is_empty()) {
            canvas.text(&line.name, (end.0 + 12.0, y), Anchor::Left, INK, true);
        }
    })
}

fn draw_line(canvas: &Canvas, scale: &Scale, line: &Line) {
    let pixels = |value: fn(&CurvePoint) -> f64| line.mean.iter().map(|p| scale.pixel(p.step, value(p))).collect::<Vec<_>>();
    if line.mean.iter().any(|p| p.estimate.interval.high > p.estimate.interval.low) {
        let (upper, lower) = (pixels(|p| p.estimate.interval.high), pixels(|p| p.estimate.interval.low));
        canvas.area(upper.into_iter().chain(lower.into_iter().rev()), line.colour, 0.16);
    }
    for seed in &line.seeds {
        canvas.line(seed.iter().map(|p| scale.pixel(p.0, p.1)), line.colour, 1.0, 0.4);
    }
    let mean = pixels(|p| p.estimate.value);
    canvas.line(mean.iter().copied(), line.colour, 2.5, 1.0);
    // Few measurements are shown one by one; of many, the last.
    let dots = if mean.len() <= 12 { &mean[..] } else { &mean[mean.len() - 1..] };
    for &at in dots {
        canvas.dot(at, 5.5, PAPER, 1.0);
        canvas.dot(at, 4.0, line.colour, 1.0);
    }
}

fn curves_label(lines: &[Line]) -> String {
    let one = |line: &Line| {
        let (Some(first), Some(last)) = (line.mean.first(), line.mean.last()) else { return format!("{}: nothing measured", line.name) };
        let Interval { low, high } = last.estimate.interval;
        let (start, end) = (percent(first.estimate.value), percent(last.estimate.value));
        let range = if high > low { format!(" (95% interval {})", percent_range(low, high)) } else { String::new() };
        format!("{}: from {start} at {} steps to {end}{range} at {} steps", line.name, short(first.step), short(last.step))
    };
    format!("Success against environment steps. {}.", lines.iter().map(one).collect::<Vec<_>>().join("; "))
}

/// A loss against its steps, one line a seed; on a logarithmic scale where `is_log` says so.
pub fn loss(name: &str, seeds: &[Vec<(f64, f64)>], size: Size) -> String {
    let log = is_log(seeds);
    let height = |value: f64| if log { value.log10() } else { value };
    let seeds: Vec<Vec<(f64, f64)>> = seeds.iter().map(|s| s.iter().map(|p| (p.0, height(p.1))).filter(finite).collect()).collect();
    let x = padded(extent(seeds.iter().flatten().map(|p| p.0)), 0.0);
    let y = padded(extent(seeds.iter().flatten().map(|p| p.1)), 0.06);
    let axes = Axes {
        x_ticks: ticks(&x, 3),
        y_ticks: if log { decades(&y) } else { ticks(&y, 3) },
        x,
        y,
        x_label: short,
        y_label: if log { |power| short(10f64.powf(power)) } else { short },
        x_name: "",
    };
    let last = seeds.iter().filter_map(|s| s.last()).map(|p| if log { 10f64.powf(p.1) } else { p.1 }).collect::<Vec<_>>();
    let ends = last.iter().map(|&v| short(v)).collect::<Vec<_>>().join(", ");
    svg(size, &format!("{name} against steps, {} lines ending at {ends}.", seeds.len()), |canvas| {
        let scale = axes.draw(canvas, size, 14.0);
        for seed in &seeds {
            canvas.line(seed.iter().map(|p| scale.pixel(p.0, p.1)), SERIES[0], 1.5, 0.75);
        }
    })
}

/// Whether values span so much, all above zero, that a logarithmic scale shows more.
pub fn is_log(seeds: &[Vec<(f64, f64)>]) -> bool {
    let values = extent(seeds.iter().flatten().map(|p| p.1));
    values.start > 0.0 && values.end / values.start > 30.0
}

/// The actions that BC and PostBC draw at one state, and the demonstrator's; both axes span `window` around `centre`.
pub fn actions(state: &PortraitState, centre: [f64; 2], window: f64, label: &str) -> String {
    const SIDE: f64 = 240.0;
    let half = window / 2.0;
    let scale = Scale::new(centre[0] - half..centre[0] + half, centre[1] - half..centre[1] + half, 0.0, SIDE, 0.0, SIDE);
    svg(Size { width: SIDE, height: SIDE }, label, |canvas| {
        let origin = scale.pixel(0.0, 0.0);
        canvas.line([(0.0, origin.1), (SIDE, origin.1)], GRID, 1.0, 1.0);
        canvas.line([(origin.0, 0.0), (origin.0, SIDE)], GRID, 1.0, 1.0);
        // The narrow cloud goes on top of the wide one.
        for (cloud, colour) in [(&state.post_bc, SERIES[0]), (&state.bc, SERIES[1])] {
            for action in cloud.iter().filter(|a| a.iter().all(|v| v.is_finite())) {
                canvas.dot(scale.pixel(action[0].into(), action[1].into()), 3.0, colour, 0.5);
            }
        }
        cross(canvas, scale.pixel(state.demo[0].into(), state.demo[1].into()));
    })
}

/// The demonstrator's action: a cross with a halo.
fn cross(canvas: &Canvas, (x, y): Pixel) {
    for (colour, reach, width) in [(PAPER, 11.0, 6.0), (INK, 9.0, 2.5)] {
        canvas.line([(x - reach, y), (x + reach, y)], colour, width, 1.0);
        canvas.line([(x, y - reach), (x, y + reach)], colour, width, 1.0);
    }
}

/// The spread of both policies' actions along a demonstration.
pub fn spread(points: &[SpreadPoint], label: &str, width: f64) -> String {
    let size = Size { width, height: 240.0 + 0.03 * width };
    let highest = points.iter().map(|p| p.bc.max(p.post_bc)).filter(|v| v.is_finite()).fold(0.0, f64::max);
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
        let line = |value: fn(&SpreadPoint) -> f64| points.iter().map(|p| scale.pixel(p.step, value(p))).collect::<Vec<_>>();
        let (bc, post_bc) = (line(|p| p.bc), line(|p| p.post_bc));
        canvas.area(post_bc.iter().chain(bc.iter().rev()).copied(), SERIES[0], 0.14);
        canvas.line(post_bc.iter().copied(), SERIES[0], 2.5, 1.0);
        canvas.line(bc.iter().copied(), SERIES[1], 2.5, 1.0);
        let ends: Vec<Pixel> = [&post_bc, &bc].iter().filter_map(|l| l.last()).copied().collect();
        let heights = spread_out(&ends.iter().map(|p| p.1).collect::<Vec<_>>(), 19.0, size.height - 44.0);
        for ((name, end), y) in ["PostBC", "BC"].iter().zip(&ends).zip(heights) {
            canvas.text(name, (end.0 + 10.0, y), Anchor::Left, INK, true);
        }
    })
}

impl Axes {
    /// Draws grid lines and labels, with `right` pixels kept free at the right; gives back the scale of the data.
    fn draw(&self, canvas: &Canvas, size: Size, right: f64) -> Scale {
        let widest = self.y_ticks.iter().map(|&t| text_width(&(self.y_label)(t))).fold(0.0, f64::max);
        let bottom = size.height - if self.x_name.is_empty() { 26.0 } else { 48.0 };
        let (left, end) = (widest + 12.0, size.width - right);
        let scale = Scale::new(self.x.clone(), self.y.clone(), left, end, 10.0, bottom);
        for &tick in &self.y_ticks {
            let y = scale.pixel(self.x.start, tick).1;
            canvas.line([(left, y), (end, y)], GRID, 1.0, 1.0);
            canvas.text(&(self.y_label)(tick), (left - 10.0, y), Anchor::Right, MUTED, false);
        }
        canvas.line([(left, bottom), (end, bottom)], GREY, 1.0, 1.0);
        for &tick in &self.x_ticks {
            let x = scale.pixel(tick, self.y.start).0;
            canvas.line([(x, bottom), (x, bottom + 5.0)], GREY, 1.0, 1.0);
            canvas.text(&(self.x_label)(tick), (x, bottom + 16.0), Anchor::Centre, MUTED, false);
        }
        canvas.text(self.x_name, ((left + end) / 2.0, bottom + 38.0), Anchor::Centre, MUTED, false);
        scale
    }
}

/// The smallest range that holds all finite values; 0..1 of none.
pub fn extent(values: impl Iterator<Item = f64>) -> Range<f64> {
    let finite = values.filter(|v| v.is_finite());
    let range = finite.fold(f64::INFINITY..f64::NEG_INFINITY, |r, v| r.start.min(v)..r.end.max(v));
    if range.start <= range.end { range } else { 0.0..1.0 }
}

/// A range with a margin at both ends, as a share of its width; never empty.
fn padded(range: Range<f64>, share: f64) -> Range<f64> {
    let width = range.end - range.start;
    let margin = if width > 0.0 { width * share } else { range.start.abs().max(1.0) / 2.0 };
    range.start - margin..range.end + margin
}

/// Round numbers inside a range, about `target` of them, 1, 2 or 5 times a power of ten apart.
fn ticks(range: &Range<f64>, target: usize) -> Vec<f64> {
    let rough = (range.end - range.start) / target.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|s| *s >= rough * 0.999).unwrap_or(rough);
    let (first, last) = ((range.start / step - 1e-9).ceil() as i64, (range.end / step + 1e-9).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Whole powers of ten inside a range of logarithms, at most about four.
fn decades(range: &Range<f64>) -> Vec<f64> {
    let every = ((range.end - range.start) / 4.0).ceil().max(1.0) as usize;
    (range.start.ceil() as i64..=range.end.floor() as i64).step_by(every).map(|i| i as f64).collect()
}

/// Moves heights apart until neighbours are `gap` apart, staying above `bottom` where there is room.
fn spread_out(heights: &[f64], gap: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..heights.len()).collect();
    order.sort_by(|&a, &b| heights[a].total_cmp(&heights[b]));
    let mut placed = heights.to_vec();
    for pair in order.windows(2) {
        placed[pair[1]] = placed[pair[1]].max(placed[pair[0]] + gap);
    }
    let excess = order.last().map_or(0.0, |&i| (placed[i] - bottom).max(0.0));
    let mut ceiling = f64::INFINITY;
    for &i in order.iter().rev().filter(|_| excess > 0.0) {
        placed[i] = placed[i].min(ceiling).min(bottom);
        ceiling = placed[i] - gap;
    }
    placed
}

fn finite(point: &(f64, f64)) -> bool {
    point.0.is_finite() && point.1.is_finite()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The promise: ticks are round numbers inside the range, a few of them.
    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(ticks(&(0.0..120_000.0), 4), [0.0, 50_000.0, 100_000.0]);
        assert_eq!(ticks(&(-1.0..1.0), 4), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(decades(&(-2.3..1.2)), [-2.0, -1.0, 0.0, 1.0]);
    }

    /// The promise: labels of lines that end at one height do not cover each other.
    #[test]
    fn labels_are_kept_apart() {
        let placed = spread_out(&[200.0, 100.0, 101.0, 199.0], 19.0, 205.0);
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|w| w[1] - w[0] >= 19.0 - 1e-9) && sorted[3] <= 205.0, "{placed:?}");
        assert!(placed[1] < placed[2] && placed[3] < placed[0]);
    }
}
