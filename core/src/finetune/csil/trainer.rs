//! The loop of CSIL, a little at a time: cloning, critics on the demonstrations, then updates for
//! every decision of practice.

use super::agent::{Agent, Decided, observed};
use super::config::CsilConfig;
use super::demos;
use super::learner::{LearnedFigures, Learner, Losses, Made};
use crate::data::{Archive, Balanced, Episode, Sequences, Stretches};
use crate::env::{Decision, RolloutSpec, Rollouts};
use crate::finetune::{
    Context, FinetunedPolicy, Next, RECORD_EVERY, StepReport, Trainer, UPDATES, read_losses,
};
use crate::method::LocalFuture;
use crate::obs::ImageSpec;
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// CSIL at work.
pub struct CsilTrainer {
    config: CsilConfig,
    rollouts: Rollouts,
    /// Empty until the pretrained policy was asked what it would have done.
    demos: Sequences,
    online: Sequences,
    /// The episodes that are being played, by their seeds.
    running: BTreeMap<u64, Running>,
    learner: Learner,
    count: Count,
    cameras: Vec<ImageSpec>,
}

/// An episode that is being played, and its last decision, which waits: what the pretrained policy
/// does next is not known yet.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Running {
    episode: Episode,
    own: Vec<f32>,
    reward: f32,
    /// Sum of the learned rewards, and how many.
    learned: (f64, u64),
}

/// Where the loop stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    /// Decisions of all environments.
    decisions: usize,
    /// Evaluations asked for.
    evaluations: usize,
    /// Practice episodes since the last evaluation: successes, and all.
    episodes: (u64, u64),
    /// Learned rewards since then, their sum and number: in episodes that succeeded, and in those
    /// that failed.
    learned: [(f64, u64); 2],
    /// Draws batches and the learner's noise.
    rng: Rng,
}

