//! One lane of the race on the page: its worker, its picture, its figures.

use crate::chart::Curve;
use crate::client::{Client, WorkerMessage};
use crate::cloud::cloud;
use crate::stage::Stage;
use crate::words;
use protege_core::run::{Outcome, Record};
use protege_web::protocol::{Actor, Clip, LearningProgress, Request};
use yew::{Callback, Html, html};

/// Control steps per minute of the robot's time, at 80 Hz.
const STEPS_PER_MINUTE: f64 = 60.0 * 80.0;

/// A lane.
pub struct RunPanel {
    /// The pretraining method.
    pub pretrain: String,
    /// The picture.
    pub stage: Stage,
    /// Success over practice.
    pub curve: Curve,
    /// Why the lane does no more, if so.
    pub failed: Option<String>,
    /// What its worker said last about learning.
    pub learned: Option<LearningProgress>,
    client: Client,
    latest: Option<Clip>,
    /// Whether a clip was asked for and has not come.
    asked: bool,
}

impl RunPanel {
    /// A lane with a worker of its own on `device`, whose files lie at `base`.
    pub fn new(pretrain: &str, base: &str, device: &str, news: Callback<WorkerMessage>) -> Self {
        Self {
            stage: Stage::new(pretrain),
            pretrain: pretrain.to_owned(),
            curve: Curve::default(),
            failed: None,
            learned: None,
            client: Client::new(base, device, news),
            latest: None,
            // The first comes with the scene.
            asked: true,
        }
    }

    /// Sends a request to the lane's worker.
    pub fn send(&self, request: &Request) {
        self.client.send(request);
    }

    /// Asks for more to show, unless that was done.
    pub fn ask(&mut self) {
        if !self.asked && self.failed.is_none() {
            self.asked = true;
            self.client.send(&Request::More);
        }
    }

    /// Shows what was asked for.
    pub fn show(&mut self, clip: Clip) {
        self.asked = false;
        self.stage.show(&clip);
        self.latest = Some(Clip {
            poses: Vec::new(),
            ..clip
        });
    }

    /// Notes how learning goes; the tests that were made meanwhile, as (minutes of practice,
    /// success).
    pub fn record_progress(&mut self, learned: LearningProgress) -> Vec<(f64, f64)> {
        let tests: Vec<_> = learned.records.iter().filter_map(test).collect();
        self.curve.evaluations.extend(&tests);
        if let Some(success) = learned.practice_success {
            self.curve
                .practice(learned.summary.env_steps as f64 / STEPS_PER_MINUTE, success);
        }
        self.learned = Some(learned);
        tests
            .into_iter()
            .map(|(minutes, success, _)| (minutes, success))
            .collect()
    }

    /// The lane, without the buttons around it.
    pub fn html(&self, restart: Callback<()>) -> Html {
        let name = words::name(&self.pretrain);
        html! {
            <section
                class={format!("protege-lane {}", words::color(&self.pretrain))}
                aria-label={format!("Lane {name}")}
            >
                <header>
                    <h3>{ name }</h3>
                    <p>{ words::sentence(&self.pretrain) }</p>
                </header>
                <div class="picture">
                    { self.stage.html(&format!(
                        "The robot that was pretrained by {name}, seen in 3D. \
                         Arrow keys turn the picture."
                    )) }
                    // One sibling, however much is in it: the canvas must stay the element that it
                    // is.
                    <div class="over">
                        { self.badge() }
                        { for self.latest.as_ref().map(|clip| cloud(&self.pretrain, clip)) }
                        { for self.failed.as_ref().map(|why| failure(why, restart)) }
                    </div>
                </div>
                { self.status() }
                { self.figures() }
            </section>
        }
    }

    fn badge(&self) -> Html {
        let Some(latest) = &self.latest else {
            return html! {};
        };
        let who = match latest.actor {
            Actor::Demonstrator => "The demonstrator at work",
            Actor::Policy => "The policy at work",
            Actor::Person => "You",
        };
        html! { <p class="badge">{ who }</p> }
    }

    fn status(&self) -> Html {
        let (text, share) = match &self.learned {
            Some(learned) if learned.finished => (
                "Done: it goes on showing what it has learned".to_owned(),
                1.0,
            ),
            Some(learned) => {
                let share = if learned.total == 0 {
                    0.0
                } else {
                    learned.done as f64 / learned.total as f64
                };
                (
                    words::phase(learned.phase, learned.done, learned.total),
                    share,
                )
            }
            None => ("Ready".to_owned(), 0.0),
        };
        html! {
            <div class="status">
                <span>{ text }</span>
                <progress
                    max="1"
                    value={format!("{share:.3}")}
                    aria-label="How much of this is done"
                ></progress>
            </div>
        }
    }

    fn figures(&self) -> Html {
        let summary = self.learned.as_ref().map(|learned| &learned.summary);
        let now = self
            .curve
            .evaluations
            .last()
            .filter(|_| self.curve.evaluations.len() > 1)
            .map(|&(_, success, _)| success);
        let before = summary.and_then(|summary| summary.before.as_ref());
        let after = summary.and_then(|summary| summary.after.as_ref());
        let speed = self
            .learned
            .as_ref()
            .filter(|learned| learned.updates_per_s > 0.0)
            .map(|learned| {
                format!(
                    "{:.0} updates/s, {:.0} physics steps/s",
                    learned.updates_per_s, learned.physics_steps_per_s
                )
            });
        html! {
            <dl class="figures">
                { figure("as cloned", before.map(|outcome| (outcome.success, Some(outcome)))) }
                { figure("after practice", now.map(|success| (success, after))) }
                <div class="speed">
                    <dt>{ "this worker" }</dt>
                    <dd>{ speed.unwrap_or_else(|| "\u{2013}".into()) }</dd>
                </div>
            </dl>
        }
    }
}

fn figure(name: &str, success: Option<(f64, Option<&Outcome>)>) -> Html {
    let text = success.map_or_else(|| "\u{2013}".into(), |(success, _)| words::percent(success));
    let interval = success.and_then(|(_, outcome)| outcome).map(|outcome| {
        format!(
            "{} to {}",
            words::percent(outcome.low),
            words::percent(outcome.high)
        )
    });
    html! {
        <div>
            <dt>{ name.to_owned() }</dt>
            <dd>
                <b>{ text }</b>
                { for interval.map(|text| html! { <small>{ text }</small> }) }
            </dd>
        </div>
    }
}

fn failure(why: &str, restart: Callback<()>) -> Html {
    html! {
        <div class="failure" role="alert">
            <p>{ format!("This lane's worker has stopped: {why}") }</p>
            <button type="button" onclick={move |_| restart.emit(())}>{ "Start it again" }</button>
        </div>
    }
}

/// An evaluation among the figures: minutes of practice, success, interval.
fn test(record: &Record) -> Option<(f64, f64, (f64, f64))> {
    let success = *record.values.get("eval/success")?;
    let episodes = *record.values.get("eval/episodes")?;
    let outcome = Outcome::new((success * episodes).round() as u64, episodes as u64);
    Some((
        record.step as f64 / STEPS_PER_MINUTE,
        success,
        (outcome.low, outcome.high),
    ))
}
