//! Coffee-push, coffee-pull and coffee-button; after `metaworld/envs/sawyer_coffee_push_v3.py`,
//! `sawyer_coffee_pull_v3.py`, `sawyer_coffee_button_v3.py` and their policies.

use super::super::caging::{Cage, Density, caging};
use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::Part::{Body, Geom, Site};
use super::super::sawyer::Sawyer;
use super::super::task::{Now, Seen, Task, descend, is_at, plus, raised, scaled, towards};

/// Push the mug under the machine.
pub const COFFEE_PUSH: Task = Task {
    id: "metaworld/coffee-push",
    about: "Push the mug under the machine.",
    expert_success: 1.0,
    scene: "sawyer_coffee.xml",
    parts: &[
        Body("obj"),
        Geom("mug"),
        Body("coffee_machine"),
        Site("mug_goal"),
    ],
    hand: [0.0, 0.4, 0.2],
    low: &[-0.1, 0.55, -0.001, -0.05, 0.7, -0.001],
    high: &[0.1, 0.65, 0.001, 0.05, 0.75, 0.001],
    apart: 0.15,
    arrange: |arm, start| {
        arm.move_body(2, plus(start.goal, [0.0, DEPTH, 0.0]));
        arm.mark(3, start.goal);
    },
    put: |arm, start| put_mug(arm, start.object),
    object: |arm| (arm.at(0), arm.scalar_last(1)),
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        const RADIUS: f64 = 0.05;
        let to_goal = |from| scaled(from, now.start.goal, [2.0, 2.0, 1.0]);
        let to_go = to_goal(now.seen.object);
        if to_go < RADIUS {
            return 10.0;
        }
        let in_place = near(to_go, RADIUS, to_goal(now.start.object));
        let cage = Cage {
            radius: 0.02,
            pad: 0.05,
            xz: 0.05,
            effort: 0.7,
            density: Density::Medium(0.04),
        };
        let reward = hamacher(caging(now, now.seen.object, &cage), in_place);
        let holds = now.to_object() < 0.04 && now.seen.open > 0.0;
        if holds {
            reward + 1.0 + 5.0 * in_place
        } else {
            reward
        }
    },
    expert: |seen| {
        let mug = plus(seen.object, RIM);
        let goal = [seen.goal[0], seen.goal[1], 0.1];
        towards(
            seen.hand,
            descend(seen.hand, mug, (0.06, 0.02), 0.2, goal),
            10.0,
            grip(seen, 0.5),
        )
    },
    ..Task::USUAL
};

/// Pull the mug out from under the machine.
pub const COFFEE_PULL: Task = Task {
    id: "metaworld/coffee-pull",
    about: "Pull the mug out from under the machine.",
    expert_success: 1.0,
    low: &[-0.05, 0.7, -0.001, -0.1, 0.55, -0.001],
    high: &[0.05, 0.75, 0.001, 0.1, 0.65, 0.001],
    arrange: |arm, start| {
        arm.move_body(2, plus(start.object, [0.0, DEPTH, 0.0]));
        arm.mark(3, start.goal);
    },
    expert: |seen| {
        let mug = plus(seen.object, [-0.005, 0.0, 0.05]);
        towards(
            seen.hand,
            descend(seen.hand, mug, (0.06, 0.02), 0.15, seen.goal),
            10.0,
            grip(seen, 0.7),
        )
    },
    ..COFFEE_PUSH
};

/// Press the machine's button.
pub const COFFEE_BUTTON: Task = Task {
    id: "metaworld/coffee-button",
    about: "Press the coffee machine's button.",
    expert_success: 1.0,
    scene: "sawyer_coffee.xml",
    parts: &[Site("buttonStart"), Body("coffee_machine")],
    hand: [0.0, 0.4, 0.2],
    low: &[-0.1, 0.8, -0.001],
    high: &[0.1, 0.9, 0.001],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [0.0, TRAVEL - DEPTH, 0.3]);
    },
    put: |arm, start| put_mug(arm, plus(start.object, [0.0, -DEPTH, 0.0])),
    object: |arm| (arm.at(0), [1.0, 0.0, 0.0, 0.0]),
    success: |now| to_press(now) <= 0.02,
    reward: |now| {
        let margin = distance(now.seen.object, now.start.fingers);
        let reward = 2.0 * hamacher(now.seen.open, near(now.to_object(), 0.05, margin));
        if now.to_object() <= 0.05 {
            reward + 8.0 * near(to_press(now), 0.005, TRAVEL)
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let button = raised(seen.object, -0.07);
        let before = (hand[0] - button[0]).hypot(hand[2] - button[2]) <= 0.02;
        let y = if before { button[1] + 0.2 } else { hand[1] };
        towards(hand, [button[0], y, button[2]], 10.0, -1.0)
    },
    ..Task::USUAL
};

/// How far the machine's middle is behind its front, in meters.
const DEPTH: f64 = 0.22;
/// How far the button can be pressed, in meters.
const TRAVEL: f64 = 0.03;
/// Where the expert grips the mug, from its foot.
const RIM: [f64; 3] = [0.01, 0.0, 0.05];

/// Puts the mug, which is the first in `qpos` here. Upstream stills the velocities that are an
/// object's in other scenes.
fn put_mug(arm: &mut Sawyer, at: [f64; 3]) {
    arm.put(0, &at, 9..15);
}

fn grip(seen: &Seen, effort: f64) -> f64 {
    if is_at(seen.hand, plus(seen.object, RIM), 0.06, 0.1) {
        effort
    } else {
        -1.0
    }
}

/// How far the button is still to be pressed, in meters.
fn to_press(now: &Now) -> f64 {
    (now.start.goal[1] - now.seen.object[1]).abs()
}
