//! Handle-press, handle-pull and the same from the side; after
//! `metaworld/envs/sawyer_handle_press_v3.py`, `sawyer_handle_press_side_v3.py`,
//! `sawyer_handle_pull_v3.py`, `sawyer_handle_pull_side_v3.py` and their policies.

use super::super::caging::{Cage, caging};
use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Now, Task, descend, is_at, planar, plus, raised, towards};

/// Press the handle down.
pub const HANDLE_PRESS: Task = Task {
    id: "metaworld/handle-press",
    about: "Press the handle down.",
    expert_success: 1.0,
    scene: "sawyer_handle_press.xml",
    parts: &[Site("handleStart"), Body("box"), Site("goalPress")],
    low: &[-0.1, 0.8, -0.001],
    high: &[0.1, 0.9, 0.001],
    arrange: |arm, start| arm.move_body(1, start.object),
    put: |arm, start| {
        arm.put(OBJECT, &[-0.001], OBJECT..OBJECT + 1);
        start.goal = arm.at(2);
        start.handle = arm.at(0);
    },
    object: |arm| (arm.at(0), [0.0; 4]),
    success: |now| height(now, now.seen.object) <= PRESSED,
    reward: |now| {
        const HANDLE: f64 = 0.02;
        let to_go = height(now, now.seen.object);
        if to_go <= PRESSED {
            return 10.0;
        }
        let in_place = near(
            to_go,
            PRESSED,
            (height(now, now.start.handle) - PRESSED).abs(),
        );
        let margin = (distance(now.start.handle, now.start.fingers) - HANDLE).abs();
        10.0 * hamacher(near(now.to_object(), HANDLE, margin), in_place)
    },
    expert: |seen| {
        let handle = plus(seen.object, [0.0, -0.02, 0.0]);
        let over = planar(seen.hand, handle) <= 0.02;
        towards(
            seen.hand,
            raised(handle, if over { -0.5 } else { 0.2 }),
            25.0,
            -1.0,
        )
    },
    ..Task::USUAL
};

/// Press the handle of a box at the side down.
pub const HANDLE_PRESS_SIDE: Task = Task {
    id: "metaworld/handle-press-side",
    about: "Press the handle down from the side.",
    expert_success: 1.0,
    scene: "sawyer_handle_press_sideways.xml",
    low: &[-0.35, 0.65, -0.001],
    high: &[-0.25, 0.75, 0.001],
    expert: |seen| {
        let over = planar(seen.hand, seen.object) <= 0.02;
        towards(
            seen.hand,
            raised(seen.object, if over { -0.5 } else { 0.2 }),
            25.0,
            1.0,
        )
    },
    ..HANDLE_PRESS
};

/// Pull the handle up.
pub const HANDLE_PULL: Task = Task {
    id: "metaworld/handle-pull",
    about: "Pull the handle up.",
    expert_success: 1.0,
    parts: &[Site("handleRight"), Body("box"), Site("goalPull")],
    put: |arm, start| {
        arm.put(OBJECT, &[-0.1], OBJECT..OBJECT + 1);
        start.goal = arm.at(2);
    },
    success: |now| height(now, now.seen.object) <= PULLED,
    reward: |now| {
        let to_go = height(now, now.seen.object);
        let whole = height(now, now.start.object);
        // Upstream compares the handle's y with the box's z.
        let up = now.seen.object[1] - 0.01 > now.start.object[2];
        pulled(now, &Cage::new(0.022, 0.05, 0.01), to_go, whole, up)
    },
    expert: |seen| {
        let hand = seen.hand;
        let handle = plus(seen.object, [0.0, -0.04, 0.0]);
        // Upstream's target is the handle's height for all three coordinates while the hand is too
        // high or too low.
        let target = if planar(hand, handle) > 0.02 {
            handle
        } else if (hand[2] - handle[2]).abs() > 0.02 {
            [handle[2]; 3]
        } else {
            raised(handle, 0.1)
        };
        towards(hand, target, 25.0, 1.0)
    },
    ..HANDLE_PRESS
};

/// Pull the handle of a box at the side up.
pub const HANDLE_PULL_SIDE: Task = Task {
    id: "metaworld/handle-pull-side",
    about: "Pull the handle up from the side.",
    expert_success: 1.0,
    scene: "sawyer_handle_press_sideways.xml",
    parts: &[Site("handleCenter"), Body("box"), Site("goalPull")],
    low: &[-0.35, 0.65, 0.0],
    high: &[-0.25, 0.75, 0.0],
    put: |arm, start| {
        arm.put(OBJECT, &[-0.1], OBJECT..OBJECT + 1);
        start.goal = arm.at(2);
        start.object = arm.at(0);
    },
    success: |now| now.to_goal() <= 0.08,
    reward: |now| {
        let whole = distance(now.start.object, now.start.goal);
        let up = now.seen.object[2] - 0.01 > now.start.object[2];
        pulled(now, &Cage::new(0.032, 0.06, 0.01), now.to_goal(), whole, up)
    },
    expert: |seen| {
        let hand = seen.hand;
        let handle = seen.object;
        let target = descend(hand, handle, (0.04, 0.03), 0.1, raised(handle, 1.0));
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, handle, 0.04, 0.04) {
                0.6
            } else {
                0.0
            },
        )
    },
    ..HANDLE_PULL
};

/// A handle this near the goal is pressed, in meters.
const PRESSED: f64 = 0.02;
/// A handle this near the goal is pulled, in meters.
const PULLED: f64 = 0.05;

/// How far above or below the goal a place is, in meters.
fn height(now: &Now, from: [f64; 3]) -> f64 {
    (from[2] - now.start.goal[2]).abs()
}

/// How well the handle is held and is where it belongs, `to_go` of `whole` meters from there.
fn pulled(now: &Now, cage: &Cage, to_go: f64, whole: f64, up: bool) -> f64 {
    if to_go < PULLED {
        return 10.0;
    }
    let in_place = near(to_go, PULLED, whole);
    let reward = hamacher(caging(now, now.seen.object, cage), in_place);
    let holds = now.to_object() < 0.035 && now.seen.open > 0.0 && up;
    if holds {
        reward + 1.0 + 5.0 * in_place
    } else {
        reward
    }
}
