//! A worker without the browser: takes requests, works, and has events to send.

use crate::previewed_run::PreviewedRun;
use crate::protocol::{Clip, Event, File, Request};
use crate::speed::adam_ms;
use crate::study::Measuring;
use crate::teaching::Teaching;
use burn::tensor::Device;
use protege_core::{Error, Result};

/// Seconds of learning between two looks at the requests.
const SLICE_S: f64 = 0.015;
/// Seconds between two events on learning.
const EVENT_S: f64 = 0.1;

/// What the worker is at.
enum Job {
    Nothing,
    Race(Box<PreviewedRun>),
    Teach(Box<Teaching>),
    Study(Box<Measuring>),
}

/// A worker's state.
pub struct Worker {
    /// What learns.
    device: Device,
    /// A clock, in seconds.
    now: fn() -> f64,
    job: Job,
    going: bool,
    reported: f64,
    events: Vec<Event>,
}

impl Worker {
    /// An idle worker that computes on this device and reads this clock (seconds).
    pub fn new(device: Device, now: fn() -> f64) -> Self {
        Self {
            device,
            now,
            job: Job::Nothing,
            going: false,
            reported: f64::NEG_INFINITY,
            events: vec![Event::Hello],
        }
    }

    /// Takes the events that have gathered.
    pub fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Whether [`Worker::work`] has something to do without further requests.
    pub fn busy(&self) -> bool {
        let left = match &self.job {
            Job::Race(run) => !run.finished(),
            Job::Study(study) => !study.finished(),
            Job::Nothing | Job::Teach(_) => false,
        };
        self.going && left
    }

    /// Handles a request; what cannot be done is refused in an event, and changes nothing.
    pub async fn handle(&mut self, request: Request) {
        if let Err(error) = self.try_handle(request).await {
            self.events.push(Event::Refused(error.to_string()));
        }
    }

    async fn try_handle(&mut self, request: Request) -> Result<()> {
        match request {
            Request::Race {
                choice,
                pretrain,
                demos,
                policy,
            } => {
                let run = PreviewedRun::new(
                    &choice,
                    &pretrain,
                    demos.as_deref(),
                    policy.as_deref(),
                    &self.device,
                )?;
                self.events.push(run.scene());
                self.job = Job::Race(Box::new(run));
                self.going = false;
                self.show().await
            }
            Request::Try {
                choice,
                pretrain,
                demos,
                policy,
            } => {
                PreviewedRun::new(
                    &choice,
                    &pretrain,
                    demos.as_deref(),
                    policy.as_deref(),
                    &self.device,
                )?;
                self.events.push(Event::Fits);
                Ok(())
            }
            Request::Teach { task, seed } => {
                let teaching = Teaching::new(&task, seed)?;
                self.events.push(teaching.scene());
                self.job = Job::Teach(Box::new(teaching));
                self.going = false;
                self.still()
            }
            Request::Study {
                demos,
                repeats,
                seed,
            } => {
                self.job = Job::Study(Box::new(Measuring::new(demos, repeats, seed)?));
                self.going = true;
                Ok(())
            }
            Request::Go(going) => {
                self.going = going;
                self.report();
                Ok(())
            }
            Request::Step => {
                self.going = false;
                self.step().await?;
                self.report();
                self.show().await
            }
            Request::More => self.show().await,
            Request::Save(file) => {
                let bytes = self.save(file).await?;
                self.events.push(Event::Saved(file, bytes));
                let Job::Teach(teaching) = &mut self.job else {
                    return Ok(());
                };
                teaching.all_saved();
                self.push_teaching_state(None)
            }
            Request::Lesson => {
                let bytes = self.teaching()?.lesson()?;
                self.events.push(Event::Lesson(bytes));
                Ok(())
            }
            Request::LessonSaved => {
                self.teaching()?.lesson_saved();
                self.push_teaching_state(None)
            }
            Request::Speed => {
                let ms = adam_ms(128, 128, 30, &self.device, self.now).await?;
                self.events.push(Event::Speed(ms));
                Ok(())
            }
            Request::Steer(steering) => {
                let (clip, news) = self.teaching()?.steer(steering)?;
                self.push(clip);
                self.push_teaching_state(news)?;
                if news.is_some() { self.still() } else { Ok(()) }
            }
            Request::Again => {
                self.teaching()?.begin();
                self.still()
            }
            Request::Replay(index) => {
                let clip = self.teaching()?.replay(index)?;
                self.push(clip);
                self.still()
            }
            Request::Forget(index) => {
                self.teaching()?.forget(index)?;
                self.push_teaching_state(None)
            }
            Request::Load(bytes) => {
                self.teaching()?.load(&bytes)?;
                self.push_teaching_state(None)
            }
        }
    }

