//! Per-dimension scaling to [-1, 1].

use super::Archive;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A dimension whose values span less than this counts as constant (the epsilon of DPPO's
/// normalization).
const SMALLEST_SPAN: f32 = 1e-6;

/// Per-dimension min-max scaling: `2 (x - low) / (high - low) - 1`, with the least and the greatest
/// value of the data.
///
/// Zero is not forced into the range, and values outside of the data's range go outside of [-1, 1],
/// to the limit where there is one. A dimension that is constant in the data maps to 0, whatever
/// comes later, and back to its constant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Normaliser {
    /// The least and the greatest value of each dimension.
    ranges: Vec<(f32, f32)>,
    /// Scaled values are cut to ± this; none: they are not cut.
    #[serde(skip)]
    limit: Option<f32>,
}

impl Normaliser {
    /// Measures the range of each dimension over `rows` (N x dim, row-major, N >= 1).
    ///
    /// # Errors
    /// When there are no rows, a row is not whole, or a number is not finite.
    pub fn fit(rows: &[f32], dim: usize) -> Result<Self> {
        if dim == 0 || rows.is_empty() || !rows.len().is_multiple_of(dim) {
            return Err(Error::input(format!(
                "{} numbers are not rows of {dim}: there is nothing to normalise by.",
                rows.len()
            )));
        }
        if let Some(i) = rows.iter().position(|x| !x.is_finite()) {
            return Err(Error::input(format!(
                "Row {} holds {} in dimension {}: clean the data before normalising by it.",
                i / dim,
                rows[i],
                i % dim
            )));
        }
        let column = |d: usize| rows[d..].iter().step_by(dim).copied();
        let range = |d| {
            (
                column(d).fold(f32::INFINITY, f32::min),
                column(d).fold(f32::NEG_INFINITY, f32::max),
            )
        };
        Ok(Self::of((0..dim).map(range).collect()))
    }

    /// Scaling by these ranges, without a limit.
    fn of(ranges: Vec<(f32, f32)>) -> Self {
        Self {
            ranges,
            limit: None,
        }
    }

    /// The identity: for data in [-1, 1] already.
    pub fn identity(dim: usize) -> Self {
        Self::of(vec![(-1.0, 1.0); dim])
    }

    /// Widens the range of every dimension that varies to at least `least`, about its middle: what
    /// hardly varies in the data is not blown up. What is constant there stays ignored, and wider
    /// ranges stay as they are, to the last bit.
    #[must_use]
    pub(crate) fn with_least_span(&self, least: f32) -> Self {
        self.mapped(|(low, high)| {
            let narrow = high - low > SMALLEST_SPAN && high - low < least;
            if narrow {
                about_the_middle((low, high), least)
            } else {
                (low, high)
            }
        })
    }

    /// Cuts scaled values to ±`limit`.
    #[must_use]
    pub(crate) fn with_limit(self, limit: f32) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    /// Widens every range to at least `share` of the widest one, about its middle: a dimension that
    /// hardly varies in the data is not blown up, and one that is constant there is not ignored.
    #[must_use]
    pub(crate) fn with_min_range(&self, share: f32) -> Self {
        let widest = self
            .ranges
            .iter()
            .map(|(low, high)| high - low)
            .fold(0.0, f32::max);
        self.mapped(|(low, high)| about_the_middle((low, high), (high - low).max(share * widest)))
    }

    /// The same with other ranges.
    fn mapped(&self, other: impl Fn((f32, f32)) -> (f32, f32)) -> Self {
        Self {
            ranges: self.ranges.iter().copied().map(other).collect(),
            ..self.clone()
        }
    }

    /// Writes the ranges into the archive: the least values of the dimensions as the tensor
    /// `prefix/low`, the greatest as `prefix/high`; and the limit, where there is one, as
    /// `prefix/limit`.
    pub fn save(&self, prefix: &str, archive: &mut Archive) {
        let low = self.ranges.iter().map(|range| range.0);
        let high = self.ranges.iter().map(|range| range.1);
        archive.put_f32(format!("{prefix}/low"), &[self.dim()], low.collect());
        archive.put_f32(format!("{prefix}/high"), &[self.dim()], high.collect());
        if let Some(limit) = self.limit {
            archive.put_f32(format!("{prefix}/limit"), &[1], vec![limit]);
        }
    }

