//! Put the hook into its stand and hang the wrench on it: environments/manipulation/tool_hang.py.

use super::{Task, body_pose, touch};
use crate::mujoco::Plant;
use crate::mujoco::robosuite::arm::{body, geom, site};
use crate::mujoco::robosuite::observe::from_hand;
use crate::mujoco::robosuite::starts::{Area, Free, Placed, Shape};
use crate::mujoco::robosuite::transforms::{
    Pose, cross, dot, mat_to_quat, minus, norm, quat_product, rows,
};
use protege_core::Result;
use protege_core::rng::Rng;
use std::f64::consts::PI;

/// Height of the table, and its width and depth, m.
const TABLE: f64 = 0.8;
const WIDTH: f64 = 0.8;
/// Lengths of which the starts and the rules are made, m (`_load_model`).
const FRAME_THICKNESS: f64 = 0.75 / 100.0;
const FRAME_HEIGHT: f64 = 18.0 / 100.0;
const GRIP_HEIGHT: f64 = 6.35 / 200.0;
const TIP: [f64; 2] = [2.54 / 200.0, 1.905 / 100.0];
const BASE_THICKNESS: f64 = 1.0 / 100.0;
const HOLE_RADIUS: f64 = 2.1 / 200.0;
/// Boxes around a hole of the wrench.
const HOLE_GEOMS: usize = 8;
/// How far the hook's tip may be from the stand's base, m.
const INSERTED: f64 = 0.05;
/// How far the stand may lean, rad.
const UPRIGHT: f64 = PI / 18.0;
/// How the hook is turned before it is turned at random (models/objects/composite/hook_frame.py
/// `init_quat`). Upstream multiplies w, x, y, z as if it were x, y, z, w; so it is done here.
const FRAME_TURN: [f64; 4] = [-0.5, -0.5, 0.5, 0.5];

/// Where the stand, the hook and the wrench start, m and rad.
const AREAS: [Area; 3] = [
    area([-WIDTH * 0.1, 0.0], 0.0, [0.0, 0.0], 0.001),
    area(
        [-WIDTH * 0.05, -WIDTH * 0.3],
        0.02,
        [-PI / 2.0 + PI / 6.0, PI / 18.0],
        (FRAME_THICKNESS - FRAME_HEIGHT) / 2.0 + 0.001 + BASE_THICKNESS / 2.0 + GRIP_HEIGHT
            - (TIP[0] + 2.0 * TIP[1]),
    ),
    area(
        [WIDTH * 0.05, -WIDTH * 0.25],
        0.02,
        [-PI / 2.0 - PI / 9.0, PI / 18.0],
        0.001,
    ),
];

/// How far below the middle of its body each of them reaches, m.
const BOTTOMS: [f64; 3] = [-0.08, -0.14079999999999998, -0.04];

/// A square about a point, and angles about one.
const fn area(center: [f64; 2], tolerance: f64, angle: [f64; 2], z_offset: f64) -> Area {
    Area {
        reference: [0.0, 0.0, TABLE],
        x: [center[0] - tolerance, center[0] + tolerance],
        y: [center[1] - tolerance, center[1] + tolerance],
        z_offset,
        angle: [angle[0] - angle[1], angle[0] + angle[1]],
    }
}

/// Things in the scene, by index.
pub struct ToolHang {
    joints: [Free; 3],
    tool: usize,
    base: usize,
    walls: [usize; 4],
    stand_mount: usize,
    frame_hang: usize,
    frame_mount: usize,
    frame_corner: usize,
    frame_tip: usize,
    hook: usize,
    hole_center: usize,
    hole: [usize; HOLE_GEOMS],
    fingers: [usize; 4],
}

impl ToolHang {
    /// Finds them.
    ///
    /// # Errors
    /// When the scene lacks one.
    pub fn find(plant: &Plant) -> Result<Self> {
        let joint = |object| Free::find(plant, object);
        let wall = |i| geom(plant, &format!("stand_wall{i}"));
        let finger = |name| geom(plant, &format!("gripper0_right_finger{name}collision"));
        let mut hole = [0; HOLE_GEOMS];
        for (i, to) in hole.iter_mut().enumerate() {
            *to = geom(plant, &format!("tool_hole1_hc_{i}"))?;
        }
        Ok(Self {
            joints: [joint("stand")?, joint("frame")?, joint("tool")?],
            tool: body(plant, "tool_root")?,
            base: geom(plant, "stand_base")?,
            walls: [wall(0)?, wall(1)?, wall(2)?, wall(3)?],
            stand_mount: site(plant, "stand_mount_site")?,
            frame_hang: site(plant, "frame_hang_site")?,
            frame_mount: site(plant, "frame_mount_site")?,
            frame_corner: site(plant, "frame_intersection_site")?,
            frame_tip: site(plant, "frame_tip_site")?,
            hook: geom(plant, "frame_horizontal_frame")?,
            hole_center: site(plant, "tool_hole1_center")?,
            hole,
            fingers: [
                finger("1_")?,
                finger("1_pad_")?,
                finger("2_")?,
                finger("2_pad_")?,
            ],
        })
    }

