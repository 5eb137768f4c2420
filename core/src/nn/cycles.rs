//! A learning rate that warms up and falls along cosines.

/// A linear warm-up, then half a cosine down, and again (DPPO's schedule).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CosineCycles {
    /// Steps of a cycle, its warm-up included; more than `warmup`.
    pub(crate) cycle: usize,
    /// Steps of the warm-up.
    pub(crate) warmup: usize,
    /// Share of the highest learning rate at which a cycle begins and ends.
    pub(crate) floor: f64,
}

impl CosineCycles {
    /// The share of the highest learning rate at step 0, 1 and so on.
    pub(crate) fn at(&self, step: usize) -> f64 {
        let step = step % self.cycle;
        // As `util/scheduler.py` of DPPO's code: the warm-up counts in the cycle.
        let rise = match step.checked_sub(self.warmup) {
            None => step as f64 / self.warmup as f64,
            Some(since) => {
                0.5 * (1.0
                    + libm::cos(
                        std::f64::consts::PI * (since as f64 / (self.cycle - self.warmup) as f64),
                    ))
            }
        };
        self.floor + (1.0 - self.floor) * rise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The learning rate is DPPO's: 1e-5 at first, up by 9e-7 a step to 1e-4, half-way between in
    /// the middle of the cosine, and again.
    #[test]
    fn the_learning_rate_warms_up_falls_and_restarts() {
        let lr = CosineCycles {
            cycle: 10_000,
            warmup: 100,
            floor: 0.1,
        };
        for (step, expected) in [
            (0, 1e-5),
            (1, 1.09e-5),
            (50, 5.5e-5),
            (100, 1e-4),
            (5050, 5.5e-5),
            (10_000, 1e-5),
            (10_050, 5.5e-5),
        ] {
            assert!(
                (1e-4 * lr.at(step) - expected).abs() < 1e-12,
                "{} at step {step}",
                1e-4 * lr.at(step)
            );
        }
        assert!(lr.at(9999) < 0.1 + 1e-6, "a cycle ends at the floor");
        // A third of the way down: (1 + cos(pi / 3)) / 2 = 3/4 of what is above the floor.
        assert!((lr.at(3400) - (0.1 + 0.9 * 0.75)).abs() < 1e-12);
    }

    /// Without a warm-up it begins at the highest.
    #[test]
    fn a_cycle_without_warm_up_begins_at_the_highest() {
        let lr = CosineCycles {
            cycle: 4,
            warmup: 0,
            floor: 0.0,
        };
        let found: Vec<f64> = (0..5).map(|step| lr.at(step)).collect();
        let expected = [
            1.0,
            0.853_553_390_593_273_8,
            0.5,
            0.146_446_609_406_726_2,
            1.0,
        ];
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 1e-12),
            "{found:?}"
        );
    }
}
