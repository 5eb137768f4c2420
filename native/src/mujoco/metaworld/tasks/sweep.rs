//! Sweep, sweep-into and soccer: move what lies on the table to the side, into a hole, into the
//! goal; after `metaworld/envs/sawyer_sweep_v3.py`, `sawyer_sweep_into_goal_v3.py`,
//! `sawyer_soccer_v3.py` and their policies.

use super::super::caging::pinching;
use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Now, Task, descend, is_at, planar, plus, raised, scaled, towards};
use super::{PUCK, puck};

/// Sweep the cube off the table.
pub const SWEEP: Task = Task {
    id: "metaworld/sweep",
    about: "Sweep the cube to the right.",
    expert_success: 1.0,
    scene: "sawyer_sweep_v3.xml",
    parts: &[Body("obj"), Site("goal")],
    low: &[-0.1, 0.6, 0.02],
    high: &[0.1, 0.7, 0.02],
    arrange: |arm, start| {
        start.goal = [0.5, start.object[1], 0.01];
        arm.mark(1, start.goal);
    },
    success: |now| now.to_goal() <= RADIUS,
    reward: |now| swept(now, now.start.goal, pinching(now, 0.02, 0.01, 0.005)),
    expert: |seen| {
        let hand = seen.hand;
        let cube = raised(seen.object, 0.015);
        let away = raised(seen.goal, 0.1);
        let target = if hand[0] < 0.2 {
            descend(hand, cube, (0.04, 0.04), 0.3, away)
        } else {
            away
        };
        let grips = is_at(hand, seen.object, 0.04, 0.15) && seen.object[0] < 0.4;
        towards(hand, target, 25.0, if grips { 0.7 } else { -1.0 })
    },
    ..Task::USUAL
};

/// Sweep the puck into the hole. Upstream draws a goal, and uses it for nothing.
pub const SWEEP_INTO: Task = Task {
    id: "metaworld/sweep-into",
    about: "Sweep the puck into the hole.",
    expert_success: 0.96,
    scene: "sawyer_table_with_hole.xml",
    parts: PUCK,
    low: &[-0.1, 0.6, 0.02, HOLE[0], HOLE[1], HOLE[2]],
    high: &[0.1, 0.7, 0.02, HOLE[0], HOLE[1], HOLE[2]],
    apart: 0.15,
    arrange: |arm, start| {
        start.goal = HOLE;
        arm.mark(2, HOLE);
    },
    put: |arm, start| {
        start.object[2] = arm.at(0)[2];
        arm.put_object(start.object);
    },
    object: puck,
    success: |now| distance(now.seen.object, hole(now)) <= RADIUS,
    reward: |now| swept(now, hole(now), pinching(now, 0.02, 0.005, 0.01)),
    expert: |seen| {
        let target = descend(
            seen.hand,
            plus(seen.object, [-0.005, 0.0, 0.01]),
            (0.04, 0.04),
            0.3,
            seen.goal,
        );
        towards(
            seen.hand,
            target,
            25.0,
            if is_at(seen.hand, seen.object, 0.04, 0.15) {
                0.7
            } else {
                -1.0
            },
        )
    },
    ..Task::USUAL
};

/// Shoot the ball into the goal.
pub const SOCCER: Task = Task {
    id: "metaworld/soccer",
    about: "Shoot the ball into the goal.",
    expert_success: 0.98,
    scene: "sawyer_soccer.xml",
    parts: &[Body("soccer_ball"), Body("goal_whole"), Site("goal")],
    low: &[-0.1, 0.6, 0.03, -0.1, 0.8, 0.0],
    high: &[0.1, 0.7, 0.03, 0.1, 0.9, 0.0],
    apart: 0.15,
    arrange: |arm, start| {
        arm.move_body(1, start.goal);
        arm.mark(2, start.goal);
    },
    object: |arm| (arm.at(0), arm.scalar_last(0)),
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        const WEIGHTS: [f64; 3] = [3.0, 1.0, 1.0];
        let ball = now.seen.object;
        let goal = now.start.goal;
        let to_goal = scaled(ball, goal, WEIGHTS);
        if to_goal < 0.07 {
            return 10.0;
        }
        let in_place = near(to_goal, 0.07, scaled(ball, now.start.object, WEIGHTS));
        let line = goal[1] - 0.1;
        let beside = ball[1] > line && (ball[0] - goal[0]).abs() > 0.1;
        let loss = if beside {
            2.0 * (ball[1] - line) / (1.0 - line)
        } else {
            0.0
        };
        3.0 * pinching(now, 0.013, 0.01, 0.005) + 6.5 * (in_place - loss).clamp(0.0, 1.0)
    },
    expert: |seen| {
        const OFFSET: f64 = 0.03;
        let hand = seen.hand;
        let ball = raised(seen.object, 0.03);
        let height = if planar(hand, ball) < 0.02 { 0.1 } else { 0.03 };
        let aside = ball[0] - seen.goal[0];
        let behind = if aside < -0.05 {
            [ball[0] - OFFSET, ball[1], height]
        } else if aside > 0.05 {
            [ball[0] + OFFSET, ball[1], height]
        } else {
            [ball[0], ball[1] - OFFSET, height]
        };
        towards(
            hand,
            if distance(hand, behind) > 0.01 {
                behind
            } else {
                ball
            },
            25.0,
            1.0,
        )
    },
    ..Task::USUAL
};

const RADIUS: f64 = 0.05;
/// Where the hole is, in meters.
const HOLE: [f64; 3] = [0.0, 0.84, 0.02];

/// The hole, at the height of the puck.
fn hole(now: &Now) -> [f64; 3] {
    [HOLE[0], HOLE[1], now.seen.object[2]]
}

fn swept(now: &Now, goal: [f64; 3], pinched: f64) -> f64 {
    let to_goal = distance(now.seen.object, goal);
    let in_place = near(to_goal, RADIUS, distance(now.start.object, goal));
    if to_goal < RADIUS {
        10.0
    } else {
        2.0 * pinched + 6.0 * hamacher(pinched, in_place)
    }
}
