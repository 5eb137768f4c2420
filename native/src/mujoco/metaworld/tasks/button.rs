//! Button-press and button-press-topdown, without and with a wall; after
//! `metaworld/envs/sawyer_button_press_v3.py`, `sawyer_button_press_topdown_v3.py`,
//! `sawyer_button_press_wall_v3.py`, `sawyer_button_press_topdown_wall_v3.py` and their policies.

use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{self, Body, Site};
use super::super::task::{Now, Task, narrow, planar, plus, raised, towards};

/// Press a button in a wall of the box.
pub const BUTTON_PRESS: Task = Task {
    id: "metaworld/button-press",
    about: "Press a button at the front of a box.",
    expert_success: 1.0,
    scene: "sawyer_button_press.xml",
    parts: PARTS,
    hand: narrow([0.0, 0.4, 0.2]),
    low: &[-0.1, 0.85, 0.115],
    high: &[0.1, 0.9, 0.115],
    arrange: |arm, start| arm.move_body(1, start.object),
    put: |arm, start| {
        arm.put(OBJECT, &[0.0], OBJECT..OBJECT + 1);
        start.goal = arm.at(2);
        start.handle = arm.at(3);
    },
    object: |arm| (plus(arm.at(0), [0.0, -0.193, 0.0]), arm.quaternion(0)),
    success: |now| to_press(now, Y) <= 0.02,
    reward: |now| {
        let reward = 2.0 * hamacher(now.seen.open, at_button(now, 0.05));
        if now.to_object() <= 0.05 {
            reward + 8.0 * pressed(now, Y)
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let button = raised(seen.object, -0.07);
        // As numpy's `isclose`, whose relative tolerance is added.
        let close = |i: usize| (hand[i] - button[i]).abs() <= 0.02 + 1e-5 * button[i].abs();
        let y = if close(0) && close(2) {
            button[1] + 0.02
        } else {
            hand[1] - 0.1
        };
        towards(hand, [button[0], y, button[2]], 25.0, 0.0)
    },
    ..Task::USUAL
};

/// Press a button on the box.
pub const BUTTON_PRESS_TOPDOWN: Task = Task {
    id: "metaworld/button-press-topdown",
    about: "Press a button on top of a box.",
    expert_success: 1.0,
    scene: "sawyer_button_press_topdown.xml",
    low: &[-0.1, 0.8, 0.115],
    high: &[0.1, 0.9, 0.115],
    put: |arm, start| {
        arm.plant.data.forward();
        start.goal = arm.at(2);
        start.handle = arm.at(3);
    },
    object: |arm| (raised(arm.at(0), 0.193), arm.quaternion(0)),
    success: |now| to_press(now, Z) <= 0.024,
    reward: |now| from_above(now, 1.0 - now.seen.open),
    expert: |seen| {
        let over = planar(seen.hand, seen.object) <= 0.04;
        towards(
            seen.hand,
            if over {
                seen.object
            } else {
                raised(seen.object, 0.1)
            },
            25.0,
            1.0,
        )
    },
    ..BUTTON_PRESS
};

/// Press a button in a wall of the box, behind another wall.
pub const BUTTON_PRESS_WALL: Task = Task {
    id: "metaworld/button-press-wall",
    about: "Press a button at the front of a box, behind a wall.",
    expert_success: 0.98,
    scene: "sawyer_button_press_wall.xml",
    low: &[-0.05, 0.85, 0.1149],
    high: &[0.05, 0.9, 0.1151],
    success: |now| to_press(now, Y) <= 0.03,
    reward: |now| {
        if now.to_object() > 0.07 {
            return 2.0 * hamacher((1.0 - now.seen.open) / 2.0, at_button(now, 0.01));
        }
        2.0 + 2.0 * (1.0 + now.seen.open) + 4.0 * pressed(now, Y).powi(2)
    },
    expert: |seen| {
        let hand = seen.hand;
        let button = raised(seen.object, 0.04);
        let (target, grip) = if (hand[0] - button[0]).abs() > 0.02 {
            ([button[0], hand[1], 0.3], 1.0)
        } else if button[1] - hand[1] > 0.09 {
            ([button[0], button[1], 0.3], 1.0)
        } else if (hand[2] - button[2]).abs() > 0.02 {
            (plus(button, [0.0, -0.05, 0.0]), 1.0)
        } else {
            (plus(button, [0.0, -0.02, 0.0]), -1.0)
        };
        towards(hand, target, 15.0, grip)
    },
    ..BUTTON_PRESS
};

/// Press a button on the box, behind a wall.
pub const BUTTON_PRESS_TOPDOWN_WALL: Task = Task {
    id: "metaworld/button-press-topdown-wall",
    about: "Press a button on top of a box, behind a wall.",
    expert_success: 1.0,
    scene: "sawyer_button_press_topdown_wall.xml",
    reward: |now| from_above(now, now.seen.open),
    expert: |seen| {
        let button = plus(seen.object, [0.0, -0.06, 0.0]);
        let over = planar(seen.hand, button) <= 0.04;
        towards(
            seen.hand,
            if over { button } else { raised(button, 0.1) },
            25.0,
            -1.0,
        )
    },
    ..BUTTON_PRESS_TOPDOWN
};

const PARTS: &[Part] = &[
    Body("button"),
    Body("box"),
    Site("hole"),
    Site("buttonStart"),
];
/// The axes along which buttons move.
const Y: usize = 1;
const Z: usize = 2;

/// How far the button is still to be pressed, in meters.
fn to_press(now: &Now, axis: usize) -> f64 {
    (now.start.goal[axis] - now.seen.object[axis]).abs()
}

fn pressed(now: &Now, axis: usize) -> f64 {
    near(
        to_press(now, axis),
        0.005,
        (now.start.goal[axis] - now.start.handle[axis]).abs(),
    )
}

fn at_button(now: &Now, radius: f64) -> f64 {
    near(
        now.to_object(),
        radius,
        distance(now.seen.object, now.start.fingers),
    )
}

fn from_above(now: &Now, gripper: f64) -> f64 {
    let reward = 5.0 * hamacher(gripper, at_button(now, 0.01));
    if now.to_object() <= 0.03 {
        reward + 5.0 * pressed(now, Z)
    } else {
        reward
    }
}
