//! The planner: model-predictive path integral control with policy trajectories (TD-MPC2,
//! `tdmpc2.py`, `_plan`; MoDem, `plan`), for many environments at once.
//!
//! ```text
//! mean = the previous plan moved on by one decision, std = 2
//! repeat: N action sequences: those that policies propose, and mean + std e, clipped to ±1
//!         value = sum_t gamma^t R(z_t, a_t) + gamma^H Q(z_H, pi(z_H))
//!         of the best (elites): weights = softmax(value / 2), mean and std weighted by them
//! act: the first action of an elite drawn by its weight, and noise of that std in practice
//! ```
//!
//! Everything stays on the device: elites are told by counting how many samples are better, without
//! sorting.

use super::config::{Backbone, TEMPERATURE, TdMpcConfig};
use super::model::{Prior, WorldModel, acting};
use burn::tensor::{Device, Tensor, TensorData};

/// What a plan is made with: world model and prior without gradients, and how long it looks ahead.
pub struct Planner<'a> {
    /// The world model.
    pub world: &'a WorldModel,
    /// The policy in its latent space.
    pub prior: &'a Prior,
    /// Samples, elites, rounds.
    pub config: &'a TdMpcConfig,
    /// Decisions that the plan looks ahead.
    pub horizon: usize,
}

/// Every random number of a plan for E environments; rows are those of one environment after the
/// other.
#[derive(Debug, Clone)]
pub struct Noise {
    /// For the prior's proposals, per decision ahead: E x P x act.
    pub proposals: Vec<Vec<f32>>,
    /// Per round.
    pub rounds: Vec<Round>,
    /// Draws the elite: E x N numbers of a Gumbel distribution; none: the best one acts.
    pub draw: Option<Vec<f32>>,
    /// Added to the action in units of the plan's std: E x act; none: nothing is.
    pub exploration: Option<Vec<f32>>,
}

/// The random numbers of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// For the samples: E x (N - P) x horizon x act.
    pub samples: Vec<f32>,
    /// For the prior's action at the end: E x N x act.
    pub last: Vec<f32>,
    /// The two critics that judge, for each environment.
    pub critics: Vec<[usize; 2]>,
}

/// A plan for each of E environments.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What to do now: `[E, act]`, within ±1.
    pub action: Tensor<2>,
    /// Where the next plan begins: `[E, horizon * act]`.
    pub mean: Tensor<2>,
    /// The sequence whose first action is done: `[E, horizon * act]`.
    pub chosen: Tensor<2>,
    /// 1 where a policy proposed it: `[E]`.
    pub from_policy: Tensor<1>,
}

