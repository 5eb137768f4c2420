//! The stages of a run: what each does in one step, what comes after it, and how it is saved.

use super::config::{Keep, PretrainMethod};
use super::demos::Demonstrations;
use super::{Acting, Best, EpisodeRecord, Phase, Progress, Record, Run};
use crate::data::{Archive, Dataset, Meta};
use crate::env::{Finished, RolloutSpec, Rollouts};
use crate::finetune::{Context, Finetuner, Improved, Next, RECORD_EVERY, UPDATES};
use crate::nn;
use crate::policy::Policy;
use crate::pretrain::value_dice::Transitions;
use crate::pretrain::{Cloning, Ensemble, Learner, ValueDice, Widening};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which evaluation this is, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Occasion {
    /// Of the pretrained policy.
    Before,
    /// In the midst of finetuning, a point of the learning curve.
    During,
    /// At the end of finetuning, the last point of the learning curve, where the best of them is
    /// the result.
    Last,
    /// Of the result.
    After,
}

/// What a run is doing.
pub(super) enum Stage {
    Demos(Box<Demonstrations>),
    Ensemble(Box<Ensemble>),
    Pretrain(Box<Cloning>),
    ValueDice(Box<ValueDice>),
    /// The finetuner waits while its result so far is evaluated.
    Evaluate(Box<Rollouts>, Occasion, Option<Finetuner>),
    Finetune(Finetuner),
    Done,
}

impl Run {
    pub(super) fn first_stage(&self) -> Result<Stage> {
        match (&self.policy, &self.demos) {
            (Some(_), _) => self.evaluate(Occasion::Before, None),
            (None, Some(_)) => self.pretraining(),
            (None, None) => Ok(Stage::Demos(Box::new(Demonstrations::new(
                &self.config,
                self.means.make,
            )?))),
        }
    }

    fn pretraining(&self) -> Result<Stage> {
        match self.config.pretrain.method {
            PretrainMethod::Bc => self.cloning(Widening::None),
            PretrainMethod::SigmaBc => self.cloning(Widening::Uniform(
                self.config.pretrain.sigma_bc.sigma as f32,
            )),
            PretrainMethod::PostBc => {
                let config = self.config.pretrain.post_bc.clone();
                Ok(Stage::Ensemble(Box::new(Ensemble::new(
                    config,
                    self.given_pairs()?,
                    self.config.seed,
                    self.device.clone(),
                ))))
            }
            PretrainMethod::ValueDice => {
                let (config, seed) = (self.config.pretrain.value_dice.clone(), self.config.seed);
                let learner = ValueDice::new(
                    self.fresh_policy()?,
                    self.transitions()?,
                    config,
                    seed,
                    self.device.clone(),
                )?;
                Ok(Stage::ValueDice(Box::new(learner)))
            }
        }
    }

    /// The demonstrations as transitions between decisions.
    fn transitions(&self) -> Result<Transitions> {
        let terminated: Vec<bool> = self
            .given_demos()?
            .episodes
            .iter()
            .map(|episode| episode.terminated)
            .collect();
        Transitions::new(self.given_pairs()?, &terminated, self.config.policy.chunk)
    }

    fn cloning(&self, widening: Widening) -> Result<Stage> {
        let (config, data, seed) = (
            &self.config.pretrain.bc,
            self.given_pairs()?,
            self.config.seed,
        );
        Ok(Stage::Pretrain(Box::new(Cloning::new(
            self.fresh_policy()?,
            widening,
            config,
            data,
            seed,
            self.device.clone(),
        ))))
    }

    fn evaluate(&self, occasion: Occasion, waiting: Option<Finetuner>) -> Result<Stage> {
        let eval = &self.config.eval;
        let curve = matches!(occasion, Occasion::During | Occasion::Last);
        let episodes = if curve {
            eval.curve_episodes
        } else {
            eval.episodes
        };
        // Every evaluation plays the same starts: differences are the policies'. What chooses the
        // result plays others than what judges it.
        let starts = if curve && eval.keep == Keep::Best {
            "validation"
        } else {
            "eval"
        };
        let rollouts = Rollouts::new(&self.evaluation_spec(), starts, 0, episodes as u64)?;
        Ok(Stage::Evaluate(Box::new(rollouts), occasion, waiting))
    }

