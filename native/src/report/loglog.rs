//! Curves on two logarithmic axes that also have a place for zero.

use super::axes::{Axes, extent, padded};
use super::canvas::{Anchor, Canvas, GREY, GRID, MUTED, PAPER, Pixel, Scale, Size, svg};
use super::html::short;
use plotters::style::RGBColor;
use std::ops::Range;

/// Below this a value is shown as zero: it is rounding.
const ZERO: f64 = 1e-12;

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A line with filled dots.
    Dots,
    /// A thinner line with open dots.
    Rings,
    /// A gray line to compare with.
    Guide,
}

/// One curve.
pub struct Track {
    /// Its color.
    pub colour: RGBColor,
    /// How it is drawn.
    pub look: Look,
    /// (across, up), neither below zero.
    pub points: Vec<(f64, f64)>,
}

/// A logarithmic axis.
#[derive(Debug, Clone)]
pub struct LogAxis {
    /// What is shown: logarithms, and below them the place of zero.
    range: Range<f64>,
    /// The smallest logarithm that is shown.
    low: f64,
    /// Logarithms of the values that are labeled.
    ticks: Vec<f64>,
    /// Where zero stands, if there is one to be shown.
    zero: Option<f64>,
}

impl LogAxis {
    /// The axis that shows all of these values, at least a power of ten wide, with about `most`
    /// labels.
    pub fn of(values: impl Iterator<Item = f64> + Clone, most: usize) -> Self {
        let logs = padded(
            extent(values.clone().filter(|v| *v > ZERO).map(f64::log10)),
            0.05,
        );
        let missing = (1.0 - (logs.end - logs.start)).max(0.0);
        let logs = logs.start - missing / 2.0..logs.end + missing / 2.0;
        let width = logs.end - logs.start;
        let zero = values
            .into_iter()
            .any(|v| v <= ZERO)
            .then_some(logs.start - 0.12 * width);
        // A label next to that of zero would touch it.
        let first = zero.map_or(logs.start, |_| logs.start + 0.05 * width);
        let ticks = ticks(&(first..logs.end), most);
        Self {
            range: zero.map_or(logs.start, |z| z - 0.04 * width)..logs.end,
            low: logs.start,
            ticks,
            zero,
        }
    }

    fn place(&self, value: f64) -> f64 {
        if value > ZERO {
            value.log10()
        } else {
            self.zero.unwrap_or(self.range.start)
        }
    }
}

/// Powers of ten inside a range of logarithms, about `most` of them; where there are fewer than
/// two, 2 and 5 times them, too.
fn ticks(range: &Range<f64>, most: usize) -> Vec<f64> {
    let every = ((range.end - range.start) / most as f64).ceil().max(1.0) as usize;
    let powers: Vec<f64> = (range.start.ceil() as i64..=range.end.floor() as i64)
        .step_by(every)
        .map(|i| i as f64)
        .collect();
    if powers.len() > 1 {
        return powers;
    }
    let finer = (range.start.floor() as i64..=range.end.floor() as i64)
        .flat_map(|i| [1.0, 2.0, 5.0f64].map(|m| i as f64 + m.log10()));
    finer.filter(|log| range.contains(log)).collect()
}

/// Both axes.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Across.
    pub x: LogAxis,
    /// Up.
    pub y: LogAxis,
}

impl Frame {
    /// The axes that show all points of these curves.
    pub fn of(tracks: &[Track]) -> Self {
        let points = tracks.iter().flat_map(|t| t.points.iter());
        Self {
            x: LogAxis::of(points.clone().map(|p| p.0), 4),
            y: LogAxis::of(points.map(|p| p.1), 6),
        }
    }

    /// Whether a point lies where both axes are logarithmic.
    fn shows(&self, point: &(f64, f64)) -> bool {
        let inside =
            |axis: &LogAxis, value: f64| (axis.low..=axis.range.end).contains(&value.log10());
        inside(&self.x, point.0) && inside(&self.y, point.1)
    }

    fn pixel(&self, scale: &Scale, point: &(f64, f64)) -> Pixel {
        scale.pixel(self.x.place(point.0), self.y.place(point.1))
    }
}

/// Draws curves; of guides, what lies in the frame. `notes` are short texts at the right of a point
/// and of whatever else is drawn there, left out where there is no room. `label` speaks to those
/// who do not see it.
pub fn plot(
    frame: &Frame,
    tracks: &[Track],
    notes: &[((f64, f64), String)],
    x_name: &'static str,
    size: Size,
    label: &str,
) -> String {
    let axes = Axes {
        x: frame.x.range.clone(),
        y: frame.y.range.clone(),
        x_ticks: frame.x.ticks.clone(),
        y_ticks: frame.y.ticks.clone(),
        x_label: written,
        y_label: written,
        x_name,
    };
    svg(size, label, |canvas| {
        let right = if notes.is_empty() { 14.0 } else { 40.0 };
        let scale = axes.draw(canvas, size, right);
        zeros(canvas, &scale, frame);
        for track in tracks
            .iter()
            .filter(|t| t.look == Look::Guide)
            .chain(tracks.iter().filter(|t| t.look != Look::Guide))
        {
            draw(canvas, &scale, frame, track);
        }
        let mut last = f64::INFINITY;
        let dots: Vec<Pixel> = tracks
            .iter()
            .flat_map(|t| t.points.iter())
            .map(|p| frame.pixel(&scale, p))
            .collect();
        for (point, text) in notes {
            let (x, y) = frame.pixel(&scale, point);
            let beside = dots
                .iter()
                .filter(|dot| (dot.1 - y).abs() < 12.0 && (x..x + 60.0).contains(&dot.0));
            if (y - last).abs() >= 17.0 {
                canvas.text(
                    text,
                    (beside.map(|dot| dot.0).fold(x, f64::max) + 11.0, y),
                    Anchor::Left,
                    MUTED,
                    false,
                );
                last = y;
            }
        }
    })
}