impl CsilTrainer {
    /// Before the first step.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub fn new(config: CsilConfig, cx: &Context) -> Result<Self> {
        let (seed, sizes) = (cx.rollouts.seed, cx.policy.sizes);
        let mut rng = Rng::new(seed, "csil-weights", 0);
        let learner = Learner::new(
            config.clone(),
            sizes,
            &cx.rollouts.cameras,
            observed(cx.policy),
            &mut rng,
            cx.device.clone(),
        );
        let count = Count {
            decisions: 0,
            evaluations: 0,
            episodes: (0, 0),
            learned: [(0.0, 0); 2],
            rng: Rng::new(seed, "csil", 0),
        };
        Ok(Self {
            rollouts: Rollouts::endless(&single(&config, cx.rollouts), "practice")?,
            demos: demos::replay(cx.obs(), sizes.act, usize::MAX),
            online: demos::replay(cx.obs(), sizes.act, config.capacity),
            running: BTreeMap::new(),
            config,
            learner,
            count,
            cameras: cx.rollouts.cameras.clone(),
        })
    }

    /// What acts now.
    pub fn agent(&self) -> Agent {
        Agent {
            actor: self.learner.actor(),
            reward: self.learner.reward(),
            config: self.config.clone(),
            cameras: self.cameras.clone(),
        }
    }

    async fn advance(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let Made {
            cloned,
            pretrained,
            updates,
        } = self.learner.made();
        let mut report = if self.demos.is_empty() {
            self.watch(cx).await?
        } else if cloned < self.config.clone_updates {
            self.clone_policy().await?
        } else if pretrained < self.config.pretraining() {
            self.pretrain_critics().await?
        } else if updates < self.owed() {
            self.update().await?
        } else {
            self.play(cx).await?
        };
        report.next = self.next();
        if report.next != Next::Continue {
            self.count.evaluations += 1;
            report.metrics.extend(self.since_the_last());
        }
        Ok(report)
    }

    /// Figures of practice since the last evaluation.
    fn since_the_last(&mut self) -> Vec<(&'static str, f64)> {
        let (successes, all) = std::mem::take(&mut self.count.episodes);
        let learned = std::mem::take(&mut self.count.learned);
        let mut values: Vec<(&'static str, f64)> = (all > 0)
            .then(|| ("train/success", successes as f64 / all as f64))
            .into_iter()
            .collect();
        for (name, (sum, count)) in ["reward/successes", "reward/failures"]
            .into_iter()
            .zip(learned)
        {
            values.extend((count > 0).then(|| (name, sum / count as f64)));
        }
        values
    }

    /// Updates that the decisions so far pay for; they wait for the first episode that ends.
    fn owed(&self) -> usize {
        if self.online.is_empty() {
            return 0;
        }
        let later = self
            .count
            .decisions
            .saturating_sub(self.config.learning_starts);
        (later as f64 * self.config.utd_ratio) as usize
    }

    fn next(&self) -> Next {
        let Made {
            cloned,
            pretrained,
            updates,
        } = self.learner.made();
        if cloned < self.config.clone_updates
            || pretrained < self.config.pretraining()
            || updates < self.owed()
        {
            return Next::Continue;
        }
        if self.count.decisions >= self.config.total_steps {
            return Next::Done;
        }
        // What is composed with the clone, before any update, is the first point of the curve.
        let due = 1 + self.count.decisions / self.config.eval_every;
        if self.count.evaluations < due {
            Next::Evaluate
        } else {
            Next::Continue
        }
    }

    fn progress(&self) -> (usize, usize) {
        let (made, config) = (self.learner.made(), &self.config);
        match self.count.decisions {
            0 => (
                made.cloned + made.pretrained,
                config.clone_updates + config.pretraining(),
            ),
            decisions => (decisions.min(config.total_steps), config.total_steps),
        }
    }

    /// Asks the pretrained policy what it would have done in the demonstrations.
    async fn watch(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let missing = || {
            Error::input(
                "the demonstrations of the checkpoint are missing: use an undamaged checkpoint",
            )
        };
        let plain = cx.device.clone().without_autodiff();
        let (shown, how) = (cx.demos.ok_or_else(missing)?, (cx.rollouts.seed, cx.obs()));
        self.demos = demos::decisions(&self.config, cx.policy, shown, how, &plain).await?;
        if self.demos.is_empty() {
            return Err(missing());
        }
        Ok(StepReport::update(0, self.progress()))
    }

    async fn clone_policy(&mut self) -> Result<StepReport> {
        let before = self.learner.made().cloned;
        let updates = UPDATES.min(self.config.clone_updates - before);
        let Self {
            learner,
            demos,
            count,
            config,
            ..
        } = self;
        let loss = (0..updates)
            .map(|_| learner.clone_step(&drawn(demos, config.batch, &mut count.rng)))
            .last();
        let mut report = StepReport::update(updates, self.progress());
        let due = before / RECORD_EVERY != (before + updates) / RECORD_EVERY;
        if let Some(loss) = loss.filter(|_| due) {
            report.metrics = finite(read_losses([("loss/bc", loss)]).await?)?;
        }
        Ok(report)
    }

    async fn pretrain_critics(&mut self) -> Result<StepReport> {
        let before = self.learner.made().pretrained;
        let updates = UPDATES.min(self.config.pretraining() - before);
        let Self {
            learner,
            demos,
            count: Count { rng, .. },
            config,
            ..
        } = self;
        let last = (0..updates)
            .map(|_| learner.pretrain_step(&drawn(demos, config.batch, rng), rng))
            .last();
        let mut report = StepReport::update(updates, self.progress());
        let due = before / RECORD_EVERY != (before + updates) / RECORD_EVERY;
        if let Some((critic, steepness)) = last.filter(|_| due) {
            report.metrics = finite(
                read_losses([("loss/critic", critic), ("loss/steepness", steepness)]).await?,
            )?;
        }
        Ok(report)
    }

    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let (agent, act) = (self.agent(), cx.policy.sizes.act);
        let obs = self.rollouts.observe();
        let noise = self.rollouts.noise(agent.noise_len(cx.policy));
        let decided = agent
            .decide(
                cx.policy,
                &obs,
                &self.rollouts.memories(),
                &noise,
                true,
                cx.device,
            )
            .await?;
        self.rollouts.remember(decided.memories.clone());
        let (decisions, finished) = self.rollouts.play(&decided.actions, act)?;
        let rewards = match self.config.learns_reward() {
            true => {
                self.learner
                    .rewards_of(&decided.inputs, decided.own.clone())
                    .await?
            }
            false => Vec::new(),
        };
        for (i, decision) in decisions.iter().enumerate() {
            self.note(decision, &decided, i, rewards.get(i).copied())?;
        }
        self.count.decisions += decisions.len();
        self.count.episodes.0 += finished.iter().filter(|episode| episode.success).count() as u64;
        self.count.episodes.1 += finished.len() as u64;
        let (done, total) = self.progress();
        let seeding = self.count.decisions <= self.config.learning_starts;
        Ok(StepReport {
            practicing: seeding,
            ..StepReport::practice(&decisions, finished, (done as u64, total as u64))
        })
    }

    /// Adds the decision before this one to its episode; and this one, too, where it is the last,
    /// and the episode to the replay.
    fn note(
        &mut self,
        Decision {
            seed, obs, step, ..
        }: &Decision,
        decided: &Decided,
        i: usize,
        learned: Option<f32>,
    ) -> Result<()> {
        let act = decided.own.len() / decided.memories.len();
        let row = |values: &[f32]| values[i * act..(i + 1) * act].to_vec();
        let base = row(&decided.inputs.base);
        let own = row(&decided.own);
        let wide = |own: &[f32]| [own, &vec![0.0; act]].concat();
        let mut running = match self.running.remove(seed) {
            Some(mut before) => {
                before.episode.push(&wide(&before.own), before.reward, obs);
                before
            }
            None => Running {
                episode: Episode::start(*seed, obs),
                ..Running::default()
            },
        };
        running.episode.base_actions.extend_from_slice(&base);
        if let Some(reward) = learned {
            running.learned = (running.learned.0 + f64::from(reward), running.learned.1 + 1);
        }
        if !step.done() {
            self.running.insert(
                *seed,
                Running {
                    own,
                    reward: step.reward,
                    ..running
                },
            );
            return Ok(());
        }
        // Nobody decides after the last step: the rest of the chunk, or else its last action,
        // stands in.
        let last = decided.memories[i].get(..act).unwrap_or(&base);
        running.episode.base_actions.extend_from_slice(last);
        running.episode.push(&wide(&own), step.reward, &step.obs);
        running.episode.terminated = step.terminated;
        self.online.push(&running.episode)?;
        let kind = &mut self.count.learned[usize::from(!step.success)];
        *kind = (kind.0 + running.learned.0, kind.1 + running.learned.1);
        Ok(())
    }

    async fn update(&mut self) -> Result<StepReport> {
        let before = self.learner.made().updates;
        let updates = UPDATES.min(self.owed() - before);
        let due = before / RECORD_EVERY != (before + updates) / RECORD_EVERY;
        let mut told = None;
        for i in 1..=updates {
            let batch = self.draw();
            told = self
                .learner
                .step(&batch, due && i == updates, &mut self.count.rng);
        }
        let mut report = StepReport::update(updates, self.progress());
        if let Some(losses) = told {
            report.metrics = figures(losses).await?;
            report
                .metrics
                .push(("data/demo_fraction", self.config.demo_fraction()));
        }
        Ok(report)
    }

    /// A batch of demonstrations and practice.
    fn draw(&mut self) -> Stretches {
        let (balanced, rng) = (
            Balanced {
                demo_fraction: self.config.demo_fraction(),
            },
            &mut self.count.rng,
        );
        let mut batch = balanced.sample(&self.demos, &self.online, rng, self.config.batch);
        batch.obs.shift_randomly(rng);
        batch
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("finetuner/count", &self.count)?;
        let running: Vec<&Running> = self.running.values().collect();
        archive.put("finetuner/running", &running)?;
        archive.put_blob("finetuner/rollouts", self.rollouts.save()?);
        self.demos.save(archive, "finetuner/demos")?;
        self.online.save(archive, "finetuner/online")?;
        self.learner.save(archive).await
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub fn load(config: CsilConfig, cx: &Context, archive: &mut Archive) -> Result<Self> {
        let (sizes, obs) = (cx.policy.sizes, cx.obs());
        let demos = Sequences::load(archive, "finetuner/demos")?;
        let online = Sequences::load(archive, "finetuner/online")?;
        let empty = |capacity| demos::replay(obs.clone(), sizes.act, capacity);
        let fits = demos.is_like(&empty(usize::MAX)) && online.is_like(&empty(config.capacity));
        let running: Vec<Running> = archive.get("finetuner/running")?;
        let sound = running
            .iter()
            .all(|running| running.episode.obs.is_sound(&obs));
        if !fits || !sound {
            return Err(Error::input(
                "the checkpoint's replay does not fit its policy: use an undamaged checkpoint",
            ));
        }
        Ok(Self {
            rollouts: Rollouts::load(
                &single(&config, cx.rollouts),
                archive.blob("finetuner/rollouts")?,
            )?,
            demos,
            online,
            running: running.into_iter().map(|r| (r.episode.seed, r)).collect(),
            learner: Learner::load(
                config.clone(),
                sizes,
                &cx.rollouts.cameras,
                observed(cx.policy),
                archive,
                cx.device.clone(),
            )?,
            count: archive.get("finetuner/count")?,
            cameras: cx.rollouts.cameras.clone(),
            config,
        })
    }
}

