//! What acts: a small policy that decides at every step, together with a frozen policy that decides
//! on whole chunks.

use super::METHOD;
use super::config::{Compose, CsilConfig};
use super::learner::observed as inputs;
use super::small::{REACH, SmallPolicy};
use crate::data::{Archive, Normaliser};
use crate::finetune::{FinetuneMethod, FinetunedPolicy, Memory};
use crate::method::LocalFuture;
use crate::nn::{self, Keypoints, params};
use crate::obs::{ImageSpec, ObsBatch};
use crate::policy::Policy;
use crate::rng::Rng;
use crate::{Error, Result};
use burn::tensor::Device;

/// The least range in which an observed number counts, as a share of the widest: in a few
/// demonstrations some numbers hardly vary, and blown up to [-1, 1] they would tell practice from
/// demonstrations better than what matters does.
const LEAST_RANGE: f64 = 0.1;

/// A small policy, without gradients, and how it is put together with the pretrained one.
#[derive(Clone)]
pub struct Agent {
    pub(super) actor: SmallPolicy,
    /// Whose likelihoods are the learned reward, where one is learned.
    pub(super) reward: Option<SmallPolicy>,
    pub(super) config: CsilConfig,
    pub(super) cameras: Vec<ImageSpec>,
}

/// What decisions are made of, on the host.
pub(super) struct Inputs {
    /// E observations.
    pub obs: ObsBatch,
    /// The pretrained policy's actions: E x act.
    pub base: Vec<f32>,
}

/// A decision for each of E episodes, on the host.
pub(super) struct Decided {
    /// What is played: E x act.
    pub actions: Vec<f32>,
    /// The small policy's own: E x act.
    pub own: Vec<f32>,
    /// What they were made of.
    pub inputs: Inputs,
    /// What each episode is to remember: what is left of the pretrained policy's chunk.
    pub memories: Vec<Vec<f32>>,
}

impl Agent {
    /// Decides at raw observations, given what each episode remembers and noise rows: in the
    /// middle of the small policy, or drawn from it where it is to explore.
    pub(super) async fn decide(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        memories: &[Vec<f32>],
        noise: &[f32],
        explore: bool,
        device: &Device,
    ) -> Result<Decided> {
        let (sizes, plain) = (policy.sizes, device.clone().without_autodiff());
        let (chunk_noise, own_noise) = split(noise, policy.noise_len(), sizes.act);
        let chunks = self
            .chunks(policy, obs, memories, &chunk_noise, &plain)
            .await?;
        let bases = || chunks.iter().map(|chunk| &chunk[..sizes.act]);
        let base = bases().flatten().copied().collect::<Vec<f32>>();
        let scale = observed(policy);
        let at = self
            .actor
            .at(inputs(&scale, obs, &base, &self.cameras, &plain));
        let own = if explore {
            at.draw(nn::matrix(own_noise, sizes.act, &plain))
        } else {
            at.middle()
        };
        let own = nn::read(own).await?;
        let actions = own
            .chunks(sizes.act)
            .zip(bases())
            .flat_map(|(own, base)| self.config.composed(base, own))
            .collect();
        let memories = chunks.iter().map(|chunk| {
            if self.config.compose == Compose::Alone {
                Vec::new()
            } else {
                chunk[sizes.act..].to_vec()
            }
        });
        Ok(Decided {
            actions,
            own,
            memories: memories.collect(),
            inputs: Inputs {
                obs: obs.clone(),
                base,
            },
        })
    }

    /// See [`FinetunedPolicy::rewards`]. None, too, where the reward is about corrections of the
    /// pretrained policy (residual).
    async fn shares(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        actions: &[f32],
        device: &Device,
    ) -> Result<Option<Vec<f32>>> {
        let (sizes, plain) = (policy.sizes, device.clone().without_autodiff());
        let Some(reward) = self.reward.as_ref().filter(|_| !self.config.sees_base()) else {
            return Ok(None);
        };
        let count = actions.len() / sizes.act;
        let x = inputs(
            &observed(policy),
            &obs.repeat(count),
            &vec![0.0; count * sizes.act],
            &self.cameras,
            &plain,
        );
        let u = actions
            .iter()
            .map(|a| a.clamp(-1.0, 1.0) * REACH as f32)
            .collect();
        let (low, high) = self.config.reward_range();
        let raw = reward.reward(
            x,
            nn::matrix(u, sizes.act, &plain),
            self.config.reward_scale,
        ) - self.config.least_reward;
        nn::read(raw.clamp(0.0, high - low) / (high - low))
            .await
            .map(Some)
    }

