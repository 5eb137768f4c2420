//! The scripted experts of robosuite's tasks: stages inferred from the moment alone, proportional
//! control within a stage, as `lab`'s experts. So an expert recovers from whatever noise did.

mod can;
mod door;
mod geometry;
mod lift;
mod motion;
mod square;
mod stack;
mod tool_hang;

pub use can::can;
pub use door::door;
pub use lift::lift;
pub use square::square;
pub use stack::stack;
pub use tool_hang::tool_hang;

use super::transforms::{Matrix, Pose, quat_to_mat};
use protege_core::tasks::ExpertStyle;

/// An action, within [-1, 1]: the hand's move (3, of 5 cm), its turn about the world's axes (3, of
/// 0.5 rad), and the gripper (-1 opens, 1 closes).
pub type Action = [f64; super::arm::ACTION];

/// An expert: what it does at a moment, in its style; none where the moment lacks a thing.
pub type Expert = fn(&Moment, &ExpertStyle) -> Option<Action>;

/// Where everything is: what an expert sees, which is no more than an observation has.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    /// The point between the fingers, and how the hand is turned: its y is the way in which the
    /// fingers move, its z points out of the hand.
    pub hand: Pose,
    /// Where the fingers are, m: 0.04 and -0.04 are open.
    pub fingers: [f64; 2],
    /// The task's things, by name.
    pub things: Vec<(&'static str, Pose)>,
}

impl Moment {
    fn thing(&self, name: &str) -> Option<Pose> {
        let found = self.things.iter().find(|thing| thing.0 == name);
        found.map(|thing| thing.1)
    }

    fn at(&self) -> [f64; 3] {
        self.hand.position
    }

    fn turn(&self) -> Matrix {
        quat_to_mat(self.hand.rotation)
    }

    /// Between the fingers, m: 0 closed, 0.08 open.
    fn opening(&self) -> f64 {
        self.fingers[0] - self.fingers[1]
    }
}

#[cfg(test)]
mod tests;
