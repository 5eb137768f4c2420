//! TD-MPC with demonstrations: a world model of the task, learned from a few demonstrations and
//! from practice with a sparse reward, and a planner over it ("Efficient Fine-Tuning of Behavior
//! Cloned Policies with Reinforcement Learning from Limited Demonstrations"; MoDem, Hansen et al.
//! 2022; TD-MPC2, Hansen et al. 2024).
//!
//! Demonstrations serve three times: they clone encoder and policy, the clone makes the first
//! practice, and half of every batch comes from them. An action is decided on its own, whatever the
//! chunk of the pretrained policy.

mod agent;
mod config;
mod learner;
mod model;
mod planner;
mod quality;
mod trainer;

use super::Method;
use crate::method::{DemoUse, Insight, MethodInfo, Paper};
use crate::nn::SMALLEST_IMAGE;
use crate::obs::ImageSpec;
use crate::policy::{PolicyConfig, PolicyKind};
use crate::{Error, Result};
pub use agent::Agent;
pub use config::{Backbone, DemoSchedule, Proposals, SeedPolicy, TdMpcConfig};
pub use learner::{Learner, Losses, UpdateNoise};
#[cfg(all(test, feature = "wgpu"))]
pub(crate) use model::squashed_draw;
pub use model::{Prior, PriorSample, WorldModel, acting};
pub use planner::{Noise, Plan, Planner, Round, shifted_plan};
pub use trainer::TdMpcTrainer;

/// The method.
pub const METHOD: Method = Method {
    info: &MethodInfo {
        id: "td-mpc",
        label: "TD-MPC",
        sentence: "Learns a model of the task and looks ahead in it. At this small size it can \
                   also make a good policy worse.",
        about: "TD-MPC: a world model of the task, and a planner over it.",
        paper: Some(Paper {
            citation: "Hansen et al. 2022 (MoDem) and 2024 (TD-MPC2)",
            link: "https://arxiv.org/abs/2310.16828",
        }),
        color: None,
        policies: &[
            PolicyKind::Gaussian,
            PolicyKind::Flow,
            PolicyKind::FlowTransformer,
            PolicyKind::Diffusion,
            PolicyKind::Squashed,
        ],
        because: "asks the policy for many proposals at every decision",
        smallest_image: Some(SMALLEST_IMAGE),
        per_step: true,
        // Vanilla TD-MPC learns without.
        demos: DemoUse::Optional,
        insights: &[Insight::WorldModel],
        on_page: true,
    },
    check: |config, policy, cameras| check(&config.td_mpc, policy, cameras),
    new: |config, cx| {
        let trainer = TdMpcTrainer::new(config.td_mpc.clone(), cx)?;
        Ok(Box::new(trainer))
    },
    load: |config, cx, archive| {
        let trainer = TdMpcTrainer::load(config.td_mpc.clone(), cx, archive)?;
        Ok(Box::new(trainer))
    },
    load_policy: |config, policy, prefix, archive, device| {
        let loaded = Agent::load(&config.td_mpc, policy, prefix, archive, device)?;
        Ok(Box::new(loaded))
    },
    practice: None,
};

/// Where the planner sees, the policy takes no part, and one that does proposes enough actions.
fn check(config: &TdMpcConfig, policy: &PolicyConfig, cameras: &[ImageSpec]) -> Result<()> {
    let apart = (config.proposals, config.seed_by) == (Proposals::Prior, SeedPolicy::Prior);
    if !cameras.is_empty() && !apart {
        return Err(Error::input(
            "from pictures the pretrained policy has no part in td-mpc: set \
             finetune.td_mpc.proposals and finetune.td_mpc.seed_by to prior, or \
             env.image_size to 0",
        ));
    }
    if config.proposals != Proposals::Prior && policy.chunk < config.horizon {
        return Err(Error::input(format!(
            "the pretrained policy is to propose {} actions to the planner, but policy.chunk is \
             {}: set it to {0} or more, or finetune.td_mpc.proposals to prior",
            config.horizon, policy.chunk
        )));
    }
    Ok(())
}
