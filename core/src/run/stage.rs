//! The stages of a run: what each does in one step, what comes after it, and how it is saved.

use super::config::{Config, FinetuneMethod, PretrainMethod};
use super::demos::Demonstrations;
use super::rollout::{Decision, Finished, Rollouts};
use super::{EpisodeRecord, Phase, Progress, Record, Run};
use crate::data::{Archive, Dataset, Replay};
use crate::finetune::best_of_n::{Chooser, Iql};
use crate::nn;
use crate::pretrain::value_dice::Transitions;
use crate::pretrain::{Cloning, Ensemble, Posterior, ValueDice};
use crate::rng::Rng;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Gradient steps per [`Run::step`].
const UPDATES: usize = 10;
/// Losses are read back and recorded every so many gradient steps: reading waits for the device.
const RECORD_EVERY: usize = 50;

/// Which evaluation this is, and what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Occasion {
    /// Of the pretrained policy.
    Before,
    /// After this round of finetuning.
    Round(usize),
    /// Of the result.
    After,
}

/// What a run is doing.
pub(super) enum Stage {
    Demos(Box<Demonstrations>),
    Ensemble(Box<Ensemble>),
    Pretrain(Box<Cloning>),
    ValueDice(Box<ValueDice>),
    Evaluate(Box<Rollouts>, Occasion, Carried),
    Collect(Box<Rollouts>, usize, Replay),
    Finetune(Box<Iql>, usize, Replay, Box<Rng>),
    Done,
}

/// What an evaluation between two rounds of finetuning holds for the next round.
type Carried = Option<Replay>;

impl Run {
    pub(super) fn first_stage(&self) -> Result<Stage> {
        match (&self.policy, &self.demos) {
            (Some(_), _) => self.evaluate(Occasion::Before, None),
            (None, Some(_)) => self.pretraining(),
            (None, None) => Ok(Stage::Demos(Box::new(Demonstrations::new(&self.config)?))),
        }
    }

    fn pretraining(&self) -> Result<Stage> {
        match self.config.pretrain.method {
            PretrainMethod::Bc => self.cloning(None),
            PretrainMethod::PostBc => {
                let config = self.config.pretrain.post_bc.clone();
                Ok(Stage::Ensemble(Box::new(Ensemble::new(config, self.given_pairs()?, self.config.seed, self.device.clone()))))
            }
            PretrainMethod::ValueDice => {
                let (config, seed) = (self.config.pretrain.value_dice.clone(), self.config.seed);
                let learner = ValueDice::new(self.fresh_policy()?, self.transitions()?, config, seed, self.device.clone())?;
                Ok(Stage::ValueDice(Box::new(learner)))
            }
        }
    }

    /// The demonstrations as transitions between decisions.
    fn transitions(&self) -> Result<Transitions> {
        let terminated: Vec<bool> = self.given_demos()?.episodes.iter().map(|episode| episode.terminated).collect();
        Transitions::new(self.given_pairs()?, &terminated, self.config.policy.chunk)
    }

    fn cloning(&self, posterior: Option<Posterior>) -> Result<Stage> {
        let config = self.config.pretrain.bc.clone();
        Ok(Stage::Pretrain(Box::new(Cloning::new(self.fresh_policy()?, posterior, config, self.config.seed, self.device.clone()))))
    }

    fn evaluate(&self, occasion: Occasion, carried: Carried) -> Result<Stage> {
        let eval = &self.config.eval;
        let episodes = if matches!(occasion, Occasion::Round(_)) { eval.curve_episodes } else { eval.episodes };
        // Every evaluation plays the same starts: differences are the policies'.
        let rollouts = Rollouts::new(&self.config, "eval", 0, episodes as u64, self.threads)?;
        Ok(Stage::Evaluate(Box::new(rollouts), occasion, carried))
    }