fn draw(canvas: &Canvas, scale: &Scale, frame: &Frame, track: &Track) {
    let shown = track
        .points
        .iter()
        .filter(|p| track.look != Look::Guide || frame.shows(p));
    let pixels: Vec<Pixel> = shown.map(|p| frame.pixel(scale, p)).collect();
    let width = match track.look {
        Look::Dots => 2.5,
        Look::Rings | Look::Guide => 1.5,
    };
    canvas.line(pixels.iter().copied(), track.colour, width, 1.0);
    for &at in pixels.iter().filter(|_| track.look != Look::Guide) {
        canvas.dot(at, 5.5, PAPER, 1.0);
        canvas.dot(at, 4.0, track.colour, 1.0);
        if track.look == Look::Rings {
            canvas.dot(at, 2.4, PAPER, 1.0);
        }
    }
}

/// The places of zero: a grid line, its label, and a gap in the axis before the logarithms begin.
fn zeros(canvas: &Canvas, scale: &Scale, Frame { x, y }: &Frame) {
    let (left, bottom) = scale.pixel(x.range.start, y.range.start);
    let (right, top) = scale.pixel(x.range.end, y.range.end);
    if let Some(zero) = x.zero {
        let at = scale.pixel(zero, y.range.start).0;
        canvas.line([(at, top), (at, bottom)], GRID, 1.0, 1.0);
        canvas.line([(at, bottom), (at, bottom + 5.0)], GREY, 1.0, 1.0);
        canvas.text("0", (at, bottom + 16.0), Anchor::Centre, MUTED, false);
        let gap = scale
            .pixel(
                (zero + x.ticks.first().copied().unwrap_or(x.range.end)) / 2.0,
                y.range.start,
            )
            .0
            .min(at + 30.0);
        canvas.line([(gap - 3.0, bottom), (gap + 3.0, bottom)], PAPER, 3.0, 1.0);
    }
    if let Some(zero) = y.zero {
        let at = scale.pixel(x.range.start, zero).1;
        canvas.line([(left, at), (right, at)], GRID, 1.0, 1.0);
        canvas.text("0", (left - 10.0, at), Anchor::Right, MUTED, false);
    }
}

/// A value, given by its logarithm, as people write it: powers of ten as `0.01`, `1`, `1000`,
/// `10⁻⁴`.
fn written(log: f64) -> String {
    let exponent = log.round() as i32;
    match exponent {
        _ if (log - log.round()).abs() > 1e-6 => short(10f64.powf(log)),
        -3..=-1 => format!(
            "{:.*}",
            exponent.unsigned_abs() as usize,
            10f64.powi(exponent)
        ),
        0..=3 => format!("{:.0}", 10f64.powi(exponent)),
        _ => format!("10{}", superscript(exponent)),
    }
}

fn superscript(number: i32) -> String {
    let raise = |c: char| {
        c.to_digit(10).map_or('⁻', |d| {
            ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][d as usize]
        })
    };
    number.to_string().chars().map(raise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values read as people write them.
    #[test]
    fn values_read_well() {
        let cases = [
            (-12.0, "10⁻¹²"),
            (-4.0, "10⁻⁴"),
            (-2.0, "0.01"),
            (0.0, "1"),
            (3.0, "1000"),
            (5.0, "10⁵"),
            (2f64.log10() - 2.0, "0.02"),
        ];
        for (log, text) in cases {
            assert_eq!(written(log), text);
        }
    }

    /// Zero has a place of its own, left of every other value, exactly when there is one; no value
    /// is outside.
    #[test]
    fn zero_has_a_place() {
        let axis = LogAxis::of([0.0, 1e-3, 10.0].into_iter(), 6);
        assert!(axis.place(0.0) < axis.place(1e-3) - 0.1 && axis.range.contains(&axis.place(0.0)));
        assert_eq!(axis.ticks, [-2.0, -1.0, 0.0, 1.0]);
        assert!(LogAxis::of([1e-3, 10.0].into_iter(), 6).zero.is_none());
        assert!(
            LogAxis::of([0.017, 0.019].into_iter(), 4).ticks.len() > 1,
            "an axis is never without labels"
        );
        let nothing = LogAxis::of([0.0].into_iter(), 6);
        assert!(nothing.range.contains(&nothing.place(0.0)) && nothing.place(0.0).is_finite());
    }
}
