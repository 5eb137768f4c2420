//! The acting agent: the planner over a snapshot of the world model, or its policy prior alone.

use super::METHOD;
use super::config::{Proposals, TdMpcConfig};
use super::model::{Prior, WorldModel, acting};
use super::planner::{Noise, Plan, Planner, Round, shifted_plan};
use crate::data::{Archive, Episode};
use crate::finetune::{FinetuneMethod, FinetunedPolicy, Memory, Quality};
use crate::method::LocalFuture;
use crate::nn::{self, Observations, params};
use crate::obs::{ImageSpec, ObsBatch};
use crate::policy::{Policy, Sizes};
use crate::rng::Rng;
use crate::{Error, Result};
use burn::tensor::{Device, Tensor, TensorData};

/// A world model and its prior, without gradients.
#[derive(Clone)]
pub struct Agent {
    pub(super) world: WorldModel,
    pub(super) prior: Prior,
    pub(super) config: TdMpcConfig,
    /// Whether it plans; else the prior's mean acts.
    pub(super) planning: bool,
}

/// A decision for each of E environments, on the host.
pub(crate) struct AgentOutput {
    /// E x act.
    pub(crate) actions: Vec<f32>,
    /// Per episode the mean of its plan, the next one's warm start. Empty without planning.
    pub(crate) memories: Vec<Vec<f32>>,
    /// How many of the actions are from a policy's proposal.
    pub(crate) from_policy: usize,
}

/// Raw observations as the world model's input, on a device without gradients, each with one more
/// number: 1 after the episode has ended for good, else 0. Without it the state after the end could
/// not be told from one that goes on.
///
/// Unlike a policy's they are not scaled to the demonstrations: a number that hardly varies in five
/// of them would be blown up to [-1, 1] and tell one demonstration from another, and all of them
/// from practice, better than what matters does.
pub(super) fn observations(
    obs: &ObsBatch,
    ended: &[f32],
    cameras: &[ImageSpec],
    device: &Device,
) -> Observations {
    let inner_device = device.clone().without_autodiff();
    let images = obs.seen_by(cameras);
    Observations::new(obs.numbers(), obs.numbers_width(), images, &inner_device).with(nn::matrix(
        ended.to_vec(),
        1,
        &inner_device,
    ))
}

/// Sizes of the world model's inputs and outputs, from a policy's.
pub(super) fn model_sizes(sizes: Sizes) -> Sizes {
    Sizes {
        obs: sizes.obs + 1,
        chunk: 1,
        ..sizes
    }
}

impl Agent {
    fn layout(&self, policy: &Policy) -> Layout {
        let TdMpcConfig {
            samples,
            policy_samples,
            horizon,
            iterations,
            critics,
            proposals,
            ..
        } = self.config;
        let given = match proposals {
            Proposals::Prior => 0,
            Proposals::Pretrained => policy_samples,
            Proposals::Both => policy_samples / 2,
        };
        let sizes = (samples, policy_samples - given, given);
        Layout {
            sizes,
            horizon,
            act: policy.sizes.act,
            rounds: iterations,
            given_noise: policy.noise_len(),
            critics,
        }
    }

    /// Chooses an action for each raw observation, with each episode's memory and noise; `explore`
    /// adds noise to the actions.
    pub(super) async fn decide(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        memories: &[Vec<f32>],
        noise: &[f32],
        explore: bool,
        device: &Device,
    ) -> Result<AgentOutput> {
        let z = self.encode(obs, device);
        if !self.planning {
            return Ok(AgentOutput {
                actions: nn::read(self.prior.mean(z)).await?,
                memories: vec![Vec::new(); memories.len()],
                from_policy: 0,
            });
        }
        let plan = self.plan(policy, z, obs, memories, noise, explore).await?;
        let [action, mean] = [plan.action, plan.mean].map(|rows| rows.flatten(0, 1));
        let read = nn::read_together(vec![action, mean, plan.from_policy]).await?;
        let width = self.config.horizon * policy.sizes.act;
        let from_policy = read[2].iter().filter(|&&yes| yes > 0.5);
        Ok(AgentOutput {
            from_policy: from_policy.count(),
            memories: read[1].chunks(width).map(<[f32]>::to_vec).collect(),
            actions: read[0].clone(),
        })
    }

