//! Box-close: put the lid on the box; after `metaworld/envs/sawyer_box_close_v3.py` and
//! `metaworld/policies/sawyer_box_close_v3_policy.py`.

use super::reward::{distance, hamacher, tolerance};
use super::rules::{Rules, Seen, Start, Task, planar, raised, towards, weighted};
use super::sawyer::Sawyer;
use protege_core::Result;

/// The task. The hand's place and the lid's height are 32-bit numbers upstream.
pub const TASK: Task = Task {
    id: "metaworld/box-close",
    scene: "sawyer_box.xml",
    hand: [0.0, 0.6_f32 as f64, 0.2_f32 as f64],
    low: [-0.05, 0.5, 0.02, -0.1, 0.7, 0.133],
    high: [0.05, 0.55, 0.02, 0.1, 0.8, 0.133],
    apart: 0.25,
    settles_alike: false,
    bind,
};

struct BoxClose {
    body: usize,
    lid: usize,
    goal: usize,
}

fn bind(arm: &Sawyer) -> Result<Box<dyn Rules>> {
    Ok(Box::new(BoxClose { body: arm.body("boxbody")?, lid: arm.body("top_link")?, goal: arm.site("goal")? }))
}

impl Rules for BoxClose {
    fn arrange(&self, arm: &mut Sawyer, start: &Start) {
        let mut model = arm.plant.model_mut();
        model.body_pos_mut()[self.body][..2].copy_from_slice(&start.goal[..2]);
        model.site_pos_mut()[self.goal] = start.goal;
    }

    fn put(&self, arm: &mut Sawyer, start: &Start) {
        arm.wait();
        arm.put_object([start.object[0], start.object[1], f64::from(0.02_f32)]);
    }

    fn object(&self, arm: &Sawyer) -> ([f64; 3], [f64; 4]) {
        (arm.plant.data.xpos()[self.lid], arm.plant.data.xquat()[self.lid])
    }

    fn success(&self, arm: &Sawyer, start: &Start) -> bool {
        distance(arm.plant.data.xpos()[self.lid], start.goal) < 0.08
    }

    fn dense_reward(&self, arm: &Sawyer, start: &Start, seen: &Seen, grip: f64) -> f64 {
        let effort = (grip.clamp(-1.0, 1.0) + 1.0) / 2.0;
        let lid = raised(seen.object, 0.02);
        let reward = if self.success(arm, start) {
            10.0
        } else {
            2.0 * hamacher(effort, ready_to_lift(seen.hand, lid)) + 8.0 * lifted(lid, start.goal)
        };
        // A lid that was kicked over onto the box earns nothing.
        reward * seen.upright(0.2)
    }

    fn expert(&self, seen: &Seen) -> [f64; 4] {
        let (hand, lid) = (seen.hand, raised(seen.object, 0.02));
        let goal = [seen.goal[0], seen.goal[1], 0.15];
        let over = planar(hand, lid) <= 0.01;
        let target = if !over {
            [lid[0], lid[1], 0.2]
        } else if (hand[2] - lid[2]).abs() > 0.05 {
            lid
        } else if (hand[2] - goal[2]).abs() > 0.04 {
            [hand[0], hand[1], goal[2]]
        } else {
            goal
        };
        let grip = if over && (hand[2] - lid[2]).abs() <= 0.13 { 1.0 } else { 0.5 };
        towards(hand, target, 25.0, grip)
    }
}

/// How well the hand is at the lid's handle, where it has to come down through a funnel.
fn ready_to_lift(hand: [f64; 3], lid: [f64; 3]) -> f64 {
    const THRESHOLD: f64 = 0.02;
    let radius = planar(hand, lid);
    let floor = if radius <= THRESHOLD { 0.0 } else { 0.04 * (radius - THRESHOLD).ln() + 0.4 };
    let above = if hand[2] >= floor { 1.0 } else { tolerance(floor - hand[2], (0.0, 0.01), floor / 2.0) };
    hamacher(above, tolerance(distance(hand, lid), (0.0, 0.02), 0.5))
}

/// How well the lid is on the box; errors in z count threefold.
fn lifted(lid: [f64; 3], goal: [f64; 3]) -> f64 {
    0.2 * f64::from(lid[2] > 0.04) + 0.8 * tolerance(weighted(goal, lid), (0.0, 0.05), 0.25)
}
