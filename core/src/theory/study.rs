//! A study: coverage and suboptimality of the estimators as demonstrations grow, over many data
//! sets.
//!
//! The caller owns the loop: [`Study::measure`] is one data set, from its number alone, and
//! [`Study::summarise`] makes rows of all of them.

use super::{
    Estimator, Problem, Size, Table, coverage, demonstrate, examples, largest_coverage,
    theorem_alpha, theorem_lambda, value,
};
use crate::error::within;
use crate::rng::Rng;
use crate::settings::Choices;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Most elementary operations of a study: some ten minutes on one core.
const LONGEST: f64 = 5e11;

/// Most outcomes of a study: 320 MB.
const LARGEST: f64 = 2e7;

/// Settings of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StudyConfig {
    /// Size of the random problem; see `examples::random`.
    pub size: Size,
    /// Numbers of demonstrations, ascending.
    pub demos: Vec<usize>,
    /// The alphas, ascending and in (0, 1], with which uniform noise and PostBC are measured beside
    /// the theorem's.
    pub alphas: Vec<f64>,
    /// Independent data sets.
    pub repeats: usize,
    /// The probability, in [0, 0.9], with which a data set may have less than the reported
    /// coverage.
    pub delta: f64,
    /// Seed of the problem and of the demonstrations.
    pub seed: u64,
}

/// An estimator without its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Choices)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// Behavioral cloning.
    Bc,
    /// Behavioral cloning with uniform noise.
    UniformNoise,
    /// Posterior behavioral cloning.
    PostBc,
}

/// A method with its alpha.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// The method.
    pub method: Method,
    /// Share of the noise or of the posterior; 0 for BC.
    pub alpha: f64,
    /// Whether alpha is the theorem's, rather than one of the study's list. Always so for BC, which
    /// has none.
    pub theorem: bool,
}

/// Outcome of one data set.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// [`coverage`] of the policy.
    pub coverage: f64,
    /// J(pi^beta) - J(pi).
    pub suboptimality: f64,
}

/// Outcome of all data sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Demonstrations.
    pub demos: usize,
    /// The method with its alpha.
    #[serde(flatten)]
    pub arm: Arm,
    /// The coverage that is reached with probability 1 - delta; see `largest_coverage`.
    pub coverage: f64,
    /// The mean of the suboptimality.
    pub suboptimality: f64,
    /// The standard error of that mean.
    pub standard_error: f64,
}

/// A configuration that was checked, with its problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    config: StudyConfig,
    problem: Problem,
    optimum: f64,
}

