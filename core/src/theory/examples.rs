//! Problems to study: a random family. The tests have the two counterexamples.

use super::{Mdp, Problem, Size, Table};
use crate::Result;
use crate::error::within;
use crate::rng::Rng;

/// Powers of ten between the commonest and the rarest state of a random problem.
const STATE_DECADES: f64 = 4.0;

/// Powers of ten between the commonest and the rarest action of its demonstrator.
const ACTION_DECADES: f64 = 2.0;

/// A random problem with an optimal demonstrator that has several ways of doing things.
///
/// At every step and state half of the actions, rounded up, are good: they pay 1 and lead on. Any
/// other pays nothing and leads to the last state, in which all is lost, so that J(pi^beta) = H and
/// nothing is better. The demonstrator takes good actions only, with frequencies that span up to
/// two powers of ten; states are met with frequencies that span four, so that whatever the number
/// of demonstrations, some states were seen often, some rarely and some not at all. Transitions are
/// random, each action's its own. At the lost state the demonstrator is uniform.
///
/// The same `seed` gives the same problem.
///
/// # Errors
/// When there are fewer than two states or actions, or the size does not fit in memory.
pub fn random(size: Size, seed: u64) -> Result<Problem> {
    size.check()?;
    within("states", size.states, 2, usize::MAX)?;
    within("actions", size.actions, 2, usize::MAX)?;
    let mut rng = Rng::new(seed, "theory-problem", 0);
    let start = next_state(size, &mut rng);
    let demonstrator = Table::new(size, |_, state| ways(size, is_lost(size, state), &mut rng));
    // The good actions are the demonstrator's; in the lost state nothing is good.
    let good = |step: usize, state: usize, action: usize| {
        !is_lost(size, state) && demonstrator.row(step, state)[action] > 0.0
    };
    let rewards = Table::new(size, |h, s| {
        (0..size.actions)
            .map(|a| f64::from(u8::from(good(h, s, a))))
            .collect()
    });
    let mut transitions =
        Vec::with_capacity((size.horizon - 1) * size.states * size.actions * size.states);
    for step in 0..size.horizon - 1 {
        for state in 0..size.states {
            for action in 0..size.actions {
                // A mistake is final: the worst case for cloning.
                transitions.extend(if good(step, state, action) {
                    next_state(size, &mut rng)
                } else {
                    lost(size)
                });
            }
        }
    }
    Ok(Problem {
        mdp: Mdp {
            start,
            rewards,
            transitions,
        },
        demonstrator,
    })
}

fn is_lost(size: Size, state: usize) -> bool {
    state + 1 == size.states
}

fn lost(size: Size) -> Vec<f64> {
    (0..size.states)
        .map(|state| f64::from(u8::from(is_lost(size, state))))
        .collect()
}

/// A random distribution over the states that are not lost, on the whole the first ones commonest.
fn next_state(size: Size, rng: &mut Rng) -> Vec<f64> {
    let last = (size.states - 2).max(1) as f64;
    // Normalized exponential draws are uniform over distributions; the decades make the first
    // states the commonest.
    let weight = |state| decades(STATE_DECADES * state as f64 / last) * exponential(rng);
    let mut weights: Vec<f64> = (0..size.states - 1).map(weight).collect();
    weights.push(0.0);
    normalized(weights)
}

/// The demonstrator's distribution over actions at a state: over a random half of them, or all
/// where all is lost.
fn ways(size: Size, all: bool, rng: &mut Rng) -> Vec<f64> {
    if all {
        return normalized(vec![1.0; size.actions]);
    }
    let mut weights: Vec<f64> = (0..size.actions)
        .map(|a| {
            if 2 * a < size.actions {
                decades(ACTION_DECADES * rng.uniform())
            } else {
                0.0
            }
        })
        .collect();
    // Which half is good differs from state to state.
    rng.shuffle(&mut weights);
    normalized(weights)
}

/// 10^-x.
fn decades(x: f64) -> f64 {
    libm::pow(10.0, -x)
}

/// A draw from the exponential distribution; normalized, several are uniform over distributions.
fn exponential(rng: &mut Rng) -> f64 {
    -libm::log(1.0 - rng.uniform())
}

