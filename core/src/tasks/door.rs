//! Door: turn the lever, then pull the door open. After Adroit's door: its success rule (the hinge
//! at 1.35 rad or more), a latch that has to be undone first, and a door that stands elsewhere in
//! each episode. Otherwise all is scaled to this table and this hand: a door of 20 cm, with a lever
//! whose knob two fingers can hold.

use super::Info;
use super::expert::{self, ExpertStyle};
use super::tabletop::{ACT, OBS, Rules, SUBSTEPS, Start, Tabletop, View};
use crate::rng::Rng;
use crate::sim::Vec3;

pub(super) const INFO: Info = Info {
    id: "lab/door",
    label: "Open the door",
    about: "Turn the lever, then pull the door open.",
    scene: include_str!("../../scenes/door.xml"),
    obs: OBS,
    act: ACT,
    horizon: 240,
    substeps: SUBSTEPS,
    expert_success: 1.0,
    build: |sim| Tabletop::build(&RULES, sim),
};

static RULES: Rules = Rules {
    second: Some("door"),
    joints: &["latch", "hinge"],
    start,
    success,
    expert,
};

/// The hinge's line, from the middle of the frame (m).
const HINGE: f64 = -0.1;
/// The lever's axis, from the hinge at the table (m): along the leaf, in front of it, up.
const SPINDLE: Vec3 = [0.165, -0.055, 0.115];
/// From the axis to the knob (m).
const LEVER: f64 = 0.075;
/// The lever's angle at which it is held while the door is pulled (rad); the bolt is free of the
/// frame from 0.84 on.
const TURNED: f64 = 1.1;
/// The hinge's angle at which the door is open (rad).
const OPEN: f64 = 1.35;
/// Lead of the hand ahead of the lever and of the door (rad).
const LEAD: f64 = 0.5;
/// Fingers on the knob, with a little room: 0.026 m of 0.09 m.
const GRIPPED: f64 = 0.36;

fn start(rng: &mut Rng) -> Start {
    let frame = [rng.range(-0.1, 0.1), rng.range(0.78, 0.85), 0.0];
    Start {
        object: None,
        goal: knob(hinge_of(frame), TURNED, OPEN),
        target: frame,
    }
}

/// The point of the hinge's line on the table.
fn hinge_of([x, y, z]: Vec3) -> Vec3 {
    [x + HINGE, y, z]
}

/// Position of the knob at these angles of latch and hinge.
fn knob(hinge: Vec3, latch: f64, angle: f64) -> Vec3 {
    // The lever turns in the leaf's plane, the leaf about the vertical.
    let along = SPINDLE[0] - LEVER * libm::sin(latch);
    let sin = libm::sin(angle);
    let cos = libm::cos(angle);
    [
        hinge[0] + along * cos + SPINDLE[1] * sin,
        hinge[1] - along * sin + SPINDLE[1] * cos,
        hinge[2] + SPINDLE[2] + LEVER * libm::cos(latch),
    ]
}

fn success(view: &View) -> bool {
    view.joints[1] >= OPEN
}

fn expert(view: &View, style: &ExpertStyle) -> [f64; ACT] {
    expert::fetch(view, style, GRIPPED).unwrap_or_else(|| {
        let [latch, hinge] = view.joints;
        let door = view.second.map_or(view.goal, |door| door.position);
        // First the lever; once the door stands ajar, the bolt no longer matters.
        let free = latch > TURNED - 0.1 || hinge > 0.1;
        let aim = if free {
            knob(door, TURNED.max(latch), hinge + LEAD)
        } else {
            knob(door, latch + LEAD, 0.0)
        };
        expert::lead(view, aim, style)
    })
}
