//! The tabular theory, measured live: coverage against what it costs.

use crate::client::{Client, WorkerMessage};
use crate::frame::{self, Command, Controls, Events, Frame};
use crate::words;
use protege_web::Choice;
use protege_web::protocol::{Event, Point, Request};
use serde_json::{Map, Value, json};
use yew::{Component, Context, Html, Properties, html};

/// Independent data sets.
const REPEATS: usize = 60;
/// Most demonstrations.
const DEMOS: usize = 10_000;

/// What the study is about.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// The surroundings.
    pub frame: Frame,
    /// The settings at the beginning, of which it has the seed.
    pub choice: Choice,
    /// Whom to tell.
    pub events: Events,
}

/// What can happen.
pub enum Msg {
    /// The worker of this generation has news.
    WorkerMessage(u32, WorkerMessage),
    /// Another problem.
    Another,
    /// Go on, or rest.
    Go(bool),
    /// From outside.
    Command(Command),
}

/// The study's state.
pub struct Theory {
    client: Client,
    generation: u32,
    choice: Choice,
    running: bool,
    progress: (usize, usize),
    points: Vec<Point>,
    failed: Option<String>,
}

impl Component for Theory {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        Self {
            client: client(ctx, 0),
            generation: 0,
            choice: ctx.props().choice.clone(),
            running: true,
            progress: (0, REPEATS),
            points: Vec::new(),
            failed: None,
        }
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::WorkerMessage(generation, news) if generation == self.generation => {
                self.on_message(ctx, news)
            }
            Msg::WorkerMessage(..) => return false,
            Msg::Another => {
                self.choice.seed += 1;
                self.begin(ctx);
            }
            Msg::Go(running) => {
                self.running = running;
                self.client.send(&Request::Go(running));
            }
            Msg::Command(Command::Start) => return self.update(ctx, Msg::Go(true)),
            Msg::Command(Command::Pause) => return self.update(ctx, Msg::Go(false)),
            Msg::Command(Command::Reset) => self.begin(ctx),
            Msg::Command(Command::Set { options }) => self.set(ctx, &options),
            Msg::Command(Command::Step) => {
                self.running = false;
                self.client.send(&Request::Step);
            }
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        let running = self.running;
        let (done, all) = self.progress;
        let seed = self.choice.seed;
        html! {
            <div class="protege protege-theory">
                <div class="protege-toolbar" role="toolbar" aria-label="Study">
                    if ctx.props().frame.controls != Controls::None {
                        <button
                            type="button"
                            class="go"
                            onclick={link.callback(move |_| Msg::Go(!running))}
                        >
                            { if running { "Pause" } else { "Go on" } }
                        </button>
                        <button type="button" onclick={link.callback(|_| Msg::Another)}>
                            { "Another random problem" }
                        </button>
                    }
                    <span class="about">
                        { format!("Problem {seed}: {done} of {all} data sets measured") }
                    </span>
                </div>
                { for self.failed.as_ref().map(|why| html! {
                    <p class="protege-refused" role="alert">{ why }</p>
                }) }
                { plot(&self.points) }
            </div>
        }
    }
}

impl Theory {
    /// Another seed is another problem.
    fn set(&mut self, ctx: &Context<Self>, options: &Map<String, Value>) {
        match frame::change(&self.choice, options) {
            Ok(choice) => {
                let another = choice.seed != self.choice.seed;
                self.choice = choice;
                if another {
                    self.begin(ctx);
                }
            }
            Err(sentence) => {
                ctx.props().events.error(&sentence);
                self.failed = Some(sentence);
            }
        }
    }

    fn begin(&mut self, ctx: &Context<Self>) {
        self.generation += 1;
        self.client = client(ctx, self.generation);
        self.points = Vec::new();
        self.progress = (0, REPEATS);
        self.failed = None;
        self.running = true;
    }

