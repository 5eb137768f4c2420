//! The stages of a run: what each does in one step, what comes after it, and how it is saved.

use super::acting::Evaluated;
use super::config::Keep;
use super::demos::Demonstrations;
use super::{ActingPolicy, Best, EpisodeRecord, Phase, Progress, Record, Run};
use crate::data::{Archive, Dataset, Meta};
use crate::env::{FinishedEpisode, RolloutSpec};
use crate::finetune::{Context, FinetunedPolicy, Next, RECORD_EVERY, Trainer, UPDATES};
use crate::nn;
use crate::play::{Episodes, Help};
use crate::policy::Policy;
use crate::pretrain::{PretrainPhase, Pretrainer};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Which evaluation this is, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum EvalPoint {
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
    Pretrain(Box<dyn Pretrainer>),
    /// The trainer waits while its result so far is evaluated.
    Evaluate(Box<Episodes>, EvalPoint, Option<Box<dyn Trainer>>),
    Finetune(Box<dyn Trainer>),
    Done,
}

impl Run {
    pub(super) fn first_stage(&self) -> Result<Stage> {
        match (&self.policy, &self.demos) {
            (Some(_), _) => self.evaluate(EvalPoint::Before, None),
            (None, Some(_)) => self.pretrain(),
            (None, None) => Ok(Stage::Demos(Box::new(Demonstrations::new(
                &self.config,
                &self.services,
            )?))),
        }
    }

    fn pretrain(&self) -> Result<Stage> {
        let method = self.config.pretrain.method.row();
        let pretrainer = (method.new)(&self.pretraining()?)?;
        Ok(Stage::Pretrain(pretrainer))
    }

