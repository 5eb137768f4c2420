//! A snapshot of what acts: for whoever watches a run while it learns.

use super::Config;
use crate::Result;
use crate::data::{Archive, Episode};
use crate::finetune::{FinetunedPolicy, Memory, Quality, save_policy};
use crate::method::LocalFuture;
use crate::obs::ObsBatch;
use crate::play::{Actor, Decided};
use crate::policy::{Net, Policy};
use burn::tensor::Device;

/// A policy, and what finetuning has made of it so far.
#[derive(Clone)]
pub struct ActingPolicy {
    pub(super) policy: Policy,
    pub(super) finetuned: Option<Box<dyn FinetunedPolicy>>,
}

impl ActingPolicy {
    /// The policy alone: what it proposes, before finetuning has its say.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The policy as pretraining left it, without what finetuning made of it.
    #[must_use]
    pub fn pretrained(&self) -> Self {
        Self {
            policy: self.policy.clone(),
            finetuned: None,
        }
    }

    /// How well a world model predicts an episode, where finetuning has made one: see
    /// [`FinetunedPolicy::quality`].
    pub async fn quality(
        &self,
        episode: &Episode,
        ahead: usize,
        device: &Device,
    ) -> Result<Option<Quality>> {
        match &self.finetuned {
            Some(finetuned) => {
                finetuned
                    .quality(&self.policy, episode, ahead, device)
                    .await
            }
            None => Ok(None),
        }
    }

    /// What a learned reward says of actions: see [`FinetunedPolicy::rewards`].
    pub async fn rewards(
        &self,
        obs: &ObsBatch,
        actions: &[f32],
        device: &Device,
    ) -> Result<Option<Vec<f32>>> {
        match &self.finetuned {
            Some(finetuned) => finetuned.rewards(&self.policy, obs, actions, device).await,
            None => Ok(None),
        }
    }

    /// What is meant to be done from now on, once something was decided: see
    /// [`FinetunedPolicy::ahead`].
    pub fn ahead<'a>(&self, memory: &'a [f32], chunk: &'a [f32]) -> &'a [f32] {
        match &self.finetuned {
            Some(finetuned) => finetuned.ahead(memory, chunk),
            None => chunk,
        }
    }

    /// The same on another device; `config` is the run's.
    pub async fn on(&self, config: &Config, device: &Device) -> Result<Self> {
        let mut archive = Archive::new();
        self.policy.save("policy", &mut archive).await?;
        if let Some(finetuned) = &self.finetuned {
            save_policy(&**finetuned, "improved", &mut archive).await?;
        }
        let mut policy = Policy::load(&config.policy, "policy", &archive, device)?;
        if let Net::Served(_) = self.policy.net {
            policy.net = self.policy.net.clone();
        }
        let settings = &config.finetune;
        let finetuned = settings.load_policy(&policy, "improved", &archive, device)?;
        Ok(Self { policy, finetuned })
    }

    /// Length of the noise vector per decision.
    pub fn noise_len(&self) -> usize {
        match &self.finetuned {
            Some(finetuned) => finetuned.noise_len(&self.policy),
            None => self.policy.noise_len(),
        }
    }

    /// Length of what is decided at a time: a chunk of actions.
    pub fn chunk_len(&self) -> usize {
        let actions = match &self.finetuned {
            Some(finetuned) => finetuned.chunk(&self.policy),
            None => self.policy.sizes.chunk,
        };
        self.policy.sizes.act * actions
    }

    /// Raw observations, what each episode remembers (nothing at its start), and noise rows to
    /// raw action rows, as [`Policy::act`]: by what finetuning made, else by the policy.
    pub async fn act(
        &self,
        obs: &ObsBatch,
        memories: &mut [Memory],
        noise: Vec<f32>,
        device: &Device,
    ) -> Result<Vec<f32>> {
        let policy = &self.policy;
        match &self.finetuned {
            Some(finetuned) => finetuned.act(policy, obs, memories, noise, device).await,
            None => policy.act(obs, noise, device).await,
        }
    }
}

/// Who decides in evaluations: what acts, on a device.
pub(super) struct Evaluated {
    pub(super) acting: ActingPolicy,
    pub(super) device: Device,
}

impl Actor for Evaluated {
    fn noise_len(&self) -> usize {
        self.acting.noise_len()
    }

    fn chunk_len(&self) -> usize {
        self.acting.chunk_len()
    }

    fn decide<'a>(
        &'a self,
        obs: &'a ObsBatch,
        memories: &'a mut [Memory],
        noise: Vec<f32>,
    ) -> LocalFuture<'a, Decided> {
        Box::pin(async move {
            let chunks = self.acting.act(obs, memories, noise, &self.device).await?;
            Ok(Decided {
                chunks,
                notes: Vec::new(),
            })
        })
    }

    fn write<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            self.acting.policy.save("policy", archive).await?;
            match &self.acting.finetuned {
                Some(finetuned) => save_policy(&**finetuned, "improved", archive).await,
                None => Ok(()),
            }
        })
    }
}
