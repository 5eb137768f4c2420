//! Actor and critic of DPPO, and one gradient step of both.

use super::actor::Chains;
use super::buffer::{Samples, gather};
use super::chain;
use super::critic::{self, Critic};
use super::{DppoConfig, DppoPolicy, ppo};
use crate::Result;
use crate::data::Archive;
use crate::nn::{self, Adam, AdamConfig, Observations, params};
use crate::policy::Policy;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Metrics of one gradient step, or their mean over several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// PPO's objective.
    pub(crate) actor_loss: f64,
    /// Half the critic's mean squared error.
    pub(crate) critic_loss: f64,
    /// Estimated KL divergence from the policy that practiced.
    pub(crate) kl: f64,
    /// Share of samples outside of the clip range.
    pub clipped: f64,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.actor_loss += other.actor_loss;
        self.critic_loss += other.critic_loss;
        self.kl += other.kl;
        self.clipped += other.clipped;
    }

    /// The metrics by name, divided by `count`.
    pub(super) fn averaged(&self, count: usize) -> Vec<(&'static str, f64)> {
        let sums = [
            ("loss/actor", self.actor_loss),
            ("loss/critic", self.critic_loss),
            ("policy/kl", self.kl),
            ("policy/clipped", self.clipped),
        ];
        sums.map(|(name, sum)| (name, sum / count as f64)).to_vec()
    }
}

/// DPPO's learner.
pub struct Learner {
    actor: Policy,
    critic: Critic,
    actor_adam: Adam,
    critic_adam: Adam,
    /// K'.
    steps: usize,
    config: DppoConfig,
    device: Device,
}

impl Learner {
    /// Begins at the pretrained policy, with a fresh critic, on an autodiff `device`.
    pub fn new(config: DppoConfig, pretrained: &Policy, rng: &mut Rng, device: Device) -> Self {
        let actor = Policy {
            net: pretrained.net.clone().train(),
            ..pretrained.clone()
        };
        let critic = Critic::new(pretrained, config.hidden, rng, &device);
        let actor_adam = Adam::new(adam(config.actor_lr));
        let critic_adam = Adam::new(adam(config.critic_lr));
        let steps = chain::finetuned_steps(pretrained, config.finetuned_steps);
        Self {
            actor,
            critic,
            actor_adam,
            critic_adam,
            steps,
            config,
            device,
        }
    }

    /// Who decides in practice, now.
    pub(super) fn chains(&self, pretrained: &Policy) -> Chains {
        Chains::of(pretrained, self.policy(), &self.config, &self.device)
    }

    /// V at normalized observations: `[batch, 1]`.
    pub fn values(&self, obs: Observations) -> Tensor<2> {
        self.critic.valid().forward(obs)
    }

    /// Log-probabilities of the K' steps of chains of latents `[batch, (K' + 1) * chunk * act]` at
    /// normalized observations, by the policy as it is now: `[batch, K']`.
    pub(super) fn log_probs(&self, obs: Observations, latents: &[f32]) -> Tensor<2> {
        let actor = self.actor.frozen();
        let rows = obs.rows();
        let steps = self.steps;
        let features = actor.net.features(obs);
        let device = features.device();
        let log_probs = self.log_probs_of(&actor, features, latents, &device);
        log_probs.reshape([rows, steps])
    }

    /// K', the steps that are finetuned.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// The policy as it is now.
    pub fn policy(&self) -> DppoPolicy {
        DppoPolicy {
            policy: self.actor.frozen(),
            steps: self.steps,
        }
    }

    /// One gradient step of the critic on these rows, and of the actor unless it is frozen; `obs`
    /// are their normalized observations.
    pub async fn step(
        &mut self,
        samples: &Samples,
        rows: &[usize],
        obs: Observations,
        actor_is_frozen: bool,
    ) -> Result<Figures> {
        let obs = obs.autodiff();
        let returns = nn::matrix(gather(&samples.returns, 1, rows), 1, &self.device);
        let critic_loss = critic::loss(&self.critic, obs.clone(), returns);
        // Actor and critic share no weights: a backward pass for each gives the gradients of the
        // joint loss.
        self.critic = self.critic_adam.step(
            self.critic.clone(),
            &critic_loss.clone().mul_scalar(self.config.vf_coef),
        );
        if actor_is_frozen {
            return Ok(Figures {
                critic_loss: f64::from(nn::scalar(critic_loss.inner()).await?),
                ..Figures::default()
            });
        }
        let surrogate = self.surrogate(samples, rows, obs);
        self.actor.net = self
            .actor_adam
            .step(self.actor.net.clone(), &surrogate.loss);
        // One read for all four: every read waits for the device.
        let figures = nn::read(Tensor::cat(
            vec![
                surrogate.loss.inner(),
                critic_loss.inner(),
                surrogate.kl,
                surrogate.clipped,
            ],
            0,
        ))
        .await?;
        let [actor_loss, critic_loss, kl, clipped] = [0, 1, 2, 3].map(|i| f64::from(figures[i]));
        Ok(Figures {
            actor_loss,
            critic_loss,
            kl,
            clipped,
        })
    }

