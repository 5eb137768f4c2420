//! Assembly and disassemble: put the ring over the peg, or take it off; after
//! `metaworld/envs/sawyer_assembly_peg_v3.py`, `sawyer_disassemble_peg_v3.py` and their policies.

use super::super::caging::{Cage, Density, caging};
use super::super::reward::{distance, near};
use super::super::sawyer::Part::{self, Body, Site};
use super::super::task::{
    Now, Task, descend, is_at, narrow, planar, plus, raised, scaled, towards,
};

/// Put the ring over the peg.
pub const ASSEMBLY: Task = Task {
    id: "metaworld/assembly",
    about: "Put the ring over the peg.",
    expert_success: 1.0,
    scene: "sawyer_assembly_peg.xml",
    parts: PARTS,
    hand: narrow([0.0, 0.6, 0.2]),
    low: &[0.0, 0.6, 0.02, -0.1, 0.75, 0.1],
    high: &[0.0, 0.6, 0.02, 0.1, 0.85, 0.1],
    apart: 0.1,
    settles_alike: true,
    arrange: |arm, start| arm.move_body(2, raised(start.goal, -PEG)),
    success: is_assembled,
    reward: |now| {
        if is_assembled(now) {
            return 10.0;
        }
        let cage = Cage {
            density: Density::Medium(0.01),
            ..CAGE
        };
        let grasped = caging(now, along_handle(now), &cage);
        (2.0 * grasped + 6.0 * over_peg(now.arm.at(1), now.start.goal))
            * now.seen.upright(LEVEL, 0.4)
    },
    expert: |seen| {
        let hand = seen.hand;
        let wrench = plus(seen.object, [-0.02, 0.0, 0.0]);
        let peg = plus(seen.goal, [0.12, 0.0, 0.14]);
        let target = if planar(hand, wrench) > 0.02 {
            raised(wrench, 0.1)
        } else if planar(hand, peg) <= 0.02 {
            raised(peg, -0.2)
        } else if (hand[2] - wrench[2]).abs() > 0.05 {
            raised(wrench, 0.03)
        } else if (hand[2] - peg[2]).abs() > 0.04 {
            [hand[0], hand[1], peg[2]]
        } else {
            peg
        };
        towards(
            hand,
            target,
            10.0,
            if is_at(hand, wrench, 0.02, 0.12) {
                0.6
            } else {
                0.0
            },
        )
    },
    ..Task::USUAL
};

/// Take the ring off the peg.
pub const DISASSEMBLE: Task = Task {
    id: "metaworld/disassemble",
    about: "Take the ring off the peg.",
    expert_success: 0.92,
    hand: narrow([0.0, 0.4, 0.2]),
    low: &[0.0, 0.6, 0.025, -0.1, 0.6, 0.1699],
    high: &[0.1, 0.75, 0.02501, 0.1, 0.75, 0.1701],
    settles_alike: false,
    arrange: |arm, start| {
        arm.move_body(2, raised(start.object, 0.03));
        arm.mark(3, raised(start.object, 0.08));
        start.goal = raised(start.object, 0.15);
    },
    put: |arm, start| {
        arm.plant.data.forward();
        arm.put_object(start.object);
    },
    success: is_off,
    reward: |now| {
        if is_off(now) {
            return 10.0;
        }
        let ring = now.arm.at(1);
        let off = near(distance(raised(now.start.goal, 0.1), ring), 0.02, 0.2);
        let in_place = 0.1 * f64::from(ring[2] > 0.02) + 0.9 * off;
        (2.0 * caging(now, along_handle(now), &CAGE) + 6.0 * in_place)
            * now.seen.upright(LEVEL, 0.4)
    },
    expert: |seen| {
        let hand = seen.hand;
        let wrench = plus(seen.object, [-0.02, 0.0, 0.01]);
        let target = descend(hand, wrench, (0.02, 0.03), 0.1, raised(hand, 0.1));
        towards(
            hand,
            target,
            10.0,
            if is_at(hand, wrench, 0.02, 0.07) {
                0.8
            } else {
                0.0
            },
        )
    },
    ..ASSEMBLY
};

/// Where the handle is gripped, the ring's middle, the peg and its top.
const PARTS: &[Part] = &[
    Site("RoundNut-8"),
    Site("RoundNut"),
    Body("peg"),
    Site("pegTop"),
];
const CAGE: Cage = Cage::new(0.015, 0.02, 0.01);
/// Half the height of the peg, whose top is the goal.
const PEG: f64 = 0.05;
/// The quaternion of a ring that lies level.
const LEVEL: [f64; 4] = [0.707, 0.0, 0.0, 0.707];

fn is_assembled(now: &Now) -> bool {
    let ring = now.arm.at(1);
    let goal = now.start.goal;
    planar(goal, ring) < 0.02 && goal[2] > ring[2]
}

fn is_off(now: &Now) -> bool {
    now.seen.object[2] > now.start.goal[2]
}

/// The point of the handle that the hand is over, as far as the handle reaches.
fn along_handle(now: &Now) -> [f64; 3] {
    let [x, y, z] = now.seen.object;
    let hand = now.seen.hand;
    [
        if (x - hand[0]).abs() < 0.01 {
            hand[0]
        } else {
            x
        },
        y,
        z,
    ]
}

/// How well the ring is on the peg, or on its way there through a funnel; for a ring that is not
/// there yet.
fn over_peg(ring: [f64; 3], goal: [f64; 3]) -> f64 {
    const THRESHOLD: f64 = 0.01;
    let radius = planar(goal, ring);
    let height = if radius > THRESHOLD {
        0.02 * (radius - THRESHOLD).ln() + 0.2
    } else {
        0.0
    };
    let lifted = ring[2] > 0.02 || radius < THRESHOLD;
    0.1 * f64::from(lifted)
        + 0.9
            * near(
                scaled([goal[0], goal[1], height], ring, [1.0, 1.0, 3.0]),
                0.02,
                0.4,
            )
}