    /// Restores what [`Normaliser::save`] wrote.
    ///
    /// # Errors
    /// When the archive lacks the ranges, or they are not ranges.
    pub(crate) fn load(prefix: &str, archive: &Archive) -> Result<Self> {
        let (_, low) = archive.get_f32(&format!("{prefix}/low"))?;
        let (_, high) = archive.get_f32(&format!("{prefix}/high"))?;
        let limit = read_limit(prefix, archive)?;
        let ranges: Vec<(f32, f32)> = low.iter().copied().zip(high.iter().copied()).collect();
        let ordered = ranges.iter().all(|(low, high)| low <= high);
        if low.len() != high.len() || !ordered || limit.is_some_and(|limit| limit < 1.0) {
            return Err(Error::input(format!(
                "the scales {prefix} of the archive are not ranges: use an undamaged file"
            )));
        }
        Ok(Self { ranges, limit })
    }

    /// Dimensions of a row.
    pub(crate) fn dim(&self) -> usize {
        self.ranges.len()
    }

    /// Scales rows (N x dim, row-major): what lies in the ranges comes to lie in [-1, 1].
    pub fn apply(&self, rows: &[f32]) -> Vec<f32> {
        let limit = self.limit.unwrap_or(f32::INFINITY);
        self.map(rows, |x, low, span| {
            if span > SMALLEST_SPAN {
                let scaled = 2.0 * ((x - low) / span) - 1.0;
                scaled.clamp(-limit, limit)
            } else {
                0.0
            }
        })
    }

    /// Undoes [`Normaliser::apply`], as far as nothing was cut.
    pub(crate) fn invert(&self, rows: &[f32]) -> Vec<f32> {
        self.map(rows, |y, low, span| {
            if span > SMALLEST_SPAN {
                low + 0.5 * (y + 1.0) * span
            } else {
                low
            }
        })
    }

    fn map(&self, rows: &[f32], f: impl Fn(f32, f32, f32) -> f32) -> Vec<f32> {
        debug_assert!(rows.len().is_multiple_of(self.dim()));
        rows.iter()
            .zip(self.ranges.iter().cycle())
            .map(|(&x, &(low, high))| f(x, low, high - low))
            .collect()
    }
}

/// A range of this width about the middle of another.
fn about_the_middle((low, high): (f32, f32), span: f32) -> (f32, f32) {
    let middle = 0.5 * (low + high);
    let half = 0.5 * span;
    (middle - half, middle + half)
}

