//! A snapshot of what acts: for whoever watches a run while it learns.

use super::Config;
use crate::Result;
use crate::data::Archive;
use crate::finetune::td_mpc::Agent;
use crate::finetune::{Improved, Memory};
use crate::policy::{Net, Policy};
use burn::tensor::Device;

/// A policy, and what finetuning has made of it so far.
#[derive(Clone)]
pub struct Acting {
    pub(super) policy: Policy,
    pub(super) improved: Option<Improved>,
}

impl Acting {
    /// The policy alone: what it proposes, before finetuning has its say.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy as pretraining left it, without what finetuning made of it.
    #[must_use]
    pub fn pretrained(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            improved: None,
        }
    }

    /// The world model that plans, where finetuning has made one.
    pub fn agent(&self) -> Option<&Agent> {
        match &self.improved {
            Some(Improved::TdMpc(agent)) => Some(agent),
            _ => None,
        }
    }

    /// What a reward that was learned says of actions (N x act) at one raw observation: N shares of
    /// what it can give. None where there is none.
    pub async fn rewards(
        &self,
        obs: &[f32],
        actions: &[f32],
        device: &Device,
    ) -> Result<Option<Vec<f32>>> {
        match &self.improved {
            Some(Improved::Csil(agent)) => agent.rewards(&self.policy, obs, actions, device).await,
            _ => Ok(None),
        }
    }

    /// What is meant to be done from now on, once something was decided: a planner's plan, which is
    /// what it remembers; else the chunk that was decided on.
    pub fn ahead<'a>(&self, memory: &'a [f32], chunk: &'a [f32]) -> &'a [f32] {
        if self.agent().is_some() && !memory.is_empty() {
            memory
        } else {
            chunk
        }
    }

    /// The same on another device; `config` is the run's.
    pub async fn on(&self, config: &Config, device: &Device) -> Result<Self> {
        let mut archive = Archive::new();
        self.policy.save("policy", &mut archive).await?;
        if let Some(improved) = &self.improved {
            improved.save("improved", &mut archive).await?;
        }
        let mut policy = Policy::load(&config.policy, "policy", &archive, device)?;
        if let Net::Served(_) = self.policy.net {
            policy.net = self.policy.net.clone();
        }
        let improved = Improved::load(&config.finetune, &policy, "improved", &archive, device)?;
        Ok(Self { policy, improved })
    }

    /// Length of the noise vector per decision.
    pub fn noise_len(&self) -> usize {
        self.improved
            .as_ref()
            .map_or(self.policy.noise_len(), |improved| {
                improved.noise_len(&self.policy)
            })
    }

    /// Length of what is decided at a time: a chunk of actions.
    pub fn chunk_len(&self) -> usize {
        self.policy.sizes.act
            * self
                .improved
                .as_ref()
                .map_or(self.policy.sizes.chunk, |improved| {
                    improved.chunk(&self.policy)
                })
    }

    /// Raw observation rows, what each episode remembers (nothing at its start), and noise rows to
    /// raw action rows, as
    /// [`Policy::act`]: by what finetuning made, else by the policy.
    pub async fn act(
        &self,
        obs: &[f32],
        memories: &mut [Memory],
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        match &self.improved {
            Some(improved) => {
                improved
                    .act(&self.policy, obs, memories, noise, device)
                    .await
            }
            None => {
                self.policy
                    .act(&self.policy.reading(obs, memories.len()), noise, device)
                    .await
            }
        }
    }
}
