//! From MJCF text to a [`World`] and the table of the scene's names.

use super::snapshot::World;
use crate::checksummed::{DIGEST, digest};
use crate::{Error, Result};
use rapier3d::dynamics::JointAxesMask;
use rapier3d::math::{Pose, Vector};
use rapier3d::pipeline::ActiveHooks;
use rapier3d::prelude::{
    CoefficientCombineRule, ColliderBuilder, ColliderHandle, ImpulseJointHandle, RigidBody,
    RigidBodyBuilder, RigidBodyHandle,
};
use rapier3d_mjcf::mjcf_rs::model::Model;
use rapier3d_mjcf::{MjcfBodyHandle, MjcfLoaderOptions, MjcfRobot, MjcfRobotHandles};
use std::collections::HashMap;

/// The constant part of a scene. An id of [`crate::sim::Sim`] is a position in the list of its
/// kind.
pub(super) struct Scene {
    pub(crate) body_names: Vec<String>,
    pub(crate) bodies: Vec<RigidBodyHandle>,
    pub(crate) joint_names: Vec<String>,
    pub(crate) joints: Vec<Joint>,
    pub(crate) site_names: Vec<String>,
    /// The site's body and its position there.
    pub(crate) sites: Vec<(RigidBodyHandle, Vector)>,
    pub(crate) geom_names: Vec<String>,
    pub(crate) geoms: Vec<ColliderHandle>,
    pub(crate) actuator_names: Vec<String>,
    pub(crate) handles: MjcfRobotHandles<ImpulseJointHandle>,
    pub(crate) gravity: Vector,
    /// Seconds.
    pub(crate) timestep: f64,
    /// Of the MJCF text: a snapshot belongs to one scene.
    pub(crate) fingerprint: [u8; DIGEST],
}

impl Scene {
    /// The bodies that hang on a body by joints, directly or not. Parents come before children in
    /// the list of joints, as they do in the file.
    pub(crate) fn carried_by(&self, body: RigidBodyHandle) -> Vec<RigidBodyHandle> {
        let mut tree = vec![body];
        for joint in &self.joints {
            if tree.contains(&joint.parent) {
                tree.push(joint.child);
            }
        }
        tree.split_off(1)
    }
}

/// One degree of freedom between two bodies, along (or about) the x axis of both frames.
pub(super) struct Joint {
    pub(crate) parent: RigidBodyHandle,
    pub(crate) child: RigidBodyHandle,
    frame1: Pose,
    frame2: Pose,
    slides: bool,
}

impl Joint {
    /// The coordinate (m or rad), given the poses of the two bodies.
    pub(crate) fn position(&self, parent: Pose, child: Pose) -> f64 {
        let relative = (parent * self.frame1).inverse() * (child * self.frame2);
        if self.slides {
            return f64::from(relative.translation.x);
        }
        // The rotation is about x: its half angle is that of the quaternion's x and w.
        2.0 * libm::atan2(
            f64::from(relative.rotation.x),
            f64::from(relative.rotation.w),
        )
    }

    /// The rate (m/s or rad/s).
    pub(crate) fn velocity(&self, parent: &RigidBody, child: &RigidBody) -> f64 {
        let axis = (*parent.position() * self.frame1).rotation * Vector::X;
        if !self.slides {
            return f64::from((child.angvel() - parent.angvel()).dot(axis));
        }
        // The bodies' relative velocity at the joint, along its axis.
        let anchor = (*child.position() * self.frame2).translation;
        f64::from((child.velocity_at_point(anchor) - parent.velocity_at_point(anchor)).dot(axis))
    }
}

