//! Axes: ranges, round ticks, grid lines and labels.

use super::canvas::{Anchor, Canvas, GREY, GRID, MUTED, Scale, Size, text_width};
use std::ops::Range;

/// A box of data with labeled axes.
pub struct Axes {
    /// The range across.
    pub x: Range<f64>,
    /// The range upward.
    pub y: Range<f64>,
    /// Where the axis across is labeled.
    pub x_ticks: Vec<f64>,
    /// Where the upward axis is labeled and has grid lines.
    pub y_ticks: Vec<f64>,
    /// How values across are written.
    pub x_label: fn(f64) -> String,
    /// How values upward are written.
    pub y_label: fn(f64) -> String,
    /// What lies across; nothing is written when empty.
    pub x_name: &'static str,
}

impl Axes {
    /// Draws grid lines and labels, with `right` pixels kept free at the right; gives back the
    /// scale of the data.
    pub fn draw(&self, canvas: &Canvas, size: Size, right: f64) -> Scale {
        let widest = self
            .y_ticks
            .iter()
            .map(|&t| text_width(&(self.y_label)(t)))
            .fold(0.0, f64::max);
        let bottom = size.height - if self.x_name.is_empty() { 26.0 } else { 48.0 };
        let left = widest + 16.0;
        let end = size.width - right;
        let scale = Scale::new(self.x.clone(), self.y.clone(), left, end, 10.0, bottom);
        for &tick in &self.y_ticks {
            let y = scale.pixel(self.x.start, tick).1;
            canvas.line([(left, y), (end, y)], GRID, 1.0, 1.0);
            canvas.text(
                &(self.y_label)(tick),
                (left - 10.0, y),
                Anchor::Right,
                MUTED,
                false,
            );
        }
        canvas.line([(left, bottom), (end, bottom)], GREY, 1.0, 1.0);
        for &tick in &self.x_ticks {
            let x = scale.pixel(tick, self.y.start).0;
            canvas.line([(x, bottom), (x, bottom + 5.0)], GREY, 1.0, 1.0);
            canvas.text(
                &(self.x_label)(tick),
                (x, bottom + 16.0),
                Anchor::Centre,
                MUTED,
                false,
            );
        }
        canvas.text(
            self.x_name,
            ((left + end) / 2.0, bottom + 38.0),
            Anchor::Centre,
            MUTED,
            false,
        );
        scale
    }
}

/// The smallest range that holds all finite values; 0..1 of none.
pub fn extent(values: impl Iterator<Item = f64>) -> Range<f64> {
    let finite = values.filter(|v| v.is_finite());
    let range = finite.fold(f64::INFINITY..f64::NEG_INFINITY, |r, v| {
        r.start.min(v)..r.end.max(v)
    });
    if range.start <= range.end {
        range
    } else {
        0.0..1.0
    }
}

/// A range with a margin at both ends, as a share of its width; never empty.
pub fn padded(range: Range<f64>, share: f64) -> Range<f64> {
    let width = range.end - range.start;
    let margin = if width > 0.0 {
        width * share
    } else {
        range.start.abs().max(1.0) / 2.0
    };
    range.start - margin..range.end + margin
}

/// Round numbers inside a range, about `target` of them, 1, 2 or 5 times a power of ten apart.
pub fn ticks(range: &Range<f64>, target: usize) -> Vec<f64> {
    let rough = (range.end - range.start) / target.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|m| m * power)
        .into_iter()
        .find(|s| *s >= rough * 0.999)
        .unwrap_or(rough);
    let first = (range.start / step - 1e-9).ceil() as i64;
    let last = (range.end / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Whole powers of ten inside a range of logarithms, at most about four.
pub fn decades(range: &Range<f64>) -> Vec<f64> {
    let every = ((range.end - range.start) / 4.0).ceil().max(1.0) as usize;
    (range.start.ceil() as i64..=range.end.floor() as i64)
        .step_by(every)
        .map(|i| i as f64)
        .collect()
}

/// Moves heights apart until neighbors are `gap` apart, staying above `bottom` where there is
/// room.
pub fn spread_out(heights: &[f64], gap: f64, bottom: f64) -> Vec<f64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Ticks are round numbers inside the range, a few of them.
    #[test]
    fn ticks_are_few_and_round() {
        assert_eq!(ticks(&(0.0..120_000.0), 4), [0.0, 50_000.0, 100_000.0]);
        assert_eq!(ticks(&(-1.0..1.0), 4), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(decades(&(-2.3..1.2)), [-2.0, -1.0, 0.0, 1.0]);
    }

    /// Labels of lines that end at one height do not cover each other.
    #[test]
    fn labels_are_kept_apart() {
        let placed = spread_out(&[200.0, 100.0, 101.0, 199.0], 19.0, 205.0);
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(
            sorted.windows(2).all(|w| w[1] - w[0] >= 19.0 - 1e-9) && sorted[3] <= 205.0,
            "{placed:?}"
        );
        assert!(placed[1] < placed[2] && placed[3] < placed[0]);
    }
}
