//! Pick-place and pick-place-wall: bring the puck to a point in the air; after
//! `metaworld/envs/sawyer_pick_place_v3.py`, `sawyer_pick_place_wall_v3.py` and their policies.

use super::super::caging::{Cage, Density, caging, enclosing};
use super::super::reward::{distance, hamacher, near};
use super::super::task::{Task, is_at, planar, plus, raised, scaled, towards};
use super::{PUCK, puck};

/// The task without a wall.
pub const PICK_PLACE: Task = Task {
    id: "metaworld/pick-place",
    about: "Bring the puck to a point in the air.",
    expert_success: 1.0,
    scene: "sawyer_pick_place_v3.xml",
    parts: PUCK,
    low: &[-0.1, 0.6, 0.02, -0.1, 0.8, 0.05],
    high: &[0.1, 0.7, 0.02, 0.1, 0.9, 0.3],
    apart: 0.15,
    settles_alike: true,
    arrange: |arm, start| arm.mark(2, start.goal),
    object: puck,
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let in_place = near(
            now.to_goal(),
            RADIUS,
            distance(now.start.object, now.start.goal),
        );
        let caging = enclosing(now, now.seen.object, 0.015, 0.005);
        let pressing = if caging > 0.97 {
            now.grip.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let reward = hamacher((hamacher(caging, pressing) + caging) / 2.0, in_place);
        if now.holds(0.02) {
            reward + 1.0 + 5.0 * in_place
        } else {
            reward
        }
    },
    expert: |seen| {
        let puck = plus(seen.object, OFFSET);
        let target = if planar(seen.hand, puck) > 0.02 {
            raised(puck, 0.1)
        } else if (seen.hand[2] - puck[2]).abs() > 0.05 && puck[2] < 0.04 {
            raised(puck, 0.03)
        } else if seen.open > 0.73 {
            seen.hand
        } else {
            seen.goal
        };
        let grip = if distance(seen.hand, seen.object) < 0.07 {
            1.0
        } else {
            0.0
        };
        towards(seen.hand, target, 10.0, grip)
    },
    ..Task::USUAL
};

/// The task with a wall in the way.
pub const PICK_PLACE_WALL: Task = Task {
    id: "metaworld/pick-place-wall",
    about: "Bring the puck to a point in the air over a wall.",
    expert_success: 0.98,
    scene: "sawyer_pick_place_wall_v3.xml",
    low: &[-0.05, 0.6, 0.015, -0.05, 0.85, 0.05],
    high: &[0.05, 0.65, 0.015, 0.05, 0.9, 0.3],
    object: |arm| (arm.at(1), arm.scalar_last(1)),
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let object = now.seen.object;
        let first = now.start.object;
        let over_wall = |from| scaled(from, [now.start.goal[0], 0.77, 0.25], [1.0, 1.0, 3.0]);
        let on_the_way = near(over_wall(object), RADIUS, over_wall(first));
        let cage = Cage {
            density: Density::Low,
            ..Cage::new(0.015, 0.05, 0.005)
        };
        let reward = hamacher(caging(now, object, &cage), on_the_way);
        let holds = now.to_object() < 0.02 && now.seen.open > 0.0 && object[2] - 0.015 > first[2];
        match (holds, object[1] > 0.75) {
            (false, _) => reward,
            (true, false) => reward + 1.0 + 4.0 * on_the_way,
            (true, true) => {
                reward + 5.0 + 3.0 * near(now.to_goal(), RADIUS, distance(first, now.start.goal))
            }
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let puck = plus(seen.object, OFFSET);
        let goal = seen.goal;
        let behind_wall = (-0.15..=0.35).contains(&hand[0]) && (0.6..=0.8).contains(&hand[1]);
        let target = if planar(hand, puck) > 0.015 {
            raised(puck, 0.1)
        } else if (hand[2] - puck[2]).abs() > 0.04 && puck[2] < 0.03 {
            raised(puck, 0.03)
        } else if behind_wall && hand[2] < 0.25 {
            raised(hand, 1.0)
        } else if behind_wall && hand[2] < 0.35 {
            [goal[0], goal[1], hand[2]]
        } else if (hand[2] - goal[2]).abs() > 0.01 {
            [hand[0], hand[1], goal[2]]
        } else {
            goal
        };
        towards(
            hand,
            target,
            10.0,
            if is_at(hand, seen.object, 0.015, 0.1) {
                0.9
            } else {
                0.0
            },
        )
    },
    ..PICK_PLACE
};

const RADIUS: f64 = 0.05;
/// Where the expert grips, from the puck's middle.
const OFFSET: [f64; 3] = [-0.005, 0.0, 0.0];
