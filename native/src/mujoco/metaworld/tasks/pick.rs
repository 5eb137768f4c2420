//! Pick-out-of-hole, bin-picking, shelf-place, basketball and hand-insert: take a thing from one
//! place to another; after `metaworld/envs/sawyer_pick_out_of_hole_v3.py`,
//! `sawyer_bin_picking_v3.py`, `sawyer_shelf_place_v3.py`, `sawyer_basketball_v3.py`,
//! `sawyer_hand_insert_v3.py` and their policies.

use super::super::caging::{Cage, Density, caging};
use super::super::reward::{above, distance, hamacher, near};
use super::super::sawyer::Part::{Body, Geom, Site};
use super::super::task::{
    Now, Task, descend, is_at, narrow, planar, plus, raised, scaled, towards,
};

/// Take the puck out of the hole.
pub const PICK_OUT_OF_HOLE: Task = Task {
    id: "metaworld/pick-out-of-hole",
    about: "Take the puck out of the hole to a point in the air.",
    expert_success: 1.0,
    scene: "sawyer_pick_out_of_hole.xml",
    parts: &[Body("obj"), Site("goal")],
    lead_low: [-0.5, 0.4, -0.05],
    low: &[0.0, 0.75, 0.02, -0.1, 0.5, 0.15],
    high: &[0.0, 0.75, 0.02, 0.1, 0.6, 0.3],
    apart: 0.15,
    arrange: |arm, start| arm.mark(1, start.goal),
    success: |now| now.to_goal() <= 0.07,
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let fingers = now.arm.between_fingers();
        let in_place = near(
            now.to_goal(),
            0.02,
            distance(now.start.object, now.start.goal),
        );
        let cage = Cage {
            effort: 0.1,
            ..Cage::new(0.015, 0.02, 0.03)
        };
        let reward = hamacher(caging(now, now.seen.object, &cage), in_place);
        let out = above(
            funnel(planar(fingers, now.start.object), 0.015, 0.15),
            fingers[2],
            0.02,
        );
        if lifted(now, now.to_object(), 0.33) {
            reward + 1.0 + 5.0 * hamacher(in_place, out)
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let puck = raised(seen.object, 0.02);
        let goal = seen.goal;
        let onwards = if (hand[2] - goal[2]).abs() > 0.04 {
            [hand[0], hand[1], goal[2]]
        } else {
            goal
        };
        let target = descend(hand, puck, (0.02, 0.01), 0.15, onwards);
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, puck, 0.02, 0.15) {
                0.1
            } else {
                0.0
            },
        )
    },
    ..Task::USUAL
};

/// Take the cube from one bin to the other.
pub const BIN_PICKING: Task = Task {
    id: "metaworld/bin-picking",
    about: "Bring the cube from one bin to the other.",
    expert_success: 1.0,
    scene: "sawyer_bin_picking.xml",
    parts: &[Body("obj"), Body("bin_goal")],
    lead_low: [-0.5, 0.4, 0.07],
    low: &[-0.21, 0.65, 0.02, 0.1199, 0.699, -0.001],
    high: &[-0.03, 0.75, 0.02, 0.1201, 0.701, 0.001],
    put: |arm, start| {
        start.object[2] = arm.at(0)[2];
        start.goal = arm.at(1);
        arm.put_object(start.object);
    },
    success: |now| now.to_goal() <= RADIUS,
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let hand = now.seen.hand;
        let in_place = near(
            now.to_goal(),
            RADIUS,
            distance(now.start.first, now.start.goal),
        );
        let cage = Cage {
            effort: 0.7,
            ..Cage::new(0.015, 0.05, 0.01)
        };
        let reward = hamacher(caging(now, now.seen.object, &cage), in_place);
        let [here, there] =
            [now.start.object, now.start.goal].map(|bin| funnel(planar(hand, bin), 0.02, 0.2));
        let clear = above(here.min(there), hand[2], 0.05);
        if lifted(now, distance(now.seen.object, hand), 0.43) {
            reward + 1.0 + 5.0 * hamacher(clear, in_place)
        } else {
            reward
        }
    },
    expert: |seen| {
        const BIN: [f64; 3] = [0.12, 0.7, 0.02];
        let [x, y, z] = seen.object;
        let hand = seen.hand;
        let cube = [x, y.clamp(0.675, 0.725), z + 0.03];
        let onwards = match (planar(hand, BIN) > 0.02, hand[2] < 0.15) {
            (true, true) => raised(hand, 0.1),
            (true, false) => [BIN[0], BIN[1], 0.18],
            (false, _) => BIN,
        };
        let target = descend(hand, cube, (0.02, 0.01), 0.15, onwards);
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, cube, 0.02, 0.02) {
                0.6
            } else {
                -1.0
            },
        )
    },
    ..Task::USUAL
};

