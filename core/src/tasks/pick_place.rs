//! Pick-place: bring the cube to a point in the air. After Meta-World's pick-place-v3: its ranges,
//! and success within 7 cm.

use super::Info;
use super::expert::{self, ExpertStyle};
use super::tabletop::{
    ACT, OBS, Rules, SUBSTEPS, Start, Tabletop, View, distance, distance_xy, upright,
};
use crate::rng::Rng;

pub(super) const INFO: Info = Info {
    id: "lab/pick-place",
    label: "Pick and place",
    about: "Bring the cube to the green point in the air.",
    scene: include_str!("../../scenes/pick_place.xml"),
    obs: OBS,
    act: ACT,
    horizon: 160,
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

/// The cube's center when it lies on the table (m).
const REST: f64 = 0.02;
/// Fingers on the cube, with a little room: 0.04 m of 0.09 m.
const GRIPPED: f64 = 0.5;

fn start(rng: &mut Rng) -> Start {
    loop {
        let object = [rng.range(-0.1, 0.1), rng.range(0.6, 0.7), REST];
        let goal = [
            rng.range(-0.1, 0.1),
            rng.range(0.8, 0.9),
            rng.range(0.05, 0.3),
        ];
        // Drawn anew until they are far enough apart, as in Meta-World.
        if distance_xy(object, goal) >= 0.15 {
            return Start {
                object: Some(upright(object)),
                goal,
                target: goal,
            };
        }
    }
}

fn success(view: &View) -> bool {
    distance(view.object.position, view.goal) <= 0.07
}

fn expert(view: &View, style: &ExpertStyle) -> [f64; ACT] {
    expert::fetch(view, style, GRIPPED).unwrap_or_else(|| expert::carry(view, view.goal, style))
}
