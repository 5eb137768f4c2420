//! Tool-hang: the frame is put into the stand, then the wrench hung on the frame's hook.

use super::geometry::{
    UP, about, axis_angle, column, distance_xy, of_columns, point, scaled, unit,
};
use super::motion::{Grasp, OPEN, downward, easiest, fetch, funnel, lead, release, turn_between};
use super::{Action, Moment};
use crate::mujoco::robosuite::transforms::{
    Matrix, Pose, cross, dot, minus, norm, plus, product, quat_to_mat, transposed, turned,
};
use protege_core::tasks::ExpertStyle;

/// Points of the stand, from the middle of its base, m (models/objects/composite/
/// stand_with_mount.py): the mouth of its hole, and the floor in it.
const MOUTH: [f64; 3] = [0.0, 0.045, 0.155];
const FLOOR: [f64; 3] = [0.0, 0.045, 0.005];
/// Points of the frame, from its corner, m (models/objects/composite/hook_frame.py): its tip, the
/// middle of its grip, and the bar below the hook.
const TIP: [f64; 3] = [0.0, 0.0, -0.2207];
const GRIP: [f64; 3] = [0.0, 0.0, -0.03375];
const HOOK: [f64; 3] = [-0.0875, 0.0, 0.0];

/// The frame's grip is 2.5 cm wide, the wrench's 3 cm.
const FRAME_HELD: [f64; 2] = [0.02, 0.03];
const TOOL_HELD: [f64; 2] = [0.024, 0.035];
/// The frame stands when its tip is this near the floor, m. The rule wants 2.2 cm.
const STANDS: f64 = 0.016;
/// The hand that takes the frame leans by this to the side of its bar, rad: so it comes from above
/// when the frame stands, where the arm has room.
const LEANS: f64 = 0.7;
/// Where the frame's grip is when the frame is turned upright, and where the hand turns down again:
/// clear of everything, m.
const ASIDE: [f64; 3] = [0.0, -0.14, 1.14];
const FREE: [f64; 3] = [0.0, 0.02, 1.16];

/// The expert of `robosuite/tool-hang`.
pub fn tool_hang(now: &Moment, style: &ExpertStyle) -> Option<Action> {
    let base = now.thing("base")?;
    let frame = now.thing("frame corner")?;
    let tool = now.thing("tool")?;
    let ring = now.thing("tool hole")?;
    if !stands(&base, &frame) {
        return Some(put_in(now, &base, &frame, style));
    }
    if norm(minus(now.at(), point(&frame, GRIP))) < 0.045 {
        return Some(back_off(now, style));
    }
    Some(hang(now, &frame, &tool, ring.position, style))
}

/// Whether the frame is in the stand.
fn stands(base: &Pose, frame: &Pose) -> bool {
    let [x, y, z] = minus(point(frame, TIP), point(base, FLOOR));
    let upright = quat_to_mat(frame.rotation)[2][2];
    upright > 0.97 && x.hypot(y) < 0.012 && z < STANDS
}

/// Lets go, and draws the hand back the way it points.
fn back_off(now: &Moment, style: &ExpertStyle) -> Action {
    release(now, 0.06, scaled(column(&now.turn(), 2), -0.05), style)
}

/// Takes the frame and puts it into the stand.
fn put_in(now: &Moment, base: &Pose, frame: &Pose, style: &ExpertStyle) -> Action {
    let turn = quat_to_mat(frame.rotation);
    let grip = point(frame, GRIP);
    let down = downward(easiest(&[column(&turn, 0)], 0.0));
    let lean = -LEANS.copysign(dot(column(&down, 0), column(&turn, 2)));
    let grasp = Grasp {
        at: grip,
        turn: product(&about(scaled(column(&down, 1), lean)), &down),
        held: FRAME_HELD,
        open: 0.05,
    };
    if let Some(action) = fetch(now, &grasp, style) {
        return action;
    }
    // Upright, with the hook to the right: the hand then points to the robot.
    let goal = of_columns([0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], UP);
    let by = turn_between(&turn, &goal);
    let crooked = norm(axis_angle(&by));
    if crooked > 0.3 {
        return turn_upright(now, grip, &by, style);
    }
    let tip = point(frame, TIP);
    let mouth = point(base, MOUTH);
    let aside = distance_xy(tip, mouth);
    let fits = crooked < 0.06 && aside < 0.0025;
    let is_inside = aside < 0.006 && tip[2] < mouth[2];
    let next = if is_inside || fits {
        point(base, FLOOR)
    } else {
        let over = plus(mouth, [0.0, 0.0, 0.01]);
        funnel(tip, over, 0.03 + style.lift, 0.04, style)
    };
    lead(now, tip, next, &by, style)
}

/// Raises the frame from the table, then turns it on its way to where it is clear of everything.
fn turn_upright(now: &Moment, grip: [f64; 3], by: &Matrix, style: &ExpertStyle) -> Action {
    if grip[2] > 0.92 {
        return lead(now, grip, ASIDE, by, style);
    }
    let up = [grip[0], grip[1], ASIDE[2]];
    lead(now, grip, up, &about([0.0; 3]), style)
}

/// Takes the wrench and hangs it up.
fn hang(now: &Moment, frame: &Pose, tool: &Pose, ring: [f64; 3], style: &ExpertStyle) -> Action {
    let turn = quat_to_mat(tool.rotation);
    let bar = quat_to_mat(frame.rotation);
    let inward = unit([bar[0][0], bar[1][0], 0.0]);
    let hook = point(frame, HOOK);
    let seen = turned(&transposed(&bar), minus(ring, hook));
    let tilt = turn[2][2].clamp(-1.0, 1.0).acos();
    if tilt > 1.2 && seen[0] > 0.004 && seen[2].abs() < 0.008 && seen[1].abs() < 0.008 {
        return back_off(now, style);
    }
    let grasp = Grasp {
        at: tool.position,
        turn: downward(easiest(&[column(&turn, 1)], 0.0)),
        held: TOOL_HELD,
        open: 0.055,
    };
    let is_near = norm(minus(now.at(), tool.position)) < 0.03;
    if !is_near && now.turn()[2][2] > -0.8 {
        let by = turn_between(&now.turn(), &grasp.turn);
        let mut action = lead(now, now.at(), FREE, &by, style);
        action[3..6].iter_mut().for_each(|a| *a *= 0.4);
        action[6] = OPEN;
        return action;
    }
    if let Some(action) = fetch(now, &grasp, style) {
        return action;
    }
    // Level, with its ring towards the bar, the wrench comes down over the hook; then its other end
    // sinks, and the ring slides onto the bar.
    let outward = scaled(inward, -1.0);
    let level = of_columns(outward, cross(UP, outward), UP);
    let is_around = seen[0].abs() < 0.02 && seen[1].abs() < 0.006 && seen[2] < 0.014;
    let wanted = if is_around { 1.5 } else { 0.0 };
    let goal = product(&about(scaled(cross(UP, outward), wanted)), &level);
    let by = turn_between(&turn, &goal);
    let place = |along: f64, height: f64| plus(hook, turned(&bar, [along, 0.0, height]));
    let next = if is_around {
        let share = (tilt / 1.4).clamp(0.0, 1.0);
        place(0.010 * share, 0.009 * (1.0 - share) - 0.003 * share)
    } else {
        let fits = norm(axis_angle(&by)) < 0.1 && distance_xy(ring, hook) < 0.003;
        let low = place(0.0, if fits { 0.008 } else { 0.03 });
        funnel(ring, low, 0.03 + style.lift, 0.04, style)
    };
    lead(now, ring, next, &by, style)
}
