//! Faucet-open, faucet-close, dial-turn and lever-pull: turn something about an axis; after
//! `metaworld/envs/sawyer_faucet_open_v3.py`, `sawyer_faucet_close_v3.py`,
//! `sawyer_dial_turn_v3.py`, `sawyer_lever_pull_v3.py` and their policies.

use super::super::reward::{distance, hamacher, near, near_sharply};
use super::super::sawyer::Part::{Body, Geom, Site};
use super::super::sawyer::{OBJECT, Sawyer};
use super::super::task::{Now, Task, descend, narrow, planar, plus, raised, scaled, towards};
use std::f64::consts::PI;

/// Turn the faucet to the right.
pub const FAUCET_OPEN: Task = Task {
    id: "metaworld/faucet-open",
    about: "Turn the faucet to the right.",
    expert_success: 1.0,
    scene: "sawyer_faucet.xml",
    parts: &[
        Site("handleStartOpen"),
        Body("faucetBase"),
        Site("goal_open"),
    ],
    hand: [0.0, 0.4, 0.2],
    lead_low: [-0.5, 0.4, -0.15],
    low: &[-0.05, 0.8, 0.0],
    high: &[0.05, 0.85, 0.0],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [0.175, 0.0, 0.125]);
        arm.mark(2, start.goal);
    },
    put: |_, _| {},
    object: |arm| (raised(arm.at(0), -0.01), arm.quaternion(1)),
    success: |now| distance(plus(now.seen.object, PUSHED), now.start.goal) <= FAUCET,
    reward: |now| turned(now, plus(now.seen.object, PUSHED)),
    expert: |seen| {
        let faucet = plus(seen.object, PUSHED);
        towards(
            seen.hand,
            descend(
                seen.hand,
                faucet,
                (0.04, 0.04),
                0.1,
                plus(faucet, [0.1, 0.05, 0.0]),
            ),
            25.0,
            1.0,
        )
    },
    ..Task::USUAL
};

/// Turn the faucet to the left.
pub const FAUCET_CLOSE: Task = Task {
    id: "metaworld/faucet-close",
    about: "Turn the faucet to the left.",
    expert_success: 1.0,
    parts: &[
        Site("handleStartClose"),
        Body("faucetBase"),
        Site("goal_close"),
    ],
    low: &[-0.1, 0.8, 0.0],
    high: &[0.1, 0.85, 0.0],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [-0.175, 0.0, 0.125]);
        arm.mark(2, start.goal);
    },
    put: |arm, _| arm.plant.data.forward(),
    success: |now| now.to_goal() <= FAUCET,
    reward: |now| turned(now, now.seen.object),
    expert: |seen| {
        let faucet = plus(seen.object, [0.04, 0.0, 0.03]);
        towards(
            seen.hand,
            descend(
                seen.hand,
                faucet,
                (0.04, 0.04),
                0.1,
                plus(faucet, [-0.1, 0.05, 0.0]),
            ),
            25.0,
            1.0,
        )
    },
    ..FAUCET_OPEN
};

/// Turn the dial by half.
pub const DIAL_TURN: Task = Task {
    id: "metaworld/dial-turn",
    about: "Turn the dial by half.",
    expert_success: 1.0,
    scene: "sawyer_dial.xml",
    parts: &[Body("dial"), Site("goal")],
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[-0.1, 0.7, 0.0],
    high: &[0.1, 0.8, 0.0],
    arrange: |arm, start| {
        arm.move_body(0, start.object);
        start.goal = plus(start.object, [0.0, 0.03, 0.03]);
        arm.mark(1, start.goal);
    },
    put: |arm, start| start.handle = plus(knob(arm), KNOB),
    object: |arm| (knob(arm), arm.quaternion(0)),
    success: |now| now.to_goal() <= DIAL,
    reward: |now| {
        const REACH: f64 = 0.005;
        let in_place = near(
            now.to_goal(),
            DIAL,
            (distance(now.start.handle, now.start.goal) - DIAL).abs(),
        );
        let to_knob = distance(plus(now.seen.object, KNOB), now.arm.between_fingers());
        let reach = near_sharply(
            to_knob,
            REACH,
            (distance(now.start.handle, now.start.fingers) - REACH).abs(),
        );
        10.0 * hamacher(hamacher(reach, now.grip.clamp(0.0, 1.0)), in_place)
    },
    expert: |seen| {
        let hand = seen.hand;
        let knob = plus(seen.object, KNOB);
        let target = if planar(hand, knob) > 0.02 {
            [knob[0], knob[1], 0.2]
        } else if (hand[2] - knob[2]).abs() > 0.02 {
            knob
        } else {
            plus(knob, [-0.05, 0.005, 0.0])
        };
        towards(hand, target, 10.0, 1.0)
    },
    ..Task::USUAL
};

