//! One lane of the race: a run that learns, and the preview that shows it.

use crate::choice::Choice;
use crate::preview::Preview;
use crate::protocol::{Clip, Event, File, LearningProgress};
use burn::tensor::Device;
use protege_core::data::{Archive, Dataset};
use protege_core::nn;
use protege_core::run::{Inputs, Phase, Progress, Run};
use protege_core::tasks;
use protege_core::{Error, Result};
use std::collections::VecDeque;

/// Practice episodes that the running success rate is of.
const WINDOW: usize = 50;

/// A run and its preview.
pub struct PreviewedRun {
    run: Run,
    preview: Preview,
    recent: VecDeque<bool>,
    learned: LearningProgress,
    meter: Meter,
}

/// Work and the seconds that it took.
#[derive(Default)]
struct Meter {
    learning_s: f64,
    updates: f64,
    playing_s: f64,
    physics_steps: f64,
}

impl PreviewedRun {
    /// A run that has not begun, with demonstrations or a policy of the visitor's own where there
    /// are any.
    ///
    /// # Errors
    /// When the choice cannot work, or a file is damaged or does not fit it.
    pub fn new(
        choice: &Choice,
        pretrain: &str,
        demos: Option<&[u8]>,
        policy: Option<&[u8]>,
        device: &Device,
    ) -> Result<Self> {
        let mut config = choice.config(pretrain)?;
        let demos = demos.map(Dataset::from_bytes).transpose()?;
        if let Some(demos) = &demos {
            config.demos.count = demos.episodes.len();
        }
        let inputs = Inputs {
            demos,
            policy: policy.map(Archive::from_bytes).transpose()?,
            ..Inputs::default()
        };
        let preview = Preview::new(&config.task, config.seed)?;
        let run = Run::new(config, inputs, device.clone())?;
        let learned = LearningProgress {
            phase: Phase::Demos,
            done: 0,
            total: 0,
            records: Vec::new(),
            practice: 0,
            practice_success: None,
            summary: run.summary(),
            finished: false,
            updates_per_s: 0.0,
            physics_steps_per_s: 0.0,
        };
        Ok(Self {
            run,
            preview,
            recent: VecDeque::new(),
            learned,
            meter: Meter::default(),
        })
    }

    /// What the task looks like.
    pub fn scene(&self) -> Event {
        Event::Scene(self.preview.drawing().clone())
    }

    /// Whether there is nothing more to learn.
    pub fn finished(&self) -> bool {
        self.learned.finished
    }

    /// Learns a little; `now` is a clock in seconds.
    pub async fn learn(&mut self, now: fn() -> f64) -> Result<()> {
        if self.learned.finished {
            return Ok(());
        }
        let start = now();
        let before = self.run.updates();
        let progress = self.run.step().await?;
        // What is reported has been done, and what the page asks for next waits for no more than
        // this.
        nn::synchronize(&self.run.device()).await?;
        self.measure(&progress, now() - start, self.run.updates() - before);
        self.record_progress(progress);
        Ok(())
    }

    fn measure(&mut self, progress: &Progress, seconds: f64, updates: u64) {
        let meter = &mut self.meter;
        if updates > 0 {
            meter.learning_s += seconds;
            meter.updates += updates as f64;
            self.learned.updates_per_s = meter.updates / meter.learning_s.max(1e-9);
        }
        let steps: u64 = progress.episodes.iter().map(|episode| episode.length).sum();
        let substeps = tasks::by_id(&self.run.config().task).map_or(1, |info| info.substeps);
        if matches!(progress.phase, Phase::Demos | Phase::Evaluate) {
            meter.playing_s += seconds;
            meter.physics_steps += (steps * substeps as u64) as f64;
            self.learned.physics_steps_per_s = meter.physics_steps / meter.playing_s.max(1e-9);
        }
    }

    fn record_progress(&mut self, progress: Progress) {
        let practiced = progress
            .episodes
            .iter()
            .filter(|episode| episode.phase == Phase::Collect);
        for episode in practiced {
            self.learned.practice += 1;
            self.recent.push_back(episode.success);
        }
        while self.recent.len() > WINDOW {
            self.recent.pop_front();
        }
        // The first episodes to end are the quick successes: a share of few would flatter.
        let full = self.recent.len() == WINDOW;
        let wins = self.recent.iter().filter(|&&success| success).count();
        let learned = &mut self.learned;
        learned.practice_success = full.then(|| wins as f64 / self.recent.len() as f64);
        learned.phase = progress.phase;
        learned.done = progress.done;
        learned.total = progress.total;
        learned.records.extend(progress.records);
        learned.summary = self.run.summary();
        learned.finished = progress.finished;
    }

    /// What there is to say since the last time.
    pub fn report(&mut self) -> Event {
        let event = self.learned.clone();
        self.learned.records.clear();
        Event::LearningProgress(Box::new(event))
    }

    /// Plays one decision for the visitor.
    pub async fn show(&mut self) -> Result<Clip> {
        self.preview.next(&self.run).await
    }

    /// A file of what there is.
    ///
    /// # Errors
    /// When it does not exist yet.
    pub async fn save(&self, file: File) -> Result<Vec<u8>> {
        match file {
            File::Demos => self
                .run
                .demos()
                .ok_or_else(|| Error::input("there are no demonstrations yet: start first"))?
                .to_bytes(),
            File::Policy => match self.run.policy() {
                Some(_) => self.run.policy_archive().await?.to_bytes(),
                None => Err(Error::input(
                    "there is no policy yet: wait until it is pretrained",
                )),
            },
        }
    }
}
