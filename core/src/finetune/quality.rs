//! How good a world model is: what it predicts along a real episode, against what happened.

use serde::{Deserialize, Serialize};

/// Predictions along an episode of T decisions, and what they should have been.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Rewards: predicted and real, T each, the offset included.
    pub rewards: [Vec<f32>; 2],
    /// Values: those of the critics at what was done, and the real discounted sum of what was
    /// earned from there on. For an episode that did not end for good, the sum counts nothing after
    /// its last decision.
    pub values: [Vec<f32>; 2],
    /// Mean squared error of the latent state that is predicted 1, 2, ... decisions ahead.
    pub consistency: Vec<f32>,
}
