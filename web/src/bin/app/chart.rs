//! Success against practice, one curve per lane.

use crate::words;
use yew::{Html, html};

/// A lane's curve.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    /// Evaluations: minutes of practice, success, and its 95% interval.
    pub evaluations: Vec<(f64, f64, (f64, f64))>,
    /// Success in the latest practice episodes: minutes of practice, success.
    pub practice: Vec<(f64, f64)>,
}

impl Curve {
    /// Adds a moment of practice; moments that no eye could tell apart are left out.
    pub fn practice(&mut self, minutes: f64, success: f64) {
        let apart = self
            .practice
            .last()
            .is_none_or(|last| minutes - last.0 > 0.02);
        if apart {
            self.practice.push((minutes, success));
        }
    }

    fn end(&self) -> f64 {
        let last = |minutes: Option<f64>| minutes.unwrap_or(0.0);
        last(self.evaluations.last().map(|e| e.0)).max(last(self.practice.last().map(|p| p.0)))
    }
}

/// Units of the drawing; the width follows the page.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 78.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 34.0;

/// Where minutes and success are in the drawing.
struct Axes {
    minutes: f64,
}

impl Axes {
    fn x(&self, minutes: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * minutes / self.minutes
    }

    fn y(&self, success: f64) -> f64 {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - success)
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let corner = |(i, (minutes, success)): (usize, (f64, f64))| {
            format!(
                "{}{:.1} {:.1}",
                if i == 0 { "M" } else { "L" },
                self.x(minutes),
                self.y(success)
            )
        };
        points.enumerate().map(corner).collect::<Vec<_>>().join("")
    }
}

/// Draws the curves of the lanes, in the order of their pretraining methods.
pub fn chart(lanes: &[(&str, &Curve)]) -> Html {
    let end = lanes
        .iter()
        .map(|(_, curve)| curve.end())
        .fold(0.0, f64::max);
    let axes = Axes {
        minutes: nice(end.max(1.0)),
    };
    let label = describe(lanes);
    html! {
        <figure class="protege-chart">
            <figcaption>
                { "Success over practice" }
                <span>
                    { "dots: tests with their 95% intervals; \
                       thin line: the last 50 practice episodes" }
                </span>
            </figcaption>
            <svg viewBox={format!("0 0 {WIDTH} {HEIGHT}")} role="img" aria-label={label}>
                { for [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| gridline(&axes, share)) }
                { for ticks(axes.minutes).into_iter().map(|minutes| tick(&axes, minutes)) }
                <text
                    class="axis"
                    x={((WIDTH - RIGHT + LEFT) / 2.0).to_string()}
                    y={(HEIGHT - 3.0).to_string()}
                    text-anchor="middle"
                >
                    { "minutes of the robot's practice" }
                </text>
                { for lanes.iter().map(|(pretrain, curve)| draw(&axes, pretrain, curve)) }
                { for ends(&axes, lanes) }
            </svg>
        </figure>
    }
}

fn gridline(axes: &Axes, share: f64) -> Html {
    let y = axes.y(share);
    html! {
        <>
            <line
                class="grid"
                x1={LEFT.to_string()}
                x2={(WIDTH - RIGHT).to_string()}
                y1={y.to_string()}
                y2={y.to_string()}
            />
            <text
                class="axis"
                x={(LEFT - 8.0).to_string()}
                y={(y + 4.0).to_string()}
                text-anchor="end"
            >
                { words::percent(share) }
            </text>
        </>
    }
}

fn tick(axes: &Axes, minutes: f64) -> Html {
    html! {
        <text
            class="axis"
            x={axes.x(minutes).to_string()}
            y={(HEIGHT - BOTTOM + 16.0).to_string()}
            text-anchor="middle"
        >
            { minutes.to_string() }
        </text>
    }
}

fn draw(axes: &Axes, pretrain: &str, curve: &Curve) -> Html {
    let class = words::color(pretrain);
    let tests = curve
        .evaluations
        .iter()
        .map(|&(minutes, success, (low, high))| {
            let x = axes.x(minutes).to_string();
            html! {
                <>
                    <line
                        class="interval"
                        x1={x.clone()}
                        x2={x.clone()}
                        y1={axes.y(low).to_string()}
                        y2={axes.y(high).to_string()}
                    />
                    <circle cx={x} cy={axes.y(success).to_string()} r="4" />
                </>
            }
        });
    html! {
        <g class={format!("curve {class}")}>
            <path class="practice" d={axes.path(curve.practice.iter().copied())} />
            <path
                class="tests"
                d={axes.path(
                    curve.evaluations.iter().map(|&(minutes, success, _)| (minutes, success)),
                )}
            />
            { for tests }
        </g>
    }
}

/// A name at the end of every curve, moved apart where two would touch.
fn ends(axes: &Axes, lanes: &[(&str, &Curve)]) -> Vec<Html> {
    let mut names: Vec<(&str, f64, f64)> = lanes
        .iter()
        .filter_map(|(pretrain, curve)| {
            let last = curve.evaluations.last()?;
            Some((*pretrain, axes.x(last.0), axes.y(last.1)))
        })
        .collect();
    names.sort_by(|a, b| a.2.total_cmp(&b.2));
    for i in 1..names.len() {
        names[i].2 = names[i].2.max(names[i - 1].2 + 16.0);
    }
    let draw = |&(pretrain, x, y): &(&str, f64, f64)| {
        html! {
            <text
                class={format!("name {}", words::color(pretrain))}
                x={(x + 10.0).to_string()}
                y={(y + 4.0).to_string()}
            >
                { words::name(pretrain) }
            </text>
        }
    };
    names.iter().map(draw).collect()
}

/// The drawing in words.
fn describe(lanes: &[(&str, &Curve)]) -> String {
    let lane = |(pretrain, curve): &(&str, &Curve)| match (
        curve.evaluations.first(),
        curve.evaluations.last(),
    ) {
        (Some(first), Some(last)) => {
            let [from, to] = [first.1, last.1].map(words::percent);
            format!(
                "{}: from {from} to {to} after {:.1} minutes of practice",
                words::name(pretrain),
                last.0
            )
        }
        _ => format!("{}: not tested yet", words::name(pretrain)),
    };
    format!(
        "Success over practice. {}.",
        lanes.iter().map(lane).collect::<Vec<_>>().join("; ")
    )
}

/// The next round number.
fn nice(value: f64) -> f64 {
    [
        1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 60.0,
        80.0, 100.0,
    ]
    .into_iter()
    .find(|&round| round >= value)
    .unwrap_or_else(|| value.ceil())
}

fn ticks(end: f64) -> Vec<f64> {
    let step = if end <= 2.0 {
        0.5
    } else if end <= 6.0 {
        1.0
    } else {
        (end / 5.0).ceil()
    };
    (0..=8)
        .map(|i| f64::from(i) * step)
        .filter(|&minutes| minutes <= end)
        .collect()
}
