//! World-model quality: predictions along a real episode, against what happened.

use serde::{Deserialize, Serialize};

/// Predictions along an episode of T decisions, and their true values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Rewards: predicted and real, T each, the offset included.
    pub rewards: [Vec<f32>; 2],
    /// Values: the critics' at the actions played, and the real discounted sum of the rewards from
    /// there on. Where the episode did not end for good, nothing counts after its last decision.
    pub values: [Vec<f32>; 2],
    /// Mean squared error of the latent state that is predicted 1, 2, ... decisions ahead.
    pub consistency: Vec<f32>,
}
