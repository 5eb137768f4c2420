//! Pretraining: from demonstrations to a policy.

pub mod bc;
pub mod ensemble;
pub mod post_bc;
pub mod value_dice;

pub use bc::{BcConfig, Cloning};
pub use ensemble::Ensemble;
pub use post_bc::{Covariance, PostBcConfig, Posterior};
pub use value_dice::{ValueDice, ValueDiceConfig};