    pub(super) async fn advance(&mut self, stage: &mut Stage) -> Result<Progress> {
        let mut progress = Progress {
            phase: Phase::Done,
            done: 0,
            total: 0,
            records: Vec::new(),
            episodes: Vec::new(),
            finished: false,
        };
        let next = match stage {
            Stage::Demos(demos) => self.step_demos(demos, &mut progress)?,
            Stage::Ensemble(ensemble) => {
                self.step_learner(&mut **ensemble, Phase::Ensemble, &mut progress)
                    .await?
            }
            Stage::Pretrain(cloning) => {
                self.step_learner(&mut **cloning, Phase::Pretrain, &mut progress)
                    .await?
            }
            Stage::ValueDice(learner) => {
                self.step_learner(&mut **learner, Phase::Pretrain, &mut progress)
                    .await?
            }
            Stage::Evaluate(rollouts, _, _) => {
                self.step_evaluation(rollouts, &mut progress).await?
            }
            Stage::Finetune(finetuner) => self.step_finetuner(finetuner, &mut progress).await?,
            Stage::Done => Next::GoOn,
        };
        if next != Next::GoOn {
            let (following, record) = self
                .after(std::mem::replace(stage, Stage::Done), next)
                .await?;
            *stage = following;
            progress.records.extend(record);
        }
        progress.finished = matches!(stage, Stage::Done);
        Ok(progress)
    }

    /// What follows a stage that is complete, or that wants an evaluation; and what there is to say
    /// about it.
    async fn after(&mut self, stage: Stage, next: Next) -> Result<(Stage, Option<Record>)> {
        Ok(match stage {
            Stage::Demos(demos) => {
                self.keep_demos(demos.dataset().clone())?;
                (self.pretraining()?, None)
            }
            Stage::Ensemble(ensemble) => {
                let posterior = ensemble.posterior(self.given_pairs()?).await?;
                let record = self.record(vec![("policy/posterior_std", posterior.mean_std())]);
                (self.cloning(Widening::Posterior(posterior))?, Some(record))
            }
            Stage::Pretrain(cloning) => {
                self.policy = Some(cloning.policy());
                (self.evaluate(Occasion::Before, None)?, None)
            }
            Stage::ValueDice(learner) => {
                self.policy = Some(learner.policy());
                (self.evaluate(Occasion::Before, None)?, None)
            }
            Stage::Evaluate(rollouts, occasion, waiting) => {
                let counts = (rollouts.successes(), rollouts.progress().1);
                let share = |successes: u64| successes as f64 / counts.1 as f64;
                let mut values = vec![
                    ("eval/success", share(counts.0)),
                    ("eval/episodes", counts.1 as f64),
                ];
                if self.config.eval.to_horizon {
                    values.push(("eval/success_at_end", share(rollouts.successes_at_end())));
                }
                let record = self.record(values);
                (
                    self.after_evaluation(occasion, counts, waiting)?,
                    Some(record),
                )
            }
            Stage::Finetune(finetuner) => {
                self.improved = finetuner.improved();
                let (occasion, waiting) = match (next, self.config.eval.keep) {
                    (Next::Finish, Keep::Last) => (Occasion::After, None),
                    (Next::Finish, Keep::Best) => (Occasion::Last, None),
                    _ => (Occasion::During, Some(finetuner)),
                };
                (self.evaluate(occasion, waiting)?, None)
            }
            Stage::Done => (Stage::Done, None),
        })
    }

    fn after_evaluation(
        &mut self,
        occasion: Occasion,
        counts: (u64, u64),
        waiting: Option<Finetuner>,
    ) -> Result<Stage> {
        match occasion {
            Occasion::Before => self.counters.before = Some(counts),
            Occasion::After => self.counters.after = Some(counts),
            Occasion::During | Occasion::Last => {}
        }
        if self.config.eval.keep == Keep::Best && occasion != Occasion::After {
            self.compare(counts.0 as f64 / counts.1 as f64);
        }
        let finetuner = match occasion {
            Occasion::Before => {
                let spec = self.rollout_spec();
                Finetuner::new(&self.config.finetune, &self.context(&spec)?)?
            }
            Occasion::Last => {
                self.improved = self.best.take().and_then(|best| best.improved);
                return self.evaluate(Occasion::After, None);
            }
            Occasion::During | Occasion::After => waiting,
        };
        Ok(finetuner.map_or(Stage::Done, Stage::Finetune))
    }

    /// Keeps what acts now where it succeeds at least as often as the best so far.
    fn compare(&mut self, success: f64) {
        if self
            .best
            .as_ref()
            .is_none_or(|best| success >= best.success)
        {
            self.best = Some(Best {
                success,
                improved: self.improved.clone(),
            });
        }
    }

