//! The learner: cloning, the coherent reward, its refinement, and actor and critics that improve on the clone (Watson, Huang and Heess
//! 2023, CSIL, with the critics of XQC); and the same actor and critics on the task's own reward.
//!
//! With x an observation and the pretrained policy's action, u the small policy's own action, of d numbers, q the clone, p uniform:
//!
//! ```text
//! r(x, u) = alpha (log q(u | x) - log p(u)),  alpha = scale / d                 the coherent reward
//! V(x')   = min_i Qtarget_i(x', u') - beta KL(pi(x') || q(x'))                  u' drawn by pi
//! L_Q     = E distance(Q(x, u), r + c success + gamma (1 - over) V(x')) + k sqrt(E_demos (dQ/du v)^2),  v a random corner of the cube
//! L_r     = -E_demos r + E_practice [exp(-max(r, -5)) - 1 + max(r, -5)]
//! L_pi    = E [beta KL(pi(x) || q(x)) - min_i Q_i(x, u)]
//! ```
//!
//! Over all corners v the mean of (dQ/du v)^2 is |dQ/du|^2: the penalty needs one direction per row, however many numbers an action
//! has. While critics are pretrained, u' is the demonstrated action and V its value (SARSA).

use super::agent::Inputs;
use super::config::CsilConfig;
use super::critic::{Acted, Critic, Errors, Lesson};
use super::small::{SmallPolicy, Squashed};
use crate::Result;
use crate::data::{Archive, Normaliser, Stretches};
use crate::env::View;
use crate::nn::{self, Adam, AdamConfig, Atoms, Observed, descend, params};
use crate::policy::Sizes;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Where the refinement of the reward stops to look (CSIL).
const REFINED_FROM: f64 = -5.0;

/// The weight of entropy, as its logarithm.
#[derive(Module, Debug)]
struct Temperature {
    log: Param<Tensor<1>>,
}

/// Actor, critics, reward and what they began as.
pub struct Learner {
    /// q: learns while cloning, then stays.
    clone: SmallPolicy,
    /// pi.
    actor: SmallPolicy,
    /// q as the reward has it: refined in practice.
    reward: SmallPolicy,
    critic: Critic,
    target: Critic,
    temperature: Temperature,
    adams: Adams,
    made: Made,
    /// Scales observations.
    scale: Normaliser,
    config: CsilConfig,
    sizes: Sizes,
    view: View,
    device: Device,
}

struct Adams {
    clone: Adam,
    actor: Adam,
    critic: Adam,
    temperature: Adam,
}

/// Gradient steps so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Of cloning.
    pub cloned: usize,
    /// Of the critics on demonstrations alone.
    pub pretrained: usize,
    /// Of practice.
    pub updates: usize,
}

/// The figures of one update, still on the device.
pub struct Losses {
    /// L_Q without the penalty.
    pub critic: Tensor<1>,
    /// L_pi.
    pub actor: Tensor<1>,
    /// KL(pi || q), in practice and at demonstrations.
    pub divergence: Tensor<1>,
    /// Mean of Q at what was done.
    pub value: Tensor<1>,
    /// The temperature.
    pub temperature: Tensor<1>,
    /// What is known of a learned reward.
    pub learned: Option<LearnedFigures>,
}

/// Figures of a learned reward, before it is cut off and counted from its bound.
pub struct LearnedFigures {
    /// The penalty of the critics' steepness, before its weight.
    pub steepness: Tensor<1>,
    /// The mean reward of demonstrated actions.
    pub shown: Tensor<1>,
    /// The mean reward in practice.
    pub practised: Tensor<1>,
    /// Its standard deviation.
    pub spread: Tensor<1>,
    /// Share of the rewards, of demonstrations and practice, that are cut off.
    pub clipped: Tensor<1>,
}