    /// The prior's mean actions at raw observations: N x act.
    pub async fn prior_actions(&self, obs: &ObsBatch, device: &Device) -> Result<Vec<f32>> {
        nn::read(self.prior.mean(self.encode(obs, device))).await
    }

    /// Values of raw observations: the mean of all critics at the prior's mean action, N.
    pub async fn values(&self, obs: &ObsBatch, device: &Device) -> Result<Vec<f32>> {
        let z = self.encode(obs, device);
        let q_outputs = self
            .world
            .critics
            .forward_shared(acting(z.clone(), self.prior.mean(z)));
        nn::read(
            self.world
                .numbers(q_outputs)
                .mean_dim(0)
                .squeeze_dim::<1>(0),
        )
        .await
    }

    /// Latent states of raw observations: `[N, latent]`.
    pub(super) fn encode(&self, obs: &ObsBatch, device: &Device) -> Tensor<2> {
        let going_on = vec![0.0; obs.len()];
        self.world
            .encode(observations(obs, &going_on, &self.world.cameras, device))
    }

    /// The plan at latent states of raw observations.
    async fn plan(
        &self,
        policy: &Policy,
        z: Tensor<2>,
        obs: &ObsBatch,
        memories: &[Vec<f32>],
        noise: &[f32],
        explore: bool,
    ) -> Result<Plan> {
        let layout = self.layout(policy);
        let device = z.device();
        let act = policy.sizes.act;
        let width = self.config.horizon * act;
        let (mut noise, given_noise) = layout.split(noise);
        if !explore {
            noise.exploration = None;
            if !self.config.stochastic_eval {
                noise.draw = None;
            }
        }
        // The pretrained policy knows no latent states: it proposes one open-loop chunk per sample,
        // from the observation itself.
        let given = match layout.sizes.2 {
            0 => None,
            count => Some(self.given(policy, obs, given_noise, count, &device).await?),
        };
        let start: Vec<f32> = memories
            .iter()
            .flat_map(|memory| shifted_plan(memory, width, act))
            .collect();
        let planner = Planner {
            world: &self.world,
            prior: &self.prior,
            config: &self.config,
            horizon: self.config.horizon,
        };
        Ok(planner.plan(z, nn::matrix(start, width, &device), given, &noise))
    }

    /// The first actions of `count` chunks of the pretrained policy per observation: `[E, count,
    /// horizon * act]`.
    async fn given(
        &self,
        policy: &Policy,
        obs: &ObsBatch,
        noise: Vec<f32>,
        count: usize,
        device: &Device,
    ) -> Result<Tensor<3>> {
        let chunks = policy.act(&obs.repeat(count), noise, device).await?;
        let ahead = self.config.horizon * policy.sizes.act;
        let firsts: Vec<f32> = chunks
            .chunks(policy.sizes.chunk_len())
            .flat_map(|chunk| &chunk[..ahead])
            .copied()
            .collect();
        Ok(Tensor::from_data(
            TensorData::new(firsts, [obs.len(), count, ahead]),
            device,
        ))
    }

    async fn write(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        archive.put(
            format!("{prefix}/planning"),
            &(
                self.planning,
                &self.world.cameras,
                self.config.horizon,
                self.config.min_std,
            ),
        )?;
        params::save(&self.world, &format!("{prefix}/world"), archive).await?;
        params::save(&self.prior, &format!("{prefix}/prior"), archive).await
    }

