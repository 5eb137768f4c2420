//! Uniform noise at PostBC's cost: the comparison that leaves only coverage to differ.

use super::{Method, Row};
use serde::{Deserialize, Serialize};

/// Uniform noise with the alpha that costs what PostBC costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Matched {
    /// Demonstrations.
    pub demos: usize,
    /// The share of noise.
    pub alpha: f64,
    /// The coverage that is reached with probability 1 - delta.
    pub coverage: f64,
    /// The mean suboptimality, that of PostBC with the theorem's settings.
    pub suboptimality: f64,
}

/// For each number of demonstrations, uniform noise at PostBC's suboptimality: between the two
/// measured alphas whose suboptimality encloses it, alpha and coverage are interpolated along
/// straight lines in the suboptimality (both are nearly linear in alpha). Left out where even the
/// largest alpha costs less.
pub fn matched(rows: &[Row]) -> Vec<Matched> {
    let targets = rows
        .iter()
        .filter(|r| r.arm.theorem && r.arm.method == Method::PostBc);
    targets
        .filter_map(|target| at_cost(&noise(rows, target.demos), target))
        .collect()
}

/// Uniform noise of every measured alpha, from none at all, which is BC.
fn noise(rows: &[Row], demos: usize) -> Vec<&Row> {
    let mut noise: Vec<&Row> = rows
        .iter()
        .filter(|r| r.demos == demos && r.arm.method != Method::PostBc)
        .collect();
    noise.sort_by(|a, b| a.arm.alpha.total_cmp(&b.arm.alpha));
    noise
}

fn at_cost(noise: &[&Row], target: &Row) -> Option<Matched> {
    let cost = target.suboptimality;
    let pair = noise
        .windows(2)
        .find(|pair| pair[0].suboptimality <= cost && cost <= pair[1].suboptimality)?;
    let width = pair[1].suboptimality - pair[0].suboptimality;
    let share = if width > 0.0 {
        (cost - pair[0].suboptimality) / width
    } else {
        0.0
    };
    let between = |a: f64, b: f64| a + share * (b - a);
    Some(Matched {
        demos: target.demos,
        alpha: between(pair[0].arm.alpha, pair[1].arm.alpha),
        coverage: between(pair[0].coverage, pair[1].coverage),
        suboptimality: cost,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::study::tests::{config, rows};
    use crate::theory::{StudyConfig, theorem_alpha};

    /// Noise of the alpha that was interpolated does cost what PostBC costs, and has the coverage
    /// that was said: measured again with just that alpha, both come out within a few percent.
    #[test]
    fn matched_noise_costs_what_post_bc_costs() {
        let sweep = StudyConfig {
            alphas: vec![1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3],
            demos: vec![10, 300, 3000],
            ..config()
        };
        for found in matched(&rows(sweep.clone())) {
            let again = rows(StudyConfig {
                alphas: vec![found.alpha],
                demos: vec![found.demos],
                ..sweep.clone()
            });
            let noise = again
                .iter()
                .find(|r| r.arm.method == Method::UniformNoise && !r.arm.theorem)
                .unwrap();
            assert!(
                (noise.suboptimality / found.suboptimality - 1.0).abs() < 0.03,
                "{noise:?} against {found:?}"
            );
            assert!(
                (noise.coverage / found.coverage - 1.0).abs() < 0.05,
                "{noise:?} against {found:?}"
            );
            assert!(found.alpha < theorem_alpha(sweep.size, found.demos));
        }
    }

    /// What PostBC buys with its cost, uniform noise does not: at the same suboptimality its
    /// coverage falls behind as demonstrations grow, about as 1/T, while PostBC's does not fall
    /// below a third of where it started.
    #[test]
    fn at_the_same_cost_post_bc_covers_more_and_more() {
        let rows = rows(StudyConfig {
            alphas: vec![1e-3, 1e-2, 0.1, 0.3],
            demos: vec![10, 100, 1000, 10_000],
            ..config()
        });
        let post_bc: Vec<f64> = rows
            .iter()
            .filter(|r| r.arm.theorem && r.arm.method == Method::PostBc)
            .map(|r| r.coverage)
            .collect();
        let noise = matched(&rows);
        assert_eq!(noise.len(), 4);
        let ratios: Vec<f64> = post_bc
            .iter()
            .zip(&noise)
            .map(|(kept, noise)| kept / noise.coverage)
            .collect();
        assert!(
            (0.8..2.0).contains(&ratios[0])
                && ratios[3] > 20.0
                && ratios.windows(2).all(|p| p[1] > 1.2 * p[0]),
            "{ratios:?}"
        );
        assert!(
            post_bc.iter().all(|kept| *kept > post_bc[0] / 3.0),
            "{post_bc:?}"
        );
    }
}