/// A batch on the device, demonstrations first, without gradients.
struct Rows {
    /// Of obs + act numbers.
    x: Observed,
    /// `[N, act]`.
    u: Tensor<2>,
    next_x: Observed,
    /// What was done then, where it is known.
    next_u: Tensor<2>,
    /// The task's rewards: `[N]`.
    rewards: Tensor<1>,
    goes_on: Tensor<1>,
    /// How many of the rows were demonstrated.
    shown: usize,
}

/// L_pi, and the means of what it is made of.
struct ActorLoss {
    loss: Tensor<1>,
    divergence: Tensor<1>,
    density: Tensor<1>,
}

/// Learned rewards.
struct Rewards {
    /// Before bounds: `[N]`.
    raw: Tensor<1>,
    /// As the critics see them, with what success earns.
    counted: Tensor<1>,
}

impl Learner {
    /// A fresh learner on an autodiff `device`, for observations that `scale` scales, single actions, and what is seen.
    pub fn new(config: CsilConfig, sizes: Sizes, view: View, scale: Normaliser, rng: &mut Rng, device: Device) -> Self {
        let clone = SmallPolicy::new(&config, sizes, view, rng, &device);
        let critic = Critic::new(&config, sizes.obs + 2 * sizes.act, view, rng, &device);
        let temperature = Temperature { log: Param::from_tensor(Tensor::full([1], libm::log(config.temperature), &device)) };
        let [actor, reward] = [(); 2].map(|()| clone.clone());
        let adams = Adams::new(&config);
        let target = critic.valid();
        Self { clone, actor, reward, critic, target, temperature, adams, made: Made::default(), scale, config, sizes, view, device }
    }

    /// Gradient steps so far.
    pub fn made(&self) -> Made {
        self.made
    }

    /// The atoms of the critics' values.
    pub fn atoms(&self) -> Atoms {
        let (low, high) = self.config.value_range();
        Atoms { low, high, count: self.config.atoms }
    }

    /// What acts: the actor, without gradients.
    pub fn actor(&self) -> SmallPolicy {
        self.actor.valid()
    }

    /// What the learned reward is made of, where one is learned: without gradients.
    pub fn reward(&self) -> Option<SmallPolicy> {
        self.config.learns_reward().then(|| self.reward.valid())
    }

    /// One step of cloning on demonstrated decisions; the loss. Actor and reward begin as the clone that comes of it.
    pub fn clone_step(&mut self, batch: &Stretches) -> Tensor<1> {
        let rows = self.rows(batch, batch.len());
        let loss = self.clone.faithful_loss(rows.x.autodiff(), rows.u.autodiff());
        self.clone = self.adams.clone.step(self.clone.clone(), &loss);
        (self.actor, self.reward) = (self.clone.clone(), self.clone.clone());
        self.made.cloned += 1;
        loss.inner()
    }

    /// One step of the critics on demonstrated decisions, SARSA; loss and penalty.
    pub fn pretrain_step(&mut self, batch: &Stretches, rng: &mut Rng) -> (Tensor<1>, Tensor<1>) {
        let rows = self.rows(batch, batch.len());
        let rewards = self.rewards(&rows).counted;
        let lesson = self.lesson(&rows, rows.next_u.clone(), rewards, None);
        let Errors { error, steepness, .. } = self.teach(&rows, lesson, self.config.gradient_penalty, rng);
        self.made.pretrained += 1;
        (error.inner(), steepness.inner())
    }

