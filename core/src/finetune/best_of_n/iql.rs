//! Implicit Q-learning (IQL, Kostrikov et al. 2021, eq. 5 and 6) on the rollouts of a frozen
//! policy; no policy is extracted.
//!
//! ```text
//! L_V = E |expectile - 1(u < 0)| u^2,   u = min_i Qtarget_i(s, a) - V(s)
//! L_Q = sum_i E (r + gamma (1 - d) V(s') - Q_i(s, a))^2
//! ```

use super::{BestOfNConfig, Chooser};
use crate::Result;
use crate::data::{Archive, Batch};
use crate::nn::{self, Activation, Adam, AdamConfig, Mlp, params};
use crate::policy::Policy;
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Action-value networks, evaluated as one stack.
#[derive(Module, Debug)]
pub struct Critic {
    q: Mlp,
}

impl Critic {
    fn new(
        config: &BestOfNConfig,
        obs: usize,
        chunk: usize,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        Self {
            q: Mlp::new(
                config.critics,
                &sizes(obs + chunk, config),
                Activation::Relu,
                rng,
                device,
            ),
        }
    }

    /// Values of every critic: `[critics, batch]`.
    fn all(&self, obs: Tensor<2>, chunks: Tensor<2>) -> Tensor<2> {
        self.q
            .forward_shared(Tensor::cat(vec![obs, chunks], 1))
            .squeeze_dim(2)
    }

    /// The smallest of the critics' values: `[batch]`.
    pub fn score(&self, obs: Tensor<2>, chunks: Tensor<2>) -> Tensor<1> {
        // Pessimistic: a chunk must convince all critics.
        self.all(obs, chunks).min_dim(0).squeeze_dim(0)
    }

    /// Writes the weights into the archive.
    pub async fn save(&self, prefix: &str, archive: &mut Archive) -> Result<()> {
        params::save(self, prefix, archive).await
    }

    /// Restores what [`Critic::save`] wrote for the same settings.
    pub(crate) fn load(
        config: &BestOfNConfig,
        obs: usize,
        chunk: usize,
        prefix: &str,
        archive: &Archive,
        device: &Device,
    ) -> Result<Self> {
        params::load(
            Self::new(config, obs, chunk, &mut Rng::new(0, "unused", 0), device),
            prefix,
            archive,
        )
    }
}

/// The losses of one update, still on the device.
pub struct Losses {
    /// The value loss L_V.
    pub value: Tensor<1>,
    /// The critic loss L_Q, summed over the critics.
    pub q: Tensor<1>,
    /// Mean of V(s).
    pub(crate) mean_value: Tensor<1>,
}

/// IQL's learner.
pub struct Iql {
    critic: Critic,
    target: Critic,
    value: Mlp,
    critic_adam: Adam,
    value_adam: Adam,
    step: usize,
    config: BestOfNConfig,
    device: Device,
}

impl Iql {
    /// Fresh critics for a policy's features of length `obs` and chunks of length `chunk`, on
    /// an autodiff `device`.
    pub fn new(
        config: BestOfNConfig,
        obs: usize,
        chunk: usize,
        rng: &mut Rng,
        device: Device,
    ) -> Self {
        let critic = Critic::new(&config, obs, chunk, rng, &device);
        let value = Mlp::new(1, &sizes(obs, &config), Activation::Relu, rng, &device);
        let adam = || {
            Adam::new(AdamConfig {
                lr: config.lr,
                clip_norm: None,
            })
        };
        Self {
            target: critic.valid(),
            critic,
            value,
            critic_adam: adam(),
            value_adam: adam(),
            step: 0,
            config,
            device,
        }
    }

