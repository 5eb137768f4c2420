//! The learner: soft actor-critic over the policy's noise (Haarnoja et al. 2018; DSRL, algorithms 1 and 2).
//!
//! With w = magnitude * choice and a = policy(s, w):
//!
//! ```text
//! y    = r + gamma (1 - d) (min_i Qtarget_i(s', a') - alpha log pi(w' | s'))
//! L_Q  = 1/2 sum_i E (Q_i(s, a) - y)^2                                      the critic of actions, from practice
//! L_W  = 1/2 sum_i E (QW_i(s, w) - Q_i(s, policy(s, w)))^2, w ~ N(0, I)     the critic of noise, distilled
//! L_pi = E (alpha log pi(w | s) - min_i QW_i(s, w))
//! L_a  = -E log(alpha) (log pi(w | s) + target entropy)
//! ```
//!
//! The SAC variant has one critic, of noise, which learns from practice: Q and QW are the same.

use super::steering::sizes;
use super::{Actor, DsrlConfig, Steering, Variant};
use crate::Result;
use crate::data::{Archive, Batch};
use crate::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use crate::policy::Policy;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};

/// The weight of entropy against reward, as its logarithm.
#[derive(Module, Debug)]
struct Temperature {
    log: Param<Tensor<1>>,
}

/// The losses of one update, still on the device.
pub struct Losses {
    /// L_Q.
    pub critic: Tensor<1>,
    /// L_pi.
    pub actor: Tensor<1>,
    /// alpha.
    pub temperature: Tensor<1>,
    /// Entropy of the actor's choice, estimated on the batch.
    pub entropy: Tensor<1>,
    /// Mean of Q over the batch.
    pub value: Tensor<1>,
}

/// Actor, critics and temperature.
pub struct SoftActorCritic {
    actor: Actor,
    critic: Mlp,
    target: Mlp,
    /// Noise-aliased only.
    noise_critic: Option<Mlp>,
    temperature: Temperature,
    adams: Adams,
    config: DsrlConfig,
    device: Device,
}

struct Adams {
    actor: Adam,
    critic: Adam,
    noise_critic: Adam,
    temperature: Adam,
}

/// A batch of decisions as normalised rows on the device.
struct Rows {
    obs: Tensor<2>,
    /// What the critic judges: chunks, or noise over magnitude.
    actions: Tensor<2>,
    rewards: Tensor<1>,
    next_obs: Tensor<2>,
    goes_on: Tensor<1>,
}

impl SoftActorCritic {
    /// A fresh learner for a policy, on an autodiff `device`.
    pub fn new(config: DsrlConfig, policy: &Policy, rng: &mut Rng, device: Device) -> Self {
        let (obs, width) = (policy.sizes.obs, policy.noise_len());
        let judged = if config.variant == Variant::NoiseAliased { policy.sizes.chunk_len() } else { width };
        let actor = Actor::new(&config, obs, width, rng, &device);
        let mut critic = |input| Mlp::normed(config.critics, &sizes(&config, obs + input, 1), Activation::Tanh, rng, &device);
        let (critic, noise_critic) = (critic(judged), (config.variant == Variant::NoiseAliased).then(|| critic(width)));
        let temperature = Temperature { log: Param::from_tensor(Tensor::full([1], libm::log(config.temperature), &device)) };
        let adam = || Adam::new(AdamConfig { lr: config.lr, clip_norm: None });
        let adams = Adams { actor: adam(), critic: adam(), noise_critic: adam(), temperature: adam() };
        Self { target: critic.valid(), actor, critic, noise_critic, temperature, adams, config, device }
    }

