//! Pretraining: from demonstrations to a policy.

pub mod bc;
pub mod ensemble;
pub mod post_bc;
pub mod sigma_bc;
pub mod value_dice;
pub mod widening;

pub use bc::{BcConfig, Cloning, Unit};
pub use ensemble::Ensemble;
pub use post_bc::{Covariance, PostBcConfig, Posterior};
pub use sigma_bc::SigmaBcConfig;
pub use value_dice::{ValueDice, ValueDiceConfig};
pub use widening::Widening;

use crate::data::Pairs;
use burn::tensor::Tensor;

/// Something that learns from demonstrations, one gradient step at a time.
pub trait Learner {
    /// One gradient step; gives its losses by name, still on the device.
    fn step(&mut self, data: &Pairs) -> Vec<(&'static str, Tensor<1>)>;
    /// Gradient steps done, and to do in all.
    fn progress(&self) -> (usize, usize);
}