    /// One update of critics, reward, temperature and actor on decisions of which the first were demonstrated; its figures, if they are to be
    /// told.
    pub fn step(&mut self, batch: &Stretches, tell: bool, rng: &mut Rng) -> Option<Losses> {
        let rows = self.rows(batch, batch.shown);
        let [e_next, e_now] = [(); 2].map(|()| self.plain(rng.normals(batch.len() * self.sizes.act), self.sizes.act));

        let learned = self.config.learns_reward().then(|| self.rewards(&rows));
        let then = self.actor.valid().at(rows.next_x.clone());
        let next_u = then.draw(e_next);
        let lesson = match &learned {
            Some(learned) => {
                let cost = then.divergence(&self.clone.valid().at(rows.next_x.clone())) * self.config.kl_weight;
                self.lesson(&rows, next_u, learned.counted.clone(), Some(cost))
            }
            None => self.lesson(&rows, next_u, rows.rewards.clone(), None),
        };
        let errors = self.teach(&rows, lesson, self.config.practice_penalty, rng);

        if learned.is_some() && self.config.reward_lr > 0.0 {
            let loss = self.refinement(&rows);
            self.reward = descend(self.reward.clone(), &loss, self.config.reward_lr);
        }
        let [actor, divergence] = self.improve(&rows, e_now);
        self.made.updates += 1;
        tell.then(|| Losses {
            critic: errors.error.inner(),
            actor,
            divergence,
            value: self.critic.valid().values(&self.atoms(), &Acted { at: rows.x.clone(), action: rows.u.clone() }).mean(),
            temperature: self.temperature.log.val().inner().exp(),
            learned: learned.map(|learned| self.told(&rows, learned, errors.steepness.inner())),
        })
    }

    /// The actor's step, where it is its turn: its loss, and the divergence from the clone before.
    fn improve(&mut self, rows: &Rows, e: Tensor<2>) -> [Tensor<1>; 2] {
        let ActorLoss { loss, divergence, density } = self.actor_loss(rows, e);
        if self.made.updates.is_multiple_of(self.config.actor_every) {
            self.actor = self.adams.actor.step(self.actor.clone(), &loss);
            if !self.config.learns_reward() {
                let lacking = density.inner() - self.sizes.act as f64 / 2.0;
                let loss = (self.temperature.log.val() * lacking.autodiff()).neg();
                self.temperature = self.adams.temperature.step(self.temperature.clone(), &loss);
            }
        }
        [loss.inner(), divergence.inner()]
    }

    /// L_pi: with the divergence from the clone, or with the entropy.
    fn actor_loss(&self, rows: &Rows, e: Tensor<2>) -> ActorLoss {
        let at = self.actor.at(rows.x.clone().autodiff());
        let divergence = at.divergence(&self.clone.valid().at(rows.x.clone()).tracked()).mean();
        let (u, density) = at.draw_with_density(e.autodiff());
        let (density, alpha) = (density.mean(), self.temperature.log.val().inner().exp().autodiff());
        let kept = if self.config.learns_reward() { divergence.clone() * self.config.kl_weight } else { density.clone() * alpha };
        let loss = kept - self.worth(rows.x.clone().autodiff(), u).mean();
        ActorLoss { loss, divergence, density }
    }

    /// What the critics, as constants, make of the actor's actions: the least of them, or the mean where only some judge targets. `[N]`.
    fn worth(&self, at: Observed, action: Tensor<2>) -> Tensor<1> {
        let values = self.critic.clone().no_grad().values(&self.atoms(), &Acted { at, action });
        let all = self.config.judges() == self.config.critics;
        if all { values.min_dim(0).squeeze_dim(0) } else { values.mean_dim(0).squeeze_dim(0) }
    }

    /// The learned reward at rows.
    fn rewards(&self, rows: &Rows) -> Rewards {
        let raw = self.raw_rewards(&self.reward.valid(), rows.x.clone(), rows.u.clone());
        let (low, high) = self.config.reward_range();
        let offset = self.config.least_reward - low;
        let success = rows.rewards.clone() * self.config.success_reward;
        Rewards { counted: (raw.clone() - offset).clamp(low, high) + success, raw }
    }

    /// alpha (log q(u | x) - log p(u)).
    fn raw_rewards(&self, q: &SmallPolicy, x: Observed, u: Tensor<2>) -> Tensor<1> {
        q.reward(x, u, self.config.reward_scale)
    }

