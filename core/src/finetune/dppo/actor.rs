//! Who decides in practice: both networks, with the noise of exploration.

use super::chain::{self, ChainSample, Features, Spread};
use super::{DppoConfig, DppoPolicy};
use crate::Result;
use crate::data::Archive;
use crate::finetune::save_policy;
use crate::method::LocalFuture;
use crate::nn::{self, Observations};
use crate::obs::ObsBatch;
use crate::play::{Actor, Decided};
use crate::policy::Policy;
use burn::tensor::{Device, Tensor};

/// Draws a chain for every decision, and notes of it what learning needs: its latents, then the
/// log-probabilities of its finetuned steps.
pub(super) struct Chains {
    pretrained: Policy,
    finetuned: DppoPolicy,
    spread: Spread,
    device: Device,
}

impl Chains {
    /// Of both networks, on a device; gradients are not needed.
    pub(super) fn of(
        pretrained: &Policy,
        finetuned: DppoPolicy,
        config: &DppoConfig,
        device: &Device,
    ) -> Self {
        Self {
            pretrained: pretrained.clone(),
            finetuned,
            spread: config.spread(),
            device: device.clone().without_autodiff(),
        }
    }

    /// Restores what [`Actor::write`] wrote of `pretrained` and another network.
    pub(super) fn load(
        config: &DppoConfig,
        pretrained: &Policy,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let finetuned = DppoPolicy::load(pretrained, "improved", archive)?;
        Ok(Self::of(pretrained, finetuned, config, device))
    }

    /// Numbers of what is noted of a decision: of its latents, and of its log-probabilities.
    pub(super) fn widths(&self) -> (usize, usize) {
        let steps = self.finetuned.steps;
        ((steps + 1) * self.pretrained.sizes.chunk_len(), steps)
    }

    /// A chain per row of normalized observations; see [`chain::draw`].
    pub(super) fn draw(&self, obs: &Observations, noise: Tensor<2>) -> ChainSample {
        let DppoPolicy { policy, steps } = &self.finetuned;
        let features = Features {
            pretrained: self.pretrained.net.features(obs.clone()),
            finetuned: policy.net.features(obs.clone()),
        };
        let spread = self.spread;
        chain::draw(&self.pretrained, policy, *steps, spread, &features, noise)
    }

    async fn draw_all(&self, obs: &ObsBatch, noise: Vec<f32>) -> Result<Decided> {
        let noise = nn::matrix(noise, self.noise_len(), &self.device);
        let sample = self.draw(&self.pretrained.observe(obs, &self.device), noise);
        let last = sample.latents[sample.latents.len() - 1].clone();
        let chunks = self.pretrained.actions(last).await?;
        let latents = nn::read(Tensor::cat(sample.latents, 1)).await?;
        let log_probs = nn::read(Tensor::cat(sample.log_probs, 1)).await?;
        let (wide, narrow) = self.widths();
        let rows = latents.chunks(wide).zip(log_probs.chunks(narrow));
        let notes = rows.flat_map(|(latents, log_probs)| latents.iter().chain(log_probs));
        Ok(Decided {
            chunks,
            notes: notes.copied().collect(),
        })
    }
}

impl Actor for Chains {
    fn noise_len(&self) -> usize {
        chain::noise_len(&self.pretrained)
    }

    fn chunk_len(&self) -> usize {
        self.pretrained.sizes.chunk_len()
    }

    fn notes_len(&self) -> usize {
        let (wide, narrow) = self.widths();
        wide + narrow
    }

    fn decide<'a>(
        &'a self,
        obs: &'a ObsBatch,
        _: &'a mut [Vec<f32>],
        noise: Vec<f32>,
    ) -> LocalFuture<'a, Decided> {
        Box::pin(self.draw_all(obs, noise))
    }

    fn write<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(async move {
            self.pretrained.save("policy", archive).await?;
            save_policy(&self.finetuned, "improved", archive).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normaliser;
    use crate::finetune::dppo::Learner;
    use crate::obs::ObsSpec;
    use crate::play::rows_alike;
    use crate::policy::{PolicyConfig, PolicyKind};
    use crate::rng::Rng;
    use crate::run::{Config, Preset};
    use pollster::block_on;

    fn policy(kind: PolicyKind, hidden: usize) -> Policy {
        let config = PolicyConfig {
            kind,
            chunk: 4,
            hidden,
            layers: 2,
            inference_steps: 3,
            denoising_steps: 4,
            ..Config::preset(Preset::Tiny).policy
        };
        let scales = (Normaliser::identity(9), Normaliser::identity(12));
        let mut rng = Rng::new(1, "test", 0);
        let reads = ObsSpec::of_state(9);
        Policy::new(&config, &reads, 3, scales, &mut rng, &Device::flex())
    }

    fn observed(rows: usize) -> ObsBatch {
        ObsBatch::of_states(Rng::new(2, "test", 0).normals(rows * 9), 9)
    }

    /// Chains, and what is noted of them, do not depend on how many others are drawn, but where one
    /// is drawn alone.
    #[test]
    fn chains_are_alike_in_any_company() {
        for kind in [PolicyKind::Flow, PolicyKind::Diffusion] {
            for hidden in [32, 256] {
                let policy = policy(kind, hidden);
                let config = DppoConfig::preset(Preset::Tiny);
                let device = Device::flex().autodiff();
                let mut rng = Rng::new(3, "test", 0);
                let chains = Learner::new(config, &policy, &mut rng, device).chains(&policy);
                let obs = observed(40);
                let memories = vec![Vec::new(); 40];
                let alike = block_on(rows_alike(&chains, &obs, &memories, 40));
                assert!(alike.unwrap().least <= 2);
            }
        }
    }

    /// Whoever reads what was written decides the same, to the bit.
    #[test]
    fn chains_are_the_same_elsewhere() {
        let policy = policy(PolicyKind::Flow, 16).frozen();
        let config = DppoConfig::preset(Preset::Tiny);
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(3, "test", 0);
        let chains = Learner::new(config.clone(), &policy, &mut rng, device).chains(&policy);
        let mut archive = Archive::new();
        block_on(chains.write(&mut archive)).unwrap();
        let archive = Archive::from_bytes(&archive.to_bytes().unwrap()).unwrap();
        let other = Chains::load(&config, &policy, &archive, &Device::flex()).unwrap();
        let noise = rng.normals(5 * chains.noise_len());
        let decide = |chains: &Chains| {
            let obs = observed(5);
            block_on(chains.decide(&obs, &mut vec![Vec::new(); 5], noise.clone())).unwrap()
        };
        assert_eq!(decide(&chains), decide(&other));
        assert_eq!(decide(&chains).notes.len(), 5 * chains.notes_len());
    }
}