impl Study {
    /// Draws the problem.
    ///
    /// # Errors
    /// Names the setting that is out of range, or says that the study would take too long.
    pub fn new(config: StudyConfig) -> Result<Self> {
        config.check()?;
        let problem = examples::random(config.size, config.seed)?;
        let optimum = value(&problem.mdp, &problem.demonstrator);
        Ok(Self {
            config,
            problem,
            optimum,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &StudyConfig {
        &self.config
    }

    /// The arms at each number of demonstrations: BC, the other two with the theorem's alpha, then
    /// both with each alpha of the list.
    pub(crate) fn arms(&self, demos: usize) -> Vec<Arm> {
        let alpha = theorem_alpha(self.config.size, demos);
        let arm = |method, alpha, theorem| Arm {
            method,
            alpha,
            theorem,
        };
        let named = [
            arm(Method::Bc, 0.0, true),
            arm(Method::UniformNoise, alpha, true),
            arm(Method::PostBc, alpha, true),
        ];
        let sweep = [Method::UniformNoise, Method::PostBc]
            .into_iter()
            .flat_map(|m| self.config.alphas.iter().map(move |&a| arm(m, a, false)));
        named.into_iter().chain(sweep).collect()
    }

    /// Data set number `index`: an outcome for every number of demonstrations and each of its arms.
    /// The data sets of one `index` grow: more demonstrations include the fewer.
    pub fn measure(&self, index: u64) -> Vec<Vec<Outcome>> {
        let mut rng = Rng::new(self.config.seed, "theory-demos", index);
        let mut counts = Table::zeros(self.config.size);
        let mut seen = 0;
        let mut at = |&demos: &usize| {
            // Only what is new: the data set grows from one number of demonstrations to the next.
            (seen..demos).for_each(|_| demonstrate(&self.problem, &mut counts, &mut rng));
            seen = demos;
            self.arms(demos)
                .into_iter()
                .map(|arm| self.evaluate(&arm.estimator(self.config.size, demos).fit(&counts)))
                .collect()
        };
        self.config.demos.iter().map(&mut at).collect()
    }

    /// Coverage and suboptimality of a policy.
    fn evaluate(&self, policy: &Table) -> Outcome {
        let suboptimality = self.optimum - value(&self.problem.mdp, policy);
        Outcome {
            coverage: coverage(policy, &self.problem.demonstrator),
            suboptimality,
        }
    }

    /// One row for every number of demonstrations and each of its arms, of what [`Study::measure`]
    /// gave.
    pub fn summarise(&self, outcomes: &[Vec<Vec<Outcome>>]) -> Vec<Row> {
        let mut rows = Vec::new();
        for (i, &demos) in self.config.demos.iter().enumerate() {
            for (j, arm) in self.arms(demos).into_iter().enumerate() {
                let of = |pick: fn(&Outcome) -> f64| {
                    outcomes
                        .iter()
                        .map(|dataset| pick(&dataset[i][j]))
                        .collect::<Vec<_>>()
                };
                let coverage = largest_coverage(&of(|o| o.coverage), self.config.delta);
                let (suboptimality, standard_error) = mean(&of(|o| o.suboptimality));
                rows.push(Row {
                    demos,
                    arm,
                    coverage,
                    suboptimality,
                    standard_error,
                });
            }
        }
        rows
    }
}

impl Arm {
    /// The estimator; lambda is the theorem's.
    pub(crate) fn estimator(&self, size: Size, demos: usize) -> Estimator {
        match self.method {
            Method::Bc => Estimator::Bc,
            Method::UniformNoise => Estimator::UniformNoise { alpha: self.alpha },
            Method::PostBc => Estimator::PostBc {
                alpha: self.alpha,
                lambda: theorem_lambda(size, demos),
            },
        }
    }
}

impl StudyConfig {
    fn check(&self) -> Result<()> {
        self.size.check()?;
        within("repeats", self.repeats, 2, 1_000_000)?;
        within("delta", self.delta, 0.0, 0.9)?;
        ascending("demonstrations", &self.demos)?;
        ascending("alphas", &self.alphas)?;
        within("a number of demonstrations", self.demos[0], 1, usize::MAX)?;
        within("alpha", self.alphas[0], f64::MIN_POSITIVE, 1.0)?;
        within(
            "alpha",
            self.alphas[self.alphas.len() - 1],
            f64::MIN_POSITIVE,
            1.0,
        )?;
        limit("outcomes", self.outcomes(), LARGEST)?;
        limit("operations", self.operations(), LONGEST)
    }

    /// Number of policies that a study evaluates.
    fn outcomes(&self) -> f64 {
        self.repeats as f64 * self.demos.len() as f64 * (3 + 2 * self.alphas.len()) as f64
    }

    /// Roughly how many elementary operations a study takes.
    fn operations(&self) -> f64 {
        let Size {
            horizon,
            states,
            actions,
        } = self.size;
        let most = self.demos.last().copied().unwrap_or(0) as f64;
        let sampling = most * horizon as f64 * (states + actions) as f64;
        self.repeats as f64 * sampling + self.outcomes() * self.size.dynamics()
    }
}

/// Checks that a study is not too much.
fn limit(what: &str, found: f64, most: f64) -> Result<()> {
    if found <= most {
        return Ok(());
    }
    Err(Error::input(format!(
        "this study makes {found:.0e} {what}, more than the {most:.0e} that are allowed; ask for \
         fewer repeats or demonstrations, or a smaller problem"
    )))
}

/// Checks that a list has entries and that each is larger than the one before.
fn ascending<T: PartialOrd + std::fmt::Display>(name: &str, list: &[T]) -> Result<()> {
    if list.is_empty() {
        return Err(Error::input(format!(
            "the list of {name} is empty; give at least one"
        )));
    }
    match list.windows(2).find(|pair| pair[0] >= pair[1]) {
        None => Ok(()),
        Some(pair) => Err(Error::input(format!(
            "the list of {name} has {} after {}; sort it, without repetitions",
            pair[1], pair[0]
        ))),
    }
}

/// The mean and its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    // n - 1, as the mean is estimated, too; over n for the variance of the mean.
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0);
    (mean, libm::sqrt(variance / n))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A small study.
    pub fn config() -> StudyConfig {
        let size = Size {
            horizon: 4,
            states: 8,
            actions: 6,
        };
        StudyConfig {
            size,
            demos: vec![10, 30, 100, 300, 1000, 3000],
            alphas: vec![0.01, 0.1],
            repeats: 100,
            delta: 0.1,
            seed: 0,
        }
    }

    /// All of a study.
    pub fn rows(config: StudyConfig) -> Vec<Row> {
        let study = Study::new(config).unwrap();
        let outcomes: Vec<_> = (0..study.config().repeats as u64)
            .map(|i| study.measure(i))
            .collect();
        study.summarise(&outcomes)
    }

    /// The slope of log suboptimality over log demonstrations, by least squares; `scale` multiplies
    /// the suboptimality.
    fn slope(rows: &[&Row], scale: fn(f64) -> f64) -> f64 {
        let points: Vec<(f64, f64)> = rows
            .iter()
            .map(|r| (r.demos as f64, r.suboptimality))
            .map(|(t, y)| (t.ln(), (y * scale(t)).ln()))
            .collect();
        let n = points.len() as f64;
        let x = points.iter().map(|p| p.0).sum::<f64>() / n;
        let y = points.iter().map(|p| p.1).sum::<f64>() / n;
        points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
            / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
    }

    fn by_theorem(rows: &[Row], method: Method) -> Vec<&Row> {
        rows.iter()
            .filter(|r| r.arm.theorem && r.arm.method == method)
            .collect()
    }

    /// BC's suboptimality falls as 1/T where states are rare on every scale, and its coverage is
    /// nothing.
    #[test]
    fn bc_loses_in_proportion_to_one_over_t() {
        let rows = rows(StudyConfig {
            demos: vec![10, 30, 100, 300, 1000],
            ..config()
        });
        let bc = by_theorem(&rows, Method::Bc);
        assert!(
            (slope(&bc, |_| 1.0) + 1.0).abs() < 0.15,
            "{}",
            slope(&bc, |_| 1.0)
        );
        assert!(bc.iter().all(|r| r.coverage == 0.0));
    }

    /// The theorem. With its settings PostBC's suboptimality is H^2 S log T / T times a constant,
    /// here below 0.1 at every T, and falls at that rate (slope -1 of the rest, once the common
    /// states were seen lambda times). The same share of uniform noise stops falling.
    #[test]
    fn post_bc_loses_in_proportion_to_log_t_over_t() {
        let rows = rows(StudyConfig {
            demos: vec![10, 100, 1000, 3000, 10_000, 30_000],
            repeats: 40,
            ..config()
        });
        let [post_bc, noise] =
            [Method::PostBc, Method::UniformNoise].map(|method| by_theorem(&rows, method));
        let Size {
            horizon, states, ..
        } = config().size;
        let rate = |t: f64| t / t.ln();
        let constant =
            |r: &&Row| r.suboptimality * rate(r.demos as f64) / (horizon * horizon * states) as f64;
        assert!(
            post_bc.iter().map(constant).all(|c| c < 0.1),
            "{:?}",
            post_bc.iter().map(constant).collect::<Vec<_>>()
        );
        let slopes = [
            slope(&post_bc[3..], |t| 1.0 / t.ln()),
            slope(&noise[3..], |_| 1.0),
        ];
        assert!(
            (slopes[0] + 1.0).abs() < 0.12 && slopes[1] > -0.15,
            "{slopes:?}"
        );
    }

    /// Each data set is a function of its number alone, and of as many demonstrations the same
    /// whatever else is measured; so a study can be cut into pieces anywhere.
    #[test]
    fn data_sets_do_not_depend_on_what_else_is_measured() {
        let whole = Study::new(config()).unwrap();
        let part = Study::new(StudyConfig {
            demos: vec![100],
            repeats: 7,
            ..config()
        })
        .unwrap();
        assert_eq!(whole.measure(5)[2], part.measure(5)[0]);
        assert_ne!(whole.measure(5), whole.measure(6));
    }

    /// BC is the limit of both others at alpha = 0, and more alpha means more cost.
    #[test]
    fn alpha_buys_coverage_with_cost() {
        let rows = rows(StudyConfig {
            alphas: vec![1e-9, 0.01, 0.1, 0.5],
            demos: vec![30],
            ..config()
        });
        for method in [Method::UniformNoise, Method::PostBc] {
            let sweep: Vec<&Row> = rows
                .iter()
                .filter(|r| r.arm.method == method && !r.arm.theorem)
                .collect();
            assert!((sweep[0].suboptimality - rows[0].suboptimality).abs() < 1e-6);
            assert!(
                sweep
                    .windows(2)
                    .all(|p| p[0].suboptimality < p[1].suboptimality
                        && p[0].coverage < p[1].coverage)
            );
        }
    }

    /// What cannot be studied is refused by name, not by a panic or by running for days.
    #[test]
    fn impossible_studies_are_refused() {
        let refused = |change: fn(&mut StudyConfig), word: &str| {
            let mut wrong = config();
            change(&mut wrong);
            let sentence = Study::new(wrong).unwrap_err().to_string();
            assert!(sentence.contains(word), "{sentence}");
        };
        refused(|c| c.size.states = 0, "states");
        refused(|c| c.size.states = 1, "states");
        refused(|c| c.size.actions = 1, "actions");
        refused(|c| c.demos = vec![], "demonstrations");
        refused(|c| c.demos = vec![3, 1], "1 after 3");
        refused(|c| c.demos[0] = 0, "demonstrations");
        refused(|c| c.alphas = vec![0.1, 0.1], "alphas");
        refused(|c| c.alphas = vec![0.1, 2.0], "alpha");
        refused(|c| c.alphas = vec![f64::NAN], "alpha");
        refused(|c| c.repeats = 1, "repeats");
        refused(|c| c.delta = 1.0, "delta");
        refused(|c| c.demos = vec![usize::MAX], "operations");
        refused(
            |c| (c.repeats, c.demos) = (1_000_000, (1..100).collect()),
            "outcomes",
        );
    }
}
