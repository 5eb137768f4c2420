//! Student's t: the interval of a mean over few seeds.

use super::{Estimate, Interval, mean};

/// What a 95% interval leaves inside.
const INSIDE: f64 = 0.95;

/// The mean of values with its 95% interval by Student's t; none of fewer than two. It takes the
/// values for draws of a normal distribution, and may leave [0, 1] where they are rates.
pub fn t_interval(values: &[f64]) -> Option<Estimate> {
    let degrees = values.len().checked_sub(1).filter(|&n| n > 0)?;
    let value = mean(values);
    let squares: f64 = values.iter().map(|v| (v - value) * (v - value)).sum();
    let spread = libm::sqrt(squares / degrees as f64);
    let half = t_quantile(degrees) * spread / libm::sqrt(values.len() as f64);
    Some(Estimate {
        value,
        interval: Interval {
            low: value - half,
            high: value + half,
        },
    })
}

/// The 0.975 quantile of Student's t with so many degrees of freedom, at least one.
pub fn t_quantile(degrees: usize) -> f64 {
    let degrees = degrees.max(1);
    let (mut low, mut high) = (0.0, 13.0);
    // Halved until the ends are neighbors.
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return middle;
        }
        match within(middle, degrees) < INSIDE {
            true => low = middle,
            false => high = middle,
        }
    }
}

/// The probability that |t| is below `t`: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4, whose
/// sums are finite.
fn within(t: f64, degrees: usize) -> f64 {
    let angle = libm::atan(t / libm::sqrt(degrees as f64));
    let (sin, cos) = (libm::sin(angle), libm::cos(angle));
    let is_odd = degrees % 2 == 1;
    let mut term = if is_odd { cos } else { 1.0 };
    let mut sum = if degrees == 1 { 0.0 } else { term };
    let mut k = if is_odd { 3 } else { 2 };
    while k + 1 < degrees + usize::from(is_odd) {
        term *= cos * cos * (k - 1) as f64 / k as f64;
        sum += term;
        k += 2;
    }
    match is_odd {
        true => 2.0 / std::f64::consts::PI * (angle + sin * sum),
        false => sin * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiles are those of scipy 1.17 (`t.ppf(0.975, n)`), for any number of values.
    #[test]
    fn quantiles_have_the_known_values() {
        for (degrees, expected) in [
            (1, 12.706_204_736_174_694),
            (2, 4.302_652_729_749_462),
            (3, 3.182_446_305_283_708),
            (4, 2.776_445_105_197_793),
            (7, 2.364_624_251_592_784),
            (8, 2.306_004_135_204_166),
            (19, 2.093_024_054_408_309),
            (30, 2.042_272_456_301_237),
            (99, 1.984_216_951_586_417),
            (1000, 1.962_339_080_826_408),
        ] {
            let found = t_quantile(degrees);
            assert!((found - expected).abs() < 1e-9, "{degrees}: {found}");
        }
    }

    /// The interval of a mean is scipy's (`t.interval(0.95, n - 1, mean, sem)`); equal values have
    /// no width, and a single one says nothing of its spread.
    #[test]
    fn intervals_have_the_known_values() {
        let found = t_interval(&[0.70, 0.88, 0.84, 0.92]).unwrap();
        assert!((found.value - 0.835).abs() < 1e-12);
        assert!(
            (found.interval.low - 0.682_651_982).abs() < 1e-9,
            "{found:?}"
        );
        assert!(
            (found.interval.high - 0.987_348_018).abs() < 1e-9,
            "{found:?}"
        );
        let same = t_interval(&[0.5; 5]).unwrap().interval;
        assert_eq!((same.low, same.high), (0.5, 0.5));
        assert_eq!((t_interval(&[0.5]), t_interval(&[])), (None, None));
    }
}