    fn evaluate(&self, eval_point: EvalPoint, waiting: Option<Box<dyn Trainer>>) -> Result<Stage> {
        let eval = &self.config.eval;
        let curve = matches!(eval_point, EvalPoint::During | EvalPoint::Last);
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
        let spec = self.evaluation_spec();
        let episodes = Episodes::new(&spec, starts, 0..episodes as u64, false)?;
        Ok(Stage::Evaluate(Box::new(episodes), eval_point, waiting))
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
            Stage::Pretrain(pretrainer) => {
                self.step_pretrainer(&mut **pretrainer, &mut progress)
                    .await?
            }
            Stage::Evaluate(episodes, _, _) => {
                self.step_evaluation(episodes, &mut progress).await?
            }
            Stage::Finetune(trainer) => self.step_trainer(&mut **trainer, &mut progress).await?,
            Stage::Done => Next::Continue,
        };
        if next != Next::Continue {
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
                (self.pretrain()?, None)
            }
            Stage::Pretrain(pretrainer) => {
                self.policy = pretrainer.policy();
                (self.evaluate(EvalPoint::Before, None)?, None)
            }
            Stage::Evaluate(episodes, eval_point, waiting) => {
                let counts = (episodes.successes(), episodes.progress().1);
                let share = |successes: u64| successes as f64 / counts.1 as f64;
                let mut values = vec![
                    ("eval/success", share(counts.0)),
                    ("eval/episodes", counts.1 as f64),
                ];
                if self.config.eval.to_horizon {
                    values.push(("eval/success_at_end", share(episodes.successes_at_end())));
                }
                let record = self.record(values);
                (
                    self.after_evaluation(eval_point, counts, waiting)?,
                    Some(record),
                )
            }
            Stage::Finetune(trainer) => {
                self.finetuned = trainer.policy();
                let (eval_point, waiting) = match (next, self.config.eval.keep) {
                    (Next::Done, Keep::Last) => (EvalPoint::After, None),
                    (Next::Done, Keep::Best) => (EvalPoint::Last, None),
                    _ => (EvalPoint::During, Some(trainer)),
                };
                (self.evaluate(eval_point, waiting)?, None)
            }
            Stage::Done => (Stage::Done, None),
        })
    }

    fn after_evaluation(
        &mut self,
        eval_point: EvalPoint,
        counts: (u64, u64),
        waiting: Option<Box<dyn Trainer>>,
    ) -> Result<Stage> {
        match eval_point {
            EvalPoint::Before => self.counters.before = Some(counts),
            EvalPoint::After => self.counters.after = Some(counts),
            EvalPoint::During | EvalPoint::Last => {}
        }
        if self.config.eval.keep == Keep::Best && eval_point != EvalPoint::After {
            self.compare(counts.0 as f64 / counts.1 as f64);
        }
        let trainer = match eval_point {
            EvalPoint::Before => {
                let spec = self.rollout_spec();
                self.config.finetune.trainer(&self.context(&spec)?)?
            }
            EvalPoint::Last => {
                self.finetuned = self.best.take().and_then(|best| best.finetuned);
                return self.evaluate(EvalPoint::After, None);
            }
            EvalPoint::During | EvalPoint::After => waiting,
        };
        Ok(trainer.map_or(Stage::Done, Stage::Finetune))
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
                finetuned: self.finetuned.clone(),
            });
        }
    }

    /// What a trainer works with; `rollouts` is the run's own [`Run::rollout_spec`].
    pub(super) fn context<'a>(&'a self, rollouts: &'a RolloutSpec) -> Result<Context<'a>> {
        Ok(Context {
            policy: self.given_policy()?,
            demos: self.own_demos.as_ref(),
            rollouts,
            device: &self.device,
            help: self.help(),
        })
    }

    /// Who plays elsewhere, and what they are told.
    fn help(&self) -> Option<Help<'_>> {
        let elsewhere = self.services.elsewhere.as_deref()?;
        Some(Help {
            elsewhere,
            description: &self.config,
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
        progress.phase = Phase::Demos;
        progress.done = episodes.len() as u64;
        progress.total = self.config.demonstrations() as u64;
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

    /// A few gradient steps of pretraining; after the last of a phase the next one begins.
    async fn step_pretrainer(
        &mut self,
        pretrainer: &mut dyn Pretrainer,
        progress: &mut Progress,
    ) -> Result<Next> {
        let (before, total) = pretrainer.progress();
        let updates = UPDATES.min(total - before.min(total));
        let mut losses = Vec::new();
        for _ in 0..updates {
            losses = pretrainer.step(self.given_pairs()?);
        }
        self.counters.updates += updates as u64;
        let (done, total) = pretrainer.progress();
        progress.phase = match pretrainer.phase() {
            PretrainPhase::Encoder => Phase::Encoder,
            PretrainPhase::Ensemble => Phase::Ensemble,
            PretrainPhase::Policy => Phase::Pretrain,
        };
        progress.done = done as u64;
        progress.total = total as u64;
        if updates > 0 && (done.is_multiple_of(RECORD_EVERY) || done == total) {
            let mut values = Vec::new();
            for (name, loss) in losses {
                values.push((name, f64::from(nn::scalar(loss).await?)));
            }
            progress.records.push(self.record(values));
        }
        if when_complete(progress) == Next::Continue {
            return Ok(Next::Continue);
        }
        let Some(found) = pretrainer.begin_next(&self.pretraining()?).await? else {
            return Ok(Next::Done);
        };
        if !found.is_empty() {
            progress.records.push(self.record(found));
        }
        Ok(Next::Continue)
    }

    /// One decision in every running episode: by what finetuning made, else by the policy itself.
    async fn step_evaluation(
        &mut self,
        episodes: &mut Episodes,
        progress: &mut Progress,
    ) -> Result<Next> {
        let actor = Evaluated {
            acting: ActingPolicy {
                policy: self.given_policy()?.clone(),
                finetuned: self.finetuned.clone(),
            },
            device: self.device.clone(),
        };
        let turn = episodes.step(&actor, self.help()).await?;
        let finished = turn.map_or_else(Vec::new, |turn| turn.finished);
        progress.phase = Phase::Evaluate;
        (progress.done, progress.total) = episodes.progress();
        progress.episodes = self.episode_records(Phase::Evaluate, finished);
        Ok(when_complete(progress))
    }

    async fn step_trainer(
        &mut self,
        trainer: &mut dyn Trainer,
        progress: &mut Progress,
    ) -> Result<Next> {
        let spec = self.rollout_spec();
        let report = trainer.step(&self.context(&spec)?).await?;
        progress.phase = if report.practicing {
            Phase::Collect
        } else {
            Phase::Finetune
        };
        (progress.done, progress.total) = report.progress;
        progress.episodes = self.episode_records(Phase::Collect, report.finished);
        self.counters.env_steps += report.env_steps;
        self.counters.decisions += report.decisions;
        self.counters.updates += report.updates;
        if !report.metrics.is_empty() {
            progress.records.push(self.record(report.metrics));
        }
        Ok(report.next)
    }

    fn episode_records(&self, phase: Phase, finished: Vec<FinishedEpisode>) -> Vec<EpisodeRecord> {
        let step = self.counters.env_steps;
        let to_horizon = phase == Phase::Evaluate && self.config.eval.to_horizon;
        let record = |FinishedEpisode {
                          seed,
                          success,
                          success_at_end,
                          episode_return,
                          length,
                      }: FinishedEpisode| {
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
        Next::Done
    } else {
        Next::Continue
    }
}

impl Stage {
    /// The policy that is being trained, and what finetuning has made of one, as far as this stage
    /// is about either.
    pub(super) fn acting(&self) -> (Option<Policy>, Option<Box<dyn FinetunedPolicy>>) {
        match self {
            Self::Pretrain(pretrainer) => (pretrainer.policy(), None),
            Self::Finetune(trainer) | Self::Evaluate(_, _, Some(trainer)) => {
                (None, trainer.policy())
            }
            Self::Demos(_) | Self::Evaluate(_, _, None) | Self::Done => (None, None),
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
            Self::Pretrain(pretrainer) => {
                pretrainer.save(archive).await?;
                "pretrain"
            }
            Self::Evaluate(episodes, eval_point, waiting) => {
                archive.put_blob("stage/rollouts", episodes.save()?);
                archive.put("stage/occasion", &(eval_point, waiting.is_some()))?;
                if let Some(trainer) = waiting {
                    trainer.save(archive).await?;
                }
                "evaluate"
            }
            Self::Finetune(trainer) => {
                trainer.save(archive).await?;
                "finetune"
            }
            Self::Done => "done",
        };
        archive.put("stage/name", &name)
    }

    /// Restores what [`Stage::save`] wrote; `run` already holds the rest.
    pub(super) fn load(run: &Run, archive: &mut Archive) -> Result<Self> {
        let config = &run.config;
        let spec = run.rollout_spec();
        let name: String = archive.get("stage/name")?;
        Ok(match name.as_str() {
            "demos" => {
                let fresh = Demonstrations::new(config, &run.services)?;
                let dataset = if archive.contains("stage/demos") {
                    Dataset::from_bytes(archive.blob("stage/demos")?)?
                } else {
                    fresh.dataset().clone()
                };
                let Meta { task, obs, act, .. } = &fresh.dataset().meta;
                dataset.check_task(task, obs, *act)?;
                Self::Demos(Box::new(Demonstrations::resume(
                    config,
                    &run.services,
                    dataset,
                    archive.get("stage/attempts")?,
                )?))
            }
            "pretrain" => {
                let method = config.pretrain.method.row();
                Self::Pretrain((method.load)(&run.pretraining()?, archive)?)
            }
            "evaluate" => {
                let episodes = Box::new(Episodes::load(
                    &run.evaluation_spec(),
                    archive.blob("stage/rollouts")?,
                    false,
                )?);
                let (eval_point, waits): (EvalPoint, bool) = archive.get("stage/occasion")?;
                let waiting = match waits {
                    true => Some(
                        config
                            .finetune
                            .load_trainer(&run.context(&spec)?, archive)?,
                    ),
                    false => None,
                };
                Self::Evaluate(episodes, eval_point, waiting)
            }
            "finetune" => {
                let trainer = config
                    .finetune
                    .load_trainer(&run.context(&spec)?, archive)?;
                Self::Finetune(trainer)
            }
            "done" => Self::Done,
            other => {
                return Err(Error::input(format!(
                    "the checkpoint is in a stage {other:?} that this version does not know"
                )));
            }
        })
    }
}
