//! Door-open, door-close, door-lock and door-unlock; after `metaworld/envs/sawyer_door_v3.py`,
//! `sawyer_door_close_v3.py`, `sawyer_door_lock_v3.py`, `sawyer_door_unlock_v3.py` and their
//! policies.

use super::super::reward::{above, distance, hamacher, near, near_sharply};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{Body, Geom, Site};
use super::super::task::{Now, Task, descend, narrow, planar, plus, scaled, towards};
use std::f64::consts::PI;

/// Pull the door open.
pub const DOOR_OPEN: Task = Task {
    id: "metaworld/door-open",
    about: "Pull the door open.",
    expert_success: 0.98,
    scene: "sawyer_door_pull.xml",
    parts: &[Geom("handle"), Body("door"), Site("goal")],
    low: &[0.0, 0.85, 0.15],
    high: &[0.1, 0.95, 0.15],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [-0.3, -0.45, 0.0]);
        arm.mark(2, start.goal);
    },
    put: |arm, _| arm.put(OBJECT, &[0.0], OBJECT..OBJECT + 1),
    object: |arm| (arm.at(0), arm.scalar_last(0)),
    success: is_open,
    reward: |now| {
        if is_open(now) {
            return 10.0;
        }
        let effort = (now.grip.clamp(-1.0, 1.0) + 1.0) / 2.0;
        2.0 * hamacher(at_handle(now), effort) + 8.0 * opened(now.arm.joint(OBJECT))
    },
    expert: |seen| {
        let handle = plus(seen.object, [-0.05, 0.0, 0.0]);
        let target = if planar(seen.hand, handle) > 0.12 {
            plus(handle, [0.06, 0.02, 0.2])
        } else if (seen.hand[2] - handle[2]).abs() > 0.04 {
            plus(handle, [0.06, 0.02, 0.0])
        } else {
            handle
        };
        towards(seen.hand, target, 25.0, 1.0)
    },
    ..Task::USUAL
};

/// Push the door shut.
pub const DOOR_CLOSE: Task = Task {
    id: "metaworld/door-close",
    about: "Push the door shut.",
    expert_success: 1.0,
    hand: narrow([-0.5, 0.6, 0.2]),
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [0.2, -0.2, 0.0]);
        arm.mark(2, start.goal);
    },
    put: |arm, _| arm.put(OBJECT, &[-QUARTER], OBJECT..OBJECT + 1),
    success: |now| now.to_goal() <= 0.08,
    reward: |now| {
        const RADIUS: f64 = 0.05;
        let goal = now.start.goal;
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let in_place = near_sharply(now.to_goal(), RADIUS, distance(now.start.object, goal));
        let margin = distance(now.task.hand, now.seen.object) + 0.1;
        3.0 * near_sharply(
            distance(now.arm.between_fingers(), goal),
            0.25 * RADIUS,
            margin,
        ) + 6.0 * in_place
    },
    expert: |seen| {
        let hand = seen.hand;
        let door = plus(seen.object, [0.05, 0.12, 0.1]);
        let beyond = hand[0] > door[0];
        let target = if beyond && hand[2] < door[2] + 0.2 {
            [hand[0], hand[1], door[2] + 0.25]
        } else if beyond {
            [door[0] - 0.02, door[1], hand[2]]
        } else if (hand[2] - door[2]).abs() > 0.04 {
            plus(door, [-0.02, 0.0, 0.0])
        } else {
            seen.goal
        };
        towards(hand, target, 25.0, 1.0)
    },
    ..DOOR_OPEN
};