    /// PPO's objective on these rows (DPPO, sec. 4.2): every decision counts once for each of its
    /// K' steps.
    fn surrogate(&self, samples: &Samples, rows: &[usize], obs: Observations) -> ppo::Surrogate {
        let steps = self.steps;
        let width = (steps + 1) * self.actor.sizes.chunk_len();
        let matrix = |values, width| nn::matrix(values, width, &self.device);
        let latents = gather(&samples.latents, width, rows);
        // Pictures are encoded once for all steps.
        let features = self.actor.net.features(obs);
        let new = self.log_probs_of(&self.actor, features, &latents, &self.device);

        // Normalized over decisions first, then discounted per step: noisier steps count less
        // (`diffusion_ppo.py`, `loss`).
        let advantages = ppo::normalised(&gather(&samples.advantages, 1, rows));
        let discounts = ppo::discounts(&self.config, steps);
        let advantages = advantages
            .iter()
            .flat_map(|a| discounts.iter().map(move |d| a * d))
            .collect();
        let ranges = ppo::clip_ranges(&self.config, steps).repeat(rows.len());
        let old = gather(&samples.log_probs, steps, rows);
        ppo::surrogate(
            new,
            matrix(old, 1),
            matrix(advantages, 1),
            matrix(ranges, 1),
        )
    }

    /// Log-probabilities of the steps of chains by `policy`, whose features are `[batch,
    /// features]`: `[batch * K', 1]`, row i that of step i % K' of decision i / K'.
    fn log_probs_of(
        &self,
        policy: &Policy,
        features: Tensor<2>,
        latents: &[f32],
        device: &Device,
    ) -> Tensor<2> {
        let steps = self.steps;
        let width = policy.sizes.chunk_len();
        let [rows, numbers] = features.dims();
        let each_step = features
            .unsqueeze_dim::<3>(1)
            .expand([rows, steps, numbers]);
        let features = each_step.reshape([rows * steps, numbers]);
        // A step leads from one latent of a chain to the next: `before` and `after` are two windows
        // of the same row, one latent apart.
        let part = |from: usize| {
            let chains = latents.chunks((steps + 1) * width);
            let parts = chains.flat_map(|row| &row[from..from + steps * width]);
            nn::matrix(parts.copied().collect(), width, device)
        };
        let length = policy.chain_len();
        let step_numbers: Vec<usize> = (0..rows).flat_map(|_| length - steps..length).collect();
        chain::log_probs(
            policy,
            self.config.spread(),
            features,
            part(0),
            part(width),
            &step_numbers,
        )
    }

    /// Writes the whole state into the archive.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        params::save(&self.actor.net, "finetuner/actor", archive).await?;
        params::save(&self.critic, "finetuner/critic", archive).await?;
        self.actor_adam
            .save("finetuner/actor-adam", archive)
            .await?;
        self.critic_adam
            .save("finetuner/critic-adam", archive)
            .await
    }

    /// Restores what [`Learner::save`] wrote with the same settings and pretrained policy.
    pub fn load(
        config: DppoConfig,
        pretrained: &Policy,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let mut learner = Self::new(config, pretrained, &mut Rng::new(0, "unused", 0), device);
        learner.actor.net = params::load(learner.actor.net, "finetuner/actor", archive)?;
        learner.critic = params::load(learner.critic, "finetuner/critic", archive)?;
        learner.actor_adam = Adam::load(
            adam(learner.config.actor_lr),
            "finetuner/actor-adam",
            archive,
            &learner.actor.net,
        )?;
        learner.critic_adam = Adam::load(
            adam(learner.config.critic_lr),
            "finetuner/critic-adam",
            archive,
            &learner.critic,
        )?;
        Ok(learner)
    }
}

