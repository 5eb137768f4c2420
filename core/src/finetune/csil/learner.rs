//! The learner: cloning, the coherent reward, its refinement, and actor and critics that improve on
//! the clone (Watson, Huang and Heess 2023, CSIL, with the critics of XQC).
//!
//! With x an observation and the pretrained policy's action, u the actor's own action, of d
//! numbers, q the clone, p uniform:
//!
//! ```text
//! r(x, u) = alpha (log q(u | x) - log p(u)),  alpha = scale / d            the coherent reward
//! V(x')   = min_i Qtarget_i(x', u') - beta KL(pi(x') || q(x'))             u' drawn by pi
//! L_Q     = E distance(Q(x, u), r + c success + gamma (1 - done) V(x'))
//!           + k sqrt(E_demos (dQ/du v)^2)                                  v a corner of the cube
//! L_r     = -E_demos r + E_practice [exp(-max(r, -5)) - 1 + max(r, -5)]
//! L_pi    = E [beta KL(pi(x) || q(x)) - min_i Q_i(x, u)]
//! ```
//!
//! v is drawn at random. Over all corners the mean of (dQ/du v)^2 is |dQ/du|^2: the penalty needs
//! one direction per row, however many numbers an action has. While critics are pretrained, u' is
//! the demonstrated action and V its value (SARSA).

use super::METHOD;
use super::config::CsilConfig;
use super::policy::CsilPolicy;
use super::reward::coherent_reward;
use crate::Result;
use crate::data::{Archive, SequenceBatch};
use crate::finetune::FinetunedPolicy;
use crate::finetune::actor_critic::{
    ClonedActor, ComposedPolicy, Figures, FrozenEncoder, HetstatPolicy, InputReader, Learner,
    RawInputs, Transitions, Updates,
};
use crate::method::LocalFuture;
use crate::nn::{self, descend, params};
use crate::rl::{Critics, Penalty, StateAction};
use crate::rng::Rng;
use burn::module::Module;
use burn::tensor::{Device, Tensor};

/// Where the refinement of the reward stops to look (CSIL).
const REFINED_FROM: f64 = -5.0;
/// The norm at which a gradient of the refinement is cut: the exponential's grows a thousandfold
/// where practice leaves the clone, and would break the reward for good.
const REFINEMENT_NORM: f64 = 10.0;

/// Actor, critics, reward and what they began as.
pub(super) struct CsilLearner {
    policy: ClonedActor,
    /// q as the reward has it: refined in practice.
    reward: HetstatPolicy,
    critics: Critics,
    updates: Updates,
    config: CsilConfig,
    inputs: InputReader,
}

/// Learned rewards.
struct Rewards {
    /// Before bounds: `[N]`.
    raw: Tensor<1>,
    /// As the critics see them, with what success earns: `[N]`.
    counted: Tensor<1>,
}

impl CsilLearner {
    /// A fresh learner on an autodiff `device`.
    pub(crate) fn new(
        config: CsilConfig,
        inputs: InputReader,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let policy = ClonedActor::new(&config.actor, &inputs, config.lr, rng, device);
        let width = inputs.keypoints() + inputs.width() + inputs.sizes.act;
        Self {
            reward: policy.clone.clone(),
            policy,
            // They read the keypoints of the clone's encoders, and have none of their own.
            critics: Critics::new(config.critics(), width, &[], rng, device),
            updates: Updates::default(),
            config,
            inputs,
        }
    }

    /// L_pi, where the actor draws by standard normal `e`, and the divergence from the clone in it.
    fn actor_loss(&self, batch: &Transitions, e: Tensor<2>) -> [Tensor<1>; 2] {
        let (at, divergence) = self.policy.attached_at(&batch.x);
        let value = self.critics.q_of_actor_actions(&StateAction {
            state: batch.x.clone().autodiff(),
            action: at.sample(e.autodiff()),
        });
        let loss = divergence.clone() * self.config.kl_weight - value.mean();
        [loss, divergence]
    }

