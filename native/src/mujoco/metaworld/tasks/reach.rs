//! Reach and reach-wall: bring the hand to a point in the air; after
//! `metaworld/envs/sawyer_reach_v3.py`, `sawyer_reach_wall_v3.py` and their policies.

use super::super::reward::{distance, near};
use super::super::task::{Now, Task, raised, towards};
use super::{PUCK, puck};

/// The task without a wall.
pub const REACH: Task = Task {
    id: "metaworld/reach",
    about: "Bring the hand to a point in the air.",
    expert_success: 1.0,
    scene: "sawyer_reach_v3.xml",
    parts: PUCK,
    low: &[-0.1, 0.6, 0.02, -0.1, 0.8, 0.05],
    high: &[0.1, 0.7, 0.02, 0.1, 0.9, 0.3],
    apart: 0.15,
    arrange: |arm, start| arm.mark(2, start.goal),
    object: puck,
    success: |now| to_go(now) <= RADIUS,
    reward: |now| 10.0 * near(to_go(now), RADIUS, distance(now.task.hand, now.start.goal)),
    expert: |seen| towards(seen.hand, seen.goal, 5.0, 0.0),
    ..Task::USUAL
};

/// The task with a wall in the way.
pub const REACH_WALL: Task = Task {
    id: "metaworld/reach-wall",
    about: "Bring the hand to a point in the air over a wall.",
    expert_success: 1.0,
    scene: "sawyer_reach_wall_v3.xml",
    low: &[-0.05, 0.6, 0.015, -0.05, 0.85, 0.05],
    high: &[0.05, 0.65, 0.015, 0.05, 0.9, 0.3],
    expert: |seen| {
        let [x, y, z] = seen.hand;
        let behind = (-0.1..=0.3).contains(&x) && (0.6..=0.8).contains(&y) && z < 0.25;
        towards(
            seen.hand,
            if behind {
                raised(seen.goal, 1.0)
            } else {
                seen.goal
            },
            5.0,
            0.0,
        )
    },
    ..REACH
};

const RADIUS: f64 = 0.05;

fn to_go(now: &Now) -> f64 {
    distance(now.arm.between_fingers(), now.start.goal)
}