    /// Round `round` of finetuning begins with its share of the rollouts.
    fn collect(&self, round: usize, replay: Carried) -> Result<Stage> {
        let config = &self.config.finetune.best_of_n;
        let edge = |round: usize| (config.rollouts * round / config.rounds) as u64;
        let rollouts = Rollouts::new(&self.config, "practice", edge(round), edge(round + 1), self.threads)?;
        let sizes = self.given_policy()?.sizes;
        let horizon = crate::env::spec(&self.config.task)?.horizon;
        let replay = replay.unwrap_or_else(|| Replay::new(sizes.obs, sizes.chunk_len(), config.rollouts * horizon));
        Ok(Stage::Collect(Box::new(rollouts), round, replay))
    }

    fn learn(&self, round: usize, replay: Replay) -> Result<Stage> {
        let sizes = self.given_policy()?.sizes;
        let config = self.config.finetune.best_of_n.clone();
        let mut weights = Rng::new(self.config.seed, "critic-weights", round as u64);
        let iql = Iql::new(config, sizes.obs, sizes.chunk_len(), &mut weights, self.device.clone());
        Ok(Stage::Finetune(Box::new(iql), round, replay, Box::new(Rng::new(self.config.seed, "critic-batches", round as u64))))
    }

    pub(super) async fn advance(&mut self, stage: &mut Stage) -> Result<Progress> {
        let mut progress = Progress { phase: Phase::Done, done: 0, total: 0, records: Vec::new(), episodes: Vec::new(), finished: false };
        match stage {
            Stage::Demos(demos) => self.step_demos(demos, &mut progress)?,
            Stage::Ensemble(ensemble) => self.step_ensemble(ensemble, &mut progress).await?,
            Stage::Pretrain(cloning) => self.step_cloning(cloning, &mut progress).await?,
            Stage::ValueDice(learner) => self.step_value_dice(learner, &mut progress).await?,
            Stage::Evaluate(rollouts, _, _) => {
                let (_, finished) = self.play(rollouts).await?;
                self.report(Phase::Evaluate, rollouts, finished, &mut progress);
            }
            Stage::Collect(rollouts, _, replay) => self.step_collect(rollouts, replay, &mut progress).await?,
            Stage::Finetune(iql, _, replay, rng) => self.step_iql(iql, replay, rng, &mut progress).await?,
            Stage::Done => progress.finished = true,
        }
        if progress.done >= progress.total && !progress.finished {
            let (next, record) = self.next(std::mem::replace(stage, Stage::Done)).await?;
            *stage = next;
            progress.records.extend(record);
        }
        progress.finished = matches!(stage, Stage::Done);
        Ok(progress)
    }

    /// What follows a stage that is complete, and what there is to say about it.
    async fn next(&mut self, stage: Stage) -> Result<(Stage, Option<Record>)> {
        Ok(match stage {
            Stage::Demos(demos) => {
                self.keep_demos(demos.dataset().clone())?;
                (self.pretraining()?, None)
            }
            Stage::Ensemble(ensemble) => {
                let posterior = ensemble.posterior(self.given_pairs()?).await?;
                let record = self.record([("policy/posterior_std", posterior.mean_std())]);
                (self.cloning(Some(posterior))?, Some(record))
            }
            Stage::Pretrain(cloning) => {
                self.policy = Some(cloning.policy());
                (self.evaluate(Occasion::Before, None)?, None)
            }
            Stage::ValueDice(learner) => {
                self.policy = Some(learner.policy());
                (self.evaluate(Occasion::Before, None)?, None)
            }
            Stage::Evaluate(rollouts, occasion, carried) => {
                let counts = (rollouts.successes(), rollouts.progress().1);
                let record = self.record([("eval/success", counts.0 as f64 / counts.1 as f64), ("eval/episodes", counts.1 as f64)]);
                (self.after_evaluation(occasion, counts, carried)?, Some(record))
            }
            Stage::Collect(rollouts, round, replay) => {
                let record = self.record([("train/success", rollouts.successes() as f64 / rollouts.progress().1 as f64)]);
                (self.learn(round, replay)?, Some(record))
            }
            Stage::Finetune(iql, round, replay, _) => {
                let config = &self.config.finetune.best_of_n;
                self.chooser = Some(Chooser { critic: iql.critic(), samples: config.samples });
                let last = round + 1 == config.rounds;
                let occasion = if last { Occasion::After } else { Occasion::Round(round) };
                (self.evaluate(occasion, (!last).then_some(replay))?, None)
            }
            Stage::Done => (Stage::Done, None),
        })
    }

