//! CSIL, coherent soft imitation learning, on top of a frozen policy: an actor that decides at
//! every step is cloned from the demonstrations, the reward is how much likelier the clone makes an
//! action than a prior does, and reinforcement learning begins where the clone is already the best
//! there is ("Coherent Off-Policy Improvement of Large Behavior Models with Learned Rewards",
//! Scherer et al. 2026, CSIL++; Watson, Huang and Heess 2023, CSIL).

mod config;
mod learner;
mod policy;
mod reward;

use super::actor_critic::{ActorCriticTrainer, InputReader, weights};
use super::{Context, Method};
use crate::method::{DemoUse, Insight, MethodInfo, Paper};
use crate::nn::Keypoints;
use crate::policy::PolicyKind;
pub use config::{CsilConfig, RewardMode};
use learner::CsilLearner;
use policy::CsilPolicy;

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
        demos: DemoUse::Required,
        insights: &[Insight::Improvement, Insight::LearnedReward],
        on_page: true,
    },
    check: |_, _, _| Ok(()),
    new: |config, cx| {
        let learner = fresh(&config.csil, cx);
        let trainer = ActorCriticTrainer::new(config.csil.practice(), learner, cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let learner = fresh(&config.csil, cx).loaded(archive)?;
        let trainer = ActorCriticTrainer::load(config.csil.practice(), learner, cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |config, policy, prefix, archive, device| {
        let loaded = CsilPolicy::load(&config.csil, policy, prefix, archive, device)?;
        Ok(Box::new(loaded))
    },
    practice: None,
};

fn fresh(config: &CsilConfig, cx: &Context) -> CsilLearner {
    let inputs = InputReader::new(cx.policy, &cx.rollouts.cameras, cx.device);
    CsilLearner::new(config.clone(), inputs, &mut weights(cx), cx.device)
}
