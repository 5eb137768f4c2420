//! One update of world model, policy prior and target networks on sub-sequences of H decisions
//! (TD-MPC2, eq. 3 and 4, `tdmpc2.py`: `_update`, `update_pi`; MoDem, `algorithm/tdmpc.py`:
//! `update`, `update_pi`).
//!
//! With z_0 = h(o_0), z_t+1 = d(z_t, a_t), z'_t = h(o_t), and a' drawn by the prior at z'_t+1:
//!
//! ```text
//! y_t = r_t + gamma (1 - done_t) min Qtarget(z'_t+1, a')
//! L   = 1/H sum_t rho^t [c_z |z_t+1 - target_t+1|^2
//!                        + c_r E(R(z_t, a_t), r_t) + c_q E(Q(z_t, a_t), y_t)]
//! L_pi = - sum_t rho^t Q(z_t, pi(z_t))                     td-mpc
//! L_pi = - mean_t rho^t [Q(z_t, a) / S + 1e-4 entropy]     td-mpc2
//! ```
//!
//! The L_pi of td-mpc takes the lesser of two critics as Q and sums over t = 0 .. H; that of
//! td-mpc2 takes the mean of two, and S is the range of Q. E is a square with td-mpc and a cross
//! entropy with td-mpc2 (divided by the number of critics). The consistency's target is h's slow
//! copy with td-mpc, h itself without gradient with td-mpc2.

use super::agent::observations;
use super::config::{Backbone, Coefficients, RHO, TdMpcConfig};
use super::model::{ImageEncoder, Prior, WorldModel, acting};
use super::planner::ranks;
use crate::data::{Archive, SequenceBatch};
use crate::nn::{self, Adam, AdamConfig, Mlp, Observations, params};
use crate::obs::ImageSpec;
use crate::policy::Sizes;
use crate::rl::draw_subset;
use crate::rng::Rng;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use std::ops::Range;

/// Weight of the prior's entropy (TD-MPC2, `entropy_coef`).
const ENTROPY: f64 = 1e-4;
/// Rate of the moving average of the values' range (TD-MPC2, `common/scale.py`).
const RANGE_RATE: f64 = 0.01;
/// Upper bound of each part of a sub-sequence's loss (MoDem).
const LARGEST_LOSS: f64 = 1e4;

/// World model, prior, targets and their optimizers.
pub struct Learner {
    /// The world model.
    pub world: WorldModel,
    /// The policy in its latent space.
    pub prior: Prior,
    /// Target networks: the critics, and with td-mpc the encoder.
    target: WorldModel,
    /// S: moving average of the range between the 5th and the 95th percentile of the values
    /// (td-mpc2). `[1]`.
    range: Tensor<1>,
    optimizers: Optimizers,
    updates: usize,
    config: TdMpcConfig,
    sizes: Sizes,
    device: Device,
}

struct Optimizers {
    world: Adam,
    prior: Adam,
    clone: Adam,
}

/// The modules that behavioral cloning trains.
#[derive(Module, Debug)]
struct Cloned {
    encoder: Mlp,
    encoder_of_pictures: Vec<ImageEncoder>,
    prior: Prior,
}

/// The random numbers of one update.
#[derive(Debug, Clone)]
pub struct UpdateNoise {
    /// For the actions of the TD targets: H x B x act.
    pub targets: Vec<f32>,
    /// The two target critics of the TD targets.
    pub target_critics: [usize; 2],
    /// For the prior's actions: (H+1) x B x act.
    pub prior: Vec<f32>,
    /// The two critics of the prior's loss.
    pub prior_critics: [usize; 2],
    /// Dropout factors of the learning critics' first hidden layer: K x H x B x hidden; empty
    /// without dropout.
    pub dropout_mask: Vec<f32>,
    /// Dropout factors of the critics in the prior's loss: 2 x (H+1) x B x hidden.
    pub prior_dropout_mask: Vec<f32>,
}

