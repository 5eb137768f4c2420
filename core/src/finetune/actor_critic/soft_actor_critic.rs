//! The learner of the task's own reward: soft actor-critic from the clone (Haarnoja et al. 2018;
//! with other critics and with demonstrations in its batches XQC, Palenicek et al. 2025, and RLPD,
//! Ball et al. 2023).
//!
//! With x an observation and the pretrained policy's action, u the actor's own action, of d
//! numbers, q the clone:
//!
//! ```text
//! L_Q     = E distance(Q(x, u), r + gamma (1 - done) min_i Qtarget_i(x', u'))    u' drawn by pi
//! L_pi    = E [alpha log pi(u | x) - min_i Q_i(x, u)]                            u drawn by pi
//! L_alpha = -E log(alpha) (log pi(u | x) - d / 2)
//! ```
//!
//! Values have no entropy in them: success ends an episode, and an actor that earned by its entropy
//! would stay away from it.

use super::{
    ClonedActor, ComposedPolicy, Figures, InputReader, Learner, PracticeConfig, Transitions,
    Updates,
};
use crate::Result;
use crate::data::{Archive, SequenceBatch};
use crate::finetune::FinetuneMethod;
use crate::method::LocalFuture;
use crate::rl::{CriticConfig, Critics, StateAction, Temperature};
use crate::rng::Rng;
use burn::tensor::{Device, Tensor};

/// What xqc, rlpd and sac differ in, and what they share.
#[derive(Debug, Clone)]
pub(crate) struct SoftActorCriticConfig {
    /// The method that it is.
    pub(crate) method: FinetuneMethod,
    /// How it practices, and its actor.
    pub(crate) practice: PracticeConfig,
    /// The critics.
    pub(crate) critics: CriticConfig,
    /// Adam's learning rate of actor and temperature.
    pub(crate) lr: f64,
    /// Discount per decision.
    pub(crate) gamma: f64,
    /// The temperature at the start.
    pub(crate) temperature: f64,
    /// Updates of the critics for each of the actor.
    pub(crate) actor_every: usize,
}

/// Actor, critics and temperature.
pub(crate) struct SoftActorCritic {
    policy: ClonedActor,
    critics: Critics,
    temperature: Temperature,
    updates: Updates,
    config: SoftActorCriticConfig,
    inputs: InputReader,
}

/// L_pi, and the means of what it is made of.
struct ActorLoss {
    loss: Tensor<1>,
    divergence: Tensor<1>,
    log_prob: Tensor<1>,
}

impl SoftActorCritic {
    /// A fresh learner on an autodiff `device`.
    pub fn new(
        config: SoftActorCriticConfig,
        inputs: InputReader,
        rng: &mut Rng,
        device: &Device,
    ) -> Self {
        let actor = &config.practice.actor;
        let policy = ClonedActor::new(actor, &inputs, config.lr, rng, device);
        let act = inputs.sizes.act;
        let width = inputs.width() + act;
        let target_entropy = -(act as f64) / 2.0;
        Self {
            policy,
            critics: Critics::new(config.critics, width, &inputs.cameras, rng, device),
            temperature: Temperature::new(config.temperature, target_entropy, config.lr, device),
            updates: Updates::default(),
            config,
            inputs,
        }
    }

    /// L_pi, where the actor draws by standard normal `e`; with its entropy.
    fn actor_loss(&self, batch: &Transitions, e: Tensor<2>) -> ActorLoss {
        let (at, divergence) = self.policy.attached_at(&batch.x);
        let (u, log_prob) = at.sample_with_log_prob(e.autodiff());
        let log_prob = log_prob.mean();
        let value = self.critics.q_of_actor_actions(&StateAction {
            state: batch.x.clone().autodiff(),
            action: u,
        });
        let alpha = self.temperature.value().autodiff();
        ActorLoss {
            loss: log_prob.clone() * alpha - value.mean(),
            divergence,
            log_prob,
        }
    }

    fn normals(&self, rows: usize, rng: &mut Rng) -> Tensor<2> {
        let act = self.inputs.sizes.act;
        self.inputs.matrix(rng.normals(rows * act), act)
    }

    /// The name under which an archive has it.
    fn prefix(&self) -> &'static str {
        self.config.method.id()
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        let prefix = self.prefix();
        archive.put(format!("{prefix}/updates"), &self.updates)?;
        self.policy.save(prefix, archive).await?;
        self.critics.save(prefix, archive).await?;
        let name = format!("{prefix}/temperature");
        self.temperature.save(&name, archive).await
    }

    /// The same with what [`Learner::save`] wrote under the same settings.
    ///
    /// # Errors
    /// When the archive lacks it.
    pub(crate) fn loaded(self, archive: &Archive) -> Result<Self> {
        let prefix = self.prefix();
        let name = format!("{prefix}/temperature");
        Ok(Self {
            updates: archive.get(&format!("{prefix}/updates"))?,
            policy: self.policy.loaded(prefix, archive)?,
            critics: self.critics.loaded(prefix, archive)?,
            temperature: self.temperature.loaded(&name, archive)?,
            ..self
        })
    }
}

impl Learner for SoftActorCritic {
    fn updates(&self) -> Updates {
        self.updates
    }

    fn clone_step(&mut self, demos: &SequenceBatch) -> Tensor<1> {
        self.updates.cloning += 1;
        let demos = self.inputs.transitions(demos, demos.len());
        self.policy.clone_step(&demos)
    }

    fn step(&mut self, batch: &SequenceBatch, record: bool, rng: &mut Rng) -> Option<Figures> {
        let batch = self.inputs.transitions(batch, batch.n_demos);
        let e_next = self.normals(batch.len(), rng);
        let e_now = self.normals(batch.len(), rng);

        let next_u = self.policy.actor_at(&batch.next_x).sample(e_next);
        let td_batch = batch.td_batch(next_u, batch.rewards.clone(), self.config.gamma);
        let errors = self.critics.step(td_batch, None, rng);

        let every = self.config.actor_every;
        let actor_due = self.updates.practice.is_multiple_of(every);
        self.updates.practice += 1;
        if !actor_due && !record {
            return None;
        }
        let ActorLoss {
            loss,
            divergence,
            log_prob,
        } = self.actor_loss(&batch, e_now);
        if actor_due {
            self.policy.step(&loss);
            self.temperature.step(log_prob.inner());
        }
        record.then(|| {
            let value = self.critics.values(&batch.state_action()).mean();
            vec![
                ("loss/critic", errors.td_error),
                ("loss/actor", loss.inner()),
                ("policy/kl", divergence.inner()),
                ("policy/value", value),
                ("policy/temperature", self.temperature.value()),
            ]
        })
    }

    fn acting(&self) -> ComposedPolicy {
        ComposedPolicy {
            method: self.config.method,
            actor: self.policy.acting(),
            config: self.config.practice.actor.clone(),
            cameras: self.inputs.cameras.clone(),
        }
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

#[cfg(test)]
mod tests;
