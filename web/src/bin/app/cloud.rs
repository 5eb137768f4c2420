//! Where a policy puts its actions at the present state, seen from above, against the
//! demonstrator's.

use crate::words;
use protege_web::protocol::Clip;
use yew::{Html, html};

/// Meters from the middle to the rim: a hand at full speed comes eight centimeters far in a
/// decision.
const REACH: f64 = 0.09;
/// Units from the middle to the rim.
const RADIUS: f64 = 50.0;

/// Draws the ends of the proposals around the hand.
pub fn cloud(pretrain: &str, clip: &Clip) -> Html {
    let Some(hand) = clip.cloud.first().and_then(|path| first(path)) else {
        return html! {};
    };
    let place = |end: (f64, f64)| {
        (
            RADIUS * (end.0 - hand.0) / REACH,
            -RADIUS * (end.1 - hand.1) / REACH,
        )
    };
    let ends: Vec<(f64, f64)> = clip
        .cloud
        .iter()
        .filter_map(|path| last(path))
        .map(place)
        .collect();
    let demonstrator = last(&clip.demonstrator).map(place);
    let label = format!(
        "Seen from above: {} of {} actions that {} proposes here, spread over {:.1} centimeters.",
        ends.len(),
        clip.cloud.len(),
        words::name(pretrain),
        100.0 * REACH * spread(&ends) / RADIUS
    );
    let dot = |&(x, y): &(f64, f64)| {
        html! {
            <circle class="proposal" cx={format!("{x:.1}")} cy={format!("{y:.1}")} r="2.6" />
        }
    };
    let cross = |(x, y): (f64, f64)| {
        let d = format!("M{:.1} {y:.1}h12M{x:.1} {:.1}v12", x - 6.0, y - 6.0);
        html! { <path class="demonstrator" {d} /> }
    };
    html! {
        <svg
            class={format!("protege-cloud {}", words::color(pretrain))}
            viewBox="-56 -56 112 112"
            role="img"
            aria-label={label}
        >
            <circle class="rim" r="50" />
            <path class="cross" d="M-50 0H50M0 -50V50" />
            { for ends.iter().map(dot) }
            { for demonstrator.map(cross) }
        </svg>
    }
}

/// Standard deviation of points, in both directions together.
fn spread(points: &[(f64, f64)]) -> f64 {
    let n = points.len().max(1) as f64;
    let mean = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    (points
        .iter()
        .map(|p| (p.0 - mean.0).powi(2) + (p.1 - mean.1).powi(2))
        .sum::<f64>()
        / n)
        .sqrt()
}

fn first(path: &[f32]) -> Option<(f64, f64)> {
    Some((f64::from(*path.first()?), f64::from(*path.get(1)?)))
}

fn last(path: &[f32]) -> Option<(f64, f64)> {
    first(path.rchunks_exact(3).next()?)
}