    /// Learns for a moment, if that is what was ordered.
    ///
    /// # Errors
    /// When a simulator or the device fails: the worker is then of no more use.
    pub async fn work(&mut self) -> Result<()> {
        if !self.busy() {
            return Ok(());
        }
        let start = (self.now)();
        while self.busy() && (self.now)() - start < SLICE_S {
            self.step().await?;
        }
        if !self.busy() || (self.now)() - self.reported > EVENT_S {
            self.report();
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<()> {
        match &mut self.job {
            Job::Race(run) => run.learn(self.now).await,
            Job::Study(study) => {
                study.step();
                Ok(())
            }
            Job::Nothing | Job::Teach(_) => Ok(()),
        }
    }

    fn report(&mut self) {
        self.reported = (self.now)();
        let event = match &mut self.job {
            Job::Race(run) => run.report(),
            Job::Study(study) => study.report(),
            Job::Nothing | Job::Teach(_) => return,
        };
        self.events.push(event);
    }

    /// One decision for the visitor, where a lane is at work.
    async fn show(&mut self) -> Result<()> {
        if let Job::Race(run) = &mut self.job {
            let clip = run.show().await?;
            self.push(clip);
        }
        Ok(())
    }

    /// The taught scene as it stands.
    fn still(&mut self) -> Result<()> {
        let clip = self.teaching()?.still()?;
        self.push(clip);
        self.push_teaching_state(None)
    }

    fn push_teaching_state(&mut self, news: Option<crate::protocol::DemoOutcome>) -> Result<()> {
        let state = self.teaching()?.state(news)?;
        self.events.push(Event::TeachingState(state));
        Ok(())
    }

    fn push(&mut self, clip: Clip) {
        self.events.push(Event::Clip(Box::new(clip)));
    }

    async fn save(&self, file: File) -> Result<Vec<u8>> {
        match (&self.job, file) {
            (Job::Race(run), file) => run.save(file).await,
            (Job::Teach(teaching), File::Demos) => teaching.save(),
            _ => Err(Error::input(format!("there is no {} here", file.name()))),
        }
    }

    fn teaching(&mut self) -> Result<&mut Teaching> {
        match &mut self.job {
            Job::Teach(teaching) => Ok(teaching),
            _ => Err(Error::input(
                "nobody is teaching here: open the teaching page first",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice::Choice;
    use crate::protocol::{Actor, LearningProgress};
    use pollster::block_on;
    use protege_core::run::Phase;

    fn clock() -> f64 {
        use std::time::{SystemTime, UNIX_EPOCH};
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
    }

    fn worker() -> Worker {
        let mut worker = Worker::new(Device::flex(), clock);
        assert_eq!(worker.events(), [Event::Hello]);
        worker
    }

    fn request(worker: &mut Worker, request: Request) -> Vec<Event> {
        block_on(worker.handle(request));
        worker.events()
    }

    fn race(finetune: &str, policy: Option<Vec<u8>>) -> Request {
        let choice = Choice {
            task: "lab/lift".into(),
            demos: 2,
            finetune: finetune.into(),
            ..Choice::default()
        };
        Request::Race {
            choice,
            pretrain: "bc".into(),
            demos: None,
            policy,
        }
    }

    /// Works until the run is in `phase` or over; the last word on learning.
    fn until(worker: &mut Worker, phase: Phase) -> LearningProgress {
        let mut last = None;
        while worker.busy() {
            block_on(worker.work()).unwrap();
            for event in worker.events() {
                if let Event::LearningProgress(learned) = event {
                    let there = learned.phase == phase;
                    last = Some(*learned);
                    if there {
                        return last.unwrap();
                    }
                }
            }
        }
        last.unwrap()
    }

    fn clip(events: &[Event]) -> &Clip {
        events
            .iter()
            .find_map(|event| {
                if let Event::Clip(clip) = event {
                    Some(&**clip)
                } else {
                    None
                }
            })
            .unwrap()
    }

    /// A lane shows the demonstrator until there is a policy, then the policy with its proposals;
    /// its policy goes into a file, and a race that begins with that file needs no cloning.
    #[test]
    fn a_lane_learns_shows_saves_and_goes_on_from_a_file() {
        let mut worker = worker();
        let first = request(&mut worker, race("none", None));
        assert!(matches!(first[0], Event::Scene(_)));
        assert!(clip(&first).reset && clip(&first).actor == Actor::Demonstrator);
        assert!(!worker.busy(), "nothing is learned before it is requested");
        assert!(matches!(
            &request(&mut worker, Request::Save(File::Policy))[..],
            [Event::Refused(why)] if why.contains("no policy yet")
        ));
        request(&mut worker, Request::Go(true));
        let done = until(&mut worker, Phase::Done);
        assert!(done.finished && done.summary.before.unwrap().episodes == 60);
        let shown = request(&mut worker, Request::More);
        let clip = clip(&shown);
        assert_eq!(
            (
                clip.actor,
                clip.cloud.len(),
                clip.cloud[0].len(),
                clip.planned.len()
            ),
            (Actor::Policy, 24, 27, 27)
        );
        assert!(!clip.demonstrator.is_empty() && clip.poses.iter().all(|v| v.is_finite()));
        let saved = request(&mut worker, Request::Save(File::Policy));
        let [Event::Saved(File::Policy, bytes)] = &saved[..] else {
            panic!("{saved:?}")
        };
        request(&mut worker, race("none", Some(bytes.clone())));
        request(&mut worker, Request::Go(true));
        assert_eq!(
            until(&mut worker, Phase::Evaluate).phase,
            Phase::Evaluate,
            "it begins with the test"
        );
        assert_eq!(
            until(&mut worker, Phase::Done).summary.before,
            done.summary.before
        );
    }

    /// To watch changes nothing about what is learned.
    #[test]
    fn watching_changes_nothing() {
        let learned = |watched: bool| {
            let mut worker = worker();
            request(&mut worker, race("none", None));
            for _ in 0..40 {
                request(&mut worker, Request::Step);
                if watched {
                    request(&mut worker, Request::More);
                }
            }
            let Some(Event::LearningProgress(learned)) =
                request(&mut worker, Request::Go(false)).pop()
            else {
                panic!("no event")
            };
            (learned.phase, learned.done)
        };
        assert_eq!(learned(false), learned(true));
    }

    /// What cannot be done is refused in a sentence, and what the worker was at goes on.
    #[test]
    fn impossible_requests_are_refused() {
        let mut worker = worker();
        request(&mut worker, race("none", None));
        let damaged = [
            race("none", Some(b"nonsense".to_vec())),
            race("nonsense", None),
            Request::Again,
            Request::Replay(3),
            Request::Load(vec![1, 2]),
        ];
        for wrong in damaged {
            let events = request(&mut worker, wrong.clone());
            assert!(
                matches!(&events[..], [Event::Refused(_)]),
                "{wrong:?} gave {events:?}"
            );
        }
        assert!(!request(&mut worker, Request::More).is_empty());
    }

    /// The theory's figures come with every data set, and PostBC ends with more coverage than BC.
    #[test]
    fn the_theory_is_measured_step_by_step() {
        let mut worker = worker();
        request(
            &mut worker,
            Request::Study {
                demos: 100,
                repeats: 5,
                seed: 0,
            },
        );
        let mut points = Vec::new();
        while worker.busy() {
            block_on(worker.work()).unwrap();
            if let Some(Event::Studied { points: newest, .. }) = worker.events().pop() {
                points = newest;
            }
        }
        let coverage = |method: &str| {
            points
                .iter()
                .rfind(|p| p.method == method && p.theorem)
                .unwrap()
                .coverage
        };
        assert!(coverage("post-bc") > coverage("bc"));
    }
}
