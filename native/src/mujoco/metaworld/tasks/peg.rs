//! Peg-insert-side and peg-unplug-side; after `metaworld/envs/sawyer_peg_insertion_side_v3.py`,
//! `sawyer_peg_unplug_side_v3.py` and their policies.

use super::super::caging::{Cage, caging};
use super::super::reward::{distance, distance_along, hamacher, near};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Now, Task, descend, is_at, planar, plus, raised, scaled, towards};

/// Put the peg into the hole.
pub const PEG_INSERT_SIDE: Task = Task {
    id: "metaworld/peg-insert-side",
    about: "Put the peg into the hole in the box's side.",
    expert_success: 0.86,
    scene: "sawyer_peg_insertion_side.xml",
    parts: &[
        Site("pegGrasp"),
        Body("box"),
        Site("goal"),
        Site("pegHead"),
        Site("bottom_right_corner_collision_box_1"),
        Site("top_left_corner_collision_box_1"),
        Site("bottom_right_corner_collision_box_2"),
        Site("top_left_corner_collision_box_2"),
    ],
    low: &[0.0, 0.5, 0.02, -0.35, 0.4, -0.001],
    high: &[0.2, 0.7, 0.02, -0.25, 0.7, 0.001],
    apart: 0.1,
    arrange: |arm, start| {
        arm.move_body(1, start.goal);
        start.goal = plus(start.goal, [0.03, 0.0, 0.13]);
        arm.mark(2, start.goal);
    },
    put: |arm, start| {
        start.handle = arm.at(3);
        arm.put_object(start.object);
    },
    object: |arm| (arm.at(0), arm.scalar_last(0)),
    success: |now| to_hole(now, now.arm.at(3)) <= INSERTED,
    reward: |now| {
        let to_go = to_hole(now, now.arm.at(3));
        if to_go <= INSERTED {
            return 10.0;
        }
        let clear = hamacher(outside(now, 6), outside(now, 4));
        let in_place = hamacher(near(to_go, INSERTED, to_hole(now, now.start.handle)), clear);
        if now.holds(0.08) {
            return hamacher(1.0, in_place) + 1.0 + 5.0 * in_place;
        }
        hamacher(
            caging(now, now.seen.object, &Cage::new(0.0075, 0.03, 0.005)),
            in_place,
        )
    },
    expert: |seen| {
        let hand = seen.hand;
        let peg = seen.object;
        let hole = [-0.35, seen.goal[1], 0.16];
        let onwards = if distance_along(0, peg, hole) > 0.03 {
            plus(hole, [0.4, 0.0, 0.0])
        } else {
            hole
        };
        let target = descend(hand, peg, (0.04, 0.025), 0.3, onwards);
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, peg, 0.04, 0.15) {
                0.6
            } else {
                -1.0
            },
        )
    },
    ..Task::USUAL
};

/// Pull the peg out of the box.
pub const PEG_UNPLUG_SIDE: Task = Task {
    id: "metaworld/peg-unplug-side",
    about: "Pull the peg out of the box.",
    expert_success: 0.98,
    scene: "sawyer_peg_unplug_side.xml",
    parts: &[Site("pegEnd"), Body("box"), Body("plug1"), Site("goal")],
    low: &[-0.25, 0.6, -0.001],
    high: &[-0.15, 0.8, 0.001],
    arrange: |arm, start| arm.move_body(1, start.object),
    put: |arm, start| {
        let [x, y, z] = plus(start.object, [0.044, 0.0, 0.131]);
        arm.put(OBJECT, &[x, y, z, 1.0, 0.0, 0.0, 0.0], OBJECT..OBJECT + 3);
        start.object = arm.at(0);
        start.goal = [x + 0.15, y, z];
        arm.mark(3, start.goal);
    },
    object: |arm| (arm.at(0), arm.quaternion(2)),
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        const RADIUS: f64 = 0.05;
        if now.to_goal() <= RADIUS {
            return 10.0;
        }
        let cage = Cage {
            effort: 0.8,
            ..Cage::new(0.025, 0.05, 0.005)
        };
        let reward = 2.0 * caging(now, now.seen.object, &cage);
        let holds = now.seen.open > 0.5
            && now.seen.object[0] - now.start.object[0] > 0.015
            && now.to_object() < 0.035;
        let margin = distance(now.start.object, now.start.goal);
        if holds {
            1.0 + reward + 5.0 * near(now.to_goal(), RADIUS, margin)
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let peg = plus(seen.object, [-0.02, 0.0, 0.035]);
        let over = planar(hand, peg) <= 0.04;
        let target = if !over {
            raised(peg, 0.2)
        } else if (hand[2] - 0.15).abs() > 0.02 {
            [peg[0], peg[1], 0.15]
        } else {
            plus(hand, [0.01, 0.0, 0.0])
        };
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, peg, 0.04, 0.15) {
                0.1
            } else {
                -1.0
            },
        )
    },
    ..Task::USUAL
};

/// The peg's head is this near the hole when it is inserted, in meters.
const INSERTED: f64 = 0.07;

/// How far the peg's head is from the hole, where y and z count twice.
fn to_hole(now: &Now, head: [f64; 3]) -> f64 {
    scaled(head, now.start.goal, [1.0, 2.0, 2.0])
}

/// 1 where the peg's head is outside the space under or over the hole, whose corners are the part
/// `corner` and the next; inside, it falls from the far corner to 0 at the near one
/// (`rect_prism_tolerance`).
fn outside(now: &Now, corner: usize) -> f64 {
    let head = now.arm.at(3);
    let zero = now.arm.at(corner);
    let one = now.arm.at(corner + 1);
    let along: [f64; 3] = std::array::from_fn(|i| (head[i] - zero[i]) / (one[i] - zero[i]));
    if along.iter().all(|x| (0.0..=1.0).contains(x)) {
        along.iter().product()
    } else {
        1.0
    }
}
