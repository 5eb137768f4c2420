//! Window-open and window-close; after `metaworld/envs/sawyer_window_open_v3.py`,
//! `sawyer_window_close_v3.py` and their policies.

use super::super::reward::{distance, hamacher, near, near_sharply};
use super::super::sawyer::OBJECT;
use super::super::sawyer::Part::{Body, Site};
use super::super::task::{Now, Task, descend, narrow, plus, towards};

/// Slide the window to the right.
pub const WINDOW_OPEN: Task = Task {
    id: "metaworld/window-open",
    about: "Slide the window to the right.",
    expert_success: 1.0,
    scene: "sawyer_window_horizontal.xml",
    parts: &[Site("handleOpenStart"), Body("window"), Site("goal")],
    hand: narrow([0.0, 0.4, 0.2]),
    low: &[-0.1, 0.7, 0.16],
    high: &[0.1, 0.9, 0.16],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        start.goal = plus(start.object, [TRAVEL, 0.0, 0.0]);
        arm.mark(2, start.goal);
    },
    put: |arm, start| {
        start.handle = arm.at(0);
        arm.plant.data.qpos_mut()[OBJECT] = 0.0;
    },
    object: |arm| (arm.at(0), [0.0; 4]),
    success: |now| to_slide(now, now.seen.object) <= RADIUS,
    reward: |now| slid(now, to_slide(now, now.start.object), near),
    expert: |seen| {
        let handle = plus(seen.object, [-0.03, -0.03, -0.08]);
        let target = descend(
            seen.hand,
            handle,
            (0.04, 0.02),
            0.3,
            plus(handle, [0.1, 0.0, 0.0]),
        );
        towards(seen.hand, target, 25.0, 1.0)
    },
    ..Task::USUAL
};

/// Slide the window to the left.
pub const WINDOW_CLOSE: Task = Task {
    id: "metaworld/window-close",
    about: "Slide the window to the left.",
    expert_success: 1.0,
    parts: &[Site("handleCloseStart"), Body("window"), Site("goal")],
    low: &[0.0, 0.75, 0.2],
    high: &[0.0, 0.9, 0.2],
    arrange: |arm, start| {
        arm.move_body(1, start.object);
        arm.mark(2, start.goal);
    },
    put: |arm, start| {
        start.handle = plus(arm.at(0), [TRAVEL, 0.0, 0.0]);
        arm.plant.data.qpos_mut()[OBJECT] = TRAVEL;
    },
    reward: |now| slid(now, to_slide(now, now.start.handle), near_sharply),
    expert: |seen| {
        let handle = plus(seen.object, [0.03, -0.03, -0.08]);
        let target = descend(
            seen.hand,
            handle,
            (0.04, 0.02),
            0.25,
            plus(handle, [-0.1, 0.0, 0.0]),
        );
        towards(seen.hand, target, 25.0, 1.0)
    },
    ..WINDOW_OPEN
};

const RADIUS: f64 = 0.05;
/// How far the window slides, in meters.
const TRAVEL: f64 = 0.2;

fn to_slide(now: &Now, from: [f64; 3]) -> f64 {
    (from[0] - now.start.goal[0]).abs()
}

/// How well the window is where it belongs, `whole` meters from where it was, and the hand at its
/// handle, by a measure of that.
fn slid(now: &Now, whole: f64, near_handle: fn(f64, f64, f64) -> f64) -> f64 {
    const HANDLE: f64 = 0.02;
    let in_place = near(
        to_slide(now, now.seen.object),
        RADIUS,
        (whole - RADIUS).abs(),
    );
    let margin = (distance(now.start.handle, now.start.fingers) - HANDLE).abs();
    10.0 * hamacher(near_handle(now.to_object(), HANDLE, margin), in_place)
}
