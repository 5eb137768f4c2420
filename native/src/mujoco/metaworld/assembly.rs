//! Assembly: put the ring over the peg; after `metaworld/envs/sawyer_assembly_peg_v3.py` and
//! `metaworld/policies/sawyer_assembly_v3_policy.py`.

use super::reward::{distance, distance_along, hamacher, tolerance};
use super::rules::{Rules, Seen, Start, Task, planar, raised, towards, weighted};
use super::sawyer::Sawyer;
use protege_core::Result;

/// The task. The hand's place is in 32-bit numbers upstream.
pub const TASK: Task = Task {
    id: "metaworld/assembly",
    scene: "sawyer_assembly_peg.xml",
    hand: [0.0, 0.6_f32 as f64, 0.2_f32 as f64],
    low: [0.0, 0.6, 0.02, -0.1, 0.75, 0.1],
    high: [0.0, 0.6, 0.02, 0.1, 0.85, 0.1],
    apart: 0.1,
    settles_alike: true,
    bind,
};

/// Half the height of the peg, whose top is the goal.
const PEG: f64 = 0.05;

struct Assembly {
    peg: usize,
    nut: usize,
    /// The middle of the ring.
    ring: usize,
    /// Where the handle is gripped.
    handle: usize,
}

fn bind(arm: &Sawyer) -> Result<Box<dyn Rules>> {
    let (ring, handle) = (arm.site("RoundNut")?, arm.site("RoundNut-8")?);
    Ok(Box::new(Assembly { peg: arm.body("peg")?, nut: arm.body("RoundNut")?, ring, handle }))
}

impl Rules for Assembly {
    fn arrange(&self, arm: &mut Sawyer, start: &Start) {
        arm.plant.model_mut().body_pos_mut()[self.peg] = raised(start.goal, -PEG);
    }

    fn object(&self, arm: &Sawyer) -> ([f64; 3], [f64; 4]) {
        (arm.plant.data.site_xpos()[self.handle], arm.plant.data.xquat()[self.nut])
    }

    fn success(&self, arm: &Sawyer, start: &Start) -> bool {
        let ring = arm.plant.data.site_xpos()[self.ring];
        planar(start.goal, ring) < 0.02 && start.goal[2] > ring[2]
    }

    fn dense_reward(&self, arm: &Sawyer, start: &Start, seen: &Seen, grip: f64) -> f64 {
        let success = self.success(arm, start);
        if success {
            return 10.0;
        }
        let grab = caging(arm, start, along_handle(seen), grip);
        let in_place = in_place(arm.plant.data.site_xpos()[self.ring], start.goal);
        (2.0 * grab + 6.0 * in_place) * seen.upright(0.4)
    }

    fn expert(&self, seen: &Seen) -> [f64; 4] {
        let hand = seen.hand;
        let wrench = [seen.object[0] - 0.02, seen.object[1], seen.object[2]];
        let peg = [seen.goal[0] + 0.12, seen.goal[1], seen.goal[2] + 0.14];
        let over = planar(hand, wrench) <= 0.02;
        let target = if !over {
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
        let grip = if over && (hand[2] - wrench[2]).abs() <= 0.12 { 0.6 } else { 0.0 };
        towards(hand, target, 10.0, grip)
    }
}

/// The point of the handle that the hand is over, as far as the handle reaches.
fn along_handle(seen: &Seen) -> [f64; 3] {
    let [x, y, z] = seen.object;
    [if (x - seen.hand[0]).abs() < 0.01 { seen.hand[0] } else { x }, y, z]
}

/// How well the ring is on the peg, or on its way there through a funnel; for a ring that is not there yet.
fn in_place(ring: [f64; 3], goal: [f64; 3]) -> f64 {
    const THRESHOLD: f64 = 0.01;
    let radius = planar(goal, ring);
    let height = if radius > THRESHOLD { 0.02 * (radius - THRESHOLD).ln() + 0.2 } else { 0.0 };
    let lifted = ring[2] > 0.02 || radius < THRESHOLD;
    0.1 * f64::from(lifted) + 0.9 * tolerance(weighted([goal[0], goal[1], height], ring), (0.0, 0.02), 0.4)
}

/// How well the fingers enclose the object, press it and are near it (`_gripper_caging_reward`, of medium density).
fn caging(arm: &Sawyer, start: &Start, object: [f64; 3], grip: f64) -> f64 {
    const RADIUS: f64 = 0.015;
    const PAD: f64 = 0.02;
    const NEAR: f64 = 0.01;
    let fingers = arm.between_fingers();
    let beside = |pad: f64| tolerance((pad - object[1]).abs(), (RADIUS, PAD), ((pad - start.object[1]).abs() - PAD).abs());
    let [left, right] = arm.pads().map(beside);
    let margin = distance_along(1, start.object, start.fingers) - NEAR;
    let xz = tolerance(distance_along(1, fingers, object), (0.0, NEAR), margin);
    let caging = hamacher(hamacher(left, right), xz);
    let gripping = if caging > 0.97 { grip.clamp(0.0, 1.0) } else { 0.0 };
    let margin = (distance(start.object, start.fingers) - NEAR).abs();
    (hamacher(caging, gripping) + tolerance(distance(object, fingers), (0.0, NEAR), margin)) / 2.0
}
