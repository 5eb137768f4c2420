//! Objects that have a file (`MujocoXMLObject` in `robosuite/models/objects/objects.py`).

use super::super::composition::Composition;
use super::super::part::{Part, SOLID, color, named};
use super::solid::set_seen;
use super::{UNSEEN, add_origin, set_free};
use mujoco_rs::mujoco_c::mjtOrientation;
use mujoco_rs::prelude::{MjtGeomBase, SpecElement};
use mujoco_rs::wrappers::mj_editing::{MjsBody, MjsGeom};
use protege_core::Result;

/// Damping of an object that lies free, N s/m and N m s/rad.
const DAMPING: f64 = 0.0005;

/// Adds an object that lies free: what collides is seen, too.
pub fn solid(scene: &mut Composition, file: &str, name: &str) -> Result<()> {
    add(scene, file, name, true)
}

/// Adds an object that shows a place and touches nothing.
pub fn seen(scene: &mut Composition, file: &str, name: &str) -> Result<()> {
    add(scene, file, name, false)
}

/// Adds a door that a latch holds shut, `Door`, in a frame that stands still (`DoorObject` in
/// `robosuite/models/objects/xml_objects.py`, with the numbers that the task gives it).
pub fn door(scene: &mut Composition) -> Result<()> {
    let mut part = scene.read("objects/door_lock.xml")?;
    for body in ["frame", "door", "latch"] {
        show_solids(&mut part, body)?;
    }
    let hinge = part.joint("hinge")?;
    hinge.set_frictionloss(0.0);
    hinge.damping_mut()[0] = 0.1;
    let body = part.body("object")?;
    add_origin(body, "default_site", UNSEEN)?;
    named(body, "main")?;
    scene.attach_body(&mut part, "main", "Door_")
}

fn add(scene: &mut Composition, file: &str, name: &str, is_free: bool) -> Result<()> {
    let mut part = scene.read(file)?;
    show_solids(&mut part, "object")?;
    let body = part.body("object")?;
    if is_free {
        set_free(body, "joint0", DAMPING)?;
    }
    add_origin(body, "default_site", UNSEEN)?;
    named(body, "main")?;
    scene.attach_body(&mut part, "main", &format!("{name}_"))
}

/// Names the geoms of a body, and adds what is seen of those that collide.
fn show_solids(part: &mut Part, body: &str) -> Result<()> {
    let body = part.body(body)?;
    let mut solids = Vec::new();
    for (i, geom) in body.geom_iter_mut(false).enumerate() {
        if geom.name().is_empty() {
            named(geom, &format!("g{i}"))?;
        }
        if geom.group() == SOLID {
            solids.push(Looks::of(geom));
            *geom.rgba_mut() = color::OBJECT;
            geom.set_material("");
        }
    }
    for solid in &solids {
        solid.add(body)?;
    }
    Ok(())
}

/// What a geom's copy has of it.
struct Looks {
    name: String,
    kind: MjtGeomBase,
    pos: [f64; 3],
    quat: [f64; 4],
    /// Axis and angle, where the file turns the geom so.
    axis_angle: Option<[f64; 4]>,
    size: [f64; 3],
    /// Its ends, where the file places the geom so.
    ends: [f64; 6],
    mesh: String,
    material: String,
    rgba: [f32; 4],
    friction: [f64; 3],
    solref: [f64; 2],
    solimp: [f64; 5],
    condim: i32,
}

impl Looks {
    fn of(geom: &MjsGeom) -> Self {
        let alt = geom.alt();
        let is_turned = alt.type_ == mjtOrientation::mjORIENTATION_AXISANGLE;
        Self {
            name: geom.name().to_owned(),
            kind: geom.type_(),
            pos: *geom.pos(),
            quat: *geom.quat(),
            axis_angle: is_turned.then_some(alt.axisangle),
            size: *geom.size(),
            ends: *geom.fromto(),
            mesh: geom.meshname().to_owned(),
            material: geom.material().to_owned(),
            rgba: *geom.rgba(),
            friction: *geom.friction(),
            solref: *geom.solref(),
            solimp: *geom.solimp(),
            condim: geom.condim(),
        }
    }

    fn add(&self, body: &mut MjsBody) -> Result<()> {
        let geom = set_seen(body.add_geom());
        named(geom, &format!("{}_visual", self.name))?;
        geom.set_meshname(&self.mesh);
        geom.set_material(&self.material);
        if let Some(axis_angle) = &self.axis_angle {
            geom.alt_mut().set_axis_angle(axis_angle);
        }
        geom.with_type(self.kind)
            .with_pos(self.pos)
            .with_quat(self.quat)
            .with_size(self.size)
            .with_fromto(self.ends)
            .with_rgba(self.rgba)
            .with_friction(self.friction)
            .with_solref(self.solref)
            .with_solimp(self.solimp)
            .with_condim(self.condim);
        Ok(())
    }
}
