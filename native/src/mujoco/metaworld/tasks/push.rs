//! Push, push-wall and push-back: bring the puck to a point on the table; after
//! `metaworld/envs/sawyer_push_v3.py`, `sawyer_push_wall_v3.py`, `sawyer_push_back_v3.py` and their
//! policies.

use super::super::caging::{Cage, caging, pinching};
use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::Sawyer;
use super::super::task::{
    Now, Seen, Start, Task, descend, is_at, planar, plus, raised, scaled, towards,
};
use super::{PUCK, puck};

/// The task without a wall.
pub const PUSH: Task = Task {
    id: "metaworld/push",
    about: "Push the puck to a point on the table.",
    expert_success: 1.0,
    scene: "sawyer_push_v3.xml",
    parts: PUCK,
    low: &[-0.1, 0.6, 0.02, -0.1, 0.8, 0.01],
    high: &[0.1, 0.7, 0.02, 0.1, 0.9, 0.02],
    apart: 0.15,
    put: |arm, start| put_level(arm, start, 0),
    object: puck,
    success: |now| now.to_goal() <= RADIUS,
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let grasped = 2.0 * caging(now, now.seen.object, &CAGE);
        let in_place = near(
            now.to_goal(),
            RADIUS,
            distance(now.start.object, now.start.goal),
        );
        if touches(now) {
            2.0 * grasped + 1.0 + 5.0 * in_place
        } else {
            grasped
        }
    },
    expert: |seen| {
        towards(
            seen.hand,
            over_puck(seen).unwrap_or(seen.goal),
            10.0,
            grip(seen),
        )
    },
    ..Task::USUAL
};

/// The task with a wall in the way.
pub const PUSH_WALL: Task = Task {
    id: "metaworld/push-wall",
    about: "Push the puck past a wall.",
    expert_success: 1.0,
    scene: "sawyer_push_wall_v3.xml",
    low: &[-0.05, 0.6, 0.015, -0.05, 0.85, 0.01],
    high: &[0.05, 0.65, 0.015, 0.05, 0.9, 0.02],
    put: |arm, start| put_level(arm, start, 1),
    object: |arm| (arm.at(1), arm.scalar_last(1)),
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let object = now.seen.object;
        let grasped = 2.0 * caging(now, object, &CAGE);
        if !touches(now) {
            return grasped;
        }
        if object[1] > 0.75 {
            let margin = distance(now.start.object, now.start.goal);
            return grasped + 5.0 + 3.0 * near(now.to_goal(), RADIUS, margin);
        }
        let to_gap = |from| scaled(from, [-0.05, 0.77, object[2]], [3.0, 1.0, 1.0]);
        grasped + 1.0 + 4.0 * near(to_gap(object), RADIUS, to_gap(now.start.object))
    },
    expert: |seen| {
        let [x, y, _] = plus(seen.object, OFFSET);
        let before_wall = (-0.1..=0.3).contains(&x) && (0.65..=0.75).contains(&y);
        let beside_wall =
            ((-0.15 < x && x < 0.05) || (0.15 < x && x < 0.35)) && (0.695..=0.755).contains(&y);
        let onwards = if before_wall {
            plus(seen.hand, [-1.0, 0.0, 0.0])
        } else if beside_wall {
            plus(seen.hand, [0.0, 1.0, 0.0])
        } else {
            seen.goal
        };
        towards(
            seen.hand,
            over_puck(seen).unwrap_or(onwards),
            10.0,
            grip(seen),
        )
    },
    ..PUSH
};

/// The task that brings the puck back.
pub const PUSH_BACK: Task = Task {
    id: "metaworld/push-back",
    about: "Pull the puck back to a point on the table.",
    expert_success: 1.0,
    scene: "sawyer_push_back_v3.xml",
    hand: super::super::task::narrow([0.0, 0.6, 0.2]),
    low: &[-0.1, 0.8, 0.02, -0.1, 0.6, 0.0199],
    high: &[0.1, 0.85, 0.02, 0.1, 0.7, 0.0201],
    put: |arm, start| put_level(arm, start, 1),
    object: |arm| (arm.at(1), arm.scalar_last(1)),
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        let to_goal = now.to_goal();
        let whole = distance(now.start.object, now.start.goal);
        if to_goal < RADIUS {
            return 10.0;
        }
        let in_place = near(to_goal, RADIUS, whole);
        let reward = hamacher(pinching(now, 0.007, 0.003, 0.01), in_place);
        let drags = now.to_object() < 0.01
            && 0.0 < now.seen.open
            && now.seen.open < 0.55
            && whole - to_goal > 0.01;
        if drags {
            reward + 1.0 + 5.0 * in_place
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let puck = seen.object;
        let target = descend(hand, puck, (0.04, 0.055), 0.3, raised(seen.goal, hand[2]));
        towards(
            hand,
            target,
            10.0,
            if is_at(hand, puck, 0.04, 0.05) {
                0.9
            } else {
                0.0
            },
        )
    },
    ..PUSH
};

const RADIUS: f64 = 0.05;
const CAGE: Cage = Cage::new(0.015, 0.05, 0.005);
/// Where the expert grips, from the puck's middle.
const OFFSET: [f64; 3] = [-0.005, 0.0, 0.0];

/// Puts the puck down, and the goal, at the height where the `puck` came to rest, whatever the
/// random vector says.
fn put_level(arm: &mut Sawyer, start: &mut Start, puck: usize) {
    let height = arm.at(puck)[2];
    start.object[2] = height;
    start.goal[2] = height;
    arm.put_object(start.object);
    arm.mark(2, start.goal);
}

fn touches(now: &Now) -> bool {
    now.to_object() < 0.02 && now.seen.open > 0.0
}

/// Where the expert's hand goes to come down on the puck; nowhere when it is there.
fn over_puck(seen: &Seen) -> Option<[f64; 3]> {
    let puck = plus(seen.object, OFFSET);
    if planar(seen.hand, puck) > 0.02 {
        Some(raised(puck, 0.2))
    } else if (seen.hand[2] - puck[2]).abs() > 0.04 {
        Some(raised(puck, 0.03))
    } else {
        None
    }
}

fn grip(seen: &Seen) -> f64 {
    if is_at(seen.hand, seen.object, 0.02, 0.1) {
        0.6
    } else {
        0.0
    }
}