    /// The learned reward of raw inputs and own actions, before bounds: N each.
    ///
    /// # Errors
    /// When the device fails.
    pub(super) async fn rewards_of(&self, inputs: &Inputs, own: Vec<f32>) -> Result<Vec<f32>> {
        let (x, u) = (self.inputs(&inputs.numbers, &inputs.pixels), self.plain(own, self.sizes.act));
        nn::read(self.raw_rewards(&self.reward.valid(), x, u)).await
    }

    /// L_r.
    fn refinement(&self, rows: &Rows) -> Tensor<1> {
        let n = rows.x.rows();
        let r = self.raw_rewards_tracked(rows);
        let shown = if rows.shown > 0 { r.clone().narrow(0, 0, rows.shown).mean() } else { r.clone().mean() * 0.0 };
        if rows.shown == n {
            return shown.neg();
        }
        let practised = r.narrow(0, rows.shown, n - rows.shown).clamp_min(REFINED_FROM);
        (practised.clone().neg().exp() - 1.0 + practised).mean() - shown
    }

    fn raw_rewards_tracked(&self, rows: &Rows) -> Tensor<1> {
        self.raw_rewards(&self.reward, rows.x.clone().autodiff(), rows.u.clone().autodiff())
    }

    /// What the critics are to learn: `next_u` is what is done then, `cost` what is paid for it.
    fn lesson(&self, rows: &Rows, next_u: Tensor<2>, rewards: Tensor<1>, cost: Option<Tensor<1>>) -> Lesson {
        let factor = rows.goes_on.clone() * self.config.gamma;
        let added = match cost {
            Some(cost) => rewards - factor.clone() * cost,
            None => rewards,
        };
        let now = Acted { at: rows.x.clone(), action: rows.u.clone() };
        Lesson { now, next: Acted { at: rows.next_x.clone(), action: next_u }, added, factor }
    }

    /// One step of the critics on a lesson, and their slow copies' after them; `penalty` is the weight of their steepness at demonstrations.
    fn teach(&mut self, rows: &Rows, lesson: Lesson, penalty: f64, rng: &mut Rng) -> Errors {
        let targets = self.target.targets(&self.atoms(), &lesson, &self.draw_judges(rng));
        let directions = if penalty > 0.0 { self.directions(rows, rng) } else { None };
        let Lesson { now, next, added, factor } = lesson;
        let lesson = Lesson { now: now.autodiff(), next: next.autodiff(), added, factor };
        let errors = self.critic.errors(&self.atoms(), &lesson, targets.autodiff(), directions.map(Tensor::autodiff));
        let loss = errors.error.clone() + errors.steepness.clone() * penalty;
        self.critic = self.adams.critic.step(self.critic.clone(), &loss).settled(errors.pass.as_ref());
        self.target = params::polyak(self.target.clone(), &self.critic, self.config.tau);
        errors
    }

    /// v of the penalty, as inputs and actions: 0 in the former, 1 or -1 in the latter. None without demonstrations or penalty.
    fn directions(&self, rows: &Rows, rng: &mut Rng) -> Option<Tensor<2>> {
        let Sizes { obs, act, .. } = self.sizes;
        if rows.shown == 0 || !self.config.learns_reward() {
            return None;
        }
        let mut corner = || if rng.below(2) == 0 { -1.0 } else { 1.0 };
        let values: Vec<f32> = (0..rows.shown)
            .flat_map(|_| std::iter::repeat_n(0.0, obs + act).chain((0..act).map(|_| corner())).collect::<Vec<_>>())
            .collect();
        Some(self.plain(values, obs + 2 * act))
    }

    /// The critics that judge the next target.
    fn draw_judges(&self, rng: &mut Rng) -> Vec<usize> {
        let (all, some) = (self.config.critics, self.config.judges());
        if all == some {
            return (0..all).collect();
        }
        let (first, second) = (rng.below(all), rng.below(all - 1));
        vec![first, if second < first { second } else { second + 1 }]
    }