/// The limit that [`Normaliser::save`] wrote; none in files of before there was one.
fn read_limit(prefix: &str, archive: &Archive) -> Result<Option<f32>> {
    let name = format!("{prefix}/limit");
    if !archive.contains(&name) {
        return Ok(None);
    }
    let (_, limit) = archive.get_f32(&name)?;
    Ok(limit.first().copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = (usize, Vec<f32>)> {
        (1usize..5, 1usize..20)
            .prop_flat_map(|(dim, n)| (Just(dim), prop::collection::vec(-1e3f32..1e3, dim * n)))
    }

    proptest! {
        /// The data lands in [-1, 1] and touches both ends in every dimension that varies.
        #[test]
        fn the_data_fills_the_range((dim, rows) in rows()) {
            let scaled = Normaliser::fit(&rows, dim).unwrap().apply(&rows);
            for d in 0..dim {
                let column: Vec<f32> = scaled[d..].iter().step_by(dim).copied().collect();
                let low = column.iter().copied().fold(2.0, f32::min);
                let high = column.iter().copied().fold(-2.0, f32::max);
                prop_assert!(
                    (low, high) == (-1.0, 1.0) || column.iter().all(|&x| x == 0.0),
                    "{low} {high}"
                );
            }
        }

        /// Scaling back gives the data again, up to rounding at the scale of the range.
        #[test]
        fn invert_undoes_apply((dim, rows) in rows()) {
            let normaliser = Normaliser::fit(&rows, dim).unwrap();
            for (x, back) in rows.iter().zip(normaliser.invert(&normaliser.apply(&rows))) {
                prop_assert!((x - back).abs() <= 1e-3, "{x} {back}");
            }
        }
    }

    /// A constant dimension gives 0 and comes back as its constant, even where it differs later.
    #[test]
    fn a_constant_dimension_maps_to_zero_and_back() {
        let normaliser = Normaliser::fit(&[3.0, 0.0, 3.0, 1.0], 2).unwrap();
        assert_eq!(
            normaliser.apply(&[3.0, 1.0, 9.0, 0.5]),
            [0.0, 1.0, 0.0, 0.0]
        );
        assert_eq!(
            normaliser.invert(&[0.0, 1.0, 7.0, -1.0]),
            [3.0, 1.0, 3.0, 0.0]
        );
    }

    /// Small ranges are widened about their middle to the given share of the widest, others stay.
    #[test]
    fn small_ranges_are_widened() {
        let normaliser = Normaliser::fit(&[0.0, 3.0, 0.5, 10.0, 3.0, 0.6], 3)
            .unwrap()
            .with_min_range(0.2);
        let found = normaliser.apply(&[5.0, 3.0, 1.55]);
        assert!(
            found
                .iter()
                .zip([0.0, 0.0, 1.0])
                .all(|(f, e)| (f - e).abs() < 1e-6),
            "{found:?}"
        );
        assert!(
            (normaliser.apply(&[0.0, 4.0, 0.0])[1] - 1.0).abs() < 1e-6,
            "a constant dimension counts"
        );
    }

    proptest! {
        /// With a least span no dimension is scaled by less, wide ones are scaled as without, to
        /// the last bit, and what is constant stays ignored.
        #[test]
        fn narrow_ranges_are_widened_and_others_stay((dim, rows) in rows(), least in 1e-3f32..1e3) {
            let fitted = Normaliser::fit(&rows, dim).unwrap();
            let widened = fitted.with_least_span(least);
            for (d, (own, wide)) in fitted.ranges.iter().zip(&widened.ranges).enumerate() {
                let span = own.1 - own.0;
                if span <= SMALLEST_SPAN || span >= least {
                    prop_assert_eq!(own, wide, "dimension {}", d);
                } else {
                    let error = (wide.1 - wide.0 - least).abs();
                    prop_assert!(error <= 1e-3 * least.max(1.0), "dimension {} {:?}", d, wide);
                }
            }
            let scaled = widened.apply(&rows);
            prop_assert!(scaled.iter().all(|x| x.abs() <= 1.001), "{:?}", scaled);
        }

        /// With a limit no number, however far from the data, is scaled to more; an archive keeps
        /// both.
        #[test]
        fn scaled_values_stay_within_the_limit((dim, rows) in rows(), far in -1e30f32..1e30) {
            let limited = Normaliser::fit(&rows, dim).unwrap().with_limit(10.0);
            let mut archive = Archive::new();
            limited.save("scale", &mut archive);
            let loaded = Normaliser::load("scale", &archive).unwrap();
            prop_assert_eq!(&loaded, &limited);
            let scaled = loaded.apply(&vec![far; dim]);
            prop_assert!(scaled.iter().all(|x| x.abs() <= 10.0), "{:?}", scaled);
        }
    }

    /// Scales of before there were limits are read as they were: nothing is cut.
    #[test]
    fn scales_without_a_limit_do_not_cut() {
        let mut archive = Archive::new();
        Normaliser::fit(&[0.0, 1e-4], 1)
            .unwrap()
            .save("scale", &mut archive);
        assert!(!archive.contains("scale/limit"));
        let loaded = Normaliser::load("scale", &archive).unwrap();
        assert!(loaded.apply(&[1.0])[0] > 1e4);
    }

    /// What cannot be measured is refused.
    #[test]
    fn bad_rows_are_refused() {
        for (rows, dim) in [
            (vec![], 1),
            (vec![1.0], 0),
            (vec![1.0; 3], 2),
            (vec![f32::NAN], 1),
        ] {
            assert!(matches!(Normaliser::fit(&rows, dim), Err(Error::Input(_))));
        }
    }
}