impl UpdateNoise {
    /// Draws the noise of one update on `batch` sub-sequences.
    pub fn draw(config: &TdMpcConfig, act: usize, batch: usize, rng: &mut Rng) -> Self {
        // Two different critics: the second is drawn among the others.
        let pair = |rng: &mut Rng| {
            let sample = draw_subset(config.critics, 2, rng);
            [sample[0], sample[1]]
        };
        let TdMpcConfig {
            horizon,
            critics,
            hidden,
            dropout,
            ..
        } = *config;
        Self {
            targets: rng.normals(horizon * batch * act),
            target_critics: pair(rng),
            prior: rng.normals((horizon + 1) * batch * act),
            prior_critics: pair(rng),
            dropout_mask: dropout_mask(critics * horizon * batch * hidden, dropout, rng),
            prior_dropout_mask: dropout_mask(2 * (horizon + 1) * batch * hidden, dropout, rng),
        }
    }
}

/// `count` dropout factors: 0 with probability `share`, else 1 / (1 - `share`), which keeps their
/// mean at 1; empty where `share` is 0. PriorSample are the gaps between zeros, which are
/// geometrically distributed: one draw per dropped unit.
fn dropout_mask(count: usize, share: f64, rng: &mut Rng) -> Vec<f32> {
    if share == 0.0 {
        return Vec::new();
    }
    let mut factors = vec![(1.0 / (1.0 - share)) as f32; count];
    let others = |rng: &mut Rng| (libm::log(1.0 - rng.uniform()) / libm::log1p(-share)) as usize;
    let mut at = others(rng);
    while at < count {
        factors[at] = 0.0;
        at = others(rng).saturating_add(at + 1);
    }
    factors
}

/// Metrics of one update, still on the device.
pub struct Losses {
    /// Consistency loss, weighted by rho^t, per decision.
    pub consistency: Tensor<1>,
    /// Reward loss.
    pub reward: Tensor<1>,
    /// Value loss.
    pub value: Tensor<1>,
    /// Their weighted sum, which the world model minimizes.
    pub total: Tensor<1>,
    /// Norm of the gradients before clipping.
    pub gradient: Tensor<1>,
    /// The prior's loss.
    pub prior: Tensor<1>,
    /// Norm of the prior's gradients before clipping.
    pub prior_gradient: Tensor<1>,
    /// The prior's entropy; 0 with td-mpc.
    pub entropy: Tensor<1>,
    /// The prior's entropy as its loss has it, scaled by the action's dimensions.
    pub scaled_entropy: Tensor<1>,
    /// S, the range of the values.
    pub range: Tensor<1>,
    /// Mean TD target.
    pub target: Tensor<1>,
    /// Absolute TD errors of each sub-sequence, for the replay's priorities: `[B]`.
    pub(crate) td_error: Tensor<1>,
}

/// A batch on the device, time-major.
struct Rows {
    /// Observations o_0, B rows, with gradients.
    first: Observations,
    /// Observations o_1 to o_H, H * B rows.
    next: Observations,
    /// Actions a_0 to a_H-1, `[B, act]` each.
    actions: Vec<Tensor<2>>,
    rewards: Tensor<1>,
    not_done: Tensor<1>,
    weights: Tensor<1>,
}

impl Learner {
    /// A fresh learner on an autodiff `device`, for observations and single actions of these sizes,
    /// and for these cameras.
    pub fn new(
        config: TdMpcConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        rng: &mut Rng,
        device: Device,
    ) -> Self {
        let world = WorldModel::new(&config, sizes, cameras, rng, &device);
        let prior = Prior::new(&config, sizes.act, rng, &device);
        let range = Tensor::ones([1], &device.clone().without_autodiff());
        Self {
            target: world.valid(),
            world,
            prior,
            range,
            optimizers: Optimizers::new(&config),
            updates: 0,
            config,
            sizes,
            device,
        }
    }

    /// Updates so far.
    pub fn updates(&self) -> usize {
        self.updates
    }

