//! The loop, a little at a time: cloning, what a method learns from demonstrations alone, then
//! updates for every decision of practice.

use super::composed_policy::AgentOutput;
use super::demos;
use super::{Figures, Learner, PracticeConfig, STREAM};
use crate::data::{Archive, BalancedSampler, Continuation, Episode, SequenceBatch, SequenceReplay};
use crate::env::{Decision, RolloutSpec, Rollouts};
use crate::finetune::{
    Context, FinetunedPolicy, Next, StepReport, Trainer, UPDATES, damaged, read_losses,
};
use crate::method::LocalFuture;
use crate::obs::{ObsSpec, Observation};
use crate::rl::{OnlineLoop, RunningEpisodes, recording_due};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A method at work.
pub(crate) struct ActorCriticTrainer<L> {
    config: PracticeConfig,
    rollouts: Rollouts,
    /// Those of which the pretrained policy was asked what it would have done.
    demos: SequenceReplay,
    online: SequenceReplay,
    running: RunningEpisodes<Pending>,
    learner: L,
    count: Count,
}

/// The last decision of an episode that is being played, which waits: what the pretrained policy
/// does next is not known yet. What was observed before it, and the pretrained policy's action
/// there, are the last of its running episode.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Pending {
    /// The actor's own action.
    own: Vec<f32>,
    reward: f32,
    /// Learned rewards of the episode so far: their sum, and how many.
    learned: (f64, u64),
    /// Where the replay holds the episode's decisions before it; none before the first.
    held: Option<usize>,
}

/// [`Pending`] as earlier versions kept it, whose running episodes were whole.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct PendingOfWhole {
    own: Vec<f32>,
    reward: f32,
    learned: (f64, u64),
}

impl From<PendingOfWhole> for Pending {
    fn from(of_whole: PendingOfWhole) -> Self {
        Self {
            own: of_whole.own,
            reward: of_whole.reward,
            learned: of_whole.learned,
            held: None,
        }
    }
}

/// The running episodes of an archive, of this version or an earlier one.
fn running_episodes(archive: &Archive, obs: &ObsSpec) -> Result<RunningEpisodes<Pending>> {
    RunningEpisodes::load(RUNNING, archive, obs).or_else(|error| {
        let of_whole = RunningEpisodes::<PendingOfWhole>::load(RUNNING, archive, obs);
        let running = of_whole.map(|running| running.map(Pending::from));
        running.map_err(|_| error)
    })
}

/// Where an archive has the running episodes.
const RUNNING: &str = "finetuner/running";

/// Where the loop stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    online: OnlineLoop,
    /// Learned rewards since the last evaluation, their sum and number: in episodes that succeeded,
    /// and in those that failed.
    learned: [(f64, u64); 2],
    /// Draws batches and the learner's noise.
    rng: Rng,
}