/// Turn the lock down.
pub const DOOR_LOCK: Task = Task {
    id: "metaworld/door-lock",
    about: "Turn the lock down.",
    expert_success: 1.0,
    scene: "sawyer_door_lock.xml",
    parts: &[
        Site("lockStartLock"),
        Body("door"),
        Body("door_link"),
        Body("lock_link"),
        Body("leftpad"),
    ],
    hand: narrow([0.0, 0.6, 0.2]),
    lead_low: [-0.5, 0.4, -0.15],
    low: &[-0.1, 0.8, 0.15],
    high: &[0.1, 0.85, 0.15],
    arrange: |arm, start| arm.move_body(1, start.object),
    put: |arm, start| {
        arm.wait();
        start.goal = plus(arm.at(3), [0.0, -0.04, -0.1]);
    },
    object: |arm| (arm.at(0), arm.quaternion(2)),
    success: |now| to_turn(now, 2) <= 0.02,
    reward: |now| {
        let to_lock = scaled(now.seen.object, now.arm.at(4), [0.25, 1.0, 0.5]);
        // What upstream keeps as the pad's first place moves along with the pad, so the margin is
        // the distance itself.
        2.0 * hamacher(now.seen.open, near(to_lock, 0.01, to_lock))
            + 8.0 * near(to_turn(now, 2), 0.005, LOCK)
    },
    expert: |seen| {
        let hand = seen.hand;
        let lock = plus(seen.object, [-0.02, -0.02, 0.0]);
        let target = if planar(hand, lock) > 0.02 && hand[2] < 0.25 {
            plus(hand, [0.0, -0.1, 0.1])
        } else {
            descend(hand, lock, (0.02, 0.02), 0.3, plus(lock, [-0.1, 0.0, -0.1]))
        };
        towards(hand, target, 25.0, -1.0)
    },
    ..Task::USUAL
};

/// Turn the lock to the side.
pub const DOOR_UNLOCK: Task = Task {
    id: "metaworld/door-unlock",
    about: "Turn the lock to the side.",
    expert_success: 1.0,
    parts: &[
        Site("lockStartUnlock"),
        Body("door"),
        Body("door_link"),
        Body("lock_link"),
    ],
    put: |arm, start| {
        arm.put(OBJECT, &[QUARTER], OBJECT..OBJECT + 1);
        start.goal = plus(arm.at(3), [0.1, -0.04, 0.0]);
    },
    success: |now| to_turn(now, 0) <= 0.02,
    reward: |now| {
        const SHOULDER: [f64; 3] = [0.0, 0.055, 0.07];
        let to = |from, lock| scaled(plus(from, SHOULDER), lock, [0.25, 1.0, 0.5]);
        // What upstream keeps as the lock's first place moves along with the lock.
        let margin = to(now.start.fingers, now.arm.at(3));
        2.0 * near(to(now.seen.hand, now.seen.object), 0.02, margin)
            + 8.0 * near(to_turn(now, 0), 0.005, LOCK)
    },
    expert: |seen| {
        let hand = seen.hand;
        let lock = plus(seen.object, [-0.04, -0.02, -0.03]);
        let target = match (planar(hand, lock) > 0.02, hand[2] > 0.15) {
            (true, true) => plus(hand, [0.0, -0.1, -0.1]),
            (true, false) => lock,
            (false, _) => plus(lock, [0.1, 0.0, 0.01]),
        };
        towards(hand, target, 25.0, 1.0)
    },
    ..DOOR_LOCK
};

/// A quarter of a turn in radians, as upstream rounds it.
#[allow(clippy::approx_constant, reason = "upstream's number, digit by digit")]
const QUARTER: f64 = 1.5708;
/// How long the lock is, in meters.
const LOCK: f64 = 0.1;

fn is_open(now: &Now) -> bool {
    (now.seen.object[0] - now.start.goal[0]).abs() <= 0.08
}

/// How well the hand is at the handle, where it has to come down through a funnel.
fn at_handle(now: &Now) -> f64 {
    const THRESHOLD: f64 = 0.12;
    let hand = now.seen.hand;
    let door = plus(now.seen.object, [-0.05, 0.0, 0.0]);
    let radius = planar(hand, door);
    let floor = if radius <= THRESHOLD {
        0.0
    } else {
        0.04 * (radius - THRESHOLD).ln() + 0.4
    };
    let in_place = near(
        distance(hand, plus(door, [0.05, 0.03, -0.01])),
        THRESHOLD / 2.0,
        0.5,
    );
    hamacher(above(floor, hand[2], floor / 2.0), in_place)
}

/// How far the door is open, whose hinge stands at an angle in radians.
fn opened(angle: f64) -> f64 {
    0.2 * f64::from(angle < -PI / 90.0) + 0.8 * near(PI / 2.0 + PI / 6.0 + angle, 0.5, PI / 3.0)
}

/// How far the lock is from where it belongs along an axis, in meters.
fn to_turn(now: &Now, axis: usize) -> f64 {
    (now.start.goal[axis] - now.seen.object[axis]).abs()
}
