//! Stick-push and stick-pull: move a thermos with a stick; after
//! `metaworld/envs/sawyer_stick_push_v3.py`, `sawyer_stick_pull_v3.py` and their policies. What is
//! observed first is the stick; what starts at [`Start::object`] is the thermos, and the stick at
//! [`Start::handle`].

use super::super::caging::{Cage, caging, caging_from};
use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::Part::{Body, Geom, Site};
use super::super::sawyer::Sawyer;
use super::super::task::{Now, Seen, Start, Task, is_at, planar, plus, raised, scaled, towards};

/// Push the thermos to the right.
pub const STICK_PUSH: Task = Task {
    id: "metaworld/stick-push",
    about: "Push the thermos with a stick.",
    expert_success: 1.0,
    scene: "sawyer_stick_obj.xml",
    parts: &[
        Body("stick"),
        Site("insertion"),
        Body("object"),
        Site("goal"),
        Geom("objGeom"),
        Geom("leftpad_geom"),
        Geom("rightpad_geom"),
    ],
    low: &[-0.08, 0.58, 0.0, 0.399, 0.55, 0.1319],
    high: &[-0.03, 0.62, 0.001, 0.401, 0.6, 0.1321],
    apart: 0.1,
    put: |arm, start| {
        start.goal[2] = arm.at(1)[2];
        put_both(arm, start, [0.0, 0.0]);
    },
    object: |arm| (arm.at(0), arm.scalar_last(0)),
    other: |arm| (plus(arm.at(1), [0.0, 0.09, 0.0]), [0.0; 4]),
    success: |now| {
        let holds =
            now.arm.pinches(4, [5, 6]) && now.seen.open > 0.0 && is_lifted(now, now.seen.object);
        holds && distance(now.seen.other, now.start.goal) <= PUSHED
    },
    reward: |now| {
        let stick = plus(now.seen.object, [0.015, 0.0, 0.0]);
        let goal = now.start.goal;
        let to_stick = distance(stick, now.arm.between_fingers());
        if !(to_stick < 0.02 && now.seen.open > 0.0 && is_lifted(now, stick)) {
            return caging_from(now, stick, now.start.handle, &Cage::new(0.04, 0.05, 0.01));
        }
        let in_place =
            |from, first| near(distance(from, goal), PUSHED, distance(first, goal) - PUSHED);
        if distance(now.seen.other, goal) <= PUSHED {
            return 10.0;
        }
        2.0 + 5.0 * in_place(stick, now.start.handle)
            + 3.0 * in_place(now.seen.other, now.start.object)
    },
    expert: |seen| {
        let stick = plus(seen.object, [0.015, 0.0, 0.03]);
        let thermos = seen.other;
        let target = carry(seen, stick, thermos).unwrap_or(raised(seen.goal, 0.132));
        towards(seen.hand, target, 10.0, grip(seen, stick))
    },
    ..Task::USUAL
};