    /// The learned reward of decisions.
    fn learned_rewards(&self, batch: &Transitions) -> Rewards {
        let scale = self.config.reward_scale;
        let raw = coherent_reward(
            &self.reward.valid(),
            batch.x.clone(),
            batch.u.clone(),
            scale,
        );
        let (low, high) = self.config.reward_range();
        let offset = self.config.least_reward - low;
        let success = batch.rewards.clone() * self.config.success_reward;
        Rewards {
            counted: (raw.clone() - offset).clamp(low, high) + success,
            raw,
        }
    }

    /// The learned reward of raw inputs and own actions, before bounds: N each.
    async fn rewards_of(&self, inputs: &RawInputs, own: &[f32]) -> Result<Option<Vec<f32>>> {
        let x = self.inputs.observations(&inputs.obs, &inputs.base);
        let u = self.inputs.matrix(own.to_vec(), self.inputs.sizes.act);
        let raw = coherent_reward(&self.reward.valid(), x, u, self.config.reward_scale);
        nn::read(raw).await.map(Some)
    }

    /// L_r.
    fn refinement(&self, batch: &Transitions) -> Tensor<1> {
        let n = batch.len();
        let x = batch.x.clone().autodiff();
        let u = batch.u.clone().autodiff();
        let r = coherent_reward(&self.reward, x, u, self.config.reward_scale);
        let demos = if batch.n_demos > 0 {
            r.clone().narrow(0, 0, batch.n_demos).mean()
        } else {
            r.clone().mean() * 0.0
        };
        if batch.n_demos == n {
            return demos.neg();
        }
        let practice = r
            .narrow(0, batch.n_demos, n - batch.n_demos)
            .clamp_min(REFINED_FROM);
        (practice.clone().neg().exp() - 1.0 + practice).mean() - demos
    }

    /// The penalty on the critics' slope at demonstrations, along v: 0 in inputs, 1 or -1 in
    /// actions. None without demonstrations or weight.
    fn penalty(&self, batch: &Transitions, weight: f64, rng: &mut Rng) -> Option<Penalty> {
        if batch.n_demos == 0 || weight <= 0.0 {
            return None;
        }
        let width = self.inputs.keypoints() + self.inputs.width();
        let act = self.inputs.sizes.act;
        let mut directions = Vec::new();
        for _ in 0..batch.n_demos {
            directions.extend(std::iter::repeat_n(0.0, width));
            directions.extend((0..act).map(|_| if rng.below(2) == 0 { -1.0 } else { 1.0 }));
        }
        Some(Penalty {
            directions: self.inputs.matrix(directions, width + act),
            weight,
        })
    }

    /// What is known of the learned reward before it is cut off: the mean of demonstrated actions
    /// and of those of practice, its standard deviation there, and the share that is cut off.
    fn reward_figures(&self, batch: &Transitions, raw: &Tensor<1>) -> Figures {
        let n_demos = batch.n_demos;
        let mean = |start: usize, count: usize| match count {
            0 => Tensor::zeros([1], &raw.device()),
            count => raw.clone().narrow(0, start, count).mean(),
        };
        let practice = mean(n_demos, batch.len() - n_demos);
        let spread = match batch.len() - n_demos {
            0 => practice.clone(),
            count => (raw.clone().narrow(0, n_demos, count) - practice.clone())
                .square()
                .mean()
                .sqrt(),
        };
        let (low, high) = self.config.reward_range();
        let least = self.config.least_reward;
        let inside = raw.clone().greater_elem(least).float()
            * raw.clone().lower_elem(least + high - low).float();
        vec![
            ("reward/demos", mean(0, n_demos)),
            ("reward/practice", practice),
            ("reward/std", spread),
            ("reward/clipped", inside.mean().neg() + 1.0),
        ]
    }

    fn normals(&self, rows: usize, rng: &mut Rng) -> Tensor<2> {
        let act = self.inputs.sizes.act;
        self.inputs.matrix(rng.normals(rows * act), act)
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("csil/updates", &self.updates)?;
        self.policy.save("csil", archive).await?;
        params::save(&self.reward, "csil/reward", archive).await?;
        self.critics.save("csil", archive).await
    }

    /// The same with what [`Learner::save`] wrote under the same settings.
    ///
    /// # Errors
    /// When the archive lacks it.
    pub(crate) fn loaded(self, archive: &Archive) -> Result<Self> {
        Ok(Self {
            updates: archive.get("csil/updates")?,
            policy: self.policy.loaded("csil", archive)?,
            reward: params::load(self.reward, "csil/reward", archive)?,
            critics: self.critics.loaded("csil", archive)?,
            ..self
        })
    }
}