    /// Restores what [`FinetunedPolicy::save`] wrote under the same settings.
    pub(crate) fn load(
        config: &TdMpcConfig,
        policy: &Policy,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        let rng = &mut Rng::new(0, "unused", 0);
        let (planning, cameras, horizon, min_std): (bool, Vec<ImageSpec>, usize, f64) =
            saved_planning(&format!("{prefix}/planning"), archive)?;
        if !(1..=config.horizon).contains(&horizon)
            || !(config.min_std..=config.max_std).contains(&min_std)
        {
            return Err(Error::input(
                "the checkpoint's planner looks further ahead, or tries less, than its settings \
                 allow: use an undamaged one",
            ));
        }
        let possible = |camera: &ImageSpec| camera.is_possible(nn::SMALLEST_IMAGE);
        if !cameras.iter().all(possible) {
            return Err(Error::input(
                "the checkpoint's pictures have an impossible size: use an undamaged checkpoint",
            ));
        }
        let world = WorldModel::new(config, model_sizes(policy.sizes), &cameras, rng, device);
        let prior = Prior::new(config, policy.sizes.act, rng, device);
        Ok(Self {
            world: params::load(world, &format!("{prefix}/world"), archive)?,
            prior: params::load(prior, &format!("{prefix}/prior"), archive)?,
            config: TdMpcConfig {
                horizon,
                min_std,
                ..config.clone()
            },
            planning,
        })
    }
}

/// Of a saved agent whether it plans, its cameras, horizon and least standard deviation. Before
/// version 3 there was one camera, as its size and its stack.
fn saved_planning(name: &str, archive: &Archive) -> Result<(bool, Vec<ImageSpec>, usize, f64)> {
    if archive.version() >= 3 {
        return archive.get(name);
    }
    let (planning, (size, stack), horizon, min_std) = archive.get(name)?;
    Ok((planning, ImageSpec::unnamed(size, stack), horizon, min_std))
}

impl FinetunedPolicy for Agent {
    fn method(&self) -> FinetuneMethod {
        METHOD.id()
    }

    fn clone_box(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(self.clone())
    }

    fn noise_len(&self, policy: &Policy) -> usize {
        if self.planning {
            self.layout(policy).len()
        } else {
            0
        }
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

    /// The plan.
    fn ahead<'a>(&self, memory: &'a [f32], chunk: &'a [f32]) -> &'a [f32] {
        if memory.is_empty() { chunk } else { memory }
    }

    fn quality<'a>(
        &'a self,
        policy: &'a Policy,
        episode: &'a Episode,
        ahead: usize,
        device: &'a Device,
    ) -> LocalFuture<'a, Option<Quality>> {
        Box::pin(async move {
            let quality = self.compare(policy, episode, ahead, device).await?;
            Ok(Some(quality))
        })
    }
}

/// Layout of a plan's standard normal numbers for one environment, in order: the prior's proposals,
/// the pretrained policy's, then per round samples, last actions and the choice of critics; the
/// draw of the elite; exploration.
struct Layout {
    /// Numbers of all samples, of the prior's proposals and of the pretrained policy's.
    sizes: (usize, usize, usize),
    horizon: usize,
    act: usize,
    rounds: usize,
    /// Noise of one chunk of the pretrained policy.
    given_noise: usize,
    critics: usize,
}

impl Layout {
    fn len(&self) -> usize {
        let (samples, own, given) = self.sizes;
        let round = (samples - own - given) * self.horizon * self.act + samples * self.act + 2;
        own * self.horizon * self.act
            + given * self.given_noise
            + self.rounds * round
            + samples
            + self.act
    }