    /// One step of behavioral cloning of encoder and prior; gives the mean squared error.
    pub(crate) fn clone_step(&mut self, batch: &SequenceBatch) -> Tensor<1> {
        // Of pictures the first of each sub-sequence, as MoDem: encoding them is what takes time.
        // Numbers cost little, and all moments of them are cloned.
        let moments = match self.world.cameras.is_empty() {
            true => self.config.horizon,
            false => 1,
        };
        let rows = moments * batch.len();
        let obs = self.observations(batch, 0..rows).autodiff();
        let actions = batch.actions[..rows * self.sizes.act].to_vec();
        let actions = self.attached(actions, self.sizes.act);
        let WorldModel {
            encoder,
            encoder_of_pictures,
            ..
        } = self.world.clone();
        let clone = Cloned {
            encoder,
            encoder_of_pictures,
            prior: self.prior.clone(),
        };
        // MoDem, sec. 3, policy pretraining (`init_bc`): encoder and policy together predict the
        // demonstrated action. Only the mean is trained, also where the prior has a spread.
        let mean = clone.prior.mean(self.world.encode(obs));
        let loss = (mean - actions).square().mean();
        let clone = self.optimizers.clone.step(clone, &loss);
        self.world.encoder = clone.encoder;
        self.world.encoder_of_pictures = clone.encoder_of_pictures;
        self.prior = clone.prior;
        loss.inner()
    }

    /// Copies the cloned networks into the targets, so that TD-MPC's slow encoder begins as the
    /// cloned one.
    pub fn begin(&mut self) {
        self.target = self.world.valid();
    }

    /// One update of world model, prior and targets. The prior is cloned on the demonstrations of
    /// the batch, or on `cloned`, of which nothing else is learned.
    pub fn step(
        &mut self,
        batch: &SequenceBatch,
        cloned: Option<&SequenceBatch>,
        noise: &UpdateNoise,
    ) -> Losses {
        let rows = self.rows(batch);
        // Predicted before the update, as those of the batch are.
        let cloned = cloned.filter(|demos| !demos.is_empty()).map(|demos| {
            let actions = self.actions(demos);
            (self.predicted_states(demos, &actions), actions, demos.len())
        });
        // TD targets and target latent states are constants: no gradient passes through them.
        let frozen = self.world.valid();
        let next = frozen.encode(rows.next.clone());
        let targets = self.targets(&rows, next.clone(), noise);
        // Targets of the consistency: the slow encoder's in TD-MPC; TD-MPC2 has no slow encoder and
        // stops the gradient of the learning one.
        let latent_targets = if self.config.backbone == Backbone::TdMpc {
            self.target.encode(rows.next.clone())
        } else {
            next
        };

        let ModelLosses {
            total,
            consistency,
            reward,
            value,
            td_error,
            states,
        } = self.model_losses(&rows, targets.clone(), latent_targets, noise);
        self.world = self.optimizers.world.step(self.world.clone(), &total);

        // The prior learns at the predicted latent states, as constants, from the critics just
        // updated.
        let PriorValues {
            values,
            entropy,
            scaled_entropy,
        } = self.prior_values(states.clone(), noise);
        if self.config.backbone == Backbone::TdMpc2 {
            // S is measured at the first latent states only (`update_pi`: `qs[0]`).
            self.update_value_range(values.clone().inner().narrow(0, 0, batch.len()));
        }
        let mut loss = self.prior_loss(values, scaled_entropy.clone());
        // Ours, after TD3+BC: where critics know nothing yet, the prior stays with the
        // demonstrations.
        let demos = cloned.unwrap_or((states, rows.actions, batch.n_demos));
        let (states, actions, n_demos) = demos;
        if self.config.prior_cloning > 0.0 && n_demos > 0 {
            loss = loss + self.cloning_loss(states, actions, n_demos) * self.config.prior_cloning;
        }
        self.prior = self.optimizers.prior.step(self.prior.clone(), &loss);
        self.update_targets();
        let none = || Tensor::zeros([1], &self.range.device());
        Losses {
            consistency,
            reward,
            value,
            total: total.inner(),
            gradient: self.optimizers.world.gradient_norm().unwrap_or_else(none),
            prior: loss.inner(),
            prior_gradient: self.optimizers.prior.gradient_norm().unwrap_or_else(none),
            entropy: entropy.inner().mean(),
            scaled_entropy: scaled_entropy.inner().mean(),
            range: self.range.clone(),
            target: targets.mean(),
            td_error,
        }
    }

