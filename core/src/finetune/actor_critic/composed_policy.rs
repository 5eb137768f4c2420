//! What acts: an actor that decides at every step, together with a frozen policy that decides on
//! whole chunks.

use super::{ActorConfig, Compose, HetstatPolicy, InputReader, RawInputs};
use crate::data::Archive;
use crate::finetune::{FinetuneMethod, FinetunedPolicy, Memory};
use crate::method::LocalFuture;
use crate::nn::{self, Keypoints, params};
use crate::obs::{ImageSpec, ObsBatch};
use crate::policy::Policy;
use crate::rng::Rng;
use crate::{Error, Result};
use burn::tensor::Device;

/// An actor, without gradients, and how it is put together with the pretrained policy.
#[derive(Clone)]
pub(crate) struct ComposedPolicy {
    /// Whose it is.
    pub(crate) method: FinetuneMethod,
    /// The actor.
    pub(crate) actor: HetstatPolicy,
    /// Its settings.
    pub(crate) config: ActorConfig,
    /// What sees.
    pub(crate) cameras: Vec<ImageSpec>,
}

/// A decision for each of E episodes, on the host.
pub(crate) struct AgentOutput {
    /// What is played: E x act.
    pub(crate) actions: Vec<f32>,
    /// The actor's own: E x act.
    pub(crate) own: Vec<f32>,
    /// What they were made of.
    pub(crate) inputs: RawInputs,
    /// What each episode is to remember: what is left of the pretrained policy's chunk.
    pub(crate) memories: Vec<Vec<f32>>,
}

impl ComposedPolicy {
    /// Decides at raw observations, given what each episode remembers and noise rows: in the
    /// middle of the actor's distribution, or drawn from it where it is to explore.
    pub(crate) async fn decide(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        memories: &[Vec<f32>],
        noise: &[f32],
        explore: bool,
        device: &Device,
    ) -> Result<AgentOutput> {
        let reader = InputReader::new(policy, &self.cameras, device);
        let act = policy.sizes.act;
        let (chunk_noise, own_noise) = split(noise, policy.noise_len(), act);
        let chunks = self
            .chunks(policy, obs, memories, &chunk_noise, &reader.device)
            .await?;
        let bases = || chunks.iter().map(|chunk| &chunk[..act]);
        let base: Vec<f32> = bases().flatten().copied().collect();
        let at = self.actor.at(reader.observations(obs, &base));
        let own = if explore {
            at.sample(reader.matrix(own_noise, act))
        } else {
            at.mode()
        };
        let own = nn::read(own).await?;
        let actions = own
            .chunks(act)
            .zip(bases())
            .flat_map(|(own, base)| self.config.composed(base, own))
            .collect();
        let memories = chunks.iter().map(|chunk| {
            if self.config.compose == Compose::Alone {
                Vec::new()
            } else {
                chunk[act..].to_vec()
            }
        });
        Ok(AgentOutput {
            actions,
            own,
            memories: memories.collect(),
            inputs: RawInputs {
                obs: obs.clone(),
                base,
            },
        })
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
        params::save(&self.actor, &format!("{prefix}/actor"), archive).await
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub(crate) fn load(
        method: FinetuneMethod,
        config: &ActorConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let cameras = saved_cameras(prefix, archive)?;
        let rng = &mut Rng::new(0, "unused", 0);
        let actor = HetstatPolicy::new(config, policy.sizes, &cameras, rng, device);
        Ok(Self {
            method,
            actor: params::load(actor, &format!("{prefix}/actor"), archive)?,
            config: config.clone(),
            cameras,
        })
    }
}

/// What sees for a saved actor. Before version 3 there was one camera, as its size and its frames.
fn saved_cameras(prefix: &str, archive: &Archive) -> Result<Vec<ImageSpec>> {
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
    Ok(cameras)
}

impl FinetunedPolicy for ComposedPolicy {
    fn method(&self) -> FinetuneMethod {
        self.method
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
            let output = self
                .decide(policy, obs, memories, &noise, false, device)
                .await?;
            memories
                .iter_mut()
                .zip(output.memories)
                .for_each(|(memory, new)| *memory = new);
            Ok(output.actions)
        })
    }

    fn save<'a>(&'a self, prefix: &'a str, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(prefix, archive))
    }
}

/// Noise rows as noise of chunks and noise of own actions.
fn split(noise: &[f32], chunk: usize, act: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = || noise.chunks(chunk + act);
    (
        rows().flat_map(|row| &row[..chunk]).copied().collect(),
        rows().flat_map(|row| &row[chunk..]).copied().collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normaliser;
    use crate::obs::ObsSpec;
    use crate::policy::{PolicyConfig, PolicyKind, Sizes};
    use crate::run::{Config, Preset};
    use pollster::block_on;

    fn config(compose: Compose) -> ActorConfig {
        ActorConfig {
            compose,
            hidden: 5,
            bottleneck: 3,
            features: 4,
            ..ActorConfig::preset(Preset::Tiny)
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

    /// A chunk is decided on once and then played out, one action a decision, whatever is seen
    /// meanwhile; episodes do not depend on each other, and the small policy alone asks for no
    /// chunk.
    #[test]
    fn a_chunk_is_played_out() {
        let device = Device::flex();
        let mut rng = Rng::new(0, "test", 0);
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
        let residual = config(Compose::Residual);
        let actor = HetstatPolicy::new(&residual, sizes, &[], &mut rng, &device);
        let agent = ComposedPolicy {
            method: FinetuneMethod::NONE,
            actor,
            config: residual,
            cameras: Vec::new(),
        };
        let noise = rng.normals(2 * agent.noise_len(&policy));
        let mut memories = vec![Vec::new(); 2];
        // The actor is fresh: its mode is 0, so what is played is the chunk.
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
        let alone = ComposedPolicy {
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