    /// One update of the value, the critics and their targets on a batch of raw decisions of
    /// `policy`, or on one with its features in place of observations.
    pub fn step(&mut self, batch: &Batch, policy: &Policy) -> Losses {
        let matrix = |values, width| nn::matrix(values, width, &self.device);
        let obs = policy.features(&batch.obs, &self.device).autodiff();
        let next_obs = policy.features(&batch.next_obs, &self.device);
        let chunks = matrix(
            policy.act_scale.apply(&batch.actions),
            policy.sizes.chunk_len(),
        );
        let column = |values: &[f32]| matrix(values.to_vec(), 1).inner();

        // V, then the critics with the new V, then their targets, as the reference's `_update_jit`.
        let (value_loss, mean_value) = self.value_loss(obs.clone(), chunks.clone());
        self.value = self.value_adam.step(self.value.clone(), &value_loss);
        // Eq. 6: the target is V(s'), not a maximum over actions, so that only actions of the data
        // are ever judged.
        let next_value = self.value.valid().forward_one(next_obs);
        let targets = column(&batch.rewards)
            + (column(&batch.terminated).neg() + 1.0) * next_value * self.config.gamma;
        let q_loss = self.q_loss(obs, chunks, targets);
        self.critic = self.critic_adam.step(self.critic.clone(), &q_loss);
        self.target = params::polyak(self.target.clone(), &self.critic, self.config.target_rate);
        self.step += 1;
        Losses {
            value: value_loss.inner(),
            q: q_loss.inner(),
            mean_value,
        }
    }

    /// L_V and the mean value, on normalized rows.
    fn value_loss(&self, obs: Tensor<2>, chunks: Tensor<2>) -> (Tensor<1>, Tensor<1>) {
        let q = self
            .target
            .score(obs.clone().inner(), chunks.inner())
            .unsqueeze_dim::<2>(1);
        let v = self.value.forward_one(obs);
        let u = q - v.clone();
        // Expectile regression (eq. 5): weight tau where u >= 0, 1 - tau below, constant for the
        // gradient.
        let weight = u.clone().inner().lower_elem(0.0).float()
            * (1.0 - 2.0 * self.config.expectile)
            + self.config.expectile;
        ((weight * u.square()).mean(), v.inner().mean())
    }

    /// L_Q against fixed targets `[batch, 1]`, on normalized rows.
    fn q_loss(&self, obs: Tensor<2>, chunks: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
        let error = self.critic.all(obs, chunks) - targets.transpose();
        // The mean over critics times their number: each learns as if it were alone.
        error.square().mean().mul_scalar(self.config.critics as f64)
    }

    /// Updates done.
    pub(crate) fn steps_done(&self) -> usize {
        self.step
    }

    /// The critics as they are now, without gradients.
    pub fn critic(&self) -> Critic {
        self.critic.valid()
    }

    /// The critics that choose among proposals, without gradients.
    pub fn chooser(&self) -> Critic {
        match self.config.chooser {
            Chooser::Online => self.critic(),
            Chooser::Target => self.target.clone(),
        }
    }

    /// V at normalized observations `[batch, obs]`: `[batch, 1]`.
    pub fn values(&self, obs: Tensor<2>) -> Tensor<2> {
        self.value.valid().forward_one(obs.inner())
    }

    /// Writes the whole state into the archive.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        archive.put("iql/step", &self.step)?;
        self.critic.save("iql/critic", archive).await?;
        self.target.save("iql/target", archive).await?;
        params::save(&self.value, "iql/value", archive).await?;
        self.critic_adam.save("iql/critic-adam", archive).await?;
        self.value_adam.save("iql/value-adam", archive).await
    }

    /// Restores what [`Iql::save`] wrote with the same settings.
    pub(crate) fn load(
        config: BestOfNConfig,
        obs: usize,
        chunk: usize,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let mut iql = Self::new(config, obs, chunk, &mut Rng::new(0, "unused", 0), device);
        let adam = AdamConfig {
            lr: iql.config.lr,
            clip_norm: None,
        };
        iql.step = archive.get("iql/step")?;
        iql.critic = params::load(iql.critic, "iql/critic", archive)?;
        iql.target = params::load(iql.target, "iql/target", archive)?;
        iql.value = params::load(iql.value, "iql/value", archive)?;
        iql.critic_adam = Adam::load(adam, "iql/critic-adam", archive, &iql.critic)?;
        iql.value_adam = Adam::load(adam, "iql/value-adam", archive, &iql.value)?;
        Ok(iql)
    }
}

