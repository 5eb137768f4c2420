//! Put the square nut over its peg: environments/manipulation/nut_assembly.py,
//! `NutAssemblySquare`. The round nut is out of the way.

use super::{Task, body_pose, is_away};
use crate::mujoco::Plant;
use crate::mujoco::robosuite::arm::{body, site};
use crate::mujoco::robosuite::observe::from_hand;
use crate::mujoco::robosuite::starts::{ANY, Area, Free, Shape};
use crate::mujoco::robosuite::transforms::{Pose, mat_to_quat, rows};
use protege_core::Result;
use protege_core::rng::Rng;

/// Height of the table, m.
const TABLE: f64 = 0.82;
/// Where the square nut starts.
const AREA: Area = Area {
    reference: [0.0, 0.0, TABLE],
    x: [-0.115, -0.11],
    y: [0.11, 0.225],
    z_offset: 0.02,
    angle: ANY,
};
/// The nut's sites in models/assets/objects/square-nut.xml.
const NUT: Shape = Shape {
    radius: 0.11,
    top: 0.01,
    bottom: -0.05,
};
/// How far beside its peg a nut may be, and how high above the table, m.
const BESIDE: f64 = 0.03;
const ABOVE: f64 = 0.05;

/// Things in the scene, by index: of the square nut, then of the round one.
pub struct Square {
    nuts: [usize; 2],
    pegs: [usize; 2],
    joints: [Free; 2],
    handle: usize,
}

impl Square {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        Ok(Self {
            nuts: [
                body(plant, "SquareNut_main")?,
                body(plant, "RoundNut_main")?,
            ],
            pegs: [body(plant, "peg1")?, body(plant, "peg2")?],
            joints: [
                Free::find(plant, "SquareNut")?,
                Free::find(plant, "RoundNut")?,
            ],
            handle: site(plant, "SquareNut_handle_site")?,
        })
    }
}

/// Whether a nut is over a peg (`on_peg`).
fn is_over(nut: [f64; 3], peg: [f64; 3]) -> bool {
    (nut[0] - peg[0]).abs() < BESIDE && (nut[1] - peg[1]).abs() < BESIDE && nut[2] < TABLE + ABOVE
}

impl Task for Square {
    fn place(&self, plant: &mut Plant, rng: &mut Rng) {
        let placed = AREA.draw(NUT, &[], rng);
        let [square, round] = &self.joints;
        square.put(plant, placed.upright());
        round.put_away(plant);
    }

    fn observe(&self, plant: &Plant, hand: &Pose, before: &mut Vec<Pose>, to: &mut Vec<f64>) {
        from_hand(hand, &[body_pose(plant, self.nuts[0])], before, to);
    }

    fn reward(&self, plant: &Plant, hand: &Pose) -> f64 {
        let places = plant.data.xpos();
        let pairs = self.nuts.iter().zip(self.pegs);
        let is_home = |&(&nut, peg): &(&usize, usize)| {
            is_over(places[nut], places[peg]) && is_away(hand, places[nut])
        };
        pairs.filter(is_home).count() as f64
    }

    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)> {
        let handle = Pose {
            position: plant.data.site_xpos()[self.handle],
            rotation: mat_to_quat(&rows(plant.data.site_xmat()[self.handle])),
        };
        vec![
            ("nut", body_pose(plant, self.nuts[0])),
            ("handle", handle),
            ("peg", body_pose(plant, self.pegs[0])),
        ]
    }
}
