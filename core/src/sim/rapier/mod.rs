//! The Rapier engine: a scene's MJCF text becomes rigid bodies, impulse joints and motors.
//!
//! Sites, geoms, joints and actuators keep their MJCF names and meanings. Settings that the loader
//! does not translate (`solref`, `solimp`, `armature`, tendons) have no effect here; a joint's
//! `ref` would silently shift its zero, so it is refused.

mod scene;
mod snapshot;

use self::scene::Scene;
use self::snapshot::World;
use super::{Id, Pose, Sim, Vec3};
use crate::{Error, Result};
use rapier3d::math::{Pose as RapierPose, Rotation, Vector};
use rapier3d::prelude::{
    CCDSolver, IntegrationParameters, PhysicsPipeline, RigidBody, RigidBodyHandle,
};

/// One scene in Rapier. `f32` inside; the same bits on every machine, native or wasm
/// (`enhanced-determinism`).
pub struct RapierSim {
    scene: Scene,
    parameters: IntegrationParameters,
    world: World,
    /// The world as freshly loaded, to which [`Sim::reset`] returns.
    initial: World,
    /// Workspace only; everything that outlives a step is in `world`.
    pipeline: PhysicsPipeline,
    ccd: CCDSolver,
}

impl RapierSim {
    /// Loads a scene from MJCF text (primitive geoms only). Friction of a pair is the larger of the
    /// two, as in MuJoCo; nothing ever sleeps.
    ///
    /// # Errors
    /// When the text is not MJCF that this engine can represent.
    pub fn new(mjcf: &str) -> Result<Self> {
        let (scene, world) = scene::load(mjcf)?;
        let parameters = parameters(scene.timestep);
        let mut sim = Self {
            scene,
            parameters,
            initial: world.clone(),
            world,
            pipeline: PhysicsPipeline::new(),
            ccd: CCDSolver::new(),
        };
        // Insertions leave events behind that no snapshot keeps; a step of no time digests them.
        sim.parameters.dt = 0.0;
        sim.advance();
        sim.parameters.dt = sim.scene.timestep as f32;
        sim.initial = sim.world.clone();
        Ok(sim)
    }

    /// One step of the pipeline, whatever its length.
    fn advance(&mut self) {
        let world = &mut self.world;
        self.pipeline.step(
            self.scene.gravity,
            &self.parameters,
            &mut world.islands,
            &mut world.broad_phase,
            &mut world.narrow_phase,
            &mut world.bodies,
            &mut world.colliders,
            &mut world.impulse_joints,
            &mut world.multibody_joints,
            &mut world.soft_bodies,
            &mut self.ccd,
            &(),
            &(),
        );
    }

    /// Replaces the world, and the pipeline's caches of the old one.
    fn enter(&mut self, world: World) {
        self.world = world;
        self.pipeline = PhysicsPipeline::new();
        self.ccd = CCDSolver::new();
    }

    fn put_at_rest(&mut self, handle: RigidBodyHandle, pose: RapierPose) {
        if let Some(body) = self.world.bodies.get_mut(handle) {
            body.set_position(pose, true);
            body.set_linvel(Vector::ZERO, true);
            body.set_angvel(Vector::ZERO, true);
        }
    }

    fn rigid_body(&self, handle: RigidBodyHandle) -> &RigidBody {
        &self.world.bodies[handle]
    }

    /// Pose of the body; not a number once the engine had to take something out of the scene, so
    /// that no episode goes on without it.
    fn whereabouts(&self, handle: RigidBodyHandle) -> RapierPose {
        let pose = *self.rigid_body(handle).position();
        if self.world.broken {
            RapierPose::from_parts(Vector::splat(f32::NAN), pose.rotation)
        } else {
            pose
        }
    }
}

impl Sim for RapierSim {
    fn body(&self, name: &str) -> Result<Id> {
        find(&self.scene.body_names, "body", name)
    }

    fn joint(&self, name: &str) -> Result<Id> {
        find(&self.scene.joint_names, "joint", name)
    }

    fn site(&self, name: &str) -> Result<Id> {
        find(&self.scene.site_names, "site", name)
    }

    fn geom(&self, name: &str) -> Result<Id> {
        find(&self.scene.geom_names, "geom", name)
    }