impl Trainer for CsilTrainer {
    fn step<'a>(&'a mut self, cx: &'a Context<'a>) -> LocalFuture<'a, StepReport> {
        Box::pin(self.advance(cx))
    }

    fn policy(&self) -> Option<Box<dyn FinetunedPolicy>> {
        Some(Box::new(self.agent()))
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

/// `n` decisions, whose pictures were moved a little.
fn drawn(replay: &Sequences, n: usize, rng: &mut Rng) -> Stretches {
    let mut batch = replay.sample(rng, n);
    batch.obs.shift_randomly(rng);
    batch
}

/// Practice decides for a few environments at a time, one action after the other.
fn single(config: &CsilConfig, spec: &RolloutSpec) -> RolloutSpec {
    RolloutSpec {
        parallel: config.envs,
        chunk: 1,
        ..spec.clone()
    }
}

/// The figures of an update, read back: those of the learned reward, or of the entropy.
async fn figures(losses: Losses) -> Result<Vec<(&'static str, f64)>> {
    let Losses {
        critic,
        actor,
        divergence,
        value,
        temperature,
        learned,
    } = losses;
    let common = [
        ("loss/critic", critic),
        ("loss/actor", actor),
        ("policy/kl", divergence),
        ("policy/value", value),
    ];
    let mut values = read_losses(common).await?;
    match learned {
        Some(LearnedFigures {
            steepness,
            shown,
            practised,
            spread,
            clipped,
        }) => {
            let rewards = [
                ("reward/demos", shown),
                ("reward/practice", practised),
                ("reward/std", spread),
                ("reward/clipped", clipped),
            ];
            values.extend(read_losses([("loss/steepness", steepness)]).await?);
            values.extend(read_losses(rewards).await?);
        }
        None => values.extend(read_losses([("policy/temperature", temperature)]).await?),
    }
    finite(values)
}

/// The same figures, if all of them are finite.
fn finite(values: Vec<(&'static str, f64)>) -> Result<Vec<(&'static str, f64)>> {
    match values.iter().find(|(_, value)| !value.is_finite()) {
        Some((name, value)) => Err(Error::failed(format!(
            "{name} is {value}: csil diverged; go on from the last checkpoint with a lower \
             finetune.csil.lr"
        ))),
        None => Ok(values),
    }
}
