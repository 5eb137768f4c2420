//! Assembly: put the ring over the peg. After Meta-World's assembly-v3: its ranges; success when
//! the ring's middle is within 2 cm of the peg's axis and below its top.

use super::Info;
use super::expert::{self, ExpertStyle};
use super::tabletop::{ACT, OBS, Rules, SUBSTEPS, Start, Tabletop, View, distance_xy, upright};
use crate::rng::Rng;

pub(super) const INFO: Info = Info {
    id: "lab/assembly",
    label: "Assembly",
    about: "Put the ring over the peg.",
    scene: include_str!("../../scenes/assembly.xml"),
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

/// The handle's grip point when the ring lies on the table (m).
const REST: f64 = 0.015;
/// The peg's top (m).
const TOP: f64 = 0.1;
/// Fingers on the handle, with a little room: 0.016 m of 0.09 m.
const GRIPPED: f64 = 0.23;

fn start(rng: &mut Rng) -> Start {
    loop {
        let handle = [0.0, 0.6, REST];
        let x = rng.range(-0.1, 0.1);
        let y = rng.range(0.75, 0.85);
        // Drawn anew until they are far enough apart, as in Meta-World.
        if distance_xy(handle, [x, y, 0.0]) >= 0.1 {
            return Start {
                object: Some(upright(handle)),
                goal: [x, y, TOP],
                target: [x, y, 0.0],
            };
        }
    }
}

fn success(view: &View) -> bool {
    distance_xy(view.key, view.goal) < 0.02 && view.key[2] < TOP
}

fn expert(view: &View, style: &ExpertStyle) -> [f64; ACT] {
    let down = [view.goal[0], view.goal[1], TOP - 0.04];
    expert::fetch(view, style, GRIPPED)
        .unwrap_or_else(|| expert::put_down(view, down, 0.07, 0.032, style))
}