impl Planner<'_> {
    /// Plans from latent states `z` `[E, latent]`. `start` `[E, horizon * act]` is the mean at the
    /// beginning; `given` are proposals `[E, P', horizon * act]` beside the prior's, whose number
    /// is what the noise is for.
    pub fn plan(
        &self,
        z: Tensor<2>,
        start: Tensor<2>,
        given: Option<Tensor<3>>,
        noise: &Noise,
    ) -> Plan {
        let ([envs, _], device) = (z.dims(), z.device());
        let width = start.dims()[1];
        let proposed = self.proposals(&z, given, &noise.proposals);
        let policies = proposed.as_ref().map_or(0, |proposed| proposed.dims()[1]);
        let sampled = self.config.samples - policies;
        let starts = repeat(z, self.config.samples);
        let (mut mean, mut std) = (
            start.clone(),
            Tensor::full([envs, width], self.config.max_std, &device),
        );
        // What the first samples are around: the mean, or one proposal after the other.
        let mut centers = match proposed.as_ref().filter(|_| self.config.around_proposals) {
            Some(proposed) => proposed
                .clone()
                .repeat_dim(1, sampled.div_ceil(policies))
                .narrow(1, 0, sampled),
            None => mean.clone().unsqueeze_dim(1),
        };
        let mut best = None;
        for round in &noise.rounds {
            let e = Tensor::<3>::from_data(
                TensorData::new(round.samples.clone(), [envs, sampled, width]),
                &device,
            );
            let samples = (centers + std.clone().unsqueeze_dim(1) * e).clamp(-1.0, 1.0);
            let actions = match &proposed {
                Some(proposed) => Tensor::cat(self.in_order(proposed.clone(), samples), 1),
                None => samples,
            };
            let values = self.values(starts.clone(), &actions, round);
            let (weights, elite) = self.weights(values);
            (mean, std) = self.moments(&actions, &weights, mean);
            centers = mean.clone().unsqueeze_dim(1);
            best = Some((actions, weights, elite));
        }
        let (actions, weights, elite) =
            best.expect("a plan has at least one round: the configuration is checked");
        self.act((actions, weights, elite), policies, (mean, std), noise)
    }

    /// The prior's proposals, and those that are given: `[E, P, horizon * act]`.
    fn proposals(
        &self,
        z: &Tensor<2>,
        given: Option<Tensor<3>>,
        noise: &[Vec<f32>],
    ) -> Option<Tensor<3>> {
        let ([envs, _], act) = (z.dims(), self.prior.act());
        let count = noise.first().map_or(0, Vec::len) / envs / act;
        if count == 0 {
            return given;
        }
        let mut actions: Vec<Tensor<2>> = Vec::new();
        let mut at = repeat(z.clone(), count);
        for (t, rows) in noise.iter().enumerate() {
            let e = crate::nn::matrix(rows.clone(), act, &z.device());
            let action = self.prior.draw(at.clone(), e).action;
            if t + 1 < self.horizon {
                at = self.world.next(acting(at, action.clone()));
            }
            actions.push(action);
        }
        let own = Tensor::cat(actions, 1).reshape([envs, count, act * self.horizon]);
        Some(match given {
            Some(given) => Tensor::cat(vec![own, given], 1),
            None => own,
        })
    }

    /// TD-MPC2 has the policies' sequences first, TD-MPC its own samples: it matters where two are
    /// equally good.
    fn in_order(&self, proposed: Tensor<3>, samples: Tensor<3>) -> Vec<Tensor<3>> {
        match self.config.backbone {
            Backbone::TdMpc2 => vec![proposed, samples],
            Backbone::TdMpc => vec![samples, proposed],
        }
    }

    /// What each sequence is worth: `[E, N]`.
    fn values(&self, mut z: Tensor<2>, actions: &Tensor<3>, round: &Round) -> Tensor<2> {
        let ([envs, samples, width], device) = (actions.dims(), actions.device());
        let act = width / self.horizon;
        let (mut value, mut discount) = (Tensor::<1>::zeros([envs * samples], &device), 1.0);
        for t in 0..self.horizon {
            let both = acting(
                z,
                actions
                    .clone()
                    .narrow(2, t * act, act)
                    .reshape([envs * samples, act]),
            );
            value = value + self.world.rewards(both.clone()).mul_scalar(discount);
            z = self.world.next(both);
            discount *= self.config.gamma;
        }
        let last = self
            .prior
            .draw(
                z.clone(),
                crate::nn::matrix(round.last.clone(), act, &device),
            )
            .action;
        let later = self.judge(acting(z, last), &round.critics);
        let total =
            value.reshape([envs, samples]) + later.reshape([envs, samples]).mul_scalar(discount);
        let broken = total.clone().is_nan();
        total.mask_fill(broken, 0.0)
    }

    /// What two critics of each environment say of its rows: their mean, or the lesser with td-mpc.
    /// `[E * N]`.
    fn judge(&self, acting: Tensor<2>, critics: &[[usize; 2]]) -> Tensor<1> {
        let [rows, width] = acting.dims();
        let same = critics.iter().all(|pair| *pair == critics[0]);
        let outputs = if same {
            self.world
                .critics
                .select(&critics[0])
                .forward_shared(acting)
        } else {
            let (envs, own) = (critics.len(), rows / critics.len());
            let stack = acting
                .reshape([envs, 1, own, width])
                .expand([envs, 2, own, width])
                .reshape([2 * envs, own, width]);
            let judged = self.world.critics.select(&critics.concat()).forward(stack);
            let bins = judged.dims()[2];
            judged
                .reshape([envs, 2, own, bins])
                .swap_dims(0, 1)
                .reshape([2, rows, bins])
        };
        let numbers = self.world.numbers(outputs);
        match self.config.backbone {
            Backbone::TdMpc2 => numbers.mean_dim(0),
            Backbone::TdMpc => numbers.min_dim(0),
        }
        .squeeze_dim(0)
    }

    /// The weight of every sequence, 0 but for the elites, and 1 where it is one: both `[E, N]`.
    fn weights(&self, values: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let elite = ranks(values.clone())
            .lower_elem(self.config.elites as f64 - 0.5)
            .float();
        let most = values.clone().max_dim(1);
        let scores = ((values - most) * TEMPERATURE).exp() * elite.clone();
        let sum = scores.clone().sum_dim(1);
        (scores / sum, elite)
    }

    /// Mean and standard deviation of the weighted sequences.
    fn moments(
        &self,
        actions: &Tensor<3>,
        weights: &Tensor<2>,
        before: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let weights = weights.clone().unsqueeze_dim::<3>(2);
        let sum = weights.clone().sum_dim(1) + 1e-9;
        let mean = (weights.clone() * actions.clone()).sum_dim(1) / sum.clone();
        let variance = (weights * (actions.clone() - mean.clone()).square()).sum_dim(1) / sum;
        let std = variance
            .sqrt()
            .squeeze_dim(1)
            .clamp(self.config.min_std, self.config.max_std);
        let momentum = self.config.backbone.coefficients().momentum;
        let mean = mean.squeeze_dim(1);
        (
            if momentum > 0.0 {
                before * momentum + mean * (1.0 - momentum)
            } else {
                mean
            },
            std,
        )
    }

    fn act(
        &self,
        best: (Tensor<3>, Tensor<2>, Tensor<2>),
        policies: usize,
        moments: (Tensor<2>, Tensor<2>),
        noise: &Noise,
    ) -> Plan {
        let ((actions, weights, elite), (mean, std)) = (best, moments);
        let ([envs, samples, width], device) = (actions.dims(), actions.device());
        let act = width / self.horizon;
        // The largest of log(weight) + Gumbel noise is drawn by its weight.
        let mut chance = (weights + 1e-30).log() + (elite - 1.0) * 1e3;
        if let Some(draw) = &noise.draw {
            chance = chance + crate::nn::matrix(draw.clone(), samples, &device);
        }
        let taken = ranks(chance).lower_elem(0.5).float();
        let chosen = (taken.clone().unsqueeze_dim::<3>(2) * actions)
            .sum_dim(1)
            .squeeze_dim::<2>(1);
        let first_policy = if self.config.backbone == Backbone::TdMpc2 {
            0
        } else {
            samples - policies
        };
        let from_policy = taken
            .narrow(1, first_policy, policies.max(1))
            .sum_dim(1)
            .squeeze_dim::<1>(1);
        let mut action = chosen.clone().narrow(1, 0, act);
        if let Some(exploration) = &noise.exploration {
            action = action
                + std.narrow(1, 0, act) * crate::nn::matrix(exploration.clone(), act, &device);
        }
        let from_policy = if policies == 0 {
            Tensor::zeros([envs], &device)
        } else {
            from_policy
        };
        Plan {
            action: action.clamp(-1.0, 1.0),
            mean,
            chosen,
            from_policy,
        }
    }
}

