//! The training loop of TD-MPC, in small steps: cloning, seeding, updates on the seed data, then
//! updates for every decision (MoDem, sec. 3).

use super::agent::{Agent, AgentOutput, model_sizes};
use super::config::{Backbone, DemoSchedule, SeedPolicy, TdMpcConfig};
use super::learner::{Learner, Losses, UpdateNoise};
use crate::data::{Archive, BalancedSampler, Dataset, Episode, SequenceIndex, SequenceReplay};
use crate::env::{Decision, RolloutSpec, Rollouts};
use crate::finetune::{
    Context, FinetunedPolicy, Next, RECORD_EVERY, StepReport, Trainer, UPDATES, damaged,
    read_losses,
};
use crate::method::LocalFuture;
use crate::nn;
use crate::obs::ObsBatch;
use crate::rl::{OnlineLoop, RunningEpisodes, Schedule, recording_due};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// TD-MPC at work.
pub struct TdMpcTrainer {
    config: TdMpcConfig,
    rollouts: Rollouts,
    demos: SequenceReplay,
    online: SequenceReplay,
    running: RunningEpisodes<()>,
    learner: Learner,
    count: Count,
    /// Indices of the last batches, of demonstrations and practice: they are written out when
    /// learning diverges.
    recent: VecDeque<[Vec<SequenceIndex>; 2]>,
}

/// The loop's counters.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    /// Cloning steps made.
    cloned: usize,
    online: OnlineLoop,
    /// Decisions since the last evaluation: planned ones, and those of them that a policy had
    /// proposed.
    planned: (u64, u64),
    /// Draws batches and the learner's noise.
    rng: Rng,
}

impl TdMpcTrainer {
    /// Before the first step.
    ///
    /// # Errors
    /// When an environment cannot be made, or when there are no demonstrations where they are
    /// needed.
    pub fn new(config: TdMpcConfig, cx: &Context) -> Result<Self> {
        let seed = cx.rollouts.seed;
        let learner = Learner::new(
            config.clone(),
            model_sizes(cx.policy.sizes),
            &cx.rollouts.cameras,
            &mut Rng::new(seed, "td-mpc-weights", 0),
            cx.device.clone(),
        );
        let rng = Rng::new(seed, "td-mpc", 0);
        let count = Count {
            cloned: 0,
            online: OnlineLoop::default(),
            planned: (0, 0),
            rng,
        };
        let online = online(&config, cx);
        let rollouts = Rollouts::endless(&practice_spec(&config, cx.rollouts), "practice")?;
        let demos = demonstrations(&config, cx)?;
        Ok(Self {
            rollouts,
            demos,
            online,
            running: RunningEpisodes::default(),
            config,
            learner,
            count,
            recent: VecDeque::new(),
        })
    }

    /// The agent as it is now: the clone until the world model has learned, then the planner.
    pub fn agent(&self) -> Agent {
        let planning = self.config.plan && self.learner.updates() > 0;
        Agent {
            world: frozen(&self.learner.world),
            prior: frozen(&self.learner.prior),
            config: self.config.after(self.count.online.decisions()),
            planning,
        }
    }

    async fn advance(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        // One kind of work per call: cloning, then the updates that are owed, else practice.
        let mut report = if self.count.cloned < self.config.clone_updates {
            self.clone_policy().await?
        } else if self.learner.updates() < self.owed() {
            self.update().await?
        } else {
            self.play(cx).await?
        };
        report.next = self.next();
        if report.next != Next::Continue {
            let success = self.count.online.evaluated();
            let (planned, proposed) = std::mem::take(&mut self.count.planned);
            report
                .metrics
                .extend(success.map(|success| ("train/success", success)));
            report.metrics.extend((planned > 0).then(|| {
                (
                    "policy/planner_share",
                    1.0 - proposed as f64 / planned as f64,
                )
            }));
        }
        Ok(report)
    }

    /// Updates owed so far: `seed_updates` once seeding is over, then `utd_ratio` per decision.
    fn owed(&self) -> usize {
        if self.count.online.decisions() < self.config.learning_starts {
            return 0;
        }
        self.config.seed_updates + self.count.online.updates_owed(&self.schedule())
    }

    fn schedule(&self) -> Schedule {
        let TdMpcConfig {
            total_steps,
            learning_starts,
            utd_ratio,
            eval_every,
            ..
        } = self.config;
        Schedule {
            total_steps,
            learning_starts,
            utd_ratio,
            eval_every,
        }
    }