/// Put the block into the shelf.
pub const SHELF_PLACE: Task = Task {
    id: "metaworld/shelf-place",
    about: "Put the block into the shelf.",
    expert_success: 0.98,
    scene: "sawyer_shelf_placing.xml",
    parts: &[Body("obj"), Geom("objGeom"), Body("shelf")],
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[-0.1, 0.5, 0.019, -0.1, 0.8, 0.299],
    high: &[0.1, 0.6, 0.021, 0.1, 0.9, 0.301],
    apart: 0.1,
    arrange: |arm, start| arm.move_body(2, raised(start.goal, -0.3)),
    put: |arm, start| {
        start.object[2] = arm.at(0)[2];
        arm.plant.data.forward();
        arm.put_object(start.object);
    },
    object: |arm| (arm.at(0), arm.scalar_last(1)),
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
        let cage = Cage {
            density: Density::Low,
            ..Cage::new(0.02, 0.05, 0.01)
        };
        let reward = hamacher(caging(now, now.seen.object, &cage), in_place);
        if now.holds(0.025) {
            reward + 1.0 + 5.0 * beside_shelf(now, in_place)
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let block = plus(seen.object, [-0.005, 0.0, 0.015]);
        let onwards = if (hand[0] - seen.goal[0]).abs() > 0.02 {
            [seen.goal[0], hand[1], 0.3]
        } else if hand[2] < 0.3 {
            raised(hand, 0.3)
        } else {
            plus(hand, [0.0, 0.05, 0.0])
        };
        let target = descend(hand, block, (0.04, 0.04), 0.3, onwards);
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, seen.object, 0.04, 0.15) {
                0.7
            } else {
                -1.0
            },
        )
    },
    ..Task::USUAL
};

/// Drop the ball into the hoop.
pub const BASKETBALL: Task = Task {
    id: "metaworld/basketball",
    about: "Drop the ball into the hoop.",
    expert_success: 0.94,
    scene: "sawyer_basketball.xml",
    parts: &[Body("bsktball"), Body("basket_goal"), Site("goal")],
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[-0.1, 0.6, 0.0299, -0.1, 0.85, 0.0],
    high: &[0.1, 0.7, 0.0301, 0.1, 0.9 + 1e-7, 0.0],
    apart: 0.15,
    arrange: |arm, start| arm.move_body(1, start.goal),
    put: |arm, start| {
        start.object[2] = narrow([0.03; 3])[2];
        start.goal = arm.at(2);
        arm.put_object(start.object);
    },
    success: |now| to_hoop(now, now.seen.object) <= 0.08,
    reward: |now| {
        let to_go = to_hoop(now, now.seen.object);
        if to_go < 0.08 {
            return 10.0;
        }
        let in_place = near(to_go, 0.08, to_hoop(now, now.start.object));
        if now.holds(0.035) {
            return hamacher(1.0, in_place) + 1.0 + 5.0 * in_place;
        }
        hamacher(
            caging(now, now.seen.object, &Cage::new(0.025, 0.06, 0.005)),
            in_place,
        )
    },
    expert: |seen| {
        let hand = seen.hand;
        let ball = raised(seen.object, 0.01);
        let hoop = [seen.goal[0], 0.875, 0.35];
        let onwards = if (ball[2] - hoop[2]).abs() > 0.025 {
            [hand[0], hand[1], hoop[2]]
        } else {
            hoop
        };
        let target = descend(hand, ball, (0.04, 0.025), 0.3, onwards);
        towards(
            hand,
            target,
            25.0,
            if is_at(hand, seen.object, 0.04, 0.15) {
                0.6
            } else {
                -1.0
            },
        )
    },
    ..Task::USUAL
};

