//! The changing part of a Rapier scene, and its serialization.

use crate::Result;
use crate::checksummed::{self, DIGEST};
use rapier3d::dynamics::SoftBodySet;
use rapier3d::prelude::{
    BroadPhaseBvh, ColliderSet, ImpulseJointSet, IslandManager, MultibodyJointSet, NarrowPhase,
    RigidBodySet,
};
use serde::{Deserialize, Serialize};

/// The whole physics state.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct World {
    pub(crate) islands: IslandManager,
    pub(crate) broad_phase: BroadPhaseBvh,
    pub(crate) narrow_phase: NarrowPhase,
    pub bodies: RigidBodySet,
    pub(crate) colliders: ColliderSet,
    pub(crate) impulse_joints: ImpulseJointSet,
    pub(crate) multibody_joints: MultibodyJointSet,
    pub(crate) soft_bodies: SoftBodySet,
    /// One per actuator, in the unit of its joint.
    pub targets: Vec<f32>,
    /// Some body's state stopped being finite since the reset.
    pub broken: bool,
}

/// Writes the world down for the scene with this fingerprint.
pub(super) fn write(world: &World, fingerprint: &[u8; DIGEST]) -> Vec<u8> {
    let body = postcard::to_allocvec(world)
        .expect("every part of the world can be serialised into memory");
    checksummed::pack(fingerprint, &body)
}

/// Reads a world that [`write`] wrote for the same scene.
pub(super) fn read(state: &[u8], fingerprint: &[u8; DIGEST]) -> Result<World> {
    let what = "the physics";
    postcard::from_bytes(checksummed::unpack(fingerprint, state, what)?)
        .map_err(|_| checksummed::damaged(what))
}