/// How many numbers of its row are greater than each one, or equal and further left: `[E, N]`, 0
/// for the greatest.
pub fn ranks(values: Tensor<2>) -> Tensor<2> {
    let [rows, n] = values.dims();
    let (own, other) = (
        values.clone().unsqueeze_dim::<3>(2),
        values.unsqueeze_dim::<3>(1),
    );
    let (own, other) = (own.expand([rows, n, n]), other.expand([rows, n, n]));
    let earlier = earlier(n, &own.device())
        .unsqueeze_dim::<3>(0)
        .expand([rows, n, n]);
    let better = other.clone().greater(own.clone()).float() + other.equal(own).float() * earlier;
    better.sum_dim(2).squeeze_dim(2)
}

/// 1 where the column is before the row.
fn earlier(n: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..n * n)
        .map(|i| f32::from(u8::from(i % n < i / n)))
        .collect();
    crate::nn::matrix(values, n, device)
}

/// Every row `times` times in a row.
fn repeat(x: Tensor<2>, times: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    x.unsqueeze_dim::<3>(1)
        .expand([rows, times, width])
        .reshape([rows * times, width])
}

/// The mean at which a plan begins: what is left of the previous one, `[horizon * act]` or nothing
/// at the start of an episode, moved on by one decision.
pub fn moved_on(previous: &[f32], width: usize, act: usize) -> Vec<f32> {
    let mut mean = previous.get(act..).unwrap_or_default().to_vec();
    mean.resize(width, 0.0);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollster::block_on;

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(crate::nn::read(tensor)).unwrap()
    }

    /// Ranks count the better ones, and equals stand in their order.
    #[test]
    fn ranks_count_the_better_ones() {
        let values = Tensor::<2>::from_floats(
            [[3.0, 5.0, 3.0, -1.0], [0.0, 0.0, 0.0, 1.0]],
            &Device::flex(),
        );
        assert_eq!(
            read(ranks(values)),
            [1.0, 0.0, 2.0, 3.0, 1.0, 2.0, 3.0, 0.0]
        );
    }

    /// A plan goes on where the last one left off, and begins with nothing.
    #[test]
    fn a_plan_goes_on_where_the_last_one_left_off() {
        assert_eq!(moved_on(&[1.0, 2.0, 3.0, 4.0], 4, 2), [3.0, 4.0, 0.0, 0.0]);
        assert_eq!(moved_on(&[], 4, 2), [0.0; 4]);
        assert_eq!(moved_on(&[1.0, 2.0], 4, 2), [0.0; 4]);
    }
}
