//! The rounds of best-of-N: practice, fit a critic to all practice so far, evaluate.

use super::{BestOfNConfig, BestOfNPolicy, Iql};
use crate::data::{Archive, Replay};
use crate::env::Decision;
use crate::finetune::frozen::Frozen;
use crate::finetune::{
    Context, FinetunedPolicy, Next, RECORD_EVERY, StepReport, Trainer, UPDATES, load_replay,
    read_losses,
};
use crate::method::LocalFuture;
use crate::play::{Episodes, Turn};
use crate::rng::Rng;
use crate::{Error, Result};

/// Best-of-N at work.
pub(crate) struct BestOfNTrainer {
    config: BestOfNConfig,
    round: usize,
    replay: Replay,
    policy: Option<BestOfNPolicy>,
    phase: RoundPhase,
}

/// Phase of a round.
enum RoundPhase {
    Playing(Box<Episodes>),
    Learning(Box<Iql>, Box<Rng>),
}

impl BestOfNTrainer {
    /// Before the first episode.
    ///
    /// # Errors
    /// When an environment cannot be made.
    pub(crate) fn new(config: BestOfNConfig, cx: &Context) -> Result<Self> {
        let sizes = cx.policy.sizes;
        let horizon = cx.rollouts.task.spec.horizon;
        let replay = Replay::new(cx.kept(), sizes.chunk_len(), config.rollouts * horizon);
        Ok(Self {
            phase: play(&config, cx, 0)?,
            config,
            round: 0,
            replay,
            policy: None,
        })
    }

    /// Practice is always the frozen policy's own (PostBC, D.1): the critic learns the values of
    /// what the policy proposes.
    async fn play(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let RoundPhase::Playing(episodes) = &mut self.phase else {
            return Err(Error::failed("best-of-N plays only while it plays"));
        };
        let actor = Frozen::of(cx.policy, cx.device);
        let Some(turn) = episodes.step(&actor, cx.help).await? else {
            return Ok(StepReport::practice(&[], Vec::new(), episodes.progress()));
        };
        let Turn {
            decisions,
            finished,
            ..
        } = turn;
        let kept = cx.keep(&decisions).await?;
        for (Decision { chunk, step, .. }, (obs, next)) in decisions.iter().zip(&kept) {
            // A time limit is a failure unless its state is bootstrapped.
            let done = step.terminated || (step.truncated && !self.config.bootstrap_truncated);
            self.replay.push(obs, chunk, step.reward, next, done)?;
        }
        let successes = episodes.successes();
        let (done, total) = episodes.progress();
        let mut report = StepReport::practice(&decisions, finished, (done, total));
        if done == total {
            report
                .metrics
                .push(("train/success", successes as f64 / total as f64));
            self.phase = self.fit(cx);
        }
        Ok(report)
    }

    /// Fresh critics for this round.
    fn fit(&self, cx: &Context) -> RoundPhase {
        let seed = cx.rollouts.seed;
        let round = self.round as u64;
        let sizes = cx.policy.sizes;
        let mut weights = Rng::new(seed, "critic-weights", round);
        let iql = Iql::new(
            self.config.clone(),
            cx.policy.features_len(),
            sizes.chunk_len(),
            &mut weights,
            cx.device.clone(),
        );
        RoundPhase::Learning(
            Box::new(iql),
            Box::new(Rng::new(seed, "critic-batches", round)),
        )
    }

    async fn learn(&mut self, cx: &Context<'_>) -> Result<StepReport> {
        let RoundPhase::Learning(iql, rng) = &mut self.phase else {
            return Err(Error::failed("best-of-N learns only while it learns"));
        };
        let updates = UPDATES.min(self.config.updates - iql.steps_done());
        let losses = (0..updates)
            .map(|_| iql.step(&self.replay.sample(rng, self.config.batch), cx.policy))
            .last();
        let done = iql.steps_done();
        let total = self.config.updates;
        let mut report = StepReport::update(updates, (done, total));
        if let Some(losses) = losses.filter(|_| done.is_multiple_of(RECORD_EVERY) || done == total)
        {
            report.metrics = read_losses([
                ("loss/value", losses.value),
                ("loss/q", losses.q),
                ("policy/value", losses.mean_value),
            ])
            .await?;
        }
        if done == total {
            self.policy = Some(BestOfNPolicy {
                critic: iql.chooser(),
                samples: self.config.samples,
            });
            self.round += 1;
            let last = self.round == self.config.rounds;
            report.next = if last { Next::Done } else { Next::Evaluate };
            if !last {
                self.phase = play(&self.config, cx, self.round)?;
            }
        }
        Ok(report)
    }

