//! The iterations of DPPO: practice whole episodes, learn from them, and forget them.

use super::buffer::{Buffer, Samples, Transition};
use super::learner::{Figures, Learner};
use super::seen::Seen;
use super::{DppoConfig, RewardScaler};
use crate::data::Archive;
use crate::env::Decision;
use crate::finetune::{Context, FinetunedPolicy, Next, StepReport, Trainer};
use crate::method::LocalFuture;
use crate::nn;
use crate::obs::ObsBatch;
use crate::play::{Actor, Episodes, Turn};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// DPPO at work.
pub struct DppoTrainer {
    config: DppoConfig,
    learner: Learner,
    scaler: RewardScaler,
    /// Shuffles the decisions.
    rng: Rng,
    iteration: usize,
    phase: IterationPhase,
}

/// Phase of an iteration.
enum IterationPhase {
    Playing(Box<Episodes>, Buffer, Seen),
    Learning(Samples, Sweep, Seen),
}

/// Progress of the passes over an iteration's decisions.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sweep {
    /// The decisions, in the order of this pass.
    order: Vec<usize>,
    /// Gradient steps done.
    done: usize,
    /// Sums over them.
    sums: Figures,
}

impl DppoTrainer {
    /// Before the first episode.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub fn new(config: DppoConfig, cx: &Context) -> Result<Self> {
        let seed = cx.rollouts.seed;
        let learner = Learner::new(
            config.clone(),
            cx.policy,
            &mut Rng::new(seed, "critic-weights", 0),
            cx.device.clone(),
        );
        let rng = Rng::new(seed, "minibatches", 0);
        let phase = play(&config, cx, 0)?;
        Ok(Self {
            config,
            learner,
            scaler: RewardScaler::default(),
            rng,
            iteration: 0,
            phase,
        })
    }

    /// V at raw observations.
    pub async fn values(&self, cx: &Context<'_>, obs: &ObsBatch) -> Result<Vec<f32>> {
        let obs = cx.policy.observe(obs, cx.device);
        nn::read(self.learner.values(obs)).await
    }

    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let IterationPhase::Playing(episodes, buffer, seen) = &mut self.phase else {
            return Err(Error::failed("DPPO plays only while it plays"));
        };
        let policy = cx.policy;
        let actor = self.learner.chains(policy);
        let Some(turn) = episodes.step(&actor, cx.help).await? else {
            return Ok(StepReport::practice(&[], Vec::new(), episodes.progress()));
        };
        let Turn {
            decisions,
            notes,
            finished,
        } = turn;
        let observed = ObsBatch::of(decisions.iter().map(|decision| &decision.obs));
        let obs = policy.obs_scale.apply(&observed.numbers());
        let rows = policy.observe(&observed, cx.device);
        let values = nn::read(self.learner.values(rows)).await?;
        let last_values = match self.config.bootstrap_truncated {
            true => last_values(&self.learner, &decisions, cx).await?,
            false => vec![0.0; decisions.len()],
        };
        let (wide, _) = actor.widths();
        let parts = obs
            .chunks(obs.len() / values.len())
            .zip(notes.chunks(actor.notes_len()));
        for (i, (decision, (obs, notes))) in decisions.iter().zip(parts).enumerate() {
            let (latents, log_probs) = notes.split_at(wide);
            let value = values[i];
            let reward = decision.step.reward;
            let last_value = last_values[i];
            seen.push(decision.seed, &decision.obs);
            buffer.push(
                decision.seed,
                &Transition {
                    obs,
                    latents,
                    log_probs,
                    value,
                    reward,
                    last_value,
                },
            );
        }
        let successes = episodes.successes();
        let (done, total) = episodes.progress();
        let mut report = StepReport::practice(&decisions, finished, (done, total));
        if done == total {
            let seen = std::mem::take(seen);
            let mut buffer = std::mem::take(buffer);
            if !policy.reads.cameras.is_empty() {
                let again = seen.look_again(&mut buffer, &self.learner, policy, cx.device);
                again.await?;
            }
            let samples = buffer.into_samples(&self.config, &mut self.scaler);
            report
                .metrics
                .push(("train/success", successes as f64 / total as f64));
            report
                .metrics
                .push(("policy/explained_variance", samples.explained_variance()));
            let order = (0..samples.len()).collect();
            self.phase = IterationPhase::Learning(
                samples,
                Sweep {
                    order,
                    done: 0,
                    sums: Figures::default(),
                },
                seen,
            );
        }
        Ok(report)
    }

    async fn learn(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let IterationPhase::Learning(samples, sweep, seen) = &mut self.phase else {
            return Err(Error::failed("DPPO learns only while it learns"));
        };
        // A remainder that fills no batch is left out; the next pass, shuffled anew, leaves out
        // others (DPPO).
        let per_pass = (samples.len() / self.config.batch).max(1);
        let total = per_pass * self.config.epochs;
        let at = sweep.done % per_pass * self.config.batch;
        if at == 0 {
            self.rng.shuffle(&mut sweep.order);
        }
        let rows = &sweep.order[at..(at + self.config.batch).min(samples.len())];
        let obs = seen.observations(&samples.obs, rows, cx.policy, cx.device);
        let actor_is_frozen = self.iteration < self.config.critic_warmup;
        let step = self.learner.step(samples, rows, obs, actor_is_frozen);
        let figures = step.await?;
        sweep.done += 1;
        sweep.sums.add(&figures);
        let complete = sweep.done == total || figures.kl > self.config.target_kl;
        let mut report = StepReport::update(1, (if complete { total } else { sweep.done }, total));
        if complete {
            report.metrics = sweep.sums.averaged(sweep.done);
            self.iteration += 1;
            report.next = self.next();
            self.phase = play(&self.config, cx, self.iteration)?;
        }
        Ok(report)
    }

    /// What follows an iteration: more, an evaluation, or the end.
    fn next(&self) -> Next {
        match self.iteration {
            i if i >= self.config.iterations => Next::Done,
            i if i.is_multiple_of(self.config.eval_every) => Next::Evaluate,
            _ => Next::Continue,
        }
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        let playing = matches!(self.phase, IterationPhase::Playing(..));
        archive.put(
            "finetuner/state",
            &(&self.scaler, &self.rng, self.iteration, playing),
        )?;
        match &self.phase {
            IterationPhase::Playing(episodes, buffer, seen) => {
                archive.put_blob("finetuner/rollouts", episodes.save()?);
                archive.put("finetuner/buffer", buffer)?;
                seen.save(archive)?;
            }
            IterationPhase::Learning(samples, sweep, seen) => {
                archive.put("finetuner/samples", &(samples, sweep))?;
                seen.save(archive)?;
            }
        }
        self.learner.save(archive).await
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub(crate) fn load(config: DppoConfig, cx: &Context, archive: &Archive) -> Result<Self> {
        let (scaler, rng, iteration, playing) = archive.get("finetuner/state")?;
        let learner = Learner::load(config.clone(), cx.policy, archive, cx.device.clone())?;
        let seen = Seen::new(cx.policy, cx.rollouts.seed, iteration);
        let phase = if playing {
            let saved = archive.blob("finetuner/rollouts")?;
            let episodes = Episodes::load(cx.rollouts, saved, true)?;
            let buffer: Buffer = archive.get("finetuner/buffer")?;
            let seen = seen.restored(buffer.decisions(), cx.policy, archive)?;
            IterationPhase::Playing(Box::new(episodes), buffer, seen)
        } else {
            let (samples, sweep): (Samples, Sweep) = archive.get("finetuner/samples")?;
            if !samples.fit(cx.policy.sizes, learner.steps()) || !sweep.fits(&samples) {
                return Err(Error::input(
                    "the checkpoint's samples do not fit its policy: use an undamaged checkpoint",
                ));
            }
            let seen = seen.restored(samples.len(), cx.policy, archive)?;
            IterationPhase::Learning(samples, sweep, seen)
        };
        Ok(Self {
            config,
            learner,
            scaler,
            rng,
            iteration,
            phase,
        })
    }
}

