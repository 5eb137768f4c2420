//! The learner: soft actor-critic over the policy's noise (Haarnoja et al. 2018; DSRL, algorithms 1
//! and 2).
//!
//! With w = magnitude * choice and a = policy(s, w):
//!
//! ```text
//! y    = r + gamma (1 - d) (min_i Qtarget_i(s', a') - alpha log pi(w' | s'))
//! L_Q  = 1/2 sum_i E (Q_i(s, a) - y)^2                                    the critic of actions
//! L_W  = 1/2 sum_i E (QW_i(s, w) - Q_i(s, policy(s, w)))^2, w ~ N(0, I)   the critic of noise
//! L_pi = E (alpha log pi(w | s) - min_i QW_i(s, w))
//! L_a  = -E log(alpha) (log pi(w | s) + target entropy)
//! ```
//!
//! The critic of actions learns from practice, and the critic of noise is distilled from it. The
//! SAC variant has one critic, of noise, which learns from practice: Q and QW are the same.

use super::noise_policy::{Actor, sizes};
use super::{DsrlConfig, NoisePolicy, Variant};
use crate::Result;
use crate::data::{Archive, Batch};
use crate::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use crate::obs::ObsBatch;
use crate::policy::Policy;
use crate::rl::Temperature;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

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
    optimizers: Optimizers,
    config: DsrlConfig,
    device: Device,
}

struct Optimizers {
    actor: Adam,
    critic: Adam,
    noise_critic: Adam,
}

/// A batch of decisions as normalized rows on the device.
struct Rows {
    obs: Tensor<2>,
    /// What the critic reads: chunks, or noise over magnitude.
    actions: Tensor<2>,
    rewards: Tensor<1>,
    next_obs: Tensor<2>,
    not_done: Tensor<1>,
}

impl SoftActorCritic {
    /// A fresh learner for a policy, on an autodiff `device`.
    pub fn new(config: DsrlConfig, policy: &Policy, rng: &mut Rng, device: Device) -> Self {
        let obs = policy.features_len();
        let width = policy.noise_len();
        let action_width = if config.variant == Variant::NoiseAliased {
            policy.sizes.chunk_len()
        } else {
            width
        };
        let actor = Actor::new(&config, obs, width, rng, &device);
        let mut fresh = |input| {
            Mlp::normed(
                config.critics,
                &sizes(&config, obs + input, 1),
                Activation::Tanh,
                rng,
                &device,
            )
        };
        let critic = fresh(action_width);
        let noise_critic = (config.variant == Variant::NoiseAliased).then(|| fresh(width));
        let temperature = Temperature::new(
            config.temperature,
            config.target_entropy * width as f64,
            config.lr,
            &device,
        );
        let adam = || {
            Adam::new(AdamConfig {
                lr: config.lr,
                clip_norm: None,
            })
        };
        let optimizers = Optimizers {
            actor: adam(),
            critic: adam(),
            noise_critic: adam(),
        };
        Self {
            target: critic.valid(),
            actor,
            critic,
            noise_critic,
            temperature,
            optimizers,
            config,
            device,
        }
    }

    /// One update of temperature, critic, actor and target on raw decisions of `policy` (whose
    /// actions are noise in the SAC variant).
    pub fn step(&mut self, batch: &Batch, policy: &Policy, rng: &mut Rng) -> Losses {
        let rows = self.rows(batch, policy);
        let e = self.normals(batch.len(), policy.noise_len(), rng);
        let alpha = self.temperature.value();

        let at = self.actor.valid().at(rows.obs.clone());
        let (_, log_prob) = at.sample_with_log_prob(e.clone());
        self.temperature.step(log_prob.clone().mean());

        let targets = self.targets(&rows, alpha.clone(), policy, rng);
        let obs = self.attached(rows.obs.clone());
        let actions = self.attached(rows.actions.clone());
        let critic_loss = q_loss(&self.critic, obs, actions, targets.clone().unsqueeze_dim(0));
        self.critic = self
            .optimizers
            .critic
            .step(self.critic.clone(), &critic_loss);

        let actor_loss = self.actor_loss(rows.obs, e, alpha.clone());
        self.actor = self.optimizers.actor.step(self.actor.clone(), &actor_loss);

        self.target = params::polyak(self.target.clone(), &self.critic, self.config.target_rate);
        Losses {
            critic: critic_loss.inner(),
            actor: actor_loss.inner(),
            temperature: alpha,
            entropy: log_prob.mean().neg(),
            value: targets.mean(),
        }
    }