/// Parses the text and fills a world.
pub(super) fn load(mjcf: &str) -> Result<(Scene, World)> {
    let unreadable = |error| {
        Error::input(format!(
            "the scene is not MJCF that Rapier can load ({error}); check its XML"
        ))
    };
    let (robot, model) = MjcfRobot::from_str(mjcf, options(), "").map_err(unreadable)?;
    refuse_untranslatable(&model)?;
    let body_indices = robot.body_name_to_idx.clone();
    let geom_indices = robot.geom_name_to_collider.clone();
    let joint_names: Vec<_> = robot
        .joints
        .iter()
        .map(|j| j.name.clone().unwrap_or_default())
        .collect();
    let joint_frames: Vec<_> = robot.joints.iter().map(|j| j.joint).collect();
    // A body with several joints becomes a chain of bodies; sites hang on the last.
    let leaf_of: HashMap<_, _> = robot
        .bodies
        .iter()
        .enumerate()
        .filter(|(_, b)| !b.is_intermediate)
        .map(|(i, b)| (b.mjcf_body_id, i))
        .collect();
    let gravity = robot.gravity;

    let mut world = World::default();
    let handles = robot.insert_using_impulse_joints(
        &mut world.bodies,
        &mut world.colliders,
        &mut world.impulse_joints,
    );
    world.targets = vec![0.0; handles.actuators.len()];
    // The contact hooks that the loader asks for are never installed.
    world
        .colliders
        .iter_mut()
        .for_each(|(_, collider)| collider.set_active_hooks(ActiveHooks::empty()));

    let body = |index: usize| handles.bodies[index].as_ref();
    let (body_names, bodies) = sorted(
        body_indices
            .iter()
            .filter_map(|(name, &i)| Some((name.clone(), body(i)?.body))),
    );
    let collider = |b: &MjcfBodyHandle, c: usize| b.colliders.get(c).map(|c| c.handle);
    let (geom_names, geoms) = sorted(
        geom_indices
            .iter()
            .filter_map(|(name, &(b, c))| Some((name.clone(), collider(body(b)?, c)?))),
    );
    let (site_names, sites) = sorted(
        sites(&model).filter_map(|(name, b, at)| Some((name, (body(*leaf_of.get(&b)?)?.body, at)))),
    );
    let joints = handles
        .joints
        .iter()
        .zip(&joint_frames)
        .map(|(handle, joint)| Joint {
            parent: handle.link1,
            child: handle.link2,
            frame1: joint.local_frame1,
            frame2: joint.local_frame2,
            slides: !joint.locked_axes.contains(JointAxesMask::LIN_X),
        });
    let scene = Scene {
        body_names,
        bodies,
        joint_names,
        joints: joints.collect(),
        site_names,
        sites,
        geom_names,
        geoms,
        actuator_names: model
            .actuators
            .iter()
            .map(|a| a.name.clone().unwrap_or_default())
            .collect(),
        gravity,
        timestep: model.option.timestep,
        fingerprint: digest(mjcf.as_bytes()),
        handles,
    };
    Ok((scene, world))
}

/// Floors stay, free bodies stay free, nothing sleeps, and the larger friction of a pair counts, as
/// in MuJoCo.
fn options() -> MjcfLoaderOptions {
    MjcfLoaderOptions {
        make_roots_fixed: false,
        skip_plane_geoms: false,
        collider_blueprint: ColliderBuilder::default()
            .density(0.0)
            .friction_combine_rule(CoefficientCombineRule::Max),
        rigid_body_blueprint: RigidBodyBuilder::dynamic().can_sleep(false),
        ..MjcfLoaderOptions::default()
    }
}

/// Refuses what would load but mean something else than in MuJoCo.
fn refuse_untranslatable(model: &Model) -> Result<()> {
    let mut joints = model.bodies.iter().flat_map(|entry| &entry.body.joints);
    if let Some(joint) = joints.find(|joint| joint.ref_ != 0.0) {
        let name = joint.name.as_deref().unwrap_or("without a name");
        return Err(Error::input(format!(
            "joint `{name}` of the scene has a `ref`, which Rapier cannot represent; move the body \
             instead"
        )));
    }
    if !(model.option.timestep.is_finite() && model.option.timestep > 0.0) {
        return Err(Error::input(format!(
            "the scene's time step is {}; it must be positive",
            model.option.timestep
        )));
    }
    Ok(())
}

/// Every named site: its name, its body's number in the model and its position there.
fn sites(model: &Model) -> impl Iterator<Item = (String, usize, Vector)> {
    model.bodies.iter().enumerate().flat_map(|(body, entry)| {
        entry.body.sites.iter().filter_map(move |site| {
            let at = site.pose.translation;
            Some((
                site.name.clone()?,
                body,
                Vector::new(at.x as f32, at.y as f32, at.z as f32),
            ))
        })
    })
}

/// Names and things, in the order of the names: the loader's hash maps have none.
fn sorted<T>(pairs: impl Iterator<Item = (String, T)>) -> (Vec<String>, Vec<T>) {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(|a, b| a.0.cmp(&b.0));
    pairs.into_iter().unzip()
}