    /// For every episode what the pretrained policy does from now on: what is left of its chunk, or
    /// a new one where nothing is. Zeros where it has no say.
    async fn chunks(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        memories: &[Vec<f32>],
        noise: &[f32],
        device: &Device,
    ) -> Result<Vec<Vec<f32>>> {
        let act = policy.sizes.act;
        if self.config.compose == Compose::Alone {
            return Ok(vec![vec![0.0; act]; memories.len()]);
        }
        // What is remembered may be of a damaged checkpoint.
        let left = |memory: &[f32]| memory.len() >= act && memory.len().is_multiple_of(act);
        let due: Vec<usize> = (0..memories.len())
            .filter(|&i| !left(&memories[i]))
            .collect();
        let width = policy.noise_len();
        let due_noise = due.iter().flat_map(|&i| &noise[i * width..(i + 1) * width]);
        let mut chunks = memories.to_vec();
        if !due.is_empty() {
            let due_noise = due_noise.copied().collect();
            let new = policy.act(&obs.select(&due), due_noise, device).await?;
            due.iter()
                .zip(new.chunks(policy.sizes.chunk_len()))
                .for_each(|(&i, chunk)| chunks[i] = chunk.to_vec());
        }
        Ok(chunks)
    }

    async fn write(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        archive.put(format!("{prefix}/cameras"), &self.cameras)?;
        if let Some(reward) = &self.reward {
            params::save(reward, &format!("{prefix}/reward"), archive).await?;
        }
        params::save(&self.actor, &format!("{prefix}/actor"), archive).await
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub fn load(
        config: &CsilConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let cameras: Vec<ImageSpec> = if archive.version() < 3 {
            let (size, stack) = archive.get(&format!("{prefix}/view"))?;
            ImageSpec::unnamed(size, stack)
        } else {
            archive.get(&format!("{prefix}/cameras"))?
        };
        let possible = |camera: &ImageSpec| camera.is_possible(Keypoints::SMALLEST);
        if !cameras.iter().all(possible) {
            return Err(Error::input(
                "the checkpoint's pictures have an impossible size: use an undamaged checkpoint",
            ));
        }
        let fresh = || {
            SmallPolicy::new(
                config,
                policy.sizes,
                &cameras,
                &mut Rng::new(0, "unused", 0),
                device,
            )
        };
        let load = |part: &str| params::load(fresh(), &format!("{prefix}/{part}"), archive);
        let reward = config.learns_reward().then(|| load("reward")).transpose()?;
        Ok(Self {
            actor: load("actor")?,
            reward,
            config: config.clone(),
            cameras,
        })
    }
}

impl FinetunedPolicy for Agent {
    fn method(&self) -> FinetuneMethod {
        METHOD.id()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    /// For a chunk, in case that one is due, and for an action of its own.
    fn noise_len(&self, policy: &Policy) -> usize {
        policy.noise_len() + policy.sizes.act
    }

    fn chunk(&self, _: &Policy) -> usize {
        1
    }

    fn act<'a>(
        &'a self,
        policy: &'a Policy,
        obs: &'a ObsBatch,
        memories: &'a mut [Memory],
        noise: Vec<f32>,
        device: &'a Device,
    ) -> LocalFuture<'a, Vec<f32>> {
        Box::pin(async move {
            let decided = self
                .decide(policy, obs, memories, &noise, false, device)
                .await?;
            memories
                .iter_mut()
                .zip(decided.memories)
                .for_each(|(memory, new)| *memory = new);
            Ok(decided.actions)
        })
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

/// How the small policy's networks see observations: as the pretrained policy does, but no number
/// in a range that is all too small.
pub(super) fn observed(policy: &Policy) -> Normaliser {
    policy.obs_scale.widened(LEAST_RANGE as f32)
}

/// Noise rows as noise of chunks and noise of own actions.
fn split(noise: &[f32], chunk: usize, act: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = || noise.chunks(chunk + act);
    (
        rows().flat_map(|row| &row[..chunk]).copied().collect(),
        rows().flat_map(|row| &row[chunk..]).copied().collect(),
    )
}

impl CsilConfig {
    /// The action that is played, from the pretrained policy's and the small policy's own; within
    /// ±1.
    pub(super) fn composed(&self, base: &[f32], own: &[f32]) -> Vec<f32> {
        let scale = self.residual_scale as f32;
        let compose = |(base, own): (&f32, &f32)| {
            let own = (own / REACH as f32).clamp(-1.0, 1.0);
            match self.compose {
                Compose::Ensemble => 0.5 * (base + own),
                Compose::Residual => base + scale * own,
                Compose::Alone => own,
            }
        };
        base.iter()
            .zip(own)
            .map(compose)
            .map(|a| a.clamp(-1.0, 1.0))
            .collect()
    }