    fn actuator(&self, name: &str) -> Result<Id> {
        find(&self.scene.actuator_names, "actuator", name)
    }

    fn pose(&self, body: Id) -> Pose {
        let pose = self.whereabouts(self.scene.bodies[body.0]);
        let q = pose.rotation;
        Pose {
            position: vec3(pose.translation),
            rotation: [q.w, q.x, q.y, q.z].map(f64::from),
        }
    }

    fn velocity(&self, body: Id) -> (Vec3, Vec3) {
        let body = self.rigid_body(self.scene.bodies[body.0]);
        (vec3(body.linvel()), vec3(body.angvel()))
    }

    fn site_position(&self, site: Id) -> Vec3 {
        let (body, local) = self.scene.sites[site.0];
        vec3(self.whereabouts(body) * local)
    }

    fn joint_position(&self, joint: Id) -> f64 {
        let joint = &self.scene.joints[joint.0];
        joint.position(
            self.whereabouts(joint.parent),
            self.whereabouts(joint.child),
        )
    }

    fn joint_velocity(&self, joint: Id) -> f64 {
        let joint = &self.scene.joints[joint.0];
        joint.velocity(self.rigid_body(joint.parent), self.rigid_body(joint.child))
    }

    fn touching(&self, a: Id, b: Id) -> bool {
        let pair = self
            .world
            .narrow_phase
            .contact_pair(self.scene.geoms[a.0], self.scene.geoms[b.0]);
        pair.is_some_and(|pair| pair.has_any_active_contact())
    }

    fn set_target(&mut self, actuator: Id, target: f64) {
        self.world.targets[actuator.0] = target as f32;
    }

    fn set_pose(&mut self, body: Id, pose: Pose) {
        let [x, y, z] = pose.position.map(|v| v as f32);
        let [qw, qx, qy, qz] = pose.rotation.map(|v| v as f32);
        let rotation = Rotation::from_xyzw(qx, qy, qz, qw).normalize();
        let handle = self.scene.bodies[body.0];
        let old = *self.rigid_body(handle).position();
        let new = RapierPose::from_parts(Vector::new(x, y, z), rotation);
        self.put_at_rest(handle, new);
        // Bodies that hang on it by joints move along, as in MuJoCo.
        for carried in self.scene.carried_by(handle) {
            let relative = old.inverse() * *self.rigid_body(carried).position();
            self.put_at_rest(carried, new * relative);
        }
    }

    fn timestep(&self) -> f64 {
        self.scene.timestep
    }

    fn step(&mut self) {
        self.scene
            .handles
            .apply_controls(&mut self.world.impulse_joints, &self.world.targets);
        self.advance();
        // Rapier disables a body whose state is no longer finite, and says so for one step only.
        self.world.broken |= !self.pipeline.quarantine().is_empty();
    }

    fn reset(&mut self) {
        self.enter(self.initial.clone());
    }

    fn save(&self) -> Vec<u8> {
        snapshot::write(&self.world, &self.scene.fingerprint)
    }

    fn restore(&mut self, state: &[u8]) -> Result<()> {
        let world = snapshot::read(state, &self.scene.fingerprint)?;
        self.enter(world);
        Ok(())
    }
}

/// Rapier's constants for centimeter-sized things: its margins and slops scale with `length_unit`.
fn parameters(timestep: f64) -> IntegrationParameters {
    IntegrationParameters {
        dt: timestep as f32,
        length_unit: 0.1,
        // Reusing contacts while a pair moves by less than millimeters lets grasped things creep.
        contact_recycling: false,
        // Two suffice at these small steps: grasps hold, and poses agree with MuJoCo's as well as
        // with four.
        num_solver_iterations: 2,
        // Nothing here is fast enough to tunnel.
        max_ccd_substeps: 0,
        ..IntegrationParameters::default()
    }
}

/// The position of `name` in `names`.
fn find(names: &[String], kind: &str, name: &str) -> Result<Id> {
    let position = names.iter().position(|n| n == name);
    position.map(Id).ok_or_else(|| {
        Error::input(format!(
            "the scene has no {kind} called `{name}`; it has: {}",
            names.join(", ")
        ))
    })
}

fn vec3(v: Vector) -> Vec3 {
    [v.x, v.y, v.z].map(f64::from)
}

#[cfg(test)]
mod tests;