    /// The stand's base, the corner of the hook, the wrench. Upstream makes their quaternions of
    /// matrices.
    fn objects(&self, plant: &Plant) -> [Pose; 3] {
        let data = &plant.data;
        let pose = |position: [f64; 3], matrix: [f64; 9]| Pose {
            position,
            rotation: mat_to_quat(&rows(matrix)),
        };
        [
            pose(data.geom_xpos()[self.base], data.geom_xmat()[self.base]),
            pose(
                data.site_xpos()[self.frame_corner],
                data.site_xmat()[self.frame_corner],
            ),
            pose(data.xpos()[self.tool], data.xmat()[self.tool]),
        ]
    }

    /// Whether the hook is in its stand (`_check_frame_assembled`).
    fn is_assembled(&self, plant: &Plant) -> bool {
        let geoms = plant.data.geom_xpos();
        let sites = plant.data.site_xpos();
        let base = geoms[self.base];
        let shaft = minus(sites[self.stand_mount], base);
        let lean = (shaft[2] / norm(shaft)).acos().abs();
        let insertion = norm(minus(sites[self.frame_tip], base));
        let end = sites[self.frame_mount];
        let rod = direction(end, sites[self.frame_corner]);
        let walls = self.walls.map(|wall| minus(geoms[wall], end));
        lean < UPRIGHT
            && insertion < INSERTED
            && on_both_sides(walls[0], walls[2], rod)
            && on_both_sides(walls[1], walls[3], rod)
    }

    /// Whether the wrench hangs on the hook (`_check_tool_on_frame`).
    fn is_hung(&self, plant: &Plant) -> bool {
        let geoms = plant.data.geom_xpos();
        let sites = plant.data.site_xpos();
        let is_tool = |geom: usize| {
            let body = plant.model().geom_bodyid()[geom] as usize;
            plant.model().body_rootid()[body] as usize == self.tool
        };
        let is_held = touch(plant, |a| self.fingers.contains(&a), is_tool);
        let lies_on = touch(plant, |a| self.hole.contains(&a), |b| b == self.hook);
        let end = sites[self.frame_hang];
        let corner = sites[self.frame_corner];
        let rod = direction(end, corner);
        let center = minus(sites[self.hole_center], end);
        let along = dot(center, rod);
        let beside = norm(minus(center, rod.map(|v| along * v)));
        let share = along / norm(minus(corner, end));
        let first = minus(geoms[self.hole[0]], end);
        let opposite = minus(geoms[self.hole[HOLE_GEOMS / 2]], end);
        !is_held
            && lies_on
            && beside < HOLE_RADIUS - FRAME_THICKNESS / 2.0
            && on_both_sides(first, opposite, rod)
            && share > 0.05
            && share < 1.0
    }
}

/// The unit vector from a point to another.
fn direction(from: [f64; 3], to: [f64; 3]) -> [f64; 3] {
    let way = minus(to, from);
    let length = norm(way);
    way.map(|v| v / length)
}

/// Whether two points lie on opposite sides of a line through 0.
fn on_both_sides(a: [f64; 3], b: [f64; 3], line: [f64; 3]) -> bool {
    dot(cross(a, line), cross(b, line)) < 0.0
}

impl Task for ToolHang {
    fn place(&self, plant: &mut Plant, rng: &mut Rng) {
        let objects = AREAS.iter().zip(BOTTOMS);
        let draw = |(area, bottom): (&Area, f64)| -> Placed {
            // Overlaps are not looked for.
            let shape = Shape {
                radius: 0.0,
                top: 0.0,
                bottom,
            };
            area.draw(shape, &[], rng)
        };
        let placed: Vec<Placed> = objects.map(draw).collect();
        for ((i, joint), object) in self.joints.iter().enumerate().zip(&placed) {
            let to = if i == 1 {
                lying(object)
            } else {
                object.upright()
            };
            joint.put(plant, to);
        }
    }

    fn observe(&self, plant: &Plant, hand: &Pose, before: &mut Vec<Pose>, to: &mut Vec<f64>) {
        from_hand(hand, &self.objects(plant), before, to);
        to.push(f64::from(self.is_assembled(plant)));
        to.push(f64::from(self.is_hung(plant)));
    }

    fn reward(&self, plant: &Plant, _hand: &Pose) -> f64 {
        f64::from(self.is_assembled(plant) && self.is_hung(plant))
    }

    fn things(&self, plant: &Plant) -> Vec<(&'static str, Pose)> {
        let [base, corner, _] = self.objects(plant);
        let site = |site: usize| Pose {
            position: plant.data.site_xpos()[site],
            rotation: mat_to_quat(&rows(plant.data.site_xmat()[site])),
        };
        vec![
            ("base", base),
            ("stand mount", site(self.stand_mount)),
            ("frame corner", corner),
            ("frame hang", site(self.frame_hang)),
            ("frame mount", site(self.frame_mount)),
            ("frame tip", site(self.frame_tip)),
            ("tool", body_pose(plant, self.tool)),
            ("tool hole", site(self.hole_center)),
        ]
    }
}

/// The hook, turned about y by its angle: x, y, z, and w, x, y, z.
fn lying(object: &Placed) -> [f64; 7] {
    let [x, y, z] = object.position;
    let (sin, cos) = (object.angle / 2.0).sin_cos();
    let [a, b, c, d] = quat_product([cos, 0.0, sin, 0.0], FRAME_TURN);
    [x, y, z, a, b, c, d]
}
