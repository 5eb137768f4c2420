//! Box-close: put the lid on the box; after `metaworld/envs/sawyer_box_close_v3.py` and
//! `metaworld/policies/sawyer_box_close_v3_policy.py`.

use super::super::reward::{above, distance, hamacher, near};
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Task, is_at, narrow, planar, raised, scaled, towards};

/// The task.
pub const BOX_CLOSE: Task = Task {
    id: "metaworld/box-close",
    about: "Put the lid on the box.",
    expert_success: 0.98,
    scene: "sawyer_box.xml",
    parts: &[Body("top_link"), Body("boxbody"), Site("goal")],
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[-0.05, 0.5, 0.02, -0.1, 0.7, 0.133],
    high: &[0.05, 0.55, 0.02, 0.1, 0.8, 0.133],
    apart: 0.25,
    arrange: |arm, start| {
        arm.move_body(1, [start.goal[0], start.goal[1], 0.0]);
        arm.mark(2, start.goal);
    },
    put: |arm, start| {
        arm.wait();
        let height = narrow([0.02; 3])[2];
        arm.put_object([start.object[0], start.object[1], height]);
    },
    success: |now| now.to_goal() < 0.08,
    reward: |now| {
        let effort = (now.grip.clamp(-1.0, 1.0) + 1.0) / 2.0;
        let lid = raised(now.seen.object, 0.02);
        let reward = if now.to_goal() < 0.08 {
            10.0
        } else {
            2.0 * hamacher(effort, ready_to_lift(now.seen.hand, lid))
                + 8.0 * lifted(lid, now.start.goal)
        };
        // A lid that was kicked over onto the box earns nothing.
        reward * now.seen.upright([0.707, 0.0, 0.0, 0.707], 0.2)
    },
    expert: |seen| {
        let hand = seen.hand;
        let lid = raised(seen.object, 0.02);
        let goal = [seen.goal[0], seen.goal[1], 0.15];
        let target = if planar(hand, lid) > 0.01 {
            [lid[0], lid[1], 0.2]
        } else if (hand[2] - lid[2]).abs() > 0.05 {
            lid
        } else if (hand[2] - goal[2]).abs() > 0.04 {
            [hand[0], hand[1], goal[2]]
        } else {
            goal
        };
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, lid, 0.01, 0.13) {
                1.0
            } else {
                0.5
            },
        )
    },
    ..Task::USUAL
};

/// How well the hand is at the lid's handle, where it has to come down through a funnel.
fn ready_to_lift(hand: [f64; 3], lid: [f64; 3]) -> f64 {
    const THRESHOLD: f64 = 0.02;
    let radius = planar(hand, lid);
    let floor = if radius <= THRESHOLD {
        0.0
    } else {
        0.04 * (radius - THRESHOLD).ln() + 0.4
    };
    hamacher(
        above(floor, hand[2], floor / 2.0),
        near(distance(hand, lid), 0.02, 0.5),
    )
}

/// How well the lid is on the box; errors in z count threefold.
fn lifted(lid: [f64; 3], goal: [f64; 3]) -> f64 {
    0.2 * f64::from(lid[2] > 0.04) + 0.8 * near(scaled(goal, lid, [1.0, 1.0, 3.0]), 0.05, 0.25)
}
