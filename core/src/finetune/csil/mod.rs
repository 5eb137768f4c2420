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
mod small;
mod trainer;

use super::Method;
use crate::method::{Insight, MethodInfo, Paper};
use crate::nn::Keypoints;
use crate::policy::PolicyKind;
pub use agent::Agent;
pub use config::{Compose, CsilConfig, RewardMode, Variant};
pub use critic::Critic;
pub use learner::{LearnedFigures, Learner, Losses, Made};
pub use small::{SmallPolicy, Squashed};
pub use trainer::CsilTrainer;

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "csil",
        label: "CSIL",
        sentence: "A small policy acts beside the frozen one, and is rewarded for what the \
                   demonstrator would likely have done.",
        about: "CSIL: a small policy beside the pretrained one learns from a reward that it \
                learned from the demonstrations.",
        paper: Some(Paper {
            citation: "Watson, Huang and Heess 2023; Scherer et al. 2026",
            link: "https://arxiv.org/abs/2606.02194",
        }),
        color: None,
        policies: PolicyKind::ALL,
        because: "",
        smallest_image: Some(Keypoints::SMALLEST),
        per_step: true,
        needs_demos: true,
        insights: &[Insight::LearnedReward],
        on_page: true,
    },
    check: |_, _, _| Ok(()),
    new: |config, cx| {
        let trainer = CsilTrainer::new(config.csil.clone(), cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let trainer = CsilTrainer::load(config.csil.clone(), cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |config, policy, prefix, archive, device| {
        let loaded = Agent::load(&config.csil, policy, prefix, archive, device)?;
        Ok(Box::new(loaded))
    },
};