impl<L: Learner> ActorCriticTrainer<L> {
    /// Before the first step.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub(crate) fn new(config: PracticeConfig, learner: L, cx: &Context) -> Result<Self> {
        let act = cx.policy.sizes.act;
        Ok(Self {
            rollouts: Rollouts::endless(&spec(&config, cx), "practice")?,
            demos: demos::replay(cx.obs(), act, usize::MAX),
            online: demos::replay(stored(&learner, cx), act, config.capacity),
            running: RunningEpisodes::default(),
            learner,
            count: Count {
                online: OnlineLoop::default(),
                learned: [(0.0, 0); 2],
                rng: Rng::new(cx.rollouts.seed, STREAM, 0),
            },
            config,
        })
    }

    /// Restores what [`Trainer::save`] wrote under the same settings; the learner was restored
    /// before.
    pub(crate) fn load(
        config: PracticeConfig,
        learner: L,
        cx: &Context,
        archive: &mut Archive,
    ) -> Result<Self> {
        let demos = SequenceReplay::load(archive, "finetuner/demos")?;
        let online = SequenceReplay::load(archive, "finetuner/online")?;
        let empty = |obs, capacity| demos::replay(obs, cx.policy.sizes.act, capacity);
        let stored = stored(&learner, cx);
        // Demonstrations are stored as they are seen until the actor is cloned.
        let possible = [cx.obs(), stored.clone()];
        let demos_fit = possible.map(|obs| demos.is_like(&empty(obs, usize::MAX)));
        if !demos_fit.contains(&true) || !online.is_like(&empty(stored.clone(), config.capacity)) {
            return Err(damaged());
        }
        let rollouts = archive.blob("finetuner/rollouts")?;
        Ok(Self {
            rollouts: Rollouts::load(&spec(&config, cx), rollouts)?,
            demos,
            online,
            running: running_episodes(archive, &stored)?,
            learner,
            count: archive.get("finetuner/count")?,
            config,
        })
    }

    async fn advance(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let done = self.learner.updates();
        let mut report = if self.demos.len() < self.watched(cx) {
            self.watch(cx).await?
        } else if done.cloning < self.config.actor.clone_updates {
            self.clone_policy().await?
        } else if let Some(encoder) = self.learner.frozen_encoder()
            && !self.demos.obs().cameras.is_empty()
        {
            self.demos = encoder.encode_replay(&self.demos).await?;
            StepReport::update(0, self.progress())
        } else if done.pretraining < self.learner.pretraining() {
            self.pretrain().await?
        } else if done.practice < self.owed() {
            self.update().await?
        } else {
            self.play(cx).await?
        };
        report.next = self.next();
        if report.next != Next::Continue {
            report.metrics.extend(self.since_the_last_evaluation());
        }
        Ok(report)
    }

    /// Figures of practice since the last evaluation.
    fn since_the_last_evaluation(&mut self) -> Vec<(&'static str, f64)> {
        let success = self.count.online.evaluated();
        let learned = std::mem::take(&mut self.count.learned);
        let mut figures: Vec<(&'static str, f64)> = Vec::new();
        figures.extend(success.map(|success| ("train/success", success)));
        let names = ["reward/successes", "reward/failures"];
        for (name, (sum, count)) in names.into_iter().zip(learned) {
            figures.extend((count > 0).then(|| (name, sum / count as f64)));
        }
        figures
    }

    /// Updates that the decisions so far pay for; they wait for the first decision that is stored.
    fn owed(&self) -> usize {
        if self.online.is_empty() {
            return 0;
        }
        self.count.online.updates_owed(&self.config.schedule)
    }

    fn next(&self) -> Next {
        let done = self.learner.updates();
        let prepared = done.cloning >= self.config.actor.clone_updates
            && done.pretraining >= self.learner.pretraining();
        // What is composed with the clone, before any update, is the first point of the curve.
        if prepared && done.practice >= self.owed() {
            Next::after(&self.count.online, &self.config.schedule)
        } else {
            Next::Continue
        }
    }

    fn progress(&self) -> (usize, usize) {
        if self.count.online.decisions() > 0 {
            return self.count.online.progress(&self.config.schedule);
        }
        let done = self.learner.updates();
        (
            done.cloning + done.pretraining,
            self.config.actor.clone_updates + self.learner.pretraining(),
        )
    }

    /// Demonstrated decisions, once the pretrained policy was asked about all of them.
    fn watched(&self, cx: &Context) -> usize {
        let count = |demos| demos::count(&self.config.actor, demos);
        cx.demos.map_or(0, count).max(1)
    }

    /// Asks the pretrained policy what it would have done in the next demonstration.
    async fn watch(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let missing = || {
            Error::input(
                "the demonstrations of the checkpoint are missing: use an undamaged checkpoint",
            )
        };
        let device = cx.device.clone().without_autodiff();
        let demos = cx.demos.ok_or_else(missing)?;
        let actor = &self.config.actor;
        let seed = cx.rollouts.seed;
        demos::add_next(&mut self.demos, actor, cx.policy, demos, seed, &device).await?;
        if self.demos.is_empty() {
            return Err(missing());
        }
        Ok(StepReport::update(0, self.progress()))
    }

    async fn clone_policy(&mut self) -> Result<StepReport> {
        let before = self.learner.updates().cloning;
        let updates = UPDATES.min(self.config.actor.clone_updates - before);
        let mut loss = None;
        for _ in 0..updates {
            let demos = self.demonstrated();
            loss = Some(self.learner.clone_step(&demos));
        }
        let due = recording_due(before, before + updates);
        let figures = loss.filter(|_| due).map(|loss| vec![("loss/bc", loss)]);
        self.updated(updates, figures).await
    }

    async fn pretrain(&mut self) -> Result<StepReport> {
        let before = self.learner.updates().pretraining;
        let updates = UPDATES.min(self.learner.pretraining() - before);
        let mut figures = None;
        for _ in 0..updates {
            let demos = self.demonstrated();
            figures = Some(self.learner.pretrain_step(&demos, &mut self.count.rng));
        }
        let due = recording_due(before, before + updates);
        self.updated(updates, figures.filter(|_| due)).await
    }

    async fn update(&mut self) -> Result<StepReport> {
        let before = self.learner.updates().practice;
        let updates = UPDATES.min(self.owed() - before);
        let due = recording_due(before, before + updates);
        let mut figures = None;
        for i in 1..=updates {
            let batch = self.sample_shifted();
            let record = due && i == updates;
            figures = self.learner.step(&batch, record, &mut self.count.rng);
        }
        let recorded = figures.is_some();
        let mut report = self.updated(updates, figures).await?;
        if recorded {
            let share = ("data/demo_fraction", self.config.demo_fraction);
            report.metrics.push(share);
        }
        Ok(report)
    }

    /// So many gradient steps, and the figures that are recorded of them.
    async fn updated(&self, updates: usize, figures: Option<Figures>) -> Result<StepReport> {
        let mut report = StepReport::update(updates, self.progress());
        report.metrics = read_losses(figures.into_iter().flatten()).await?;
        let broken = report.metrics.iter().find(|(_, value)| !value.is_finite());
        let Some((name, value)) = broken else {
            return Ok(report);
        };
        let method = self.learner.acting().method.id();
        Err(Error::failed(format!(
            "{name} is {value}: {method} diverged; go on from the last checkpoint with a lower \
             finetune.{method}.lr"
        )))
    }

    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let acting = self.learner.acting();
        let obs = self.rollouts.observe();
        let noise = self.rollouts.noise(acting.noise_len(cx.policy));
        let memories = self.rollouts.memories();
        let output = acting
            .decide(cx.policy, &obs, &memories, &noise, true, cx.device)
            .await?;
        self.rollouts.remember(output.memories.clone());
        let (decisions, finished) = self.rollouts.play(&output.actions, cx.policy.sizes.act)?;
        let rewards = self.learner.rewards(&output.inputs, &output.own).await?;
        let encoded = match self.learner.frozen_encoder() {
            Some(encoder) => Some(encoder.encode_decisions(&decisions).await?),
            None => None,
        };
        for (i, decision) in decisions.iter().enumerate() {
            let learned = rewards.as_ref().map(|rewards| rewards[i]);
            let seen = match &encoded {
                Some(rows) => [&rows[i][0], &rows[i][1]],
                None => [&decision.obs, &decision.step.obs],
            };
            self.record_decision(decision, seen, &output, i, learned)?;
        }
        self.count.online.practiced(decisions.len(), &finished);
        let (done, total) = self.progress();
        let seeding = self.count.online.decisions() <= self.config.schedule.learning_starts;
        Ok(StepReport {
            practicing: seeding,
            ..StepReport::practice(&decisions, finished, (done as u64, total as u64))
        })
    }

    /// Adds the decision before this one to the replay, and this one, too, where it is the last of
    /// its episode: all but the newest decision are learned from while the episode is played, as in
    /// XQC and RLPD. If whole episodes were, the first to be learned from would be the shortest,
    /// which are the successes. What was observed before and after it is as it is stored.
    fn record_decision(
        &mut self,
        Decision { seed, step, .. }: &Decision,
        [obs, next_obs]: [&Observation; 2],
        output: &AgentOutput,
        i: usize,
        learned: Option<f32>,
    ) -> Result<()> {
        let act = output.own.len() / output.memories.len();
        let row = |values: &[f32]| values[i * act..(i + 1) * act].to_vec();
        let base = row(&output.inputs.base);
        let own = row(&output.own);
        let mut episode = Episode::start(*seed, obs);
        episode.base_actions.clone_from(&base);
        let mut pending = Pending {
            own,
            reward: step.reward,
            learned: learned.map_or((0.0, 0), |reward| (f64::from(reward), 1)),
            held: None,
        };
        if let Some((before, waited)) = self.running.take(*seed) {
            let (sum, rewards) = waited.learned;
            pending.learned.0 += sum;
            pending.learned.1 += rewards;
            pending.held = Some(self.store(&before, waited, (obs, &base), false)?);
        }
        if !step.done() {
            self.running.keep(episode, pending);
            return Ok(());
        }
        // Nobody decides after the last step: the rest of the chunk, or else its last action,
        // stands in.
        let last = output.memories[i].get(..act).unwrap_or(&base);
        let (sum, rewards) = pending.learned;
        self.store(&episode, pending, (next_obs, last), step.terminated)?;
        let kind = &mut self.count.learned[usize::from(!step.success)];
        *kind = (kind.0 + sum, kind.1 + rewards);
        Ok(())
    }

    /// Adds the decision that waited at the end of a running episode to the replay, and gives where
    /// the episode is there. `next` is what is observed after it, and the pretrained policy's
    /// action there.
    fn store(
        &mut self,
        before: &Episode,
        waited: Pending,
        next: (&Observation, &[f32]),
        done: bool,
    ) -> Result<usize> {
        let (next, base_after) = next;
        let mut held = waited.held;
        // A run that an earlier version stopped has whole episodes that the replay lacks.
        if !before.is_empty() {
            self.online.push(before)?;
            held = self.online.newest();
        }
        let act = waited.own.len();
        let first_base = before.base_actions.len() - act;
        let decision = Continuation {
            base_actions: [&before.base_actions[first_base..], base_after],
            // Where it is demonstrated the next action stands beside it.
            action: &[waited.own, vec![0.0; act]].concat(),
            reward: waited.reward,
            next,
            done,
        };
        self.online.extend(held, &before.obs, decision)
    }

    /// A batch of demonstrations, whose pictures were moved a little.
    fn demonstrated(&mut self) -> SequenceBatch {
        let rng = &mut self.count.rng;
        let mut batch = self.demos.sample(rng, self.config.batch);
        batch.obs.shift_randomly(rng);
        batch
    }

    /// A batch of demonstrations and practice, whose pictures were moved a little.
    fn sample_shifted(&mut self) -> SequenceBatch {
        let rng = &mut self.count.rng;
        let balanced = BalancedSampler {
            demo_fraction: self.config.demo_fraction,
        };
        let mut batch = balanced.sample(&self.demos, &self.online, rng, self.config.batch);
        batch.obs.shift_randomly(rng);
        batch
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("finetuner/count", &self.count)?;
        self.running.save(RUNNING, archive)?;
        archive.put_blob("finetuner/rollouts", self.rollouts.save()?);
        self.demos.save(archive, "finetuner/demos")?;
        self.online.save(archive, "finetuner/online")?;
        self.learner.save(archive).await
    }
}