    async fn write(&self, archive: &mut Archive) -> Result<()> {
        archive.put(
            "finetuner/round",
            &(
                self.round,
                self.policy.is_some(),
                matches!(self.phase, RoundPhase::Playing(_)),
            ),
        )?;
        self.replay.save(archive, "finetuner/replay")?;
        if let Some(policy) = &self.policy {
            policy.save("finetuner/chooser", archive).await?;
        }
        match &self.phase {
            RoundPhase::Playing(episodes) => {
                archive.put_blob("finetuner/rollouts", episodes.save()?)
            }
            RoundPhase::Learning(iql, rng) => {
                archive.put("finetuner/batches", rng)?;
                iql.save(archive).await?;
            }
        }
        Ok(())
    }

    /// Restores what [`Trainer::save`] wrote under the same settings.
    pub(crate) fn load(config: BestOfNConfig, cx: &Context, archive: &mut Archive) -> Result<Self> {
        let sizes = cx.policy.sizes;
        let (round, chosen, playing): (usize, bool, bool) = archive.get("finetuner/round")?;
        if round >= config.rounds {
            return Err(Error::input(format!(
                "the checkpoint is in round {round} of {}: use an undamaged checkpoint",
                config.rounds
            )));
        }
        let replay = load_replay(cx, sizes.chunk_len(), archive)?;
        let policy = match chosen {
            true => Some(BestOfNPolicy::load(
                &config,
                cx.policy,
                "finetuner/chooser",
                archive,
                &cx.device.clone().without_autodiff(),
            )?),
            false => None,
        };
        let phase = match playing {
            true => RoundPhase::Playing(Box::new(Episodes::load(
                cx.rollouts,
                archive.blob("finetuner/rollouts")?,
                true,
            )?)),
            false if replay.is_empty() => {
                return Err(Error::input(
                    "the checkpoint has nothing to learn from: use an undamaged checkpoint",
                ));
            }
            false => {
                let iql = Iql::load(
                    config.clone(),
                    cx.policy.features_len(),
                    sizes.chunk_len(),
                    archive,
                    cx.device.clone(),
                )?;
                RoundPhase::Learning(Box::new(iql), archive.get("finetuner/batches")?)
            }
        };
        Ok(Self {
            config,
            round,
            replay,
            policy,
            phase,
        })
    }
}

impl Trainer for BestOfNTrainer {
    fn step<'a>(&'a mut self, cx: &'a Context<'a>) -> LocalFuture<'a, StepReport> {
        match &self.phase {
            RoundPhase::Playing(_) => Box::pin(self.play(cx)),
            RoundPhase::Learning(..) => Box::pin(self.learn(cx)),
        }
    }

    /// With the critic of the last completed round.
    fn policy(&self) -> Option<Box<dyn FinetunedPolicy>> {
        let policy = self.policy.clone()?;
        Some(Box::new(policy))
    }

    fn save<'a>(&'a self, archive: &'a mut Archive) -> LocalFuture<'a, ()> {
        Box::pin(self.write(archive))
    }
}

/// The rollouts of a round: its share of all.
fn play(config: &BestOfNConfig, cx: &Context, round: usize) -> Result<RoundPhase> {
    // Rounded edges: together the rounds play exactly `rollouts` episodes.
    let edge = |round: usize| (config.rollouts * round / config.rounds) as u64;
    Ok(RoundPhase::Playing(Box::new(Episodes::new(
        cx.rollouts,
        "practice",
        edge(round)..edge(round + 1),
        true,
    )?)))
}
