//! The loop of DSRL, a little at a time: a decision in every environment, then the updates that it
//! pays for.

use super::{DsrlConfig, NoisePolicy, SoftActorCritic, Variant};
use crate::data::{Archive, Replay};
use crate::env::{Decision, RolloutSpec, Rollouts};
use crate::finetune::{
    Context, FinetunedPolicy, Next, StepReport, Trainer, UPDATES, load_replay, read_losses,
};
use crate::method::LocalFuture;
use crate::nn;
use crate::rl::{OnlineLoop, Schedule, recording_due};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// DSRL at work.
pub struct DsrlTrainer {
    config: DsrlConfig,
    rollouts: Rollouts,
    replay: Replay,
    learner: SoftActorCritic,
    count: Count,
}

/// Where the loop stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    online: OnlineLoop,
    /// Updates of the learner.
    updates: usize,
    /// Updates of the noise critic.
    noise_updates: usize,
    /// Draws batches and the learner's noise.
    rng: Rng,
}

impl DsrlTrainer {
    /// Before the first decision.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub fn new(config: DsrlConfig, cx: &Context) -> Result<Self> {
        let seed = cx.rollouts.seed;
        let learner = SoftActorCritic::new(
            config.clone(),
            cx.policy,
            &mut Rng::new(seed, "dsrl-weights", 0),
            cx.device.clone(),
        );
        let replay = Replay::new(cx.kept(), stored(&config, cx), config.total_steps);
        let count = Count {
            online: OnlineLoop::default(),
            updates: 0,
            noise_updates: 0,
            rng: Rng::new(seed, "dsrl", 0),
        };
        Ok(Self {
            rollouts: Rollouts::endless(&practice_spec(&config, cx.rollouts), "practice")?,
            config,
            replay,
            learner,
            count,
        })
    }

    /// The actor as it is now, and how it acts in evaluations.
    pub fn noise_policy(&self) -> NoisePolicy {
        self.learner.noise_policy(self.config.stochastic_eval)
    }

    async fn advance(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let mut report = if self.count.updates < self.owed(self.config.utd_ratio) {
            self.update(cx).await?
        } else if self.count.noise_updates < self.noise_owed() {
            self.distil(cx).await?
        } else {
            self.play(cx).await?
        };
        report.next = self.next();
        if report.next != Next::Continue {
            let success = self.count.online.evaluated();
            report
                .metrics
                .extend(success.map(|success| ("train/success", success)));
        }
        Ok(report)
    }

    /// The decisions of the round that ends the warm-up pay for the first updates.
    fn schedule(&self, utd_ratio: f64) -> Schedule {
        let DsrlConfig {
            envs,
            total_steps,
            eval_every,
            learning_starts,
            ..
        } = self.config;
        Schedule {
            total_steps,
            learning_starts: (learning_starts.div_ceil(envs) - 1) * envs,
            utd_ratio,
            eval_every,
        }
    }

    /// Updates that the decisions so far pay for, at so many per decision.
    fn owed(&self, utd_ratio: f64) -> usize {
        self.count.online.updates_owed(&self.schedule(utd_ratio))
    }

    /// Those of the noise critic.
    fn noise_owed(&self) -> usize {
        match self.config.variant {
            Variant::NoiseAliased => self.owed(self.config.noise_utd_ratio),
            Variant::Sac => 0,
        }
    }

    fn next(&self) -> Next {
        let behind = self.count.updates < self.owed(self.config.utd_ratio)
            || self.count.noise_updates < self.noise_owed();
        if behind || self.count.online.decisions() <= self.config.learning_starts {
            return Next::Continue;
        }
        Next::after(&self.count.online, &self.schedule(self.config.utd_ratio))
    }

    fn progress(&self) -> (usize, usize) {
        match self.count.online.decisions() {
            warm if warm <= self.config.learning_starts => (warm, self.config.learning_starts),
            learning => (learning, self.config.total_steps),
        }
    }

    /// The policy's own noise during the warm-up, then the actor's.
    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let policy = cx.policy;
        let inner_device = cx.device.clone().without_autodiff();
        let warm = self.count.online.decisions() < self.config.learning_starts;
        let obs = self.rollouts.observe();
        let mut noise = self.rollouts.noise(policy.noise_len());
        if warm && self.config.variant == Variant::Sac {
            let limit = self.config.magnitude as f32;
            noise.iter_mut().for_each(|w| *w = w.clamp(-limit, limit));
        }
        if !warm {
            let scaled = policy.features(&obs, &inner_device);
            noise = nn::read(
                self.learner
                    .noise_policy(true)
                    .noise(scaled, nn::matrix(noise, policy.noise_len(), &inner_device)),
            )
            .await?;
        }
        let chunks = policy.act(&obs, noise.clone(), &inner_device).await?;
        let (decisions, finished) = self.rollouts.play(&chunks, policy.sizes.chunk_len())?;
        let kept = cx.keep(&decisions).await?;
        let rows = decisions.iter().zip(&kept);
        for ((Decision { chunk, step, .. }, (obs, next)), noise) in
            rows.zip(noise.chunks(policy.noise_len()))
        {
            let action = if self.config.variant == Variant::NoiseAliased {
                chunk
            } else {
                noise
            };
            let done = step.terminated || (step.truncated && !self.config.bootstrap_truncated);
            self.replay.push(
                obs,
                action,
                step.reward + self.config.offset(step.steps),
                next,
                done,
            )?;
        }
        self.count.online.practiced(decisions.len(), &finished);
        if self.count.online.decisions() <= self.config.learning_starts {
            // Nothing was learned that could be evaluated.
            let schedule = self.schedule(self.config.utd_ratio);
            self.count.online.skip_evaluations(&schedule);
        }
        let (done, total) = self.progress();
        // After the warm-up playing and learning take turns many times a second: all of it is
        // finetuning.
        Ok(StepReport {
            practicing: warm,
            ..StepReport::practice(&decisions, finished, (done as u64, total as u64))
        })
    }

    async fn update(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let before = self.count.updates;
        let updates = UPDATES.min(self.owed(self.config.utd_ratio) - before);
        let Count { rng, .. } = &mut self.count;
        let losses = (0..updates)
            .map(|_| {
                self.learner
                    .step(&self.replay.sample(rng, self.config.batch), cx.policy, rng)
            })
            .last();
        self.count.updates += updates;
        let mut report = StepReport::update(updates, self.progress());
        let due = recording_due(before, self.count.updates);
        if let Some(losses) = losses.filter(|_| due) {
            report.metrics = read_losses([
                ("loss/critic", losses.critic),
                ("loss/actor", losses.actor),
                ("policy/temperature", losses.temperature),
                ("policy/entropy", losses.entropy),
                ("policy/value", losses.value),
            ])
            .await?;
        }
        Ok(report)
    }

    async fn distil(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let before = self.count.noise_updates;
        let updates = UPDATES.min(self.noise_owed() - before);
        let Count { rng, .. } = &mut self.count;
        let loss = (0..updates)
            .filter_map(|_| {
                self.learner
                    .distil(&self.replay.sample(rng, self.config.batch), cx.policy, rng)
            })
            .last();
        self.count.noise_updates += updates;
        let mut report = StepReport::update(updates, self.progress());
        let due = recording_due(before, self.count.noise_updates);
        if let Some(loss) = loss.filter(|_| due) {
            report.metrics = read_losses([("loss/noise_critic", loss)]).await?;
        }
        Ok(report)
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("finetuner/loop", &self.count)?;
        archive.put_blob("finetuner/rollouts", self.rollouts.save()?);
        self.replay.save(archive, "finetuner/replay")?;
        self.learner.save(archive).await
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub(crate) fn load(config: DsrlConfig, cx: &Context, archive: &mut Archive) -> Result<Self> {
        let count: Count = archive.get("finetuner/loop")?;
        let replay = load_replay(cx, stored(&config, cx), archive)?;
        if replay.is_empty() && count.online.decisions() > 0 {
            return Err(Error::input(
                "the checkpoint has nothing to learn from: use an undamaged checkpoint",
            ));
        }
        let rollouts = Rollouts::load(
            &practice_spec(&config, cx.rollouts),
            archive.blob("finetuner/rollouts")?,
        )?;
        let learner = SoftActorCritic::load(config.clone(), cx.policy, archive, cx.device.clone())?;
        Ok(Self {
            config,
            rollouts,
            replay,
            learner,
            count,
        })
    }
}

impl Trainer for DsrlTrainer {
    fn step<'a>(&'a mut self, cx: &'a Context<'a>) -> LocalFuture<'a, StepReport> {
        Box::pin(self.advance(cx))
    }

    fn policy(&self) -> Option<Box<dyn FinetunedPolicy>> {
        Some(Box::new(self.noise_policy()))
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

/// Practice runs in a few environments only.
fn practice_spec(config: &DsrlConfig, spec: &RolloutSpec) -> RolloutSpec {
    RolloutSpec {
        parallel: config.envs,
        ..spec.clone()
    }
}

/// Length of what the replay keeps as the action: the chunk that was played, or the noise that it
/// was made from.
fn stored(config: &DsrlConfig, cx: &Context) -> usize {
    match config.variant {
        Variant::NoiseAliased => cx.policy.sizes.chunk_len(),
        Variant::Sac => cx.policy.noise_len(),
    }
}
