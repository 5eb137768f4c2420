//! The frame of tool-hang: a rod with a tip, which goes into the stand, and a bar with a hook, on
//! which the tool is hung (`HookFrame`, with what `environments/manipulation/tool_hang.py` says of
//! it).

use super::super::composition::Composition;
use super::solid::{Contact, FRICTION, Look, Solid};
use super::{BRASS, CERAMIC, RED, STEEL, STIFF, UNSEEN, add_origin, add_site, set_free};
use mujoco_rs::prelude::MjtGeomBase;
use mujoco_rs::wrappers::mj_editing::MjsBody;
use protege_core::Result;

/// How long the bar is, m.
const LENGTH: f64 = 9.5 / 100.0;
/// How high the frame is without tip and hook, m.
const HEIGHT: f64 = 18.0 / 100.0;
/// How thick bar and rod are, m.
const THICK: f64 = 0.75 / 100.0;
/// How high the hook is, m.
const HOOK: f64 = 1.2 / 100.0;
/// How far above the rod's middle the grip is, m.
const GRIP_AT: f64 = (9.0 - 3.0) / 100.0 - 0.75 / 200.0;
/// Half the thickness and half the height of the grip, m.
const GRIP: [f64; 2] = [2.54 / 200.0, 6.35 / 200.0];
/// The tip: half the height of its cylinder, the radii below and above of its cone, and half the
/// cone's height, m.
const TIP: [f64; 4] = [2.54 / 200.0, 0.2 / 200.0, 0.65 / 200.0, 1.905 / 100.0];
/// Of how many boxes the cone is made.
const STEPS: u32 = 51;

const CONTACT: Contact = Contact {
    density: 500.0,
    friction: FRICTION,
    solimp: STIFF,
    condim: 3,
};

/// Where the rod stands, m along the bar.
const ROD: f64 = (LENGTH - THICK) / 2.0;

/// Adds the frame.
pub fn frame(scene: &mut Composition) -> Result<()> {
    scene.material(&CERAMIC)?;
    scene.material(&STEEL)?;
    let body = scene.body("frame_root")?;
    set_free(body, "frame_joint0", 0.0)?;
    let bar = (HEIGHT - THICK) / 2.0;
    let tip = -HEIGHT / 2.0 - 2.0 * TIP[0] - TIP[3];
    let green = [0.0, 1.0, 0.0, 1.0];
    let blue = [0.0, 0.0, 1.0, 1.0];
    add_site(body, "frame_hang_site", [-LENGTH / 2.0, 0.0, bar], RED)?;
    add_site(body, "frame_mount_site", [ROD, 0.0, -HEIGHT / 2.0], green)?;
    add_site(body, "frame_intersection_site", [ROD, 0.0, bar], blue)?;
    add_site(body, "frame_tip_site", [ROD, 0.0, tip], RED)?;
    add_origin(body, "frame_default_site", UNSEEN)?;
    add_bars(body)?;
    add_tip(body)
}

/// The rod, the bar, the hook at its end and the grip.
fn add_bars(body: &mut MjsBody) -> Result<()> {
    let parts = [
        (
            "frame_vertical_frame",
            [ROD, 0.0, -THICK / 2.0],
            [THICK / 2.0, THICK / 2.0, (HEIGHT - THICK) / 2.0],
        ),
        (
            "frame_horizontal_frame",
            [0.0, 0.0, (HEIGHT - THICK) / 2.0],
            [LENGTH / 2.0, THICK / 2.0, THICK / 2.0],
        ),
        (
            "frame_hook_frame",
            [(-LENGTH + THICK) / 2.0, 0.0, (HEIGHT + HOOK) / 2.0],
            [THICK / 2.0, THICK / 2.0, HOOK / 2.0],
        ),
    ];
    for (name, pos, size) in parts {
        brick(name, pos, size, Look::of(BRASS.name)).add(body)?;
    }
    let look = Look {
        material: CERAMIC.name,
        rgba: Some([0.13, 0.13, 0.13, 1.0]),
    };
    let pos = [ROD, 0.0, -THICK / 2.0 + GRIP_AT];
    brick("frame_grip_frame", pos, [GRIP[0], GRIP[0], GRIP[1]], look).add(body)
}

/// The tip below the rod: a cylinder, then a cone of boxes (`ConeObject`), which grows with height.
fn add_tip(body: &mut MjsBody) -> Result<()> {
    let [half_cylinder, below, above, height] = TIP;
    let look = Look::of(STEEL.name);
    let cylinder_z = -HEIGHT / 2.0 - half_cylinder;
    let cylinder = Solid {
        kind: MjtGeomBase::mjGEOM_CYLINDER,
        ..brick(
            "frame_tip_cylinder",
            [ROD, 0.0, cylinder_z],
            [above, half_cylinder, 0.0],
            look,
        )
    };
    cylinder.add(body)?;
    let cone_z = cylinder_z - half_cylinder - height / 2.0;
    let half = (height / f64::from(STEPS)) / 2.0;
    let widening = (above - below) / f64::from(STEPS - 1);
    for i in 0..STEPS {
        let step = f64::from(i) - f64::from(STEPS / 2);
        let radius = below + f64::from(i) * widening;
        let pos = [ROD, 0.0, step * half * 2.0 + cone_z];
        let name = format!("frame_tip_cone_{i}");
        brick(&name, pos, [radius, radius, half], look).add(body)?;
    }
    Ok(())
}

fn brick(name: &str, pos: [f64; 3], size: [f64; 3], look: Look) -> Solid<'_> {
    Solid {
        name,
        kind: MjtGeomBase::mjGEOM_BOX,
        size,
        pos,
        quat: Solid::UPRIGHT,
        contact: CONTACT,
        look,
    }
}