    fn rows(&self, batch: &SequenceBatch) -> Rows {
        let size = batch.len();
        let first = self.observations(batch, 0..size).autodiff();
        let next = self.observations(batch, size..batch.obs.len());
        let actions = self.actions(batch);
        let not_done = batch.done.iter().map(|done| 1.0 - done).collect();
        let column = |values: Vec<f32>| self.detached(values, 1).squeeze_dim(1);
        Rows {
            first,
            next,
            actions,
            rewards: column(batch.rewards.clone()),
            not_done: column(not_done),
            weights: column(batch.weights.clone()).autodiff(),
        }
    }

    /// A batch's actions a_0 to a_H-1, `[B, act]` each.
    fn actions(&self, batch: &SequenceBatch) -> Vec<Tensor<2>> {
        let act = self.sizes.act;
        let moments = batch.actions.chunks(batch.len() * act);
        moments
            .map(|rows| self.attached(rows.to_vec(), act))
            .collect()
    }

    /// Rows `rows` of a batch's observations, which are time-major.
    fn observations(&self, batch: &SequenceBatch, rows: Range<usize>) -> Observations {
        let obs = batch.obs.slice(rows.clone());
        observations(&obs, &batch.ended[rows], &self.world.cameras, &self.device)
    }

    /// TD targets y: `[H * B]`.
    fn targets(&self, rows: &Rows, next: Tensor<2>, noise: &UpdateNoise) -> Tensor<1> {
        let action = self
            .prior
            .valid()
            .draw(
                next.clone(),
                self.detached(noise.targets.clone(), self.sizes.act),
            )
            .action;
        let q_outputs = self
            .target
            .critics
            .select(&noise.target_critics)
            .forward_shared(acting(next, action));
        // Clipped double Q: TD-MPC has two critics, TD-MPC2 draws two of five (`Q`,
        // `return_type="min"`).
        let value = self
            .target
            .numbers(q_outputs)
            .min_dim(0)
            .squeeze_dim::<1>(0);
        rows.rewards.clone() + rows.not_done.clone() * value * self.config.gamma
    }

    /// The world model's loss (TD-MPC2, eq. 3) for TD targets `[H * B]` and target latent states
    /// `[H * B, latent]`.
    fn model_losses(
        &self,
        rows: &Rows,
        targets: Tensor<1>,
        latent_targets: Tensor<2>,
        noise: &UpdateNoise,
    ) -> ModelLosses {
        let horizon = rows.actions.len();
        let batch = rows.weights.dims()[0];
        let Coefficients {
            consistency,
            reward,
            value,
            ..
        } = self.config.backbone.coefficients();
        // Latent rollout: only o_0 is encoded with gradients, then z_t+1 = d(z_t, a_t).
        let mut states = vec![self.world.encode(rows.first.clone())];
        let mut latent_actions = Vec::new();
        for action in &rows.actions {
            let both = acting(states[states.len() - 1].clone(), action.clone());
            states.push(self.world.next(both.clone()));
            latent_actions.push(both);
        }
        // All H decisions as one batch: one pass per head.
        let latent_actions = Tensor::cat(latent_actions, 0);
        // Consistency: mean over the latent's dimensions of |z_t+1 - target|^2.
        let latents = Tensor::cat(states[1..].to_vec(), 0) - latent_targets.autodiff();
        let latents = latents.square().mean_dim(1).squeeze_dim::<1>(1);
        let rewards = self.world.errors(
            self.world
                .reward
                .forward(latent_actions.clone().unsqueeze_dim(0)),
            rows.rewards.clone().autodiff(),
        );
        let q_outputs = self.world.critics.forward_shared_with_dropout(
            latent_actions,
            self.factors(&noise.dropout_mask, self.config.critics),
        );
        // TD errors of every critic, for the replay's priorities.
        let td_error = self.world.numbers(q_outputs.clone().detach().inner())
            - targets.clone().unsqueeze_dim(0);
        let values = self.world.errors(q_outputs, targets.autodiff());

        let over_time = |errors: Tensor<1>| self.over_time(errors, [horizon, batch]);
        let sum = |errors: Tensor<2>| errors.sum_dim(0).squeeze_dim::<1>(0);
        // TD-MPC2 averages over its critics, TD-MPC adds them up.
        let share = if self.config.backbone == Backbone::TdMpc2 {
            1.0 / self.config.critics as f64
        } else {
            1.0
        };
        let parts = [
            over_time(latents),
            over_time(sum(rewards)),
            over_time(sum(values)).mul_scalar(share),
        ];
        // A part beyond MoDem's bound has no gradient: one broken sub-sequence cannot throw the
        // model off.
        let [a, b, c] = parts.clone().map(|part| {
            if self.config.backbone == Backbone::TdMpc {
                part.clamp_max(LARGEST_LOSS)
            } else {
                part
            }
        });
        let weighted = a * consistency + b * reward + c * value;
        // Importance weights of prioritized replay, 1 without. MoDem scales the gradient by 1 / H,
        // TD-MPC2 the loss.
        let total = (weighted * rows.weights.clone())
            .mean()
            .div_scalar(horizon as f64);
        let [consistency, reward, value] =
            parts.map(|part| part.inner().mean().div_scalar(horizon as f64));
        let states = Tensor::cat(states, 0).inner();
        // MoDem's priority: sum_t rho^t |Q - y|, bounded as the losses are.
        let td_error = over_time(sum(td_error.abs()).autodiff())
            .inner()
            .clamp_max(LARGEST_LOSS);
        ModelLosses {
            total,
            consistency,
            reward,
            value,
            td_error,
            states,
        }
    }