    /// One update of temperature, critic, actor and target on raw decisions of `policy` (whose actions are noise in the SAC variant).
    pub fn step(&mut self, batch: &Batch, policy: &Policy, rng: &mut Rng) -> Losses {
        let rows = self.rows(batch, policy);
        let e = self.normals(batch.len(), policy.noise_len(), rng);
        let alpha = self.temperature.log.val().inner().exp();

        let (_, log_density) = self.actor.valid().sample(rows.obs.clone(), e.clone());
        let temperature_loss = self.temperature_loss(log_density.clone());
        self.temperature = self.adams.temperature.step(self.temperature.clone(), &temperature_loss);

        let targets = self.targets(&rows, alpha.clone(), policy, rng);
        let critic_loss = q_loss(&self.critic, self.tracked(rows.obs.clone()), self.tracked(rows.actions.clone()), targets.clone());
        self.critic = self.adams.critic.step(self.critic.clone(), &critic_loss);

        let actor_loss = self.actor_loss(rows.obs, e, alpha.clone());
        self.actor = self.adams.actor.step(self.actor.clone(), &actor_loss);

        self.target = params::polyak(self.target.clone(), &self.critic, self.config.tau);
        Losses {
            critic: critic_loss.inner(),
            actor: actor_loss.inner(),
            temperature: alpha,
            entropy: log_density.mean().neg(),
            value: targets.mean(),
        }
    }

    /// One update of the noise critic towards the critic of actions, at the batch's observations; its loss. None in the SAC variant.
    pub fn distil(&mut self, batch: &Batch, policy: &Policy, rng: &mut Rng) -> Option<Tensor<1>> {
        let noise_critic = self.noise_critic.clone()?;
        let obs = self.plain(policy.obs_scale.apply(&batch.obs), policy.sizes.obs);
        let noise = self.normals(batch.len(), policy.noise_len(), rng);
        let chunks = policy.sample(obs.clone(), noise.clone());
        let taught = judge(&self.critic.valid(), obs.clone(), chunks);
        let judged = judge(&noise_critic, self.tracked(obs), self.tracked(noise / self.config.magnitude));
        let loss = half_square(judged - self.tracked(taught));
        self.noise_critic = Some(self.adams.noise_critic.step(noise_critic, &loss));
        Some(loss.inner())
    }

    /// What acts.
    pub fn steering(&self, stochastic: bool) -> Steering {
        Steering { actor: self.actor.valid(), magnitude: self.config.magnitude, stochastic }
    }

    fn rows(&self, batch: &Batch, policy: &Policy) -> Rows {
        let sizes = policy.sizes;
        let obs = |rows: &[f32]| self.plain(policy.obs_scale.apply(rows), sizes.obs);
        let actions = match self.config.variant {
            Variant::NoiseAliased => self.plain(policy.act_scale.apply(&batch.actions), sizes.chunk_len()),
            Variant::Sac => self.plain(batch.actions.clone(), policy.noise_len()) / self.config.magnitude,
        };
        let column = |values: &[f32]| self.plain(values.to_vec(), 1).squeeze_dim::<1>(1);
        Rows {
            obs: obs(&batch.obs),
            actions,
            rewards: column(&batch.rewards),
            next_obs: obs(&batch.next_obs),
            goes_on: column(&batch.terminated).neg() + 1.0,
        }
    }

    /// y, one per row.
    fn targets(&self, rows: &Rows, alpha: Tensor<1>, policy: &Policy, rng: &mut Rng) -> Tensor<1> {
        let [batch, _] = rows.next_obs.dims();
        let e = self.normals(batch, policy.noise_len(), rng);
        let (choice, log_density) = self.actor.valid().sample(rows.next_obs.clone(), e);
        let judged = match self.config.variant {
            Variant::NoiseAliased => policy.sample(rows.next_obs.clone(), choice * self.config.magnitude),
            Variant::Sac => choice,
        };
        let value = least(&self.target, rows.next_obs.clone(), judged);
        let next = if self.config.backup_entropy { value - alpha * log_density } else { value };
        rows.rewards.clone() + rows.goes_on.clone() * next * self.config.gamma
    }

    /// L_pi; the gradient reaches the actor through the noise critic only, never through the sampler.
    fn actor_loss(&self, obs: Tensor<2>, e: Tensor<2>, alpha: Tensor<1>) -> Tensor<1> {
        let obs = self.tracked(obs);
        let (choice, log_density) = self.actor.sample(obs.clone(), self.tracked(e));
        let critic = self.noise_critic.as_ref().unwrap_or(&self.critic).clone().no_grad();
        (self.tracked(alpha) * log_density - least(&critic, obs, choice)).mean()
    }