fn adam(lr: f64) -> AdamConfig {
    AdamConfig {
        lr,
        clip_norm: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Normaliser;
    use crate::nn::Activation;
    use crate::nn::gradient_check::worst_error;
    use crate::obs::ObsSpec;
    use crate::policy::{PolicyConfig, PolicyKind};
    use crate::run::{Config, Preset};
    use pollster::block_on;

    const ROWS: usize = 8;

    /// A learner of the last three steps, and samples that it drew itself.
    fn learner(kind: PolicyKind) -> (Learner, Samples) {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(1, "test", 0);
        let tiny = Config::preset(Preset::Tiny).policy;
        let policy = PolicyConfig {
            kind,
            chunk: 2,
            hidden: 5,
            layers: 2,
            activation: Activation::Mish,
            time_dim: 4,
            inference_steps: 3,
            ..tiny
        };
        let policy = Policy::new(
            &policy,
            &ObsSpec::of_state(3),
            1,
            (Normaliser::identity(3), Normaliser::identity(2)),
            &mut rng,
            &device,
        )
        .frozen();
        let config = DppoConfig {
            finetuned_steps: 3,
            clip: 0.2,
            clip_base: 0.1,
            gamma_denoising: 0.8,
            hidden: 5,
            ..DppoConfig::preset(Preset::Tiny)
        };
        let learner = Learner::new(config, &policy, &mut rng, device);
        let obs = rng.normals(ROWS * 3);
        let inner_device = Device::flex();
        let noise = nn::matrix(
            rng.normals(ROWS * chain::noise_len(&policy)),
            chain::noise_len(&policy),
            &inner_device,
        );
        let rows = nn::matrix(obs.clone(), 3, &inner_device).into();
        let sample = learner.chains(&policy).draw(&rows, noise);
        let columns = |parts| block_on(nn::read(Tensor::cat(parts, 1))).unwrap();
        let samples = Samples {
            latents: columns(sample.latents),
            log_probs: columns(sample.log_probs),
            advantages: rng.normals(ROWS),
            returns: rng.normals(ROWS),
            values: vec![0.0; ROWS],
            obs,
        };
        assert!(samples.fit(policy.sizes, 3));
        (learner, samples)
    }

    fn rows() -> Vec<usize> {
        (0..ROWS).rev().collect()
    }

    /// Those rows' observations.
    fn observed(samples: &Samples) -> Observations {
        nn::matrix(gather(&samples.obs, 3, &rows()), 3, &Device::flex()).into()
    }

    fn step(learner: &mut Learner, samples: &Samples, actor_is_frozen: bool) -> Figures {
        let rows = rows();
        let step = learner.step(samples, &rows, observed(samples), actor_is_frozen);
        block_on(step).unwrap()
    }

    /// Before the first gradient step the policy is the one that practiced: every ratio is 1,
    /// nothing is clipped, and the objective is minus the mean of the discounted advantages, which
    /// are centered.
    #[test]
    fn at_first_every_ratio_is_one() {
        for kind in [PolicyKind::Flow, PolicyKind::Diffusion] {
            let (mut learner, samples) = learner(kind);
            let first = step(&mut learner, &samples, false);
            assert!(
                first.kl.abs() < 1e-6 && first.clipped == 0.0 && first.actor_loss.abs() < 1e-4,
                "{first:?}"
            );
            let second = step(&mut learner, &samples, false);
            assert!(
                second.kl > 0.0
                    && second.actor_loss < first.actor_loss
                    && second.critic_loss < first.critic_loss
            );
        }
    }

    /// The gradient of the actor's objective is right, through the whole of it: network, density,
    /// ratio, clip range, discount; where ratios are inside and outside of their ranges. (That of a
    /// diffusion step's mean is checked with the policy.)
    #[test]
    fn the_actor_loss_has_the_right_gradient() {
        let (mut learner, mut samples) = learner(PolicyKind::Flow);
        // Well inside of the ranges, or well outside: differences across their ends say nothing.
        samples
            .log_probs
            .iter_mut()
            .zip([-0.4, 0.0, 0.4, 0.0, 0.0].iter().cycle())
            .for_each(|(l, shift)| *l += shift);
        let surrogate =
            |learner: &Learner| learner.surrogate(&samples, &rows(), observed(&samples).autodiff());
        let clipped = block_on(nn::scalar(surrogate(&learner).clipped)).unwrap();
        assert!((0.2..0.8).contains(&clipped), "{clipped}");
        let error = worst_error(&learner.actor.net.clone(), |net| {
            learner.actor.net = net.clone();
            surrogate(&learner).loss.mul_scalar(10)
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The gradient of the critic's loss is right.
    #[test]
    fn the_critic_loss_has_the_right_gradient() {
        let (learner, samples) = learner(PolicyKind::Flow);
        let obs: Observations = nn::matrix(samples.obs.clone(), 3, &learner.device).into();
        let returns = nn::matrix(samples.returns.clone(), 1, &learner.device).mul_scalar(0.5);
        let error = worst_error(&learner.critic, |critic| {
            critic::loss(critic, obs.clone(), returns.clone())
        });
        assert!(error < 1e-2, "{error}");
    }

    /// While the critic warms up the actor does not move.
    #[test]
    fn a_frozen_actor_does_not_move() {
        let (mut learner, samples) = learner(PolicyKind::Flow);
        let weights = |learner: &Learner| {
            let mut archive = Archive::new();
            block_on(params::save(&learner.actor.net, "net", &mut archive)).unwrap();
            archive
        };
        let before = weights(&learner);
        let losses: Vec<f64> = (0..5)
            .map(|_| step(&mut learner, &samples, true).critic_loss)
            .collect();
        assert!(weights(&learner) == before && losses[4] < losses[0]);
        step(&mut learner, &samples, false);
        assert!(weights(&learner) != before);
    }
}
