//! Generalized advantage estimation (Schulman et al. 2016, eq. 16) over the decisions of one
//! episode.

/// A_t = delta_t + gamma lambda A_{t+1} with delta_t = r_t + gamma V(s_{t+1}) - V(s_t).
///
/// `values` holds V(s_t) for every decision; `last_value` is the value of the state after the last
/// one: 0 where the episode terminated, its V where the time limit cut it off.
pub(crate) fn advantages(
    rewards: &[f32],
    values: &[f32],
    last_value: f32,
    gamma: f64,
    lambda: f64,
) -> Vec<f32> {
    let mut advantages = vec![0.0; rewards.len()];
    let mut next_value = f64::from(last_value);
    let mut next_advantage = 0.0;
    // The sum of eq. 16, from its end: every term is needed once.
    for t in (0..rewards.len()).rev() {
        let value = f64::from(values[t]);
        let delta = f64::from(rewards[t]) + gamma * next_value - value;
        next_advantage = delta + gamma * lambda * next_advantage;
        next_value = value;
        advantages[t] = next_advantage as f32;
    }
    advantages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(f, e)| (f - e).abs() < 1e-6),
            "{found:?} is not {expected:?}"
        );
    }

    /// Advantages are those computed by hand, for an episode that terminated and for one that was
    /// cut off. delta = (0 + 0.9 * 0.4 - 0.5, 0 + 0.9 * 0.2 - 0.4, 1 + 0.9 * last - 0.2), and each
    /// adds 0.72 of the next.
    #[test]
    fn advantages_are_those_computed_by_hand() {
        let rewards = [0.0, 0.0, 1.0];
        let values = [0.5, 0.4, 0.2];
        assert_near(
            &advantages(&rewards, &values, 0.0, 0.9, 0.8),
            &[0.11632, 0.356, 0.8],
        );
        assert_near(
            &advantages(&rewards, &values, 0.3, 0.9, 0.8),
            &[0.256_288, 0.5504, 1.07],
        );
    }

    /// Lambda 0 is the one-step error, lambda 1 the discounted return minus the value.
    #[test]
    fn lambda_goes_from_one_step_to_the_whole_return() {
        let rewards = [1.0, 2.0];
        let values = [0.5, 0.25];
        assert_near(
            &advantages(&rewards, &values, 4.0, 0.5, 0.0),
            &[1.0 + 0.125 - 0.5, 2.0 + 2.0 - 0.25],
        );
        assert_near(
            &advantages(&rewards, &values, 4.0, 0.5, 1.0),
            &[1.0 + 1.0 + 1.0 - 0.5, 2.0 + 2.0 - 0.25],
        );
    }
}