    /// What a finetuner works with; `rollouts` is the run's own [`Run::rollout_spec`].
    fn context<'a>(&'a self, rollouts: &'a RolloutSpec) -> Result<Context<'a>> {
        Ok(Context {
            policy: self.given_policy()?,
            demos: self.own_demos.as_ref(),
            rollouts,
            device: &self.device,
        })
    }

    fn step_demos(&self, demos: &mut Demonstrations, progress: &mut Progress) -> Result<Next> {
        let before = demos.dataset().episodes.len();
        demos.step()?;
        let episodes = &demos.dataset().episodes;
        progress.episodes = episodes[before..]
            .iter()
            .map(|episode| self.demo_record(episode))
            .collect();
        (progress.phase, progress.done, progress.total) = (
            Phase::Demos,
            episodes.len() as u64,
            self.config.demonstrations() as u64,
        );
        Ok(when_complete(progress))
    }

    fn demo_record(&self, episode: &crate::data::Episode) -> EpisodeRecord {
        EpisodeRecord {
            phase: Phase::Demos,
            seed: episode.seed,
            success: episode.success,
            success_at_end: None,
            episode_return: episode.total_reward() as f32,
            length: (episode.len() * self.config.env.action_repeat) as u64,
            step: self.counters.env_steps,
        }
    }

    /// A few gradient steps of pretraining.
    async fn step_learner(
        &mut self,
        learner: &mut dyn Learner,
        phase: Phase,
        progress: &mut Progress,
    ) -> Result<Next> {
        let (before, total) = learner.progress();
        let updates = UPDATES.min(total - before.min(total));
        let mut losses = Vec::new();
        for _ in 0..updates {
            losses = learner.step(self.given_pairs()?);
        }
        self.counters.updates += updates as u64;
        let (done, total) = learner.progress();
        (progress.phase, progress.done, progress.total) = (phase, done as u64, total as u64);
        if updates > 0 && (done.is_multiple_of(RECORD_EVERY) || done == total) {
            let mut values = Vec::new();
            for (name, loss) in losses {
                values.push((name, f64::from(nn::scalar(loss).await?)));
            }
            progress.records.push(self.record(values));
        }
        Ok(when_complete(progress))
    }

    /// One decision in every running episode: by what finetuning made, else by the policy itself.
    async fn step_evaluation(
        &mut self,
        rollouts: &mut Rollouts,
        progress: &mut Progress,
    ) -> Result<Next> {
        let acting = Acting {
            policy: self.given_policy()?.clone(),
            improved: self.improved.clone(),
        };
        let (obs, mut memories) = (rollouts.observe(), rollouts.memories());
        let chunks = acting
            .act(
                &obs,
                &mut memories,
                rollouts.noise(acting.noise_len()),
                &self.device,
            )
            .await?;
        rollouts.remember(memories);
        let (_, finished) = rollouts.play(&chunks, acting.chunk_len())?;
        (progress.phase, (progress.done, progress.total)) = (Phase::Evaluate, rollouts.progress());
        progress.episodes = self.episode_records(Phase::Evaluate, finished);
        Ok(when_complete(progress))
    }

    async fn step_finetuner(
        &mut self,
        finetuner: &mut Finetuner,
        progress: &mut Progress,
    ) -> Result<Next> {
        let spec = self.rollout_spec();
        let work = finetuner.step(&self.context(&spec)?).await?;
        let phase = if work.playing {
            Phase::Collect
        } else {
            Phase::Finetune
        };
        (progress.phase, (progress.done, progress.total)) = (phase, work.progress);
        progress.episodes = self.episode_records(Phase::Collect, work.finished);
        self.counters.env_steps += work.env_steps;
        self.counters.decisions += work.decisions;
        self.counters.updates += work.updates;
        if !work.values.is_empty() {
            progress.records.push(self.record(work.values));
        }
        Ok(work.next)
    }

    fn episode_records(&self, phase: Phase, finished: Vec<Finished>) -> Vec<EpisodeRecord> {
        let step = self.counters.env_steps;
        let to_horizon = phase == Phase::Evaluate && self.config.eval.to_horizon;
        let record = |Finished {
                          seed,
                          success,
                          success_at_end,
                          episode_return,
                          length,
                      }: Finished| {
            let success_at_end = to_horizon.then_some(success_at_end);
            EpisodeRecord {
                phase,
                seed,
                success,
                success_at_end,
                episode_return,
                length,
                step,
            }
        };
        finished.into_iter().map(record).collect()
    }
}

/// A stage is over when all of it is done.
fn when_complete(progress: &Progress) -> Next {
    if progress.done >= progress.total {
        Next::Finish
    } else {
        Next::GoOn
    }
}