impl<L: Learner> Trainer for ActorCriticTrainer<L> {
    fn step<'a>(&'a mut self, cx: &'a Context<'a>) -> LocalFuture<'a, StepReport> {
        Box::pin(self.advance(cx))
    }

    fn policy(&self) -> Option<Box<dyn FinetunedPolicy>> {
        Some(self.learner.finetuned())
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

/// What the observations of practice are made of, as they are stored.
fn stored(learner: &impl Learner, cx: &Context) -> ObsSpec {
    let encoder = learner.frozen_encoder();
    encoder.map_or_else(|| cx.obs(), |encoder| encoder.spec(&cx.obs()))
}

/// Practice decides for a few environments at a time, one action after the other.
fn spec(config: &PracticeConfig, cx: &Context) -> RolloutSpec {
    RolloutSpec {
        parallel: config.envs,
        chunk: 1,
        ..cx.rollouts.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an earlier version kept of running episodes is read as what this one keeps of them, and
    /// what is neither is refused.
    #[test]
    fn running_episodes_of_an_earlier_version_go_on() {
        let mut episode = Episode::start(7, &vec![1.0].into());
        episode.base_actions = vec![0.1, 0.2];
        episode.push(&[0.5, 0.0], 0.0, &vec![2.0].into());
        let of_whole = PendingOfWhole {
            own: vec![0.25],
            reward: 1.0,
            learned: (0.5, 1),
        };
        let mut before = RunningEpisodes::default();
        before.keep(episode.clone(), of_whole);
        let mut archive = Archive::new();
        before.save(RUNNING, &mut archive).unwrap();
        let spec = ObsSpec::of_state(1);
        let mut running = running_episodes(&archive, &spec).unwrap();
        let (read, pending) = running.take(7).unwrap();
        assert_eq!(read, episode);
        assert_eq!((pending.own, pending.held), (vec![0.25], None));

        assert!(running_episodes(&archive, &ObsSpec::of_state(2)).is_err());
        archive.put(RUNNING, &"no episodes").unwrap();
        assert!(running_episodes(&archive, &spec).is_err());
    }
}
