//! The loop of DSRL, a little at a time: a decision in every environment, then the updates that it
//! pays for.

use super::{DsrlConfig, NoisePolicy, SoftActorCritic, Variant};
use crate::data::{Archive, Replay};
use crate::env::{Decision, RolloutSpec, Rollouts};
use crate::finetune::{
    Context, FinetunedPolicy, Next, RECORD_EVERY, StepReport, Trainer, UPDATES, load_replay,
    read_losses,
};
use crate::method::LocalFuture;
use crate::nn;
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
    /// Decisions of each environment.
    steps: usize,
    /// Updates of the learner, and of the noise critic, that are still to be made before the next
    /// decision.
    owed: (usize, usize),
    /// Updates of the learner.
    updates: usize,
    /// Practice episodes since the last evaluation: successes, and all.
    episodes: (u64, u64),
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
        let replay = Replay::new(cx.obs(), stored(&config, cx), config.total_steps);
        let count = Count {
            steps: 0,
            owed: (0, 0),
            updates: 0,
            episodes: (0, 0),
            rng: Rng::new(seed, "dsrl", 0),
        };
        Ok(Self {
            rollouts: Rollouts::endless(&few(&config, cx.rollouts), "practice")?,
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
        let mut report = match self.count.owed {
            (0, 0) => self.play(cx).await?,
            (0, _) => self.distil(cx).await?,
            _ => self.update(cx).await?,
        };
        if self.count.owed == (0, 0) && self.decisions() > self.config.learning_starts {
            report.next = self.next();
        }
        if report.next != Next::Continue {
            let (successes, all) = std::mem::take(&mut self.count.episodes);
            report
                .metrics
                .extend((all > 0).then(|| ("train/success", successes as f64 / all as f64)));
        }
        Ok(report)
    }

    /// Decisions of all environments.
    fn decisions(&self) -> usize {
        self.count.steps * self.config.envs
    }

    fn next(&self) -> Next {
        let decisions = self.decisions();
        if decisions >= self.config.total_steps {
            return Next::Done;
        }
        let before = decisions - self.config.envs;
        if decisions / self.config.eval_every > before / self.config.eval_every {
            Next::Evaluate
        } else {
            Next::Continue
        }
    }

    fn progress(&self) -> (usize, usize) {
        match self.decisions() {
            warm if warm <= self.config.learning_starts => (warm, self.config.learning_starts),
            learning => (learning, self.config.total_steps),
        }
    }

    /// Updates that the newest decision of every environment pays for, at so many per decision: the
    /// whole ones, of all that was due so far.
    fn due(&self, per_decision: f64) -> usize {
        let start = self.config.learning_starts.div_ceil(self.config.envs);
        let learning = (self.count.steps + 1).saturating_sub(start);
        // A ratio such as 10 / 3 has no exact float: a hair below a whole number counts as it.
        let by = |steps: usize| ((steps * self.config.envs) as f64 * per_decision + 1e-6) as usize;
        by(learning) - by(learning.saturating_sub(1))
    }

    /// The policy's own noise during the warm-up, then the actor's.
    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let (policy, plain) = (cx.policy, cx.device.clone().without_autodiff());
        let warm = self.decisions() < self.config.learning_starts;
        let obs = self.rollouts.observe();
        let mut noise = self.rollouts.noise(policy.noise_len());
        if warm && self.config.variant == Variant::Sac {
            let limit = self.config.magnitude as f32;
            noise.iter_mut().for_each(|w| *w = w.clamp(-limit, limit));
        }
        if !warm {
            let scaled = policy.observe(&obs, &plain).numbers;
            noise = nn::read(
                self.learner
                    .noise_policy(true)
                    .noise(scaled, nn::matrix(noise, policy.noise_len(), &plain)),
            )
            .await?;
        }
        let chunks = policy.act(&obs, noise.clone(), &plain).await?;
        let (decisions, finished) = self.rollouts.play(&chunks, policy.sizes.chunk_len())?;
        for (
            Decision {
                obs, chunk, step, ..
            },
            noise,
        ) in decisions.iter().zip(noise.chunks(policy.noise_len()))
        {
            let action = if self.config.variant == Variant::NoiseAliased {
                chunk
            } else {
                noise
            };
            let over = step.terminated || (step.truncated && !self.config.bootstrap_truncated);
            self.replay.push(
                obs,
                action,
                step.reward + self.config.reward_offset as f32,
                &step.obs,
                over,
            )?;
        }
        self.count.steps += 1;
        self.count.episodes.0 += finished.iter().filter(|episode| episode.success).count() as u64;
        self.count.episodes.1 += finished.len() as u64;
        if self.decisions() >= self.config.learning_starts {
            let noise_updates = match self.config.variant {
                Variant::NoiseAliased => self.due(self.config.noise_utd_ratio),
                Variant::Sac => 0,
            };
            self.count.owed = (self.due(self.config.utd_ratio), noise_updates);
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
        let updates = UPDATES.min(self.count.owed.0);
        let Count { rng, .. } = &mut self.count;
        let losses = (0..updates)
            .map(|_| {
                self.learner
                    .step(&self.replay.sample(rng, self.config.batch), cx.policy, rng)
            })
            .last();
        self.count.owed.0 -= updates;
        let before = self.count.updates;
        self.count.updates += updates;
        let mut report = StepReport::update(updates, self.progress());
        let due = before / RECORD_EVERY != self.count.updates / RECORD_EVERY;
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
        let updates = UPDATES.min(self.count.owed.1);
        let Count { rng, .. } = &mut self.count;
        let loss = (0..updates)
            .filter_map(|_| {
                self.learner
                    .distil(&self.replay.sample(rng, self.config.batch), cx.policy, rng)
            })
            .last();
        self.count.owed.1 -= updates;
        let mut report = StepReport::update(updates, self.progress());
        if let Some(loss) =
            loss.filter(|_| self.count.steps.is_multiple_of(RECORD_EVERY) && self.count.owed.1 == 0)
        {
            report.metrics = read_losses([("loss/noise_critic", loss)]).await?;
        }
        Ok(report)
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("finetuner/count", &self.count)?;
        archive.put_blob("finetuner/rollouts", self.rollouts.save()?);
        self.replay.save(archive, "finetuner/replay")?;
        self.learner.save(archive).await
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub fn load(config: DsrlConfig, cx: &Context, archive: &mut Archive) -> Result<Self> {
        let count: Count = archive.get("finetuner/count")?;
        let replay = load_replay(cx, stored(&config, cx), archive)?;
        if replay.is_empty() && count.owed != (0, 0) {
            return Err(Error::input(
                "the checkpoint has nothing to learn from: use an undamaged checkpoint",
            ));
        }
        let rollouts = Rollouts::load(
            &few(&config, cx.rollouts),
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
fn few(config: &DsrlConfig, spec: &RolloutSpec) -> RolloutSpec {
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
