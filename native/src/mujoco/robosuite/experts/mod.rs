//! The scripted experts of robosuite's tasks: stages inferred from the moment alone, proportional
//! control within a stage, as `lab`'s experts. So an expert recovers from whatever noise did.

mod can;
mod geometry;
mod lift;
mod motion;
mod square;
mod stack;

pub use can::can;
pub use geometry::Rotation;
pub use lift::lift;
pub use square::square;
pub use stack::stack;

use protege_core::sim::{Pose, Vec3};
use protege_core::tasks::ExpertStyle;

/// Length of an action: the hand's move (3, of 5 cm), its turn about the world's axes (3, of 0.5
/// rad), and the gripper (-1 opens, 1 closes).
pub const ACT: usize = 7;

/// The action of an expert, within [-1, 1].
pub type Action = [f64; ACT];

/// An expert: what it does at a moment, in its style.
pub type Expert = fn(&Moment<'_>, &ExpertStyle) -> Action;

/// What an expert sees. It is no more than an observation has.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// Between the finger pads (the site `grip_site`), m.
    pub hand: Vec3,
    /// How the same site is turned: x is the way in which the fingers move, z points out of the
    /// hand.
    pub turn: Rotation,
    /// Between the fingers, m: 0 closed, 0.08 open.
    pub opening: f64,
    /// The task's bodies. Lift: the cube. Can: the can. Square: the nut. Stack: the cube to lay
    /// down, the one below. Tool-hang: the stand, the frame, the tool.
    pub bodies: &'a [Pose],
}