    fn told(&self, rows: &Rows, Rewards { raw, .. }: Rewards, steepness: Tensor<1>) -> LearnedFigures {
        let (n, (low, high)) = (rows.x.rows(), self.config.reward_range());
        let mean = |start: usize, count: usize| match count {
            0 => Tensor::zeros([1], &raw.device()),
            count => raw.clone().narrow(0, start, count).mean(),
        };
        let practised = mean(rows.shown, n - rows.shown);
        let spread = match n - rows.shown {
            0 => practised.clone(),
            count => (raw.clone().narrow(0, rows.shown, count) - practised.clone()).square().mean().sqrt(),
        };
        let least = self.config.least_reward;
        let inside = raw.clone().greater_elem(least).float() * raw.clone().lower_elem(least + high - low).float();
        LearnedFigures { steepness, shown: mean(0, rows.shown), practised, spread, clipped: inside.mean().neg() + 1.0 }
    }

    /// A batch of stretches of one decision.
    fn rows(&self, batch: &Stretches, shown: usize) -> Rows {
        let (n, act) = (batch.len(), self.sizes.act);
        let both = self.plain(batch.actions.clone(), 2 * act);
        let column = |values: &[f32]| self.plain(values.to_vec(), 1).squeeze_dim::<1>(1);
        let (now, next) = batch.obs.split_at(n * (self.sizes.obs + act));
        let (seen_now, seen_next) = batch.pixels.split_at(n * self.view.pixels());
        Rows {
            x: self.inputs(now, seen_now),
            u: both.clone().narrow(1, 0, act),
            next_x: self.inputs(next, seen_next),
            next_u: both.narrow(1, act, act),
            rewards: column(&batch.rewards),
            goes_on: column(&batch.over).neg() + 1.0,
            shown,
        }
    }

    /// Raw inputs as the networks read them.
    fn inputs(&self, numbers: &[f32], pixels: &[u8]) -> Observed {
        let numbers = scaled(&self.scale, numbers, self.sizes);
        Observed::new(numbers, self.sizes.obs + self.sizes.act, pixels, self.view, &self.device.clone().without_autodiff())
    }

    fn plain(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        nn::matrix(values, width, &self.device.clone().without_autodiff())
    }

    /// Writes the whole state into the archive.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        archive.put("csil/made", &self.made)?;
        for (name, policy) in [("clone", &self.clone), ("actor", &self.actor), ("reward", &self.reward)] {
            params::save(policy, &format!("csil/{name}"), archive).await?;
        }
        params::save(&self.critic, "csil/critic", archive).await?;
        params::save(&self.target, "csil/target", archive).await?;
        params::save(&self.temperature, "csil/temperature", archive).await?;
        let Adams { clone, actor, critic, temperature } = &self.adams;
        for (name, adam) in [("clone", clone), ("actor", actor), ("critic", critic), ("temperature", temperature)] {
            adam.save(&format!("csil/{name}-adam"), archive).await?;
        }
        Ok(())
    }

    /// Restores what [`Learner::save`] wrote under the same settings.
    ///
    /// # Errors
    /// When the archive does not fit.
    pub fn load(config: CsilConfig, sizes: Sizes, view: View, scale: Normaliser, archive: &Archive, device: Device) -> Result<Self> {
        let mut learner = Self::new(config, sizes, view, scale, &mut Rng::new(0, "unused", 0), device);
        learner.made = archive.get("csil/made")?;
        for (name, policy) in [("clone", &mut learner.clone), ("actor", &mut learner.actor), ("reward", &mut learner.reward)] {
            *policy = params::load(policy.clone(), &format!("csil/{name}"), archive)?;
        }
        learner.critic = params::load(learner.critic, "csil/critic", archive)?;
        learner.target = params::load(learner.target, "csil/target", archive)?;
        learner.temperature = params::load(learner.temperature, "csil/temperature", archive)?;
        let [fast, slow] = Adams::settings(&learner.config);
        learner.adams = Adams {
            clone: Adam::load(slow, "csil/clone-adam", archive, &learner.clone)?,
            actor: Adam::load(fast, "csil/actor-adam", archive, &learner.actor)?,
            critic: Adam::load(fast, "csil/critic-adam", archive, &learner.critic)?,
            temperature: Adam::load(fast, "csil/temperature-adam", archive, &learner.temperature)?,
        };
        Ok(learner)
    }
}

