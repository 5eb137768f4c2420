//! Pretraining: from demonstrations to a policy.

pub mod bc;
pub mod ensemble;
pub mod post_bc;
pub mod sigma_bc;
pub mod widening;

pub use bc::{BcConfig, Cloning, Unit};
pub use ensemble::Ensemble;
pub use post_bc::{Covariance, PostBcConfig, Posterior};
pub use sigma_bc::SigmaBcConfig;
pub use widening::Widening;
