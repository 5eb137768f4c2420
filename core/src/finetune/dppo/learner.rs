//! Actor and critic of DPPO, and one gradient step of both.

use super::buffer::{Samples, gather};
use super::chain::{self, ChainSample, Spread};
use super::{DppoConfig, DppoPolicy, ppo};
use crate::Result;
use crate::data::Archive;
use crate::nn::{self, Activation, Adam, AdamConfig, Residual, params};
use crate::policy::Policy;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Bound of the scaled observations that the critic reads. A number that hardly varies in
/// demonstrations, such as the quaternion of a cube that never tips over, is scaled up a
/// hundredfold once it does, and one such decision would outweigh all others.
const FURTHEST: f64 = 5.0;

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
    /// V(s): a residual network (DPPO).
    critic: Residual,
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
        let sizes = [
            pretrained.sizes.obs,
            config.hidden,
            config.hidden,
            config.hidden,
            1,
        ];
        let critic = Residual::new(&sizes, Activation::Mish, rng, &device);
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

    /// Draws a chain per row of normalized observations, as practice does; see [`chain::draw`].
    pub fn draw(&self, pretrained: &Policy, obs: &Tensor<2>, noise: Tensor<2>) -> ChainSample {
        chain::draw(
            pretrained,
            &self.actor.frozen(),
            self.steps,
            self.spread(),
            obs,
            noise,
        )
    }

    /// V at normalized observations: `[batch, 1]`.
    pub fn values(&self, obs: Tensor<2>) -> Tensor<2> {
        self.critic.valid().forward(seen(obs.inner()))
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

    /// One gradient step of the critic on these rows, and of the actor unless it is frozen.
    pub async fn step(
        &mut self,
        samples: &Samples,
        rows: &[usize],
        actor_is_frozen: bool,
    ) -> Result<Figures> {
        let obs = nn::matrix(
            gather(&samples.obs, self.actor.sizes.obs, rows),
            self.actor.sizes.obs,
            &self.device,
        );
        let returns = nn::matrix(gather(&samples.returns, 1, rows), 1, &self.device);
        let critic_loss = critic_loss(&self.critic, obs, returns);
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
        let surrogate = self.surrogate(samples, rows);
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
    fn surrogate(&self, samples: &Samples, rows: &[usize]) -> ppo::Surrogate {
        let sizes = self.actor.sizes;
        let steps = self.steps;
        let length = self.actor.chain_len();
        let width = sizes.chunk_len();
        let first = length - steps;
        let matrix = |values, width| nn::matrix(values, width, &self.device);
        let each_step = |per_row: &dyn Fn(usize) -> Vec<f32>| {
            (0..rows.len() * steps)
                .flat_map(|i| per_row(i / steps))
                .collect::<Vec<_>>()
        };

        // Below, row i is step i % K' of decision i / K'.
        let obs =
            each_step(&|i| samples.obs[rows[i] * sizes.obs..(rows[i] + 1) * sizes.obs].to_vec());
        let latents = gather(&samples.latents, (steps + 1) * width, rows);
        // A step leads from one latent of a chain to the next: `before` and `after` are two windows
        // of the same row, one latent apart.
        let part = |from: usize| {
            latents
                .chunks((steps + 1) * width)
                .flat_map(|row| &row[from..from + steps * width])
                .copied()
                .collect()
        };
        let step_numbers: Vec<usize> = (0..rows.len()).flat_map(|_| first..length).collect();
        let obs = matrix(obs, sizes.obs);
        let before = matrix(part(0), width);
        let after = matrix(part(width), width);
        let new = chain::log_probs(
            &self.actor,
            self.spread(),
            obs,
            before,
            after,
            &step_numbers,
        );

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

    fn spread(&self) -> Spread {
        Spread {
            sampling: self.config.min_sampling_std as f32,
            logprob: self.config.min_logprob_std as f32,
        }
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

/// Normalized observations as the critic reads them.
fn seen(obs: Tensor<2>) -> Tensor<2> {
    obs.clamp(-FURTHEST, FURTHEST)
}

/// Half the mean squared error at normalized observations against returns `[batch, 1]`.
fn critic_loss(critic: &Residual, obs: Tensor<2>, returns: Tensor<2>) -> Tensor<1> {
    (critic.forward(seen(obs)) - returns)
        .square()
        .mean()
        .mul_scalar(0.5)
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
        let sample = learner.draw(&policy, &nn::matrix(obs.clone(), 3, &inner_device), noise);
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

    /// Before the first gradient step the policy is the one that practiced: every ratio is 1,
    /// nothing is clipped, and the objective is minus the mean of the discounted advantages, which
    /// are centered.
    #[test]
    fn at_first_every_ratio_is_one() {
        for kind in [PolicyKind::Flow, PolicyKind::Diffusion] {
            let (mut learner, samples) = learner(kind);
            let first = block_on(learner.step(&samples, &rows(), false)).unwrap();
            assert!(
                first.kl.abs() < 1e-6 && first.clipped == 0.0 && first.actor_loss.abs() < 1e-4,
                "{first:?}"
            );
            let second = block_on(learner.step(&samples, &rows(), false)).unwrap();
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
        let clipped = block_on(nn::scalar(learner.surrogate(&samples, &rows()).clipped)).unwrap();
        assert!((0.2..0.8).contains(&clipped), "{clipped}");
        let error = worst_error(&learner.actor.net.clone(), |net| {
            learner.actor.net = net.clone();
            learner.surrogate(&samples, &rows()).loss.mul_scalar(10)
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The gradient of the critic's loss is right.
    #[test]
    fn the_critic_loss_has_the_right_gradient() {
        let (learner, samples) = learner(PolicyKind::Flow);
        let obs = nn::matrix(samples.obs.clone(), 3, &learner.device);
        let returns = nn::matrix(samples.returns.clone(), 1, &learner.device).mul_scalar(0.5);
        let error = worst_error(&learner.critic, |critic| {
            critic_loss(critic, obs.clone(), returns.clone())
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
            .map(|_| {
                block_on(learner.step(&samples, &rows(), true))
                    .unwrap()
                    .critic_loss
            })
            .collect();
        assert!(weights(&learner) == before && losses[4] < losses[0]);
        block_on(learner.step(&samples, &rows(), false)).unwrap();
        assert!(weights(&learner) != before);
    }
}
