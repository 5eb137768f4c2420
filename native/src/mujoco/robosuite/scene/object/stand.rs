//! The stand of tool-hang: a base with a shaft of four walls, into which the frame goes
//! (`StandWithMount`, with what `environments/manipulation/tool_hang.py` says of it).

use super::super::composition::Composition;
use super::solid::{Contact, FRICTION, Look, Solid};
use super::{BRASS, RED, STIFF, UNSEEN, add_origin, add_site, set_free};
use mujoco_rs::prelude::MjtGeomBase;
use protege_core::Result;
use std::f64::consts::{FRAC_PI_2, PI};

/// Edges of the base and height of the whole, m.
const SIZE: [f64; 3] = [12.0 / 100.0, 14.0 / 100.0, 16.0 / 100.0];
/// Where the shaft stands, m.
const SHAFT: [f64; 2] = [0.0, 4.5 / 100.0];
/// Width of the shaft, outside, m.
const WIDTH: f64 = 1.2 / 100.0;
/// Thickness of its walls, m.
const WALL: f64 = 0.1 / 100.0;
/// Thickness of the base, m.
const BASE: f64 = 1.0 / 100.0;

const CONTACT: Contact = Contact {
    density: 50000.0,
    friction: FRICTION,
    solimp: STIFF,
    condim: 3,
};

/// Adds the stand.
pub fn stand(scene: &mut Composition) -> Result<()> {
    scene.material(&BRASS)?;
    let body = scene.body("stand_root")?;
    set_free(body, "stand_joint0", 0.0)?;
    add_site(body, "stand_mount_site", [0.0, 0.0, SIZE[2] / 2.0], RED)?;
    add_origin(body, "stand_default_site", UNSEEN)?;
    let [length, width, height] = SIZE;
    let size = [length / 2.0, width / 2.0, BASE / 2.0];
    let pos = [0.0, 0.0, -(height - BASE) / 2.0];
    brass("stand_base", size, pos, Solid::UPRIGHT).add(body)?;
    let size = [WALL / 2.0, WIDTH / 2.0, (height - BASE) / 2.0];
    let out = (WIDTH - WALL) / 2.0;
    let walls = [
        ([0.0, -out], FRAC_PI_2),
        ([-out, 0.0], 0.0),
        ([0.0, out], -FRAC_PI_2),
        ([out, 0.0], PI),
    ];
    for (i, ([x, y], angle)) in walls.into_iter().enumerate() {
        let name = format!("stand_wall{i}");
        let pos = [x + SHAFT[0], y + SHAFT[1], BASE / 2.0];
        brass(&name, size, pos, about_z(angle)).add(body)?;
    }
    // What is seen of the hole.
    let half = 0.7 * ((WIDTH - WALL) / 2.0);
    let size = [half, half, WALL / 2.0];
    let pos = [SHAFT[0], SHAFT[1], height / 2.0 - size[2]];
    let hole = Solid {
        look: Look {
            material: "",
            rgba: Some([0.0, 1.0, 0.0, 0.5]),
        },
        ..brass("stand_hole_vis", size, pos, Solid::UPRIGHT)
    };
    hole.add_seen(body)
}

fn brass(name: &str, size: [f64; 3], pos: [f64; 3], quat: [f64; 4]) -> Solid<'_> {
    Solid {
        name,
        kind: MjtGeomBase::mjGEOM_BOX,
        size,
        pos,
        quat,
        contact: CONTACT,
        look: Look::of(BRASS.name),
    }
}

/// A turn about the vertical, rad.
fn about_z(angle: f64) -> [f64; 4] {
    let (sin, cos) = (angle / 2.0).sin_cos();
    [cos, 0.0, 0.0, sin]
}
