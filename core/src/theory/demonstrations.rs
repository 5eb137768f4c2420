//! Demonstrations: the demonstrator's episodes, as visit counts.

use super::{Problem, Table};
use crate::rng::Rng;

/// Plays one episode of the demonstrator and adds it to the visit counts T_h(s, a).
pub fn demonstrate(problem: &Problem, counts: &mut Table, rng: &mut Rng) {
    let mut state = draw(&problem.mdp.start, rng);
    for step in 0..problem.mdp.size().horizon {
        let action = draw(problem.demonstrator.row(step, state), rng);
        *counts.at_mut(step, state, action) += 1.0;
        state = draw(problem.mdp.next(step, state, action), rng);
    }
}

/// The visit counts of `demos` episodes of the demonstrator.
#[cfg(test)]
pub(crate) fn visit_counts(problem: &Problem, demos: usize, rng: &mut Rng) -> Table {
    let mut counts = Table::zeros(problem.mdp.size());
    (0..demos).for_each(|_| demonstrate(problem, &mut counts, rng));
    counts
}

/// An index drawn with these probabilities; 0 of none.
pub fn draw(probabilities: &[f64], rng: &mut Rng) -> usize {
    let mut left = rng.uniform();
    let mut last = 0;
    for (i, &p) in probabilities.iter().enumerate().filter(|(_, p)| **p > 0.0) {
        last = i;
        // Inversion: the first index at which the running sum exceeds the draw.
        left -= p;
        if left < 0.0 {
            break;
        }
    }
    // When rounding leaves something, it belongs to the last that is possible.
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::dp::visitation;
    use crate::theory::{Size, examples};

    /// Demonstrations visit states and actions as often as dynamic programming says, and every step
    /// of every episode is counted once.
    #[test]
    fn demonstrations_follow_the_demonstrator() {
        let problem = examples::random(
            Size {
                horizon: 4,
                states: 5,
                actions: 4,
            },
            1,
        )
        .unwrap();
        let demos = 40_000;
        let counts = visit_counts(&problem, demos, &mut Rng::new(0, "demos", 0));
        assert_eq!(counts.values.iter().sum::<f64>(), 4.0 * demos as f64);
        let visits = visitation(&problem.mdp, &problem.demonstrator);
        for (step, row) in visits.iter().enumerate() {
            for (state, share) in row.iter().enumerate() {
                for (action, p) in problem.demonstrator.row(step, state).iter().enumerate() {
                    let found = counts.row(step, state)[action] / demos as f64;
                    let expected = share * p;
                    // Five standard errors.
                    assert!(
                        (found - expected).abs() <= 5.0 * (expected / demos as f64).sqrt(),
                        "{found} against {expected}"
                    );
                }
            }
        }
    }

    /// What is impossible is never drawn, though rounding leaves a gap at the end.
    #[test]
    fn the_impossible_is_never_drawn() {
        let mut rng = Rng::new(0, "draw", 0);
        assert!((0..10_000).all(|_| draw(&[0.0, 0.3, 0.0, 0.2, 0.0], &mut rng) % 2 == 1));
        assert_eq!(draw(&[], &mut rng), 0);
    }
}