    fn on_message(&mut self, ctx: &Context<Self>, news: WorkerMessage) {
        match news {
            WorkerMessage::Died(why) => {
                ctx.props().events.error(&why);
                self.failed = Some(format!("The worker has stopped: {why}"));
            }
            WorkerMessage::Event(Event::Hello) => {
                self.client.send(&Request::Study {
                    demos: DEMOS,
                    repeats: REPEATS,
                    seed: self.choice.seed,
                });
                self.client.send(&Request::Go(self.running));
                ctx.props().events.emit(&json!({ "type": "ready" }));
            }
            WorkerMessage::Event(Event::Studied { progress, points }) => {
                self.progress = progress;
                self.points = points;
                if progress.0 == progress.1 {
                    ctx.props()
                        .events
                        .emit(&json!({ "type": "finished", "lane": 0 }));
                }
            }
            WorkerMessage::Event(Event::Refused(sentence)) => self.failed = Some(sentence),
            WorkerMessage::Event(_) => {}
        }
    }
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = 48.0;
/// Decades of coverage; to the left of them stands what covers nothing.
const X: (i32, i32) = (-5, 0);
/// Decades of loss.
const Y: (i32, i32) = (-4, 1);

fn x(coverage: f64) -> f64 {
    let decades = if coverage > 0.0 {
        coverage.log10().clamp(f64::from(X.0), f64::from(X.1))
    } else {
        f64::from(X.0)
    };
    LEFT + (WIDTH - LEFT - RIGHT) * (decades - f64::from(X.0)) / f64::from(X.1 - X.0)
}

fn y(loss: f64) -> f64 {
    let decades = loss.max(1e-9).log10().clamp(f64::from(Y.0), f64::from(Y.1));
    TOP + (HEIGHT - TOP - BOTTOM) * (f64::from(Y.1) - decades) / f64::from(Y.1 - Y.0)
}

/// The estimators: name in the study, name on the page, color.
const METHODS: [(&str, &str, &str); 3] = [
    ("bc", "BC", "vermilion"),
    ("uniform-noise", "uniform noise", "grey"),
    ("post-bc", "PostBC", "blue"),
];

/// What each estimator covers against what it loses, all at the theorem's alpha: a line goes from
/// one demonstration to many.
fn plot(points: &[Point]) -> Html {
    html! {
        <figure class="protege-chart">
            <figcaption>
                { "Coverage against loss" }
                <span>
                    { "right: more left to explore; down: less lost against the demonstrator; \
                       a dot for each number of demonstrations" }
                </span>
            </figcaption>
            <svg viewBox={format!("0 0 {WIDTH} {HEIGHT}")} role="img" aria-label={describe(points)}>
                { for (Y.0..=Y.1).map(row) }
                { for (X.0..=X.1).map(column) }
                <text
                    class="axis"
                    x={((WIDTH - RIGHT + LEFT) / 2.0).to_string()}
                    y={(HEIGHT - 6.0).to_string()}
                    text-anchor="middle"
                >
                    { "coverage" }
                </text>
                <text class="axis" x={LEFT.to_string()} y="12" text-anchor="middle">
                    { "loss" }
                </text>
                { for METHODS.map(|method| curve(method, points)) }
            </svg>
        </figure>
    }
}

fn row(decade: i32) -> Html {
    let at = y(10f64.powi(decade));
    html! {
        <>
            <line
                class="grid"
                x1={LEFT.to_string()}
                x2={(WIDTH - RIGHT).to_string()}
                y1={at.to_string()}
                y2={at.to_string()}
            />
            <text
                class="axis"
                x={(LEFT - 8.0).to_string()}
                y={(at + 4.0).to_string()}
                text-anchor="end"
            >
                { words::power(decade) }
            </text>
        </>
    }
}

fn column(decade: i32) -> Html {
    let label = if decade == X.0 {
        "none".to_owned()
    } else {
        words::power(decade)
    };
    html! {
        <text
            class="axis"
            x={x(10f64.powi(decade)).to_string()}
            y={(HEIGHT - BOTTOM + 18.0).to_string()}
            text-anchor="middle"
        >
            { label }
        </text>
    }
}

fn curve((method, name, class): (&str, &str, &str), points: &[Point]) -> Html {
    let own: Vec<&Point> = points
        .iter()
        .filter(|p| p.method == method && p.theorem)
        .collect();
    let place = |p: &Point| (x(p.coverage), y(p.suboptimality));
    let corner = |(i, p): (usize, &&Point)| {
        let (x, y) = place(p);
        format!("{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" })
    };
    let path: String = own.iter().enumerate().map(corner).collect();
    let dot = |p: &&Point| {
        let (x, y) = place(p);
        let title = format!(
            "{name}, {} demonstrations: covers {:.5}, loses {:.4}",
            p.demos, p.coverage, p.suboptimality
        );
        html! {
            <circle cx={x.to_string()} cy={y.to_string()} r="3.5"><title>{ title }</title></circle>
        }
    };
    let count = |p: &&Point| {
        let (x, y) = place(p);
        html! {
            <text class="axis" x={(x + 9.0).to_string()} y={(y + 4.0).to_string()}>
                { p.demos.to_string() }
            </text>
        }
    };
    let label = own.last().map(|p| {
        let (x, y) = place(p);
        html! {
            <text
                class={format!("name {class}")}
                x={(x + 9.0).to_string()}
                y={(y + 20.0).to_string()}
            >
                { name.to_owned() }
            </text>
        }
    });
    html! {
        <g class={format!("curve {class}")}>
            <path class="tests" d={path} />
            { for own.iter().map(dot) }
            { for own.last().map(count) }
            { for label }
        </g>
    }
}

fn describe(points: &[Point]) -> String {
    let last = |method: &str| points.iter().rfind(|p| p.method == method && p.theorem);
    let line = |p: &Point| {
        format!(
            "{} covers {:.4} and loses {:.4} at {} demonstrations",
            p.method, p.coverage, p.suboptimality, p.demos
        )
    };
    let all: Vec<String> = ["bc", "uniform-noise", "post-bc"]
        .into_iter()
        .filter_map(last)
        .map(line)
        .collect();
    format!(
        "Coverage against loss as demonstrations grow. {}",
        all.join("; ")
    )
}

fn client(ctx: &Context<Theory>, generation: u32) -> Client {
    Client::new(
        &ctx.props().frame.base,
        "cpu",
        ctx.link()
            .callback(move |news| Msg::WorkerMessage(generation, news)),
    )
}