    /// sum_t rho^t of errors `[H * B]`: `[B]`.
    fn over_time(&self, errors: Tensor<1>, shape: [usize; 2]) -> Tensor<1> {
        (errors.reshape(shape) * self.discounts(shape[0]).autodiff())
            .sum_dim(0)
            .squeeze_dim(0)
    }

    /// rho^t, as a column.
    fn discounts(&self, moments: usize) -> Tensor<2> {
        self.detached(
            (0..moments)
                .map(|t| libm::pow(RHO, t as f64) as f32)
                .collect(),
            1,
        )
    }

    /// Values and entropies of the prior's actions at latent states `[(H+1) * B, latent]`.
    fn prior_values(&self, states: Tensor<2>, noise: &UpdateNoise) -> PriorValues {
        let states = states.autodiff();
        let sample = self.prior.draw(
            states.clone(),
            self.attached(noise.prior.clone(), self.sizes.act),
        );
        let critics = self.world.critics.select(&noise.prior_critics);
        let q_outputs = critics.forward_shared_with_dropout(
            acting(states, sample.action),
            self.factors(&noise.prior_dropout_mask, 2),
        );
        let numbers = self.world.numbers(q_outputs);
        // TD-MPC maximizes the lesser of its two critics, TD-MPC2 the mean of two drawn ones.
        let values = match self.config.backbone {
            Backbone::TdMpc => numbers.min_dim(0),
            Backbone::TdMpc2 => numbers.mean_dim(0),
        };
        PriorValues {
            values: values.squeeze_dim(0),
            entropy: sample.entropy,
            scaled_entropy: sample.scaled_entropy,
        }
    }

    /// Dropout factors as a tensor `[critics, rows, hidden]`; none without dropout.
    fn factors(&self, dropout_mask: &[f32], critics: usize) -> Option<Tensor<3>> {
        let hidden = self.config.hidden;
        let shape = [critics, dropout_mask.len() / critics / hidden, hidden];
        let inner_device = self.device.clone().without_autodiff();
        (!dropout_mask.is_empty())
            .then(|| nn::upload(dropout_mask.to_vec(), shape, &inner_device).autodiff())
    }

