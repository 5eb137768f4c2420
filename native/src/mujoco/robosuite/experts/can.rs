//! Can: the can is carried over the walls into its compartment of the other bin.

use super::geometry::{Rotation, distance_xy, plus};
use super::motion::{CLOSED, Grasp, LEAN, downward, easiest, fetch, funnel, release, steer};
use super::{Action, Moment};
use protege_core::sim::Vec3;
use protege_core::tasks::ExpertStyle;

/// The can is 5 cm wide.
const HELD: [f64; 2] = [0.04, 0.056];
/// The can's middle when it stands in the middle of its compartment, m: `bin2` of pick_place.py,
/// with a floor of 2 cm and a can of half 4.1 cm.
const PLACE: Vec3 = [0.15, 0.35, 0.861];
/// Over this above its place the can's bottom clears the walls, whose top is 8 cm above the floor.
const OVER: f64 = 0.12;
/// How far from the middle of its compartment the can may be let go, m.
const ROOM: f64 = 0.02;

/// The expert of `robosuite/can`.
pub fn can(now: &Moment<'_>, style: &ExpertStyle) -> Action {
    let can = now.bodies[0];
    let aside = distance_xy(can.position, PLACE);
    let above = can.position[2] - PLACE[2];
    if aside < ROOM && above < 0.04 {
        return release(now, 0.06, style);
    }
    // A can is round: any turn will do.
    let any: Rotation = downward(easiest(&[], LEAN * style.side));
    let grasp = Grasp {
        at: plus(can.position, [0.0, 0.0, 0.02 + style.grasp]),
        turn: any,
        held: HELD,
        open: 0.065,
    };
    fetch(now, &grasp, style).unwrap_or_else(|| {
        let to = plus(PLACE, [0.0, 0.0, 0.025]);
        let next = funnel(can.position, to, OVER + style.lift, 0.05, style);
        let hand = plus(now.hand, super::geometry::minus(next, can.position));
        steer(now, hand, &any, CLOSED, style)
    })
}
