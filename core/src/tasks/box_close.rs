//! Box-close: put the lid on the box. After Meta-World's box-close-v3: its ranges, and success
//! within 8 cm of the closed place.

use super::Info;
use super::expert::{self, ExpertStyle};
use super::tabletop::{
    ACT, OBS, Rules, SUBSTEPS, Start, Tabletop, View, distance, distance_xy, upright,
};
use crate::rng::Rng;

pub(super) const INFO: Info = Info {
    id: "lab/box-close",
    label: "Close the box",
    about: "Put the lid onto the box.",
    scene: include_str!("../../scenes/box_close.xml"),
    obs: OBS,
    act: ACT,
    horizon: 240,
    substeps: SUBSTEPS,
    expert_success: 1.0,
    build: |sim| Tabletop::build(&RULES, sim),
};

static RULES: Rules = Rules {
    second: None,
    joints: &[],
    start,
    success,
    expert,
};

/// The handle's grip point when the lid lies on the table (m).
const REST: f64 = 0.026;
/// The lid's underside below its grip point (m).
const UNDERSIDE: f64 = 0.026;
/// The box's height (m).
const BOX: f64 = 0.08;
/// Fingers on the handle, with a little room: 0.016 m of 0.09 m.
const GRIPPED: f64 = 0.23;

fn start(rng: &mut Rng) -> Start {
    loop {
        let lid = [rng.range(-0.05, 0.05), rng.range(0.5, 0.55), REST];
        let x = rng.range(-0.1, 0.1);
        let y = rng.range(0.7, 0.8);
        // Drawn anew until they are far enough apart, as in Meta-World.
        if distance_xy(lid, [x, y, 0.0]) >= 0.25 {
            return Start {
                object: Some(upright(lid)),
                goal: [x, y, BOX + UNDERSIDE],
                target: [x, y, 0.0],
            };
        }
    }
}

fn success(view: &View) -> bool {
    distance(view.object.position, view.goal) < 0.08
}

fn expert(view: &View, style: &ExpertStyle) -> [f64; ACT] {
    let height = 0.05;
    expert::fetch(view, style, GRIPPED)
        .unwrap_or_else(|| expert::put_down(view, view.goal, height, 0.08, style))
}