    /// The noise of all environments as the planner takes it, and that of the pretrained policy's
    /// chunks.
    fn split(&self, noise: &[f32]) -> (Noise, Vec<f32>) {
        let (samples, own, given) = self.sizes;
        let round = || Round {
            samples: Vec::new(),
            last: Vec::new(),
            critics: Vec::new(),
        };
        let mut out = Noise {
            proposals: vec![Vec::new(); if own > 0 { self.horizon } else { 0 }],
            rounds: (0..self.rounds).map(|_| round()).collect(),
            draw: Some(Vec::new()),
            exploration: Some(Vec::new()),
        };
        let mut chunks = Vec::new();
        for row in noise.chunks(self.len()) {
            let mut rest = row;
            let mut take = |n: usize| {
                let (part, after) = rest.split_at(n);
                rest = after;
                part
            };
            out.proposals
                .iter_mut()
                .for_each(|rows| rows.extend_from_slice(take(own * self.act)));
            chunks.extend_from_slice(take(given * self.given_noise));
            for round in &mut out.rounds {
                round
                    .samples
                    .extend_from_slice(take((samples - own - given) * self.horizon * self.act));
                round.last.extend_from_slice(take(samples * self.act));
                round.critics.push(self.pair(take(2)));
            }
            // All noise of a policy is normal numbers; Gumbel and uniform ones are made of them.
            out.draw
                .iter_mut()
                .for_each(|draw| draw.extend(take(samples).iter().map(|&e| gumbel(e))));
            out.exploration
                .iter_mut()
                .for_each(|exploration| exploration.extend_from_slice(take(self.act)));
        }
        (out, chunks)
    }

    /// Two different critics, each pair as likely as any other.
    fn pair(&self, e: &[f32]) -> [usize; 2] {
        let below = |e: f32, n: usize| ((uniform(e) * n as f64) as usize).min(n - 1);
        let first = below(e[0], self.critics);
        let second = below(e[1], self.critics - 1);
        [first, if second < first { second } else { second + 1 }]
    }
}

/// A standard normal number as a uniform one in (0, 1), by its distribution function.
fn uniform(e: f32) -> f64 {
    0.5 * libm::erfc(-f64::from(e) * std::f64::consts::FRAC_1_SQRT_2)
}

/// A standard normal number as one with the Gumbel distribution.
fn gumbel(e: f32) -> f32 {
    -libm::log(-libm::log(uniform(e).clamp(1e-12, 1.0 - 1e-12))) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Normal numbers become uniform ones, and pairs of critics are different and equally likely.
    #[test]
    fn pairs_of_critics_are_different_and_equally_likely() {
        let layout = Layout {
            sizes: (4, 1, 1),
            horizon: 2,
            act: 1,
            rounds: 2,
            given_noise: 3,
            critics: 3,
        };
        let mut rng = Rng::new(0, "test", 0);
        let mut counts = [[0; 3]; 3];
        for _ in 0..6000 {
            let [a, b] = layout.pair(&rng.normals(2));
            counts[a][b] += 1;
        }
        for (a, row) in counts.iter().enumerate() {
            assert!(
                row.iter().enumerate().all(|(b, &count)| if a == b {
                    count == 0
                } else {
                    (800..1200).contains(&count)
                }),
                "{counts:?}"
            );
        }
    }

    /// Every number of the noise is used once, and an environment's noise stays its own.
    #[test]
    fn an_environments_noise_stays_its_own() {
        let layout = Layout {
            sizes: (5, 2, 1),
            horizon: 2,
            act: 3,
            rounds: 2,
            given_noise: 4,
            critics: 2,
        };
        let len = layout.len();
        let (one, chunks) = layout.split(&vec![0.5; len]);
        assert_eq!(
            (one.proposals.len(), one.proposals[0].len(), chunks.len()),
            (2, 6, 4)
        );
        assert_eq!(
            (one.rounds[0].samples.len(), one.rounds[0].last.len()),
            (12, 15)
        );
        let used = 2 * 6 + 4 + 2 * (12 + 15 + 2) + 5 + 3;
        assert_eq!(len, used);
        let (two, _) = layout.split(&[vec![0.5; len], vec![-0.5; len]].concat());
        assert_eq!(two.rounds[1].last, [vec![0.5; 15], vec![-0.5; 15]].concat());
        assert_eq!(two.proposals[1], [vec![0.5; 6], vec![-0.5; 6]].concat());
    }
}
