//! A worker without the browser: takes orders, works, and has reports to send.

use crate::lane::Lane;
use crate::protocol::{File, Order, Report, Stretch};
use crate::study::Measuring;
use crate::teaching::Teaching;
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
    Study(Measuring),
}

/// A worker's state.
pub struct Bench {
    /// A clock, in seconds.
    now: fn() -> f64,
    job: Job,
    going: bool,
    reported: f64,
    reports: Vec<Report>,
}

impl Bench {
    /// An empty bench that reads this clock (seconds).
    pub fn new(now: fn() -> f64) -> Self {
        Self { now, job: Job::Nothing, going: false, reported: f64::NEG_INFINITY, reports: vec![Report::Hello] }
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
            Order::Race { choice, pretrain, demos, policy } => {
                let lane = Lane::new(&choice, &pretrain, demos.as_deref(), policy.as_deref())?;
                self.reports.push(lane.scene());
                (self.job, self.going) = (Job::Race(Box::new(lane)), false);
                self.show().await
            }
            Order::Teach { task, seed } => {
                let teaching = Teaching::new(&task, seed)?;
                self.reports.push(teaching.scene());
                (self.job, self.going) = (Job::Teach(Box::new(teaching)), false);
                self.still()
            }
            Order::Study { demos, alphas, repeats, seed } => {
                (self.job, self.going) = (Job::Study(Measuring::new(demos, alphas, repeats, seed)?), true);
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
            _ => Err(Error::input("nobody is teaching here: open the teaching page first")),
        }
    }
}
