//! Drawer-open and drawer-close; after `metaworld/envs/sawyer_drawer_open_v3.py`,
//! `sawyer_drawer_close_v3.py` and their policies.

use super::super::reward::{distance, hamacher, near, near_sharply};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Task, descend, narrow, plus, raised, scaled, towards};

/// Pull the drawer out.
pub const DRAWER_OPEN: Task = Task {
    id: "metaworld/drawer-open",
    about: "Pull the drawer out.",
    expert_success: 1.0,
    scene: "sawyer_drawer.xml",
    parts: &[Body("drawer_link"), Body("drawer"), Site("goal")],
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[-0.1, 0.9, 0.0],
    high: &[0.1, 0.9, 0.0],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [0.0, -0.16 - TRAVEL, 0.09]);
        arm.mark(2, start.goal);
    },
    put: |_, _| {},
    object: |arm| (plus(arm.at(0), [0.0, -0.16, 0.0]), arm.quaternion(0)),
    success: |now| now.to_goal() <= 0.03,
    reward: |now| {
        const WEIGHTS: [f64; 3] = [3.0, 3.0, 1.0];
        let opened = near(now.to_goal(), 0.02, TRAVEL);
        let shut = plus(now.start.goal, [0.0, TRAVEL, 0.0]);
        let margin = scaled(shut, now.start.fingers, WEIGHTS);
        5.0 * (near(
            scaled(now.seen.object, now.seen.hand, WEIGHTS),
            0.01,
            margin,
        ) + opened)
    },
    expert: |seen| {
        let handle = raised(seen.object, -0.02);
        let pulled = plus(handle, [0.0, -0.06, 0.0]);
        let target = descend(seen.hand, handle, (0.06, 0.04), 0.3, pulled);
        towards(
            seen.hand,
            target,
            if target == pulled { 50.0 } else { 4.0 },
            -1.0,
        )
    },
    ..Task::USUAL
};

/// Push the drawer in.
pub const DRAWER_CLOSE: Task = Task {
    id: "metaworld/drawer-close",
    about: "Push the drawer in.",
    expert_success: 1.0,
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [0.0, -0.16, 0.09]);
        arm.mark(2, start.goal);
    },
    put: |arm, start| {
        arm.put(OBJECT, &[-0.15], 0..0);
        start.object = plus(arm.at(0), HANDLE);
    },
    object: |arm| (plus(arm.at(0), HANDLE), [0.0; 4]),
    success: |now| now.to_goal() <= CLOSED,
    reward: |now| {
        const RADIUS: f64 = 0.05;
        const REACH: f64 = 0.005;
        if now.to_goal() <= CLOSED {
            return 10.0;
        }
        let margin = (distance(now.start.object, now.start.goal) - RADIUS).abs();
        let in_place = near(now.to_goal(), RADIUS, margin);
        let margin = (distance(now.start.object, now.start.fingers) - REACH).abs();
        let reach = hamacher(
            near_sharply(now.to_object(), REACH, margin),
            now.grip.clamp(0.0, 1.0),
        );
        10.0 * hamacher(reach, in_place)
    },
    expert: |seen| {
        let hand = seen.hand;
        let handle = raised(seen.object, -0.02);
        let behind = hand[1] > handle[1];
        let target = if behind && hand[2] < handle[2] + 0.23 {
            [hand[0], hand[1], handle[2] + 0.5]
        } else if behind {
            plus(handle, [0.0, -0.075, 0.23])
        } else if (hand[2] - handle[2]).abs() > 0.04 {
            plus(handle, [0.0, -0.075, 0.0])
        } else {
            handle
        };
        towards(hand, target, 25.0, 1.0)
    },
    ..DRAWER_OPEN
};

/// How far the drawer is to be pulled, in meters.
const TRAVEL: f64 = 0.2;
/// The handle that is pushed, from the drawer's body.
const HANDLE: [f64; 3] = [0.0, -0.16, 0.05];
/// The handle is this near the goal when the drawer is closed, in meters.
const CLOSED: f64 = 0.065;