impl Learner for CsilLearner {
    fn updates(&self) -> Updates {
        self.updates
    }

    /// The reward begins as the clone, too.
    fn clone_step(&mut self, demos: &SequenceBatch) -> Tensor<1> {
        self.updates.cloning += 1;
        let demos = self.inputs.transitions(demos, demos.len());
        let loss = self.policy.clone_step(&demos);
        self.reward = self.policy.clone.clone();
        loss
    }

    fn frozen_encoder(&self) -> Option<FrozenEncoder> {
        let sees = !self.inputs.cameras.is_empty();
        sees.then(|| FrozenEncoder {
            inputs: self.inputs.clone(),
            encoders: self.policy.clone.valid().image_encoders(),
        })
    }

    fn pretraining(&self) -> usize {
        self.config.critic_updates
    }

    /// One step of the critics, SARSA.
    fn pretrain_step(&mut self, demos: &SequenceBatch, rng: &mut Rng) -> Figures {
        let demos = self.inputs.transitions(demos, demos.len());
        let reward = self.learned_rewards(&demos).counted;
        let td_batch = demos.td_batch(demos.next_u.clone(), reward, self.config.gamma);
        let penalty = self.penalty(&demos, self.config.gradient_penalty, rng);
        let errors = self.critics.step(td_batch, penalty, rng);
        self.updates.pretraining += 1;
        vec![
            ("loss/critic", errors.td_error),
            ("loss/steepness", errors.gradient_norm),
        ]
    }

    /// One update of critics, reward and actor.
    fn step(&mut self, batch: &SequenceBatch, record: bool, rng: &mut Rng) -> Option<Figures> {
        let batch = self.inputs.transitions(batch, batch.n_demos);
        let e_next = self.normals(batch.len(), rng);
        let e_now = self.normals(batch.len(), rng);

        let Rewards { raw, counted } = self.learned_rewards(&batch);
        let next = self.policy.actor_at(&batch.next_x);
        // V(x') costs what the actor leaves the clone by.
        let cost = next.kl(&self.policy.clone_at(&batch.next_x)) * self.config.kl_weight;
        let reward = counted - batch.discounts(self.config.gamma) * cost;
        let td_batch = batch.td_batch(next.sample(e_next), reward, self.config.gamma);
        let penalty = self.penalty(&batch, self.config.practice_penalty, rng);
        let errors = self.critics.step(td_batch, penalty, rng);

        if self.config.reward_lr > 0.0 {
            let loss = self.refinement(&batch);
            let reward = self.reward.clone();
            self.reward = descend(reward, &loss, self.config.reward_lr, REFINEMENT_NORM);
        }
        let [loss, divergence] = self.actor_loss(&batch, e_now);
        if self
            .updates
            .practice
            .is_multiple_of(self.config.actor_every)
        {
            self.policy.step(&loss);
        }
        self.updates.practice += 1;
        record.then(|| {
            let value = self.critics.values(&batch.state_action()).mean();
            let mut figures = vec![
                ("loss/critic", errors.td_error),
                ("loss/actor", loss.inner()),
                ("policy/kl", divergence.inner()),
                ("policy/value", value),
                ("loss/steepness", errors.gradient_norm),
            ];
            figures.extend(self.reward_figures(&batch, &raw));
            figures
        })
    }

    fn acting(&self) -> ComposedPolicy {
        ComposedPolicy {
            method: METHOD.id(),
            actor: self.policy.acting(),
            config: self.config.actor.clone(),
            cameras: self.inputs.cameras.clone(),
        }
    }

    fn finetuned(&self) -> Box<dyn FinetunedPolicy> {
        Box::new(CsilPolicy {
            acting: self.acting(),
            reward: self.reward.valid(),
            config: self.config.clone(),
        })
    }

    fn rewards<'a>(
        &'a self,
        inputs: &'a RawInputs,
        own: &'a [f32],
    ) -> LocalFuture<'a, Option<Vec<f32>>> {
        Box::pin(self.rewards_of(inputs, own))
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

#[cfg(test)]
mod tests;
