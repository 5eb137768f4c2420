//! The Panda's gripper (robosuite: models/grippers/panda_gripper.py,
//! controllers/parts/gripper/simple_grip.py): an action's sign opens or closes it, bit by bit.

use super::settings::Grip;
use serde::{Deserialize, Serialize};

/// What the gripper was told so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gripper {
    /// Of each finger, in [-1, 1].
    command: [f64; 2],
}

impl Gripper {
    /// A gripper that was told nothing yet.
    pub const fn new() -> Self {
        Self { command: [0.0; 2] }
    }

    /// Follows an action's last number by one bit (`format_action`): negative opens, positive
    /// closes, 0 holds.
    pub fn follow(&mut self, action: f64, grip: Grip) {
        let speed = match grip {
            Grip::EachControlStep => 0.2,
            Grip::EachPhysicsStep => 0.01,
        };
        // Not `signum`, which has no 0.
        let sign = f64::from(i8::from(action > 0.0) - i8::from(action < 0.0));
        for (command, side) in self.command.iter_mut().zip([-1.0, 1.0]) {
            *command = (*command + side * speed * sign).clamp(-1.0, 1.0);
        }
    }

    /// What is sent to the fingers' position controllers, of these ranges, m.
    pub fn control(&self, ranges: &[[f64; 2]; 2]) -> [f64; 2] {
        std::array::from_fn(|finger| {
            let [low, high] = ranges[finger];
            let middle = 0.5 * (high + low);
            let half = 0.5 * (high - low);
            (middle + half * self.command[finger]).clamp(low, high)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five control steps bring the gripper from one end to the middle, by either version's bits;
    /// 0 holds it there.
    #[test]
    fn the_sign_moves_the_fingers_and_zero_holds_them() {
        let ranges = [[0.0, 0.04], [-0.04, 0.0]];
        let mut gripper = Gripper::new();
        assert_eq!(gripper.control(&ranges), [0.02, -0.02]);
        (0..5).for_each(|_| gripper.follow(-0.1, Grip::EachControlStep));
        assert_eq!(gripper.control(&ranges), [0.04, -0.04]);
        (0..9).for_each(|_| gripper.follow(-1.0, Grip::EachControlStep));
        assert_eq!(gripper.control(&ranges), [0.04, -0.04]);
        (0..100).for_each(|_| gripper.follow(1.0, Grip::EachPhysicsStep));
        let held = gripper.clone();
        gripper.follow(0.0, Grip::EachControlStep);
        assert_eq!(gripper, held);
        let [left, right] = gripper.control(&ranges);
        assert!((left - 0.02).abs() < 1e-12 && (right + 0.02).abs() < 1e-12);
    }
}
