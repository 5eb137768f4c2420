//! Pretraining: from demonstrations to a policy.

pub mod bc;
pub mod ensemble;
pub mod post_bc;

pub use bc::{BcConfig, Cloning};
pub use ensemble::Ensemble;
pub use post_bc::{Covariance, PostBcConfig, Posterior};
