//! Simple forms that objects are composed of, each of them twice: as what collides, and as what is
//! seen (`CompositeObject` in `robosuite/models/objects/generated_objects.py`).

use super::super::part::{SEEN, SOLID, color, named};
use mujoco_rs::prelude::MjtGeomBase;
use mujoco_rs::wrappers::mj_editing::{MjsBody, MjsGeom};
use protege_core::Result;

/// The mass of what is only seen, kg. It counts for nothing.
const SEEN_MASS: f64 = 1e-8;
/// MuJoCo's friction, which geoms have where nothing else is said.
pub const FRICTION: [f64; 3] = [1.0, 0.005, 0.0001];

/// How a form behaves in contact.
#[derive(Clone, Copy)]
pub struct Contact {
    /// kg/m^3.
    pub density: f64,
    /// Sliding, turning and rolling.
    pub friction: [f64; 3],
    /// The first three numbers of MuJoCo's `solimp`.
    pub solimp: [f64; 3],
    /// MuJoCo's `condim`.
    pub condim: i32,
}

/// A simple form.
pub struct Solid<'a> {
    /// Its name; that of what is seen ends with `_vis`.
    pub name: &'a str,
    /// Box or cylinder.
    pub kind: MjtGeomBase,
    /// Half edges, or radius and half height, m.
    pub size: [f64; 3],
    /// Where its middle is on the body, m.
    pub pos: [f64; 3],
    /// How it is turned there (w, x, y, z).
    pub quat: [f64; 4],
    /// As a solid.
    pub contact: Contact,
    /// What is seen of it.
    pub look: Look,
}

/// What is seen of a form.
#[derive(Clone, Copy)]
pub struct Look {
    /// The name of its material; empty for none.
    pub material: &'static str,
    /// Its color; none: the material's.
    pub rgba: Option<[f32; 4]>,
}

impl Look {
    /// A material in its own color.
    pub const fn of(material: &'static str) -> Self {
        Self {
            material,
            rgba: None,
        }
    }
}

impl Solid<'_> {
    /// A form that is not turned.
    pub const UPRIGHT: [f64; 4] = [1.0, 0.0, 0.0, 0.0];

    /// Adds the form to a body.
    pub fn add(&self, body: &mut MjsBody) -> Result<()> {
        let geom = self.new_geom(body, self.name)?;
        let [width, middle, power] = self.contact.solimp;
        geom.solimp_mut()[..3].copy_from_slice(&[width, middle, power]);
        geom.with_density(self.contact.density)
            .with_friction(self.contact.friction)
            .with_condim(self.contact.condim)
            .with_group(SOLID)
            .with_rgba(color::OBJECT);
        self.add_seen(body)
    }

    /// Adds what is seen of the form alone.
    pub fn add_seen(&self, body: &mut MjsBody) -> Result<()> {
        let name = format!("{}_vis", self.name);
        let geom = set_seen(self.new_geom(body, &name)?);
        geom.set_material(self.look.material);
        if let Some(rgba) = self.look.rgba {
            *geom.rgba_mut() = rgba;
        }
        Ok(())
    }

    fn new_geom<'b>(&self, body: &'b mut MjsBody, name: &str) -> Result<&'b mut MjsGeom> {
        let geom = named(body.add_geom(), name)?;
        let geom = geom
            .with_type(self.kind)
            .with_size(self.size)
            .with_pos(self.pos)
            .with_quat(self.quat);
        Ok(geom)
    }
}

/// Makes a geom one that is only seen.
pub fn set_seen(geom: &mut MjsGeom) -> &mut MjsGeom {
    geom.with_group(SEEN)
        .with_contype(0)
        .with_conaffinity(0)
        .with_mass(SEEN_MASS)
}
