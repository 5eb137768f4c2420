//! Can: the can is carried over the walls into its compartment of the other bin.

use super::geometry::{UP, distance_xy, scaled};
use super::motion::{CLOSED, Grasp, LEAN, downward, easiest, fetch, funnel, release, steer};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{minus, plus};
use protege_core::tasks::ExpertStyle;

/// The can is 5 cm wide.
const HELD: [f64; 2] = [0.04, 0.056];
/// From the middle of the compartment to where the can's middle is when it stands there, m: the
/// near corner, since the arm does not reach the middle with the hand pointing down, on the floor,
/// which is 2 cm higher.
const NEAR: [f64; 3] = [-0.0475, -0.0525, 0.061];
/// At this height above its place the can's bottom clears the walls, m.
const OVER: f64 = 0.12;
/// How far from its place the can may be let go, and how high, m.
const ROOM: [f64; 2] = [0.02, 0.04];

/// The expert of `robosuite/can`.
pub fn can(now: &Moment, style: &ExpertStyle) -> Option<Action> {
    let can = now.thing("can")?.position;
    let place = plus(now.thing("compartment")?.position, NEAR);
    let above = can[2] - place[2];
    if distance_xy(can, place) < ROOM[0] && above < ROOM[1] {
        return Some(release(now, 0.06, scaled(UP, 0.1), style));
    }
    // A can is round: any turn will do.
    let grasp = Grasp {
        at: plus(can, [0.0, 0.0, 0.02 + style.grasp]),
        turn: downward(easiest(&[], LEAN * style.side)),
        held: HELD,
        open: 0.065,
    };
    Some(fetch(now, &grasp, style).unwrap_or_else(|| {
        let over = plus(place, [0.0, 0.0, 0.025]);
        let next = funnel(can, over, OVER + style.lift, 0.05, style);
        let hand = plus(now.at(), minus(next, can));
        steer(now, hand, &grasp.turn, CLOSED, style)
    }))
}