/// Hook the thermos and pull it to the front.
pub const STICK_PULL: Task = Task {
    id: "metaworld/stick-pull",
    about: "Hook the thermos with a stick and pull it.",
    expert_success: 0.98,
    parts: &[
        Body("stick"),
        Site("insertion"),
        Body("object"),
        Site("goal"),
        Site("stick_end"),
    ],
    lead_low: [-0.5, 0.35, 0.05],
    low: &[-0.1, 0.55, 0.0, 0.35, 0.45, 0.0199],
    high: &[0.0, 0.65, 0.001, 0.45, 0.55, 0.0201],
    put: |arm, start| {
        start.goal[2] = TABLE;
        put_both(arm, start, [0.0, 0.09]);
    },
    other: |arm| (arm.at(1), [0.0; 4]),
    success: |now| distance(now.seen.other, now.start.goal) <= PULLED && is_inserted(now),
    reward: |now| {
        const RADIUS: f64 = 0.05;
        const WEIGHTS: [f64; 3] = [1.0, 1.0, 2.0];
        let stick = now.seen.object;
        let first = now.start.handle;
        let goal = now.start.goal;
        let [thermos, thermos_first] =
            [now.seen.other, now.start.object].map(|at| plus(at, [0.05, 0.0, 0.0]));
        let at_thermos = near(
            scaled(stick, thermos, WEIGHTS),
            RADIUS,
            scaled(first, thermos_first, WEIGHTS),
        );
        if !(now.to_object() < 0.02 && now.seen.open > 0.0 && is_lifted(now, stick)) {
            return hamacher(
                caging(now, stick, &Cage::new(0.014, 0.05, 0.01)),
                at_thermos,
            );
        }
        let reward = 1.0 + hamacher(1.0, at_thermos);
        if !is_inserted(now) {
            return reward + 5.0 * at_thermos;
        }
        if distance(now.seen.other, goal) <= PULLED {
            return 10.0;
        }
        let stick_in_place = near(distance(stick, goal), RADIUS, distance(first, goal));
        let in_place = near(
            distance(thermos, goal),
            RADIUS,
            distance(now.start.object, goal),
        );
        reward + 5.0 + 2.0 * stick_in_place + in_place
    },
    expert: |seen| {
        let [stick, thermos] = [seen.object, seen.other].map(|at| plus(at, [-0.015, 0.0, 0.03]));
        let target = carry(seen, stick, thermos).unwrap_or(plus(seen.goal, [-0.05, 0.0, 0.0]));
        towards(seen.hand, target, 25.0, grip(seen, stick))
    },
    ..STICK_PUSH
};

/// The thermos is this near the goal when it is pushed, in meters.
const PUSHED: f64 = 0.12;
/// The thermos's ring is this near the goal when it is pulled, in meters.
const PULLED: f64 = 0.12;
/// The height of the stick on the table, in meters.
const TABLE: f64 = 0.02;
/// Where the two slides of the thermos are in `qpos`, and the first of them in `qvel`: all that
/// upstream stills of them.
const THERMOS: usize = 16;

/// Puts the stick down, slides the thermos to its place, and marks the goal.
fn put_both(arm: &mut Sawyer, start: &mut Start, slides: [f64; 2]) {
    start.handle = [start.object[0], start.object[1], TABLE];
    arm.put_object(start.handle);
    arm.put(THERMOS, &slides, THERMOS..THERMOS + 1);
    start.object = arm.at(2);
    arm.mark(3, start.goal);
}

fn is_lifted(now: &Now, stick: [f64; 3]) -> bool {
    stick[2] - 0.01 > now.start.handle[2]
}

/// Whether the stick's end is through the ring of the thermos.
fn is_inserted(now: &Now) -> bool {
    let [x, y, z] = now.arm.at(4);
    let [rx, ry, rz] = now.seen.other;
    x >= rx && (y - ry).abs() <= 0.04 && (z - rz).abs() <= 0.06
}

/// Where the expert's hand goes to fetch the stick and bring it to the thermos; nowhere when it is
/// there.
fn carry(seen: &Seen, stick: [f64; 3], thermos: [f64; 3]) -> Option<[f64; 3]> {
    let hand = seen.hand;
    if (stick[0] - thermos[0]).abs() <= 0.04 {
        None
    } else if planar(hand, stick) > 0.02 {
        Some(raised(stick, 0.1))
    } else if (hand[2] - stick[2]).abs() > 0.02 {
        Some(stick)
    } else if (stick[1] - thermos[1]).abs() > 0.02 {
        Some([stick[0], thermos[1], stick[2]])
    } else if (stick[2] - thermos[2]).abs() > 0.02 {
        Some([stick[0], thermos[1], thermos[2]])
    } else {
        Some(thermos)
    }
}

fn grip(seen: &Seen, stick: [f64; 3]) -> f64 {
    if is_at(seen.hand, stick, 0.02, 0.1) {
        0.7
    } else {
        -1.0
    }
}
