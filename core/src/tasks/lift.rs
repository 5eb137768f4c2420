//! Lift: raise the cube. After robosuite's Lift: success when the cube's center is 4 cm above the
//! table.

use super::Info;
use super::expert::{self, ExpertStyle};
use super::tabletop::{ACT, OBS, Rules, SUBSTEPS, Start, Tabletop, View, turned};
use crate::rng::Rng;

pub(super) const INFO: Info = Info {
    id: "lab/lift",
    label: "Lift",
    about: "Grasp the cube and raise it.",
    scene: include_str!("../../scenes/lift.xml"),
    obs: OBS,
    act: ACT,
    horizon: 120,
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

/// x and y within 3 cm of the middle as in robosuite; any turn up to 0.3 rad, since this hand
/// cannot turn.
fn start(rng: &mut Rng) -> Start {
    let x = rng.range(-0.03, 0.03);
    let y = 0.6 + rng.range(-0.03, 0.03);
    let goal = [x, y, 0.1];
    Start {
        object: Some(turned([x, y, REST], rng.range(-0.3, 0.3))),
        goal,
        target: goal,
    }
}

fn success(view: &View) -> bool {
    view.object.position[2] > 0.04
}

fn expert(view: &View, style: &ExpertStyle) -> [f64; ACT] {
    expert::fetch(view, style, GRIPPED).unwrap_or_else(|| expert::carry(view, view.goal, style))
}
