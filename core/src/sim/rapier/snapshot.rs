//! Everything of a Rapier scene that changes, and how it is written down.
//!
//! A snapshot is: the scene's fingerprint, a digest of the rest, the rest. The digest is checked before anything is decoded, so
//! damaged bytes are refused without being interpreted.

use crate::{Error, Result};
use rapier3d::dynamics::SoftBodySet;
use rapier3d::prelude::{BroadPhaseBvh, ColliderSet, ImpulseJointSet, IslandManager, MultibodyJointSet, NarrowPhase, RigidBodySet};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The whole physics state.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct World {
    pub islands: IslandManager,
    pub broad_phase: BroadPhaseBvh,
    pub narrow_phase: NarrowPhase,
    pub bodies: RigidBodySet,
    pub colliders: ColliderSet,
    pub impulse_joints: ImpulseJointSet,
    pub multibody_joints: MultibodyJointSet,
    pub soft_bodies: SoftBodySet,
    /// One per actuator, in the unit of its joint.
    pub targets: Vec<f32>,
    /// Some body's state stopped being finite since the reset.
    pub broken: bool,
}

const DIGEST: usize = 32;

/// SHA-256.
pub(super) fn digest(bytes: &[u8]) -> [u8; DIGEST] {
    Sha256::digest(bytes).into()
}

/// Writes the world down.
pub(super) fn seal(world: &World, fingerprint: &[u8; DIGEST]) -> Vec<u8> {
    let body = postcard::to_allocvec(world).expect("every part of the world can be serialised into memory");
    [fingerprint.as_slice(), &digest(&body), &body].concat()
}

/// Reads a world that [`seal`] wrote for the scene with this fingerprint.
pub(super) fn open(state: &[u8], fingerprint: &[u8; DIGEST]) -> Result<World> {
    let damaged = || Error::input("the saved physics state is damaged; use another checkpoint");
    let (scene, rest) = state.split_at_checked(DIGEST).ok_or_else(damaged)?;
    let (sum, body) = rest.split_at_checked(DIGEST).ok_or_else(damaged)?;
    if sum != digest(body) {
        return Err(damaged());
    }
    if scene != fingerprint {
        return Err(Error::input("the saved physics state belongs to another scene; use a checkpoint of this task and version"));
    }
    postcard::from_bytes(body).map_err(|_| damaged())
}
