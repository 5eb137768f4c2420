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
mod practice;
mod quality;

pub use crate::nn::SMALLEST_IMAGE;
use crate::policy::PolicyConfig;
use crate::{Error, Result};
pub use agent::Agent;
pub use config::{Actor, Arm, Backbone, Coefficients, Proposals, TdMpcConfig};
pub use learner::{Learner, Losses, UpdateNoise};
pub use model::{Drawn, Prior, WorldModel, acting};
pub use planner::{Noise, Plan, Planner, Round, moved_on};
pub use practice::Practice;
pub use quality::Quality;

/// Says in one sentence why a policy cannot take part, if it cannot.
pub fn check_policy(config: &TdMpcConfig, policy: &PolicyConfig) -> Result<()> {
    if config.proposals != Proposals::Prior && policy.chunk < config.horizon {
        return Err(Error::input(format!(
            "the pretrained policy is to propose {} actions to the planner, but policy.chunk is \
             {}: set it to {0} or more, or finetune.td_mpc.proposals to prior",
            config.horizon, policy.chunk
        )));
    }
    Ok(())
}
