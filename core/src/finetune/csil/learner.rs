//! The learner: cloning, the coherent reward, its refinement, and actor and critics that improve on
//! the clone (Watson, Huang and Heess 2023, CSIL, with the critics of XQC); and the same actor and
//! critics on the task's own reward.
//!
//! With x an observation and the pretrained policy's action, u the small policy's own action, of d
//! numbers, q the clone, p uniform:
//!
//! ```text
//! r(x, u) = alpha (log q(u | x) - log p(u)),  alpha = scale / d            the coherent reward
//! V(x')   = min_i Qtarget_i(x', u') - beta KL(pi(x') || q(x'))             u' drawn by pi
//! L_Q     = E distance(Q(x, u), r + c success + gamma (1 - over) V(x'))
//!           + k sqrt(E_demos (dQ/du v)^2)                                  v a corner of the cube
//! L_r     = -E_demos r + E_practice [exp(-max(r, -5)) - 1 + max(r, -5)]
//! L_pi    = E [beta KL(pi(x) || q(x)) - min_i Q_i(x, u)]
//! ```
//!
//! v is drawn at random. Over all corners the mean of (dQ/du v)^2 is |dQ/du|^2: the penalty needs
//! one direction per row, however many numbers an action has. While critics are pretrained, u' is
//! the demonstrated action and V its value (SARSA).

