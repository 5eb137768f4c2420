//! The tabular theory, measured live: coverage against what it costs.

use crate::client::{Client, News};
use crate::frame::{Command, Events, Frame};
use crate::words;
use protege_web::Choice;
use protege_web::protocol::{Order, Point, Report};
use serde_json::json;
use yew::{Component, Context, Html, Properties, html};

/// Independent data sets.
const REPEATS: usize = 60;
/// Most demonstrations.
const DEMOS: usize = 3000;

/// What the study is about.
#[derive(Properties, Clone, PartialEq)]
pub struct Props {
    /// The surroundings.
    pub frame: Frame,
    /// The seed.
    pub choice: Choice,
    /// Whom to tell.
    pub events: Events,
}

/// What can happen.
pub enum Msg {
    /// The worker of this generation has news.
    News(u32, News),
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
    seed: u64,
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
            seed: ctx.props().choice.seed,
            running: true,
            progress: (0, REPEATS),
            points: Vec::new(),
            failed: None,
        }
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        match msg {
            Msg::News(generation, news) if generation == self.generation => self.hear(ctx, news),
            Msg::News(..) => return false,
            Msg::Another => {
                self.seed += 1;
                self.begin(ctx);
            }
            Msg::Go(running) => {
                self.running = running;
                self.client.send(&Order::Go(running));
            }
            Msg::Command(Command::Start) => return self.update(ctx, Msg::Go(true)),
            Msg::Command(Command::Pause) => return self.update(ctx, Msg::Go(false)),
            Msg::Command(Command::Reset) => self.begin(ctx),
            Msg::Command(_) => return false,
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let (link, running) = (ctx.link(), self.running);
        let (done, all) = self.progress;
        html! {
            <div class="protege protege-theory">
                <div class="protege-toolbar" role="toolbar" aria-label="Study">
                    <button type="button" class="go" onclick={link.callback(move |_| Msg::Go(!running))}>{ if running { "Pause" } else { "Go on" } }</button>
                    <button type="button" onclick={link.callback(|_| Msg::Another)}>{ "Another random problem" }</button>
                    <span class="about">{ format!("Problem {}: {done} of {all} data sets measured", self.seed) }</span>
                </div>
                { for self.failed.as_ref().map(|why| html! { <p class="protege-refused" role="alert">{ why }</p> }) }
                { plot(&self.points) }
            </div>
        }
    }
}

impl Theory {
    fn begin(&mut self, ctx: &Context<Self>) {
        self.generation += 1;
        self.client = client(ctx, self.generation);
        (self.points, self.progress, self.failed, self.running) = (Vec::new(), (0, REPEATS), None, true);
    }

    fn hear(&mut self, ctx: &Context<Self>, news: News) {
        match news {
            News::Died(why) => {
                ctx.props().events.error(&why);
                self.failed = Some(format!("The worker has stopped: {why}"));
            }
            News::Report(Report::Hello) => {
                self.client.send(&Order::Study { demos: DEMOS, repeats: REPEATS, seed: self.seed });
                ctx.props().events.emit(&json!({ "type": "ready" }));
            }
            News::Report(Report::Studied { progress, points }) => {
                (self.progress, self.points) = (progress, points);
                if progress.0 == progress.1 {
                    ctx.props().events.emit(&json!({ "type": "finished", "lane": 0 }));
                }
            }
            News::Report(Report::Refused(sentence)) => self.failed = Some(sentence),
            News::Report(_) => {}
        }
    }
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 340.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 46.0;
/// Decades of demonstrations and of coverage.
const X: (f64, f64) = (0.0, 3.6);
const Y: (f64, f64) = (-5.0, 0.0);

fn x(demos: usize) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * ((demos.max(1) as f64).log10() - X.0) / (X.1 - X.0)
}

fn y(coverage: f64) -> f64 {
    let decades = if coverage > 0.0 { coverage.log10().clamp(Y.0, Y.1) } else { Y.0 };
    TOP + (HEIGHT - TOP - BOTTOM) * (Y.1 - decades) / (Y.1 - Y.0)
}

/// Coverage as demonstrations grow, all estimators at the theorem's alpha; what each costs stands at the end of its line.
fn plot(points: &[Point]) -> Html {
    let methods = [("bc", "BC", "vermilion"), ("uniform-noise", "uniform noise", "grey"), ("post-bc", "PostBC", "blue")];
    let of = |method: &str| points.iter().filter(|p| p.method == method && p.theorem).cloned().collect::<Vec<_>>();
    let line = |(method, name, class): (&str, &str, &str)| {
        let points = of(method);
        let corners: Vec<String> = points
            .iter()
            .enumerate()
            .map(|(i, p)| format!("{}{:.1} {:.1}", if i == 0 { "M" } else { "L" }, x(p.demos), y(p.coverage)))
            .collect();
        let end = points.last().map(|p| {
            html! {
                <>
                    <text class={format!("name {class}")} x={(x(p.demos) + 10.0).to_string()} y={(y(p.coverage) + 1.0).to_string()}>{ name.to_owned() }</text>
                    <text class="axis" x={(x(p.demos) + 10.0).to_string()} y={(y(p.coverage) + 16.0).to_string()}>{ format!("costs {:.3}", p.suboptimality) }</text>
                </>
            }
        });
        let dots = points.iter().map(|p| html! { <circle cx={x(p.demos).to_string()} cy={y(p.coverage).to_string()} r="3.5" /> });
        html! { <g class={format!("curve {class}")}><path class="tests" d={corners.join("")} />{ for dots }{ for end }</g> }
    };
    let row = |decade: i32| {
        let at = y(10f64.powi(decade));
        let label = if decade == -5 { "none".to_owned() } else { words::power(decade) };
        html! {
            <>
                <line class="grid" x1={LEFT.to_string()} x2={(WIDTH - RIGHT).to_string()} y1={at.to_string()} y2={at.to_string()} />
                <text class="axis" x={(LEFT - 8.0).to_string()} y={(at + 4.0).to_string()} text-anchor="end">{ label }</text>
            </>
        }
    };
    let column = |demos: usize| html! { <text class="axis" x={x(demos).to_string()} y={(HEIGHT - BOTTOM + 18.0).to_string()} text-anchor="middle">{ demos.to_string() }</text> };
    let middle = ((WIDTH - RIGHT + LEFT) / 2.0).to_string();
    html! {
        <figure class="protege-chart">
            <figcaption>{ "Coverage of what the demonstrator might do" }<span>{ "higher: more left to explore; the cost is the mean loss against the demonstrator" }</span></figcaption>
            <svg viewBox={format!("0 0 {WIDTH} {HEIGHT}")} role="img" aria-label={describe(points)}>
                { for (-5..=0).map(row) }
                { for [1, 10, 100, 1000].map(column) }
                <text class="axis" x={middle} y={(HEIGHT - 6.0).to_string()} text-anchor="middle">{ "demonstrations" }</text>
                { for methods.map(line) }
            </svg>
        </figure>
    }
}

fn describe(points: &[Point]) -> String {
    let last = |method: &str| points.iter().rfind(|p| p.method == method && p.theorem);
    let line = |p: &Point| format!("{} covers {:.4} at {} demonstrations", p.method, p.coverage, p.demos);
    let all: Vec<String> = ["bc", "uniform-noise", "post-bc"].into_iter().filter_map(last).map(line).collect();
    format!("Coverage against the number of demonstrations. {}", all.join("; "))
}

fn client(ctx: &Context<Theory>, generation: u32) -> Client {
    Client::new(&ctx.props().frame.base, ctx.link().callback(move |news| Msg::News(generation, news)))
}
