//! CSIL, coherent soft imitation learning, on top of a frozen policy: a small policy that acts at
//! every step is cloned from the demonstrations, the reward is how much likelier the clone makes an
//! action than a prior does, and reinforcement learning begins where the clone is already the best
//! there is ("Coherent Off-Policy Improvement of Large Behavior Models with Learned Rewards",
//! Scherer et al. 2026, CSIL++; Watson, Huang and Heess 2023, CSIL).
//!
//! The same small policy and loop also learn from the task's sparse reward, by XQC with
//! demonstrations, RLPD or SAC: what the paper compares with.

mod agent;
mod config;
mod critic;
mod demos;
mod learner;
mod practice;
mod small;

pub use agent::Agent;
pub use config::{Compose, CsilConfig, RewardMode, Variant};
pub use critic::Critic;
pub use learner::{LearnedFigures, Learner, Losses, Made};
pub use practice::Practice;
pub use small::{SmallPolicy, Squashed};