    fn next(&self) -> Next {
        let cloning = self.count.cloned < self.config.clone_updates;
        if cloning || self.learner.updates() < self.owed() {
            return Next::Continue;
        }
        if self.config.arm == DemoSchedule::BcOnly {
            return Next::Done;
        }
        // The clone is the first point of the curve.
        Next::after(&self.count.online, &self.schedule())
    }

    fn progress(&self) -> (usize, usize) {
        match self.count.online.decisions() {
            0 => (self.count.cloned, self.config.clone_updates),
            _ => self.count.online.progress(&self.schedule()),
        }
    }

    async fn clone_policy(&mut self) -> Result<StepReport> {
        let updates = UPDATES.min(self.config.clone_updates - self.count.cloned);
        let Self {
            learner,
            demos,
            count,
            config,
            ..
        } = self;
        let batch = |rng: &mut Rng| {
            let mut batch = demos.sample(rng, config.batch);
            batch.obs.shift_randomly(rng);
            batch
        };
        let loss = (0..updates)
            .map(|_| learner.clone_step(&batch(&mut count.rng)))
            .last();
        let before = self.count.cloned;
        self.count.cloned += updates;
        if self.count.cloned >= self.config.clone_updates {
            self.learner.begin();
        }
        let mut report = StepReport::update(updates, self.progress());
        let due = recording_due(before, self.count.cloned);
        if let Some(loss) = loss.filter(|_| due) {
            report.metrics = read_losses([("loss/bc", loss)]).await?;
        }
        Ok(report)
    }

    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let seeding = self.count.online.decisions() < self.config.learning_starts;
        let obs = self.rollouts.observe();
        let actions = if seeding {
            self.seed(&obs, cx).await?
        } else {
            self.plan(&obs, cx).await?
        };
        let (decisions, finished) = self.rollouts.play(&actions, cx.policy.sizes.act)?;
        let solved = finished.iter().filter(|episode| episode.success);
        let solved: Vec<u64> = solved.map(|episode| episode.seed).collect();
        for decision in &decisions {
            self.record_decision(decision, solved.contains(&decision.seed))?;
        }
        self.count.online.practiced(decisions.len(), &finished);
        let (done, total) = self.progress();
        Ok(StepReport {
            practicing: seeding,
            ..StepReport::practice(&decisions, finished, (done as u64, total as u64))
        })
    }

    /// The seed policy's actions.
    async fn seed(&mut self, obs: &ObsBatch, cx: &Context<'_>) -> Result<Vec<f32>> {
        let inner_device = cx.device.clone().without_autodiff();
        let act = cx.policy.sizes.act;
        match self.config.seed_by {
            SeedPolicy::Pretrained => {
                let noise = self.rollouts.noise(cx.policy.noise_len());
                let chunks = cx.policy.act(obs, noise, &inner_device).await?;
                Ok(chunks
                    .chunks(cx.policy.sizes.chunk_len())
                    .flat_map(|chunk| &chunk[..act])
                    .copied()
                    .collect())
            }
            SeedPolicy::Prior => {
                let z = self.agent().encode(obs, &inner_device);
                let noise = nn::matrix(self.rollouts.noise(act), act, &inner_device);
                nn::read(frozen(&self.learner.prior).draw(z, noise).action).await
            }
        }
    }

    /// The planner's actions; during the handover some are the seed policy's.
    async fn plan(&mut self, obs: &ObsBatch, cx: &Context<'_>) -> Result<Vec<f32>> {
        let agent = self.agent();
        let act = cx.policy.sizes.act;
        let noise = self.rollouts.noise(agent.noise_len(cx.policy));
        let output = agent
            .decide(
                cx.policy,
                obs,
                &self.rollouts.memories(),
                &noise,
                true,
                cx.device,
            )
            .await?;
        let AgentOutput {
            mut actions,
            memories,
            from_policy,
        } = output;
        self.rollouts.remember(memories);
        self.count.planned.0 += (actions.len() / act) as u64;
        self.count.planned.1 += from_policy as u64;
        let passed = self.count.online.decisions() - self.config.learning_starts;
        if passed < self.config.seed_policy_decay {
            // Linear decay of the seed policy's share, drawn for each decision (MoDem on TD-MPC2).
            let share = 1.0 - passed as f64 / self.config.seed_policy_decay as f64;
            let cloned = self.seed(obs, cx).await?;
            for (own, cloned) in actions.chunks_mut(act).zip(cloned.chunks(act)) {
                if self.count.rng.uniform() < share {
                    own.copy_from_slice(cloned);
                }
            }
        }
        Ok(actions)
    }

    /// Adds a decision to its running episode; a finished episode goes to the replay. `solved`: it
    /// ended with this decision, and succeeded at some step.
    fn record_decision(
        &mut self,
        Decision {
            seed,
            obs,
            chunk,
            step,
        }: &Decision,
        solved: bool,
    ) -> Result<()> {
        let (mut episode, ()) = self
            .running
            .take(*seed)
            .unwrap_or_else(|| (Episode::start(*seed, obs), ()));
        episode.push(chunk, step.reward, &step.obs);
        if !step.done() {
            self.running.keep(episode, ());
            return Ok(());
        }
        episode.terminated = step.terminated;
        let episode = prepared_episode(&episode, &self.config);
        self.online.push(&episode)?;
        // Self-imitation: success counts as a demonstration from now on.
        if solved && self.config.self_imitation {
            self.demos.push(&episode)?;
        }
        Ok(())
    }

    async fn update(&mut self) -> Result<StepReport> {
        let before = self.learner.updates();
        let updates = UPDATES.min(self.owed() - before);
        let mut last = None;
        for _ in 0..updates {
            last = Some(self.learn().await?);
        }
        let after = self.learner.updates();
        let mut report = StepReport::update(after - before, self.progress());
        if let Some(losses) = last.filter(|_| recording_due(before, after)) {
            report.metrics = figures(losses).await?;
            if let Some((name, value)) = report.metrics.iter().find(|(_, value)| !value.is_finite())
            {
                return Err(self.diverged(name, *value));
            }
            report
                .metrics
                .push(("data/demo_fraction", self.config.demo_fraction(after)));
        }
        Ok(report)
    }

    /// The error of a diverged run, with the batches since the losses were last known to be finite.
    fn diverged(&self, name: &str, value: f64) -> Error {
        let mut archive = Archive::new();
        let updates = self.learner.updates();
        for (i, [demos, online]) in self.recent.iter().enumerate() {
            let batch = self.demos.at(demos).with(&self.online.at(online));
            let update = updates + 1 - self.recent.len() + i;
            for (part, values) in [
                ("obs", batch.obs.numbers()),
                ("ended", batch.ended),
                ("actions", batch.actions),
                ("rewards", batch.rewards),
                ("over", batch.done),
            ] {
                archive.put_f32(format!("update_{update}/{part}"), &[values.len()], values);
            }
        }
        let sentence = format!(
            "{name} is {value} after {updates} updates of the world model: it diverged; go on from \
             the last checkpoint with a lower finetune.td_mpc.lr"
        );
        match archive.to_bytes() {
            Ok(batches) => Error::Diverged { sentence, batches },
            Err(_) => Error::failed(sentence),
        }
    }

    async fn learn(&mut self) -> Result<Losses> {
        let size = self.config.batch;
        let demo_fraction = self.config.demo_fraction(self.learner.updates());
        let rng = &mut self.count.rng;
        let balanced = BalancedSampler { demo_fraction };
        let mut batch = balanced.sample(&self.demos, &self.online, rng, size);
        let n_demos = batch.n_demos;
        batch.obs.shift_randomly(rng);
        if batch.is_empty() {
            return Err(Error::input(
                "no practice episode is as long as finetune.td_mpc.horizon: set it lower, or \
                 finetune.td_mpc.learning_starts higher",
            ));
        }
        let (demos, online) = batch.indices.split_at(n_demos);
        // Losses are read back every `RECORD_EVERY` updates: a fault lies within so many batches.
        self.recent.push_back([demos.to_vec(), online.to_vec()]);
        if self.recent.len() > RECORD_EVERY {
            self.recent.pop_front();
        }
        // Arms differ in what the world model learns from alone: where its batch has no
        // demonstrations, the prior is cloned on some of its own.
        let cloned = (self.config.prior_cloning > 0.0 && n_demos == 0).then(|| {
            let mut cloned = self.demos.sample(rng, size / 2);
            cloned.obs.shift_randomly(rng);
            cloned
        });
        let noise = UpdateNoise::draw(&self.config, self.demos.act(), batch.len(), rng);
        let losses = self.learner.step(&batch, cloned.as_ref(), &noise);
        if self.config.backbone == Backbone::TdMpc {
            // Prioritized replay: TD errors become priorities, each replay's own (MoDem, `update`).
            let td_error = nn::read(losses.td_error.clone()).await?;
            let (demos, online) = batch.indices.split_at(n_demos);
            self.demos.set_priorities(demos, &td_error[..n_demos]);
            self.online.set_priorities(online, &td_error[n_demos..]);
        }
        Ok(losses)
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put("finetuner/count", &self.count)?;
        archive.put_blob("finetuner/rollouts", self.rollouts.save()?);
        self.demos.save(archive, "finetuner/demos")?;
        self.online.save(archive, "finetuner/online")?;
        self.running.save("finetuner/running", archive)?;
        self.learner.save(archive).await
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub(crate) fn load(config: TdMpcConfig, cx: &Context, archive: &mut Archive) -> Result<Self> {
        let demos = SequenceReplay::load(archive, "finetuner/demos")?;
        let replay = SequenceReplay::load(archive, "finetuner/online")?;
        if !demos.is_like(&empty_demos(&config, cx)) || !replay.is_like(&online(&config, cx)) {
            return Err(damaged());
        }
        Ok(Self {
            rollouts: Rollouts::load(
                &practice_spec(&config, cx.rollouts),
                archive.blob("finetuner/rollouts")?,
            )?,
            demos,
            online: replay,
            running: RunningEpisodes::load("finetuner/running", archive, &cx.obs())?,
            learner: Learner::load(
                config.clone(),
                model_sizes(cx.policy.sizes),
                &cx.rollouts.cameras,
                archive,
                cx.device.clone(),
            )?,
            count: archive.get("finetuner/count")?,
            recent: VecDeque::new(),
            config,
        })
    }
}