/// Pull the lever up.
pub const LEVER_PULL: Task = Task {
    id: "metaworld/lever-pull",
    about: "Pull the lever up.",
    expert_success: 1.0,
    scene: "sawyer_lever_pull.xml",
    parts: &[
        Site("leverStart"),
        Body("lever"),
        Geom("objGeom"),
        Site("goal"),
    ],
    hand: narrow([0.0, 0.4, 0.2]),
    lead_low: [-0.5, 0.4, -0.15],
    low: &[-0.1, 0.7, 0.0],
    high: &[0.1, 0.8, 0.0],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.handle = plus(start.object, [0.12, -0.2, 0.25]);
        start.goal = plus(start.object, [0.12, 0.0, 0.45]);
        arm.mark(3, start.goal);
    },
    put: |_, _| {},
    object: |arm| (arm.at(0), arm.scalar_last(2)),
    success: |now| (-now.arm.joint(OBJECT) - PI / 2.0).abs() <= PI / 24.0,
    reward: |now| {
        const SHOULDER: [f64; 3] = [0.0, 0.055, 0.07];
        let to = |from, lever| scaled(plus(from, SHOULDER), lever, [4.0, 1.0, 4.0]);
        let ready = near(
            to(now.seen.hand, now.seen.object),
            0.02,
            to(now.start.fingers, now.start.handle),
        );
        10.0 * hamacher(
            ready,
            near(
                now.to_goal(),
                0.04,
                distance(now.start.handle, now.start.goal),
            ),
        )
    },
    expert: |seen| {
        let lever = plus(seen.object, [0.0, -0.055, 0.0]);
        towards(
            seen.hand,
            descend(
                seen.hand,
                lever,
                (0.02, 0.02),
                -0.1,
                plus(lever, [0.0, 0.08, 0.02]),
            ),
            25.0,
            1.0,
        )
    },
    ..Task::USUAL
};

/// The faucet's handle is this near the goal when it is turned, in meters.
const FAUCET: f64 = 0.07;
/// The dial's knob is this near the goal when it is turned, in meters.
const DIAL: f64 = 0.07;
/// Where the faucet is pushed open, from what is observed.
const PUSHED: [f64; 3] = [-0.04, 0.0, 0.03];
/// Where the dial is pushed, from its knob.
const KNOB: [f64; 3] = [0.05, 0.02, 0.09];

/// How well the faucet's handle, at `handle`, is where it belongs, and the hand at the handle.
fn turned(now: &Now, handle: [f64; 3]) -> f64 {
    const REACH: f64 = 0.01;
    let to_goal = distance(handle, now.start.goal);
    if to_goal <= FAUCET {
        return 10.0;
    }
    let in_place = near(
        to_goal,
        FAUCET,
        (distance(now.start.object, now.start.goal) - FAUCET).abs(),
    );
    let margin = (distance(now.start.object, now.start.fingers) - REACH).abs();
    2.0 * (2.0 * near_sharply(distance(handle, now.arm.between_fingers()), REACH, margin)
        + 3.0 * in_place)
}

/// Where the dial's knob is, which goes round its middle.
fn knob(arm: &Sawyer) -> [f64; 3] {
    const RADIUS: f64 = 0.05;
    let angle = arm.joint(OBJECT);
    plus(
        arm.at(0),
        [angle.sin() * RADIUS, -angle.cos() * RADIUS, 0.0],
    )
}
