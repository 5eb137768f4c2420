//! Put the can into its compartment: environments/manipulation/pick_place.py, `PickPlaceCan`. The
//! other three objects are out of the way, but they are drawn before the can, which must not
//! overlap them.

use super::{Task, body_pose, is_away};
use crate::mujoco::Plant;
use crate::mujoco::robosuite::arm::body as find_body;
use crate::mujoco::robosuite::observe::from_hand;
use crate::mujoco::robosuite::starts::{ANY, Area, Free, Placed, Shape};
use crate::mujoco::robosuite::transforms::Pose;
use protege_core::Result;
use protege_core::rng::Rng;

/// The objects, in the order of the compartments that they belong in, and their shapes (their sites
/// in models/assets/objects/*.xml).
const OBJECTS: [(&str, Shape); 4] = [
    (
        "Milk",
        Shape {
            radius: 0.025,
            top: 0.075,
            bottom: -0.085,
        },
    ),
    (
        "Bread",
        Shape {
            radius: 0.03,
            top: 0.03,
            bottom: -0.045,
        },
    ),
    (
        "Cereal",
        Shape {
            radius: 0.04,
            top: 0.03,
            bottom: -0.1,
        },
    ),
    (
        "Can",
        Shape {
            radius: 0.025,
            top: 0.04,
            bottom: -0.06,
        },
    ),
];
/// The can among them.
const CAN: usize = 3;
/// A bin's width and depth, m.
const BIN: [f64; 2] = [0.39, 0.49];
/// The middle of the bin with the compartments, and how high its walls count, m.
const TARGET: [f64; 3] = [0.1, 0.28, 0.8];
const DEPTH: f64 = 0.1;
/// Where objects start: in the other bin, 5 cm from its walls.
const AREA: Area = Area {
    reference: [0.1, -0.25, 0.8],
    x: [-(BIN[0] / 2.0 - 0.05), BIN[0] / 2.0 - 0.05],
    y: [-(BIN[1] / 2.0 - 0.05), BIN[1] / 2.0 - 0.05],
    z_offset: 0.0,
    angle: ANY,
};

/// Things in the scene, by index.
pub struct Can {
    bodies: [usize; 4],
    joints: [Free; 4],
    /// What shows where each of them belongs.
    marks: [usize; 4],
}

impl Can {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        let body = |i: usize| find_body(plant, &format!("{}_main", OBJECTS[i].0));
        let joint = |i: usize| Free::find(plant, OBJECTS[i].0);
        let mark = |i: usize| find_body(plant, &format!("Visual{}_main", OBJECTS[i].0));
        Ok(Self {
            marks: [mark(0)?, mark(1)?, mark(2)?, mark(3)?],
            bodies: [body(0)?, body(1)?, body(2)?, body(3)?],
            joints: [joint(0)?, joint(1)?, joint(2)?, joint(3)?],
        })
    }
}

/// The corner of an object's compartment with the least x and y, m.
fn corner(object: usize) -> [f64; 2] {
    let shift = |is_low: bool, width: f64| if is_low { width / 2.0 } else { 0.0 };
    [
        TARGET[0] - shift(object.is_multiple_of(2), BIN[0]),
        TARGET[1] - shift(object < 2, BIN[1]),
    ]
}

/// The middle of the floor of an object's compartment.
fn middle(object: usize) -> [f64; 3] {
    let [x, y] = corner(object);
    [x + BIN[0] / 4.0, y + BIN[1] / 4.0, TARGET[2]]
}

/// Whether a place is in an object's compartment (`not_in_bin`).
fn is_in_compartment([x, y, z]: [f64; 3], object: usize) -> bool {
    let [low_x, low_y] = corner(object);
    let within = |low: f64, v: f64, high: f64| low < v && v < high;
    within(low_x, x, low_x + BIN[0] / 2.0)
        && within(low_y, y, low_y + BIN[1] / 2.0)
        && within(TARGET[2], z, TARGET[2] + DEPTH)
}

impl Task for Can {
    fn arrange(&self, plant: &mut Plant) {
        for (object, mark) in self.marks.into_iter().enumerate() {
            let [x, y, z] = middle(object);
            let height = z - OBJECTS[object].1.bottom;
            plant.model_mut().body_pos_mut()[mark] = [x, y, height];
        }
    }

    fn place(&self, plant: &mut Plant, rng: &mut Rng) {
        let mut placed: Vec<Placed> = Vec::new();
        for (_, shape) in OBJECTS {
            let object = AREA.within(shape).draw(shape, &placed, rng);
            placed.push(object);
        }
        for (i, joint) in self.joints.iter().enumerate() {
            if i == CAN {
                joint.put(plant, placed[i].upright());
            } else {
                joint.put_away(plant);
            }
        }
    }

    fn observe(&self, plant: &Plant, hand: &Pose, before: &mut Vec<Pose>, to: &mut Vec<f64>) {
        let can = body_pose(plant, self.bodies[CAN]);
        from_hand(hand, &[can], before, to);
    }

    fn reward(&self, plant: &Plant, hand: &Pose) -> f64 {
        let is_home = |&object: &usize| {
            let place = plant.data.xpos()[self.bodies[object]];
            is_in_compartment(place, object) && is_away(hand, place)
        };
        (0..OBJECTS.len()).filter(is_home).count() as f64
    }

    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)> {
        let compartment = Pose {
            position: middle(CAN),
            rotation: [0.0, 0.0, 0.0, 1.0],
        };
        vec![
            ("can", body_pose(plant, self.bodies[CAN])),
            ("compartment", compartment),
        ]
    }
}