    /// One update of the noise critic towards the critic of actions, at the batch's observations;
    /// its loss. None in the SAC variant.
    pub fn distil(&mut self, batch: &Batch, policy: &Policy, rng: &mut Rng) -> Option<Tensor<1>> {
        let noise_critic = self.noise_critic.clone()?;
        let obs = policy.features(&batch.obs, &self.device);
        let noise = self.normals(batch.len(), policy.noise_len(), rng);
        let chunks = policy.sample(obs.clone(), noise.clone());
        let targets = q_values(&self.critic.valid(), obs.clone(), chunks);
        let loss = q_loss(
            &noise_critic,
            self.attached(obs),
            self.attached(noise / self.config.magnitude),
            targets,
        );
        self.noise_critic = Some(self.optimizers.noise_critic.step(noise_critic, &loss));
        Some(loss.inner())
    }

    /// What acts.
    pub fn noise_policy(&self, stochastic: bool) -> NoisePolicy {
        NoisePolicy {
            actor: self.actor.valid(),
            magnitude: self.config.magnitude,
            stochastic,
        }
    }

    fn rows(&self, batch: &Batch, policy: &Policy) -> Rows {
        let sizes = policy.sizes;
        let obs = |obs: &ObsBatch| policy.features(obs, &self.device);
        let actions = match self.config.variant {
            Variant::NoiseAliased => {
                self.detached(policy.act_scale.apply(&batch.actions), sizes.chunk_len())
            }
            Variant::Sac => {
                self.detached(batch.actions.clone(), policy.noise_len()) / self.config.magnitude
            }
        };
        let column = |values: &[f32]| self.detached(values.to_vec(), 1).squeeze_dim::<1>(1);
        Rows {
            obs: obs(&batch.obs),
            actions,
            rewards: column(&batch.rewards),
            next_obs: obs(&batch.next_obs),
            not_done: column(&batch.terminated).neg() + 1.0,
        }
    }

    /// y, one per row.
    fn targets(&self, rows: &Rows, alpha: Tensor<1>, policy: &Policy, rng: &mut Rng) -> Tensor<1> {
        let [batch, _] = rows.next_obs.dims();
        let e = self.normals(batch, policy.noise_len(), rng);
        let at = self.actor.valid().at(rows.next_obs.clone());
        let (choice, log_prob) = at.sample_with_log_prob(e);
        let action = match self.config.variant {
            Variant::NoiseAliased => {
                policy.sample(rows.next_obs.clone(), choice * self.config.magnitude)
            }
            Variant::Sac => choice,
        };
        let value = least(&self.target, rows.next_obs.clone(), action);
        let next = if self.config.backup_entropy {
            value - alpha * log_prob
        } else {
            value
        };
        rows.rewards.clone() + rows.not_done.clone() * next * self.config.gamma
    }

    /// L_pi; the gradient reaches the actor through the noise critic only, never through the
    /// sampler.
    fn actor_loss(&self, obs: Tensor<2>, e: Tensor<2>, alpha: Tensor<1>) -> Tensor<1> {
        let obs = self.attached(obs);
        let at = self.actor.at(obs.clone());
        let (choice, log_prob) = at.sample_with_log_prob(self.attached(e));
        let critic = self
            .noise_critic
            .as_ref()
            .unwrap_or(&self.critic)
            .clone()
            .no_grad();
        (self.attached(alpha) * log_prob - least(&critic, obs, choice)).mean()
    }

    fn normals(&self, rows: usize, width: usize, rng: &mut Rng) -> Tensor<2> {
        self.detached(rng.normals(rows * width), width)
    }

    fn detached(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        nn::matrix(values, width, &self.device.clone().without_autodiff())
    }

    /// A plain tensor as a constant of the graph.
    fn attached<const D: usize>(&self, tensor: Tensor<D>) -> Tensor<D> {
        tensor.autodiff()
    }

