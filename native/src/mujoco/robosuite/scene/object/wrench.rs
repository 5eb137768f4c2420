//! The tool of tool-hang: a wrench with a ring at each end (`RatchetingWrenchObject`, with what
//! `environments/manipulation/tool_hang.py` says of it).

use super::super::composition::Composition;
use super::super::part::named;
use super::solid::{Contact, FRICTION, Look, Solid};
use super::{RED, STEEL, STIFF, UNSEEN, add_origin, add_site, set_free};
use mujoco_rs::prelude::MjtGeomBase;
use mujoco_rs::wrappers::mj_editing::MjsBody;
use protege_core::Result;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// Half edges of the handle, m.
const HANDLE: [f64; 3] = [16.5 / 200.0, 1.75 / 200.0, 0.32 / 200.0];
/// Half the thickness and half the length of the grip, m.
const GRIP: [f64; 2] = [3.0 / 200.0, 8.0 / 200.0];
/// The two rings.
const RINGS: [Ring; 2] = [
    Ring {
        outer: 3.5 / 200.0,
        inner: 2.1 / 200.0,
    },
    Ring {
        outer: 3.0 / 200.0,
        inner: 2.0 / 200.0,
    },
];
/// Half the height of the rings, m.
const RING_HEIGHT: f64 = 0.7 / 200.0;
/// Of how many boxes a ring is made.
const BOXES: u32 = 8;
/// Damping of the tool where it lies free.
const DAMPING: f64 = 0.0005;

const CONTACT: Contact = Contact {
    density: 2000.0,
    friction: [0.95, 0.3, 0.1],
    solimp: STIFF,
    condim: 3,
};

/// A ring's radii, m.
struct Ring {
    outer: f64,
    inner: f64,
}

impl Ring {
    /// Half the thickness of its boxes, m.
    fn half_thickness(&self) -> f64 {
        (self.outer - self.inner) * (PI / f64::from(BOXES)).cos() / 2.0
    }
}

/// Adds the tool. Its materials are those that the frame has.
pub fn wrench(scene: &mut Composition) -> Result<()> {
    let tool = scene.body("tool_root")?;
    set_free(tool, "tool_joint0", DAMPING)?;
    add_origin(tool, "tool_default_site", UNSEEN)?;
    let [first, second] = &RINGS;
    let left = -HANDLE[0] - first.outer + 2.0 * first.half_thickness();
    let right = HANDLE[0] + second.outer - 2.0 * second.half_thickness();
    add_ring(tool, "tool_hole1", left, first)?;
    add_ring(tool, "tool_hole2", right, second)?;
    let steel = Look::of(STEEL.name);
    let upright = Solid::UPRIGHT;
    add_bar(tool, "tool_handle", HANDLE, upright, CONTACT, steel)?;
    let grip = [GRIP[0], GRIP[0], GRIP[1]];
    let lying = [FRAC_1_SQRT_2, 0.0, FRAC_1_SQRT_2, 0.0];
    let contact = Contact {
        friction: FRICTION,
        ..CONTACT
    };
    let dark = Look {
        material: "",
        rgba: Some([0.13, 0.13, 0.13, 1.0]),
    };
    add_bar(tool, "tool_grip", grip, lying, contact, dark)
}

/// A ring of boxes (`HollowCylinderObject`), `x` along the tool.
fn add_ring(tool: &mut MjsBody, name: &str, x: f64, ring: &Ring) -> Result<()> {
    let body = named(tool.add_body(), &format!("{name}_root"))?;
    *body.pos_mut() = [x, 0.0, 0.0];
    add_site(body, &format!("{name}_center"), [0.0; 3], RED)?;
    add_origin(body, &format!("{name}_default_site"), UNSEEN)?;
    let count = f64::from(BOXES);
    let half_thickness = ring.half_thickness();
    let half_width = ring.outer * (PI / count).sin();
    let radius = ring.inner * (PI / count).cos() + half_thickness;
    for i in 0..BOXES {
        let angle = PI - f64::from(i) * (2.0 * PI / count);
        let (sin, cos) = (angle / 2.0).sin_cos();
        let solid = Solid {
            name: &format!("{name}_hc_{i}"),
            kind: MjtGeomBase::mjGEOM_BOX,
            size: [half_thickness, half_width, RING_HEIGHT],
            pos: [radius * angle.cos(), radius * angle.sin(), 0.0],
            quat: [cos, 0.0, 0.0, sin],
            contact: Contact {
                condim: 4,
                ..CONTACT
            },
            look: Look::of(STEEL.name),
        };
        solid.add(body)?;
    }
    Ok(())
}

/// A bar that is a body of the tool (`BoxObject` in it).
fn add_bar(
    tool: &mut MjsBody,
    name: &str,
    size: [f64; 3],
    quat: [f64; 4],
    contact: Contact,
    look: Look,
) -> Result<()> {
    let body = named(tool.add_body(), &format!("{name}_main"))?;
    *body.quat_mut() = quat;
    let solid = Solid {
        name: &format!("{name}_g0"),
        kind: MjtGeomBase::mjGEOM_BOX,
        size,
        pos: [0.0; 3],
        quat: Solid::UPRIGHT,
        contact,
        look,
    };
    solid.add(body)?;
    add_origin(body, &format!("{name}_default_site"), RED)
}