    /// The prior's loss (TD-MPC2, eq. 4), from the values of its actions and their entropy.
    fn prior_loss(&self, values: Tensor<1>, scaled_entropy: Tensor<1>) -> Tensor<1> {
        let moments = self.config.horizon + 1;
        let shape = [moments, values.dims()[0] / moments];
        match self.config.backbone {
            Backbone::TdMpc => self.over_time(values, shape).mean().neg(),
            Backbone::TdMpc2 => {
                // Q / S, so that one weight of the entropy fits rewards of any size.
                let good = values / self.range.clone().autodiff() + scaled_entropy * ENTROPY;
                self.over_time(good, shape)
                    .mean()
                    .neg()
                    .div_scalar(moments as f64)
            }
        }
    }

    /// z_0 to z_H-1 as the world model predicts them from o_0, without gradients:
    /// `[H * B, latent]`.
    fn predicted_states(&self, batch: &SequenceBatch, actions: &[Tensor<2>]) -> Tensor<2> {
        let world = self.world.valid();
        let first = self.observations(batch, 0..batch.len());
        let mut states = vec![world.encode(first)];
        for action in &actions[..actions.len() - 1] {
            let both = acting(states[states.len() - 1].clone(), action.clone().inner());
            states.push(world.next(both));
        }
        Tensor::cat(states, 0)
    }

    /// Mean squared error of the prior's mean against the actions of the first `n_demos`
    /// sub-sequences, weighted by rho^t as its loss.
    fn cloning_loss(
        &self,
        states: Tensor<2>,
        actions: Vec<Tensor<2>>,
        n_demos: usize,
    ) -> Tensor<1> {
        let moments = actions.len();
        let batch = actions[0].dims()[0];
        // Demonstrations come first in a batch. z_H is left out: no action was demonstrated there.
        let first = |t: usize| states.clone().narrow(0, t * batch, n_demos);
        let states = Tensor::cat((0..moments).map(first).collect(), 0);
        let actions = Tensor::cat(
            actions
                .into_iter()
                .map(|rows| rows.narrow(0, 0, n_demos))
                .collect(),
            0,
        );
        let errors = (self.prior.mean(states.autodiff()) - actions)
            .square()
            .mean_dim(1)
            .squeeze_dim::<1>(1);
        self.over_time(errors, [moments, n_demos])
            .mean()
            .div_scalar(moments as f64)
    }

    /// Moves S towards the range between the 5th and the 95th percentile of `values`.
    fn update_value_range(&mut self, values: Tensor<1>) {
        let [n] = values.dims();
        let order = ranks(values.clone().unsqueeze_dim(0)).squeeze_dim::<1>(0);
        // A value by its place in the order, as a sum over a one-hot row: nothing is sorted or read
        // back.
        let at = |place: usize| {
            (order.clone().equal_elem((n - 1 - place) as f64).float() * values.clone()).sum()
        };
        // Linear between neighbors, as `RunningScale._percentile`.
        let percentile = |share: f64| {
            let position = share * (n - 1) as f64;
            let below = position.floor() as usize;
            let part = position.fract();
            at(below) * (1.0 - part) + at((below + 1).min(n - 1)) * part
        };
        // At least 1: small values are not blown up.
        let now = (percentile(0.95) - percentile(0.05)).clamp_min(1.0);
        self.range = self.range.clone() * (1.0 - RANGE_RATE) + now * RANGE_RATE;
    }

    /// Polyak step of the target networks, every `target_every` updates.
    fn update_targets(&mut self) {
        let tau = self.config.target_rate;
        let Coefficients { target_every, .. } = self.config.backbone.coefficients();
        if self.updates.is_multiple_of(target_every) {
            self.target.critics =
                params::polyak(self.target.critics.clone(), &self.world.critics, tau);
            if self.config.backbone == Backbone::TdMpc {
                self.target.encoder =
                    params::polyak(self.target.encoder.clone(), &self.world.encoder, tau);
                let sights = std::mem::take(&mut self.target.encoder_of_pictures);
                self.target.encoder_of_pictures =
                    params::polyak(sights, &self.world.encoder_of_pictures, tau);
            }
        }
        self.updates += 1;
    }