impl Trainer for TdMpcTrainer {
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

/// A copy without gradients.
fn frozen<M: burn::module::Module>(module: &M) -> M {
    module.valid()
}

/// Practice: `envs` environments in lockstep, one action per decision.
fn practice_spec(config: &TdMpcConfig, spec: &RolloutSpec) -> RolloutSpec {
    RolloutSpec {
        parallel: config.envs,
        chunk: 1,
        ..spec.clone()
    }
}

fn sequences(config: &TdMpcConfig, cx: &Context, capacity: usize, stream: u64) -> SequenceReplay {
    SequenceReplay::new(
        cx.obs(),
        cx.policy.sizes.act,
        config.horizon,
        capacity,
        config.backbone == Backbone::TdMpc,
        Rng::new(cx.rollouts.seed, "after-the-end", stream),
    )
}

/// The replay of practice, empty.
fn online(config: &TdMpcConfig, cx: &Context) -> SequenceReplay {
    sequences(config, cx, config.capacity, 1)
}

/// The replay of demonstrations, empty.
fn empty_demos(config: &TdMpcConfig, cx: &Context) -> SequenceReplay {
    sequences(config, cx, usize::MAX, 0)
}

/// The demonstrations, in a replay of their own.
fn demonstrations(config: &TdMpcConfig, cx: &Context) -> Result<SequenceReplay> {
    let mut sequences = empty_demos(config, cx);
    let episodes = cx
        .demos
        .map_or(&[][..], |Dataset { episodes, .. }| episodes);
    for episode in episodes {
        sequences.push(&prepared_episode(episode, config))?;
    }
    let needed = config.clone_updates > 0 || config.demo_fraction(0) > 0.0;
    if needed && sequences.is_empty() {
        return Err(Error::input(
            "finetune.method td-mpc learns from demonstrations, but there are none as long as its \
             horizon: give them with --demos-file, or set finetune.td_mpc.clone_updates to 0 and \
             finetune.td_mpc.arm to vanilla",
        ));
    }
    Ok(sequences)
}

/// The episode as the replay stores it: rewards with their offset, scaled.
fn prepared_episode(episode: &Episode, config: &TdMpcConfig) -> Episode {
    let offset = config.reward_offset as f32;
    let scale = config.reward_scale as f32;
    let prepared = |reward: &f32| scale * (reward + offset);
    Episode {
        rewards: episode.rewards.iter().map(prepared).collect(),
        ..episode.clone()
    }
}

/// Metrics of an update, read back from the device.
async fn figures(losses: Losses) -> Result<Vec<(&'static str, f64)>> {
    read_losses([
        ("loss/consistency", losses.consistency),
        ("loss/reward", losses.reward),
        ("loss/value", losses.value),
        ("loss/model", losses.total),
        ("loss/prior", losses.prior),
        ("policy/gradient_norm", losses.gradient),
        ("policy/entropy", losses.entropy),
        ("policy/value", losses.target),
        ("policy/value_range", losses.range),
    ])
    .await
}