    fn after_evaluation(&mut self, occasion: Occasion, counts: (u64, u64), carried: Carried) -> Result<Stage> {
        match occasion {
            Occasion::Before => {
                self.counters.before = Some(counts);
                match self.config.finetune.method {
                    FinetuneMethod::None => Ok(Stage::Done),
                    FinetuneMethod::BestOfN => self.collect(0, None),
                }
            }
            Occasion::Round(round) => self.collect(round + 1, carried),
            Occasion::After => {
                self.counters.after = Some(counts);
                Ok(Stage::Done)
            }
        }
    }

    fn step_demos(&self, demos: &mut Demonstrations, progress: &mut Progress) -> Result<()> {
        let before = demos.dataset().episodes.len();
        demos.step()?;
        let episodes = &demos.dataset().episodes;
        progress.episodes = episodes[before..].iter().map(|episode| self.demo_record(episode)).collect();
        (progress.phase, progress.done, progress.total) = (Phase::Demos, episodes.len() as u64, self.config.demos.count as u64);
        Ok(())
    }

    fn demo_record(&self, episode: &crate::data::Episode) -> EpisodeRecord {
        EpisodeRecord {
            phase: Phase::Demos,
            seed: episode.seed,
            success: episode.success,
            episode_return: episode.total_reward() as f32,
            length: (episode.len() * self.config.env.action_repeat) as u64,
            step: self.counters.env_steps,
        }
    }

    async fn step_ensemble(&mut self, ensemble: &mut Ensemble, progress: &mut Progress) -> Result<()> {
        for _ in 0..UPDATES {
            let (done, total) = ensemble.progress();
            if done >= total {
                break;
            }
            let loss = ensemble.step(self.given_pairs()?);
            self.counters.updates += 1;
            if (done + 1).is_multiple_of(RECORD_EVERY) || done + 1 == total {
                let loss = f64::from(nn::scalar(loss).await?);
                progress.records.push(self.record([("loss/ensemble", loss)]));
            }
        }
        let (done, total) = ensemble.progress();
        (progress.phase, progress.done, progress.total) = (Phase::Ensemble, done as u64, total as u64);
        Ok(())
    }

    async fn step_cloning(&mut self, cloning: &mut Cloning, progress: &mut Progress) -> Result<()> {
        for _ in 0..UPDATES {
            let (done, total) = cloning.progress();
            if done >= total {
                break;
            }
            let loss = cloning.step(self.given_pairs()?);
            self.counters.updates += 1;
            if (done + 1).is_multiple_of(RECORD_EVERY) || done + 1 == total {
                let loss = f64::from(nn::scalar(loss).await?);
                progress.records.push(self.record([("loss/policy", loss)]));
            }
        }
        let (done, total) = cloning.progress();
        (progress.phase, progress.done, progress.total) = (Phase::Pretrain, done as u64, total as u64);
        Ok(())
    }

    async fn step_value_dice(&mut self, learner: &mut ValueDice, progress: &mut Progress) -> Result<()> {
        for _ in 0..UPDATES {
            let (done, total) = learner.progress();
            if done >= total {
                break;
            }
            let losses = learner.step();
            self.counters.updates += 1;
            if (done + 1).is_multiple_of(RECORD_EVERY) || done + 1 == total {
                let (nu, policy) = (nn::scalar(losses.nu).await?, nn::scalar(losses.policy).await?);
                let divergence = nn::scalar(losses.divergence).await?;
                let values = [("loss/nu", nu), ("loss/policy", policy), ("policy/divergence", divergence)];
                progress.records.push(self.record(values.map(|(name, value)| (name, f64::from(value)))));
            }
        }
        let (done, total) = learner.progress();
        (progress.phase, progress.done, progress.total) = (Phase::Pretrain, done as u64, total as u64);
        Ok(())
    }

