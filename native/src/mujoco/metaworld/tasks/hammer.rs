//! Hammer: drive the nail in; after `metaworld/envs/sawyer_hammer_v3.py` and
//! `metaworld/policies/sawyer_hammer_v3_policy.py`.

use super::super::caging::{Cage, caging};
use super::super::reward::{distance, distance_along, near};
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Task, is_at, planar, plus, raised, towards};

/// The task.
pub const HAMMER: Task = Task {
    id: "metaworld/hammer",
    about: "Drive the nail in with the hammer.",
    expert_success: 1.0,
    scene: "sawyer_hammer.xml",
    parts: &[Body("hammer"), Body("nail_link"), Body("box"), Site("goal")],
    hand: [0.0, 0.4, 0.2],
    low: &[-0.1, 0.4, 0.0],
    high: &[0.1, 0.5, 0.0],
    arrange: |arm, _| arm.move_body(2, [0.24, 0.85, 0.0]),
    put: |arm, start| {
        start.goal = arm.at(3);
        arm.put_object(start.object);
    },
    other: |arm| (arm.at(1), arm.quaternion(1)),
    success: |now| now.arm.joint(NAIL) > 0.09,
    reward: |now| {
        let head = plus(now.seen.object, [0.16, 0.06, 0.0]);
        let [x, y, z] = now.seen.object;
        let near_hand = if (x - now.seen.hand[0]).abs() < HANDLE / 2.0 {
            now.seen.hand[0]
        } else {
            x
        };
        let grasped = caging(now, [near_hand, y, z], &Cage::new(0.015, 0.02, 0.01));
        let in_place =
            0.1 * f64::from(head[2] > 0.02) + 0.9 * near(distance(now.start.goal, head), 0.02, 0.2);
        let reward = (2.0 * grasped + 6.0 * in_place) * now.seen.upright([1.0, 0.0, 0.0, 0.0], 0.4);
        if now.arm.joint(NAIL) > 0.09 && reward > 5.0 {
            10.0
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let hammer = plus(seen.object, [-0.04, 0.0, -0.01]);
        let nail = plus([0.24, 0.71, 0.11], [-0.19, 0.0, 0.05]);
        let target = if planar(hand, hammer) > 0.04 {
            raised(hammer, 0.1)
        } else if (hand[2] - hammer[2]).abs() > 0.05 && hammer[2] < 0.03 {
            raised(hammer, 0.03)
        } else if distance_along(1, hand, nail) > 0.02 {
            [nail[0], hand[1], nail[2]]
        } else {
            nail
        };
        towards(
            hand,
            target,
            10.0,
            if is_at(hand, hammer, 0.04, 0.1) {
                0.8
            } else {
                0.0
            },
        )
    },
    ..Task::USUAL
};

/// Where the nail's slide is in `qpos`.
const NAIL: usize = 16;
/// How long the hammer's handle is, in meters.
const HANDLE: f64 = 0.14;
