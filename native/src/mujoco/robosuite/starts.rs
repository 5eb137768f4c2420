//! Where objects are put when an episode starts (robosuite: utils/placement_samplers.py).

use super::arm::find;
use crate::mujoco::Plant;
use mujoco_rs::mujoco_c::_mjtObjBase as Kind;
use protege_core::Result;
use protege_core::rng::Rng;
use std::f64::consts::TAU;

/// How often another place is tried where an object does not fit (`UniformRandomSampler.sample`).
const TRIES: usize = 5000;
/// Any angle, rad.
pub const ANY: [f64; 2] = [0.0, TAU];
/// Where objects are that a task has no use for (`clear_objects`): x, y, z, and w, x, y, z.
const AWAY: [f64; 7] = [10.0, 10.0, 10.0, 1.0, 0.0, 0.0, 0.0];

/// Where an object may be put, m.
pub struct Area {
    /// The point that everything is counted from.
    pub reference: [f64; 3],
    /// Least and greatest.
    pub x: [f64; 2],
    /// Least and greatest.
    pub y: [f64; 2],
    /// How far above the reference an object's lowest point is.
    pub z_offset: f64,
    /// Least and greatest angle, rad.
    pub angle: [f64; 2],
}

/// What is known of an object's shape: a circle seen from above, from a lowest to a highest point,
/// m, counted from the middle of its body.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Of the circle.
    pub radius: f64,
    /// The highest point, above 0.
    pub top: f64,
    /// The lowest point, below 0.
    pub bottom: f64,
}

impl Shape {
    /// A box's, of these half edges.
    pub fn of_box([x, y, z]: [f64; 3]) -> Self {
        Self {
            radius: x.hypot(y),
            top: z,
            bottom: -z,
        }
    }
}

/// An object in its place.
pub struct Placed {
    shape: Shape,
    /// m.
    pub position: [f64; 3],
    /// rad.
    pub angle: f64,
}

impl Area {
    /// The same where an object's whole circle has to be inside.
    pub fn within(&self, shape: Shape) -> Self {
        let narrower = |[low, high]: [f64; 2]| [low + shape.radius, high - shape.radius];
        Self {
            x: narrower(self.x),
            y: narrower(self.y),
            ..*self
        }
    }

    /// Draws a place for an object where it overlaps none of the others; the last one that was
    /// tried where there is none.
    pub fn draw(&self, shape: Shape, others: &[Placed], rng: &mut Rng) -> Placed {
        let mut placed = self.try_place(shape, rng);
        for _ in 1..TRIES {
            if !others.iter().any(|other| overlap(&placed, other)) {
                break;
            }
            placed = self.try_place(shape, rng);
        }
        placed.angle = rng.range(self.angle[0], self.angle[1]);
        placed
    }

    fn try_place(&self, shape: Shape, rng: &mut Rng) -> Placed {
        let x = rng.range(self.x[0], self.x[1]) + self.reference[0];
        let y = rng.range(self.y[0], self.y[1]) + self.reference[1];
        let z = self.z_offset + self.reference[2] - shape.bottom;
        Placed {
            shape,
            position: [x, y, z],
            angle: 0.0,
        }
    }
}

/// As upstream, the heights do not count where the one that is placed now is the lower.
fn overlap(placed: &Placed, other: &Placed) -> bool {
    let [x, y, z] = placed.position;
    let [other_x, other_y, other_z] = other.position;
    let apart = (x - other_x).hypot(y - other_y);
    apart <= other.shape.radius + placed.shape.radius
        && z - other_z <= other.shape.top - placed.shape.bottom
}

impl Placed {
    /// Its place, and its rotation about the vertical: w, x, y, z.
    pub fn upright(&self) -> [f64; 7] {
        let [x, y, z] = self.position;
        let (sin, cos) = (self.angle / 2.0).sin_cos();
        [x, y, z, cos, 0.0, 0.0, sin]
    }
}

/// Where upstream's scene has a body that no joint moves, until a start puts it elsewhere.
pub const UNPLACED: [f64; 7] = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];

/// A place and a rotation in one: x, y, z, and w, x, y, z.
pub fn joined([x, y, z]: [f64; 3], [a, b, c, d]: [f64; 4]) -> [f64; 7] {
    [x, y, z, a, b, c, d]
}

/// Puts a body that no joint moves somewhere: x, y, z, and w, x, y, z.
pub fn put_fixture(plant: &mut Plant, body: usize, [x, y, z, a, b, c, d]: [f64; 7]) {
    let mut model = plant.model_mut();
    model.body_pos_mut()[body] = [x, y, z];
    model.body_quat_mut()[body] = [a, b, c, d];
}

/// The seven numbers of an object that moves freely.
pub struct Free(usize);

impl Free {
    /// Finds those of the object called so.
    ///
    /// # Errors
    /// When the scene has no such object.
    pub fn find(plant: &Plant, object: &str) -> Result<Self> {
        let joint = find(plant, Kind::mjOBJ_JOINT, &format!("{object}_joint0"))?;
        Ok(Self(plant.model().jnt_qposadr()[joint] as usize))
    }

    /// Puts the object somewhere: x, y, z, and w, x, y, z.
    pub fn put(&self, plant: &mut Plant, to: [f64; 7]) {
        plant.data.qpos_mut()[self.0..self.0 + 7].copy_from_slice(&to);
    }

    /// Puts the object where it is in nobody's way.
    pub fn put_away(&self, plant: &mut Plant) {
        self.put(plant, AWAY);
    }
}