impl Trainer for DppoTrainer {
    /// One decision in every running episode, or one gradient step.
    fn step<'a>(&'a mut self, cx: &'a Context<'a>) -> LocalFuture<'a, StepReport> {
        match &self.phase {
            IterationPhase::Playing(..) => Box::pin(self.play(cx)),
            IterationPhase::Learning(..) => Box::pin(self.learn(cx)),
        }
    }

    fn policy(&self) -> Option<Box<dyn FinetunedPolicy>> {
        Some(Box::new(self.learner.policy()))
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

impl Sweep {
    /// Whether the order is one of these samples.
    fn fits(&self, samples: &Samples) -> bool {
        self.order.len() == samples.len() && self.order.iter().all(|&row| row < samples.len())
    }
}

/// The episodes of an iteration.
fn play(config: &DppoConfig, cx: &Context, iteration: usize) -> Result<IterationPhase> {
    // Every iteration starts where the last one ended: no start is practiced twice.
    let edge = |iteration: usize| (config.episodes * iteration) as u64;
    let episodes = Episodes::new(
        cx.rollouts,
        "practice",
        edge(iteration)..edge(iteration + 1),
        true,
    )?;
    Ok(IterationPhase::Playing(
        Box::new(episodes),
        Buffer::default(),
        Seen::new(cx.policy, cx.rollouts.seed, iteration),
    ))
}

/// Value of the state after each decision where the time limit cut the episode off; 0 elsewhere.
async fn last_values(
    learner: &Learner,
    decisions: &[Decision],
    cx: &Context<'_>,
) -> Result<Vec<f32>> {
    let mut values = vec![0.0; decisions.len()];
    let cut: Vec<usize> = (0..decisions.len())
        .filter(|&i| decisions[i].step.truncated && !decisions[i].step.terminated)
        .collect();
    if cut.is_empty() {
        return Ok(values);
    }
    let obs = ObsBatch::of(cut.iter().map(|&i| &decisions[i].step.obs));
    let obs = cx.policy.observe(&obs, cx.device);
    for (&i, value) in cut.iter().zip(nn::read(learner.values(obs)).await?) {
        values[i] = value;
    }
    Ok(values)
}
