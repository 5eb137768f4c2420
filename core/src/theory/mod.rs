//! The theory of posterior behavioral cloning (PostBC, arXiv 2512.16911, appendices A to C) on
//! problems small enough to be solved exactly: how much of the demonstrator's actions an estimator
//! covers, and at what cost.
//!
//! A [`Problem`] is a tabular finite-horizon MDP with its demonstrator. Demonstrations are drawn
//! into visit counts ([`demonstrate`]), an `Estimator` makes a policy of them, and two figures
//! judge it: [`suboptimality`], by dynamic programming without any sampling, and [`coverage`], the
//! share of the demonstrator's probability that every action keeps. [`Study`] measures both while
//! demonstrations grow. `examples` has the problems. The tests also have the
//! counterexamples and the continuous analogue (`gaussian`).
//!
//! Everything is a pure function of plain data and a random stream, so that it runs alike natively
//! and in a browser.

mod coverage;
mod demonstrations;
mod dp;
mod estimators;
pub(crate) mod examples;
#[cfg(test)]
mod gaussian;
mod matched;
mod mdp;
mod study;

pub(crate) use coverage::largest_coverage;
pub use coverage::{coverage, coverage_bound};
pub use demonstrations::{demonstrate, draw};
pub use dp::{suboptimality, value};
pub(crate) use estimators::Estimator;
pub use estimators::{bc, post_bc, posterior, theorem_alpha, theorem_lambda};
pub use matched::{Matched, matched};
pub use mdp::{Mdp, Problem, Size, Table};
pub use study::{Arm, Method, Outcome, Row, Study, StudyConfig};