    /// Writes the whole state into the archive.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        params::save(&self.actor, "dsrl/actor", archive).await?;
        params::save(&self.critic, "dsrl/critic", archive).await?;
        params::save(&self.target, "dsrl/target", archive).await?;
        self.temperature.save("dsrl/temperature", archive).await?;
        if let Some(noise_critic) = &self.noise_critic {
            params::save(noise_critic, "dsrl/noise-critic", archive).await?;
        }
        self.optimizers
            .actor
            .save("dsrl/actor-adam", archive)
            .await?;
        self.optimizers
            .critic
            .save("dsrl/critic-adam", archive)
            .await?;
        self.optimizers
            .noise_critic
            .save("dsrl/noise-critic-adam", archive)
            .await
    }

    /// Restores what [`SoftActorCritic::save`] wrote under the same settings.
    pub(crate) fn load(
        config: DsrlConfig,
        policy: &Policy,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let mut learner = Self::new(config, policy, &mut Rng::new(0, "unused", 0), device);
        let adam = AdamConfig {
            lr: learner.config.lr,
            clip_norm: None,
        };
        learner.actor = params::load(learner.actor, "dsrl/actor", archive)?;
        learner.critic = params::load(learner.critic, "dsrl/critic", archive)?;
        learner.target = params::load(learner.target, "dsrl/target", archive)?;
        learner.temperature = learner.temperature.loaded("dsrl/temperature", archive)?;
        learner.optimizers.actor = Adam::load(adam, "dsrl/actor-adam", archive, &learner.actor)?;
        learner.optimizers.critic = Adam::load(adam, "dsrl/critic-adam", archive, &learner.critic)?;
        if let Some(noise_critic) = learner.noise_critic.take() {
            let noise_critic = params::load(noise_critic, "dsrl/noise-critic", archive)?;
            learner.optimizers.noise_critic =
                Adam::load(adam, "dsrl/noise-critic-adam", archive, &noise_critic)?;
            learner.noise_critic = Some(noise_critic);
        }
        Ok(learner)
    }
}

/// Every critic's value: `[critics, batch]`.
fn q_values(critic: &Mlp, obs: Tensor<2>, actions: Tensor<2>) -> Tensor<2> {
    critic
        .forward_shared(Tensor::cat(vec![obs, actions], 1))
        .squeeze_dim(2)
}

/// The least of the critics' values: `[batch]`.
fn least(critic: &Mlp, obs: Tensor<2>, actions: Tensor<2>) -> Tensor<1> {
    q_values(critic, obs, actions).min_dim(0).squeeze_dim(0)
}