    /// A constant of rows of `width` numbers.
    fn detached(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        nn::matrix(values, width, &self.device.clone().without_autodiff())
    }

    /// The same with gradients.
    fn attached(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        self.detached(values, width).autodiff()
    }

    /// Writes the whole state into the archive under `td_mpc/`.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        params::save(&self.world, "td_mpc/world", archive).await?;
        params::save(&self.prior, "td_mpc/prior", archive).await?;
        params::save(&self.target, "td_mpc/target", archive).await?;
        archive.put_f32("td_mpc/range", &[1], nn::read(self.range.clone()).await?);
        archive.put("td_mpc/updates", &self.updates)?;
        for (name, adam) in [
            ("world", &self.optimizers.world),
            ("prior", &self.optimizers.prior),
            ("clone", &self.optimizers.clone),
        ] {
            adam.save(&format!("td_mpc/adam/{name}"), archive).await?;
        }
        Ok(())
    }

    /// Restores what [`Learner::save`] wrote under the same settings and for the same cameras.
    pub fn load(
        config: TdMpcConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let mut learner = Self::new(
            config,
            sizes,
            cameras,
            &mut Rng::new(0, "unused", 0),
            device,
        );
        learner.world = params::load(learner.world, "td_mpc/world", archive)?;
        learner.prior = params::load(learner.prior, "td_mpc/prior", archive)?;
        learner.target = params::load(learner.target, "td_mpc/target", archive)?;
        let (shape, range) = archive.get_f32("td_mpc/range")?;
        if shape != [1] {
            return Err(Error::input(
                "the checkpoint's td_mpc/range is not one number: use an undamaged checkpoint",
            ));
        }
        learner.range = Tensor::from_data(
            TensorData::new(range.to_vec(), [1]),
            &learner.range.device(),
        );
        learner.updates = archive.get("td_mpc/updates")?;
        learner.optimizers = Optimizers::load(&learner, archive)?;
        Ok(learner)
    }
}

/// Values and entropies of the prior's actions, each `[(H+1) * B]`.
struct PriorValues {
    values: Tensor<1>,
    entropy: Tensor<1>,
    scaled_entropy: Tensor<1>,
}

/// The world model's loss and its parts.
struct ModelLosses {
    total: Tensor<1>,
    consistency: Tensor<1>,
    reward: Tensor<1>,
    value: Tensor<1>,
    td_error: Tensor<1>,
    /// z_0 to z_H: `[(H+1) * B, latent]`.
    states: Tensor<2>,
}

impl Optimizers {
    fn new(config: &TdMpcConfig) -> Self {
        let adam = |settings| Adam::new(settings);
        let [world, prior, clone] = Self::settings(config).map(adam);
        Self::with_references(config, [world, prior, clone])
    }

    fn settings(config: &TdMpcConfig) -> [AdamConfig; 3] {
        [AdamConfig {
            lr: config.lr,
            clip_norm: Some(config.backbone.coefficients().clip),
        }; 3]
    }

    fn with_references(config: &TdMpcConfig, [world, prior, clone]: [Adam; 3]) -> Self {
        let Coefficients {
            encoder_rate,
            prior_epsilon,
            ..
        } = config.backbone.coefficients();
        Self {
            world: world.with_rate("encoder", encoder_rate),
            prior: prior.with_epsilon(prior_epsilon),
            clone,
        }
    }

    fn load(learner: &Learner, archive: &Archive) -> Result<Self> {
        let [world, prior, clone] = Self::settings(&learner.config);
        let WorldModel {
            encoder,
            encoder_of_pictures,
            ..
        } = learner.world.clone();
        let cloned = Cloned {
            encoder,
            encoder_of_pictures,
            prior: learner.prior.clone(),
        };
        let optimizers = [
            Adam::load(world, "td_mpc/adam/world", archive, &learner.world)?,
            Adam::load(prior, "td_mpc/adam/prior", archive, &learner.prior)?,
            Adam::load(clone, "td_mpc/adam/clone", archive, &cloned)?,
        ];
        Ok(Self::with_references(&learner.config, optimizers))
    }
}

#[cfg(test)]
mod tests;
