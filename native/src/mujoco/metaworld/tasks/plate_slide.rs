//! Plate-slide, into the goal and out of it, forwards and sideways; after
//! `metaworld/envs/sawyer_plate_slide_v3.py`, `sawyer_plate_slide_side_v3.py`,
//! `sawyer_plate_slide_back_v3.py`, `sawyer_plate_slide_back_side_v3.py` and their policies.

use super::super::reward::{distance, hamacher, near};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{Body, Geom, Site};
use super::super::task::{Now, Task, descend, narrow, plus, towards};

/// Slide the plate away, into the goal.
pub const PLATE_SLIDE: Task = Task {
    id: "metaworld/plate-slide",
    about: "Slide the plate into the goal.",
    expert_success: 1.0,
    scene: "sawyer_plate_slide.xml",
    parts: &[Geom("puck"), Body("puck_goal"), Site("goal")],
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[0.0, 0.6, 0.0, -0.1, 0.85, 0.0],
    high: &[0.0, 0.6, 0.0, 0.1, 0.9, 0.0],
    arrange: |arm, start| {
        arm.move_body(1, start.goal);
        arm.mark(2, start.goal);
    },
    put: |arm, _| arm.put(OBJECT, &[0.0; 2], 0..0),
    object: |arm| (arm.at(0), arm.scalar_last(0)),
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
        let grasped = near(
            now.to_object(),
            RADIUS,
            distance(now.start.fingers, now.start.object),
        );
        8.0 * hamacher(grasped, in_place)
    },
    expert: |seen| {
        let hand = seen.hand;
        let plate = plus(seen.object, [0.0, -0.055, 0.03]);
        let target = descend(
            hand,
            plate,
            (0.03, 0.04),
            0.1,
            [seen.goal[0], 0.9, plate[2]],
        );
        towards(hand, target, 10.0, -1.0)
    },
    ..Task::USUAL
};

/// Slide the plate to the left, into the goal.
pub const PLATE_SLIDE_SIDE: Task = Task {
    id: "metaworld/plate-slide-side",
    about: "Slide the plate sideways into the goal.",
    expert_success: 1.0,
    scene: "sawyer_plate_slide_sideway.xml",
    low: &[0.0, 0.6, 0.0, -0.3, 0.54, 0.0],
    high: &[0.0, 0.6, 0.0, -0.25, 0.66, 0.0],
    arrange: |arm, start| arm.mark(2, start.goal),
    reward: held_down,
    expert: |seen| {
        let hand = seen.hand;
        let plate = plus(seen.object, [0.07, 0.0, -0.005]);
        let onwards = if hand[0] > -0.2 {
            [hand[0] - 0.1, 0.6, hand[2]]
        } else {
            plus(plate, [-0.1, 0.0, 0.0])
        };
        towards(
            hand,
            descend(hand, plate, (0.04, 0.04), 0.1, onwards),
            25.0,
            1.0,
        )
    },
    ..PLATE_SLIDE
};

/// Slide the plate back, out of the goal.
pub const PLATE_SLIDE_BACK: Task = Task {
    id: "metaworld/plate-slide-back",
    about: "Slide the plate out of the goal.",
    expert_success: 1.0,
    low: &[0.0, 0.85, 0.0, -0.1, 0.6, 0.015],
    high: &[0.0, 0.85, 0.0, 0.1, 0.6, 0.015],
    arrange: |arm, start| arm.mark(2, start.goal),
    put: |arm, _| arm.put(OBJECT, &[0.0, 0.15], 0..0),
    reward: held_down,
    expert: |seen| {
        let hand = seen.hand;
        let plate = plus(seen.object, [0.0, -0.065, 0.025]);
        let onwards = if hand[1] > 0.7 {
            plus(hand, [0.0, -0.1, 0.0])
        } else if hand[1] > 0.6 {
            [0.15, 0.55, hand[2]]
        } else {
            [hand[0] - 0.1, 0.55, hand[2]]
        };
        towards(
            hand,
            descend(hand, plate, (0.01, 0.04), 0.1, onwards),
            10.0,
            -1.0,
        )
    },
    ..PLATE_SLIDE
};

/// Slide the plate to the right, out of the goal.
pub const PLATE_SLIDE_BACK_SIDE: Task = Task {
    id: "metaworld/plate-slide-back-side",
    about: "Slide the plate sideways out of the goal.",
    expert_success: 1.0,
    scene: "sawyer_plate_slide_sideway.xml",
    low: &[-0.25, 0.6, 0.0, -0.05, 0.6, 0.015],
    high: &[-0.25, 0.6, 0.0, 0.15, 0.6, 0.015],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        arm.mark(2, start.goal);
    },
    put: |arm, _| arm.put(OBJECT, &[-0.15, 0.0], 0..0),
    reward: held_down,
    expert: |seen| {
        let hand = seen.hand;
        let plate = plus(seen.object, [0.023, 0.0, 0.025]);
        towards(
            hand,
            descend(
                hand,
                plate,
                (0.01, 0.04),
                0.07,
                [hand[0] + 0.1, 0.6, hand[2]],
            ),
            10.0,
            1.0,
        )
    },
    ..PLATE_SLIDE
};

const RADIUS: f64 = 0.05;

/// How well the fingers hold the plate down from above, and it is where it belongs.
fn held_down(now: &Now) -> f64 {
    if now.to_goal() < RADIUS {
        10.0
    } else if now.arm.between_fingers()[2] <= 0.03 && now.to_object() < 0.07 {
        2.0 + 7.0
            * near(
                now.to_goal(),
                RADIUS,
                distance(now.start.object, now.start.goal) - RADIUS,
            )
    } else {
        1.5 * near(
            now.to_object(),
            RADIUS,
            distance(now.start.fingers, now.start.object) - RADIUS,
        )
    }
}