use super::agent::Inputs;
use super::config::CsilConfig;
use super::critic::{Acted, Critic, Errors, Lesson};
use super::small::{SmallPolicy, Squashed};
use crate::Result;
use crate::data::{Archive, Normaliser, Stretches};
use crate::nn::{self, Adam, AdamConfig, Atoms, Observed, descend, params};
use crate::obs::{ImageSpec, ObsBatch};
use crate::policy::Sizes;
use crate::rng::Rng;
use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Where the refinement of the reward stops to look (CSIL).
const REFINED_FROM: f64 = -5.0;
/// The norm at which a gradient of the refinement is cut: the exponential's grows a thousandfold
/// where practice leaves the clone, and would break the reward for good.
const REFINEMENT_NORM: f64 = 10.0;

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
    cameras: Vec<ImageSpec>,
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
    /// A fresh learner on an autodiff `device`, for observations that `scale` scales, single
    /// actions, and what is seen.
    pub fn new(
        config: CsilConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        scale: Normaliser,
        rng: &mut Rng,
        device: Device,
    ) -> Self {
        let clone = SmallPolicy::new(&config, sizes, cameras, rng, &device);
        let critic = Critic::new(&config, sizes.obs + 2 * sizes.act, cameras, rng, &device);
        let temperature = Temperature {
            log: Param::from_tensor(Tensor::full([1], libm::log(config.temperature), &device)),
        };
        let [actor, reward] = [(); 2].map(|()| clone.clone());
        let adams = Adams::new(&config);
        let target = critic.valid();
        Self {
            clone,
            actor,
            reward,
            critic,
            target,
            temperature,
            adams,
            made: Made::default(),
            scale,
            config,
            sizes,
            cameras: cameras.to_vec(),
            device,
        }
    }

    /// Gradient steps so far.
    pub fn made(&self) -> Made {
        self.made
    }

    /// The atoms of the critics' values.
    pub fn atoms(&self) -> Atoms {
        let (low, high) = self.config.value_range();
        Atoms {
            low,
            high,
            count: self.config.atoms,
        }
    }

    /// What acts: the actor, without gradients.
    pub fn actor(&self) -> SmallPolicy {
        self.actor.valid()
    }

    /// What the learned reward is made of, where one is learned: without gradients.
    pub fn reward(&self) -> Option<SmallPolicy> {
        self.config.learns_reward().then(|| self.reward.valid())
    }

    /// One step of cloning on demonstrated decisions; the loss. Actor and reward begin as the clone
    /// that comes of it.
    pub fn clone_step(&mut self, batch: &Stretches) -> Tensor<1> {
        let rows = self.rows(batch, batch.len());
        let loss = self
            .clone
            .faithful_loss(rows.x.autodiff(), rows.u.autodiff());
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
        let Errors {
            error, steepness, ..
        } = self.teach(&rows, lesson, self.config.gradient_penalty, rng);
        self.made.pretrained += 1;
        (error.inner(), steepness.inner())
    }

    /// One update of critics, reward, temperature and actor on decisions of which the first were
    /// demonstrated; its figures, if they are to be told.
    pub fn step(&mut self, batch: &Stretches, tell: bool, rng: &mut Rng) -> Option<Losses> {
        let rows = self.rows(batch, batch.shown);
        let [e_next, e_now] =
            [(); 2].map(|()| self.plain(rng.normals(batch.len() * self.sizes.act), self.sizes.act));

        let learned = self.config.learns_reward().then(|| self.rewards(&rows));
        let then = self.actor.valid().at(rows.next_x.clone());
        let next_u = then.draw(e_next);
        let lesson = match &learned {
            Some(learned) => {
                let cost = then.divergence(&self.clone.valid().at(rows.next_x.clone()))
                    * self.config.kl_weight;
                self.lesson(&rows, next_u, learned.counted.clone(), Some(cost))
            }
            None => self.lesson(&rows, next_u, rows.rewards.clone(), None),
        };
        let errors = self.teach(&rows, lesson, self.config.practice_penalty, rng);

        if learned.is_some() && self.config.reward_lr > 0.0 {
            let loss = self.refinement(&rows);
            self.reward = descend(
                self.reward.clone(),
                &loss,
                self.config.reward_lr,
                REFINEMENT_NORM,
            );
        }
        let [actor, divergence] = self.improve(&rows, e_now);
        self.made.updates += 1;
        tell.then(|| Losses {
            critic: errors.error.inner(),
            actor,
            divergence,
            value: self
                .critic
                .valid()
                .values(
                    &self.atoms(),
                    &Acted {
                        at: rows.x.clone(),
                        action: rows.u.clone(),
                    },
                )
                .mean(),
            temperature: self.temperature.log.val().inner().exp(),
            learned: learned.map(|learned| self.told(&rows, learned, errors.steepness.inner())),
        })
    }

    /// The actor's step, where it is its turn: its loss, and the divergence from the clone before.
    fn improve(&mut self, rows: &Rows, e: Tensor<2>) -> [Tensor<1>; 2] {
        let ActorLoss {
            loss,
            divergence,
            density,
        } = self.actor_loss(rows, e);
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
        let divergence = at
            .divergence(&self.clone.valid().at(rows.x.clone()).tracked())
            .mean();
        let (u, density) = at.draw_with_density(e.autodiff());
        let (density, alpha) = (
            density.mean(),
            self.temperature.log.val().inner().exp().autodiff(),
        );
        let kept = if self.config.learns_reward() {
            divergence.clone() * self.config.kl_weight
        } else {
            density.clone() * alpha
        };
        let loss = kept - self.worth(rows.x.clone().autodiff(), u).mean();
        ActorLoss {
            loss,
            divergence,
            density,
        }
    }

    /// What the critics, as constants, make of the actor's actions: the least of them, or the mean
    /// where only some judge targets. `[N]`.
    fn worth(&self, at: Observed, action: Tensor<2>) -> Tensor<1> {
        let values = self
            .critic
            .clone()
            .no_grad()
            .values(&self.atoms(), &Acted { at, action });
        let all = self.config.judges() == self.config.critics;
        if all {
            values.min_dim(0).squeeze_dim(0)
        } else {
            values.mean_dim(0).squeeze_dim(0)
        }
    }

    /// The learned reward at rows.
    fn rewards(&self, rows: &Rows) -> Rewards {
        let raw = self.raw_rewards(&self.reward.valid(), rows.x.clone(), rows.u.clone());
        let (low, high) = self.config.reward_range();
        let offset = self.config.least_reward - low;
        let success = rows.rewards.clone() * self.config.success_reward;
        Rewards {
            counted: (raw.clone() - offset).clamp(low, high) + success,
            raw,
        }
    }

    /// alpha (log q(u | x) - log p(u)).
    fn raw_rewards(&self, q: &SmallPolicy, x: Observed, u: Tensor<2>) -> Tensor<1> {
        q.reward(x, u, self.config.reward_scale)
    }

    /// The learned reward of raw inputs and own actions, before bounds: N each.
    pub(super) async fn rewards_of(&self, inputs: &Inputs, own: Vec<f32>) -> Result<Vec<f32>> {
        let (x, u) = (
            self.inputs(&inputs.obs, &inputs.base),
            self.plain(own, self.sizes.act),
        );
        nn::read(self.raw_rewards(&self.reward.valid(), x, u)).await
    }

    /// L_r.
    fn refinement(&self, rows: &Rows) -> Tensor<1> {
        let n = rows.x.rows();
        let r = self.raw_rewards_tracked(rows);
        let shown = if rows.shown > 0 {
            r.clone().narrow(0, 0, rows.shown).mean()
        } else {
            r.clone().mean() * 0.0
        };
        if rows.shown == n {
            return shown.neg();
        }
        let practised = r
            .narrow(0, rows.shown, n - rows.shown)
            .clamp_min(REFINED_FROM);
        (practised.clone().neg().exp() - 1.0 + practised).mean() - shown
    }

    fn raw_rewards_tracked(&self, rows: &Rows) -> Tensor<1> {
        self.raw_rewards(
            &self.reward,
            rows.x.clone().autodiff(),
            rows.u.clone().autodiff(),
        )
    }

    /// What the critics are to learn: `next_u` is what is done then, `cost` what is paid for it.
    fn lesson(
        &self,
        rows: &Rows,
        next_u: Tensor<2>,
        rewards: Tensor<1>,
        cost: Option<Tensor<1>>,
    ) -> Lesson {
        let factor = rows.goes_on.clone() * self.config.gamma;
        let added = match cost {
            Some(cost) => rewards - factor.clone() * cost,
            None => rewards,
        };
        let now = Acted {
            at: rows.x.clone(),
            action: rows.u.clone(),
        };
        Lesson {
            now,
            next: Acted {
                at: rows.next_x.clone(),
                action: next_u,
            },
            added,
            factor,
        }
    }

    /// One step of the critics on a lesson, and their slow copies' after them; `penalty` is the
    /// weight of their steepness at demonstrations.
    fn teach(&mut self, rows: &Rows, lesson: Lesson, penalty: f64, rng: &mut Rng) -> Errors {
        let targets = self
            .target
            .targets(&self.atoms(), &lesson, &self.draw_judges(rng));
        let directions = if penalty > 0.0 {
            self.directions(rows, rng)
        } else {
            None
        };
        let Lesson {
            now,
            next,
            added,
            factor,
        } = lesson;
        let lesson = Lesson {
            now: now.autodiff(),
            next: next.autodiff(),
            added,
            factor,
        };
        let errors = self.critic.errors(
            &self.atoms(),
            &lesson,
            targets.autodiff(),
            directions.map(Tensor::autodiff),
        );
        let loss = errors.error.clone() + errors.steepness.clone() * penalty;
        self.critic = self
            .adams
            .critic
            .step(self.critic.clone(), &loss)
            .settled(errors.pass.as_ref());
        self.target = params::polyak(self.target.clone(), &self.critic, self.config.target_rate);
        errors
    }

    /// v of the penalty, as inputs and actions: 0 in the former, 1 or -1 in the latter. None
    /// without demonstrations or penalty.
    fn directions(&self, rows: &Rows, rng: &mut Rng) -> Option<Tensor<2>> {
        let Sizes { obs, act, .. } = self.sizes;
        if rows.shown == 0 || !self.config.learns_reward() {
            return None;
        }
        let mut corner = || if rng.below(2) == 0 { -1.0 } else { 1.0 };
        let values: Vec<f32> = (0..rows.shown)
            .flat_map(|_| {
                std::iter::repeat_n(0.0, obs + act)
                    .chain((0..act).map(|_| corner()))
                    .collect::<Vec<_>>()
            })
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

    fn told(
        &self,
        rows: &Rows,
        Rewards { raw, .. }: Rewards,
        steepness: Tensor<1>,
    ) -> LearnedFigures {
        let (n, (low, high)) = (rows.x.rows(), self.config.reward_range());
        let mean = |start: usize, count: usize| match count {
            0 => Tensor::zeros([1], &raw.device()),
            count => raw.clone().narrow(0, start, count).mean(),
        };
        let practised = mean(rows.shown, n - rows.shown);
        let spread = match n - rows.shown {
            0 => practised.clone(),
            count => (raw.clone().narrow(0, rows.shown, count) - practised.clone())
                .square()
                .mean()
                .sqrt(),
        };
        let least = self.config.least_reward;
        let inside = raw.clone().greater_elem(least).float()
            * raw.clone().lower_elem(least + high - low).float();
        LearnedFigures {
            steepness,
            shown: mean(0, rows.shown),
            practised,
            spread,
            clipped: inside.mean().neg() + 1.0,
        }
    }

    /// A batch of stretches of one decision.
    fn rows(&self, batch: &Stretches, shown: usize) -> Rows {
        let (n, act) = (batch.len(), self.sizes.act);
        let both = self.plain(batch.actions.clone(), 2 * act);
        let column = |values: &[f32]| self.plain(values.to_vec(), 1).squeeze_dim::<1>(1);
        let (base, next_base) = batch.base_actions.split_at(n * act);
        Rows {
            x: self.inputs(&batch.obs.slice(0..n), base),
            u: both.clone().narrow(1, 0, act),
            next_x: self.inputs(&batch.obs.slice(n..2 * n), next_base),
            next_u: both.narrow(1, act, act),
            rewards: column(&batch.rewards),
            goes_on: column(&batch.over).neg() + 1.0,
            shown,
        }
    }

    /// Raw observations and the pretrained policy's actions as the networks read them.
    fn inputs(&self, obs: &ObsBatch, base: &[f32]) -> Observed {
        observed(&self.scale, obs, base, &self.cameras, &self.device)
    }

    fn plain(&self, values: Vec<f32>, width: usize) -> Tensor<2> {
        nn::matrix(values, width, &self.device.clone().without_autodiff())
    }

    /// Writes the whole state into the archive.
    pub async fn save(&self, archive: &mut Archive) -> Result<()> {
        archive.put("csil/made", &self.made)?;
        for (name, policy) in [
            ("clone", &self.clone),
            ("actor", &self.actor),
            ("reward", &self.reward),
        ] {
            params::save(policy, &format!("csil/{name}"), archive).await?;
        }
        params::save(&self.critic, "csil/critic", archive).await?;
        params::save(&self.target, "csil/target", archive).await?;
        params::save(&self.temperature, "csil/temperature", archive).await?;
        let Adams {
            clone,
            actor,
            critic,
            temperature,
        } = &self.adams;
        for (name, adam) in [
            ("clone", clone),
            ("actor", actor),
            ("critic", critic),
            ("temperature", temperature),
        ] {
            adam.save(&format!("csil/{name}-adam"), archive).await?;
        }
        Ok(())
    }

    /// Restores what [`Learner::save`] wrote under the same settings.
    pub fn load(
        config: CsilConfig,
        sizes: Sizes,
        cameras: &[ImageSpec],
        scale: Normaliser,
        archive: &Archive,
        device: Device,
    ) -> Result<Self> {
        let mut learner = Self::new(
            config,
            sizes,
            cameras,
            scale,
            &mut Rng::new(0, "unused", 0),
            device,
        );
        learner.made = archive.get("csil/made")?;
        for (name, policy) in [
            ("clone", &mut learner.clone),
            ("actor", &mut learner.actor),
            ("reward", &mut learner.reward),
        ] {
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
        [config.lr, config.clone_lr].map(|lr| AdamConfig {
            lr,
            clip_norm: None,
        })
    }

    fn new(config: &CsilConfig) -> Self {
        let [practice, cloning] = Self::settings(config);
        Self {
            clone: Adam::new(cloning),
            actor: Adam::new(practice),
            critic: Adam::new(practice),
            temperature: Adam::new(practice),
        }
    }
}

impl Squashed {
    /// As constants of a graph.
    fn tracked(self) -> Self {
        let nn::Gaussians { mean, std } = self.0;
        Self(nn::Gaussians {
            mean: mean.autodiff(),
            std: std.autodiff(),
        })
    }
}

/// Raw observations, whose numbers `scale` scales, and the pretrained policy's actions beside them,
/// on a device without gradients.
pub(super) fn observed(
    scale: &Normaliser,
    obs: &ObsBatch,
    base: &[f32],
    cameras: &[ImageSpec],
    device: &Device,
) -> Observed {
    let plain = device.clone().without_autodiff();
    let numbers = scale.apply(&obs.numbers());
    let base = nn::matrix(base.to_vec(), base.len() / obs.len(), &plain);
    Observed::new(numbers, obs.numbers_width(), obs.seen_by(cameras), &plain).with(base)
}

#[cfg(test)]
mod tests;