fn sizes(input: usize, config: &BestOfNConfig) -> Vec<usize> {
    let hidden = std::iter::repeat_n(config.hidden, config.layers);
    std::iter::once(input)
        .chain(hidden)
        .chain(std::iter::once(1))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::gradient_check::worst_error;
    use crate::settings::Preset;

    fn learner(expectile: f64) -> (Iql, Tensor<2>, Tensor<2>, Tensor<2>) {
        let device = Device::flex().autodiff();
        let mut rng = Rng::new(8, "test", 0);
        let config = BestOfNConfig {
            hidden: 6,
            layers: 2,
            critics: 2,
            expectile,
            ..BestOfNConfig::preset(Preset::Tiny)
        };
        let iql = Iql::new(config, 3, 2, &mut rng, device.clone());
        let mut rows = |width| nn::matrix(rng.normals(16 * width), width, &device);
        let obs = rows(3);
        let chunks = rows(2);
        let targets = rows(1).inner();
        (iql, obs, chunks, targets)
    }

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
        pollster::block_on(nn::read(tensor))
            .unwrap()
            .into_iter()
            .map(f64::from)
            .collect()
    }

    /// The gradient of the value's expectile loss is right on both sides of its kink, and no
    /// gradient reaches Q.
    #[test]
    fn the_value_loss_has_the_right_gradient() {
        let (mut iql, obs, chunks, _) = learner(0.8);
        let error = worst_error(&iql.value.clone(), |value| {
            iql.value = value.clone();
            iql.value_loss(obs.clone(), chunks.clone()).0
        });
        assert!(error < 1e-2, "{error}");
    }

    /// The value loss is |expectile - 1(u < 0)| u^2 with the smaller of the two target critics.
    #[test]
    fn the_value_loss_is_the_expectile_of_the_smaller_critic() {
        let (iql, obs, chunks, _) = learner(0.8);
        let q = read(iql.target.all(obs.clone().inner(), chunks.clone().inner()));
        let v = read(iql.values(obs.clone()));
        let terms: Vec<f64> = (0..16)
            .map(|i| q[i].min(q[16 + i]) - v[i])
            .map(|u| if u < 0.0 { 0.2 * u * u } else { 0.8 * u * u })
            .collect();
        let loss = read(iql.value_loss(obs, chunks).0.inner())[0];
        assert!((loss - terms.iter().sum::<f64>() / 16.0).abs() < 1e-6);
    }

    /// Proposals are judged by the critics that the settings name: after updates the slow copies
    /// are not yet where the learning ones are.
    #[test]
    fn the_named_critics_choose() {
        let (mut iql, obs, chunks, targets) = learner(0.5);
        let loss = iql.q_loss(obs.clone(), chunks.clone(), targets);
        iql.critic = iql.critic_adam.step(iql.critic.clone(), &loss);
        let score =
            |critic: Critic| read(critic.score(obs.clone().inner(), chunks.clone().inner()));
        let [online, target] = [Chooser::Online, Chooser::Target].map(|chooser| {
            iql.config.chooser = chooser;
            score(iql.chooser())
        });
        assert_eq!(online, score(iql.critic()));
        assert_eq!(target, score(iql.target.clone()));
        assert_ne!(online, target);
    }

    /// The gradient of the critics' loss is right, and the loss is the sum of both mean squared
    /// errors.
    #[test]
    fn the_q_loss_has_the_right_gradient() {
        let (mut iql, obs, chunks, targets) = learner(0.5);
        let q = read(
            iql.critic()
                .all(obs.clone().inner(), chunks.clone().inner()),
        );
        let y = read(targets.clone());
        let expected = (0..32).map(|i| (q[i] - y[i % 16]).powi(2)).sum::<f64>() / 16.0;
        let loss = read(
            iql.q_loss(obs.clone(), chunks.clone(), targets.clone())
                .inner(),
        )[0];
        assert!(
            (loss - expected).abs() < 1e-5 * expected,
            "{loss} {expected}"
        );
        let error = worst_error(&iql.critic.clone(), |critic| {
            iql.critic = critic.clone();
            iql.q_loss(obs.clone(), chunks.clone(), targets.clone())
        });
        assert!(error < 1e-2, "{error}");
    }
}