    /// L_a at log-densities of the actor's choices.
    fn temperature_loss(&self, log_density: Tensor<1>) -> Tensor<1> {
        let lacking = self.tracked(log_density.mean() + self.config.target_entropy);
        (self.temperature.log.val() * lacking).neg()
    }

    fn normals(&self, rows: usize, width: usize, rng: &mut Rng) -> Tensor<2> {
        self.plain(rng.normals(rows * width), width)
    }

    fn plain(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        nn::matrix(values, width, &self.device.clone().without_autodiff())
    }

    /// A plain tensor as a constant of the graph.
    fn tracked<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        tensor.autodiff()
    }

    /// Writes the whole state into the archive.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        params::save(&self.actor, "dsrl/actor", archive).await?;
        params::save(&self.critic, "dsrl/critic", archive).await?;
        params::save(&self.target, "dsrl/target", archive).await?;
        params::save(&self.temperature, "dsrl/temperature", archive).await?;
        if let Some(noise_critic) = &self.noise_critic {
            params::save(noise_critic, "dsrl/noise-critic", archive).await?;
        }
        self.adams.actor.save("dsrl/actor-adam", archive).await?;
        self.adams.critic.save("dsrl/critic-adam", archive).await?;
        self.adams.noise_critic.save("dsrl/noise-critic-adam", archive).await?;
        self.adams.temperature.save("dsrl/temperature-adam", archive).await
    }

    /// Restores what [`SoftActorCritic::save`] wrote under the same settings.
    ///
    /// # Errors
    /// When the archive does not fit.
    pub fn load(config: DsrlConfig, policy: &Policy, archive: &Archive, device: Device) -> Result<Self> {
        let mut learner = Self::new(config, policy, &mut Rng::new(0, "unused", 0), device);
        let adam = AdamConfig { lr: learner.config.lr, clip_norm: None };
        learner.actor = params::load(learner.actor, "dsrl/actor", archive)?;
        learner.critic = params::load(learner.critic, "dsrl/critic", archive)?;
        learner.target = params::load(learner.target, "dsrl/target", archive)?;
        learner.temperature = params::load(learner.temperature, "dsrl/temperature", archive)?;
        learner.adams.actor = Adam::load(adam, "dsrl/actor-adam", archive, &learner.actor)?;
        learner.adams.critic = Adam::load(adam, "dsrl/critic-adam", archive, &learner.critic)?;
        learner.adams.temperature = Adam::load(adam, "dsrl/temperature-adam", archive, &learner.temperature)?;
        if let Some(noise_critic) = learner.noise_critic.take() {
            let noise_critic = params::load(noise_critic, "dsrl/noise-critic", archive)?;
            learner.adams.noise_critic = Adam::load(adam, "dsrl/noise-critic-adam", archive, &noise_critic)?;
            learner.noise_critic = Some(noise_critic);
        }
        Ok(learner)
    }
}

/// Every critic's value: `[critics, batch]`.
fn judge(critic: &Mlp, obs: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
    critic.forward_shared(Tensor::cat(vec![obs, actions], 1)).squeeze_dim(2)
}

/// The least of the critics' values: `[batch]`.
fn least(critic: &Mlp, obs: Tensor<2>, actions: Tensor<2>) -> Tensor<1> {
    judge(critic, obs, actions).min_dim(0).squeeze_dim(0)
}

/// L_Q against fixed targets `[batch]`.
fn q_loss(critic: &Mlp, obs: Tensor<2>, actions: Tensor<2>, targets: Tensor<1>) -> Tensor<1> {
    half_square(judge(critic, obs, actions) - targets.autodiff().unsqueeze_dim(0))
}

/// Half the squared error `[critics, batch]`, averaged over the batch and summed over the critics.
fn half_square(error: Tensor<2>) -> Tensor<1> {
    let [critics, _] = error.dims();
    error.square().mean().mul_scalar(0.5 * critics as f64)
}
