//! A worker without the browser: takes orders, works, and has reports to send.

use crate::lane::Lane;
use crate::protocol::{File, Order, Report, Stretch};
use crate::speed::adam_ms;
use crate::study::Measuring;
use crate::teaching::Teaching;
use burn::tensor::Device;
use protege_core::{Error, Result};

/// Seconds of learning between two looks at the orders.
const SLICE_S: f64 = 0.015;
/// Seconds between two reports on learning.
const REPORT_S: f64 = 0.1;

/// What is on the bench.
enum Job {
    Nothing,
    Race(Box<Lane>),
    Teach(Box<Teaching>),
    Study(Box<Measuring>),
}

/// A worker's state.
pub struct Bench {
    /// What learns.
    device: Device,
    /// A clock, in seconds.
    now: fn() -> f64,
    job: Job,
    going: bool,
    reported: f64,
    reports: Vec<Report>,
}

impl Bench {
    /// An empty bench that computes on this device and reads this clock (seconds).
    pub fn new(device: Device, now: fn() -> f64) -> Self {
        Self {
            device,
            now,
            job: Job::Nothing,
            going: false,
            reported: f64::NEG_INFINITY,
            reports: vec![Report::Hello],
        }
    }

    /// Takes the reports that have gathered.
    pub fn reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Whether [`Bench::work`] has something to do without further orders.
    pub fn busy(&self) -> bool {
        let left = match &self.job {
            Job::Race(lane) => !lane.finished(),
            Job::Study(study) => !study.finished(),
            Job::Nothing | Job::Teach(_) => false,
        };
        self.going && left
    }

    /// Follows an order; what cannot be followed is refused in a report, and changes nothing.
    pub async fn follow(&mut self, order: Order) {
        if let Err(error) = self.obey(order).await {
            self.reports.push(Report::Refused(error.to_string()));
        }
    }

    async fn obey(&mut self, order: Order) -> Result<()> {
        match order {
            Order::Race {
                choice,
                pretrain,
                demos,
                policy,
            } => {
                let lane = Lane::new(
                    &choice,
                    &pretrain,
                    demos.as_deref(),
                    policy.as_deref(),
                    &self.device,
                )?;
                self.reports.push(lane.scene());
                (self.job, self.going) = (Job::Race(Box::new(lane)), false);
                self.show().await
            }
            Order::Try {
                choice,
                pretrain,
                demos,
                policy,
            } => {
                Lane::new(
                    &choice,
                    &pretrain,
                    demos.as_deref(),
                    policy.as_deref(),
                    &self.device,
                )?;
                self.reports.push(Report::Fits);
                Ok(())
            }
            Order::Teach { task, seed } => {
                let teaching = Teaching::new(&task, seed)?;
                self.reports.push(teaching.scene());
                (self.job, self.going) = (Job::Teach(Box::new(teaching)), false);
                self.still()
            }
            Order::Study {
                demos,
                repeats,
                seed,
            } => {
                (self.job, self.going) = (
                    Job::Study(Box::new(Measuring::new(demos, repeats, seed)?)),
                    true,
                );
                Ok(())
            }
            Order::Go(going) => {
                self.going = going;
                self.report();
                Ok(())
            }
            Order::Step => {
                self.going = false;
                self.step().await?;
                self.report();
                self.show().await
            }
            Order::More => self.show().await,
            Order::Save(file) => {
                let bytes = self.save(file).await?;
                self.reports.push(Report::Saved(file, bytes));
                Ok(())
            }
            Order::Speed => {
                let ms = adam_ms(128, 128, 30, &self.device, self.now).await?;
                self.reports.push(Report::Speed(ms));
                Ok(())
            }
            Order::Steer(steering) => {
                let (stretch, news) = self.teaching()?.steer(steering)?;
                self.push(stretch);
                self.taught(news)?;
                if news.is_some() { self.still() } else { Ok(()) }
            }
            Order::Again => {
                self.teaching()?.begin();
                self.still()
            }
            Order::Replay(index) => {
                let stretch = self.teaching()?.replay(index)?;
                self.push(stretch);
                self.still()
            }
            Order::Forget(index) => {
                self.teaching()?.forget(index)?;
                self.taught(None)
            }
            Order::Load(bytes) => {
                self.teaching()?.load(&bytes)?;
                self.taught(None)
            }
        }
    }

