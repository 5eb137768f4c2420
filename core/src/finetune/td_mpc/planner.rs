//! The planner: model-predictive path integral control (MPPI) with policy trajectories (TD-MPC2,
//! sec. 3.2, `tdmpc2.py`: `_plan`; MoDem, `plan`), for many environments at once.
//!
//! ```text
//! mean = the previous plan moved on by one decision, std = 2
//! repeat: N action sequences: those that policies propose, and mean + std e, clipped to ±1
//!         value = sum_t gamma^t R(z_t, a_t) + gamma^H Q(z_H, pi(z_H))
//!         of the best (elites): weights = softmax(value / 2), mean and std weighted by them
//! act: the first action of an elite drawn by its weight, and noise of that std in practice
//! ```
//!
//! Everything stays on the device: elites are found by counting how many samples are better,
//! without sorting.

use super::config::{Backbone, TEMPERATURE, TdMpcConfig};
use super::model::{Prior, WorldModel, acting, acting_in};
use crate::nn;
use burn::tensor::{Device, Tensor};

/// World model and prior without gradients, and the planner's settings.
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
    /// Gumbel noise that samples the elite, E x N; none: the best one acts.
    pub draw: Option<Vec<f32>>,
    /// Exploration noise in units of the plan's std, E x act; none: no exploration.
    pub exploration: Option<Vec<f32>>,
}

/// The random numbers of one round.
#[derive(Debug, Clone)]
pub struct Round {
    /// For the samples: E x (N - P) x horizon x act.
    pub samples: Vec<f32>,
    /// For the prior's action at the horizon: E x N x act.
    pub last: Vec<f32>,
    /// The two critics of the value at the horizon, for each environment.
    pub critics: Vec<[usize; 2]>,
}

/// A plan for each of E environments.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The action to play: `[E, act]`, within ±1.
    pub action: Tensor<2>,
    /// Mean of the sequences, the warm start of the next plan: `[E, horizon * act]`.
    pub mean: Tensor<2>,
    /// The sampled elite, whose first action is played: `[E, horizon * act]`.
    pub chosen: Tensor<2>,
    /// 1 where that elite is a policy's proposal: `[E]`.
    pub from_policy: Tensor<1>,
}