    /// One decision in every running episode: the critic's choice where there is a critic, else the policy's own.
    async fn play(&self, rollouts: &mut Rollouts) -> Result<(Vec<Decision>, Vec<Finished>)> {
        self.decide(rollouts, self.chooser.as_ref()).await
    }

    async fn decide(&self, rollouts: &mut Rollouts, chooser: Option<&Chooser>) -> Result<(Vec<Decision>, Vec<Finished>)> {
        let policy = self.given_policy()?;
        let obs = rollouts.observe();
        let chunks = match chooser {
            Some(chooser) => chooser.act(policy, &obs, rollouts.noise(chooser.samples * policy.noise_len()), &self.device).await?,
            None => policy.act(&obs, rollouts.noise(policy.noise_len()), &self.device).await?,
        };
        rollouts.play(&chunks, policy.sizes.chunk_len())
    }

    fn report(&self, phase: Phase, rollouts: &Rollouts, finished: Vec<Finished>, progress: &mut Progress) {
        (progress.done, progress.total) = rollouts.progress();
        progress.phase = phase;
        let step = self.counters.env_steps;
        progress.episodes = finished
            .into_iter()
            .map(|Finished { seed, success, episode_return, length }| EpisodeRecord { phase, seed, success, episode_return, length, step })
            .collect();
    }

    /// Practice is always the frozen policy's own (PostBC, D.3): the critic learns what the policy can do.
    async fn step_collect(&mut self, rollouts: &mut Rollouts, replay: &mut Replay, progress: &mut Progress) -> Result<()> {
        let (decisions, finished) = self.decide(rollouts, None).await?;
        let bootstrap_truncated = self.config.finetune.best_of_n.bootstrap_truncated;
        for Decision { obs, chunk, step } in &decisions {
            let over = step.terminated || (step.truncated && !bootstrap_truncated);
            replay.push(obs, chunk, step.reward, &step.obs, over)?;
            self.counters.env_steps += step.steps as u64;
        }
        self.counters.decisions += decisions.len() as u64;
        self.report(Phase::Collect, rollouts, finished, progress);
        Ok(())
    }

    async fn step_iql(&mut self, iql: &mut Iql, replay: &Replay, rng: &mut Rng, progress: &mut Progress) -> Result<()> {
        let config = self.config.finetune.best_of_n.clone();
        for _ in 0..UPDATES {
            let done = iql.steps_done();
            if done >= config.steps {
                break;
            }
            let losses = iql.step(&replay.sample(rng, config.batch), self.given_policy()?);
            self.counters.updates += 1;
            if (done + 1).is_multiple_of(RECORD_EVERY) || done + 1 == config.steps {
                let (value, q) = (nn::scalar(losses.value).await?, nn::scalar(losses.q).await?);
                let mean = nn::scalar(losses.mean_value).await?;
                let values = [("loss/value", f64::from(value)), ("loss/q", f64::from(q)), ("policy/value", f64::from(mean))];
                progress.records.push(self.record(values));
            }
        }
        (progress.phase, progress.done, progress.total) = (Phase::Finetune, iql.steps_done() as u64, config.steps as u64);
        Ok(())
    }
}

