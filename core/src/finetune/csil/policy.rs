//! What acts, with the reward that it was improved by.

use super::config::CsilConfig;
use super::reward::coherent_reward;
use crate::Result;
use crate::data::Archive;
use crate::finetune::actor_critic::{ACTION_LIMIT, ComposedPolicy, HetstatPolicy, InputReader};
use crate::finetune::{FinetuneMethod, FinetunedPolicy, Memory};
use crate::method::LocalFuture;
use crate::nn::{self, params};
use crate::obs::ObsBatch;
use crate::policy::Policy;
use crate::rng::Rng;
use burn::tensor::Device;

/// The actor beside the pretrained policy, and the policy whose likelihoods are the reward.
#[derive(Clone)]
pub(super) struct CsilPolicy {
    pub(crate) acting: ComposedPolicy,
    pub(crate) reward: HetstatPolicy,
    pub(crate) config: CsilConfig,
}

impl CsilPolicy {
    /// See [`FinetunedPolicy::rewards`]. None where the reward is about corrections of the
    /// pretrained policy (residual).
    async fn shares(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        actions: &[f32],
        device: &Device,
    ) -> Result<Option<Vec<f32>>> {
        if self.config.actor.sees_base() {
            return Ok(None);
        }
        let reader = InputReader::new(policy, &self.acting.cameras, device);
        let act = policy.sizes.act;
        let count = actions.len() / act;
        let x = reader.observations(&obs.repeat(count), &vec![0.0; count * act]);
        let own = actions
            .iter()
            .map(|a| a.clamp(-1.0, 1.0) * ACTION_LIMIT as f32);
        let u = reader.matrix(own.collect(), act);
        let (low, high) = self.config.reward_range();
        let raw = coherent_reward(&self.reward, x, u, self.config.reward_scale);
        let above = (raw - self.config.least_reward).clamp(0.0, high - low);
        nn::read(above / (high - low)).await.map(Some)
    }

    async fn write(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        params::save(&self.reward, &format!("{prefix}/reward"), archive).await?;
        self.acting.save(prefix, archive).await
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub(crate) fn load(
        config: &CsilConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let method = super::METHOD.id();
        let acting = ComposedPolicy::load(method, &config.actor, policy, prefix, archive, device)?;
        let rng = &mut Rng::new(0, "unused", 0);
        let fresh = HetstatPolicy::new(&config.actor, policy.sizes, &acting.cameras, rng, device);
        Ok(Self {
            reward: params::load(fresh, &format!("{prefix}/reward"), archive)?,
            acting,
            config: config.clone(),
        })
    }
}

impl FinetunedPolicy for CsilPolicy {
    fn method(&self) -> FinetuneMethod {
        self.acting.method()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    fn noise_len(&self, policy: &Policy) -> usize {
        self.acting.noise_len(policy)
    }

    fn chunk(&self, policy: &Policy) -> usize {
        self.acting.chunk(policy)
    }

    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        memories: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>> {
        self.acting.act(policy, obs, memories, noise, device)
    }

    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(prefix, archive))
    }

    fn rewards<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        actions: &'a [f32],
        device: &'a Device,
    ) -> LocalFuture<'a, Option<Vec<f32>>> {
        Box::pin(self.shares(policy, obs, actions, device))
    }
}