impl Planner<'_> {
    /// Plans from latent states `z` `[E, latent]`, with the warm start `start` `[E, horizon * act]`
    /// and, beside the prior's own proposals, `given` ones `[E, P', horizon * act]`. The noise says
    /// how many the prior makes.
    pub fn plan(
        &self,
        z: Tensor<2>,
        start: Tensor<2>,
        given: Option<Tensor<3>>,
        noise: &Noise,
    ) -> Plan {
        let [envs, _] = z.dims();
        let device = z.device();
        let width = start.dims()[1];
        let proposed = self.proposals(&z, given, &noise.proposals);
        let policies = proposed.as_ref().map_or(0, |proposed| proposed.dims()[1]);
        let sampled = self.config.samples - policies;
        let starts = repeat(z, self.config.samples);
        let mut mean = start.clone();
        let mut std = Tensor::full([envs, width], self.config.max_std, &device);
        // Centers of the first samples: the warm start, or the proposals in turn.
        let mut centers = match proposed.as_ref().filter(|_| self.config.around_proposals) {
            Some(proposed) => proposed
                .clone()
                .repeat_dim(1, sampled.div_ceil(policies))
                .narrow(1, 0, sampled),
            None => mean.clone().unsqueeze_dim(1),
        };
        let mut best = None;
        for round in &noise.rounds {
            let e = nn::upload(round.samples.clone(), [envs, sampled, width], &device);
            // One round of MPPI: sample, roll out, weigh the elites, refit mean and std. The
            // proposals are the same in every round.
            let samples = (centers + std.clone().unsqueeze_dim(1) * e).clamp(-1.0, 1.0);
            let actions = match &proposed {
                Some(proposed) => Tensor::cat(self.in_order(proposed.clone(), samples), 1),
                None => samples,
            };
            let values = self.values(starts.clone(), &actions, round);
            let (weights, elite) = weights(values, self.config.elites);
            (mean, std) = self.moments(&actions, &weights, mean);
            centers = mean.clone().unsqueeze_dim(1);
            best = Some((actions, weights, elite));
        }
        let (actions, weights, elite) =
            best.expect("a plan has at least one round: the configuration is checked");
        self.act((actions, weights, elite), policies, (mean, std), noise)
    }

    /// The prior's proposals and the given ones: `[E, P, horizon * act]`.
    fn proposals(
        &self,
        z: &Tensor<2>,
        given: Option<Tensor<3>>,
        noise: &[Vec<f32>],
    ) -> Option<Tensor<3>> {
        let [envs, _] = z.dims();
        let act = self.prior.act();
        let count = noise.first().map_or(0, Vec::len) / envs / act;
        if count == 0 {
            return given;
        }
        let mut actions: Vec<Tensor<2>> = Vec::new();
        // The prior is rolled out in latent space; its last action needs no next state.
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

    /// TD-MPC2 puts the policies' sequences first, TD-MPC its own samples: the order decides
    /// between equally good ones.
    fn in_order(&self, proposed: Tensor<3>, samples: Tensor<3>) -> Vec<Tensor<3>> {
        match self.config.backbone {
            Backbone::TdMpc2 => vec![proposed, samples],
            Backbone::TdMpc => vec![samples, proposed],
        }
    }

    /// Predicted return of each sequence (`_estimate_value`): `[E, N]`.
    fn values(&self, mut z: Tensor<2>, actions: &Tensor<3>, round: &Round) -> Tensor<2> {
        let [envs, samples, width] = actions.dims();
        let device = actions.device();
        let act = width / self.horizon;
        let actions = actions.clone().reshape([envs * samples, width]);
        let mut value = Tensor::<1>::zeros([envs * samples], &device);
        let mut discount = 1.0;
        for t in 0..self.horizon {
            let both = acting_in(z, &actions, t * act..(t + 1) * act);
            value = value + self.world.rewards(both.clone()).mul_scalar(discount);
            z = self.world.next(both);
            discount *= self.config.gamma;
        }
        // The critics stand for everything beyond the horizon, at the prior's action there.
        let last = self
            .prior
            .draw(
                z.clone(),
                crate::nn::matrix(round.last.clone(), act, &device),
            )
            .action;
        let later = match self.config.pessimism > 0.0 {
            true => self.doubted_values(acting(z, last)),
            false => self.q_values(acting(z, last), &round.critics),
        };
        let total =
            value.reshape([envs, samples]) + later.reshape([envs, samples]).mul_scalar(discount);
        // A sequence on which the model diverges counts 0, as in both references.
        let broken = total.clone().is_nan();
        total.mask_fill(broken, 0.0)
    }

    /// The mean of all critics less `pessimism` of their standard deviations: `[E * N]` (MoDem-V2,
    /// Lancaster et al. 2024).
    fn doubted_values(&self, acting: Tensor<2>) -> Tensor<1> {
        let outputs = self.world.critics.forward_shared(acting);
        let numbers = self.world.numbers(outputs);
        let mean = numbers.clone().mean_dim(0);
        let variance = (numbers - mean.clone()).square().mean_dim(0);
        (mean - variance.sqrt() * self.config.pessimism).squeeze_dim(0)
    }

    /// Values of two critics per environment: their mean, or with td-mpc the lesser. `[E * N]`.
    fn q_values(&self, acting: Tensor<2>, critics: &[[usize; 2]]) -> Tensor<1> {
        let [rows, width] = acting.dims();
        let same = critics.iter().all(|pair| *pair == critics[0]);
        let outputs = if same {
            self.world
                .critics
                .select(&critics[0])
                .forward_shared(acting)
        } else {
            // Every environment has its own pair: a stack of 2 E networks, pair after pair, whose
            // outputs are then regrouped as [first or second, all rows].
            let envs = critics.len();
            let own = rows / critics.len();
            let stack = acting
                .reshape([envs, 1, own, width])
                .expand([envs, 2, own, width])
                .reshape([2 * envs, own, width]);
            let q_outputs = self.world.critics.select(&critics.concat()).forward(stack);
            let bins = q_outputs.dims()[2];
            q_outputs
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

    /// Mean and standard deviation of the weighted sequences.
    fn moments(
        &self,
        actions: &Tensor<3>,
        weights: &Tensor<2>,
        before: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let (mean, std) = weighted(actions, weights);
        let std = std.clamp(self.config.min_std, self.config.max_std);
        // MoDem keeps a tenth of the round before; TD-MPC2 keeps nothing.
        let momentum = self.config.backbone.coefficients().momentum;
        (
            if momentum > 0.0 {
                before * momentum + mean * (1.0 - momentum)
            } else {
                mean
            },
            std,
        )
    }

    /// Samples an elite by its weight and takes its first action.
    fn act(
        &self,
        best: (Tensor<3>, Tensor<2>, Tensor<2>),
        policies: usize,
        moments: (Tensor<2>, Tensor<2>),
        noise: &Noise,
    ) -> Plan {
        let (actions, weights, elite) = best;
        let (mean, std) = moments;
        let [envs, samples, width] = actions.dims();
        let device = actions.device();
        let act = width / self.horizon;
        // Gumbel-max: the largest of log(weight) + Gumbel noise is a draw by weight.
        let mut chance = (weights + 1e-30).log() + (elite - 1.0) * 1e3;
        if let Some(draw) = &noise.draw {
            chance = chance + crate::nn::matrix(draw.clone(), samples, &device);
        }
        let taken = ranks(chance).lower_elem(0.5).float();
        let chosen = (taken.clone().unsqueeze_dim::<3>(2) * actions)
            .sum_dim(1)
            .squeeze_dim::<2>(1);
        // The first proposal: see `in_order`.
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

/// Weights of sequences by their values, 0 beyond the elites, and the elites as 0 or 1: both
/// `[E, N]`.
fn weights(values: Tensor<2>, elites: usize) -> (Tensor<2>, Tensor<2>) {
    #[cfg(feature = "gpu")]
    if let Some([weights, elite]) = nn::gpu::weights(&values, elites, TEMPERATURE) {
        return (weights, elite);
    }
    let elite = ranks(values.clone())
        .lower_elem(elites as f64 - 0.5)
        .float();
    // Softmax over the elites, less the largest value, so that the exponential stays in range.
    let most = values.clone().max_dim(1);
    let scores = ((values - most) * TEMPERATURE).exp() * elite.clone();
    let sum = scores.clone().sum_dim(1);
    (scores / sum, elite)
}

/// Weighted maximum likelihood, with the references' 1e-9: mean and standard deviation of actions
/// `[E, N, width]` by weights `[E, N]`, `[E, width]` each.
fn weighted(actions: &Tensor<3>, weights: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    #[cfg(feature = "gpu")]
    if let Some([mean, std]) = nn::gpu::moments(actions, weights) {
        return (mean, std);
    }
    let weights = weights.clone().unsqueeze_dim::<3>(2);
    let sum = weights.clone().sum_dim(1) + 1e-9;
    let mean = (weights.clone() * actions.clone()).sum_dim(1) / sum.clone();
    let variance = (weights * (actions.clone() - mean.clone()).square()).sum_dim(1) / sum;
    (mean.squeeze_dim(1), variance.sqrt().squeeze_dim(1))
}

/// Ranks within each row, 0 for the greatest; of equals, the left one comes first: `[E, N]`.
pub(crate) fn ranks(values: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "gpu")]
    if let Some(ranks) = nn::gpu::ranks(&values) {
        return ranks;
    }
    let [rows, n] = values.dims();
    let own = values.clone().unsqueeze_dim::<3>(2);
    let other = values.unsqueeze_dim::<3>(1);
    let own = own.expand([rows, n, n]);
    let other = other.expand([rows, n, n]);
    let earlier = earlier(n, &own.device())
        .unsqueeze_dim::<3>(0)
        .expand([rows, n, n]);
    // O(N^2) comparisons, all on the device. Equals keep their order, so that no rank is missing.
    let better = other.clone().greater(own.clone()).float() + other.equal(own).float() * earlier;
    better.sum_dim(2).squeeze_dim(2)
}

/// Bytes that [`ranks`] takes at its peak: 12 per comparison (booleans and floats), and 8 for the
/// order of equals, which all rows share. Measured at 4,000 and 8,000 values a row.
pub(super) fn memory_of_ranks(rows: usize, n: usize) -> f64 {
    (12.0 * rows as f64 + 8.0) * (n as f64).powi(2)
}

/// 1 where the column comes before the row: `[n, n]`.
fn earlier(n: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = (0..n * n)
        .map(|i| f32::from(u8::from(i % n < i / n)))
        .collect();
    crate::nn::matrix(values, n, device)
}

/// Each row repeated `times` times.
fn repeat(x: Tensor<2>, times: usize) -> Tensor<2> {
    let [rows, width] = x.dims();
    x.unsqueeze_dim::<3>(1)
        .expand([rows, times, width])
        .reshape([rows * times, width])
}

/// Warm start of a plan: the previous mean (`[horizon * act]`, empty at the start of an episode)
/// shifted by one decision, and zeros.
pub fn shifted_plan(previous: &[f32], width: usize, act: usize) -> Vec<f32> {
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

    /// Ranks, weights and moments on a GPU are the CPU's.
    #[cfg(feature = "wgpu")]
    #[test]
    #[ignore = "needs a GPU, or one in software: a step of its own in `cargo xtask test --gpu`"]
    fn elites_on_a_gpu_are_the_cpus() {
        use burn::tensor::{DeviceKind, TensorData};
        let found = |device: Device| {
            let mut rng = crate::rng::Rng::new(0, "test", 0);
            // Whole numbers, so that there are equals.
            let values: Vec<f32> = rng.normals(600).iter().map(|x| (9.0 * x).round()).collect();
            let values = Tensor::<2>::from_data(TensorData::new(values, [2, 300]), &device);
            let actions = TensorData::new(rng.normals(7200), [2, 300, 12]);
            let (scores, elite) = weights(values.clone(), 40);
            let (mean, std) = weighted(&Tensor::from_data(actions, &device), &scores);
            [
                read(ranks(values)),
                read(elite),
                read(scores),
                read(mean),
                read(std),
            ]
        };
        let [cpu, gpu] = [Device::flex(), Device::wgpu(DeviceKind::DefaultDevice)].map(found);
        assert_eq!(cpu[..2], gpu[..2]);
        for (cpu, gpu) in cpu.iter().zip(&gpu) {
            let close = cpu.iter().zip(gpu).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close, "{cpu:?} {gpu:?}");
        }
    }

    /// A plan goes on where the last one left off, and begins with nothing.
    #[test]
    fn a_plan_goes_on_where_the_last_one_left_off() {
        assert_eq!(
            shifted_plan(&[1.0, 2.0, 3.0, 4.0], 4, 2),
            [3.0, 4.0, 0.0, 0.0]
        );
        assert_eq!(shifted_plan(&[], 4, 2), [0.0; 4]);
        assert_eq!(shifted_plan(&[1.0, 2.0], 4, 2), [0.0; 4]);
    }
}