/// L_Q, or L_W: half the squared error of every critic against fixed targets (`[1, batch]` for all,
/// or one row for each), averaged over the batch and summed over the critics.
fn q_loss(critic: &Mlp, obs: Tensor<2>, actions: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let error = q_values(critic, obs, actions) - targets.autodiff();
    error
        .square()
        .mean()
        .mul_scalar(0.5 * critic.members() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normaliser;
    use crate::nn::gradient_check::worst_error;
    use crate::obs::ObsSpec;
    use crate::run::{Config, Preset};

    const ROWS: usize = 12;

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        pollster::block_on(nn::read(tensor))
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect()
    }

    fn policy(device: &Device) -> Policy {
        let config = Config::preset(Preset::Tiny).policy;
        let config = crate::policy::PolicyConfig {
            chunk: 2,
            hidden: 5,
            layers: 1,
            inference_steps: 3,
            ..config
        };
        let scales = (Normaliser::identity(3), Normaliser::identity(2));
        Policy::new(
            &config,
            &ObsSpec::of_state(3),
            1,
            scales,
            &mut Rng::new(1, "test", 0),
            device,
        )
        .frozen()
    }

    fn learner() -> (SoftActorCritic, Policy, Rng) {
        let device = Device::flex().autodiff();
        let config = DsrlConfig {
            critics: 2,
            hidden: 5,
            layers: 2,
            temperature: 0.3,
            backup_entropy: true,
            ..DsrlConfig::preset(Preset::Tiny)
        };
        let policy = policy(&device);
        let mut rng = Rng::new(2, "test", 0);
        (
            SoftActorCritic::new(config, &policy, &mut rng, device),
            policy,
            rng,
        )
    }

    /// The actor's gradient is right through the squashed choice, its density and the critic of
    /// noise, and none reaches the critic.
    #[test]
    fn the_actor_loss_has_the_right_gradient() {
        let (mut learner, _, mut rng) = learner();
        let obs = learner.normals(ROWS, 3, &mut rng);
        let e = learner.normals(ROWS, 2, &mut rng);
        let alpha = learner.temperature.value();
        let error = worst_error(&learner.actor.clone(), |actor| {
            learner.actor = actor.clone();
            learner.actor_loss(obs.clone(), e.clone(), alpha.clone())
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The gradient of the critics' loss is right, shared targets or one row for each critic; the
    /// loss is half the sum of their mean squared errors.
    #[test]
    fn the_critic_losses_have_the_right_gradient() {
        let (learner, _, mut rng) = learner();
        let obs = learner.normals(ROWS, 3, &mut rng);
        let actions = learner.normals(ROWS, 2, &mut rng);
        for rows in [1, 2] {
            let targets = learner.normals(rows, ROWS, &mut rng);
            let loss = |critic: &Mlp| {
                q_loss(
                    critic,
                    obs.clone().autodiff(),
                    actions.clone().autodiff(),
                    targets.clone(),
                )
            };
            let q = read(q_values(
                &learner.critic.valid(),
                obs.clone(),
                actions.clone(),
            ));
            let y = read(targets.clone());
            let expected: f64 = (0..2 * ROWS)
                .map(|i| (q[i] - y[i % (rows * ROWS)]).powi(2))
                .sum::<f64>()
                / (2 * ROWS) as f64;
            assert!((read(loss(&learner.critic).inner())[0] - expected).abs() < 1e-5);
            let error = worst_error(&learner.critic, loss);
            assert!(error < 1e-2, "{error}");
        }
    }

    /// The target is r + gamma (1 - d) (least target critic of what the sampler makes of the
    /// actor's noise - alpha log pi).
    #[test]
    fn the_target_is_of_what_the_sampler_makes_of_the_noise() {
        let (learner, policy, mut rng) = learner();
        let rows = Rows {
            obs: learner.normals(ROWS, 3, &mut rng),
            actions: learner.normals(ROWS, 2, &mut rng),
            rewards: learner.normals(1, ROWS, &mut rng).squeeze_dim(0),
            next_obs: learner.normals(ROWS, 3, &mut rng),
            not_done: Tensor::from_floats([1.0, 0.0].repeat(ROWS / 2).as_slice(), &Device::flex()),
        };
        let e = learner.normals(ROWS, 2, &mut rng.clone());
        let y = read(learner.targets(
            &rows,
            Tensor::full([1], 0.3, &Device::flex()),
            &policy,
            &mut rng,
        ));
        let at = learner.actor.valid().at(rows.next_obs.clone());
        let (choice, density) = at.sample_with_log_prob(e);
        let chunks = policy.sample(rows.next_obs.clone(), choice * learner.config.magnitude);
        let q = read(q_values(&learner.target, rows.next_obs, chunks));
        let r = read(rows.rewards);
        let density = read(density);
        for i in 0..ROWS {
            let next = if i % 2 == 0 {
                q[i].min(q[ROWS + i]) - 0.3 * density[i]
            } else {
                0.0
            };
            assert!(
                (y[i] - (r[i] + learner.config.gamma * next)).abs() < 1e-4,
                "row {i}"
            );
        }
    }

    /// The density that the actor states is that of what it draws: that of e divided by the slope
    /// of the choice in e.
    #[test]
    fn the_density_is_that_of_the_choice() {
        let (learner, _, mut rng) = learner();
        let obs = learner.normals(1, 3, &mut rng);
        let e = [0.4f32, -1.1];
        let choose = |e: [f32; 2]| {
            let at = learner.actor.valid().at(obs.clone());
            at.sample_with_log_prob(nn::matrix(e.to_vec(), 2, &Device::flex()))
        };
        let mut expected = 0.0;
        for i in 0..2 {
            let moved =
                |by: f32| read(choose([0, 1].map(|j| if i == j { e[j] + by } else { e[j] })).0)[i];
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            expected +=
                -0.5 * f64::from(e[i]).powi(2) - 0.5 * std::f64::consts::TAU.ln() - slope.ln();
        }
        let stated = read(choose(e).1)[0];
        assert!((stated - expected).abs() < 1e-2, "{stated} {expected}");
    }
}
