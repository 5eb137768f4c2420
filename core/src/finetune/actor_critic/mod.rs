//! An actor beside a frozen policy: what csil, xqc, rlpd and sac have in common.
//!
//! The pretrained policy decides on chunks and stays as it is. Beside it, a small policy acts at
//! every step: their actions are composed to one ([`Compose`]). It is cloned from the
//! demonstrations, and then improved off-policy, from demonstrations and practice. A method is what
//! it improves by: a `Learner`, which the trainer gives batches.

use super::{Context, FinetunedPolicy, Trainer};
use crate::Result;
use crate::data::Archive;
use crate::policy::Policy;
use crate::rng::Rng;
use burn::tensor::Device;

mod cloned_actor;
mod composed_policy;
mod config;
mod demos;
mod frozen_encoder;
mod hetstat_policy;
mod inputs;
mod learner;
mod soft_actor_critic;
#[cfg(test)]
pub(super) mod test_support;
mod trainer;

pub(super) use cloned_actor::ClonedActor;
pub(super) use composed_policy::ComposedPolicy;
pub(super) use config::{ACTION_LIMIT, Encoder, PracticeConfig};
pub use config::{ActorConfig, Compose};
pub(super) use frozen_encoder::FrozenEncoder;
pub(super) use hetstat_policy::HetstatPolicy;
pub(super) use inputs::{InputReader, RawInputs, Transitions};
pub(super) use learner::{Figures, Learner, Updates};
pub(super) use soft_actor_critic::{SoftActorCritic, SoftActorCriticConfig};
pub(super) use trainer::ActorCriticTrainer;

/// The random streams of these methods: one name for all, so that they begin with the same weights,
/// the same clone and the same practice, and can be compared seed by seed. It is that of the first.
const STREAM: &str = "csil";

/// Draws fresh weights.
pub(super) fn weights(cx: &Context) -> Rng {
    Rng::new(cx.rollouts.seed, "csil-weights", 0)
}

/// Soft actor-critic at its beginning.
pub(super) fn new_trainer(config: SoftActorCriticConfig, cx: &Context) -> Result<Box<dyn Trainer>> {
    let practice = config.practice.clone();
    let trainer = ActorCriticTrainer::new(practice, fresh(config, cx), cx)?;
    Ok(Box::new(trainer))
}

/// Soft actor-critic as its trainer was saved under the same settings.
pub(super) fn load_trainer(
    config: SoftActorCriticConfig,
    cx: &Context,
    archive: &mut Archive,
) -> Result<Box<dyn Trainer>> {
    let practice = config.practice.clone();
    let learner = fresh(config, cx).loaded(archive)?;
    let trainer = ActorCriticTrainer::load(practice, learner, cx, archive)?;
    Ok(Box::new(trainer))
}

/// What soft actor-critic made of a policy, as it was saved under the same settings.
pub(super) fn load_policy(
    config: &SoftActorCriticConfig,
    policy: &Policy,
    prefix: &str,
    archive: &Archive,
    device: &Device,
) -> Result<Box<dyn FinetunedPolicy>> {
    let actor = &config.practice.actor;
    let loaded = ComposedPolicy::load(config.method, actor, policy, prefix, archive, device)?;
    Ok(Box::new(loaded))
}

fn fresh(config: SoftActorCriticConfig, cx: &Context) -> SoftActorCritic {
    let inputs = InputReader::new(cx.policy, &cx.rollouts.cameras, cx.device);
    SoftActorCritic::new(config, inputs, &mut weights(cx), cx.device)
}