    /// What the small policy is to learn of a demonstrated action: the action itself, or what the
    /// pretrained policy's lacks.
    pub(super) fn taught(&self, base: &[f32], shown: &[f32]) -> Vec<f32> {
        let scale = self.residual_scale as f32;
        let teach = |(base, shown): (&f32, &f32)| match self.compose {
            Compose::Ensemble | Compose::Alone => *shown,
            Compose::Residual => (shown - base) / scale,
        };
        base.iter()
            .zip(shown)
            .map(teach)
            .map(|a| a.clamp(-1.0, 1.0) * REACH as f32)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::obs::ObsSpec;
    use crate::policy::{PolicyConfig, PolicyKind, Sizes};
    use crate::run::{Config, Preset};
    use pollster::block_on;

    fn config(compose: Compose) -> CsilConfig {
        let tiny = CsilConfig::preset(Preset::Tiny);
        CsilConfig {
            compose,
            policy_hidden: 5,
            bottleneck: 3,
            features: 4,
            residual_scale: 0.25,
            ..tiny
        }
    }

    /// Observations of two numbers.
    fn rows(values: &[f32]) -> ObsBatch {
        ObsBatch::of_states(values.to_vec(), 2)
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert!(
            found.len() == expected.len()
                && found
                    .iter()
                    .zip(expected)
                    .all(|(f, e)| (f - e).abs() < 1e-6),
            "{found:?} {expected:?}"
        );
    }

    /// The ensemble plays the mean, the residual adds a small part, and both and the small policy
    /// alone stay within ±1; what is taught of a demonstration makes the demonstrated action (the
    /// ensemble: where the pretrained policy imitates it, too).
    #[test]
    fn actions_are_composed_as_configured() {
        let (base, own) = ([0.6, -0.9], [REACH as f32, -1.0]);
        close(
            &config(Compose::Ensemble).composed(&base, &own),
            &[0.8, -0.95],
        );
        close(
            &config(Compose::Residual).composed(&base, &own),
            &[0.85, -1.0],
        );
        close(&config(Compose::Alone).composed(&base, &own), &[1.0, -1.0]);
        for (compose, base) in [
            (Compose::Ensemble, [0.5, -1.0]),
            (Compose::Residual, [0.4, -0.8]),
            (Compose::Alone, [0.0, 0.3]),
        ] {
            let config = config(compose);
            close(
                &config.composed(&base, &config.taught(&base, &[0.5, -1.0])),
                &[0.5, -1.0],
            );
        }
    }

    /// A chunk is decided on once and then played out, one action a decision, whatever is seen
    /// meanwhile; episodes do not depend on each other, and the small policy alone asks for no
    /// chunk.
    #[test]
    fn a_chunk_is_played_out() {
        let (device, mut rng) = (Device::flex(), Rng::new(0, "test", 0));
        let flow = PolicyConfig {
            kind: PolicyKind::Flow,
            chunk: 3,
            hidden: 8,
            layers: 1,
            ..Config::preset(Preset::Tiny).policy
        };
        let sizes = Sizes {
            obs: 2,
            act: 1,
            chunk: 3,
        };
        let scales = (Normaliser::identity(2), Normaliser::identity(3));
        let policy = Policy::new(&flow, &ObsSpec::of_state(2), 1, scales, &mut rng, &device);
        let config_of = config(Compose::Residual);
        let actor = SmallPolicy::new(&config_of, sizes, &[], &mut rng, &device);
        let agent = Agent {
            actor,
            reward: None,
            config: config_of,
            cameras: Vec::new(),
        };
        let noise = rng.normals(2 * agent.noise_len(&policy));
        let mut memories = vec![Vec::new(); 2];
        // The actor is fresh: its middle is 0, so what is played is the chunk.
        let chunks =
            block_on(policy.act(&rows(&[0.1, 0.2, 0.3, 0.4]), split(&noise, 3, 1).0, &device))
                .unwrap();
        for t in 0..3 {
            let obs = if t == 0 {
                [0.1, 0.2, 0.3, 0.4]
            } else {
                [9.0; 4]
            };
            let played =
                block_on(agent.act(&policy, &rows(&obs), &mut memories, noise.clone(), &device))
                    .unwrap();
            close(&played, &[chunks[t], chunks[3 + t]]);
        }
        assert_eq!(memories, vec![Vec::<f32>::new(); 2]);
        let mut odd = vec![vec![0.5], vec![]];
        let played = block_on(agent.act(
            &policy,
            &rows(&[0.1, 0.2, 0.3, 0.4]),
            &mut odd,
            noise.clone(),
            &device,
        ))
        .unwrap();
        close(&played, &[0.5, chunks[3]]);
        let alone = Agent {
            config: config(Compose::Alone),
            ..agent
        };
        close(
            &block_on(alone.act(
                &policy,
                &rows(&[0.1, 0.2]),
                &mut [vec![]],
                noise[..4].to_vec(),
                &device,
            ))
            .unwrap(),
            &[0.0],
        );
    }
}