fn normalized(weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|w| w / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::demonstrations::visit_counts;
    use crate::theory::dp::visitation;
    use crate::theory::estimators::uniform_noise;
    use crate::theory::{
        bc, coverage, largest_coverage, post_bc, suboptimality, theorem_alpha, theorem_lambda,
        value,
    };

    /// The bandits on which BC fails (appendix B.1): three arms, of which the demonstrator pulls
    /// the first with probability 1 - 4 epsilon and the others with 2 epsilon each. One of the rare
    /// arms pays 1, `paying` = 1 (M1) or 2 (M2); the data of both look alike until it is pulled.
    /// J(pi^beta) = 2 epsilon.
    fn rare_arms(epsilon: f64, paying: usize) -> Problem {
        let size = Size {
            horizon: 1,
            states: 1,
            actions: 3,
        };
        let rewards = Table::new(size, |_, _| {
            (0..3)
                .map(|arm| f64::from(u8::from(arm == paying)))
                .collect()
        });
        let demonstrator = Table {
            size,
            values: vec![1.0 - 4.0 * epsilon, 2.0 * epsilon, 2.0 * epsilon],
        };
        Problem {
            mdp: Mdp {
                start: vec![1.0],
                rewards,
                transitions: Vec::new(),
            },
            demonstrator,
        }
    }

    /// The probability that `demos` pulls of [`rare_arms`] see neither rare arm: (1 - 4 epsilon)^T.
    /// BC then never pulls one, and no amount of practice with its policy finds the arm that pays.
    fn rare_arms_unseen(epsilon: f64, demos: usize) -> f64 {
        libm::pow(1.0 - 4.0 * epsilon, demos as f64)
    }

    /// A problem on which uniform noise fails (after appendix B.2, with its constants; the
    /// construction is ours): one decision in one of two states. The common one is met with
    /// probability 1 - `rare`: action 0 pays 1, the demonstrator takes it always, and noise costs
    /// its share in full. In the rare one it takes actions 0 and 1 with probability 1/2 each, and
    /// only action 1 pays, `gap`. With `rare` = 1/T, T demonstrations meet the rare state once with
    /// probability about 1/e.
    fn rare_state(actions: usize, rare: f64, gap: f64) -> Problem {
        let size = Size {
            horizon: 1,
            states: 2,
            actions,
        };
        let only = |action: usize, value: f64| {
            (0..actions)
                .map(|a| if a == action { value } else { 0.0 })
                .collect()
        };
        let rewards = Table::new(size, |_, state| {
            if state == 0 {
                only(0, 1.0)
            } else {
                only(1, gap)
            }
        });
        let either = (0..actions)
            .map(|a| if a < 2 { 0.5 } else { 0.0 })
            .collect::<Vec<f64>>();
        let demonstrator = Table::new(size, |_, state| {
            if state == 0 {
                only(0, 1.0)
            } else {
                either.clone()
            }
        });
        Problem {
            mdp: Mdp {
                start: vec![1.0 - rare, rare],
                rewards,
                transitions: Vec::new(),
            },
            demonstrator,
        }
    }

    /// Whether every `width` numbers are a distribution.
    fn are_distributions(values: &[f64], width: usize) -> bool {
        values.chunks_exact(width).all(|row| {
            row.iter().all(|&p| p >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9
        })
    }

    /// "BC fails". Neither rare arm is seen with probability (1 - 4 epsilon)^T, at least 1/2 for T
    /// <= 1/(20 epsilon). Just then BC earns nothing on both bandits, where the demonstrator earns
    /// 2 epsilon; its coverage is 0 and it is the same policy on both, while PostBC still pulls
    /// both arms.
    #[test]
    fn bc_fails_where_rare_arms_pay() {
        let epsilon = 0.01;
        let demos = 5;
        let datasets = 20_000;
        let [m1, m2] = [1, 2].map(|arm| rare_arms(epsilon, arm));
        let mut unseen = 0;
        for i in 0..datasets {
            let counts = visit_counts(&m1, demos, &mut Rng::new(i, "pulls", 0));
            assert_eq!(
                counts,
                visit_counts(&m2, demos, &mut Rng::new(i, "pulls", 0))
            );
            let earned = [value(&m1.mdp, &bc(&counts)), value(&m2.mdp, &bc(&counts))];
            assert_eq!(counts.values[0] == demos as f64, earned == [0.0, 0.0]);
            unseen += usize::from(earned == [0.0, 0.0]);
        }
        let share = unseen as f64 / datasets as f64;
        let exact = rare_arms_unseen(epsilon, demos);
        assert!(
            (share - exact).abs() < 5.0 * (exact * (1.0 - exact) / datasets as f64).sqrt(),
            "{share} against {exact}"
        );
        assert!((exact - 0.96f64.powi(5)).abs() < 1e-12 && exact >= 0.5);
        let unseen = Table {
            size: m1.mdp.size(),
            values: vec![demos as f64, 0.0, 0.0],
        };
        assert!((suboptimality(&m1, &bc(&unseen)) - 2.0 * epsilon).abs() < 1e-12);
        assert_eq!(coverage(&bc(&unseen), &m1.demonstrator), 0.0);
        let widened = post_bc(
            &unseen,
            theorem_alpha(m1.mdp.size(), demos),
            theorem_lambda(m1.mdp.size(), demos),
        );
        assert!(value(&m1.mdp, &widened) > 0.0 && value(&m2.mdp, &widened) > 0.0);
    }

    /// The coverage of 1 - delta = 95% of 400 data sets of T demonstrations with rare = 1/T, and
    /// the mean suboptimality.
    fn measure(demos: usize, policy: impl Fn(&Table) -> Table) -> (f64, f64) {
        let problem = rare_state(8, 1.0 / demos as f64, 0.01);
        let policies: Vec<Table> = (0..400)
            .map(|i| policy(&visit_counts(&problem, demos, &mut Rng::new(i, "rare", 0))))
            .collect();
        let coverages: Vec<f64> = policies
            .iter()
            .map(|p| coverage(p, &problem.demonstrator))
            .collect();
        let cost = policies
            .iter()
            .map(|p| suboptimality(&problem, p))
            .sum::<f64>()
            / policies.len() as f64;
        (largest_coverage(&coverages, 0.05), cost)
    }

    /// "uniform noise fails". A share alpha of it costs alpha (A-1)/A at the common state, so the
    /// theorem's budget H^2 S log T / T on the suboptimality bounds alpha, and coverage with it: it
    /// falls as the budget does. PostBC keeps to the same budget with a coverage that does not
    /// fall, and beats the noise's by a factor that grows with T.
    #[test]
    fn uniform_noise_fails_where_a_state_is_rare() {
        let budget = |demos: usize| 2.0 * (demos as f64).ln() / demos as f64;
        let mut advantage = Vec::new();
        for demos in [300, 3000, 30_000] {
            // The largest alpha that the budget allows, the rare state's share neglected.
            let alpha = budget(demos) * 8.0 / 7.0;
            let (noise, cost) = measure(demos, |counts| uniform_noise(counts, alpha));
            assert!(
                (cost / budget(demos) - 1.0).abs() < 0.02,
                "{cost} at {demos}"
            );
            assert!(noise <= 2.0 * alpha / 8.0 + 1e-12, "{noise} at {demos}");
            let size = Size {
                horizon: 1,
                states: 2,
                actions: 8,
            };
            let (kept, cost) = measure(demos, |counts| {
                post_bc(
                    counts,
                    theorem_alpha(size, demos),
                    theorem_lambda(size, demos),
                )
            });
            assert!(
                cost <= budget(demos) && kept >= 0.02,
                "{kept} at {cost} for {demos}"
            );
            advantage.push(kept / noise);
        }
        assert!(
            advantage.windows(2).all(|pair| pair[1] > 4.0 * pair[0]) && advantage[2] > 100.0,
            "{advantage:?}"
        );
    }

    /// On the rare state's problem BC loses the paying action with constant probability, at least
    /// 1/(4e): the state is met once with probability near 1/e, and half the time the other action
    /// was taken. BC then earns nothing in the rare state, where the demonstrator earns half the
    /// gap, and no policy within BC's support does better.
    #[test]
    fn bc_loses_the_paying_action_of_the_rare_state() {
        let problem = rare_state(4, 0.01, 0.5);
        let mut met_once = 0;
        let mut lost = 0;
        for i in 0..4000 {
            let counts = visit_counts(&problem, 100, &mut Rng::new(i, "rare", 0));
            let rare = counts.row(0, 1);
            met_once += usize::from(rare.iter().sum::<f64>() == 1.0);
            if rare[0] > 0.0 && rare[1] == 0.0 {
                lost += 1;
                assert!((suboptimality(&problem, &bc(&counts)) - 0.01 * 0.5 / 2.0).abs() < 1e-12);
            }
        }
        let share = |n: usize| n as f64 / 4000.0;
        assert!(
            (share(met_once) - 0.99f64.powi(99)).abs() < 0.04,
            "{}",
            share(met_once)
        );
        assert!(
            share(lost) >= 1.0 / (4.0 * std::f64::consts::E),
            "{}",
            share(lost)
        );
        assert_eq!(measure(100, bc).0, 0.0);
    }

    /// A random problem is what its description says: valid, the same for the same seed, its
    /// demonstrator optimal and never lost, its good actions and states of very different
    /// frequency.
    #[test]
    fn random_problems_are_as_described() {
        let size = Size {
            horizon: 5,
            states: 10,
            actions: 7,
        };
        for seed in 0..3 {
            let problem = random(size, seed).unwrap();
            assert!(are_distributions(&problem.mdp.start, size.states));
            assert!(are_distributions(&problem.mdp.transitions, size.states));
            assert!(are_distributions(
                &problem.demonstrator.values,
                size.actions
            ));
            assert_eq!(problem, random(size, seed).unwrap());
            assert!((value(&problem.mdp, &problem.demonstrator) - 5.0).abs() < 1e-12);
            let visits = visitation(&problem.mdp, &problem.demonstrator);
            assert!(
                visits
                    .iter()
                    .all(|row| row[9] == 0.0 && row[0] > 0.05 && row[8] < 1e-3)
            );
            let good: Vec<f64> = problem
                .demonstrator
                .row(0, 0)
                .iter()
                .copied()
                .filter(|p| *p > 0.0)
                .collect();
            assert_eq!(good.len(), 4);
        }
        assert_ne!(random(size, 0).unwrap(), random(size, 1).unwrap());
        for (states, actions) in [(1, 4), (4, 1), (0, 4)] {
            assert!(
                random(
                    Size {
                        horizon: 2,
                        states,
                        actions
                    },
                    0
                )
                .is_err()
            );
        }
    }
}
