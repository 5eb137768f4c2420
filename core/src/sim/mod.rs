//! The interface of physics engines, and the engines that core can run.

mod drawing;
mod rapier;

pub use drawing::{Drawing, Shape, ShapeKind};
pub use rapier::RapierSim;

use crate::Result;

/// A position or a direction in meters.
pub type Vec3 = [f64; 3];

/// Position (m) and orientation (unit quaternion, w x y z) of a body, in the world.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Meters.
    pub position: Vec3,
    /// Unit quaternion, w first.
    pub rotation: [f64; 4],
}

/// A handle to something that the scene names. Look it up once, at construction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Id(pub usize);

/// A physics engine holding one scene. Every method is deterministic: the same calls give the same
/// bits.
pub trait Sim: Send {
    /// The body of this name.
    ///
    /// # Errors
    /// When the scene has none; so for every look-up below.
    fn body(&self, name: &str) -> Result<Id>;
    /// The joint of this name (one degree of freedom).
    fn joint(&self, name: &str) -> Result<Id>;
    /// The site of this name.
    fn site(&self, name: &str) -> Result<Id>;
    /// The geom of this name.
    fn geom(&self, name: &str) -> Result<Id>;
    /// The actuator of this name.
    fn actuator(&self, name: &str) -> Result<Id>;

    /// Pose of the body.
    fn pose(&self, body: Id) -> Pose;
    /// Linear (m/s) and angular (rad/s) velocity of the body, world axes.
    fn velocity(&self, body: Id) -> (Vec3, Vec3);
    /// Position of the site (m, world).
    fn site_position(&self, site: Id) -> Vec3;
    /// The joint's coordinate (m or rad).
    fn joint_position(&self, joint: Id) -> f64;
    /// The joint's rate (m/s or rad/s).
    fn joint_velocity(&self, joint: Id) -> f64;
    /// Whether the two geoms touch (at least one active contact).
    fn touching(&self, a: Id, b: Id) -> bool;

    /// Sets the actuator's target, in the unit of its joint, until it is set again.
    fn set_target(&mut self, actuator: Id, target: f64);
    /// Puts a mocap body, a free body or a fixed body at the pose, at rest.
    fn set_pose(&mut self, body: Id, pose: Pose);

    /// Seconds per [`Sim::step`].
    fn timestep(&self) -> f64;
    /// Advances physics by one time step.
    fn step(&mut self);
    /// Returns to the scene's initial state, everything at rest, as freshly loaded.
    fn reset(&mut self);
    /// The whole physics state: what [`Sim::restore`] needs to go on bit for bit.
    fn save(&self) -> Vec<u8>;
    /// Restores what [`Sim::save`] wrote for the same scene.
    ///
    /// # Errors
    /// When the bytes are damaged or of another scene; the simulation is then unchanged.
    fn restore(&mut self, state: &[u8]) -> Result<()>;
}
