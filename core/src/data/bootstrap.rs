//! The bootstraps to which the members of an ensemble are fitted (PostBC, algorithm 1).

use crate::rng::Rng;
use crate::settings::Choices;
use serde::{Deserialize, Serialize};

/// Unit of the draws with replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Bootstrap {
    /// Whole trajectories, as many as there are: for few demonstrations, whose steps are alike.
    Trajectory,
    /// Training pairs, as many as there are.
    Pair,
}

/// The training pairs of one ensemble member, as flat indices; `episode_pairs` holds the number of
/// pairs of each episode.
///
/// With [`Bootstrap::Trajectory`] the number of indices varies from member to member, as the
/// lengths of the drawn episodes do. The indices of a trajectory stand together and in order: draw
/// batches from them at random.
pub(crate) fn member_indices(mode: Bootstrap, episode_pairs: &[usize], rng: &mut Rng) -> Vec<u32> {
    let total: usize = episode_pairs.iter().sum();
    match mode {
        Bootstrap::Pair => rng
            .indices(total, total)
            .into_iter()
            .map(|i| i as u32)
            .collect(),
        Bootstrap::Trajectory => {
            // As many trajectories as there are; a repeated one brings all of its pairs again.
            let starts = starts(episode_pairs);
            let drawn = rng.indices(episode_pairs.len(), episode_pairs.len());
            drawn
                .into_iter()
                .flat_map(|e| starts[e]..starts[e] + episode_pairs[e] as u32)
                .collect()
        }
    }
}

/// The flat index of the first pair of each episode.
fn starts(episode_pairs: &[usize]) -> Vec<u32> {
    let next = |start: &mut u32, &n: &usize| Some(std::mem::replace(start, *start + n as u32));
    episode_pairs.iter().scan(0, next).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The share of what is there that a draw with replacement of as many misses none of: 1 - 1/e.
    const DISTINCT: f64 = 0.632;

    fn mean_distinct(
        mode: Bootstrap,
        episode_pairs: &[usize],
        of: usize,
        key: impl Fn(u32) -> u32,
    ) -> f64 {
        let share = |member| {
            let indices =
                member_indices(mode, episode_pairs, &mut Rng::new(0, "bootstrap", member));
            indices.into_iter().map(&key).collect::<BTreeSet<_>>().len() as f64 / of as f64
        };
        (0..200).map(share).sum::<f64>() / 200.0
    }

    /// A member sees about 63% of the trajectories, or of the pairs.
    #[test]
    fn a_member_sees_the_expected_share() {
        let trajectories = mean_distinct(Bootstrap::Trajectory, &[7; 100], 100, |i| i / 7);
        let pairs = mean_distinct(Bootstrap::Pair, &[7; 100], 700, |i| i);
        assert!((trajectories - DISTINCT).abs() < 0.01, "{trajectories}");
        assert!((pairs - DISTINCT).abs() < 0.01, "{pairs}");
    }

    /// Trajectories come whole, with all of their pairs and none of another's, whatever their
    /// lengths.
    #[test]
    fn trajectories_come_whole() {
        let lengths = [3, 0, 5, 1];
        let ends = [3, 3, 8, 9];
        let indices = member_indices(
            Bootstrap::Trajectory,
            &lengths,
            &mut Rng::new(1, "bootstrap", 0),
        );
        let mut rest = indices.as_slice();
        while let Some(&first) = rest.first() {
            let episode = ends.iter().position(|&end| first < end).unwrap();
            let (whole, after) = rest.split_at(lengths[episode]);
            assert!(
                whole
                    .iter()
                    .copied()
                    .eq(ends[episode] - lengths[episode] as u32..ends[episode])
            );
            rest = after;
        }
    }

    /// The member's stream decides, and nothing else.
    #[test]
    fn members_differ_and_repeat() {
        let draw = |member| {
            member_indices(
                Bootstrap::Trajectory,
                &[2; 20],
                &mut Rng::new(0, "bootstrap", member),
            )
        };
        assert_eq!(draw(0), draw(0));
        assert_ne!(draw(0), draw(1));
    }

    /// Nothing in, nothing out.
    #[test]
    fn no_episodes_give_no_indices() {
        assert!(member_indices(Bootstrap::Pair, &[], &mut Rng::new(0, "bootstrap", 0)).is_empty());
        assert!(
            member_indices(Bootstrap::Trajectory, &[], &mut Rng::new(0, "bootstrap", 0)).is_empty()
        );
    }
}
