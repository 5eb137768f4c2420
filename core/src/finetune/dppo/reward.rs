//! Rewards divided by the running standard deviation of the discounted return, so that the critic's
//! loss has one scale in every task (Engstrom et al. 2020; DPPO).

use serde::{Deserialize, Serialize};

/// Discount of the return whose spread is measured. DPPO: 0.99, whatever the task's discount.
const GAMMA: f64 = 0.99;
/// Scaled rewards lie within plus and minus this (DPPO).
const CLIP: f64 = 10.0;

/// Mean of all returns so far, and the sum of their squared distances from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RewardScaler {
    mean: f64,
    squares: f64,
    count: f64,
}

impl Default for RewardScaler {
    /// A variance of 1 that weighs next to nothing (DPPO).
    fn default() -> Self {
        Self {
            mean: 0.0,
            squares: 1e-4,
            count: 1e-4,
        }
    }
}

impl RewardScaler {
    /// Adds the rewards of whole episodes: at each decision the discounted sum of the rewards up to
    /// it.
    pub(crate) fn observe<'a>(&mut self, episodes: impl Iterator<Item = &'a [f32]>) {
        for value in episodes.flat_map(discounted_sums) {
            // Welford's update of mean and sum of squares.
            let delta = value - self.mean;
            self.count += 1.0;
            self.mean += delta / self.count;
            self.squares += delta * (value - self.mean);
        }
    }

    /// The reward in standard deviations, within ±10.
    pub(crate) fn scale(&self, reward: f32) -> f32 {
        // The count starts at 1e-4: n - 1 would be negative.
        let variance = if self.count > 1.0 {
            self.squares / (self.count - 1.0)
        } else {
            1.0
        };
        (f64::from(reward) / libm::sqrt(variance + 1e-8)).clamp(-CLIP, CLIP) as f32
    }
}

/// r_t + gamma r_{t-1} + gamma^2 r_{t-2} + ...
fn discounted_sums(rewards: &[f32]) -> impl Iterator<Item = f64> {
    // Backwards in time: sums of past rewards stand in for returns, which are not known yet (DPPO,
    // `util/reward_scaling.py`).
    rewards.iter().scan(0.0, |sum, &reward| {
        *sum = f64::from(reward) + GAMMA * *sum;
        Some(*sum)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After any number of observations the scale is the standard deviation (n - 1) of all returns
    /// together, up to the next to nothing that the first guess weighs.
    #[test]
    fn rewards_are_divided_by_the_spread_of_returns() {
        let episodes: [&[f32]; 3] = [&[0.0, 1.0, 0.5], &[2.0], &[0.0, 0.0, 0.0, -1.0]];
        let mut returns = vec![0.0, 1.0, 0.5 + 0.99, 2.0];
        let mut scaler = RewardScaler::default();
        scaler.observe(episodes[..2].iter().copied());
        let std = |values: &[f64]| {
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64)
                .sqrt()
        };
        assert!((f64::from(scaler.scale(3.0)) - 3.0 / std(&returns)).abs() < 1e-3);
        scaler.observe(episodes[2..].iter().copied());
        returns.extend([0.0, 0.0, 0.0, -1.0]);
        assert!((f64::from(scaler.scale(3.0)) - 3.0 / std(&returns)).abs() < 1e-3);
    }

    /// Scaled rewards stay within ±10, also where no reward was ever seen.
    #[test]
    fn scaled_rewards_are_bounded() {
        let mut scaler = RewardScaler::default();
        scaler.observe([[0.0; 50].as_slice()].into_iter());
        assert_eq!(
            [0.0, 1.0, -1.0].map(|r| scaler.scale(r)),
            [0.0, 10.0, -10.0]
        );
    }
}
