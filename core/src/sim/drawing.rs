//! The look of a scene: bodies and the primitive shapes that they carry, from the same MJCF text
//! that the engines load.

use super::{Pose, Sim, Vec3};
use crate::{Error, Result};
use rapier3d_mjcf::mjcf_rs::body::{Geom, GeomType};
use rapier3d_mjcf::mjcf_rs::{Model, Pose as ModelPose};
use serde::{Deserialize, Serialize};

/// MuJoCo's color of a geom that names none.
const GRAY: [f64; 4] = [0.5, 0.5, 0.5, 1.0];

/// A scene to be drawn. Meters, z up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawing {
    /// Names of the bodies, in the order of [`Drawing::poses`].
    pub bodies: Vec<String>,
    /// The shapes.
    pub geoms: Vec<Shape>,
    /// The body that carries the site `grip`: the hand.
    pub grip: Option<usize>,
}

/// A primitive shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Its name in the scene, if any.
    pub name: Option<String>,
    /// The body that carries it; none: it stands in the world.
    pub body: Option<usize>,
    /// The primitive.
    pub kind: ShapeKind,
    /// MJCF's half sizes, whose meaning depends on the kind.
    pub size: Vec3,
    /// Position relative to its body.
    pub position: Vec3,
    /// Unit quaternion, w first, relative to its body.
    pub rotation: [f64; 4],
    /// Red, green, blue and opacity, 0 to 1.
    pub(crate) rgba: [f64; 4],
}

/// MJCF's primitives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShapeKind {
    /// Half extents.
    Box,
    /// Radius.
    Sphere,
    /// Radius and half height, along z.
    Cylinder,
    /// Radius and half height of the middle part, along z.
    Capsule,
    /// Three radii.
    Ellipsoid,
    /// Half extents in x and y; 0 is without end.
    Plane,
}

impl Drawing {
    /// Reads the scene's text.
    ///
    /// # Errors
    /// When it is not MJCF, a body has no name, or a geom is no primitive.
    pub fn new(mjcf: &str) -> Result<Self> {
        let model = Model::from_str(mjcf, "")
            .map_err(|e| Error::input(format!("the scene is not MJCF ({e}); check its XML")))?;
        let entries = || model.bodies_iter().map(|(_, entry)| &entry.body);
        let name = |body: &Option<String>| {
            body.clone().ok_or_else(|| {
                Error::input("a body of the scene has no name, so it cannot be drawn")
            })
        };
        let bodies = entries()
            .map(|body| name(&body.name))
            .collect::<Result<Vec<_>>>()?;
        // The world comes first in the model, and carries shapes as well.
        let geoms = model.bodies.iter().enumerate().flat_map(|(i, entry)| {
            entry
                .body
                .geoms
                .iter()
                .map(move |geom| shape(i.checked_sub(1), geom))
        });
        let grip = entries().position(|body| {
            body.sites
                .iter()
                .any(|site| site.name.as_deref() == Some("grip"))
        });
        Ok(Self {
            geoms: geoms.collect::<Result<_>>()?,
            bodies,
            grip,
        })
    }

    /// Poses of the bodies: seven numbers each, x y z and a quaternion, w first.
    ///
    /// # Errors
    /// When the simulation is of another scene.
    pub fn poses(&self, sim: &dyn Sim) -> Result<Vec<f32>> {
        let mut numbers = Vec::with_capacity(7 * self.bodies.len());
        for name in &self.bodies {
            let Pose { position, rotation } = sim.pose(sim.body(name)?);
            numbers.extend(position.iter().chain(&rotation).map(|&v| v as f32));
        }
        Ok(numbers)
    }
}

fn shape(body: Option<usize>, geom: &Geom) -> Result<Shape> {
    let ModelPose {
        translation,
        rotation,
    } = geom.pose;
    Ok(Shape {
        name: geom.name.clone(),
        body,
        kind: kind(geom)?,
        size: geom.size,
        position: [translation.x, translation.y, translation.z],
        rotation: [rotation.w, rotation.x, rotation.y, rotation.z],
        rgba: geom.rgba.unwrap_or(GRAY),
    })
}

fn kind(geom: &Geom) -> Result<ShapeKind> {
    Ok(match geom.type_ {
        GeomType::Box => ShapeKind::Box,
        GeomType::Sphere => ShapeKind::Sphere,
        GeomType::Cylinder => ShapeKind::Cylinder,
        GeomType::Capsule => ShapeKind::Capsule,
        GeomType::Ellipsoid => ShapeKind::Ellipsoid,
        GeomType::Plane => ShapeKind::Plane,
        other => {
            let name = geom.name.as_deref().unwrap_or("without a name");
            return Err(Error::input(format!(
                "the geom `{name}` of the scene is a {other:?}; only primitives can be drawn"
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::LabEnv;
    use crate::tasks;

    /// Every task's scene can be drawn, table and hand included, and every body of the drawing has
    /// a pose.
    #[test]
    fn every_task_can_be_drawn() {
        for info in tasks::all() {
            let drawing = Drawing::new(info.scene).unwrap();
            assert_eq!(drawing.bodies[drawing.grip.unwrap()], "hand", "{}", info.id);
            let table = drawing
                .geoms
                .iter()
                .find(|geom| geom.name.as_deref() == Some("table"))
                .unwrap();
            assert_eq!(
                (table.body, table.kind, table.size[0]),
                (None, ShapeKind::Box, 0.5),
                "{}",
                info.id
            );
            let poses = drawing.poses(LabEnv::new(info.id).unwrap().sim()).unwrap();
            assert_eq!(poses.len(), 7 * drawing.bodies.len());
            assert!(poses.iter().all(|v| v.is_finite()));
        }
    }

    /// What cannot be drawn is named.
    #[test]
    fn what_cannot_be_drawn_is_named() {
        let sentence = |text: &str| Drawing::new(text).unwrap_err().to_string();
        assert!(
            sentence("<mujoco><worldbody><body><geom size='1'/></body></worldbody></mujoco>")
                .contains("no name")
        );
        assert!(sentence("nonsense").contains("not MJCF"));
    }
}
