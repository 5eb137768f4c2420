//! Exact dynamic programming: values without sampling.

use super::{Mdp, Problem, Table};

/// J(pi): the expected sum of rewards of an episode, by backward induction.
pub fn value(mdp: &Mdp, policy: &Table) -> f64 {
    let size = mdp.size();
    let mut ahead = vec![0.0; size.states];
    // V_h(s) = sum_a pi_h(a|s) [r_h(s, a) + sum_s' P_h(s'|s, a) V_h+1(s')], with V_H+1 = 0: the
    // last step has no successors.
    for step in (0..size.horizon).rev() {
        let here = |state| {
            let of_action = |(action, p): (usize, &f64)| {
                // Policies are sparse: what is never done needs no look ahead.
                if *p == 0.0 {
                    0.0
                } else {
                    p * (mdp.rewards.row(step, state)[action]
                        + dot(mdp.next(step, state, action), &ahead))
                }
            };
            policy
                .row(step, state)
                .iter()
                .enumerate()
                .map(of_action)
                .sum()
        };
        ahead = (0..size.states).map(here).collect();
    }
    dot(&mdp.start, &ahead)
}

/// Probability of being in each state at each step, (H, S), by forward induction.
#[cfg(test)]
pub(crate) fn visitation(mdp: &Mdp, policy: &Table) -> Vec<Vec<f64>> {
    let size = mdp.size();
    let mut visits = vec![mdp.start.clone()];
    for step in 0..size.horizon - 1 {
        // d_h+1(s') = sum_s,a d_h(s) pi_h(a|s) P_h(s'|s, a).
        let mut next = vec![0.0; size.states];
        for (state, here) in visits[step].iter().enumerate() {
            for (action, p) in policy.row(step, state).iter().enumerate() {
                next.iter_mut()
                    .zip(mdp.next(step, state, action))
                    .for_each(|(sum, q)| *sum += here * p * q);
            }
        }
        visits.push(next);
    }
    visits
}

/// J(pi^beta) - J(pi): what a policy loses against the demonstrator; negative when it is better.
pub fn suboptimality(problem: &Problem, policy: &Table) -> f64 {
    value(&problem.mdp, &problem.demonstrator) - value(&problem.mdp, policy)
}

/// The sum of products; 0 with nothing.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::demonstrations::visit_counts;
    use crate::theory::estimators::uniform_noise;
    use crate::theory::{Size, examples, theorem_alpha};

    /// The sum over every trajectory that there is, each with its probability: (return, probability
    /// of each (step, state)).
    fn enumerate(mdp: &Mdp, policy: &Table) -> (f64, Vec<Vec<f64>>) {
        let size = mdp.size();
        let mut value = 0.0;
        let mut visits = vec![vec![0.0; size.states]; size.horizon];
        let choices = size.states * size.actions;
        for code in 0..choices.pow(size.horizon as u32) {
            let path: Vec<(usize, usize)> = (0..size.horizon)
                .map(|h| code / choices.pow(h as u32) % choices)
                .map(|c| (c / size.actions, c % size.actions))
                .collect();
            let mut probability = mdp.start[path[0].0];
            for (step, &(state, action)) in path.iter().enumerate() {
                probability *= policy.row(step, state)[action];
                probability *= path
                    .get(step + 1)
                    .map_or(1.0, |&(next, _)| mdp.next(step, state, action)[next]);
            }
            value += probability
                * path
                    .iter()
                    .enumerate()
                    .map(|(h, &(s, a))| mdp.rewards.row(h, s)[a])
                    .sum::<f64>();
            path.iter()
                .enumerate()
                .for_each(|(h, &(s, _))| visits[h][s] += probability);
        }
        (value, visits)
    }

    /// Values and visits are those of enumerating every trajectory, whatever the rewards and the
    /// policy.
    #[test]
    fn dynamic_programming_equals_enumeration() {
        let size = Size {
            horizon: 3,
            states: 3,
            actions: 3,
        };
        for seed in 0..5 {
            let mut problem = examples::random(size, seed).unwrap();
            let mut rng = crate::rng::Rng::new(seed, "rewards", 0);
            problem
                .mdp
                .rewards
                .values
                .iter_mut()
                .for_each(|r| *r = rng.uniform());
            let policy =
                uniform_noise(&visit_counts(&problem, 4, &mut rng), theorem_alpha(size, 4));
            let (expected, visits) = enumerate(&problem.mdp, &policy);
            assert!((value(&problem.mdp, &policy) - expected).abs() < 1e-12);
            let found = visitation(&problem.mdp, &policy);
            assert!(
                found
                    .iter()
                    .flatten()
                    .zip(visits.iter().flatten())
                    .all(|(a, b)| (a - b).abs() < 1e-12)
            );
            let gap = enumerate(&problem.mdp, &problem.demonstrator).0 - expected;
            assert!((suboptimality(&problem, &policy) - gap).abs() < 1e-12 && gap.abs() > 1e-3);
        }
    }
}