    /// Learns for a moment, if that is what was ordered.
    ///
    /// # Errors
    /// When a simulator or the device fails: the bench is then of no more use.
    pub async fn work(&mut self) -> Result<()> {
        if !self.busy() {
            return Ok(());
        }
        let start = (self.now)();
        while self.busy() && (self.now)() - start < SLICE_S {
            self.step().await?;
        }
        if !self.busy() || (self.now)() - self.reported > REPORT_S {
            self.report();
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<()> {
        match &mut self.job {
            Job::Race(lane) => lane.learn(self.now).await,
            Job::Study(study) => {
                study.step();
                Ok(())
            }
            Job::Nothing | Job::Teach(_) => Ok(()),
        }
    }

    fn report(&mut self) {
        self.reported = (self.now)();
        let report = match &mut self.job {
            Job::Race(lane) => lane.report(),
            Job::Study(study) => study.report(),
            Job::Nothing | Job::Teach(_) => return,
        };
        self.reports.push(report);
    }

    /// One decision for the visitor, where a lane is at work.
    async fn show(&mut self) -> Result<()> {
        if let Job::Race(lane) = &mut self.job {
            let stretch = lane.show().await?;
            self.push(stretch);
        }
        Ok(())
    }

    /// The taught scene as it stands.
    fn still(&mut self) -> Result<()> {
        let stretch = self.teaching()?.still()?;
        self.push(stretch);
        self.taught(None)
    }

    fn taught(&mut self, news: Option<crate::protocol::News>) -> Result<()> {
        let state = self.teaching()?.state(news)?;
        self.reports.push(Report::Taught(state));
        Ok(())
    }

    fn push(&mut self, stretch: Stretch) {
        self.reports.push(Report::Stretch(Box::new(stretch)));
    }

    async fn save(&self, file: File) -> Result<Vec<u8>> {
        match (&self.job, file) {
            (Job::Race(lane), file) => lane.save(file).await,
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
    use crate::protocol::{Actor, Learned};
    use pollster::block_on;
    use protege_core::run::Phase;

    fn clock() -> f64 {
        use std::time::{SystemTime, UNIX_EPOCH};
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
    }

    fn bench() -> Bench {
        let mut bench = Bench::new(Device::flex(), clock);
        assert_eq!(bench.reports(), [Report::Hello]);
        bench
    }

    fn order(bench: &mut Bench, order: Order) -> Vec<Report> {
        block_on(bench.follow(order));
        bench.reports()
    }

    fn race(finetune: &str, policy: Option<Vec<u8>>) -> Order {
        let choice = Choice {
            task: "lab/lift".into(),
            demos: 2,
            finetune: finetune.into(),
            ..Choice::default()
        };
        Order::Race {
            choice,
            pretrain: "bc".into(),
            demos: None,
            policy,
        }
    }

    /// Works until the run is in `phase` or over; the last word on learning.
    fn until(bench: &mut Bench, phase: Phase) -> Learned {
        let mut last = None;
        while bench.busy() {
            block_on(bench.work()).unwrap();
            for report in bench.reports() {
                if let Report::Learned(learned) = report {
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

    fn stretch(reports: &[Report]) -> &Stretch {
        reports
            .iter()
            .find_map(|report| {
                if let Report::Stretch(stretch) = report {
                    Some(&**stretch)
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
        let mut bench = bench();
        let first = order(&mut bench, race("none", None));
        assert!(matches!(first[0], Report::Scene(_)));
        assert!(stretch(&first).reset && stretch(&first).actor == Actor::Demonstrator);
        assert!(!bench.busy(), "nothing is learned before it is ordered");
        assert!(matches!(
            &order(&mut bench, Order::Save(File::Policy))[..],
            [Report::Refused(why)] if why.contains("no policy yet")
        ));
        order(&mut bench, Order::Go(true));
        let done = until(&mut bench, Phase::Done);
        assert!(done.finished && done.summary.before.unwrap().episodes == 60);
        let shown = order(&mut bench, Order::More);
        let stretch = stretch(&shown);
        assert_eq!(
            (
                stretch.actor,
                stretch.cloud.len(),
                stretch.cloud[0].len(),
                stretch.planned.len()
            ),
            (Actor::Policy, 24, 27, 27)
        );
        assert!(!stretch.demonstrator.is_empty() && stretch.poses.iter().all(|v| v.is_finite()));
        let saved = order(&mut bench, Order::Save(File::Policy));
        let [Report::Saved(File::Policy, bytes)] = &saved[..] else {
            panic!("{saved:?}")
        };
        order(&mut bench, race("none", Some(bytes.clone())));
        order(&mut bench, Order::Go(true));
        assert_eq!(
            until(&mut bench, Phase::Evaluate).phase,
            Phase::Evaluate,
            "it begins with the test"
        );
        assert_eq!(
            until(&mut bench, Phase::Done).summary.before,
            done.summary.before
        );
    }

    /// To watch changes nothing about what is learned.
    #[test]
    fn watching_changes_nothing() {
        let learned = |watched: bool| {
            let mut bench = bench();
            order(&mut bench, race("none", None));
            for _ in 0..40 {
                order(&mut bench, Order::Step);
                if watched {
                    order(&mut bench, Order::More);
                }
            }
            let Some(Report::Learned(learned)) = order(&mut bench, Order::Go(false)).pop() else {
                panic!("no report")
            };
            (learned.phase, learned.done)
        };
        assert_eq!(learned(false), learned(true));
    }

    /// What cannot be done is refused in a sentence, and what was on the bench stays there.
    #[test]
    fn impossible_orders_are_refused() {
        let mut bench = bench();
        order(&mut bench, race("none", None));
        let damaged = [
            race("none", Some(b"nonsense".to_vec())),
            race("nonsense", None),
            Order::Again,
            Order::Replay(3),
            Order::Load(vec![1, 2]),
        ];
        for wrong in damaged {
            let reports = order(&mut bench, wrong.clone());
            assert!(
                matches!(&reports[..], [Report::Refused(_)]),
                "{wrong:?} gave {reports:?}"
            );
        }
        assert!(!order(&mut bench, Order::More).is_empty());
    }

    /// The theory's figures come with every data set, and PostBC ends with more coverage than BC.
    #[test]
    fn the_theory_is_measured_step_by_step() {
        let mut bench = bench();
        order(
            &mut bench,
            Order::Study {
                demos: 100,
                repeats: 5,
                seed: 0,
            },
        );
        let mut points = Vec::new();
        while bench.busy() {
            block_on(bench.work()).unwrap();
            if let Some(Report::Studied { points: newest, .. }) = bench.reports().pop() {
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