impl Adams {
    /// Of practice, and of cloning.
    fn settings(config: &CsilConfig) -> [AdamConfig; 2] {
        [config.lr, config.clone_lr].map(|lr| AdamConfig { lr, clip_norm: None })
    }

    fn new(config: &CsilConfig) -> Self {
        let [practice, cloning] = Self::settings(config);
        Self { clone: Adam::new(cloning), actor: Adam::new(practice), critic: Adam::new(practice), temperature: Adam::new(practice) }
    }
}

impl Squashed {
    /// As constants of a graph.
    fn tracked(self) -> Self {
        let nn::Gaussians { mean, std } = self.0;
        Self(nn::Gaussians { mean: mean.autodiff(), std: std.autodiff() })
    }
}

/// Raw inputs, rows of an observation and the pretrained policy's action, with the observations scaled.
pub(super) fn scaled(scale: &Normaliser, rows: &[f32], sizes: Sizes) -> Vec<f32> {
    let width = sizes.obs + sizes.act;
    let obs: Vec<f32> = rows.chunks(width).flat_map(|row| &row[..sizes.obs]).copied().collect();
    let obs = scale.apply(&obs);
    rows.chunks(width).zip(obs.chunks(sizes.obs)).flat_map(|(row, obs)| obs.iter().chain(&row[sizes.obs..])).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finetune::csil::{Compose, RewardMode, Variant};
    use crate::nn::gradient_check::worst_error_of_smooth;
    use crate::run::config::Preset;
    use pollster::block_on;

    const SIZES: Sizes = Sizes { obs: 1, act: 2, chunk: 1 };
    const ROWS: usize = 12;

    fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        block_on(nn::read(tensor)).unwrap()
    }

    /// Small, and with values of a few units only: rounding hides the gradients of larger ones.
    fn config(variant: Variant) -> CsilConfig {
        CsilConfig {
            compose: Compose::Residual,
            hidden: 8,
            layers: 1,
            atoms: 11,
            policy_hidden: 5,
            bottleneck: 3,
            features: 6,
            log_scale: 0.0,
            kl_weight: 0.5,
            temperature: 0.3,
            gamma: 0.7,
            least_reward: -1.0,
            variance_floor: 0.1,
            ..CsilConfig::preset(Preset::Tiny, variant)
        }
    }

    /// Decisions, every second of which was the last, with actions near a tenth of the observation.
    fn batch(n: usize, rng: &mut Rng) -> Stretches {
        let obs = rng.normals(3 * n);
        let actions = obs.chunks(3).flat_map(|x| [0.1 * x[0] + 0.2, -0.3, 0.1, 0.2]).collect::<Vec<_>>();
        let noise = rng.normals(4 * n);
        Stretches {
            actions: actions.iter().zip(noise).map(|(a, e)| (a + 0.1 * e).clamp(-0.9, 0.9)).collect(),
            rewards: rng.normals(n),
            obs: [obs, rng.normals(3 * n)].concat(),
            over: (0..n).map(|i| (i % 2) as f32).collect(),
            weights: vec![1.0; n],
            ..Stretches::default()
        }
    }

    /// A learner that has cloned a little, and whose actor and reward are not the clone any more.
    fn learner(config: CsilConfig, rng: &mut Rng) -> Learner {
        let mut learner = Learner::new(config, SIZES, View::default(), Normaliser::identity(1), rng, Device::flex().autodiff());
        learner.adams.clone = Adam::new(AdamConfig { lr: 3e-2, clip_norm: None });
        for _ in 0..40 {
            learner.clone_step(&batch(ROWS, rng));
        }
        let clone = learner.clone.clone();
        for _ in 0..10 {
            learner.clone_step(&batch(ROWS, rng));
        }
        learner.clone = clone;
        learner
    }

    /// The promise: the refinement's loss has the right gradient, on demonstrations, in practice and below its cut; and it is its formula.
    #[test]
    fn the_refinement_has_the_right_gradient() {
        let mut rng = Rng::new(0, "test", 0);
        let mut learner = learner(config(Variant::Csil), &mut rng);
        let rows = learner.rows(&batch(ROWS, &mut rng), 5);
        let r = read(learner.raw_rewards(&learner.reward.valid(), rows.x.clone(), rows.u.clone()));
        let mean = |values: &mut dyn Iterator<Item = f32>, n: f32| values.sum::<f32>() / n;
        let shown = mean(&mut r[..5].iter().copied(), 5.0);
        let practised = mean(&mut r[5..].iter().map(|r| r.max(-5.0)).map(|r| (-r).exp() - 1.0 + r), 7.0);
        let found = read(learner.refinement(&rows).inner())[0];
        assert!((found - (practised - shown)).abs() < 1e-4 * (1.0 + found.abs()), "{found} {practised} {shown}");
        let error = worst_error_of_smooth(&learner.reward.clone(), 1e-3, |reward| {
            learner.reward = reward.clone();
            learner.refinement(&rows)
        });
        assert!(error < 3e-2, "{error}");
    }

    /// The promise: the actor's loss has the right gradient, through the critics with running statistics, the divergence from the clone,
    /// or the entropy.
    #[test]
    fn the_actor_loss_has_the_right_gradient() {
        for variant in [Variant::Csil, Variant::Xqc, Variant::Rlpd, Variant::Sac] {
            let mut rng = Rng::new(1, "test", 0);
            // Without a future, values are small.
            let mut learner = learner(CsilConfig { gamma: 0.0, least_reward: 0.0, ..config(variant) }, &mut rng);
            let rows = learner.rows(&batch(ROWS, &mut rng), 5);
            let e = learner.plain(rng.normals(2 * ROWS), 2);
            let error = worst_error_of_smooth(&learner.actor.clone(), 4e-3, |actor| {
                learner.actor = actor.clone();
                learner.actor_loss(&rows, e.clone()).loss
            });
            assert!(error < 3e-2, "{variant:?}: {error}");
        }
    }

    /// The promise: coherence, exactly. The reward is the log-ratio of clone and prior over the number of dimensions, and under it the soft
    /// value, log E_p exp(r / alpha), of every input is 0: the clone is soft-optimal for its own reward.
    #[test]
    fn the_clone_is_soft_optimal_for_its_own_reward() {
        let mut rng = Rng::new(2, "test", 0);
        let learner = learner(config(Variant::Csil), &mut rng);
        let q = learner.clone.valid();
        // The middles of small squares of the cube of actions.
        let n = 60;
        let at = |i: usize| (2.0 * (i as f64 + 0.5) / n as f64 - 1.0) as f32;
        let grid: Vec<f32> = (0..n * n).flat_map(|k| [at(k / n), at(k % n)]).collect();
        for input in [[0.3, -0.2, 0.5], [-2.0, 1.0, 0.0], [30.0, 0.0, 0.0]] {
            let x = learner.inputs(&input.repeat(n * n), &[]);
            let r = read(learner.raw_rewards(&q, x.clone(), learner.plain(grid.clone(), 2)));
            let ratio = read(q.at(x).log_density(learner.plain(grid.clone(), 2)));
            assert!(r.iter().zip(&ratio).all(|(r, q)| (r - 0.5 * (q + 2.0 * 2f32.ln())).abs() < 1e-5));
            // alpha = 1/2, p uniform.
            let soft = (r.iter().map(|r| f64::from(2.0 * r).exp()).sum::<f64>() / r.len() as f64).ln();
            assert!(soft.abs() < 0.05, "{soft} at {input:?}");
        }
    }

    /// The promise: pretrained by SARSA on decisions that end the episode, the critics are the reward, so that the clone's own actions have
    /// no advantage over the demonstrated ones.
    #[test]
    fn pretrained_critics_expect_the_reward() {
        let mut rng = Rng::new(3, "test", 0);
        let settings =
            CsilConfig { reward_mode: RewardMode::Positive, hidden: 64, atoms: 51, lr: 3e-3, tau: 0.05, ..config(Variant::Csil) };
        let mut learner = learner(settings, &mut rng);
        learner.clone = learner.reward.clone();
        let demos = |rng: &mut Rng| Stretches { over: vec![1.0; 64], ..batch(64, rng) };
        for _ in 0..400 {
            learner.pretrain_step(&demos(&mut rng), &mut rng);
        }
        let (shown, e) = (demos(&mut rng), learner.plain(rng.normals(128), 2));
        let rows = learner.rows(&shown, 64);
        let own = learner.clone.valid().at(rows.x.clone()).draw(e);
        let mean = |values: Vec<f32>| values.iter().sum::<f32>() / values.len() as f32;
        let value_of = |action: Tensor<2>| {
            let critics = learner.critic.valid();
            mean(read(critics.values(&learner.atoms(), &Acted { at: rows.x.clone(), action }).min_dim(0)))
        };
        let value = value_of(rows.u.clone());
        let advantage = value_of(own) - value;
        let reward = mean(read(learner.rewards(&rows).counted));
        assert!((value - reward).abs() < 0.2, "{value} {reward}");
        assert!(advantage.abs() < 0.3, "{advantage}");
    }

    /// The promise: a negative reward is the learned one less its bound, within its range, a positive one the learned one itself, and
    /// values have room for the worst and the best that can come.
    #[test]
    fn rewards_are_counted_from_their_bound() {
        let mut rng = Rng::new(4, "test", 0);
        let negative = learner(CsilConfig { variance_floor: 1e-5, ..config(Variant::Csil) }, &mut rng.clone());
        let bound = 0.5 * 1e5f64.ln() + std::f64::consts::LN_2;
        assert!((bound - 6.45).abs() < 0.01);
        let rows = negative.rows(&batch(ROWS, &mut rng), 5);
        let Rewards { raw, counted } = negative.rewards(&rows);
        let (raw, counted) = (read(raw), read(counted));
        assert!(raw.iter().zip(&counted).all(|(r, c)| (c - (r.clamp(-1.0, bound as f32) - bound as f32)).abs() < 1e-4));
        let (low, high) = negative.config.value_range();
        assert!((low - (-1.0 - bound) / 0.3).abs() < 1e-9 && high == 0.0);
        let positive = CsilConfig { reward_mode: RewardMode::Positive, ..negative.config.clone() };
        assert!((positive.reward_range().0, positive.value_range().1) == (-1.0, bound / (1.0 - 0.7)));
        assert_eq!(config(Variant::Xqc).value_range(), (0.0, 1.0));
    }

    /// The promise: success earns on top of the learned reward, and values have room for it.
    #[test]
    fn success_earns_on_top() {
        let mut rng = Rng::new(5, "test", 0);
        let mut learner = learner(config(Variant::Csil), &mut rng);
        let rows = learner.rows(&batch(ROWS, &mut rng), 5);
        let (without, (_, most)) = (read(learner.rewards(&rows).counted), learner.config.value_range());
        learner.config.success_reward = 30.0;
        let with = read(learner.rewards(&rows).counted);
        let earned = read(rows.rewards.clone());
        assert!((0..ROWS).all(|i| (with[i] - without[i] - 30.0 * earned[i]).abs() < 1e-3), "{with:?} {without:?} {earned:?}");
        assert_eq!(learner.config.value_range().1, most + 30.0);
    }
}