/// Put the block, and the hand with it, into the hole.
pub const HAND_INSERT: Task = Task {
    id: "metaworld/hand-insert",
    about: "Put the block, and the hand with it, into the hole.",
    expert_success: 0.96,
    scene: "sawyer_table_with_hole.xml",
    parts: &[Body("obj"), Site("goal")],
    hand: narrow([0.0, 0.6, 0.2]),
    lead_low: [-0.5, 0.4, -0.15],
    low: &[-0.1, 0.6, 0.05, -0.04, 0.8, -0.0201],
    high: &[0.1, 0.7, 0.05, 0.04, 0.88, -0.0199],
    apart: 0.15,
    arrange: |arm, start| arm.mark(1, start.goal),
    success: |now| now.to_goal() <= RADIUS,
    reward: |now| {
        if now.to_goal() < RADIUS {
            return 10.0;
        }
        let in_place = near(
            now.to_goal(),
            RADIUS,
            distance(now.start.object, now.start.goal),
        );
        let reward = hamacher(
            caging(now, now.seen.object, &Cage::new(0.015, 0.05, 0.005)),
            in_place,
        );
        if now.to_object() < 0.02 && now.seen.open > 0.0 {
            reward + 1.0 + 7.0 * in_place
        } else {
            reward
        }
    },
    expert: |seen| {
        let hand = seen.hand;
        let block = seen.object;
        let goal = seen.goal;
        let target = if planar(hand, block) > 0.02 {
            raised(block, 0.1)
        } else if (hand[2] - block[2]).abs() > 0.05 {
            raised(block, 0.03)
        } else if planar(hand, goal) > 0.04 {
            [goal[0], goal[1], hand[2]]
        } else {
            goal
        };
        towards(
            hand,
            target,
            10.0,
            if is_at(hand, block, 0.02, 0.1) {
                0.65
            } else {
                0.0
            },
        )
    },
    ..Task::USUAL
};

const RADIUS: f64 = 0.05;

/// How high the hand has to be, so far from a hole or a bin; both in meters.
fn funnel(radius: f64, slope: f64, height: f64) -> f64 {
    const THRESHOLD: f64 = 0.03;
    if radius > THRESHOLD {
        slope * (radius - THRESHOLD).ln() + height
    } else {
        0.0
    }
}

/// Whether the hand, so far from the object, has it and holds it up, and is not shut beyond
/// `pinched` with nothing in it.
fn lifted(now: &Now, away: f64, pinched: f64) -> bool {
    away < 0.04 && now.seen.object[2] - 0.02 > now.start.object[2] && now.seen.open >= pinched
}

/// The ball's way to above the hoop, where z counts twice.
fn to_hoop(now: &Now, from: [f64; 3]) -> f64 {
    let [x, y, _] = now.start.goal;
    scaled(from, [x, y, 0.3], [1.0, 1.0, 2.0])
}

/// How well the block is in its place, less what a block loses that is below the shelf and would
/// bump into it.
fn beside_shelf(now: &Now, in_place: f64) -> f64 {
    const BELOW: f64 = 0.24;
    const BEFORE: f64 = 3.0 * RADIUS;
    let [x, y, z] = now.seen.object;
    let [gx, gy, _] = now.start.goal;
    if !(0.0 < z && z < BELOW && gx - 0.15 < x && x < gx + 0.15) {
        in_place
    } else if y > gy {
        0.0
    } else if gy - BEFORE < y && y < gy {
        (in_place - hamacher((y - (gy - BEFORE)) / BEFORE, (BELOW - z) / BELOW)).clamp(0.0, 1.0)
    } else {
        in_place
    }
}
