//! Hammer: drive the nail into the board. After Adroit's hammer: the board's height varies in its
//! range, 0.1 to 0.25 m, and the nail, held by friction, has to go in by 9 cm (Adroit: to less than
//! 1 cm from its goal, which is 9 cm in). The hammer is a mallet that stands on its head, since
//! this hand cannot turn; where it stands varies. As upstream, nothing keeps the bare hand from
//! pressing the nail.

use super::Info;
use super::expert::{self, ExpertStyle};
use super::tabletop::{ACT, OBS, Rules, SUBSTEPS, Start, Tabletop, View, upright};
use crate::rng::Rng;

pub(super) const INFO: Info = Info {
    id: "lab/hammer",
    label: "Hammer",
    about: "Take the hammer and drive the nail in.",
    scene: include_str!("../../scenes/hammer.xml"),
    obs: OBS,
    act: ACT,
    horizon: 240,
    substeps: SUBSTEPS,
    expert_success: 1.0,
    build: |sim| Tabletop::build(&RULES, sim),
};

static RULES: Rules = Rules {
    second: Some("nail"),
    joints: &["nail"],
    start,
    success,
    expert,
};

/// The hammer's grip point when it stands on the table (m).
const REST: f64 = 0.08;
/// Position of the board (m).
const BOARD: [f64; 2] = [0.0, 0.93];
/// The nail's head before the board's middle, at the start and at the end of its way (m).
const OUT: f64 = 0.17;
const IN: f64 = 0.07;
/// How deep the nail has to go (m).
const DEEP: f64 = 0.09;
/// Half the thickness of the nail's head (m).
const HEAD: f64 = 0.005;
/// Distance before the nail at which the hammer is brought into line (m), and the tolerance.
const BEFORE: f64 = 0.04;
const IN_LINE: f64 = 0.012;
/// Fingers on the handle, with a little room: 0.018 m of 0.09 m.
const GRIPPED: f64 = 0.25;

fn start(rng: &mut Rng) -> Start {
    let hammer = [rng.range(-0.1, 0.1), rng.range(0.5, 0.6), REST];
    let height = rng.range(0.1, 0.25);
    let [x, y] = BOARD;
    Start {
        object: Some(upright(hammer)),
        goal: [x, y - IN, height],
        target: [x, y, height],
    }
}

fn success(view: &View) -> bool {
    view.joints[0] >= DEEP
}

fn expert(view: &View, style: &ExpertStyle) -> [f64; ACT] {
    expert::fetch(view, style, GRIPPED).unwrap_or_else(|| {
        let [x, _, z] = view.goal;
        // The face of the nail's head, which moves in with the joint.
        let nail = view.goal[1] - (OUT - IN) + view.joints[0] - HEAD;
        // The hammer's distance from the nail's axis.
        let aside = libm::hypot(view.key[0] - x, view.key[2] - z);
        if aside < IN_LINE {
            return expert::lead(view, [x, nail + 0.1, z], style);
        }
        // Almost in line: no further towards the nail until it is.
        let back = view.key[1].min(nail - BEFORE);
        let before = if aside < 0.05 { back } else { nail - BEFORE };
        expert::carry(view, [x, before, z], style)
    })
}
