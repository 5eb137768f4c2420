//! Pick-place: bring the puck to a point in the air; after `metaworld/envs/sawyer_pick_place_v3.py` and
//! `metaworld/policies/sawyer_pick_place_v3_policy.py`.

use super::reward::{distance, distance_along, hamacher, tolerance};
use super::rules::{Rules, Seen, Start, Task, planar, raised, towards};
use super::sawyer::Sawyer;
use protege_core::Result;

/// The task.
pub const TASK: Task = Task {
    id: "metaworld/pick-place",
    scene: "sawyer_pick_place_v3.xml",
    hand: [0.0, 0.6, 0.2],
    low: [-0.1, 0.6, 0.02, -0.1, 0.8, 0.05],
    high: [0.1, 0.7, 0.02, 0.1, 0.9, 0.3],
    apart: 0.15,
    settles_alike: true,
    bind,
};

struct PickPlace {
    body: usize,
    geom: usize,
    goal: usize,
}

fn bind(arm: &Sawyer) -> Result<Box<dyn Rules>> {
    Ok(Box::new(PickPlace { body: arm.body("obj")?, geom: arm.geom("objGeom")?, goal: arm.site("goal")? }))
}

impl Rules for PickPlace {
    fn arrange(&self, arm: &mut Sawyer, start: &Start) {
        arm.plant.model_mut().site_pos_mut()[self.goal] = start.goal;
    }

    fn object(&self, arm: &Sawyer) -> ([f64; 3], [f64; 4]) {
        (arm.plant.data.xpos()[self.body], scalar_last(&arm.plant.data.geom_xmat()[self.geom]))
    }

    fn success(&self, arm: &Sawyer, start: &Start) -> bool {
        distance(arm.plant.data.xpos()[self.body], start.goal) <= 0.07
    }

    fn dense_reward(&self, arm: &Sawyer, start: &Start, seen: &Seen, grip: f64) -> f64 {
        const RADIUS: f64 = 0.05;
        let object = seen.object;
        let to_goal = distance(object, start.goal);
        if to_goal < RADIUS {
            return 10.0;
        }
        let in_place = tolerance(to_goal, (0.0, RADIUS), distance(start.object, start.goal));
        let reward = hamacher(caging(arm, start, object, grip), in_place);
        let held = distance(object, arm.between_fingers()) < 0.02 && seen.open > 0.0 && object[2] - 0.01 > start.object[2];
        if held { reward + 1.0 + 5.0 * in_place } else { reward }
    }

    fn expert(&self, seen: &Seen) -> [f64; 4] {
        let puck = [seen.object[0] - 0.005, seen.object[1], seen.object[2]];
        let target = if planar(seen.hand, puck) > 0.02 {
            raised(puck, 0.1)
        } else if (seen.hand[2] - puck[2]).abs() > 0.05 && puck[2] < 0.04 {
            raised(puck, 0.03)
        } else if seen.open > 0.73 {
            seen.hand
        } else {
            seen.goal
        };
        let grip = if distance(seen.hand, seen.object) < 0.07 { 1.0 } else { 0.0 };
        towards(seen.hand, target, 10.0, grip)
    }
}

/// How well the fingers enclose the puck, and press it. What upstream keeps as the pads' first places moves along with the pads
/// (the arrays are views of the simulation), so the margins are taken from where they are now.
fn caging(arm: &Sawyer, start: &Start, object: [f64; 3], grip: f64) -> f64 {
    const MARGIN: f64 = 0.05;
    const XZ_MARGIN: f64 = 0.005;
    let [left, right] = arm.pads();
    let beside = |pad: f64, gap: f64| tolerance(gap, (0.015, MARGIN), ((object[1] - pad).abs() - MARGIN).abs());
    let y = hamacher(beside(left, left - object[1]), beside(right, object[1] - right));
    let margin = distance_along(1, start.object, start.fingers) - XZ_MARGIN;
    let xz = tolerance(distance_along(1, arm.between_fingers(), object), (0.0, XZ_MARGIN), margin);
    let caging = hamacher(y, xz);
    let gripping = if caging > 0.97 { grip.clamp(0.0, 1.0) } else { 0.0 };
    (hamacher(caging, gripping) + caging) / 2.0
}

/// A rotation matrix (row-major) as x, y, z, w, with the sign that `scipy.spatial.transform.Rotation.as_quat` gives it.
fn scalar_last(m: &[f64; 9]) -> [f64; 4] {
    let at = |row: usize, column: usize| m[3 * row + column];
    let trace = at(0, 0) + at(1, 1) + at(2, 2);
    let candidates = [at(0, 0), at(1, 1), at(2, 2), trace];
    // The first of the largest, as numpy's argmax.
    let largest = (1..4).fold(0, |best, i| if candidates[i] > candidates[best] { i } else { best });
    let mut q = [0.0; 4];
    if largest == 3 {
        q = [at(2, 1) - at(1, 2), at(0, 2) - at(2, 0), at(1, 0) - at(0, 1), 1.0 + trace];
    } else {
        let (i, j, k) = (largest, (largest + 1) % 3, (largest + 2) % 3);
        q[i] = 1.0 - trace + 2.0 * at(i, i);
        q[j] = at(j, i) + at(i, j);
        q[k] = at(k, i) + at(i, k);
        q[3] = at(k, j) - at(j, k);
    }
    let length = q.iter().map(|v| v * v).sum::<f64>().sqrt();
    q.map(|v| v / length)
}