impl Stage {
    /// The policy that is being cloned, and what finetuning has made of one, as far as this stage
    /// is about either.
    pub(super) fn acting(&self) -> (Option<Policy>, Option<Improved>) {
        match self {
            Self::Pretrain(cloning) => (Some(cloning.policy()), None),
            Self::ValueDice(learner) => (Some(learner.policy()), None),
            Self::Finetune(finetuner) | Self::Evaluate(_, _, Some(finetuner)) => {
                (None, finetuner.improved())
            }
            Self::Demos(_) | Self::Ensemble(_) | Self::Evaluate(_, _, None) | Self::Done => {
                (None, None)
            }
        }
    }

    /// Writes the stage into the archive: its name, and what it holds.
    pub(super) async fn save(&self, archive: &mut Archive) -> Result<()> {
        let name = match self {
            Self::Demos(demos) => {
                archive.put("stage/attempts", &demos.attempts())?;
                if !demos.dataset().episodes.is_empty() {
                    archive.put_blob("stage/demos", demos.dataset().to_bytes()?);
                }
                "demos"
            }
            Self::Ensemble(ensemble) => {
                ensemble.save(archive).await?;
                "ensemble"
            }
            Self::Pretrain(cloning) => {
                cloning.save(archive).await?;
                "pretrain"
            }
            Self::ValueDice(learner) => {
                learner.save(archive).await?;
                "value-dice"
            }
            Self::Evaluate(rollouts, occasion, waiting) => {
                archive.put_blob("stage/rollouts", rollouts.save()?);
                archive.put("stage/occasion", &(occasion, waiting.is_some()))?;
                if let Some(finetuner) = waiting {
                    finetuner.save(archive).await?;
                }
                "evaluate"
            }
            Self::Finetune(finetuner) => {
                finetuner.save(archive).await?;
                "finetune"
            }
            Self::Done => "done",
        };
        archive.put("stage/name", &name)
    }

    /// Restores what [`Stage::save`] wrote; `run` already holds the rest.
    pub(super) fn load(run: &Run, archive: &mut Archive) -> Result<Self> {
        let (config, device) = (&run.config, run.device.clone());
        let spec = run.rollout_spec();
        let name: String = archive.get("stage/name")?;
        Ok(match name.as_str() {
            "demos" => {
                let fresh = Demonstrations::new(config, run.means.make)?;
                let dataset = if archive.contains("stage/demos") {
                    Dataset::from_bytes(archive.blob("stage/demos")?)?
                } else {
                    fresh.dataset().clone()
                };
                let Meta {
                    obs,
                    act,
                    image_size,
                    ..
                } = fresh.dataset().meta;
                dataset.check_task(&fresh.dataset().meta.task, obs, act, image_size)?;
                Self::Demos(Box::new(Demonstrations::resume(
                    config,
                    run.means.make,
                    dataset,
                    archive.get("stage/attempts")?,
                )?))
            }
            "ensemble" => {
                let settings = config.pretrain.post_bc.clone();
                Self::Ensemble(Box::new(Ensemble::load(
                    settings,
                    run.given_pairs()?,
                    config.seed,
                    archive,
                    device,
                )?))
            }
            "pretrain" => Self::Pretrain(Box::new(Cloning::load(
                &config.policy,
                &config.pretrain.bc,
                run.given_pairs()?,
                archive,
                device,
            )?)),
            "value-dice" => {
                let settings = config.pretrain.value_dice.clone();
                Self::ValueDice(Box::new(ValueDice::load(
                    &config.policy,
                    run.transitions()?,
                    settings,
                    archive,
                    device,
                )?))
            }
            "evaluate" => {
                let rollouts = Box::new(Rollouts::load(
                    &run.evaluation_spec(),
                    archive.blob("stage/rollouts")?,
                )?);
                let (occasion, waits): (Occasion, bool) = archive.get("stage/occasion")?;
                let waiting = match waits {
                    true => Some(Finetuner::load(
                        &config.finetune,
                        &run.context(&spec)?,
                        archive,
                    )?),
                    false => None,
                };
                Self::Evaluate(rollouts, occasion, waiting)
            }
            "finetune" => Self::Finetune(Finetuner::load(
                &config.finetune,
                &run.context(&spec)?,
                archive,
            )?),
            "done" => Self::Done,
            other => {
                return Err(Error::input(format!(
                    "the checkpoint is in a stage {other:?} that this version does not know"
                )));
            }
        })
    }
}