impl Stage {
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
            Self::Evaluate(rollouts, occasion, carried) => {
                archive.put_blob("stage/rollouts", rollouts.save()?);
                archive.put("stage/occasion", &(occasion, carried.is_some()))?;
                carried.iter().try_for_each(|replay| replay.save(archive, "stage/replay"))?;
                "evaluate"
            }
            Self::Collect(rollouts, round, replay) => {
                archive.put_blob("stage/rollouts", rollouts.save()?);
                archive.put("stage/round", round)?;
                replay.save(archive, "stage/replay")?;
                "collect"
            }
            Self::Finetune(iql, round, replay, rng) => {
                iql.save(archive).await?;
                archive.put("stage/round", &(round, rng))?;
                replay.save(archive, "stage/replay")?;
                "finetune"
            }
            Self::Done => "done",
        };
        archive.put("stage/name", &name)
    }

    /// Restores what [`Stage::save`] wrote; `run` already holds the rest.
    pub(super) fn load(run: &Run, archive: &mut Archive) -> Result<Self> {
        let (config, device) = (&run.config, run.device.clone());
        let name: String = archive.get("stage/name")?;
        Ok(match name.as_str() {
            "demos" => {
                let fresh = Demonstrations::new(config)?;
                let dataset = if archive.contains("stage/demos") {
                    Dataset::from_bytes(archive.blob("stage/demos")?)?
                } else {
                    fresh.dataset().clone()
                };
                dataset.check_task(&config.task, fresh.dataset().meta.obs, fresh.dataset().meta.act)?;
                Self::Demos(Box::new(Demonstrations::resume(config, dataset, archive.get("stage/attempts")?)?))
            }
            "ensemble" => {
                let settings = config.pretrain.post_bc.clone();
                Self::Ensemble(Box::new(Ensemble::load(settings, run.given_pairs()?, config.seed, archive, device)?))
            }
            "pretrain" => {
                Self::Pretrain(Box::new(Cloning::load(&config.policy, config.pretrain.bc.clone(), run.given_pairs()?, archive, device)?))
            }
            "value-dice" => {
                let settings = config.pretrain.value_dice.clone();
                Self::ValueDice(Box::new(ValueDice::load(&config.policy, run.transitions()?, settings, archive, device)?))
            }
            "evaluate" => {
                let rollouts = Box::new(Rollouts::load(config, archive.blob("stage/rollouts")?, run.threads)?);
                let (occasion, carries): (Occasion, bool) = archive.get("stage/occasion")?;
                if let Occasion::Round(round) = occasion {
                    check_round(config, round.saturating_add(1))?;
                }
                let carried = if carries { Some(load_replay(run, archive)?) } else { None };
                Self::Evaluate(rollouts, occasion, carried)
            }
            "collect" => {
                let rollouts = Box::new(Rollouts::load(config, archive.blob("stage/rollouts")?, run.threads)?);
                let round = archive.get("stage/round")?;
                check_round(config, round)?;
                Self::Collect(rollouts, round, load_replay(run, archive)?)
            }
            "finetune" => {
                let sizes = run.given_policy()?.sizes;
                let settings = config.finetune.best_of_n.clone();
                let iql = Iql::load(settings, sizes.obs, sizes.chunk_len(), archive, device)?;
                let (round, rng): (usize, Box<Rng>) = archive.get("stage/round")?;
                check_round(config, round)?;
                let replay = load_replay(run, archive)?;
                if replay.is_empty() {
                    return Err(Error::input("the checkpoint has nothing to learn from: use an undamaged checkpoint"));
                }
                Self::Finetune(Box::new(iql), round, replay, rng)
            }
            "done" => Self::Done,
            other => return Err(Error::input(format!("the checkpoint is in a stage {other:?} that this version does not know"))),
        })
    }
}

fn check_round(config: &Config, round: usize) -> Result<()> {
    let rounds = config.finetune.best_of_n.rounds;
    if (0..rounds).contains(&round) {
        Ok(())
    } else {
        Err(Error::input(format!("the checkpoint is in round {round} of {rounds}: use an undamaged checkpoint")))
    }
}

/// The replay of a stage, which must hold what the policy reads and writes.
fn load_replay(run: &Run, archive: &mut Archive) -> Result<Replay> {
    let (replay, sizes) = (Replay::load(archive, "stage/replay")?, run.given_policy()?.sizes);
    if replay.row_sizes() != (sizes.obs, sizes.chunk_len()) {
        return Err(Error::input("the checkpoint's replay does not fit its policy: use an undamaged checkpoint"));
    }
    Ok(replay)
}
